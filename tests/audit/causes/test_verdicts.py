"""The rule, and how often it is wrong with known causes."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.diagnosis import Cell, draw, simulate
from nnunetv2_fair.audit.causes.evidence import CAUSES, Evidence
from nnunetv2_fair.audit.causes.verdicts import LEVEL_OF_PARTS, NO_GAIN, diagnose
from nnunetv2_fair.evaluation.statistics.corrections import holm


@pytest.mark.parametrize("cause", CAUSES)
def test_names_the_planted_cause_and_no_other(cause):
    """Large gaps: the share of missed ones is in the documentation."""
    found = simulate(Cell({cause: 0.12}), 40, 1)
    assert found.right >= 0.9
    assert found.wrong <= 0.05
    assert found.excluded >= 0.85
    assert found.denied == 0


@pytest.mark.parametrize("skewed", [False, True])
def test_names_nothing_without_a_gap(skewed):
    found = simulate(Cell(skewed=skewed), 100, 2)
    assert found.nothing >= 0.97
    assert found.shown <= 0.12
    assert found.excluded <= 0.12


def test_does_not_name_what_makes_exactly_half():
    """Contrasts of 0; each other half is made by something that no intervention removes."""
    for cause in CAUSES:
        found = simulate(Cell({cause: 0.06, "other": 0.06}), 40, 3)
        assert found.both <= 0.1
        assert found.denied <= 0.1
        assert found.wrong <= 0.1


def test_two_halves_are_mixed():
    found = simulate(Cell({"difficulty": 0.08, "shortcut": 0.08}), 40, 4)
    assert found.mixed >= 0.9
    assert found.right >= 0.8
    assert found.both <= 0.1  # the contrast alone cannot support two halves


def test_holm_over_the_causes_that_were_tested():
    rng = np.random.default_rng(5)
    evidence = draw(Cell({"labels": 0.08}), rng)
    found = diagnose(evidence)
    p_values = [found.causes[cause].contrast.p_value for cause in CAUSES]
    corrected = [found.causes[cause].contrast.corrected_p for cause in CAUSES]
    assert corrected == pytest.approx(holm(p_values))
    fewer = diagnose(Evidence(evidence.scores, evidence.second, expert=evidence.expert))
    assert fewer.causes["labels"].contrast.family_size == 1
    assert fewer.supported == ("labels",) == fewer.named
    assert fewer.causes["shortcut"].verdict == "open"
    assert fewer.causes["shortcut"].contrast.reason == "the intervention was not done"
    assert fewer.causes["shortcut"].widest == ""


def test_verdicts_follow_the_intervals():
    """A supported cause has an interval above 0, an excluded one below."""
    rng = np.random.default_rng(6)
    seen = set()
    for size in (0.03, 0.05, 0.08) * 10:
        for one in diagnose(draw(Cell({"shortcut": size, "other": 0.03}), rng)).causes.values():
            seen.add(one.verdict)
            if one.verdict == "supported":
                assert one.contrast.interval.low > 0
                assert one.contrast.corrected_p < 0.05
            elif one.verdict == "excluded":
                assert one.contrast.interval.high < 0
                assert not one.part
            if one.part:
                assert one.removed.corrected_p < LEVEL_OF_PARTS
    assert seen == {"supported", "excluded", "open"}


def test_direction_and_scale_do_not_matter():
    """The group that is worse, and a metric of which lower is better."""
    evidence = draw(Cell({"shortcut": 0.08}), np.random.default_rng(7))
    found = diagnose(evidence)
    names = ("scores", "balanced", "expert", "neutral", "control")
    scaled = {name: -30 * getattr(evidence, name) for name in names}
    turned = diagnose(replace(evidence, **scaled, better="lower"))
    swapped = diagnose(replace(evidence, second=~evidence.second))
    assert turned.gap.value == pytest.approx(-30 * found.gap.value)
    for cause, one in found.causes.items():
        assert turned.causes[cause].verdict == one.verdict == swapped.causes[cause].verdict
        assert turned.causes[cause].share == pytest.approx(one.share)
        assert swapped.causes[cause].contrast.value == pytest.approx(one.contrast.value)


def test_what_would_narrow_the_interval():
    rng = np.random.default_rng(8)
    by_trainings = diagnose(draw(Cell(n=300, trainings=3, between=0.05), rng))
    assert by_trainings.causes["representation"].widest == "trainings"
    by_patients = diagnose(draw(Cell(n=20, between=0.001, trainings=8), rng))
    assert by_patients.causes["representation"].widest == "patients"


def test_equal_scores():
    """No gap, no variance: nothing is shown, and nothing fails."""
    flat = np.ones((2, 20))
    found = diagnose(Evidence(flat, np.arange(20) < 10, flat, None, flat, flat))
    assert not found.shown
    assert found.named == ()
    assert np.isnan(found.causes["shortcut"].share)


@pytest.mark.parametrize("better", ["higher", "lower"])
def test_an_edit_that_spoils_the_better_group_names_no_background(better):
    """Both groups fall to the same; all of the gap goes, and nothing was in the background."""
    rng = np.random.default_rng(9)
    named = withheld = 0
    for _ in range(40):
        found = diagnose(spoilt({"other": 0.08}, better, rng))
        named += "shortcut" in found.named
        withheld += found.causes["shortcut"].withheld == NO_GAIN
    assert named == 0
    assert withheld >= 36


def test_half_is_rarely_called_less_than_half():
    """A page calls a part that if the contrast's interval is below 0."""
    rng = np.random.default_rng(12)
    cell = Cell({"labels": 0.04, "other": 0.04})
    found = [diagnose(draw(cell, rng)).causes["labels"] for _ in range(60)]
    assert sum(one.part for one in found) >= 50
    assert sum(one.part and one.contrast.interval.high < 0 for one in found) <= 4


@pytest.mark.parametrize("better", ["higher", "lower"])
def test_another_background_of_the_group_shows_what_odd_images_hide(better):
    """Scores are bad without background, and the worse group gains with that of another patient."""
    rng = np.random.default_rng(10)
    named = sum(
        diagnose(spoilt({"shortcut": 0.08}, better, rng)).named == ("shortcut",) for _ in range(40)
    )
    assert named >= 36


def test_few_patients_with_the_background_of_another_show_nothing():
    evidence = spoilt({"shortcut": 0.08}, "higher", np.random.default_rng(11))
    assert evidence.control is not None
    few = np.cumsum(evidence.second) <= 4
    one = diagnose(
        replace(evidence, control=np.where(few & evidence.second, evidence.control, np.nan))
    )
    assert one.causes["shortcut"].withheld == NO_GAIN


def spoilt(planted, better, rng):
    """Return evidence whose images without background no model can make anything of."""
    drawn = draw(Cell(planted), rng)
    sign = 1 if better == "higher" else -1
    return Evidence(
        sign * drawn.scores,
        drawn.second,
        neutral=sign * (0.5 + 0.02 * rng.standard_normal(drawn.scores.shape)),
        control=sign * drawn.control,
        better=better,
    )
