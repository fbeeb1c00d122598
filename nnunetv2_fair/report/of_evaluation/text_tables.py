"""Sections of tables alone: a paper's, as ``--preset`` asks for, and the values per training."""

from collections.abc import Sequence

from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.tables.of_trainings import trainings_table
from nnunetv2_fair.evaluation.results.tables.text_table import TextTable
from nnunetv2_fair.report.drawing.numbers_table import Numbers
from nnunetv2_fair.report.html.downloads import Downloads
from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.templating import render

#: Ids of the sections.
PAPER = "paper"
TRAININGS = "trainings"


def paper_section(tables: Sequence[TextTable], downloads: Downloads) -> Html:
    """Return the tables of a preset; empty if there are none."""
    lead = "The table that the paper prints, with its columns in its order, for these cases."
    return _section(PAPER, "As in the paper", lead, tables, downloads)


def trainings_section(result: EvaluationResult, downloads: Downloads) -> Html:
    """Return the values of each training; empty if there is one."""
    if not result.trainings:
        return Html("")
    lead = (
        "Means of each training, and their mean and standard deviation over the trainings, which "
        "papers print as mean (SD). Each training has a report of its own in the folder trainings."
    )
    table = trainings_table(result, labels=[result.headline_label])
    return _section(TRAININGS, "Trainings", lead, [table], downloads)


def _section(
    anchor: str, heading: str, lead: str, tables: Sequence[TextTable], downloads: Downloads
) -> Html:
    if not tables:
        return Html("")
    return render(
        "report/of_evaluation/templates/text_tables.html",
        anchor=anchor,
        heading=heading,
        lead=lead,
        tables=[(table, _shown(table, downloads)) for table in tables],
    )


def _shown(table: TextTable, downloads: Downloads) -> Html:
    markup = render("report/of_evaluation/templates/text_table.html", table=table)
    numbers = Numbers(table.columns, table.rows)
    return downloads.table((table.name,), table.title, markup, numbers)
