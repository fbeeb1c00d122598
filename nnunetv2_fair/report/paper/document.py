"""The text of a manuscript and its checklist, as Markdown."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from nnunetv2_fair.evaluation.findings.sentences import Data, Sentence, listed
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.groups import NOT_CHOSEN
from nnunetv2_fair.evaluation.results.tables.text_table import TextTable
from nnunetv2_fair.evaluation.results.trainings import number_of_trainings
from nnunetv2_fair.report.paper.checklist import GUIDELINES, LIMITATIONS, answers
from nnunetv2_fair.report.paper.design import design_of, headline_comparison
from nnunetv2_fair.report.paper.methods import methods
from nnunetv2_fair.report.paper.results_text import results
from nnunetv2_fair.report.paper.tables import table_numbers
from nnunetv2_fair.report.paper.words import Paragraph, ToWrite, cited, markdown

_PUBLIC = (
    "Made of the shareable result: this folder holds neither counts nor values of groups with "
    "fewer than five patients. Other files of the evaluation may be private, so publish this "
    "folder alone, nothing else about the same patients by other groups or bins, and only if those "
    "who are responsible for the data agree."
)
_PRIVATE = (
    "PRIVATE: made of the private result, with exact numbers of small groups. Do not publish it "
    "before those who are responsible for the data have agreed. A text without small groups is "
    "written by --paper alone (from Python: made of a shareable result)."
)


def manuscript(result: EvaluationResult, tables: Sequence[TextTable]) -> str:
    """Return methods, results and limitations as Markdown.

    Args:
        result: The evaluation.
        tables: Its tables, in the order of their numbers.
    """
    numbers = table_numbers(tables)
    parts = {
        "Methods": methods(result),
        "Results": results(result, numbers),
        "Discussion": [Paragraph(LIMITATIONS, list(_limitations(result)))],
    }
    sources = cited(paragraph for part in parts.values() for paragraph in part)
    cites = {source: position for position, source in enumerate(sources, 1)}
    lines = [f"# {markdown([Data(result.name)])}: draft of a manuscript", _head(result)]
    for title, paragraphs in parts.items():
        lines.append(f"## {title}")
        for paragraph in paragraphs:
            lines.append(f"### {markdown([Data(paragraph.title)])}")
            lines += _paragraph(paragraph, cites)
    lines.append("## References")
    lines.append("\n".join(f"{number}. {source}" for source, number in cites.items()))
    lines.append("## Tables")
    lines.append(
        "\n".join(
            f"- Table {numbers[table.name]}: {markdown([table.title])} "
            f"(`{_stem(table, numbers)}.csv`, `.md`, `.tex`)"
            for table in tables
        )
    )
    return "\n\n".join(lines) + "\n"


def checklist(result: EvaluationResult, tables: Sequence[TextTable]) -> str:
    """Return where the answers to the fairness items of reporting guidelines stand.

    Args:
        result: The evaluation.
        tables: Its tables, in the order of their numbers.
    """
    told = answers(result, table_numbers(tables))
    lines = [f"# {markdown([Data(result.name)])}: fairness in reporting guidelines", _head(result)]
    lines.append(
        "Items that touch on fairness, by the numbers of the published statements and in our own "
        "words; other items are not listed. It is no substitute for the official forms, which "
        "journals ask for: compare numbers and wording with them before you submit."
    )
    for guideline in GUIDELINES:
        lines.append(f"## {guideline.name}")
        lines.append(f"{guideline.scope} {guideline.citation}")
        rows = [
            f"| {number} | {topic} | {_cell(told[key])} |"
            for number, (topic, key) in guideline.items.items()
        ]
        lines.append(
            "\n".join(["| item | asks for | where the answer stands |", "|---|---|---|", *rows])
        )
    return "\n\n".join(lines) + "\n"


def numbered(tables: Sequence[TextTable]) -> Iterator[TextTable]:
    """Yield the tables with their numbers in names and titles."""
    numbers = table_numbers(tables)
    for table in tables:
        number = numbers[table.name]
        yield TextTable(
            f"{number}_{table.name}", f"Table {number}: {table.title}", table.columns, table.rows,
            table.notes,
        )  # fmt: skip


def _stem(table: TextTable, numbers: Mapping[str, int]) -> str:
    return f"table_{numbers[table.name]}_{table.name}"


def _head(result: EvaluationResult) -> str:
    made = f" Made on {result.created[:10]}." if result.created else ""
    return (
        f"> {_PUBLIC if result.shareable else _PRIVATE}{made} Passages in bold and brackets are to "
        "be written by you; everything else is what the evaluation did and found."
    )


def _paragraph(paragraph: Paragraph, cites: Mapping[str, int]) -> Iterator[str]:
    if paragraph.sentences:
        yield _together(paragraph.sentences, cites)
    if paragraph.bullets:
        yield "\n".join(f"- {markdown(sentence, cites)}" for sentence in paragraph.bullets)


def _together(sentences: Iterable[Sentence], cites: Mapping[str, int]) -> str:
    return " ".join(markdown(sentence, cites) for sentence in sentences)


def _cell(pieces: Sentence) -> str:
    # a name from the data has its own escaped already
    return re.sub(r"(?<!\\)\|", r"\\|", markdown(pieces).strip())


def _limitations(result: EvaluationResult) -> Iterator[Sentence]:
    design = design_of(result)
    yield ["Not having shown a difference does not mean that groups are segmented equally well."]
    if number_of_trainings(result.settings) == 1:
        yield ["The results are about one trained model; another training of the same method may "
               "turn out differently."]  # fmt: skip
    small = [
        [Data(attribute), " (", *listed(few), ")"]
        for attribute in result.attributes
        for made in [headline_comparison(result, attribute)]
        for few in [[n for n, reason in made.left_out.items() if reason != NOT_CHOSEN]]
        if few
    ]
    for words in small:
        yield ["Some groups are too small to be compared by ", *words, ", so nothing is known "
               "about them."]  # fmt: skip
    if design.by_case and design.several:
        yield ["Images of one patient were counted as if they were of different people, so that "
               "differences are shown more often than they should be."]  # fmt: skip
    if not design.adjusted_for or result.shareable:
        yield ["Groups may differ in more than the attribute they are named by, such as disease, "
               "site or device; the differences above are not adjusted for that."]  # fmt: skip
    yield ["Differences are measured against the reference masks: where these are poorer in one "
           "group, its segmentations look worse."]  # fmt: skip
    yield [ToWrite("who is missing from the data, and to whom the results do not carry over")]
