"""Names of metrics, fairness measures and statistics in pages and in the terminal."""

from collections.abc import Mapping

from nnunetv2_fair.evaluation.findings.sentences import clean
from nnunetv2_fair.evaluation.results.values import MetricInfo

#: Titles of the fairness measures.
MEASURES: Mapping[str, str] = {
    "fairness_gap": "Fairness gap",
    "delta": "Delta",
    "std": "Spread (SD)",
    "ser": "SER",
    "skew": "SKEW",
    "es_std": "ES (SD)",
    "es_absolute": "ES (absolute)",
}

#: Titles of the statistics that an evaluation defines.
_STATISTICS: Mapping[str, str] = {
    "cliffs_delta": "Cliff's delta",
    "detectable_gap": "Detectable difference",
    "corrected_p": "Corrected p-value",
    "by_chance": "By chance",
    "shrunken_mean": "Shrunken mean",
    "worst_decile": "Worst tenth",
    "mean_interval": "Intervals of means",
    "simultaneous": "Simultaneous intervals",
    "failure_rate": "Failure rate",
    "adjusted_gap": "Adjusted gap",
    "shrunken_divergence": "Shrunken divergence",
    "rank_z": "z of ranks",
    "subgroup_p": "p-value of a subgroup",
    "confirmation": "Confirmation",
    "unit": "What is counted",
    "iqr": "Quartiles",
    "std_within": "Spread within a group",
    "overall": "All groups",
    "of_chosen": "Chosen groups",
    "pair_tests": "Tests of every two groups",
    "between_groups": "Gap between groups",
}


def measure_title(key: str) -> str:
    """Return the title of a measure or statistic; for unknown ones, their name."""
    known = MEASURES.get(key) or _STATISTICS.get(key)
    return known or clean(key).replace("_", " ").capitalize()


def metric_heading(metric: MetricInfo) -> str:
    """Return ``Dice`` or ``HD95 (mm)``."""
    return f"{metric.title} ({metric.unit})" if metric.unit else metric.title
