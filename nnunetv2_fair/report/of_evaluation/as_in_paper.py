"""Tables in the form of a paper, as ``--preset`` asks for."""

from collections.abc import Sequence

from nnunetv2_fair.evaluation.results.text_table import TextTable
from nnunetv2_fair.report.html.markup import Html, clean, element, shortened

#: Id of the section.
ANCHOR = "paper"


def paper_section(tables: Sequence[TextTable]) -> Html:
    """Return the tables of a preset; empty if there are none."""
    if not tables:
        return Html("")
    return element(
        "section",
        element("h2", "As in the paper"),
        element(
            "p",
            "The table that the paper prints, with its columns in its order, for these cases.",
            class_="lead",
        ),
        *[_card(table) for table in tables],
        id=ANCHOR,
    )


def _card(table: TextTable) -> Html:
    head = [element("th", shortened(column), scope="col") for column in table.columns]
    rows = [
        element(
            "tr",
            *[
                element("td", shortened(cell), class_="value")
                if position
                else element("th", shortened(cell), scope="row")
                for position, cell in enumerate(row)
            ],
        )
        for row in table.rows
    ]
    body = element(
        "table", element("caption", clean(table.title)), element("thead", element("tr", *head)),
        element("tbody", *rows),
    )  # fmt: skip
    notes = [element("li", clean(note)) for note in table.notes]
    return element(
        "div",
        element(
            "div", body, class_="scroll", tabindex="0", role="region",
            aria_label=shortened(table.title, 120),
        ),
        element("ul", *notes, class_="notes hint") if notes else "",
        class_="card",
    )  # fmt: skip
