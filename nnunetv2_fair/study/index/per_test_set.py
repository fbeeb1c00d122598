"""The part of the index page about one test set: links, tables, plots."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nnunetv2_fair.evaluation.findings.crop_hint import CropHint, crop_hint
from nnunetv2_fair.evaluation.findings.sentences import Data, Sentence, shortened
from nnunetv2_fair.evaluation.results.comparison import OVERALL_MEAN, WORST_GROUP_MEAN
from nnunetv2_fair.evaluation.results.values import NO_INTERVAL, Interval, MetricInfo
from nnunetv2_fair.paths import COMPARISON_HTML, REPORT_HTML
from nnunetv2_fair.report.html.downloads import Downloads
from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.planes import NOTHING_TO_DRAW, ModelPoint, planes
from nnunetv2_fair.report.html.templating import render
from nnunetv2_fair.report.html.terms import Terms
from nnunetv2_fair.study.index.links import link_to
from nnunetv2_fair.study.index.mean_std import mean_std_section
from nnunetv2_fair.study.index.progress import StepProgress
from nnunetv2_fair.study.index.results import Evaluated, OnTestSet, Score, scores_of
from nnunetv2_fair.study.index.scores_table import score_numbers, scores_table
from nnunetv2_fair.study.plan.foundation.methods import FILLED_BOXES
from nnunetv2_fair.study.plan.study_dataset import REFERENCE_BOXES

#: With more methods than this, arrows from the baseline become hard to follow.
_MOST_ARROWS = 6


@dataclass(frozen=True)
class _Report:
    """The report of one method: where it is, or why it is missing."""

    method: str
    address: str = ""
    missing: str = ""


@dataclass(frozen=True)
class _Attribute:
    name: str
    table: Html
    planes: Html
    mean_std: Html | None


def title_of(on_test: OnTestSet) -> list[str]:
    """Return what identifies a test set: test set, dataset, configuration, what is not usual."""
    plans = "" if on_test.plans == "nnUNetPlans" else on_test.plans
    parts = (on_test.test, on_test.dataset, on_test.configuration, plans, on_test.predicted)
    return [part for part in parts if part]


def section_of(
    folder: Path, on_test: OnTestSet, anchor: str, terms: Terms, downloads: Downloads
) -> Html:
    """Return the section of one test set.

    Args:
        folder: The study's folder, which will hold the page.
        on_test: All methods on the test set.
        anchor: Id of the section.
        terms: Definitions to link to.
        downloads: What readers can take along.
    """
    title, *rest = title_of(on_test)
    return render(
        "study/index/templates/test_set.html",
        anchor=anchor,
        title=title,
        rest=rest,
        compared=on_test.compared is not None,
        comparison=link_to(folder, on_test.comparison_folder / COMPARISON_HTML),
        no_comparison=why_no_comparison(on_test),
        reports=[_report(folder, evaluated) for evaluated in on_test.evaluated],
        attributes=_attributes(on_test, terms, downloads),
        nothing_to_draw=NOTHING_TO_DRAW,
        single=bool(on_test.predicted),
        upper_bound=any(e.trainer.endswith(REFERENCE_BOXES) for e in on_test.evaluated),
        from_references=any(e.trainer == FILLED_BOXES for e in on_test.evaluated),
        prompted=any(e.trainer.startswith(FILLED_BOXES) for e in on_test.evaluated),
        hint=_hint(on_test),
    )


def _hint(on_test: OnTestSet) -> CropHint | None:
    """Return how a crop would be tried: for the first method with a gap; None if none has one."""
    return next((hint for r in on_test.shown.values() if (hint := crop_hint(r))), None)


def why_no_comparison(on_test: OnTestSet) -> Sentence:
    """Return why no methods are compared on a test set, in words; empty if they are."""
    if on_test.compared is not None:
        return ()
    if on_test.comparing is None:
        number = "one method" if len(on_test.evaluated) == 1 else "methods but no comparison"
        return (f"the study has {number} here",)
    why = on_test.problem or _why_missing(on_test.comparing)
    return ("the comparison of all methods is missing (", Data(why), ")")


def _report(folder: Path, evaluated: Evaluated) -> _Report:
    if evaluated.result is None:
        why = evaluated.problem or _why_missing(evaluated.step)
        return _Report(evaluated.trainer, missing=why)
    return _Report(evaluated.trainer, link_to(folder, evaluated.folder / REPORT_HTML))


def _why_missing(step: StepProgress) -> str:
    if step.state == "waiting":
        return f"waits for {step.waits_for}, which failed"
    return step.state if step.state in ("failed", "running") else "not done yet"


def _attributes(on_test: OnTestSet, terms: Terms, downloads: Downloads) -> list[_Attribute]:
    """Return what is shown of every attribute; their planes share the axes."""
    if not on_test.shown:
        return []
    first = next(iter(on_test.shown.values()))
    metric, label = first.metrics[0], on_test.headline_label
    scores = {a: _scores(on_test, a, label, metric) for a in first.attributes}
    points = {attribute: _points(found) for attribute, found in scores.items()}
    compared, place = on_test.compared, title_of(on_test)
    hint = (
        "Right and up are better. Lines: the interval of each method on its own; the ranks come "
        "from the paired comparison, which can separate what overlaps here."
    )
    return [
        _Attribute(
            attribute,
            downloads.table(
                ("scores", "by", attribute, *place),
                f"Scores and ranks by {shortened(attribute)}: {shortened(', '.join(place))}",
                scores_table(found, first, attribute, label, terms, ranked=compared is not None),
                score_numbers(found, metric),
            ),
            planes(
                points[attribute],
                metric,
                compared.baseline if compared is not None else "",
                hint,
                level=4,
                what="method",
                most_arrows=_MOST_ARROWS,
                along=[p for other in points if other != attribute for p in points[other]],
                downloads=downloads,
                name=("by", attribute, *place),
            ),
            mean_std_section(on_test, attribute, label, place, downloads),
        )
        for attribute, found in scores.items()
    ]


def _scores(
    on_test: OnTestSet, attribute: str, label: str, metric: MetricInfo
) -> dict[str, dict[str, Score]]:
    scores = {}
    for trainer in on_test.shown:
        by_measure: dict[str, Score] = {}
        for score in scores_of(on_test, trainer, attribute, label, metric):
            by_measure.setdefault(score.measure, score)
        scores[trainer] = by_measure
    return scores


def _points(scores: Mapping[str, Mapping[str, Score]]) -> list[ModelPoint]:
    return [
        ModelPoint(
            trainer,
            _point(by_measure, OVERALL_MEAN),
            _point(by_measure, "delta"),
            _point(by_measure, WORST_GROUP_MEAN),
        )
        for trainer, by_measure in scores.items()
    ]


def _point(by_measure: Mapping[str, Score], measure: str) -> tuple[float, Interval]:
    score = by_measure.get(measure)
    return (math.nan, NO_INTERVAL) if score is None else (score.value, score.interval)
