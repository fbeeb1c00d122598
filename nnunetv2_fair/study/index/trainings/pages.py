"""The page on a study's trainings, written beside its index from the logs that there are."""

import logging
from pathlib import Path

from nnunetv2_fair.files.privacy import meant_to_be_shared
from nnunetv2_fair.paths import SUBGROUP_LOG_CSV
from nnunetv2_fair.report.html.document import write_page
from nnunetv2_fair.report.of_training.logs import TrainingLog, shareable
from nnunetv2_fair.report.of_training.page import render_training
from nnunetv2_fair.study.index.progress import Progress, StepProgress
from nnunetv2_fair.training_log.table import read_log

#: The page; figures and tables lie beside it, and its variant for others in a folder below.
TRAINING_HTML = "training/training.html"
SHAREABLE_HTML = "training/shareable/training.html"

logger = logging.getLogger(__name__)


def write_training_pages(folder: Path, progress: Progress, created: str) -> bool:
    """Write ``training/training.html`` and its shareable variant.

    Trainings that have not ended are shown as far as they are. Where no training has a log,
    nothing is written, and pages of earlier runs stay.

    Args:
        folder: The study's folder.
        progress: State of each step.
        created: ISO 8601 time.

    Returns:
        Whether there is a page.

    Raises:
        OSError: If a file cannot be written.
    """
    logs: list[TrainingLog] = []
    unlogged: dict[str, None] = {}
    for step in progress.steps:
        if step.step.kind == "train":
            found = _log_of(folder, step)
            if isinstance(found, TrainingLog):
                logs.append(found)
            elif found:
                unlogged[found] = None
    if not logs:
        return False
    title = progress.plan.title
    page = folder / TRAINING_HTML
    page.parent.mkdir(exist_ok=True)
    write_page(page, *render_training(title, logs, list(unlogged), created))
    with meant_to_be_shared():
        page = folder / SHAREABLE_HTML
        page.parent.mkdir(exist_ok=True)
        told = [shareable(log) for log in logs]
        write_page(page, *render_training(title, told, list(unlogged), created, shared=True))
    return True


def _log_of(folder: Path, step: StepProgress) -> TrainingLog | str:
    """Return the log of a training; else why a finished one has none, or an empty text."""
    if not step.step.outputs:
        return ""
    trainer, fold = step.fact("trainer"), step.fact("fold")
    path = (folder / step.step.outputs[0]).with_name(SUBGROUP_LOG_CSV)
    if not path.is_file():
        return f"{trainer}, which logs no groups; nnUNetTrainerMonitor does" if step.is_done else ""
    rows = read_log(path)
    if rows is None:
        logger.warning("%s is damaged: its curves are left out.", path)
        return f"{trainer}, fold {fold}, whose log is damaged"
    if rows.empty:
        return ""
    plans = step.fact("plans")
    setting = (
        step.fact("dataset"),
        step.fact("configuration"),
        *([plans] if plans != "nnUNetPlans" else []),
    )
    return TrainingLog(setting, trainer, fold, rows)
