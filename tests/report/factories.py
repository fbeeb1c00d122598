"""Evaluation results made of drawn numbers, with statistics worked out here by plain numpy."""

import dataclasses
import functools
import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from nnunetv2_fair.evaluation.findings.all_findings import with_findings
from nnunetv2_fair.evaluation.model_comparison.comparison import compare_models
from nnunetv2_fair.evaluation.results.case_picture import CasePicture
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult, Exclusion
from nnunetv2_fair.evaluation.results.groups import Comparison, Gap, GroupStatistics, GroupTest
from nnunetv2_fair.evaluation.results.tables.per_case import AVERAGE
from nnunetv2_fair.evaluation.results.values import Interval, MetricInfo
from nnunetv2_fair.subgroups.groups import Group

NAN = math.nan
NO_INTERVAL = Interval(NAN, NAN)

DICE = MetricInfo(
    "dice", "Dice", "", "higher", "Overlap: twice the common area over the sum.", True
)
IOU = MetricInfo("iou", "IoU", "", "higher", "Overlap: the common area over the union.", True)
HD = MetricInfo("hd", "HD", "mm", "lower", "Largest distance between the two outlines.")
HD95 = MetricInfo("hd95", "HD95", "mm", "lower", "95th percentile of the distances.")
METRICS = (DICE, IOU, HD, HD95)

DEFINITIONS = {
    "fairness_gap": "Median of the reference group minus median of the other group.",
    "ser": "Largest group error (1 - median) divided by the smallest.",
    "delta": "Largest minus smallest group mean.",
    "std": "Sample standard deviation of the group means.",
    "skew": "Largest group error (1 - mean) divided by the smallest.",
    "es_std": "Overall mean divided by 1 + standard deviation of the group means.",
    "es_absolute": "Overall mean divided by 1 + summed distances of the group means from it.",
}


def statistics(values: Sequence[float], n_patients: int | None = None) -> GroupStatistics:
    """Describe values of which each is one patient."""
    data = np.asarray(values, float)
    known = data[~np.isnan(data)]
    patients = len(data) if n_patients is None else n_patients
    undefined = len(data) - len(known)
    if not len(known):
        empty = (NAN, NAN, NAN, NAN, NAN)
        return GroupStatistics(len(data), patients, undefined, 0, *empty, NO_INTERVAL, NO_INTERVAL)
    q1, median, q3 = np.quantile(known, [0.25, 0.5, 0.75])
    std = float(known.std(ddof=1)) if len(known) > 1 else NAN
    half = 1.96 * (0.0 if math.isnan(std) else std) / math.sqrt(len(known))
    mean = float(known.mean())
    return GroupStatistics(
        len(data), patients, undefined, 0, mean, float(median), float(q1), float(q3), std,
        Interval(mean - half, mean + half), Interval(median - 1.25 * half, median + 1.25 * half),
        patients,
    )  # fmt: skip


def compare(
    attribute: str,
    metric: MetricInfo,
    label: str,
    values: Mapping[str, np.ndarray],
    reference: str,
    min_patients: int = 5,
) -> Comparison:
    """Compare groups of patients; intervals by a small bootstrap."""
    groups = {name: statistics(v) for name, v in values.items()}
    left_out = {
        name: f"{group.n_patients} patients with a value, fewer than {min_patients}"
        if group.n_cases
        else "no cases"
        for name, group in groups.items()
        if group.n_patients < min_patients
    }
    everyone = np.concatenate([*values.values(), np.empty(0)])
    entered = {n: v[~np.isnan(v)] for n, v in values.items() if n not in left_out}
    entered = {n: v for n, v in entered.items() if len(v)}
    test = None
    gaps: list[Gap] = []
    if len(entered) >= 2:
        if len(entered) == 2:
            found = stats.mannwhitneyu(*entered.values())
            test = GroupTest("Mann-Whitney U", float(found.statistic), float(found.pvalue))
        else:
            found = stats.kruskal(*entered.values())
            test = GroupTest("Kruskal-Wallis", float(found.statistic), float(found.pvalue))
        base = reference if reference in entered else max(entered, key=lambda n: len(entered[n]))
        random = np.random.default_rng(1)
        draws = [{n: random.choice(v, len(v)) for n, v in entered.items()} for _ in range(40)]

        def add(name, measure, between):
            sampled = [measure(draw) for draw in draws]
            low, high = np.nanquantile(sampled, [0.025, 0.975])
            limits = Interval(float(low), float(high))
            gaps.append(Gap(name, float(measure(entered)), limits, between))

        for other in entered:
            if other != base:
                add(
                    "fairness_gap",
                    lambda d, o=other: np.median(d[base]) - np.median(d[o]),
                    (base, other),
                )
        names = tuple(entered)
        means = lambda d: np.array([v.mean() for v in d.values()])  # noqa: E731
        medians = lambda d: np.array([np.median(v) for v in d.values()])  # noqa: E731
        add("delta", lambda d: np.ptp(means(d)), names)
        add("std", lambda d: means(d).std(ddof=1), names)
        if not metric.unit:
            total = lambda d: np.concatenate(list(d.values())).mean()  # noqa: E731
            add("ser", lambda d: (1 - medians(d)).max() / (1 - medians(d)).min(), names)
            add("skew", lambda d: (1 - means(d)).max() / (1 - means(d)).min(), names)
            add("es_std", lambda d: total(d) / (1 + means(d).std(ddof=1)), names)
            add("es_absolute", lambda d: total(d) / (1 + np.abs(total(d) - means(d)).sum()), names)
    return Comparison(
        attribute, metric.name, label, statistics(everyone), groups, left_out, tuple(gaps), test
    )


def make_result(
    levels: Mapping[str, Sequence[str]],
    sizes: Mapping[str, int] | int = 30,
    drop: Mapping[str, float] | None = None,
    *,
    labels: Sequence[str] = ("nodule",),
    attributes: Sequence[str] | None = None,
    reference: Mapping[str, str] | None = None,
    metrics: Sequence[MetricInfo] = METRICS,
    name: str = "baseline",
    undefined: Mapping[str, Sequence[str]] | None = None,
    spread: float = 0.08,
    seed: int = 3,
) -> EvaluationResult:
    """Draw an evaluation with one case per patient.

    Args:
        levels: Attribute -> its levels; every combination is drawn.
        sizes: Patients per combination, named as the intersection (``female, <50``), or one
            number for all.
        drop: Part of a combination's name -> how much lower its Dice is.
        labels: Labels; more than one get an average.
        attributes: Expressions to compare; all single attributes by default.
        reference: Expression -> reference group.
        metrics: Metrics.
        name: Name of the result.
        undefined: Metric -> combinations whose values are all undefined.
        spread: Standard deviation of Dice.
        seed: Seed of the draws.
    """
    random = np.random.default_rng(seed)
    rows = []
    all_labels = [*labels, *([AVERAGE] if len(labels) > 1 else [])]
    patient = 0
    for combination in itertools.product(*levels.values()):
        joined = ", ".join(combination)
        size = sizes if isinstance(sizes, int) else sizes.get(joined, 0)
        lower = sum(v for part, v in (drop or {}).items() if part in (joined, *combination))
        for _ in range(size):
            patient += 1
            own = dict(zip(levels, combination, strict=True))
            scores = []
            for label in all_labels:
                if label == AVERAGE:
                    dice = float(np.mean(scores))
                else:
                    dice = float(np.clip(random.normal(0.84 - lower, spread), 0.02, 0.99))
                    scores.append(dice)
                far = (1 - dice) * 40
                row = {
                    "case": f"secret_{patient:04d}", "patient": f"p{patient:04d}", **own,
                    **{"+".join(e): Group(tuple(own[a] for a in e)).name
                       for e in itertools.combinations(levels, 2)},
                    "label": label, "dice": dice, "iou": dice / (2 - dice),
                    "hd_mm": far * 1.6 + 2, "hd95_mm": far + 1, "diagonal_mm": 220.0,
                    "reference_voxels": 500, "prediction_voxels": 480, "flags": "",
                }  # fmt: skip
                for metric in metrics:
                    if joined in (undefined or {}).get(metric.name, ()):
                        row[metric.column] = NAN
                rows.append(row)
    per_case = pd.DataFrame(rows)
    expressions = tuple(attributes or levels)
    comparisons = []
    for expression in expressions:
        parts = [levels[a] for a in expression.split("+")]
        names = [Group(p).name for p in itertools.product(*parts)]
        first = (reference or {}).get(expression, names[0])
        for label in all_labels:
            chosen = per_case[per_case["label"] == label]
            for metric in metrics:
                values = {
                    n: chosen.loc[chosen[expression] == n, metric.column].to_numpy(float)
                    for n in names
                }
                comparisons.append(compare(expression, metric, label, values, first))
    return with_findings(EvaluationResult(
        name=name, per_case=per_case, metrics=tuple(metrics), labels=tuple(all_labels),
        attributes=expressions, comparisons=tuple(comparisons),
        exclusions=(
            Exclusion("The prediction is missing.", ("case_901", "case_902"),
                      {e: {"unknown": 2} for e in expressions}),
        ),
        notes=("Distances are in millimetres from the image headers.",),
        definitions=DEFINITIONS,
        settings={"confidence": 0.95, "min_patients": 5, "bootstrap": 2000, "seed": 0,
                  "unit": "patient", "empty_distance": "diagonal", "ground_truth": "labelsTs"},
        versions={"python": "3.11.9", "nnunetv2_fair": "0.1.0", "numpy": "2.4.0"},
        inputs_sha256="0123456789abcdef" * 4,
        created="2025-11-20T20:30:00+00:00",
        group_parts={
            e: {
                Group(parts).name: parts
                for parts in itertools.product(*(levels[a] for a in e.split("+")))
            }
            for e in expressions
        },
    ))  # fmt: skip


def two_groups(gap: float = 0.12, size: int = 40, **options) -> EvaluationResult:
    """Return a result by sex in which women's segmentations are worse by ``gap``."""
    return make_result(
        {"sex": ("female", "male")}, size, {"female": gap}, reference={"sex": "male"}, **options
    )


@functools.cache
def full(labels: tuple[str, ...] = ("left lung", "right lung", "heart")) -> EvaluationResult:
    """Return a result by sex, age and both, with a small and an empty intersection."""
    sizes = {
        "female, <50": 24, "female, 50-64": 18, "female, >=65": 3,
        "male, <50": 26, "male, 50-64": 30, "male, >=65": 0,
    }  # fmt: skip
    return make_result(
        {"sex": ("female", "male"), "age": ("<50", "50-64", ">=65")},
        sizes,
        {"female": 0.07, "50-64": 0.05, ">=65": 0.1},
        labels=labels,
        attributes=("sex", "age", "sex+age"),
        reference={"sex": "male", "age": "<50", "sex+age": "male, <50"},
        name="Dataset042_Lungs, fold 0",
    )


def picture(case: str = "case_007", *, image: bool = True, aspect: float = 1.5) -> CasePicture:
    """Return a blob, segmented too small and too far to the right."""
    rows, columns = 72, 110
    y, x = np.mgrid[:rows, :columns]
    random = np.random.default_rng(5)
    reference = ((y - 36) / 22) ** 2 + ((x - 50) / 30) ** 2 < 1
    prediction = ((y - 40) / 15) ** 2 + ((x - 60) / 22) ** 2 < 1
    grey = np.clip(0.25 + 0.35 * reference + random.normal(0, 0.12, (rows, columns)), 0, 1)
    shown = grey if image else None
    return CasePicture(case, "nodule", "Dice 0.612, female", shown, reference, prediction, aspect)


def models(results: Sequence[EvaluationResult], names: Sequence[str], n_bootstrap: int = 200):
    """Compare evaluations of the same drawn people."""
    return compare_models(results, names, n_bootstrap=n_bootstrap)


def improved(result: EvaluationResult, gains: Mapping[str, float], name: str) -> EvaluationResult:
    """Return the result with the Dice of some groups of its first attribute raised."""
    frame = result.per_case.copy()
    single = [label for label in result.labels if label != AVERAGE]
    attribute = result.attributes[0]
    random = np.random.default_rng(11)
    gain = frame[attribute].map(dict(gains)).fillna(0.0) + random.normal(0, 0.01, len(frame))
    chosen = frame["label"].isin(single)
    dice = (frame["dice"] + gain).clip(0.01, 0.99).where(chosen)
    mean = dice.groupby(frame["case"]).transform("mean")
    frame["dice"] = dice.fillna(mean)
    frame["iou"] = frame["dice"] / (2 - frame["dice"])
    frame["hd95_mm"] = (1 - frame["dice"]) * 40 + 1
    frame["hd_mm"] = (1 - frame["dice"]) * 64 + 2
    return dataclasses.replace(result, name=name, per_case=frame)
