import dataclasses
import math

import numpy as np
import pandas as pd
import pytest

from nnunetv2_fair.evaluation.disclosure.of_evaluation import shareable
from nnunetv2_fair.report.of_evaluation.cases import table as module
from nnunetv2_fair.report.of_evaluation.cases.table import case_table
from nnunetv2_fair.report.of_evaluation.page import render_report
from tests.report import factories
from tests.report.html_check import Page, case_data, check_page
from tests.report.of_evaluation.test_page import HOSTILE


def changed(result, **columns):
    """Return the result with some cells of its cases replaced: column -> {row: value}."""
    frame = result.per_case.copy()
    for column, cells in columns.items():
        frame[column] = frame[column].astype(object)
        for row, value in cells.items():
            frame.loc[frame.index[row], column] = value
    return dataclasses.replace(result, per_case=frame)


def test_data_are_those_of_the_cases():
    result = changed(
        factories.full(), sex={0: "", 1: "", 2: "", 3: ""},
        dice={0: math.nan}, hd95_mm={0: math.inf, 1: 123.45678},
        flags={0: "empty_prediction", 3: "empty_prediction;both_empty"},
    )  # fmt: skip
    data = case_data(Page(case_table(result, [factories.picture("secret_0007")])))
    frame = result.per_case
    # the headline's label comes first
    assert data["labels"] == ["average", "left lung", "right lung", "heart"]
    assert [a["name"] for a in data["attributes"]] == list(result.attributes)
    assert len(data["cases"]) == 101
    for number, label in enumerate(data["labels"]):
        rows = frame[frame["label"] == label].set_index("case").loc[data["cases"]]
        assert data["patients"] == rows["patient"].tolist()
        for index, attribute in enumerate(result.attributes):
            groups = data["attributes"][index]["groups"]
            told = [groups[code] if code >= 0 else "" for code in data["groups"][index]]
            assert told == rows[attribute].tolist()
        for index, metric in enumerate(result.metrics):
            told = np.array(
                [math.nan if v is None else float(v) for v in data["values"][number][index]]
            )
            shown = 0.051 if metric.unit else 0.00051
            np.testing.assert_allclose(told, rows[metric.column].astype(float), atol=shown)
        words = [data["remarks"][code] for code in data["flags"][number]]
        assert sum(map(bool, words)) == (rows["flags"] != "").sum()
    assert "nothing predicted, nothing in either mask" in data["remarks"]
    where = data["cases"].index("secret_0007")
    assert data["pictures"] == {str(where): 0}


def test_worst_case_comes_first():
    result = factories.two_groups()
    data = case_data(Page(case_table(result, [])))
    dice = data["values"][0][0]
    assert dice == sorted(dice)
    distance = factories.two_groups(metrics=(factories.HD95,))
    values = case_data(Page(case_table(distance, [])))["values"][0][0]
    assert values == sorted(values, reverse=True)


def test_filters_count_every_group_and_unknowns():
    result = changed(factories.two_groups(size=6), sex={0: "", 1: ""})
    page = Page(case_table(result, []))
    assert "female (4)" in page.text
    assert "male (6)" in page.text
    assert "unknown (2)" in page.text
    assert "unknown" not in Page(case_table(factories.two_groups(), [])).text


def test_patients_are_listed_only_if_they_differ_from_the_cases():
    result = factories.two_groups()
    assert "Case or patient" in Page(case_table(result, [])).text
    frame = result.per_case.assign(patient=result.per_case["case"])
    page = Page(case_table(dataclasses.replace(result, per_case=frame), []))
    assert case_data(page)["patients"] is None
    assert "atient" not in page.text.replace("patients", "")


def test_intersections_of_listed_attributes_have_a_filter_but_no_column():
    page = Page(case_table(factories.full(), []))
    heads = [a for t, a in page.tags if t == "th" and a["data-kind"] == "attribute"]
    assert [a["data-index"] for a in heads] == ["0", "1"]
    assert len([a for t, a in page.tags if t == "select"]) == 4  # label, sex, age, sex+age
    alone = factories.make_result(
        {"sex": ("f", "m"), "site": ("A", "B")}, 6, attributes=("sex+site",)
    )
    heads = [a for t, a in Page(case_table(alone, [])).tags if a.get("data-kind") == "attribute"]
    assert len(heads) == 1


def test_hostile_names_stay_data():
    names = (*HOSTILE, "</script><script>alert(1)</script>", "a\u2028b")
    result = factories.make_result({HOSTILE[0]: names}, 6)
    cases = {row: names[row % len(names)] + str(row) for row in range(len(result.per_case))}
    result = changed(result, case=cases, patient=cases)
    text = case_table(result, [])
    page = Page(text)
    assert len(page.scripts) == 1
    data = case_data(page)
    assert "</script><script>alert(1)</script>6" in data["cases"]
    assert max(map(len, data["cases"])) <= 120
    assert all("\u202e" not in name and "\x00" not in name for name in data["cases"])
    inside = text[text.index('id="case-data">') + 15 : text.index("</script>")]
    assert not {"<", ">", "&", "\u2028"} & set(inside)


def test_a_shareable_result_has_no_table():
    assert case_table(shareable(factories.full()), []) == ""


def test_fifteen_hundred_cases_with_many_labels_stay_under_the_limit():
    result = factories.two_groups(size=750, labels=[f"organ {i}" for i in range(12)])
    text = case_table(result, [])
    data = case_data(Page(text))
    assert len(data["cases"]) == 1500
    assert 6 < len(data["labels"]) <= 13
    assert data["labels"][0] == "average"
    assert len(render_report(result, []).encode()) < 5000 * 1000


@pytest.mark.parametrize(
    ("limit", "labels", "few"), [(60_000, 4, False), (12_000, 3, False), (3_000, 1, True)]
)
def test_what_does_not_fit_is_left_out_and_said(monkeypatch, limit, labels, few):
    result = factories.full()
    monkeypatch.setattr(module, "MOST_BYTES", limit)
    page = Page(case_table(result, []))
    data = case_data(page)
    (text,) = [text for attributes, text in page.scripts]
    assert len(text.encode()) <= limit
    assert len(data["labels"]) == labels
    assert ("Not every label is listed" in page.text) == (labels < 4)
    assert ("worst cases are listed" in page.text) == few
    if few:
        worst = result.per_case[result.per_case["label"] == "average"].nsmallest(5, "dice")
        assert data["cases"][:5] == worst["case"].tolist()
        assert len(data["cases"]) < 101


def test_groups_link_to_their_cases():
    page = check_page(render_report(factories.full(), []))
    links = [a for t, a in page.tags if t == "a" and a.get("class") == "to-cases"]
    assert [(a["data-cases-of"], a["data-group"]) for a in links] == [
        ("0", "0"), ("0", "1"), ("1", "0"), ("1", "1"), ("1", "2"),
        ("2", "0"), ("2", "1"), ("2", "2"), ("2", "3"), ("2", "4"),
    ]  # fmt: skip
    assert "to-cases" not in render_report(shareable(factories.full()), []).split("</style>")[1]


def test_missing_values_of_flags_and_groups_are_understood():
    result = factories.two_groups(size=6)
    frame = result.per_case.copy()
    frame["sex"] = frame["sex"].where(frame["case"] != "secret_0001", None)
    page = Page(case_table(dataclasses.replace(result, per_case=pd.DataFrame(frame)), []))
    assert case_data(page)["groups"][0].count(-1) == 1
