"""Figures and tables that readers can take along: files beside the page, and buttons in it.

A page makes one :class:`Downloads` and passes it to its sections. Each figure and table goes
through it on its way into the page::

    downloads = Downloads()
    plot = strip_plot(rows, "Dice", description)            # a Figure
    shown = downloads.figure(("dice", "by", "sex"), "Dice by sex", plot, numbers, hint)
    table = downloads.table(("groups", "of", "sex"), "Groups of sex", markup, numbers)

What comes back is markup for the template (``{{ shown }}``): the same with a small menu below it
that saves SVG, PNG and CSV without any other file. In the page the picture is made of what is
shown; the CSV is ``numbers`` (:class:`~nnunetv2_fair.report.drawing.numbers_table.Numbers`) in full
precision, in the page as on the disk. Put no heading into ``markup``: the title is on top of the
files anyway. :func:`~nnunetv2_fair.report.html.document.write_page` writes the page with
``figures/NAME.svg``, ``figures/NAME.png`` and ``tables/NAME.csv`` beside it, and the tables that
come with texts for manuscripts as ``tables/NAME.md`` and ``tables/NAME.tex``.

Numbers are those of groups, never of individual patients; a page to share passes what its result
holds, in which everything else is hidden already.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from nnunetv2_fair.report.drawing.numbers_table import Numbers
from nnunetv2_fair.report.drawing.png import png_of
from nnunetv2_fair.report.drawing.svg import standalone
from nnunetv2_fair.report.html.figure import Figure
from nnunetv2_fair.report.html.markup import Html, embedded_json
from nnunetv2_fair.report.html.templating import render

#: Folders beside the page, and the endings of what is in them.
FIGURES, TABLES = "figures", "tables"
_ENDINGS = {FIGURES: (".svg", ".png"), TABLES: (".csv", ".md", ".tex")}

_LONGEST_NAME = 80


class Downloads:
    """The figures and tables of one page, in the order in which they were added."""

    def __init__(self) -> None:
        self._drawn: dict[str, str] = {}
        self._numbers: dict[str, str] = {}
        self._texts: dict[str, str] = {}

    def figure(
        self, name: Sequence[str], title: str, figure: Figure, numbers: Numbers, note: str = ""
    ) -> Html:
        """Add a figure; return its markup with the menu.

        Args:
            name: Words of its file name; names from the data are simplified.
            title: What it shows: the heading of the picture.
            figure: Markup and drawing.
            numbers: What it is drawn from, per group.
            note: How to read it: small print below the picture.
        """
        stem = self._stem(name)
        self._drawn[stem] = standalone(figure.drawing, title, note)
        return self._with_menu(stem, title, figure.markup, numbers, note)

    def table(
        self,
        name: Sequence[str],
        title: str,
        content: Html,
        numbers: Numbers,
        texts: Mapping[str, str] | None = None,
    ) -> Html:
        """Add a table; return its markup with the menu.

        Args:
            name: Words of its file name; names from the data are simplified.
            title: What it shows.
            content: The table as the page shows it.
            numbers: The same in full precision.
            texts: The same for manuscripts, written beside the page: ``md`` or ``tex`` -> text.
        """
        stem = self._stem(name)
        beside = {f"{stem}.{ending}": text for ending, text in (texts or {}).items()}
        self._texts |= beside
        return self._with_menu(stem, title, content, numbers, "", tuple(beside))

    def files(self) -> dict[str, bytes]:
        """Return everything that is written beside the page: path -> content."""
        files: dict[str, bytes] = {}
        for stem, svg in self._drawn.items():
            files[f"{FIGURES}/{stem}.svg"] = svg.encode("utf-8")
            files[f"{FIGURES}/{stem}.png"] = png_of(svg)
        for stem, csv in self._numbers.items():
            files[f"{TABLES}/{stem}.csv"] = csv.encode("utf-8", "replace")
        for name, text in self._texts.items():
            files[f"{TABLES}/{name}"] = text.encode("utf-8", "replace")
        return files

    def _with_menu(
        self,
        stem: str,
        title: str,
        content: Html,
        numbers: Numbers,
        note: str,
        beside: Sequence[str] = (),
    ) -> Html:
        csv = numbers.csv()
        self._numbers[stem] = csv
        return render(
            "report/html/templates/download.html",
            stem=stem,
            title=title,
            content=content,
            note=note,
            csv=embedded_json(csv),
            beside={name: f"{TABLES}/{name}" for name in beside},
        )

    def _stem(self, name: Sequence[str]) -> str:
        """Return a name of a file that no other one has."""
        plain = file_stem(name)
        stem, number = plain, 1
        while stem in self._numbers:
            number += 1
            stem = f"{plain}_{number}"
        return stem


def file_stem(words: Iterable[str]) -> str:
    """Return words as a name of a file: small letters, digits and underscores.

    Args:
        words: Our words and names from the data.
    """
    text = "_".join(words).replace("+", "_and_")
    signs = {"<": "_under_", ">=": "_from_", "\N{GREATER-THAN OR EQUAL TO}": "_from_"}
    for sign, word in signs.items():
        text = text.replace(sign, word)
    letters = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    stem = re.sub("[^a-z0-9]+", "_", letters).strip("_")[:_LONGEST_NAME].strip("_")
    return stem or "unnamed"


def remove_others(folder: Path, names: Iterable[str]) -> None:
    """Remove pictures and tables that an earlier page had beside it, and this one has not.

    Args:
        folder: Folder of the page.
        names: Files of this page, as :meth:`Downloads.files` names them.
    """
    kept = set(names)
    for inside, endings in _ENDINGS.items():
        place = folder / inside
        if not place.is_dir():
            continue
        for path in place.iterdir():
            if path.suffix in endings and f"{inside}/{path.name}" not in kept:
                path.unlink()
        if not any(place.iterdir()):
            place.rmdir()
