"""The one way into an audit of labels: whose masks to compare, from files to a result.

``nnUNetv2_fair_audit_labels`` and the function :func:`audit_labels` both make an
:class:`AuditRequest`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from nnunetv2_fair.audit.labels.cases import case_table, coverage_of, notes_of
from nnunetv2_fair.audit.labels.checks import (
    check_expert_cases,
    check_groups,
    check_same_cases,
    source_values,
    table_path,
)
from nnunetv2_fair.audit.labels.combined_gaps import combined_gaps
from nnunetv2_fair.audit.labels.definitions import definitions_of
from nnunetv2_fair.audit.labels.findings import with_findings
from nnunetv2_fair.audit.labels.gap_changes import gap_changes
from nnunetv2_fair.audit.labels.label_errors import label_errors
from nnunetv2_fair.audit.labels.mask_errors import ErrorTask, errors_of_all
from nnunetv2_fair.audit.labels.people import people_of
from nnunetv2_fair.audit.labels.scores import Scores, folders_of, measured, plan_scores
from nnunetv2_fair.audit.labels.sources import source_gaps
from nnunetv2_fair.audit.results.labels import AuditResult
from nnunetv2_fair.evaluation.masks.label_maps import find_masks
from nnunetv2_fair.evaluation.measuring.plan import EvaluationPlan, plan_evaluation
from nnunetv2_fair.evaluation.request import Masks, Request, answer
from nnunetv2_fair.evaluation.results.tables.per_case import AVERAGE
from nnunetv2_fair.evaluation.results.trainings import TrainingKind
from nnunetv2_fair.evaluation.run import EvaluationSettings
from nnunetv2_fair.files.versions import measuring_versions
from nnunetv2_fair.subgroups.table import DemographicsTable, read_table
from nnunetv2_fair.tables.settings import TableSettings


@dataclass(frozen=True)
class AuditRequest:
    """What to audit, and how.

    Attributes:
        quality: The evaluation of the automated masks (its predictions) against the expert masks
            (its references), with everything that holds for the audit as a whole: table,
            attributes, metrics, columns to adjust for.
        predictions: Predictions of a model, for the two rulers; of several trainings a folder for
            each, or one that holds them.
        trained_on_expert: Predictions of models that were trained on expert masks.
        trained_on_automated: Predictions of models that were trained on automated masks.
        second_expert: Masks of a second expert.
        trainings: How the trainings differ; None if every folder is of one trained model.
        source: Column of the table with the source of each case, such as the site; none if empty.
    """

    quality: Request
    predictions: tuple[Path, ...] = ()
    trained_on_expert: tuple[Path, ...] = ()
    trained_on_automated: tuple[Path, ...] = ()
    second_expert: Path | None = None
    trainings: TrainingKind | None = None
    source: str = ""


def audit(request: AuditRequest) -> AuditResult:
    """Audit.

    Args:
        request: What, and how.

    Raises:
        FairError: If something is wrong with the inputs; the message says how to correct it.
    """
    quality = request.quality
    masks = quality.source
    if not isinstance(masks, Masks) or isinstance(masks.predictions, tuple):
        raise TypeError("the quality of one folder of automated masks is audited")
    folders = _folders(request)
    plan, table = _quality_plan(request, masks, masks.predictions)
    sources = source_values(table, request.source, [g.expression for g in plan.groupings], plan)
    plans = {
        name: [_plan(masks, folder, name, table, plan) for folder in given]
        for name, given in folders.items()
        if given
    }
    check_same_cases(plans)
    result = answer(quality).result
    scores = {
        "automated": Scores(
            "automated", (result.per_case,), result.labels, quality.empty_distance
        ),
        **{
            name: measured(name, made, result, result.settings["metrics"], quality.tolerance,
                           quality.processes)
            for name, made in plans.items()
        },
    }  # fmt: skip
    people = people_of(result, table, plan.groupings, quality.statistics)
    task = ErrorTask(
        {label: tuple(values) for label, values in result.settings["regions"].items()},
        result.settings["ignore_label"],
    )
    errors = errors_of_all(plan.pairs, task, quality.processes)
    single = tuple(label for label in result.labels if label != AVERAGE)
    first = {name: made[0] for name, made in plans.items()}
    model = [scores.get(name) for name in ("model_automated", "model_expert")]
    found = AuditResult(
        name=quality.name or masks.predictions.resolve().name,
        quality=result,
        per_case=case_table(scores, errors, people, result, plan.unit),
        metrics=result.metrics,
        labels=result.labels,
        attributes=result.attributes,
        coverage=coverage_of(people, find_masks(masks.predictions, "automated masks",
                                                masks.suffixes[1]), scores),
        label_errors=label_errors(errors, single, people, plan.unit),
        source_gaps=source_gaps(scores["automated"], result.metrics, result.labels, people,
                                sources) if request.source else (),
        changes=gap_changes(scores, result.metrics, result.labels, people, request.trainings),
        combined=()
        if model[0] is None or model[1] is None
        else combined_gaps(model[0], model[1], result.metrics, result.labels, people,
                           request.trainings),
        notes=notes_of(result, scores, people, {"automated": plan, **first}),
        definitions={**result.definitions, **definitions_of(plan.unit)},
        settings=_settings(request, result.settings, scores),
        versions=measuring_versions(),
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )  # fmt: skip
    return with_findings(found)


def audit_labels(
    expert: Path | str,
    automated: Path | str,
    demographics: Path | str,
    attributes: Sequence[str] = (),
    *,
    predictions: Sequence[Path | str] = (),
    trained_on_expert: Sequence[Path | str] = (),
    trained_on_automated: Sequence[Path | str] = (),
    second_expert: Path | str | None = None,
    trainings: TrainingKind | None = None,
    source: str = "",
    settings: EvaluationSettings | None = None,
    table: TableSettings | None = None,
    reference_groups: Mapping[str, str] | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    dataset_json: Path | str | None = None,
    label_names: Mapping[str, int] | None = None,
) -> AuditResult:
    """Audit automated masks: their quality by group, and what they do as a ruler.

    The same as ``nnUNetv2_fair_audit_labels``, which writes files and a page as well.

    Args:
        expert: Folder with the expert masks; of all cases, or of some.
        automated: Folder with the automated masks; every case with an expert mask needs one.
        demographics: Table with a row per case.
        attributes: Attribute expressions, such as ``("age", "ethnicity")``; the table's default
            one if empty.
        predictions: Predictions of a model, for the two rulers; with ``trainings`` a folder for
            each, or one that holds them.
        trained_on_expert: Predictions of models that were trained on expert masks.
        trained_on_automated: Predictions of models that were trained on automated masks.
        second_expert: Masks of a second expert.
        trainings: How the trainings of a method differ: ``repeats`` or ``folds``.
        source: Column with the source of each case, such as ``"site"``.
        settings: Metrics, tolerance, statistics, failures, columns to adjust for, processes.
        table: What the columns and cells of the table mean, and where numbers are cut.
        reference_groups: Attribute expression -> group that gaps are measured from.
        groups: Attribute expression -> groups to compare; all where it is not named.
        dataset_json: Labels and regions; looked for next to the masks if None.
        label_names: Value of each label instead.

    Returns:
        Everything that was found. It is private: it holds cases and counts of small groups.

    Raises:
        FairError: If something is wrong with the inputs; the message says how to correct it.

    Examples:
        >>> found = audit_labels("expert", "automated", "demographics.csv", ["age"])
        >>> [finding.sentence for finding in found.findings if finding.verdict == "shown"]
    """
    masks = Masks(
        Path(expert),
        Path(automated),
        Path(demographics),
        None if dataset_json is None else Path(dataset_json),
        label_names=label_names or {},
    )
    given = settings or EvaluationSettings()
    quality = Request(
        masks, attributes, table or TableSettings(), reference_groups or {}, groups=groups or {},
        metrics=given.metrics, tolerance=given.tolerance, empty_distance=given.empty_distance,
        statistics=given.statistics, name=given.name, processes=given.processes,
        failures=given.failures, adjust=given.adjust, margins=given.margins,
    )  # fmt: skip
    return audit(
        AuditRequest(
            quality,
            tuple(map(Path, predictions)),
            tuple(map(Path, trained_on_expert)),
            tuple(map(Path, trained_on_automated)),
            None if second_expert is None else Path(second_expert),
            trainings,
            source,
        )
    )


def _folders(request: AuditRequest) -> dict[str, tuple[Path, ...]]:
    """Return the folders of every kind of scores besides the automated masks'."""
    several = request.trainings is not None
    found = {
        name: folders_of(given, option, several=several) if given else ()
        for name, option, given in (
            ("model_automated", "-pred", request.predictions),
            ("trained_on_automated", "-pred-automated", request.trained_on_automated),
            ("trained_on_expert", "-pred-expert", request.trained_on_expert),
        )
    }
    found["model_expert"] = found["model_automated"]
    found["second_expert"] = () if request.second_expert is None else (request.second_expert,)
    return found


def _quality_plan(
    request: AuditRequest, masks: Masks, automated: Path
) -> tuple[EvaluationPlan, DemographicsTable]:
    """Check everything about the automated and the expert masks that needs no voxels."""
    quality = request.quality
    expert_cases = find_masks(masks.references, "expert masks", masks.suffixes[0])
    automated_cases = find_masks(automated, "automated masks", masks.suffixes[1])
    check_expert_cases(expert_cases, automated_cases, masks.references, automated)
    columns = (*quality.adjust, *([request.source] if request.source else []))
    reading = replace(quality, adjust=columns).reading
    table = read_table(table_path(masks), settings=reading, cases=automated_cases)
    table = table.named_like(automated_cases)
    plan = plan_evaluation(
        masks.references, automated, table, quality.attributes,
        dataset_json=masks.dataset_json, references=quality.reference_groups,
        groups=quality.groups, min_patients=quality.statistics.min_patients,
        label_names=masks.label_names, suffixes=masks.suffixes,
    )  # fmt: skip
    check_groups(plan, table, automated_cases, quality.statistics)
    return plan, table


def _plan(
    masks: Masks, folder: Path, name: str, table: DemographicsTable, like: EvaluationPlan
) -> EvaluationPlan:
    by_automated = name == "model_automated"
    references = like.prediction_folder if by_automated else masks.references
    suffixes = (masks.suffixes[1 if by_automated else 0], "")
    return plan_scores(references, folder, table, like, suffixes, masks.label_names)


def _settings(
    request: AuditRequest, told: Mapping[str, object], scores: Mapping[str, Scores]
) -> dict[str, object]:
    """Return the options, of the evaluation and of the audit."""
    second = request.second_expert
    return {
        **told,
        "expert": told["references"],
        "automated": told["predictions"],
        "model": [str(path) for path in request.predictions],
        "trained_on_expert": [str(path) for path in request.trained_on_expert],
        "trained_on_automated": [str(path) for path in request.trained_on_automated],
        "second_expert": "" if second is None else str(second),
        "source": request.source,
        "kind_of_trainings": request.trainings or "",
        "numbers_of_trainings": {name: one.number for name, one in scores.items()},
    }
