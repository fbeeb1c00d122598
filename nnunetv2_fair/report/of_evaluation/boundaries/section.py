"""Clock faces of the errors along every outline, by group, and of the differences of groups."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.all_findings import headline
from nnunetv2_fair.evaluation.findings.boundaries import places_shown
from nnunetv2_fair.evaluation.findings.sentences import Data, Sentence, clean, plain
from nnunetv2_fair.evaluation.findings.wording import confidence, label_words
from nnunetv2_fair.evaluation.results.boundary_maps import BoundaryMap, Grid
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.findings import Finding
from nnunetv2_fair.report.drawing.clocks import (
    ClockFace,
    clock_drawing,
    face_drawing,
    scale_drawing,
)
from nnunetv2_fair.report.drawing.svg import inline
from nnunetv2_fair.report.html.downloads import Downloads
from nnunetv2_fair.report.html.figure import Figure
from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.templating import render
from nnunetv2_fair.report.of_evaluation.boundaries.exported import boundary_numbers

#: Id of the section.
ANCHOR = "boundaries"

#: One row of a grid, of errors or of whether something is shown there.
_Row = TypeVar("_Row")

#: Groups of one figure; further ones are in its table of numbers.
_MOST_GROUPS = 8


@dataclass(frozen=True)
class _Shown:
    """One label of one attribute.

    Attributes:
        attribute: Attribute expression.
        label: Name of the label, in words.
        claims: What is said of it.
        figure: Its clock faces.
        without: Group -> number of cases without an error, of those that have any.
        unfolded: Whether it is shown at once.
    """

    attribute: str
    label: Sentence
    claims: Sequence[Sentence]
    figure: Html
    without: Sequence[tuple[str, int]]
    unfolded: bool


def boundary_section(result: EvaluationResult, downloads: Downloads) -> Html:
    """Return the section of boundary maps; empty if there are none."""
    if not result.boundary_maps:
        return Html("")
    first = result.boundary_maps[0]
    level = confidence(result.settings)
    return render(
        "report/of_evaluation/templates/boundaries.html",
        anchor=ANCHOR,
        definition=first.metric.definition,
        clock=first.clock,
        slices=first.slices,
        inner=any(found.has_inner for found in result.boundary_maps),
        level=numbers.percent(level),
        maps=list(_maps(result, level, downloads)),
    )


def _maps(result: EvaluationResult, level: float, downloads: Downloads) -> Iterator[_Shown]:
    for attribute in result.attributes:
        maps = [found for found in result.boundary_maps if found.attribute == attribute]
        claimed = [_claims(result, found) for found in maps]
        told = any(f.verdict == "shown" for claims in claimed for f in claims)
        for number, (found, claims) in enumerate(zip(maps, claimed, strict=True)):
            shown = any(f.verdict == "shown" for f in claims)
            yield _Shown(
                attribute,
                label_words(found.label),
                [headline(f, found.metric) for f in claims],
                _figure(found, level, downloads),
                [(name, n) for name, n in found.n_without.items() if n],
                shown or (not told and number == 0),
            )


def _claims(result: EvaluationResult, found: BoundaryMap) -> list[Finding]:
    return [
        f
        for f in result.findings
        if (f.kind, f.attribute, f.label) == ("boundary", found.attribute, found.label)
    ]


def _figure(found: BoundaryMap, level: float, downloads: Downloads) -> Html:
    faces = list(_faces(found, level))
    limit = _limit(found)
    size = numbers.with_unit(limit, found.unit)
    ends = (f"inside the reference: {size}", f"beyond it: {size}")
    title = plain(["Boundary error of ", Data(found.label), " by ", Data(found.attribute)])
    markup = render(
        "report/of_evaluation/templates/clock_faces.html",
        description=f"{title}. {_spoken(found)}",
        scale=Html(inline(scale_drawing(ends), "")),
        faces=[(f.title, Html(inline(face_drawing(f, found.clock, limit), ""))) for f in faces],
    )
    figure = Figure(markup, clock_drawing(faces, found.clock, ends, limit))
    name = ("boundary_error", "of", found.label, "by", found.attribute)
    return downloads.figure(name, title, figure, boundary_numbers(found), _note(found, level))


def _faces(found: BoundaryMap, level: float) -> Iterator[ClockFace]:
    """Yield the faces of all groups, then those of the differences; outer before inner outlines."""
    for inner in (False, True) if found.has_inner else (False,):
        side = ("inner outline: " if inner else "outer outline: ") if found.has_inner else ""
        for name in list(found.errors)[:_MOST_GROUPS]:
            grid = _side(found, found.errors[name], inner)
            yield ClockFace(side + clean(name), grid, [[False] * len(row) for row in grid])
        for one in found.differences[: _MOST_GROUPS - 1]:
            title = f"{side}{clean(one.between[0])} {numbers.MINUS} {clean(one.between[1])}"
            shown = _side(found, places_shown(one, level), inner)
            yield ClockFace(title, _side(found, one.difference, inner), shown)


def _side(found: BoundaryMap, grid: Sequence[_Row], inner: bool) -> Sequence[_Row]:
    return grid[found.rows :] if inner else grid[: found.rows]


def _limit(found: BoundaryMap) -> float:
    """Return the size of the largest error; all faces of a label have one scale."""
    grids = [*found.errors.values(), *(one.difference for one in found.differences)]
    return max((abs(v) for v in _known(grids)), default=0.0) or 1.0


def _known(grids: Iterable[Grid]) -> Iterator[float]:
    return (v for grid in grids for row in grid for v in row if not math.isnan(v))


def _spoken(found: BoundaryMap) -> str:
    """Return what the faces show, for those who do not see them."""
    parts = []
    for name, grid in found.errors.items():
        known = list(_known([grid]))
        if known:
            low, high = (numbers.with_unit(v, found.unit) for v in (min(known), max(known)))
            parts.append(f"{clean(name)}: mean errors from {low} to {high}")
    return "; ".join(parts) + ". The numbers of all places are in the table to download."


def _note(found: BoundaryMap, level: float) -> str:
    up, right = found.clock
    where = f"12 o'clock is {up}, 3 o'clock {right}"
    if found.slices:
        first, last = found.slices
        where += (
            f"; the outermost ring is the part of the slices nearest {first}, the innermost {last}"
        )
    people = ", ".join(f"{clean(name)} {n}" for name, n in found.n_patients.items())
    return (
        f"{where}. Patients: {people}. Thick edges: the difference is shown there at "
        f"{numbers.percent(level)}, corrected for all places, labels and pairs of groups."
    )
