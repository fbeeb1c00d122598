"""The evaluation as one function call."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from nnunetv2_fair.evaluation.discovery import DiscoverySettings, with_discovery
from nnunetv2_fair.evaluation.measuring import WORKER_MODULE
from nnunetv2_fair.evaluation.measuring.plan import plan_evaluation
from nnunetv2_fair.evaluation.papers.presets import PRESETS, check_preset, with_preset
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.run import EvaluationSettings, run_evaluation
from nnunetv2_fair.files.pool import prepare_workers
from nnunetv2_fair.subgroups.table import read_table_with_cuts


def evaluate(
    references: Path | str,
    predictions: Path | str,
    demographics: Path | str,
    attributes: Sequence[str] = (),
    *,
    settings: EvaluationSettings | None = None,
    bins: Mapping[str, Sequence[float]] | None = None,
    reference_groups: Mapping[str, str] | None = None,
    dataset_json: Path | str | None = None,
    allow_missing: bool = False,
    discover: DiscoverySettings | None = None,
    preset: str | None = None,
) -> EvaluationResult:
    """Measure segmentations case by case and compare groups of patients.

    The same as ``nnUNetv2_fair_evaluate``, which writes files and a report as well:
    ``result.write(folder)`` does that here, ``result.to_metric_frame(attribute)`` is fairlearn's
    view.

    Args:
        references: Folder with the reference masks.
        predictions: Folder with the predicted masks.
        demographics: Table with a row per case.
        attributes: Attribute expressions, such as ``("sex", "sex+age")``; the table's default
            one if empty.
        settings: Metrics, tolerance, statistics, processes; by default those of the command, in
            this process.
        bins: Numeric attribute -> numbers to cut at.
        reference_groups: Attribute expression -> group that fairness gaps are measured from.
        dataset_json: Labels and regions; looked for beside the masks if None.
        allow_missing: Evaluate although predictions are missing.
        discover: How to search for divergent subgroups; None does not.
        preset: ``mama-mia``, ``lee``, ``apple`` or ``fairdiff``: adds the paper's tables, and
            its metrics if no settings are given.

    Returns:
        Everything that was found, frozen.

    Raises:
        FairError: If something is wrong with the inputs; the message says what mends it.

    Example:
        >>> result = evaluate("labelsTs", "predictions", "demographics.csv", ["sex"])
        ... # doctest: +SKIP
        >>> result.comparison("sex", "dice", result.headline_label).gap("fairness_gap").value
        ... # doctest: +SKIP
    """
    if settings is None:
        known = PRESETS.get(preset or "")
        settings = EvaluationSettings(metrics=known.metrics) if known else EvaluationSettings()
    prepare_workers(settings.processes, WORKER_MODULE)
    table = read_table_with_cuts(Path(demographics), bins or {})
    if preset is not None:
        check_preset(preset, settings.metrics, table)
    plan = plan_evaluation(
        Path(references),
        Path(predictions),
        table,
        attributes,
        dataset_json=None if dataset_json is None else Path(dataset_json),
        references=reference_groups,
        allow_missing=allow_missing,
    )
    result = run_evaluation(plan, settings)
    if discover is not None:
        result = with_discovery(result, plan.table, discover)
    if preset is not None:
        result = with_preset(result, preset, plan, settings.processes)
    return result
