"""Mean and standard deviation over the trainings of methods: the tables that papers print."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.groups import Comparison
from nnunetv2_fair.evaluation.results.tables.cells import label_title, metric_title
from nnunetv2_fair.evaluation.results.tables.text_table import TextTable
from nnunetv2_fair.evaluation.results.values import MetricInfo

#: What is told of all groups together and of each group, next to the fairness measures.
OVERALL, GROUP, WORST = "mean", "group_mean", "worst_group_mean"
OVERALL_MEDIAN, GROUP_MEDIAN = "median", "group_median"
#: Columns of a table, in their order.
USUAL = (OVERALL, GROUP, WORST, "fairness_gap", "delta", "ser", "skew", "es_std", "es_absolute")

_TITLES: Mapping[str, str] = {
    OVERALL: "All",
    OVERALL_MEDIAN: "All (median)",
    WORST: "Worst group",
    "delta": "Delta",
    "std": "SD of groups",
    "ser": "SER",
    "skew": "SKEW",
    "es_std": "ES (SD)",
    "es_absolute": "ES (absolute)",
}
#: Ratios have no unit, even where the metric has one.
_RATIOS = frozenset({"ser", "skew"})


@dataclass(frozen=True)
class Quantity:
    """What is measured of every training.

    Attributes:
        name: ``mean`` or ``median`` of all patients, ``group_mean``, ``group_median``,
            ``worst_group_mean``, or the name of a fairness measure.
        groups: The group; of a fairness gap the reference and the other; empty otherwise.
    """

    name: str
    groups: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Heading of its column."""
        if self.name == "fairness_gap":
            return f"Gap of medians, {' - '.join(self.groups)}"
        if self.name == GROUP_MEDIAN:
            return f"{self.groups[0]} (median)"
        return _TITLES.get(self.name) or " ".join(self.groups)


@dataclass(frozen=True)
class OverTrainings:
    """One quantity of one method.

    Attributes:
        values: Of each training, in their order; of one trained model its value.
        mean: Their mean.
        std: Their sample standard deviation (ddof 1); NaN of one training.
    """

    values: tuple[float, ...]
    mean: float
    std: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "OverTrainings":
        """Summarise the values of trainings; NaN in one of them is NaN."""
        with np.errstate(invalid="ignore"):  # infinite distances
            std = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
            return cls(tuple(values), float(np.mean(values)), std)


def over_trainings(
    result: EvaluationResult, attribute: str, metric: str, label: str
) -> dict[Quantity, OverTrainings]:
    """Return mean and standard deviation over the trainings of everything that is measured.

    Unlike the method's own values, which are those of the mean over trainings of every case, a
    fairness measure here is the mean of the trainings' measures, as papers print it.

    Args:
        result: Of a method, or of one trained model.
        attribute: Attribute expression.
        metric: Name of the metric.
        label: Label, region or ``average``.

    Returns:
        Quantities in the order of :data:`USUAL`, then the others. Groups of too few patients to be
        compared are left out; those that are large enough and not compared for another reason
        have their means and medians. Nothing remains where a group or all together are a single
        patient, or some training has not that label.

    Raises:
        KeyError: If that was not evaluated.
    """
    whole = result.comparison(attribute, metric, label)
    try:
        each = [t.comparison(attribute, metric, label) for t in result.trainings] or [whole]
    except KeyError:  # the average over labels, which a training may not have
        return {}
    info = result.metric(metric)
    least = int(result.settings.get("min_patients", 0))
    told = [dict(_values(found, whole, info, least)) for found in each]
    order = {name: position for position, name in enumerate(USUAL)}
    quantities = sorted(told[0], key=lambda q: order.get(q.name, len(order)))
    return {
        quantity: OverTrainings.of([values.get(quantity, math.nan) for values in told])
        for quantity in quantities
    }


def _values(
    found: Comparison, whole: Comparison, info: MetricInfo, least: int
) -> Iterator[tuple[Quantity, float]]:
    """Yield the values of a training, of groups of enough patients in the method."""
    groups = {
        name: found.groups[name]
        for name, group in whole.groups.items()
        if name not in whole.left_out or min(group.n_patients or 0, group.n_units or 0) >= least
    }
    counted = (whole.overall, *(whole.groups[name] for name in groups))
    if any(group.n_patients == 1 for group in counted):
        return
    yield Quantity(OVERALL), found.overall.mean
    yield Quantity(OVERALL_MEDIAN), found.overall.median
    for name, group in groups.items():
        yield Quantity(GROUP, (name,)), group.mean
        yield Quantity(GROUP_MEDIAN, (name,)), group.median
    means = [
        group.mean
        for name, group in groups.items()
        if name not in whole.left_out and not math.isnan(group.mean)
    ]
    if means:
        yield Quantity(WORST), min(means) if info.better == "higher" else max(means)
    for gap in found.gaps:
        between = tuple(gap.between) if gap.name == "fairness_gap" else ()
        if all(name in groups for name in between):
            yield Quantity(gap.name, between), gap.value


def unit_of(quantity: Quantity, info: MetricInfo) -> str:
    """Return the unit of a quantity; empty if it has none."""
    return "" if quantity.name in _RATIOS else info.unit


def mean_std_cell(found: OverTrainings | None, unit: str) -> str:
    """Return ``0.8123 (0.0045)``; of one training its value; empty if undefined."""
    if found is None or math.isnan(found.mean):
        return ""
    digits = 3 if unit else 4
    mean = f"{found.mean:.{digits}f}"
    return mean if math.isnan(found.std) else f"{mean} ({found.std:.{digits}f})"


def mean_std_table(
    results: Mapping[str, EvaluationResult],
    attribute: str,
    metric: str,
    label: str,
    *,
    name: str = "mean_std",
    measures: Sequence[str] = USUAL,
) -> TextTable:
    """Return a row per method with mean (standard deviation) over its trainings.

    Args:
        results: Name of a method -> its evaluation; all of the same cases.
        attribute: Attribute expression.
        metric: Name of the metric.
        label: Label, region or ``average``.
        name: Stem of its files.
        measures: Which quantities, in this order.
    """
    info = next(iter(results.values())).metric(metric)
    found = {
        method: over_trainings(result, attribute, metric, label)
        for method, result in results.items()
    }
    columns = columns_of(found.values(), measures)
    rows = [
        (method, *(mean_std_cell(values.get(q), unit_of(q, info)) for q in columns))
        for method, values in found.items()
    ]
    return TextTable(
        name,
        f"{metric_title(info)}, {label_title(label)}, by {attribute}",
        ("Method", *(quantity.title for quantity in columns)),
        tuple(rows),
        (caption(results),),
    )


def columns_of(
    found: Iterable[Mapping[Quantity, OverTrainings]], measures: Sequence[str]
) -> list[Quantity]:
    """Return the quantities that some method has, in the order of the measures."""
    known: dict[Quantity, None] = {}
    for values in found:
        known.update(dict.fromkeys(values))
    return [q for measure in measures for q in known if q.name == measure]


def caption(results: Mapping[str, EvaluationResult]) -> str:
    """Return what the numbers of a table are, in sentences."""
    counts = {max(1, len(result.trainings)) for result in results.values()}
    several = sorted(counts - {1})
    over = f"{several[0]} trainings" if len(several) == 1 else "the trainings of each method"
    single = " A value without parentheses is that of one training." if 1 in counts else ""
    return (
        f"Mean over {over}, in parentheses the standard deviation between them (n - 1). Measures "
        "of fairness are computed in each training and then averaged."
        f"{single}"
    )
