"""What a diagnosis found, as frozen values, and its file."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from nnunetv2_fair.audit.results.labels import Estimate
from nnunetv2_fair.evaluation.results.json_file import JsonFormat
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.paths import DIAGNOSIS_JSON

#: The command that writes such results.
COMMAND = "nnUNetv2_fair_diagnose"

_JSON = JsonFormat(1, COMMAND, "Diagnose again")

#: What the evidence says of a cause; ``mixed``: it makes a part of the gap, beside others.
CauseVerdict = Literal["supported", "mixed", "excluded", "open"]


@dataclass(frozen=True)
class CauseFinding:
    """What is said of one cause.

    Attributes:
        cause: ``representation``, ``difficulty``, ``labels`` or ``shortcut``.
        verdict: What the evidence says.
        removed: How much smaller the gap is without the cause, in its direction.
        contrast: ``removed`` minus half of the gap; above 0 if the cause makes more than half.
        share: ``removed`` divided by the gap; NaN if it is not known.
        sentence: All that in words.
        decides: What data would decide, in words; empty if it is decided.
    """

    cause: str
    verdict: CauseVerdict
    removed: Estimate
    contrast: Estimate
    share: float = math.nan
    sentence: str = ""
    decides: str = ""


@dataclass(frozen=True)
class GapOf:
    """A gap under one condition.

    Attributes:
        kind: ``model``, ``balanced``, ``expert``, ``neutralised``, ``exchanged``, ``control`` or
            ``further``.
        name: What it is of, in words.
        gap: Mean of the reference group minus mean of the other.
        n: Patients of both groups.
        trainings: Trainings behind the scores.
    """

    kind: str
    name: str
    gap: Estimate
    n: tuple[int, int]
    trainings: int


@dataclass(frozen=True)
class Question:
    """One gap and what is said of its causes.

    Attributes:
        attribute: Attribute expression.
        between: (reference, other).
        n: Patients of both groups whose scores were used.
        trainings: Trainings of the model.
        gap: Mean of the reference group minus mean of the other.
        shown: Whether there is a gap; if not, nothing is said of causes.
        sentence: The answer in words.
        causes: The four causes.
        gaps: The gap under every condition.
        notes: What readers must know, in sentences.
    """

    attribute: str
    between: tuple[str, str]
    n: tuple[int, int]
    trainings: int
    gap: Estimate
    shown: bool
    sentence: str
    causes: tuple[CauseFinding, ...]
    gaps: tuple[GapOf, ...]
    notes: tuple[str, ...] = ()

    def named(self) -> tuple[str, ...]:
        """Return the causes that the evidence supports, alone or mixed with others."""
        return tuple(one.cause for one in self.causes if one.verdict in ("supported", "mixed"))


@dataclass(frozen=True)
class DiagnosisResult:
    """Everything that a diagnosis found. It is private: it holds counts of small groups.

    Attributes:
        name: What was diagnosed, for titles.
        metric: Metric of the gaps.
        label: Label of the gaps.
        questions: One per attribute and pair of groups.
        impossible: What was not done, and why, in sentences.
        notes: What readers must know, in sentences.
        settings: Options it ran with.
        versions: Versions of Python and the packages used.
        created: ISO 8601 time.
    """

    name: str
    metric: MetricInfo
    label: str
    questions: tuple[Question, ...]
    impossible: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    created: str = ""

    def put(self, folder: Path) -> None:
        """Write ``diagnosis.json`` into a folder."""
        _JSON.write(self, folder / DIAGNOSIS_JSON)

    @classmethod
    def read(cls, folder: Path) -> "DiagnosisResult":
        """Read what was written.

        Raises:
            EvaluationError: If the file is missing, damaged or of another format.
        """
        return _JSON.read(cls, folder / DIAGNOSIS_JSON)
