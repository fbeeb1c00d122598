"""Which causes of a gap the evidence supports, which it excludes, and what remains open.

Nothing is said of causes unless a gap is shown. A cause is

- ``supported`` if it makes more than half of the gap: C_k is above 0 by a one-sided test, corrected
  by Holm's method over the causes that were tested, and its two-sided interval is above 0;
- ``excluded`` if it makes less than half of the gap, by the same test of -C_k, and is not shown to
  make any part of it;
- ``open`` otherwise.

A cause is shown to make a part of the gap if g - g_k is above 0 by such a test at the stricter
level :data:`LEVEL_OF_PARTS`: where several causes are named, each is one more that may be wrong.
Where no cause is supported and two or more are shown to make a part, the gap is ``mixed`` of these:
two causes that make half of it each have contrasts of 0, and no number of patients would support
either.

An image without background is odd to a model, and what is odd spoils scores, often those of the
better group most. Therefore ``shortcut`` is neither supported nor a part unless the worse group is
shown to be better on such images, or with the background of another patient of its own group, at
:data:`LEVEL_OF_GAINS`, corrected by Holm's method.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from nnunetv2_fair.audit.causes.contrasts import Measured, Removal, gains, gap, removals
from nnunetv2_fair.audit.causes.evidence import CAUSES, Cause, Evidence
from nnunetv2_fair.audit.results.labels import Estimate
from nnunetv2_fair.evaluation.statistics.corrections import holm

Verdict = Literal["supported", "excluded", "open"]
#: What would narrow the interval most.
Source = Literal["patients", "trainings"]
#: Level of the one-sided tests of parts, corrected by Holm's method.
LEVEL_OF_PARTS = 0.02
#: Level of the one-sided tests that the worse group is better without its own backgrounds.
LEVEL_OF_GAINS = 0.02
NO_GAIN = (
    "the group with the worse scores is not shown to be better without its own backgrounds: the "
    "gap may be smaller because edited images are worse for the other group"
)
_TAIL = 0.025


@dataclass(frozen=True)
class Judged:
    """What is said of one cause.

    Attributes:
        cause: The cause.
        verdict: What the evidence says of it.
        part: Whether it is shown to make a part of the gap.
        removed: g - g_k in the direction of the gap: how much smaller the gap is without the
            cause. Two-sided interval; p-values are one-sided, of it being 0 or less.
        contrast: g / 2 - g_k in the direction of the gap, likewise; above 0 if the cause makes
            more than half of the gap.
        share: ``removed`` divided by the gap: about 1 where the gap goes, 0 where it stays. NaN
            where it is not known.
        widest: Whether more patients or more trainings would narrow the contrast's interval most;
            empty where there is none.
        withheld: Why the cause is not named though the gap is smaller without it; mostly empty.
    """

    cause: Cause
    verdict: Verdict
    part: bool
    removed: Estimate
    contrast: Estimate
    share: float
    widest: Source | Literal[""]
    withheld: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """What is said of a gap.

    Attributes:
        gap: Mean of the first group minus mean of the second; p-value two-sided.
        shown: Whether there is a gap; if not, nothing is said of causes, and all are open.
        causes: The four causes.
        mixed: Causes that share the gap where none makes more than half of it; empty, or two or
            more.
    """

    gap: Estimate
    shown: bool
    causes: Mapping[Cause, Judged]
    mixed: tuple[Cause, ...]

    @property
    def supported(self) -> tuple[Cause, ...]:
        """Causes that make more than half of the gap."""
        return tuple(c for c, found in self.causes.items() if found.verdict == "supported")

    @property
    def named(self) -> tuple[Cause, ...]:
        """Causes that the evidence supports by themselves or mixed with others."""
        return self.supported or self.mixed


def diagnose(evidence: Evidence, confidence: float = 0.95) -> Diagnosis:
    """Say which causes of a gap the evidence supports.

    Args:
        evidence: Scores as they are and after interventions.
        confidence: Coverage of the intervals; 1 minus it is the level of the tests.

    Raises:
        EvaluationError: The scores do not fit together (:meth:`Evidence.check`).
    """
    evidence.check()
    found = gap(evidence)
    whole = Estimate(found.spread.value, found.interval(confidence), found.p_value)
    shown = whole.p_value < 1 - confidence
    measured = removals(evidence)
    contrasts = _estimates(measured, lambda one: one.contrast, confidence)
    removed = _estimates(measured, lambda one: one.removed, confidence)
    below = _corrected({cause: 1 - one.p_value for cause, one in contrasts.items()})
    gained = any(p < LEVEL_OF_GAINS for p in holm([one.p_above for one in gains(evidence)]))
    judged: dict[Cause, Judged] = {}
    for cause in CAUSES:
        one = measured[cause]
        part = shown and removed[cause].corrected_p < LEVEL_OF_PARTS
        most = shown and _above(contrasts[cause], confidence)
        withheld = NO_GAIN if cause == "shortcut" and (part or most) and not gained else ""
        if withheld:
            part = most = False
        verdict: Verdict = "open"
        if most:
            verdict = "supported"
        elif (
            shown
            and not part
            and not withheld
            and below[cause] < 1 - confidence
            and (contrasts[cause].interval.high < 0)
        ):
            verdict = "excluded"
        judged[cause] = Judged(
            cause, verdict, part, removed[cause], contrasts[cause],
            removed[cause].value / abs(whole.value) if whole.value else float("nan"),
            _widest(one.contrast) if isinstance(one, Removal) else "", withheld,
        )  # fmt: skip
    parts = tuple(cause for cause in CAUSES if judged[cause].part)
    single = any(one.verdict == "supported" for one in judged.values())
    return Diagnosis(whole, shown, judged, () if single or len(parts) < 2 else parts)


def _estimates(
    measured: Mapping[Cause, Removal | str], pick: Callable[[Removal], Measured], confidence: float
) -> dict[Cause, Estimate]:
    """Return one number of each cause, with one-sided p-values of one family."""
    numbers = {c: pick(one) for c, one in measured.items() if isinstance(one, Removal)}
    p_values = {cause: number.p_above for cause, number in numbers.items()}
    corrected = _corrected(p_values)
    made: dict[Cause, Estimate] = {}
    for cause, one in measured.items():
        if isinstance(one, str):
            made[cause] = Estimate(reason=one)
            continue
        number = numbers[cause]
        made[cause] = Estimate(
            number.spread.value, number.interval(confidence), p_values[cause], corrected[cause],
            len(numbers),
        )  # fmt: skip
    return made


def _corrected(p_values: Mapping[Cause, float]) -> dict[Cause, float]:
    return dict(zip(p_values, holm(list(p_values.values())), strict=True))


def _above(estimate: Estimate, confidence: float) -> bool:
    return estimate.corrected_p < 1 - confidence and estimate.interval.low > 0


def _widest(contrast: Measured) -> Source:
    by_patients = contrast.spread.interval(1 - 2 * _TAIL).high - contrast.spread.value
    return "trainings" if contrast.error.reach(_TAIL) > by_patients else "patients"
