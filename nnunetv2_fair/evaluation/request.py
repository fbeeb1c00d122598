"""The one way into an evaluation: what to evaluate and how, from files to a result.

``nnUNetv2_fair_evaluate`` and the function :func:`evaluate` both make a :class:`Request`.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Literal

from nnunetv2_fair.errors import EvaluationError, UsageError
from nnunetv2_fair.evaluation.boundary_maps.all_maps import with_boundary_maps
from nnunetv2_fair.evaluation.disclosure.differencing import shareable_beside
from nnunetv2_fair.evaluation.discovery.search import with_discovery
from nnunetv2_fair.evaluation.discovery.settings import DiscoverySettings
from nnunetv2_fair.evaluation.downstream.all_measures import check_downstream, downstream_task
from nnunetv2_fair.evaluation.downstream.settings import DownstreamSettings
from nnunetv2_fair.evaluation.failures.criteria import check_failures
from nnunetv2_fair.evaluation.findings.all_findings import with_findings
from nnunetv2_fair.evaluation.masks.label_maps import find_masks
from nnunetv2_fair.evaluation.measuring import WORKER_MODULE
from nnunetv2_fair.evaluation.measuring.all_cases import Part, case_task, measure_all
from nnunetv2_fair.evaluation.measuring.case_pictures import image_folder, make_pictures
from nnunetv2_fair.evaluation.measuring.plan import EvaluationPlan, plan_evaluation
from nnunetv2_fair.evaluation.metrics.registry import DEFAULT_METRICS, METRICS, metrics_named
from nnunetv2_fair.evaluation.origin import name_of_scores
from nnunetv2_fair.evaluation.papers.presets import PRESETS, check_preset, with_preset
from nnunetv2_fair.evaluation.results.case_picture import CasePicture
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.failures import FailureCriterion
from nnunetv2_fair.evaluation.results.tables.per_case import EmptyDistance
from nnunetv2_fair.evaluation.results.trainings import TrainingKind
from nnunetv2_fair.evaluation.run import (
    EvaluationSettings,
    ScoredSettings,
    evaluate_scores,
    run_evaluation,
)
from nnunetv2_fair.evaluation.scored_cases import table_of_scores
from nnunetv2_fair.evaluation.scores_from_files import (
    Scores,
    read_nnunet_summary,
    read_scores_by_training,
    read_scores_csv,
)
from nnunetv2_fair.evaluation.statistics.equivalence import check_margins
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings
from nnunetv2_fair.evaluation.trainings.folders import prediction_folders
from nnunetv2_fair.evaluation.trainings.method import method_of
from nnunetv2_fair.files.pool import prepare_workers
from nnunetv2_fair.paths import DEMOGRAPHICS_CSV
from nnunetv2_fair.subgroups.schema import INTERSECTION
from nnunetv2_fair.subgroups.table import DemographicsTable, read_table
from nnunetv2_fair.tables.settings import TableSettings

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Masks:
    """Two folders of masks.

    Attributes:
        references: Folder with the reference masks.
        predictions: Folder with the predicted masks. Of several trainings of a method a folder for
            each, or one folder that holds them.
        demographics: Table with a row per case; ``demographics.csv`` next to the folder of the
            references if None.
        dataset_json: Labels and regions; looked for next to the masks if None.
        images: Images for the pictures; looked for next to the references if None.
        allow_missing: Evaluate although predictions are missing.
        label_names: Value of each label, instead of ``dataset_json``.
        suffixes: What names of reference and predicted masks have behind the case.
    """

    references: Path
    predictions: Path | tuple[Path, ...]
    demographics: Path | None = None
    dataset_json: Path | None = None
    images: Path | None = None
    allow_missing: bool = False
    label_names: Mapping[str, int] = field(default_factory=dict)
    suffixes: tuple[str, str] = ("", "")


@dataclass(frozen=True)
class ScoresFile:
    """A file with scores that some other tool measured.

    Attributes:
        path: A CSV, or the ``summary.json`` of nnU-Net's own evaluation.
        kind: Which of the two it is.
        columns: Columns of the CSV that hold metrics of other names -> whether higher or lower
            values are better.
        demographics: Table with a row per case; the CSV's own columns if None.
    """

    path: Path
    kind: Literal["csv", "summary"]
    columns: Mapping[str, Literal["higher", "lower"]] = field(default_factory=dict)
    demographics: Path | None = None


@dataclass(frozen=True)
class Request:
    """What to evaluate, and how.

    Attributes:
        source: Masks, or scores.
        attributes: Attribute expressions; the table's default one if empty.
        table: What the columns and cells of the table mean, and where numbers are cut.
        reference_groups: Attribute expression -> group that fairness gaps are measured from.
        metrics: Names of the metrics to measure; those of the preset, else the usual ones, if None.
        tolerance: Distance that NSD accepts, in mm (px for pictures).
        empty_distance: What an infinite distance counts as in the statistics.
        statistics: How cases are aggregated.
        name: What is evaluated, for titles; the name of the folder or file if empty.
        processes: Number of worker processes; 1 measures in this process.
        discover: How to search for divergent subgroups; None: no search.
        preset: Paper whose tables are added; None: no tables.
        shareable: Keep only what may be shown to others.
        against: Earlier shareable reports (folders or ``summary.json`` files) beside which a
            shareable result must reveal nothing.
        pictures: Draw the worst cases; never of scores, nor of what is to be shared.
        trainings: How the trainings of one method differ that the source holds; None if it is of
            one trained model.
        failures: When a case counts as failed; None: a Dice of at most 0.1.
        adjust: Columns of the table to adjust gaps for.
        margins: Metric -> gap of means up to which groups count as equivalent.
        boundary_maps: Map where along the outlines each group's errors lie.
        groups: Attribute expression -> groups to compare; all where it is not named.
        downstream: Which measures that clinicians take from masks are compared; None: none.
    """

    source: Masks | ScoresFile
    attributes: Sequence[str] = ()
    table: TableSettings = field(default_factory=TableSettings)
    reference_groups: Mapping[str, str] = field(default_factory=dict)
    metrics: tuple[str, ...] | None = None
    tolerance: float = 1.0
    empty_distance: EmptyDistance = "diagonal"
    statistics: StatisticsSettings = field(default_factory=StatisticsSettings)
    name: str = ""
    processes: int = 1
    discover: DiscoverySettings | None = None
    preset: str | None = None
    shareable: bool = False
    against: tuple[Path, ...] = ()
    pictures: bool = False
    trainings: TrainingKind | None = None
    failures: tuple[FailureCriterion, ...] | None = None
    adjust: tuple[str, ...] = ()
    margins: Mapping[str, float] = field(default_factory=dict)
    boundary_maps: bool = False
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    downstream: DownstreamSettings | None = None

    @property
    def reading(self) -> TableSettings:
        """How the table is read: for the attributes that are asked for, or for all."""
        everything = self.discover is not None or self.preset is not None
        asked = [name.strip() for text in self.attributes for name in text.split(INTERSECTION)]
        if not asked:
            return self.table
        roles = self.table.roles
        explained = (*self.table.columns, *self.table.values, *self.table.bins)
        names = [*asked, *explained, *self.table.dicom_age, *self.table.ranges]
        wanted = dict.fromkeys(n for n in names if n and n not in roles)
        return replace(
            self.table, attributes=tuple(wanted), others=everything, optional=self._columns
        )

    @property
    def _columns(self) -> tuple[str, ...]:
        """Columns of the table that are used besides the attributes."""
        frames = self.downstream.frames if self.downstream is not None else None
        return self.adjust if frames is None else (*self.adjust, frames)

    @property
    def settings(self) -> EvaluationSettings:
        """How masks are measured and compared."""
        # an unknown preset is refused with the table at hand
        preset = PRESETS.get(self.preset or "")
        usual = preset.metrics if preset is not None else DEFAULT_METRICS
        return EvaluationSettings(
            metrics=usual if self.metrics is None else self.metrics,
            tolerance=self.tolerance,
            empty_distance=self.empty_distance,
            statistics=self.statistics,
            name=self.name,
            processes=self.processes,
            failures=self.failures,
            adjust=self.adjust,
            margins=self.margins,
        )


@dataclass(frozen=True)
class Answer:
    """The outcome of a request.

    Attributes:
        result: Everything that was found.
        pictures: Cases to show, worst first.
        of_trainings: Name of a training -> its cases to show; of a method these alone.
    """

    result: EvaluationResult
    pictures: Sequence[CasePicture] = ()
    of_trainings: Mapping[str, Sequence[CasePicture]] = field(default_factory=dict)


def answer(request: Request, part: Part | None = None) -> Answer:
    """Evaluate.

    Args:
        request: What, and how.
        part: Where measured cases are kept; nowhere if None. Not for a single shard.

    Raises:
        FairError: If something is wrong with the inputs; the message says how to correct it.
    """
    if request.discover is not None:
        request.discover.check(request.statistics.confidence)
    if request.downstream is not None:
        request.downstream.check()
    if request.trainings is not None:
        return _of_trainings(request, request.trainings, part)
    if isinstance(request.source, Masks):
        plan = _plan(request, request.source)
        logger.info("Evaluating %d cases of %s", len(plan.pairs), plan.prediction_folder)
        result = _measured(request, plan, part)
        return _finished(request, result, plan.table, plan)
    source = request.source
    scores = (
        read_scores_csv(source.path, source.columns, _score_roles(request, source))
        if source.kind == "csv"
        else read_nnunet_summary(source.path)
    )
    return _of_scores(request, source, scores)


def _of_trainings(request: Request, kind: TrainingKind, part: Part | None) -> Answer:
    """Evaluate every training, and the method that they are trainings of."""
    each = replace(request, trainings=None, shareable=False)
    answers: dict[str, Answer]
    if isinstance(request.source, Masks):
        parts = _masks_by_training(request.source)
        # all of them are checked before the first case is measured
        plans = {name: _plan(request, masks) for name, masks in parts.items()}
        answers = {}
        for name, plan in plans.items():
            logger.info("Evaluating %d cases of the training %s", len(plan.pairs), name)
            result = _measured(request, plan, part)
            answers[name] = _finished(each, result, plan.table, plan)
    elif request.source.kind == "csv":
        source = request.source
        scores = read_scores_by_training(source.path, source.columns, _score_roles(request, source))
        answers = {name: _of_scores(each, source, found) for name, found in scores.items()}
    else:
        raise UsageError(
            "--trainings applies to masks (-gt and -pred) and to --from-csv, not to --from-summary."
        )
    results = {name: found.result for name, found in answers.items()}
    method = method_of(results, kind, request.name or _name_of(request.source))
    if request.shareable:
        return Answer(shareable_beside(method, request.against))
    return Answer(method, (), {name: found.pictures for name, found in answers.items()})


def _of_scores(request: Request, source: ScoresFile, scores: Scores) -> Answer:
    if source.demographics is None:
        table = table_of_scores(scores, _without_roles(request.reading))
    else:
        cases = set(scores.rows["case"])
        read = read_table(source.demographics, settings=request.reading, cases=cases)
        table = read.named_like(cases)
    if request.preset is not None:
        check_preset(request.preset, tuple(metric.name for metric in scores.metrics), table)
    logger.info("Evaluating the scores of %s", scores.source)
    settings = ScoredSettings(
        request.empty_distance,
        request.statistics,
        request.name,
        request.reference_groups,
        request.failures,
        request.adjust,
        request.margins,
        request.groups,
    )
    result = evaluate_scores(scores, table, request.attributes, settings)
    return _finished(request, result, table, None)


def _finished(
    request: Request,
    result: EvaluationResult,
    table: DemographicsTable,
    plan: EvaluationPlan | None,
) -> Answer:
    """Add what is found besides the comparison of groups, or leave out what is not to be shared."""
    if request.discover is not None:
        result = with_discovery(result, table, request.discover)
    if request.boundary_maps and plan is not None:
        result = with_boundary_maps(result, plan, request.processes)
    if request.discover is not None or request.boundary_maps:
        result = with_findings(result)
    if request.preset is not None:
        result = with_preset(result, request.preset, plan, request.processes)
    if request.shareable:
        return Answer(shareable_beside(result, request.against))
    if plan is None or not isinstance(request.source, Masks) or not request.pictures:
        return Answer(result)
    return Answer(result, make_pictures(plan, result, _images(request)))


def _measured(request: Request, plan: EvaluationPlan, part: Part | None) -> EvaluationResult:
    return run_evaluation(plan, request.settings, part, request.downstream, _images(request))


def _images(request: Request) -> Path | None:
    """Return the folder of the images; None if there is none."""
    if not isinstance(request.source, Masks):
        return None
    return image_folder(request.source.images, request.source.references)


def measure_shard(request: Request, part: Part) -> tuple[int, int]:
    """Measure some of the cases and keep them, for an evaluation that merges all parts.

    Args:
        request: What, and how; its source must be masks.
        part: Which cases, and where they are kept.

    Returns:
        How many cases were measured, and how many there are.

    Raises:
        FairError: As :func:`answer`.
    """
    if not isinstance(request.source, Masks):
        raise UsageError("Only masks can be measured in shards; scores are already measured.")
    several = request.trainings is not None
    parts = list(_masks_by_training(request.source).values()) if several else [request.source]
    plans = [_plan(request, masks) for masks in parts]
    measured = 0
    wanted = request.downstream
    for plan in plans:
        further = None if wanted is None else downstream_task(plan, wanted, _images(request))
        task = case_task(plan, request.settings.metrics, request.tolerance, further)
        measured += len(measure_all(plan, task, request.processes, part))
    return measured, sum(len(plan.pairs) for plan in plans)


def evaluate(
    references: Path | str,
    predictions: Path | str | Sequence[Path | str],
    demographics: Path | str,
    attributes: Sequence[str] = (),
    *,
    settings: EvaluationSettings | None = None,
    table: TableSettings | None = None,
    reference_groups: Mapping[str, str] | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    dataset_json: Path | str | None = None,
    allow_missing: bool = False,
    label_names: Mapping[str, int] | None = None,
    suffixes: tuple[str, str] = ("", ""),
    discover: DiscoverySettings | None = None,
    preset: str | None = None,
    trainings: TrainingKind | None = None,
    boundary_maps: bool = False,
    downstream: DownstreamSettings | None = None,
) -> EvaluationResult:
    """Measure segmentations case by case and compare groups of patients.

    The same as ``nnUNetv2_fair_evaluate``, which writes files and a report as well:
    ``result.write(folder)`` does that here, ``result.to_metric_frame(attribute)`` is fairlearn's
    view.

    Args:
        references: Folder with the reference masks.
        predictions: Folder with the predicted masks; with ``trainings`` one for each training, or
            a folder that holds them.
        demographics: Table with a row per case.
        attributes: Attribute expressions, such as ``("sex", "sex+age")``; the table's default
            one if empty.
        settings: Metrics, tolerance, statistics, failures, columns to adjust for, margins,
            processes; by default those of the command, in this process.
        table: What the columns and cells of the table mean, and where numbers are cut, such as
            ``TableSettings(columns={"sex": "Gender"}, bins={"age": (50, 65)})``.
        reference_groups: Attribute expression -> group that fairness gaps are measured from.
        groups: Attribute expression -> groups to compare, such as ``{"ethnicity": ("White",
            "Black")}``; the others are shown, not compared.
        dataset_json: Labels and regions; looked for next to the masks if None.
        allow_missing: Evaluate although predictions are missing.
        label_names: Value of each label, such as ``{"lungs": 1}``, instead of ``dataset_json``.
        suffixes: What names of reference and predicted masks have behind the case.
        discover: How to search for divergent subgroups; None: no search.
        preset: ``mama-mia``, ``lee``, ``apple`` or ``fairdiff``: adds the paper's tables, and
            its metrics if no settings are given.
        trainings: How the trainings of one method differ: ``repeats`` (random seeds) or ``folds``.
        boundary_maps: Map where along the outlines each group's errors lie.
        downstream: Which measures that clinicians take from masks are compared, such as
            ``DownstreamSettings(("cardiac",), thresholds=(Threshold("ef", 50),))``; None: none.

    Returns:
        Everything that was found, frozen.

    Raises:
        FairError: If something is wrong with the inputs; the message says how to correct it.

    Examples:
        >>> result = evaluate("labelsTs", "predictions", "demographics.csv", ["sex"])
        >>> result.comparison("sex", "dice", result.headline_label).gap("fairness_gap").value
    """
    masks = Masks(
        Path(references),
        Path(predictions)
        if isinstance(predictions, (str, Path))
        else tuple(map(Path, predictions)),
        Path(demographics),
        None if dataset_json is None else Path(dataset_json),
        allow_missing=allow_missing,
        label_names=label_names or {},
        suffixes=suffixes,
    )
    request = Request(
        masks,
        attributes,
        table or TableSettings(),
        reference_groups or {},
        discover=discover,
        preset=preset,
        trainings=trainings,
        boundary_maps=boundary_maps,
        groups=groups or {},
        downstream=downstream,
    )
    return answer(_with_settings(request, settings)).result


def evaluate_csv(
    scores: Path | str,
    attributes: Sequence[str] = (),
    *,
    demographics: Path | str | None = None,
    better: Mapping[str, Literal["higher", "lower"]] | None = None,
    settings: EvaluationSettings | None = None,
    table: TableSettings | None = None,
    reference_groups: Mapping[str, str] | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    discover: DiscoverySettings | None = None,
    trainings: TrainingKind | None = None,
) -> EvaluationResult:
    """Compare groups of patients by scores that some other tool measured.

    The same as ``nnUNetv2_fair_evaluate --from-csv``.

    Args:
        scores: CSV with a row per case, or per case and ``label``: the column ``case``, perhaps
            ``patient``, and a column per metric, named like those of this package with or without
            a unit (``dice``, ``hd95_mm``), or in ``better``. All other columns are attributes,
            unless ``demographics`` has them.
        attributes: Attribute expressions, such as ``("sex", "sex+age")``; the table's default one
            if empty.
        demographics: Table with a row per case; the CSV's own columns if None.
        better: Metric columns with other names -> whether higher or lower values are better.
        settings: Statistics, name, failures, columns to adjust for and margins; its metrics,
            tolerance and processes are not used, as nothing is measured.
        table: What the columns and cells of the table mean, and where numbers are cut.
        reference_groups: Attribute expression -> group that fairness gaps are measured from.
        groups: Attribute expression -> groups to compare; the others are shown, not compared.
        discover: How to search for divergent subgroups; None: no search.
        trainings: How the trainings that the column ``training`` names differ: ``repeats`` or
            ``folds``; None: scores of one trained model.

    Returns:
        Everything that was found, frozen.

    Raises:
        FairError: If something is wrong with the files; the message says how to correct it.
    """
    request = Request(
        ScoresFile(
            Path(scores), "csv", better or {}, None if demographics is None else Path(demographics)
        ),
        attributes,
        table or TableSettings(),
        reference_groups or {},
        discover=discover,
        trainings=trainings,
        groups=groups or {},
    )
    return answer(_with_settings(request, settings)).result


def _with_settings(request: Request, settings: EvaluationSettings | None) -> Request:
    """Return a request with settings of a caller in Python; None leaves the usual ones."""
    if settings is None:
        return request
    return replace(request, **{f.name: getattr(settings, f.name) for f in fields(settings)})


#: Columns of a file with scores that are no attributes.
_SCORE_ROLES = ("case", "patient", "label", "training")


def _score_roles(request: Request, source: ScoresFile) -> dict[str, str]:
    """Return the columns of the scores that have other names; with a table they are the table's."""
    given = request.table.columns if source.demographics is None else {}
    return {role: given[role] for role in _SCORE_ROLES if role in given}


def _without_roles(settings: TableSettings) -> TableSettings:
    """Return how the other columns of a file with scores are read."""
    others = {name: c for name, c in settings.columns.items() if name not in _SCORE_ROLES}
    names = settings.attributes and tuple(n for n in settings.attributes if n not in _SCORE_ROLES)
    return replace(settings, columns=others, attributes=names)


def _name_of(source: Masks | ScoresFile) -> str:
    """Return the name of the file or folder that holds all trainings; empty if there is none."""
    if isinstance(source, ScoresFile):
        return name_of_scores(source.path)
    return "" if isinstance(source.predictions, tuple) else source.predictions.resolve().name


def _masks_by_training(masks: Masks) -> dict[str, Masks]:
    given = masks.predictions
    folders = prediction_folders(given if isinstance(given, tuple) else (given,))
    return {name: replace(masks, predictions=folder) for name, folder in folders.items()}


def _plan(request: Request, masks: Masks) -> EvaluationPlan:
    """Check all that needs no voxels."""
    if isinstance(masks.predictions, tuple):
        raise UsageError(
            f"-pred names {len(masks.predictions)} folders: pass --trainings repeats (other random "
            "seeds) or --trainings folds if they are predictions of trainings of one method. "
            "Different methods are evaluated one by one and compared by nnUNetv2_fair_compare."
        )
    prepare_workers(request.processes, WORKER_MODULE)
    metrics = request.settings.metrics
    metrics_named(metrics)
    image_folder(masks.images, masks.references)
    path = _table_path(masks)
    cases = find_masks(masks.references, "reference masks", masks.suffixes[0])
    table = read_table(path, settings=request.reading, cases=cases)
    if request.preset is not None:
        check_preset(request.preset, metrics, table)
    plan = plan_evaluation(
        masks.references,
        masks.predictions,
        table,
        request.attributes,
        dataset_json=masks.dataset_json,
        references=request.reference_groups,
        groups=request.groups,
        min_patients=request.statistics.min_patients,
        allow_missing=masks.allow_missing,
        label_names=masks.label_names,
        suffixes=masks.suffixes,
    )
    labels = None if plan.labels is None else tuple(plan.labels.regions)
    check_failures(request.failures or (), metrics, labels)
    if request.downstream is not None:
        check_downstream(plan, request.downstream)
    check_margins(
        request.margins,
        {name: METRICS[name].highest for name in metrics},
        request.statistics.confidence,
    )
    return plan


def _table_path(masks: Masks) -> Path:
    if masks.demographics is not None:
        return masks.demographics
    if not masks.references.is_dir():
        raise EvaluationError(
            f"{masks.references} (-gt) does not exist or is not a folder; expected the folder of "
            "the reference masks."
        )
    beside = masks.references.resolve().parent / DEMOGRAPHICS_CSV
    if not beside.is_file():
        raise UsageError(
            f"There is no {beside}; pass the table that says who the cases are from with "
            "--demographics."
        )
    return beside
