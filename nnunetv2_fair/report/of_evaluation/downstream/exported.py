"""The numbers behind a figure of errors: one group per row, with its bins."""

from collections.abc import Iterator

from nnunetv2_fair.evaluation.results.downstream.comparison import DownstreamComparison
from nnunetv2_fair.report.drawing.numbers_table import Cell, Numbers

_ABOUT = ("attribute", "label", "measure", "unit", "group")
_ERRORS = (
    "units", "cases_without_value", "mean_reference", "mean_prediction", "bias", "limit_low",
    "limit_high", "mean_absolute_error", "q1", "median", "q3",
)  # fmt: skip
_DIVERGENCE = (
    "divergence_from", "divergence", "corrected_for_bias", "interval_low", "interval_high",
    "by_chance", "p", "corrected_p",
)  # fmt: skip


def error_numbers(found: DownstreamComparison) -> Numbers:
    """Return errors, bins, divergence from the reference group and decisions of every group."""
    bins = tuple(f"share_above_{edge:.6g}" for edge in found.edges)
    decided = tuple(
        f"{what}_at_{d.threshold:g}"
        for d in found.decisions
        for what in ("upward", "downward", "rate")
    )
    columns = (*_ABOUT, *_ERRORS, *_DIVERGENCE, *decided, *bins)
    return Numbers(columns, tuple(_rows(found)))


def _rows(found: DownstreamComparison) -> Iterator[tuple[Cell, ...]]:
    about = (found.attribute, found.label, found.measure.name, found.measure.unit)
    divergences = {d.between[1]: d for d in found.divergences}
    for name, group in found.groups.items():
        errors: tuple[Cell, ...] = (
            group.n, group.n_undefined, group.reference, group.prediction, group.bias,
            group.limits.low, group.limits.high, group.mean, group.q1, group.median, group.q3,
        )  # fmt: skip
        apart: tuple[Cell, ...] = (None,) * len(_DIVERGENCE)
        if name in divergences:
            d = divergences[name]
            apart = (
                d.between[0], d.value, d.corrected, d.interval.low, d.interval.high, d.by_chance,
                d.p_value, d.corrected_p,
            )  # fmt: skip
        decided: list[Cell] = []
        for decisions in found.decisions:
            own = decisions.groups[name]
            decided += [own.upward, own.downward, own.rate]
        shares = group.shares or (None,) * len(found.edges)
        yield (*about, name, *errors, *apart, *decided, *shares)
