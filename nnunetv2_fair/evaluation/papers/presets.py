"""What ``--preset`` means: a paper's metrics and the paper's table."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nnunetv2_fair.errors import UsageError
from nnunetv2_fair.evaluation.measuring.plan import EvaluationPlan
from nnunetv2_fair.evaluation.papers import tables as paper_tables
from nnunetv2_fair.evaluation.papers.mama_mia import challenge_groups, challenge_table
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.tables.text_table import TextTable
from nnunetv2_fair.subgroups.table import DemographicsTable


@dataclass(frozen=True)
class Preset:
    """How one paper reports.

    Attributes:
        metrics: Metrics that its table needs; measured by default.
        of_result: Makes the tables from a result; None if masks are needed.
    """

    metrics: tuple[str, ...]
    of_result: Callable[[EvaluationResult], tuple[TextTable, ...]] | None


PRESETS: Mapping[str, Preset] = {
    "mama-mia": Preset(("dice", "hd95"), None),
    "lee": Preset(("dice", "hd"), paper_tables.lee),
    "apple": Preset(("dice",), paper_tables.apple),
    "fairdiff": Preset(("dice", "iou"), paper_tables.fairdiff),
}


def check_preset(name: str, metrics: tuple[str, ...], table: DemographicsTable) -> None:
    """Refuse a preset that could not be filled in, before anything is measured.

    Args:
        name: Name of the preset.
        metrics: Metrics that will be there.
        table: Demographics.

    Raises:
        UsageError: If the preset is unknown or a metric is missing.
        EvaluationError: If the table lacks what the preset needs.
    """
    if name not in PRESETS:
        raise UsageError(f"--preset {name}: expected one of {', '.join(PRESETS)}.")
    preset = PRESETS[name]
    missing = [metric for metric in preset.metrics if metric not in metrics]
    if missing:
        raise UsageError(
            f"--preset {name} needs {', '.join(preset.metrics)}; {', '.join(missing)} is not "
            f"among the metrics ({', '.join(metrics)}). Add it to --metrics, or leave that out."
        )
    if preset.of_result is None:
        challenge_groups(table)


def with_preset(
    result: EvaluationResult, name: str, plan: EvaluationPlan | None, processes: int = 1
) -> EvaluationResult:
    """Return the result with the tables of a preset.

    Args:
        result: The evaluation.
        name: Name of the preset, checked by :func:`check_preset`.
        plan: What was evaluated; needed by presets that measure masks themselves.
        processes: Number of worker processes for these.

    Raises:
        EvaluationError: If the table lacks what the preset needs, or a mask cannot be read.
        UsageError: If the preset needs masks and there is no plan.
    """
    preset = PRESETS[name]
    if preset.of_result is not None:
        tables = preset.of_result(result)
    elif plan is not None:
        tables = (challenge_table(plan.pairs, plan.table, processes),)
    else:
        raise UsageError(f"--preset {name} measures masks itself: pass masks instead of scores.")
    return dataclasses.replace(
        result, preset_tables=tables, settings={**result.settings, "preset": name}
    )
