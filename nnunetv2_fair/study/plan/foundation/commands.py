"""The commands that train on the embedding of a prompted model, and that predict with it."""

from nnunetv2_fair.study.plan.datasets import TestSet
from nnunetv2_fair.study.plan.foundation.methods import Learnt, PromptedMethod, PromptedRun
from nnunetv2_fair.study.plan.steps.commands import Command
from nnunetv2_fair.study.plan.study_dataset import StudyDataset
from nnunetv2_fair.study.study_file.sam import REFERENCES, SamOptions

_TRAIN, _PREDICT = "nnUNetv2_fair_train_APPLE_SAM", "nnUNetv2_fair_predict_SAM"


def embedding_command(options: SamOptions, on: StudyDataset, of: Learnt, device: str) -> Command:
    """Return the command that makes the embeddings that trainings of a model share."""
    what = ("-d", on.dataset.name, "-f", str(options.fold), *_channel(options))
    return Command(_TRAIN, (*what, "--only-embeddings"), (*of.of.arguments, "-device", device))


def training_command(
    options: SamOptions, on: StudyDataset, learnt: Learnt, training: str, seed: int, device: str
) -> Command:
    """Return the command that trains one run.

    Args:
        options: Of the study's file.
        on: What is trained on.
        learnt: What is trained.
        training: Name of the run.
        seed: Of the run.
        device: Torch's name.
    """
    what = [
        "-d", on.dataset.name, "-a", learnt.attribute, "-f", str(options.fold),
        "-o", str(on.learnt_folder(training, options.fold)),
        "--beta", f"{learnt.beta:g}", *(("--fairness", "0") if learnt.control else ()),
        "--seed", str(seed), *_channel(options),
    ]  # fmt: skip
    for key in ("dloss", "epochs", "steps", "batch"):
        value = getattr(options, key)
        what += [] if value is None else [f"--{key}", str(value)]
    return Command(_TRAIN, tuple(what), (*learnt.of.arguments, "-device", device))


def prompted_command(
    options: SamOptions,
    on: StudyDataset,
    test: TestSet,
    method: PromptedMethod,
    run: PromptedRun,
    out: str,
    boxes: str,
    device: str,
) -> Command:
    """Return the command that predicts one run of a method.

    Args:
        options: Of the study's file.
        on: What the models are trained on.
        test: Images, and references to measure filled boxes.
        method: What predicts.
        run: Which run of it.
        out: Folder of the predictions.
        boxes: Folder of the predictions that boxes are around; empty: the references.
        device: Torch's name.
    """
    what = ["-d", on.dataset.name, "-i", str(test.images), "-o", out, "-gt", str(test.labels)]
    what += ["--boxes", boxes or REFERENCES, *_channel(options)]
    if options.jitter is not None:
        what += ["--jitter", f"{options.jitter:g}", "--seed", str(run.seed)]
    if run.training:
        what += ["--generator", str(on.learnt_folder(run.training, options.fold))]
    if method.of is None:
        return Command(_PREDICT, (*what, "--filled-boxes"), ("-device", "cpu", "--overwrite"))
    how = (*method.of.arguments, "-device", device, "--overwrite")
    return Command(_PREDICT, tuple(what), how)


def _channel(options: SamOptions) -> tuple[str, ...]:
    return ("--channel", str(options.channel)) if options.channel else ()
