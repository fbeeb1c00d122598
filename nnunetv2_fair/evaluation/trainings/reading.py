"""Evaluations read as models to compare: an output folder, or a folder of several trainings'."""

from collections.abc import Sequence
from pathlib import Path

from nnunetv2_fair.errors import UsageError, shorten
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.trainings import TrainingKind
from nnunetv2_fair.evaluation.trainings.folders import folders_inside
from nnunetv2_fair.evaluation.trainings.method import method_of
from nnunetv2_fair.paths import SUMMARY_JSON


def read_models(
    folders: Sequence[Path], kind: TrainingKind | None = None
) -> list[EvaluationResult]:
    """Read the evaluation of every model.

    Args:
        folders: Output folders of evaluations. A folder that is none, but holds evaluations of
            several trainings, is one method.
        kind: How the trainings in such folders differ.

    Raises:
        UsageError: If such a folder is given without ``kind``, ``kind`` without such a folder, or
            one of the folders in it holds no evaluation.
        EvaluationError: If an evaluation cannot be read, or trainings do not fit together.
    """
    several = {folder: _evaluations_in(folder) for folder in folders}
    if kind is not None and not any(several.values()):
        raise UsageError(
            "--trainings applies to a folder that holds the evaluations of several trainings; each "
            "of these is one evaluation. Those made with --trainings need no option here."
        )
    return [
        _method(folder, several[folder], kind) if several[folder] else EvaluationResult.read(folder)
        for folder in folders
    ]


def _evaluations_in(folder: Path) -> list[Path]:
    """Return the folders of a folder that is no evaluation itself but holds some."""
    if (folder / SUMMARY_JSON).exists() or not folder.is_dir():
        return []
    inside = folders_inside(folder, "")
    return inside if any((path / SUMMARY_JSON).is_file() for path in inside) else []


def _method(folder: Path, inside: Sequence[Path], kind: TrainingKind | None) -> EvaluationResult:
    if kind is None:
        raise UsageError(
            f"{folder} holds {len(inside)} evaluations ({shorten([p.name for p in inside])}): pass "
            "--trainings repeats (other random seeds) or --trainings folds if they are of "
            "trainings of one method, or name those to compare one by one."
        )
    without = [path.name for path in inside if not (path / SUMMARY_JSON).is_file()]
    if without:
        raise UsageError(
            f"{folder}: {shorten(without)} holds no evaluation ({SUMMARY_JSON}), unlike the other "
            "folders there. Evaluate this training too, or move the folder elsewhere."
        )
    results = {path.name: EvaluationResult.read(path) for path in inside}
    return method_of(results, kind, folder.resolve().name)
