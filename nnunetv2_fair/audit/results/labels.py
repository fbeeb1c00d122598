"""What an audit of labels found, as frozen values, and its files."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.findings import Finding
from nnunetv2_fair.evaluation.results.json_file import JsonFormat
from nnunetv2_fair.evaluation.results.tables.per_case import representative, write_per_case
from nnunetv2_fair.evaluation.results.values import NO_INTERVAL, Interval, MetricInfo
from nnunetv2_fair.paths import AUDIT_CASES_CSV, AUDIT_JSON, QUALITY_FOLDER

#: The command that writes such results.
COMMAND = "nnUNetv2_fair_audit_labels"

_JSON = JsonFormat(1, COMMAND, "Audit again", left_out=("quality", "per_case"))


@dataclass(frozen=True)
class Estimate:
    """A number, how sure it is, and a test of it being 0.

    Attributes:
        value: The number; NaN if there is none.
        interval: Its interval.
        p_value: Uncorrected; NaN if there is no test.
        corrected_p: Corrected by Holm's method over the family; NaN if there is no test.
        family_size: Number of tests in the family.
        reason: Why there is no number; empty if there is one.
    """

    value: float = math.nan
    interval: Interval = NO_INTERVAL
    p_value: float = math.nan
    corrected_p: float = math.nan
    family_size: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Coverage:
    """How many patients of a group have which masks.

    Attributes:
        attribute: Attribute expression.
        group: The group.
        automated: Patients with an automated mask.
        expert: Patients of these with an expert mask as well.
        predicted: Patients with a prediction of the model and an automated mask.
        both: Patients of these with an expert mask as well.
    """

    attribute: str
    group: str
    automated: int
    expert: int
    predicted: int
    both: int


@dataclass(frozen=True)
class PairGap:
    """Gap of one group from the reference group.

    Attributes:
        between: (reference, other).
        n: Patients of both (cases if cases are counted).
        gap: Mean of the reference minus mean of the other.
    """

    between: tuple[str, str]
    n: tuple[int, int]
    gap: Estimate


@dataclass(frozen=True)
class GroupMean:
    """Mean error of one group.

    Attributes:
        n: Patients with a value.
        n_undefined: Cases without one, as a mask is empty.
        mean: The mean, tested to be 0 where errors have a sign.
    """

    n: int
    n_undefined: int
    mean: Estimate


@dataclass(frozen=True)
class LabelErrors:
    """How the automated masks of each group are wrong: too small, too large, or shifted.

    Attributes:
        attribute: Attribute expression.
        label: Label or region.
        measure: ``volume``, ``boundary`` or ``shift``.
        unit: Unit of the values.
        groups: Group -> its mean.
        left_out: Group -> why it is not compared.
        gaps: Of every other group from the reference.
    """

    attribute: str
    label: str
    measure: str
    unit: str
    groups: Mapping[str, GroupMean]
    left_out: Mapping[str, str]
    gaps: tuple[PairGap, ...]


@dataclass(frozen=True)
class SourceGaps:
    """The gap of two groups in every source of data, and whether the sources differ.

    Attributes:
        attribute: Attribute expression.
        metric: Name of the metric.
        label: Label or region, or ``average``.
        between: (reference, other).
        by_source: Source -> the gap in it.
        left_out: Source -> why its gap is not known.
        common: Mean gap of the sources, weighted by the sizes of their groups.
        heterogeneity: Whether gaps differ between the sources; its value is the largest minus the
            smallest gap.
    """

    attribute: str
    metric: str
    label: str
    between: tuple[str, str]
    by_source: Mapping[str, PairGap]
    left_out: Mapping[str, str]
    common: Estimate
    heterogeneity: Estimate


@dataclass(frozen=True)
class GapChange:
    """The gaps of two groups by two kinds of scores of the same cases, and how they differ.

    Attributes:
        attribute: Attribute expression.
        metric: Name of the metric.
        label: Label or region, or ``average``.
        between: (reference, other).
        scores: Names of the two kinds of scores (see :data:`SCORES`).
        n: Patients of both groups that have both scores.
        first: Gap by the first scores.
        second: Gap by the second scores.
        change: First gap minus second, paired by patient.
        trainings: Trainings behind each score; 1 where they are about one trained model or about
            masks that no training made.
    """

    attribute: str
    metric: str
    label: str
    between: tuple[str, str]
    scores: tuple[str, str]
    n: tuple[int, int]
    first: Estimate
    second: Estimate
    change: Estimate
    trainings: tuple[int, int] = (1, 1)

    @property
    def subject(self) -> str:
        """What is compared: ``rulers``, ``amplification`` or ``ceiling``."""
        return CHANGES[self.scores]


@dataclass(frozen=True)
class Width:
    """How wide the interval of a gap would be with more expert masks.

    Attributes:
        n: Patients of both groups that would have masks of both kinds.
        combined: Width of the interval of the combined estimate.
        expert_only: Width with the expert masks alone.
    """

    n: tuple[int, int]
    combined: float
    expert_only: float


@dataclass(frozen=True)
class CombinedGap:
    """The gap of a model against expert masks, from cases of which only some have them.

    Attributes:
        attribute: Attribute expression.
        metric: Name of the metric.
        label: Label or region, or ``average``.
        between: (reference, other).
        n_automated: Patients of both groups with a score against automated masks.
        n_expert: Patients of these with a score against expert masks as well.
        automated: Gap against automated masks, over all patients.
        expert: Gap against expert masks, over those who have them.
        combined: The estimate from both.
        weights: How much of an automated score's departure counts in each group, 0 to 1.
        correlations: Of both scores in each group; NaN where one does not vary.
        widths: What more expert masks would buy; the first entry is about those there are.
        trainings: Trainings behind the scores.
    """

    attribute: str
    metric: str
    label: str
    between: tuple[str, str]
    n_automated: tuple[int, int]
    n_expert: tuple[int, int]
    automated: Estimate
    expert: Estimate
    combined: Estimate
    weights: tuple[float, float]
    correlations: tuple[float, float]
    widths: tuple[Width, ...] = ()
    trainings: int = 1


#: Kinds of scores: name -> which masks, and which they are measured against.
SCORES: Mapping[str, tuple[str, str]] = {
    "automated": ("automated masks", "expert masks"),
    "second_expert": ("masks of a second expert", "expert masks"),
    "model_automated": ("predictions of the model", "automated masks"),
    "model_expert": ("predictions of the model", "expert masks"),
    "trained_on_automated": ("predictions of models trained on automated masks", "expert masks"),
    "trained_on_expert": ("predictions of models trained on expert masks", "expert masks"),
}

#: Which kinds of scores are compared, and what that is about.
CHANGES: Mapping[tuple[str, str], str] = {
    ("model_automated", "model_expert"): "rulers",
    ("trained_on_automated", "trained_on_expert"): "amplification",
    ("trained_on_automated", "automated"): "amplification",
    ("automated", "second_expert"): "ceiling",
}


@dataclass(frozen=True)
class AuditResult:
    """Everything that an audit found. It is private: it holds cases and counts of small groups.

    Attributes:
        name: What was audited, for titles.
        quality: The evaluation of the automated masks against the expert masks.
        per_case: One row per case and label with all that was measured.
        metrics: Metrics in the order to show.
        labels: Labels in the order to show.
        attributes: Attribute expressions.
        coverage: Who has which masks.
        label_errors: Whether automated masks are too small, too large or shifted.
        source_gaps: Gaps by source of the data; empty if no column was named.
        changes: Gaps by two kinds of scores: rulers, amplification, ceiling.
        combined: Gaps against expert masks from both rulers.
        findings: Everything that is claimed, most important first.
        notes: What readers must know, in sentences.
        definitions: Name of a quantity -> what it is.
        settings: Options the audit ran with.
        versions: Versions of Python and the packages used.
        created: ISO 8601 time.
    """

    name: str
    quality: EvaluationResult
    per_case: pd.DataFrame
    metrics: tuple[MetricInfo, ...]
    labels: tuple[str, ...]
    attributes: tuple[str, ...]
    coverage: tuple[Coverage, ...] = ()
    label_errors: tuple[LabelErrors, ...] = ()
    source_gaps: tuple[SourceGaps, ...] = ()
    changes: tuple[GapChange, ...] = ()
    combined: tuple[CombinedGap, ...] = ()
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    definitions: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    created: str = ""

    # for reading the file, from which the table of cases is absent
    __pydantic_config__: ClassVar[dict[str, bool]] = {"arbitrary_types_allowed": True}

    def metric(self, name: str) -> MetricInfo:
        """Return how to read a metric."""
        return next(metric for metric in self.metrics if metric.name == name)

    @property
    def headline_label(self) -> str:
        """Label that represents the whole result: the average, or the first if there is none."""
        return representative(self.labels)

    def put(self, folder: Path) -> None:
        """Write ``audit.json`` and ``audit_cases.csv`` into a temporary folder, without a manifest.

        The evaluation of the automated masks is written to ``quality``, without its report.
        """
        inside = folder / QUALITY_FOLDER
        inside.mkdir(parents=True, exist_ok=True)
        self.quality.put(inside)
        write_per_case(folder / AUDIT_CASES_CSV, self.per_case)
        _JSON.write(self, folder / AUDIT_JSON)

    @classmethod
    def read(cls, folder: Path) -> "AuditResult":
        """Read what the command wrote; ``per_case`` has no rows.

        Args:
            folder: Its output folder.

        Raises:
            EvaluationError: If a file is missing, damaged or of another format.
        """
        quality = EvaluationResult.read(folder / QUALITY_FOLDER, with_cases=False)
        read = _JSON.read(
            cls, folder / AUDIT_JSON, quality=_placeholder(quality), per_case=pd.DataFrame()
        )
        return dataclasses.replace(read, quality=quality)


def _placeholder(quality: EvaluationResult) -> EvaluationResult:
    """Return what stands for the evaluation while the rest of the file is checked."""
    return dataclasses.replace(quality, per_case=pd.DataFrame())
