"""What is said of causes: words follow the rule, and the control edit can only take names away."""

import dataclasses

import numpy as np
import pytest

from nnunetv2_fair.audit.diagnosis.answers import EDIT_DOES_IT, NO_CONTROL, questions
from tests.audit.diagnosis.factories import DICE, LABEL, drawn


def asked(found, why_not=None):
    said, unsaid = questions(found, ["sex"], DICE, LABEL, why_not or {})
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
    assert "The evidence supports" in one.sentence
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


def test_an_edit_that_removes_the_gap_by_itself_names_nothing():
    rng = np.random.default_rng(5)
    found = drawn(rng, gap=0.1, cause="shortcut", by_edit=0.1)
    one = asked(found)
    assert "shortcut" not in one.named()
    shortcut = next(c for c in one.causes if c.cause == "shortcut")
    assert shortcut.verdict == "open"
    assert EDIT_DOES_IT in shortcut.sentence
    # the rule alone would have named it
    assert shortcut.contrast.interval.low > 0


def test_without_a_control_edit_the_background_is_not_named():
    found = drawn(np.random.default_rng(5), gap=0.1, cause="shortcut")
    one = asked(dataclasses.replace(found, control={}))
    shortcut = next(c for c in one.causes if c.cause == "shortcut")
    assert shortcut.verdict == "open"
    assert NO_CONTROL in shortcut.sentence


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
