"""Tables in the form of a paper, as ``--preset`` asks for."""

from collections.abc import Sequence

from nnunetv2_fair.evaluation.results.tables.text_table import TextTable
from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.templating import render

#: Id of the section.
ANCHOR = "paper"


def paper_section(tables: Sequence[TextTable]) -> Html:
    """Return the tables of a preset; empty if there are none."""
    if not tables:
        return Html("")
    template = "report/of_evaluation/templates/as_in_paper.html"
    return render(template, tables=tables, anchor=ANCHOR)
