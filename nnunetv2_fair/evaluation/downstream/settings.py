"""What is asked for: sets of measures, frames of the heart, thresholds of decisions."""

from collections.abc import Sequence
from dataclasses import dataclass

from nnunetv2_fair.errors import UsageError, did_you_mean, shorten
from nnunetv2_fair.evaluation.downstream.measures import CARDIAC, SETS
from nnunetv2_fair.evaluation.failures.limits import LimitOption, in_one, parse_limits

_OPTION = LimitOption("--threshold", "MEASURE", "ef=50", several=True)


@dataclass(frozen=True)
class Threshold:
    """Where a decision changes.

    Attributes:
        measure: Name of the measure.
        value: Values below it are on one side, all others on the other; in the measure's unit.
        label: Label that it is for; empty for all that the measure is taken from.
    """

    measure: str
    value: float
    label: str = ""

    def __str__(self) -> str:
        """Return the threshold as it is given to ``--threshold``."""
        where = f"{self.label}:" if self.label else ""
        return f"{where}{self.measure}={self.value:g}"


@dataclass(frozen=True)
class DownstreamSettings:
    """Which measures to take.

    Attributes:
        sets: Of ``radiomics``, ``cardiac``, ``cup_disc`` and ``tumour``.
        frames: Column of the table that says ED or ES; None takes the end of the case's name.
        thresholds: Where decisions change.
    """

    sets: tuple[str, ...]
    frames: str | None = None
    thresholds: tuple[Threshold, ...] = ()

    def check(self, labels: Sequence[str] | None = None) -> None:
        """Raise a UsageError unless everything fits together.

        Args:
            labels: Labels and regions; None if they are not known yet.

        Raises:
            UsageError: All problems at once.
        """
        known = list(dict.fromkeys(name for chosen in self.sets for name in SETS[chosen]))
        problems = []
        if self.frames is not None and CARDIAC not in self.sets:
            problems.append("--frames says which frames of the heart make a pair; it needs "
                            "--downstream cardiac")  # fmt: skip
        for threshold in self.thresholds:
            if threshold.measure not in known:
                problems.append(
                    f"--threshold {threshold}: '{threshold.measure}' is not measured."
                    f"{did_you_mean(threshold.measure, known)} Measures: {shorten(known, 20)}"
                )
            if threshold.label and labels is not None and threshold.label not in labels:
                problems.append(
                    f"--threshold {threshold}: there is no label '{threshold.label}' (labels: "
                    f"{shorten(labels, 12)})"
                )
        if problems:
            raise UsageError(in_one(problems, "The downstream measures cannot be taken"))


def parse_thresholds(texts: Sequence[str]) -> tuple[Threshold, ...]:
    """Return thresholds that are given as text.

    Args:
        texts: Each ``measure=number`` or ``label:measure=number``; a measure may have several.

    Raises:
        UsageError: If a text is malformed or given twice; all problems at once.
    """
    limits = parse_limits(texts, _OPTION)
    return tuple(Threshold(measure, number, label) for label, measure, number in limits)
