"""The section of the index page on what each method has cost."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.templating import render
from nnunetv2_fair.study.index.costs import COSTS_CSV, Cost, total
from nnunetv2_fair.study.index.links import link_to

_COLUMNS = (
    "Steps done", "GPU hours", "CPU hours", "Wall hours", "Most memory", "Attempts", "Failed",
    "Continued",
)  # fmt: skip


@dataclass(frozen=True)
class _Row:
    """The costs of a method; of all methods together if ``method`` is empty.

    An empty cell was not measured.
    """

    method: str
    place: str
    cells: Sequence[str]


def costs_section(folder: Path, costs: Sequence[Cost], *, has_index: bool) -> Html:
    """Return the section with id ``costs``.

    Args:
        folder: The study's folder, where the page will be.
        costs: What each method has cost.
        has_index: Whether the study counts the page as a step, which costs nothing.
    """
    several = len({(c.dataset, c.configuration, c.plans) for c in costs if c.trainer}) > 1
    summed = [f"{total(costs, h):,.1f}" for h in ("gpu_hours", "cpu_hours", "wall_hours")]
    counted = [f"{int(total(costs, c)):,}" for c in ("attempts", "failed", "continued")]
    done = int(total(costs, "done") + total(costs, "taken_over"))
    return render(
        "study/index/templates/costs.html",
        columns=_COLUMNS,
        has_index=has_index,
        rows=[_row(cost, several=several) for cost in costs],
        total=[f"{done:,} of {int(total(costs, 'steps')):,}", *summed, "", *counted],
        file=link_to(folder, PurePath(COSTS_CSV)),
        costs_csv=COSTS_CSV,
    )


def _row(cost: Cost, *, several: bool) -> _Row:
    place = [cost.dataset]
    if cost.trainer:
        place = [cost.dataset, cost.configuration, cost.plans] if several else []
    unmeasured = math.isnan(cost.peak_memory_mb)
    cells = (
        f"{cost.done + cost.taken_over:,} of {cost.steps:,}",
        *(f"{hours:,.1f}" for hours in (cost.gpu_hours, cost.cpu_hours, cost.wall_hours)),
        "" if unmeasured else f"{cost.peak_memory_mb / 1000:,.1f} GB",
        *(f"{count:,}" for count in (cost.attempts, cost.failed, cost.continued)),
    )
    return _Row(cost.trainer, ", ".join(part for part in place if part), cells)
