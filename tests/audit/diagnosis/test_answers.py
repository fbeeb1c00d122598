"""What is said of causes: words follow the rule, and edited images must show no more than that."""

import dataclasses

import numpy as np
import pytest

from nnunetv2_fair.audit.causes.verdicts import NO_GAIN
from nnunetv2_fair.audit.diagnosis.answers import CONTROL_TOO, NOTHING_ELSE_STAYS, questions
from nnunetv2_fair.audit.diagnosis.wording import sentence
from nnunetv2_fair.audit.results.causes import CauseFinding
from nnunetv2_fair.audit.results.labels import Estimate
from nnunetv2_fair.evaluation.results.values import Interval
from tests.audit.diagnosis.factories import DICE, LABEL, drawn


def asked(found, why_not=None, withheld=""):
    said, unsaid = questions(found, ["sex"], DICE, LABEL, why_not or {}, withheld)
    assert unsaid == ()
    (one,) = said
    return one


@pytest.mark.parametrize("cause", ["representation", "labels", "shortcut", "difficulty"])
def test_a_planted_cause_is_named_alone(cause):
    one = asked(drawn(np.random.default_rng(3), gap=0.1, cause=cause))
    assert one.between == ("male", "female")
    assert one.n == (40, 40)
    assert one.trainings == 4
    assert one.named() == (cause,)
    found = {c.cause: c for c in one.causes}
    assert "supported; it makes more than half of the gap: without it" in found[cause].sentence
    assert found[cause].decides == ""
    assert ", worse for female. The evidence supports" in one.sentence
    kinds = [gap.kind for gap in one.gaps]
    assert kinds == ["model", "balanced", "expert", "neutralised", "exchanged", "control",
                     "further"]  # fmt: skip
    assert one.gaps[0].gap.value == pytest.approx(one.gap.value)


def test_nothing_is_named_without_a_gap():
    rng = np.random.default_rng(11)
    answers = [asked(drawn(rng, 15)) for _ in range(12)]
    assert sum(bool(one.named()) for one in answers) <= 1
    quiet = next(one for one in answers if not one.shown)
    assert "No gap is shown, so nothing is said of causes." in quiet.sentence
    assert all("nothing is said, as no gap is shown" in c.sentence for c in quiet.causes)
    assert {c.verdict for c in quiet.causes} == {"open"}


def test_another_cause_is_not_named():
    one = asked(drawn(np.random.default_rng(1), gap=0.1))
    assert one.shown
    assert one.named() == ()
    assert "All four causes are excluded" in one.sentence
    assert "something else makes it" in one.sentence


def test_a_gap_that_closes_because_the_better_group_falls_names_nothing():
    found = drawn(np.random.default_rng(5), gap=0.1, cause="shortcut", spoils=0.1)
    one = asked(found)
    shortcut = next(c for c in one.causes if c.cause == "shortcut")
    assert (one.named(), shortcut.verdict) == ((), "open")
    assert NO_GAIN in shortcut.sentence
    # the gap goes all the same
    assert shortcut.contrast.interval.low > 0


def test_a_control_edit_that_removes_the_gap_too_is_told():
    rng = np.random.default_rng(5)
    one = asked(drawn(rng, gap=0.1, cause="shortcut", by_edit=0.1))
    assert one.named() == ("shortcut",)
    assert CONTROL_TOO in one.notes
    assert CONTROL_TOO not in asked(drawn(rng, gap=0.1, cause="shortcut")).notes


def test_the_background_is_not_named_where_nothing_but_the_target_stays():
    found = drawn(np.random.default_rng(5), gap=0.1, cause="shortcut", by_edit=0.1)
    one = asked(found, withheld=NOTHING_ELSE_STAYS)
    shortcut = next(c for c in one.causes if c.cause == "shortcut")
    assert (one.named(), shortcut.verdict) == ((), "open")
    assert NOTHING_ELSE_STAYS in shortcut.sentence
    assert CONTROL_TOO not in one.notes
    # other causes, and what is excluded, are said as before
    other = drawn(np.random.default_rng(2), gap=0.1, cause="labels")
    assert asked(other, withheld=NOTHING_ELSE_STAYS).causes == asked(other).causes


def test_what_was_not_done_is_open_with_its_reason():
    found = drawn(np.random.default_rng(2), gap=0.1, cause="labels")
    found = dataclasses.replace(found, balanced={}, covariates=None)
    one = asked(found, {("representation", ""): "repeats: 2 is the least"})
    told = {c.cause: c for c in one.causes}
    assert told["representation"].sentence.endswith("open, as repeats: 2 is the least.")
    assert told["difficulty"].sentence.endswith("open, as the intervention was not done.")
    assert told["difficulty"].decides == (
        "Do the intervention: adjusted for size, contrast and noise."
    )
    assert one.named() == ("labels",)


def test_what_would_decide_is_said():
    rng = np.random.default_rng(8)
    one = asked(drawn(rng, 12, gap=0.08))
    unclear = [c for c in one.causes if c.verdict == "open"]
    assert one.shown
    assert unclear
    assert all("would narrow the interval most" in c.decides for c in unclear)


@pytest.mark.parametrize(
    ("high", "words"),
    [(-0.01, "a part of the gap, but less than half:"), (0.01, "more than half is not known:")],
)
def test_a_part_by_itself_says_what_is_known_of_half(high, words):
    removed = Estimate(0.03, Interval(0.01, 0.05), 0.001, 0.002)
    found = CauseFinding("labels", "open", removed, Estimate(-0.02, Interval(-0.04, high), 0.9))
    assert words in sentence(found, True, "", DICE, part=True)
