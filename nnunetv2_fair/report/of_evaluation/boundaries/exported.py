"""The numbers of a boundary map, one place per row."""

from collections.abc import Iterator

from nnunetv2_fair.evaluation.results.boundary_maps import BoundaryMap
from nnunetv2_fair.report.drawing.numbers_table import Cell, Numbers

_COLUMNS = ("attribute", "label", "outline", "part_of_slices", "clock_hour", "group", "minus_group")


def boundary_numbers(found: BoundaryMap) -> Numbers:
    """Return the mean error of every group and place, and every difference with its p-value."""
    unit = found.metric.column
    columns = (*_COLUMNS, f"mean_{unit}", "patients", "p_of_the_place", "p", "corrected_p")
    return Numbers(columns, tuple(_rows(found)))


def _rows(found: BoundaryMap) -> Iterator[tuple[Cell, ...]]:
    empty: tuple[Cell, ...] = (None, None, None)
    for group, grid in found.errors.items():
        for place, (row, hour) in _places(found):
            value = grid[row][hour]
            yield (*place, group, None, value, found.n_patients[group], *empty)
    for one in found.differences:
        first, second = one.between
        for place, (row, hour) in _places(found):
            p_values = (one.p_values[row][hour], one.p_value, one.corrected_p)
            yield (*place, first, second, one.difference[row][hour], None, *p_values)


def _places(found: BoundaryMap) -> Iterator[tuple[tuple[Cell, ...], tuple[int, int]]]:
    grid = next(iter(found.errors.values()))
    for row, cells in enumerate(grid):
        outline = "inner" if row >= found.rows else "outer"
        part = row % found.rows + 1 if found.slices else None
        for hour in range(len(cells)):
            place = (found.attribute, found.label, outline, part, hour or 12)
            yield place, (row, hour)
