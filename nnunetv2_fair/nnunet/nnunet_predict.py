"""nnU-Net's own prediction, started as a process of its own, whose output is shown if it fails."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from nnunetv2_fair.errors import ModelError, shorten

_PREDICT = (
    "from nnunetv2_fair.files.pool import make_room_for_sockets; make_room_for_sockets(); "
    "from nnunetv2.inference.predict_from_raw_data import predict_entry_point; "
    "predict_entry_point()"
)
_LAST_LINES = 20


@dataclass(frozen=True)
class PredictionSettings:
    """Which models predict, and how; the names in brackets are those of ``nnUNetv2_predict``.

    Attributes:
        trainer: The model's trainer (``-tr``); of models per group their name without the
            group, such as ``nnUNetTrainerInD_sex_100epochs``.
        configuration: Such as ``2d`` (``-c``).
        plans: Plans identifier (``-p``).
        folds: Folds whose predictions are averaged (``-f``).
        checkpoint: Name of the checkpoint file (``-chk``).
        device: ``cuda``, ``cpu`` or ``mps``.
        step_size: Step of the sliding window, as a share of the patch.
        mirroring: Whether predictions of mirrored images are averaged (``--disable_tta``).
        save_probabilities: Whether to write probabilities as well.
        preprocessing_processes: Processes that preprocess (``-npp``).
        writing_processes: Processes that write masks (``-nps``).
        previous_stage: Predictions of the previous stage of a cascade.
    """

    trainer: str
    configuration: str
    plans: str = "nnUNetPlans"
    folds: tuple[str, ...] = ("0", "1", "2", "3", "4")
    checkpoint: str = "checkpoint_final.pth"
    device: str = "cuda"
    step_size: float = 0.5
    mirroring: bool = True
    save_probabilities: bool = False
    preprocessing_processes: int = 3
    writing_processes: int = 3
    previous_stage: Path | None = None


def link_images(files: Sequence[Path], folder: Path) -> None:
    """Show nnU-Net some images as a folder of their own; copies where links are not allowed."""
    folder.mkdir()
    for file in files:
        try:
            (folder / file.name).symlink_to(file.resolve())
        except OSError:
            shutil.copyfile(file, folder / file.name)


def prediction_command(
    dataset: str, trainer: str, settings: PredictionSettings, images: Path, predictions: Path
) -> list[str]:
    """Return the command that predicts with one model.

    Args:
        dataset: Id or name of the dataset that it was trained on.
        trainer: Name of its trainer.
        settings: Everything else about the model, and how it predicts.
        images: Folder of images.
        predictions: Folder for the masks.
    """
    command = [
        sys.executable, "-c", _PREDICT, "-d", dataset, "-i", images, "-o", predictions,
        "-tr", trainer, "-p", settings.plans, "-c", settings.configuration,
        "-f", *settings.folds, "-chk", settings.checkpoint, "-device", settings.device,
        "-step_size", settings.step_size, "-npp", settings.preprocessing_processes,
        "-nps", settings.writing_processes, "--disable_progress_bar",
    ]  # fmt: skip
    if not settings.mirroring:
        command.append("--disable_tta")
    if settings.save_probabilities:
        command.append("--save_probabilities")
    if settings.previous_stage is not None:
        command += ["-prev_stage_predictions", settings.previous_stage]
    return [str(part) for part in command]


def run_nnunet(
    command: list[str], predictions: Path, ending: str, progress: tqdm, lock: int | None = None
) -> None:
    """Run ``nnUNetv2_predict``, showing progress but not its output.

    Args:
        command: As :func:`prediction_command` returns it.
        predictions: Folder that it writes to, where finished files are counted.
        ending: Of these files.
        progress: Bar to move on.
        lock: Descriptor of a lock that the process is to hold, too.

    Raises:
        ModelError: If it fails; the end of its output is shown.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as words:
        process = subprocess.Popen(
            command, stdout=words, stderr=subprocess.STDOUT, env=dict(os.environ),
            pass_fds=() if lock is None else (lock,), start_new_session=True,
        )  # fmt: skip
        try:
            running = True
            while running:
                try:
                    process.wait(timeout=0.5)
                    running = False
                except subprocess.TimeoutExpired:
                    pass
                done = len(list(predictions.glob(f"*{ending}")))
                if done > progress.n:
                    progress.update(done - progress.n)
        finally:
            # its workers would otherwise outlive it
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.returncode:
            words.seek(0)
            last = "".join(words.readlines()[-_LAST_LINES:])
            raise ModelError(
                f"nnUNetv2_predict stopped with exit code {process.returncode}; nothing was "
                f"written. The end of its output:\n{last}"
            )


def check_complete(predictions: Path, ending: str, cases: Collection[str]) -> None:
    """Check that nnU-Net has predicted every case.

    Args:
        predictions: Its output folder.
        ending: Of its files.
        cases: What it had to predict.

    Raises:
        ModelError: If it left any out.
    """
    missing = [case for case in cases if not (predictions / f"{case}{ending}").is_file()]
    if missing:
        raise ModelError(
            f"nnUNetv2_predict left out {len(missing)} of {len(cases)} cases: {shorten(missing)}. "
            "Nothing was written. Predict them with nnUNetv2_predict to see why."
        )
