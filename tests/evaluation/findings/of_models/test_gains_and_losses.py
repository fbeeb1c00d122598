"""Who gains and who loses, in one sentence per model: findings made by hand."""

import dataclasses
import functools

import pytest

from nnunetv2_fair.evaluation.findings.of_models.gains_and_losses import answer
from nnunetv2_fair.evaluation.findings.sentences import plain
from nnunetv2_fair.evaluation.results.comparison import ModelComparison
from nnunetv2_fair.evaluation.results.findings import Finding
from tests.report import factories


@functools.cache
def nothing_claimed() -> ModelComparison:
    base = factories.make_result(
        {"sex": ("female", "male"), "age": ("young", "old")},
        9,
        attributes=["sex", "age", "sex+age"],
        labels=("left", "right"),
    )
    made = factories.models([base, dataclasses.replace(base, name="y")], ["x", "y"], 20)
    return dataclasses.replace(made, findings=())


def change(direction: str, who: str = "", verdict: str = "shown", **rest: str) -> Finding:
    given = {"quantity": "group_mean" if who else "overall_mean", "attribute": "sex"}
    given |= {"metric": "dice", "label": "average", **rest}
    return Finding("model_change", verdict, who=(who,) if who else (), direction=direction,
                   model="y", baseline="x", **given)  # fmt: skip


def said(*findings: Finding) -> str:
    result = dataclasses.replace(nothing_claimed(), findings=findings)
    return plain(answer(result)).strip()


@pytest.mark.parametrize(
    ("findings", "expected"),
    [
        pytest.param(
            [change("better", "female"), change("worse", "male")],
            "With y, some are worse off: male; better: female.",
            id="losers-first",
        ),
        pytest.param(
            [change("worse", "male"), change("smaller", quantity="absolute_gap")],
            "With y, some are worse off: male; nobody is shown to gain.",
            id="levelling-down-is-no-gain",
        ),
        pytest.param(
            [change("smaller", quantity="absolute_gap")],
            "With y, nobody is shown to lose; better: the gap by sex.",
            id="gap-alone",
        ),
        pytest.param(
            [change("worse", "male", metric="hd95"), change("better")],
            "With y, some are worse off: male in HD95; better: all patients together.",
            id="another-metric",
        ),
        pytest.param(
            [change("worse", "male", label="left")],
            "With y, some are worse off: male for left; nobody is shown to gain.",
            id="another-label",
        ),
        pytest.param(
            [change("better", "female"), change("better", "female, old", attribute="sex+age")],
            "With y, nobody is shown to lose; better: female.",
            id="parts-before-combinations",
        ),
        pytest.param(
            [change("better", g) for g in ("a", "b", "c", "d", "e")],
            "With y, nobody is shown to lose; better: a, b, c and 2 more.",
            id="many",
        ),
        pytest.param(
            [change("worse", "male", "signs"), change("", "female", "not_shown")],
            "With y, nobody is shown to gain or lose, which does not prove that nobody does.",
            id="signs-are-no-claim",
        ),
        pytest.param(
            [change("", "female", "not_comparable")],
            "Of y nothing can be told: too few patients can be compared.",
            id="nothing-comparable",
        ),
    ],
)
def test_the_answer(findings, expected):
    assert said(*findings) == expected
