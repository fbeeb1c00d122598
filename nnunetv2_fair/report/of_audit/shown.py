"""How a table of an audit becomes a part of the page."""

from nnunetv2_fair.report.html.downloads import Downloads
from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.templating import render
from nnunetv2_fair.report.of_audit.tables import Table


def shown_table(table: Table, downloads: Downloads) -> Html:
    """Return a table with its menu; add it to what readers can take along."""
    markup = render("report/of_audit/templates/table.html", table=table)
    return downloads.table(table.name, table.title, markup, table.numbers)
