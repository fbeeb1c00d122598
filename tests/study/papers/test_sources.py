"""What shareable results of several methods tell together."""

from dataclasses import replace

import pytest

from nnunetv2_fair.evaluation.disclosure.of_evaluation import shareable
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.study.papers.sources import counts_tell_more
from tests.study.finished_study import DATASET
from tests.study.papers.conftest import BASELINE


@pytest.fixture(scope="session")
def told(scored) -> EvaluationResult:
    folder = scored / "evaluations" / DATASET / "2d" / "internal" / BASELINE
    return shareable(EvaluationResult.read(folder))


def with_count(result: EvaluationResult, name: str, change: int | None) -> EvaluationResult:
    """The result with another number of the group White in its first comparison."""
    first, *others = result.comparisons
    white = first.groups["White"]
    count = None if change is None else getattr(white, name) + change
    groups = {**first.groups, "White": replace(white, **{name: count})}
    return replace(result, comparisons=(replace(first, groups=groups), *others))


@pytest.mark.parametrize("name", ["n_cases", "n_patients", "n_units"])
@pytest.mark.parametrize(("change", "tells"), [(0, False), (2, True), (-4, True), (7, False)])
def test_few_patients_between_two_methods_are_told(told, name, change, tells):
    other = with_count(told, name, change)
    assert counts_tell_more(told, other) is tells
    assert counts_tell_more(other, told) is tells


def test_what_one_method_hides_another_must_not_tell(told):
    assert counts_tell_more(told, with_count(told, "n_units", None))
