"""What an evaluation found, as frozen values and as files.

``per_case.csv`` has one row per case and label; ``summary.json`` has everything aggregated,
with the settings, versions and a hash of the inputs. Reports are made from these alone.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd

from nnunetv2_fair.errors import UsageError, shorten
from nnunetv2_fair.evaluation.results.adjusted import AdjustedGap
from nnunetv2_fair.evaluation.results.boundary_maps import BoundaryMap
from nnunetv2_fair.evaluation.results.discovery import Discovery
from nnunetv2_fair.evaluation.results.downstream.cases import (
    no_measures,
    read_cases,
)
from nnunetv2_fair.evaluation.results.downstream.comparison import DownstreamComparison
from nnunetv2_fair.evaluation.results.failures import FailureComparison
from nnunetv2_fair.evaluation.results.findings import Finding, Kind
from nnunetv2_fair.evaluation.results.groups import Comparison
from nnunetv2_fair.evaluation.results.json_file import JsonFormat, require
from nnunetv2_fair.evaluation.results.output_folder import EVALUATE
from nnunetv2_fair.evaluation.results.tables.per_case import (
    no_cases,
    read_per_case,
    representative,
    write_per_case,
)
from nnunetv2_fair.evaluation.results.tables.text_table import TextTable
from nnunetv2_fair.evaluation.results.trainings import TRAININGS
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.files.outputs import one_unit, read_as_one, write_manifest
from nnunetv2_fair.paths import DOWNSTREAM_CSV, PER_CASE_CSV, SUMMARY_JSON, TRAININGS_FOLDER
from nnunetv2_fair.subgroups.schema import INTERSECTION

if TYPE_CHECKING:
    from fairlearn.metrics import MetricFrame

_AGAIN = "Evaluate again"
_SUMMARY = JsonFormat(
    3,
    EVALUATE,
    f"{_AGAIN} (--from-csv with the folder's per_case.csv saves measuring)",
    left_out=("per_case", "trainings", "downstream_cases"),
)


@dataclass(frozen=True)
class Exclusion:
    """Cases that were not evaluated, or are in no group, and why.

    Attributes:
        reason: One sentence.
        cases: Case names.
        by_group: Attribute expression -> group (or ``unknown``) -> number of these cases.
    """

    reason: str
    cases: tuple[str, ...]
    by_group: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class EvaluationResult:
    """Everything one evaluation found.

    Attributes:
        name: What was evaluated, for titles (the prediction folder's name by default).
        per_case: Columns ``case, patient``, the attributes' groups, ``label``, the metric columns,
            ``diagonal_<unit>``, ``reference_voxels``, ``prediction_voxels``, ``flags``.
        metrics: Metrics in the order to show.
        labels: Labels and regions in the order to show; ``average`` last, if there is one.
        attributes: Attribute expressions in the order asked for.
        comparisons: One per attribute, label and metric.
        exclusions: What was left out.
        notes: What readers must know, in sentences (units, small groups, policies).
        definitions: Name of a fairness measure or statistic -> what it is.
        settings: Options the evaluation ran with.
        versions: Versions of Python and the packages used.
        inputs_sha256: Hash over the bytes of all inputs.
        created: ISO 8601 time.
        discovery: Subgroups that diverge; None if not searched for.
        preset_tables: Tables in the form of the paper that ``--preset`` names.
        shareable: Whether everything that could reveal individual patients was removed (see
            :mod:`nnunetv2_fair.evaluation.disclosure.of_evaluation`); ``per_case`` then has no rows
            and is not written.
        group_parts: Attribute expression -> name of a group -> its level of each of the
            expression's attributes, in their order: ``{"sex+age": {"female, <50": ("female",
            "<50")}}``.
        findings: Everything that is claimed, most important first.
        trainings: Of a method of which several trainings were evaluated: the evaluation of each,
            by which ``settings["trainings"]`` names them; ``per_case`` then holds means over them.
            Empty for one trained model, and in a shareable result.
        failures: How often segmentation fails, one per attribute, label and criterion.
        adjusted_gaps: Differences of means adjusted for size, and for columns of the table.
        boundary_maps: Where along the outline errors lie, one per attribute and label; empty if not
            asked for.
        downstream: Errors of measures that are taken from masks, one per attribute, label and
            measure; empty if not asked for.
        downstream_cases: What was measured in every case (see
            :func:`~nnunetv2_fair.evaluation.results.downstream.cases.case_columns`); without rows
            if not asked for, and in a shareable result.
    """

    name: str
    per_case: pd.DataFrame
    metrics: tuple[MetricInfo, ...]
    labels: tuple[str, ...]
    attributes: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    exclusions: tuple[Exclusion, ...] = ()
    notes: tuple[str, ...] = ()
    definitions: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    inputs_sha256: str = ""
    created: str = ""
    discovery: Discovery | None = None
    preset_tables: tuple[TextTable, ...] = ()
    shareable: bool = False
    group_parts: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    trainings: tuple["EvaluationResult", ...] = ()
    failures: tuple[FailureComparison, ...] = ()
    adjusted_gaps: tuple[AdjustedGap, ...] = ()
    boundary_maps: tuple[BoundaryMap, ...] = ()
    downstream: tuple[DownstreamComparison, ...] = ()
    downstream_cases: pd.DataFrame = field(default_factory=no_measures)

    # for reading the file, from which the table of cases is absent
    __pydantic_config__: ClassVar[dict[str, bool]] = {"arbitrary_types_allowed": True}

    def metric(self, name: str) -> MetricInfo:
        """Return how to read a metric."""
        mapped = [found.metric for found in self.boundary_maps[:1]]
        further = (*mapped, *(found.measure for found in self.downstream))
        return next(metric for metric in (*self.metrics, *further) if metric.name == name)

    def comparison(self, attribute: str, metric: str, label: str) -> Comparison:
        """Return the comparison of one metric and label over one attribute.

        Raises:
            KeyError: If it was not made.
        """
        for found in self.comparisons:
            if (found.attribute, found.metric, found.label) == (attribute, metric, label):
                return found
        raise KeyError((attribute, metric, label))

    def findings_on(
        self, kind: Kind, quantity: str, attribute: str, label: str
    ) -> tuple[Finding, ...]:
        """Return the findings on a quantity, attribute and label, in the metrics' order."""
        asked = (kind, quantity, attribute, label)
        return tuple(
            f for f in self.findings if (f.kind, f.quantity, f.attribute, f.label) == asked
        )

    def parts_of(self, attribute: str) -> Mapping[str, tuple[str, ...]] | None:
        """Return the levels that each group of an attribute expression is made of.

        Args:
            attribute: One of the attribute expressions.

        Returns:
            Name of a group -> its level of each attribute; None if this result does not say
            so. Names are never parsed: a level may look like several.
        """
        if attribute in self.group_parts:
            return self.group_parts[attribute]
        if INTERSECTION in attribute:
            return None
        names = next((c.groups for c in self.comparisons if c.attribute == attribute), {})
        return {name: (name,) for name in names}

    @property
    def headline_label(self) -> str:
        """Label that represents the whole result: the average, or the first if there is none."""
        return representative(self.labels)

    def to_metric_frame(self, attribute: str, label: str | None = None) -> "MetricFrame":
        """Return the group means as fairlearn shows them.

        Args:
            attribute: One of the attribute expressions.
            label: Label or region; the headline label if None.

        Raises:
            UsageError: If fairlearn is not installed, or the attribute or label was not evaluated.
        """
        from nnunetv2_fair.evaluation.results.fairlearn_view import to_metric_frame

        label = self.headline_label if label is None else label
        for what, value, known in (
            ("attribute", attribute, self.attributes),
            ("label", label, self.labels),
        ):
            if value not in known:
                raise UsageError(
                    f"'{value}' is not one of the {what}s of this evaluation: {shorten(known, 20)}."
                )
        policy = self.settings.get("empty_distance", "diagonal")
        return to_metric_frame(self.per_case, self.metrics, self.labels, attribute, label, policy)

    def write(self, folder: Path) -> None:
        """Write ``per_case.csv``, ``summary.json`` and a manifest, all together or none.

        A shareable result has no ``per_case.csv``. Of several trainings, the evaluation of each is
        written to ``trainings/NAME``.

        Raises:
            UsageError: If another process works in the folder.
            OSError: If they cannot be written.
        """
        with one_unit(folder, _SUMMARY.command) as unit:
            self.put(unit)
            for training in self.trainings:
                write_manifest(unit / TRAININGS_FOLDER / training.name, _SUMMARY.command)

    def put(self, folder: Path) -> None:
        """Write the files of :meth:`write` into a temporary folder, without a manifest."""
        for training in self.trainings:
            inside = folder / TRAININGS_FOLDER / training.name
            inside.mkdir(parents=True, exist_ok=True)
            training.put(inside)
        if not self.shareable:
            write_per_case(folder / PER_CASE_CSV, self.per_case)
            if self.downstream:
                write_per_case(folder / DOWNSTREAM_CSV, self.downstream_cases)
        _SUMMARY.write(self, folder / SUMMARY_JSON)

    @classmethod
    def read(cls, folder: Path, *, with_cases: bool = True) -> "EvaluationResult":
        """Read what :meth:`write` wrote.

        Args:
            folder: Where it was written.
            with_cases: Whether to read ``per_case.csv``; without, ``per_case`` has no rows, and
                callers that only need the summary hold no individual patients in memory.

        Raises:
            EvaluationError: If a file is missing, damaged or of another format, or the files are
                not of one run.
        """
        with read_as_one(folder, _AGAIN) as names_read:
            read = _SUMMARY.read(
                cls,
                folder / SUMMARY_JSON,
                per_case=pd.DataFrame(),
                trainings=(),
                downstream_cases=no_measures(),
            )
            names_read.append(SUMMARY_JSON)
            per_case = no_cases(read.attributes, read.metrics)
            cases = no_measures()
            if with_cases and not read.shareable:
                require(folder / PER_CASE_CSV, _SUMMARY.command)
                per_case = read_per_case(folder / PER_CASE_CSV, read.attributes, read.metrics)
                names_read.append(PER_CASE_CSV)
                if read.downstream:
                    require(folder / DOWNSTREAM_CSV, _SUMMARY.command)
                    cases = read_cases(folder / DOWNSTREAM_CSV, read.attributes)
                    names_read.append(DOWNSTREAM_CSV)
        names = () if read.shareable else read.settings.get(TRAININGS, {}).get("names", ())
        trainings = tuple(
            cls.read(folder / TRAININGS_FOLDER / name, with_cases=with_cases) for name in names
        )
        return dataclasses.replace(
            read, per_case=per_case, downstream_cases=cases, trainings=trainings
        )
