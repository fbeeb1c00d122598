"""A figure: markup for the page, and the same as a drawing that is put into a file."""

from dataclasses import dataclass

from nnunetv2_fair.report.drawing.shapes import Drawing
from nnunetv2_fair.report.html.markup import Html


@dataclass(frozen=True)
class Figure:
    """One figure; templates print its markup.

    Attributes:
        markup: What the page shows.
        drawing: What files show, without title.
    """

    markup: Html
    drawing: Drawing

    def __html__(self) -> Html:
        """Return the markup."""
        return self.markup
