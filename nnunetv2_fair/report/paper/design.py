"""What was evaluated and counted, as a manuscript tells it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.failures import FailureCriterion
from nnunetv2_fair.evaluation.results.groups import CHOSEN_GROUPS, Comparison
from nnunetv2_fair.evaluation.results.tables.per_case import AVERAGE, evaluated_rows
from nnunetv2_fair.evaluation.results.trainings import TRAININGS, number_of_trainings


@dataclass(frozen=True)
class Design:
    """The design of an evaluation.

    Attributes:
        images: Images that were evaluated.
        patients: Patients they come from.
        by_case: Whether images are counted, even those of one patient.
        measured: Whether masks were measured here; otherwise scores were read.
        labels: Labels and regions, without the average.
        averaged: Whether there is an average over them.
        groups: Attribute expression -> its groups.
        references: Attribute expression -> group that differences are measured from.
        chosen: Attribute expression -> groups that are compared, where some were chosen.
        trainings: Number of trainings.
        folds: Whether trainings differ in their training data.
        min_patients: Patients that a group needs to be compared.
        confidence: Confidence level, such as ``95%``.
        resamples: Number of bootstrap resamples; 0: no intervals.
        seed: Seed of everything random.
        failures: When a segmentation counts as failed.
        margins: Metric -> margin of equivalence.
        adjusted_for: Columns of the table that gaps are adjusted for.
        searched: Whether subgroups were searched for.
        mapped: Whether it was mapped where along the outline errors lie.
        downstream: Whether measures taken from masks were compared.
    """

    images: int
    patients: int
    by_case: bool
    measured: bool
    labels: Sequence[str]
    averaged: bool
    groups: Mapping[str, Sequence[str]]
    references: Mapping[str, str]
    chosen: Mapping[str, Sequence[str]]
    trainings: int
    folds: bool
    min_patients: int
    confidence: str
    resamples: int
    seed: int
    failures: Sequence[FailureCriterion]
    margins: Mapping[str, float]
    adjusted_for: Sequence[str]
    searched: bool
    mapped: bool
    downstream: bool

    @property
    def several(self) -> bool:
        """Whether some patients have several images."""
        return self.images > self.patients

    @property
    def unit(self) -> str:
        """What is counted."""
        return "image" if self.by_case else "patient"

    @property
    def people(self) -> str:
        """How many images of how many patients: ``122 images of 93 patients``."""
        patients = numbers.count(self.patients, "patient")
        return f"{numbers.count(self.images, 'image')} of {patients}"


def design_of(result: EvaluationResult) -> Design:
    """Return the design of an evaluation."""
    settings = result.settings
    images, patients = settings.get("cases"), settings.get("patients")
    if not result.shareable:
        rows = evaluated_rows(result.per_case)
        images, patients = rows["case"].nunique(), rows["patient"].nunique()
    groups = {a: tuple(headline_comparison(result, a).groups) for a in result.attributes}
    return Design(
        images=int(images or 0),
        patients=int(patients or 0),
        by_case=settings.get("unit") == "case",
        # scores that were read have no regions
        measured="regions" in settings,
        labels=[label for label in result.labels if label != AVERAGE],
        averaged=AVERAGE in result.labels,
        groups=groups,
        references=settings.get("reference_groups", {}),
        chosen=settings.get(CHOSEN_GROUPS, {}),
        trainings=number_of_trainings(settings),
        folds=settings.get(TRAININGS, {}).get("kind") == "folds",
        min_patients=int(settings.get("min_patients", 5)),
        confidence=numbers.percent(float(settings.get("confidence", 0.95))),
        resamples=int(settings.get("bootstrap", 0)),
        seed=int(settings.get("seed", 0)),
        failures=[_criterion(text) for text in settings.get("failures", ())],
        margins=settings.get("margins", {}),
        adjusted_for=settings.get("adjust", ()),
        searched=result.discovery is not None or "discover" in settings,
        mapped=bool(result.boundary_maps) or "boundary_maps" in settings,
        downstream="downstream" in settings,
    )


def headline_comparison(result: EvaluationResult, attribute: str) -> Comparison:
    """Return what represents an attribute: the first metric of the headline label."""
    return result.comparison(attribute, result.metrics[0].name, result.headline_label)


def _criterion(text: str) -> FailureCriterion:
    """Return a criterion from how the settings keep it: ``dice=0.1`` or ``lesion:dice=0.3``."""
    left, _, threshold = text.rpartition("=")
    label, _, metric = left.rpartition(":")
    return FailureCriterion(metric, float(threshold), label)
