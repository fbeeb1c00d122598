"""``nnUNetv2_fair_demo``: the whole chain on phantoms, with real nnU-Net, on a CPU."""

import argparse
import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nnunetv2_fair import paths, registration
from nnunetv2_fair.cli.shared.common import command_parser, require_nnunet, run
from nnunetv2_fair.errors import FairError

logger = logging.getLogger(__name__)

_ID = "901"
_DATASET = "Dataset901_Phantom"
_TRIAL = "2d_trial"
_BASELINE, _MITIGATED = "nnUNetTrainerMonitor", "nnUNetTrainerOversampling"

#: Lines of nnU-Net's long output that show its progress.
_NEWS = re.compile(r"Epoch \d+ *$|Epoch time|Pseudo dice|Mean Validation Dice|Training done")
#: Of the lines with which nnU-Net announces every case, one in this many is shown.
_CASES_SHOWN = 40
_TIMESTAMP = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: ")


@dataclass(frozen=True)
class Step:
    """One command of the demo.

    Attributes:
        name: Name of its log and of its mark that it is done.
        title: What it does, for people.
        action: Runs it; raises FairError if it fails.
    """

    name: str
    title: str
    action: Callable[[], None]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see :func:`nnunetv2_fair.cli.shared.common.run` for the exit codes."""
    parser = command_parser(
        "nnUNetv2_fair_demo",
        "Make a phantom dataset with a planted bias, train nnU-Net with and without "
        "oversampling, predict, evaluate and compare: the whole chain with a tiny network, in "
        "minutes on a CPU. An interrupted demo resumes when the command is run again.",
        "nnUNetv2_fair_demo -o nnunetv2_fair_demo",
    )
    parser.add_argument("-o", default="nnunetv2_fair_demo", metavar="FOLDER", help="new folder")
    parser.add_argument("-device", default="cpu", choices=("cpu", "cuda", "mps"), help="device")
    parser.add_argument(
        "--epochs",
        type=int,
        default=5,
        choices=(1, 5, 10, 20, 50, 100),
        help="epochs of each training (numbers for which nnU-Net has a baseline trainer)",
    )
    parser.add_argument("--patients", type=int, default=200, help="patients of the phantom")
    parser.add_argument("--seed", type=int, default=1, help="seed of the phantom")
    return run(demonstrate, parser, argv)


def demonstrate(args: argparse.Namespace) -> None:
    """Run all steps that are not done yet, then say where the results are."""
    require_nnunet()
    from nnunetv2_fair.networks.devices import require_device

    require_device(args.device)
    root = Path(args.o).resolve()
    done = root / "done"
    done.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    steps = plan(root, args)
    for number, step in enumerate(steps, start=1):
        logger.info("\n[%d/%d] %s", number, len(steps), step.title)
        mark = done / step.name
        if mark.exists():
            logger.info("  already done")
            continue
        begun = time.monotonic()
        step.action()
        mark.touch()
        logger.info("  %.0f s", time.monotonic() - begun)
    logger.info("\nThe demo took %.1f minutes. Open in a browser:", (time.monotonic() - start) / 60)
    for report in [*sorted(root.glob(f"evaluation_*/{paths.REPORT_HTML}")),
                   root / "comparison" / paths.COMPARISON_HTML]:  # fmt: skip
        logger.info("  %s", report)


def plan(root: Path, args: argparse.Namespace) -> list[Step]:
    """Return the steps of the demo, in order."""
    from nnunetv2_fair.cli import (
        compare,
        convert_image_folder,
        evaluate,
        phantoms,
        prepare,
        trial,
    )

    environment = set_environment(root)
    raw = root / paths.RAW / _DATASET
    phantom = root / "phantom"

    def ours(command: Callable[[Sequence[str]], int], *arguments: object) -> Callable[[], None]:
        return lambda: _run_ours(command, [str(argument) for argument in arguments])

    def nnunet(log: str, command: str, *arguments: object) -> Callable[[], None]:
        log_file = root / "logs" / f"{log}.txt"
        return lambda: _run_nnunet([command, *map(str, arguments)], environment, log_file)

    steps = [
        Step(
            "phantom",
            f"Make images of {args.patients} patients; women are rare in training and look "
            "different",
            ours(phantoms.main, "-o", phantom, "--bias", "representation", "--overwrite",
                 "--patients", args.patients, "--seed", args.seed),
        ),
        Step(
            "convert",
            "Convert them to an nnU-Net dataset with a demographics table",
            ours(convert_image_folder.main, "-i", phantom, "-d", _ID, "-n", "Phantom",
                 "--split-column", "split", "-a", "sex", "age", "--bins", "age=50",
                 "--labels", "nodule=1", "-np", 1),
        ),
        Step(
            "prepare",
            "Check the demographics; write folds by patient, stratified by group",
            ours(prepare.main, "-d", _ID, "--overwrite"),
        ),
        Step(
            "plan",
            "Plan and preprocess with nnU-Net",
            nnunet("plan", "nnUNetv2_plan_and_preprocess", "-d", _ID, "-c", "2d", "-np", 1,
                   "-npfp", 1, "--verify_dataset_integrity"),
        ),
        Step(
            "trial",
            "Add a configuration that is small enough for a CPU",
            ours(trial.main, "-d", _ID, "-c", "2d"),
        ),
    ]  # fmt: skip
    for short, method in (("baseline", _BASELINE), ("oversampling", _MITIGATED)):
        trainer = f"{method}_{args.epochs}epoch{'s' if args.epochs > 1 else ''}"
        predictions = root / f"predictions_{short}"
        steps += [
            Step(
                f"train_{short}",
                f"Train {trainer} with nnU-Net",
                nnunet(f"train_{short}", "nnUNetv2_train", _ID, _TRIAL, 0, "-tr", trainer,
                       "-device", args.device),
            ),
            Step(
                f"predict_{short}",
                f"Predict the test images with the {short}",
                nnunet(f"predict_{short}", "nnUNetv2_predict", "-d", _ID, "-i", raw / "imagesTs",
                       "-o", predictions, "-c", _TRIAL, "-f", 0, "-tr", trainer,
                       "-device", args.device, "-npp", 1, "-nps", 1),
            ),
            Step(
                f"evaluate_{short}",
                f"Evaluate the {short} by sex, by age and by both",
                ours(evaluate.main, "-gt", raw / "labelsTs", "-pred", predictions,
                     "--demographics", raw / paths.DEMOGRAPHICS_CSV, "-a", "sex", "age", "sex+age",
                     "-o", root / f"evaluation_{short}", "--name", short, "--overwrite",
                     "-np", 1),
            ),
        ]  # fmt: skip
    steps.append(
        Step(
            "compare",
            "Compare both models on the same patients",
            ours(compare.main, root / "evaluation_baseline", root / "evaluation_oversampling",
                 "-o", root / "comparison", "--overwrite"),
        )
    )  # fmt: skip
    return steps


def set_environment(root: Path) -> dict[str, str]:
    """Point nnU-Net's variables at the demo's folder; return the environment for its commands."""
    for variable in (paths.RAW, paths.PREPROCESSED, paths.RESULTS):
        os.environ[variable] = str(root / variable)
        (root / variable).mkdir(parents=True, exist_ok=True)
    registration.register()
    # every worker that nnU-Net starts imports torch for seconds: one of each kind is enough here.
    # Busy-waiting threads would take processor time from the workers.
    few = {"nnUNet_n_proc_DA": "1", "nnUNet_def_n_proc": "1", "OMP_WAIT_POLICY": "passive"}
    return {**os.environ, **few, "PYTHONUNBUFFERED": "1"}


def _run_ours(command: Callable[[Sequence[str]], int], arguments: list[str]) -> None:
    code = command(arguments)
    if code:
        raise FairError("This step failed, see above. Fix it and run the demo again; it resumes.")


def _run_nnunet(command: list[str], environment: dict[str, str], log: Path) -> None:
    """Run one of nnU-Net's commands; show news of its progress, keep all of its output."""
    program = Path(sys.executable).parent / command[0]
    log.parent.mkdir(parents=True, exist_ok=True)
    logger.info("  %s", " ".join(command))
    with (
        log.open("w", encoding="utf-8") as kept,
        subprocess.Popen(
            [str(program), *command[1:]], env=environment, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace",
        ) as process,
    ):  # fmt: skip
        try:
            n_predicted = 0
            for line in process.stdout or ():
                kept.write(line)
                text = _TIMESTAMP.sub("", line.rstrip())
                if _NEWS.search(text):
                    logger.info("    %s", text)
                elif text.lower().startswith("predicting "):
                    n_predicted += 1
                    if n_predicted % _CASES_SHOWN == 0:
                        logger.info("    %d cases predicted", n_predicted)
        except BaseException:
            process.terminate()  # otherwise the end of this block would wait for all of it
            raise
    if process.returncode:
        raise FairError(f"{command[0]} failed. Its output is in {log}.")
