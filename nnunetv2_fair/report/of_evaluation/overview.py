"""An evaluation at a glance: its title, its findings in one table, and what was measured how."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.all_findings import main_findings, verdict_words
from nnunetv2_fair.evaluation.findings.sentences import clean
from nnunetv2_fair.evaluation.findings.wording import confidence, deciding_p
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.groups import Comparison
from nnunetv2_fair.evaluation.results.tables.per_case import AVERAGE
from nnunetv2_fair.evaluation.results.trainings import number_of_trainings
from nnunetv2_fair.report.drawing.numbers_table import Cell, Numbers
from nnunetv2_fair.report.html.downloads import Downloads
from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.templating import render
from nnunetv2_fair.report.html.titles import metric_heading
from nnunetv2_fair.report.of_evaluation.differences import disadvantage, worst_and_best

#: Names of folders that say nothing about what is in them.
_SILENT = frozenset({"predictions", "validation", "pred", "preds", "output", "results"})


@dataclass(frozen=True)
class _Row:
    """What is found about the groups of one attribute by the first metric."""

    attribute: str
    anchor: str
    kind: str
    verdict: str
    worst: str
    worst_value: str
    best: str
    best_value: str
    difference: str
    interval: str
    p_value: str


def title_of(result: EvaluationResult) -> str:
    """Return what a page is about: dataset, then model, with the trainer if its name is silent."""
    told = result.settings
    model, dataset, trainer = result.name, told.get("dataset", ""), told.get("trainer", "")
    if trainer and trainer not in model:
        silent = not model or model.lower() in _SILENT
        model = trainer if silent else f"{model} ({trainer})"
    return f"{dataset}: {model}" if dataset and dataset not in model else model


def counts(result: EvaluationResult) -> tuple[int, int]:
    """Return how many cases and patients were evaluated."""
    if result.shareable:
        return result.settings["cases"], result.settings["patients"]
    return result.per_case["case"].nunique(), result.per_case["patient"].nunique()


def overview(
    result: EvaluationResult, headlines: Mapping[str, Comparison], downloads: Downloads
) -> Html:
    """Return a table with a row per attribute: worst and best group, and the verdict.

    Args:
        result: The evaluation.
        headlines: Attribute -> the comparison that represents it.
        downloads: What readers can take along.
    """
    rows = [_row(result, c, f"attribute-{i}") for i, c in enumerate(headlines.values())]
    if not rows:
        return Html("")
    metric = result.metric(next(iter(headlines.values())).metric)
    markup = render(
        "report/of_evaluation/templates/overview.html",
        rows=rows,
        heading=metric_heading(metric),
        level=numbers.percent(confidence(result.settings)),
    )
    written = _numbers(result, headlines)
    return downloads.table(("overview",), "Findings at a glance", markup, written)


def _row(result: EvaluationResult, comparison: Comparison, anchor: str) -> _Row:
    metric = result.metric(comparison.metric)
    main = main_findings(result, comparison.attribute, comparison.label)[0]
    ends = worst_and_best(comparison, main)
    shown = ("", "", "", "", "", "")
    if ends is not None:
        worst, best = ends
        found = disadvantage(comparison, metric, best, worst)
        medians = [numbers.with_unit(comparison.groups[name].median, metric.unit) for name in ends]
        size = numbers.with_unit(abs(found.value), metric.unit)
        shown = (worst, medians[0], best, medians[1], size, found.interval_words)
    p = deciding_p(main)
    return _Row(
        comparison.attribute,
        anchor,
        main.verdict.replace("_", "-"),
        verdict_words(result, main),
        *shown,
        "" if math.isnan(p) else numbers.p_value(p),
    )


def _numbers(result: EvaluationResult, headlines: Mapping[str, Comparison]) -> Numbers:
    rows: list[tuple[Cell, ...]] = []
    for attribute, comparison in headlines.items():
        metric = result.metric(comparison.metric)
        main = main_findings(result, attribute, comparison.label)[0]
        ends = worst_and_best(comparison, main)
        cells: list[Cell] = [None] * 7
        if ends is not None:
            worst, best = ends
            found = disadvantage(comparison, metric, best, worst)
            cells = [
                worst, comparison.groups[worst].median, best, comparison.groups[best].median,
                found.value, found.interval.low, found.interval.high,
            ]  # fmt: skip
        rows.append((attribute, comparison.label, metric.column, main.verdict, *cells,
                     main.p_value, main.corrected_p, main.sentence))  # fmt: skip
    columns = (
        "attribute", "label", "metric", "verdict", "worst_group", "worst_median", "best_group",
        "best_median", "worst_worse_by", "interval_low", "interval_high", "p", "corrected_p",
        "finding",
    )  # fmt: skip
    return Numbers(columns, tuple(rows))


def measured(result: EvaluationResult) -> Html:
    """Return what was measured and how, as a short list."""
    return render("report/of_evaluation/templates/measured.html", rows=_measured(result))


def _measured(result: EvaluationResult) -> Sequence[tuple[str, str]]:
    told = result.settings
    cases, patients = counts(result)
    labels = [label for label in result.labels if label != AVERAGE]
    unit = "cases" if told.get("unit") == "case" else "patients"
    level = numbers.percent(confidence(told))
    n_left = sum(len(exclusion.cases) for exclusion in result.exclusions)
    trainings = number_of_trainings(told)
    tests = list(dict.fromkeys(c.test.name for c in result.comparisons if c.test is not None))
    resamples = told.get("bootstrap")
    rows = [
        ("Dataset", told.get("dataset", "")),
        ("Trainer", " ".join(filter(None, (told.get("trainer"), told.get("configuration"))))),
        ("Trainings", f"{trainings:,}" if trainings > 1 else ""),
        ("Evaluated", f"{numbers.count(cases, 'case')} of {numbers.count(patients, 'patient')}"),
        ("Left out", numbers.count(n_left, "case") if n_left else ""),
        ("Labels", _few(labels)),
        ("Metrics", ", ".join(metric_heading(metric) for metric in result.metrics)),
        ("Groups", f"medians over {unit}; compared from {told.get('min_patients', 5)} patients"),
        ("Intervals", f"{level}, {resamples:,} resamples of {unit}" if resamples else level),
        ("Tests", f"{', '.join(tests)}; corrected by Holm's method" if tests else ""),
        ("Made", ", ".join(filter(None, (_version(result), clean(result.created)[:10])))),
    ]
    return [(title, text) for title, text in rows if text]


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(names[:8])
    return shown if len(names) <= 8 else f"{shown} and {len(names) - 8} more"


def _version(result: EvaluationResult) -> str:
    version = result.versions.get("nnunetv2_fair", "")
    return f"nnunetv2_fair {version}" if version else ""
