import re

import pytest

from nnunetv2_fair.evaluation.disclosure.of_evaluation import shareable
from nnunetv2_fair.report.paper.checklist import GUIDELINES, answers
from nnunetv2_fair.report.paper.document import checklist
from nnunetv2_fair.report.paper.tables import paper_tables, table_numbers
from nnunetv2_fair.report.paper.words import ToWrite
from tests.report.paper.designs import evaluated

#: Every number that the published statements have.
ITEMS = {
    "CLAIM 2024": {str(n) for n in range(1, 45)},
    "STARD-AI": {str(n) for n in range(1, 41)} - {"15", "16", "17", "26", "40"}
    | {"15a", "15b", "15c", "15d", "16a", "16b", "16c", "17a", "17b", "26a", "26b", "40a", "40b"},
    "TRIPOD+AI": {
        "1", "2", "3a", "3b", "3c", "4", "5a", "5b", "6a", "6b", "6c", "7", "8a", "8b", "8c", "9a",
        "9b", "9c", "10", "11", "12a", "12b", "12c", "12d", "12e", "12f", "12g", "13", "14", "15",
        "16", "17", "18a", "18b", "18c", "18d", "18e", "18f", "19", "20a", "20b", "20c", "21", "22",
        "23a", "23b", "24", "25", "26", "27a", "27b", "27c",
    },
}  # fmt: skip


@pytest.mark.parametrize("guideline", GUIDELINES, ids=lambda g: g.name)
def test_items_exist(guideline):
    for numbers in guideline.items:
        assert set(re.findall(r"\d+[a-g]?", numbers)) <= ITEMS[guideline.name]


def test_items_on_fairness_are_there():
    named = {guideline.name: set(guideline.items) for guideline in GUIDELINES}
    assert {"36", "37", "39", "40"} <= named["CLAIM 2024"]
    assert {"23", "25", "28", "35"} <= named["STARD-AI"]
    assert {"3c", "7", "8a", "14", "20b", "23a", "25"} <= named["TRIPOD+AI"]


@pytest.mark.parametrize("design", ["plain", "failures", "trainings", "unknown and missing"])
@pytest.mark.parametrize("hidden", [False, True])
def test_every_item_has_an_answer_or_says_what_to_write(design, hidden):
    result = shareable(evaluated(design)) if hidden else evaluated(design)
    tables = paper_tables(result)
    told = answers(result, table_numbers(tables))
    used = {key for guideline in GUIDELINES for _, key in guideline.items.values()}
    assert used == set(told)
    for pieces in told.values():
        where = re.search(r"Table|Methods|Limitations", "".join(pieces))
        assert where or any(isinstance(piece, ToWrite) for piece in pieces)
    text = checklist(result, tables)
    rows = [line for line in text.splitlines() if re.match(r"\| \d", line)]
    assert len(rows) == sum(len(guideline.items) for guideline in GUIDELINES)
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 4 for row in rows)


def test_it_tells_the_finding_itself():
    result = evaluated("gap")
    text = checklist(result, paper_tables(result)).replace("\\", "")
    assert result.findings_on("group_difference", "median", "sex", "average")[0].sentence in text
    assert "Failure rates are not reported" in checklist(
        shareable(result), paper_tables(shareable(result))
    )
