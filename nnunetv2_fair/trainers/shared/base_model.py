"""The trained model that another training builds on: finding, checking and reading it."""

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from batchgenerators.utilities.file_and_folder_operations import load_json
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from nnunetv2_fair.errors import TrainingError, counted, shorten, shorten_lines
from nnunetv2_fair.paths import last_name
from nnunetv2_fair.trainers.shared.names import Option

#: This environment variable names the base's checkpoint directly.
BASE_CHECKPOINT = "nnUNet_fair_base_checkpoint"
_FINAL = "checkpoint_final.pth"
_KEYS = {"network_weights", "init_args", "trainer_name", "current_epoch"}
#: Parts of a configuration that decide which network sees which images.
_COMPARED = ("architecture", "spacing", "normalization_schemes")


def base_option() -> Option:
    """Return the option that names the base's trainer.

    ``GroupDRO`` means ``nnUNetTrainerGroupDRO``. Underscores separate the options of a name, so
    the base's own are written as hyphens: ``baseGroupDRO-sex-step0.1`` is
    ``nnUNetTrainerGroupDRO_sex_step0.1``, ``base-5epochs`` is ``nnUNetTrainer_5epochs``.
    """

    def parse(text: str) -> str:
        if not re.fullmatch(r"[A-Z-][A-Za-z0-9+.=-]*", text):
            raise ValueError(text)
        return f"nnUNetTrainer{text.replace('-', '_')}"

    return Option(
        "base",
        "nnUNetTrainer",
        parse,
        "a trainer's name without 'nnUNetTrainer', hyphens for underscores: GroupDRO-sex, -5epochs",
        "whose trained model to build on",
    )


@dataclass(frozen=True)
class BaseModel:
    """A checkpoint that nnU-Net wrote, read without running code from it.

    Attributes:
        path: The file.
        trainer: Name of the trainer that wrote it.
        epochs: Epochs that it was trained for.
        weights: Weights of the network by name, on the CPU.
        init_args: What the trainer was made with: plans, configuration, fold, dataset_json.
    """

    path: Path
    trainer: str
    epochs: int
    weights: Mapping[str, torch.Tensor] = field(repr=False)
    init_args: Mapping[str, Any] = field(repr=False)


def load_base(trainer: nnUNetTrainer, network: torch.nn.Module, base_trainer: str) -> list[str]:
    """Find the base of a training, check that it fits, and load all its weights.

    Args:
        trainer: The trainer that builds on it.
        network: Receives the weights; of the architecture that ``trainer`` plans.
        base_trainer: Name of the base's trainer.

    Returns:
        Lines for the log: what was loaded, warnings.

    Raises:
        TrainingError: If there is none, or it does not fit.
    """
    base = read_base(find_base(trainer, base_trainer))
    problems = differences(base, trainer) + _weights_that_do_not_fit(base.weights, network)
    if problems:
        raise TrainingError(
            f"{base.path}, trained by {base.trainer}, cannot be the base of "
            f"{type(trainer).__name__}:\n{shorten_lines(problems)}\n"
            "Train a base with the same plans, configuration and labels:\n  "
            f"{_training_command(trainer, base_trainer)}\nor choose another one with "
            f"_base<Trainer> in the trainer's name or the environment variable {BASE_CHECKPOINT}."
        )
    network.load_state_dict(dict(base.weights))
    lines = [f"Base: {base.path}, trained by {base.trainer} for {base.epochs} epochs."]
    return lines + leakage(base, trainer)


def find_base(trainer: nnUNetTrainer, base_trainer: str) -> Path:
    """Return the base's checkpoint.

    That is the environment variable's, else that of the finished training with the same dataset,
    plans, configuration and fold.

    Raises:
        TrainingError: If it does not exist; the message holds the command that trains it.
    """
    chosen = os.environ.get(BASE_CHECKPOINT, "").strip()
    if chosen:
        path = Path(chosen)
        if path.is_file():
            return path
        raise TrainingError(
            f"The environment variable {BASE_CHECKPOINT} names '{chosen}', which is not a file. "
            f"Set it to a checkpoint such as .../fold_0/{_FINAL}, or unset it to take the model of "
            f"{base_trainer}."
        )
    fold = Path(trainer.output_folder)
    dataset = fold.parents[1]
    suffix = f"__{trainer.plans_manager.plans_name}__{trainer.configuration_name}"
    path = dataset / f"{base_trainer}{suffix}" / fold.name / _FINAL
    if path.is_file():
        return path
    command = _training_command(trainer, base_trainer)
    if any(path.parent.glob("checkpoint_*.pth")):
        todo = f"It has begun; finish it:\n  {command} --c"
    else:
        todo = f"Train it first:\n  {command}"
    message = f"{type(trainer).__name__} builds on a trained model, and {path} is missing. {todo}"
    names = (
        found.parents[1].name.removesuffix(suffix)
        for found in dataset.glob(f"nnUNetTrainer*{suffix}/{fold.name}/{_FINAL}")
    )
    # a model of the same method has a different network and cannot be a base
    method = type(trainer).__name__.partition("_")[0]
    others = sorted(name for name in names if name.partition("_")[0] != method)
    if others:
        short = others[0].removeprefix("nnUNetTrainer").replace("_", "-")
        change = f"add _base{short} to" if short else "leave _base... out of"
        message += (
            f"\nFinished trainings that could be the base: {shorten(others)}. To take the first, "
            f"{change} the trainer's name."
        )
    raise TrainingError(message)


def _training_command(trainer: nnUNetTrainer, base_trainer: str) -> str:
    plans = trainer.plans_manager
    return (
        f"nnUNetv2_train {plans.dataset_name} {trainer.configuration_name} {trainer.fold} "
        f"-tr {base_trainer} -p {plans.plans_name}"
    )


def read_base(path: Path) -> BaseModel:
    """Read a checkpoint that nnU-Net wrote.

    Raises:
        TrainingError: If it is damaged or something else.
    """
    remedy = (
        "Expected a checkpoint that nnUNetv2_train wrote. Copy the file again from where it came, "
        "or train the base again."
    )
    try:
        content = _load(path)
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise TrainingError(f"{path} cannot be read: {reason[:200]}. {remedy}") from error
    missing = _KEYS - set(content) if isinstance(content, dict) else _KEYS
    if missing:
        raise TrainingError(
            f"{path} is not a checkpoint of nnU-Net: {', '.join(sorted(missing))} missing. {remedy}"
        )
    return BaseModel(
        path,
        content["trainer_name"],
        content["current_epoch"],
        content["network_weights"],
        content["init_args"],
    )


def _load(path: Path) -> Any:
    """Return the content of a checkpoint without running code from it."""
    if not hasattr(torch.serialization, "safe_globals"):  # torch < 2.5 does not read numpy numbers
        return torch.load(path, map_location="cpu", weights_only=False)
    # nnU-Net's curves are numpy numbers, whose constructor was renamed in numpy 2
    scalar = np.float64(0).__reduce__()[0]
    dtypes = {type(np.dtype(code)) for code in np.typecodes["All"] if code not in "SUVmMO"}
    allowed: list[Any] = [
        np.dtype,
        (scalar, "numpy.core.multiarray.scalar"),
        (scalar, "numpy._core.multiarray.scalar"),
        *dtypes,
    ]
    with torch.serialization.safe_globals(allowed):
        return torch.load(path, map_location="cpu", weights_only=True)


def differences(base: BaseModel, trainer: nnUNetTrainer) -> list[str]:
    """Return in which ways the base was planned differently; one line each, empty if it fits."""
    found = []
    plans = PlansManager(dict(base.init_args["plans"]))
    configuration = base.init_args["configuration"]
    for what, theirs, ours in (
        ("plans", plans.plans_name, trainer.plans_manager.plans_name),
        ("configuration", configuration, trainer.configuration_name),
        ("labels", base.init_args["dataset_json"]["labels"], trainer.dataset_json["labels"]),
    ):
        if theirs != ours:
            found.append(f"{what}: the base has {theirs}, this training {ours}")
    if configuration not in plans.available_configurations:
        return found
    theirs = plans.get_configuration(configuration).configuration
    # read again: some of nnU-Net's trainers change their own configuration when they begin
    planned = PlansManager(dict(trainer.plans_manager.plans))
    ours = planned.get_configuration(trainer.configuration_name).configuration
    for key in _COMPARED:
        if theirs.get(key) != ours.get(key):
            found.append(f"{key} of the configuration: the plans have changed since the base")
    return found


def _weights_that_do_not_fit(
    weights: Mapping[str, torch.Tensor], network: torch.nn.Module
) -> list[str]:
    expected = network.state_dict()
    found = []
    for names, what in (
        (expected.keys() - weights.keys(), "missing in the base"),
        (weights.keys() - expected.keys(), "of the base unknown to this network"),
    ):
        if names:
            found.append(f"{counted(len(names), 'weight')} {what}: {shorten(sorted(names), 3)}")
    for name in sorted(expected.keys() & weights.keys()):
        if expected[name].shape != weights[name].shape:
            found.append(
                f"{name}: the base has shape {tuple(weights[name].shape)}, this training "
                f"{tuple(expected[name].shape)}"
            )
    return found


def leakage(base: BaseModel, trainer: nnUNetTrainer) -> list[str]:
    """Return a warning if the base has probably been trained on validation cases of this fold.

    nnU-Net writes which cases a training validated on into ``validation/summary.json`` next to
    the checkpoint; all others of the dataset may have been trained on.
    """
    dataset = PlansManager(dict(base.init_args["plans"])).dataset_name
    if dataset != trainer.plans_manager.dataset_name:
        return [
            f"WARNING: the base was trained on {dataset}. Make sure that no patient of it is "
            "in the validation or test cases of this training."
        ]
    _, val_cases = trainer.do_split()
    fold = base.init_args["fold"]
    summary = base.path.parent / "validation" / "summary.json"
    held_out = None if fold == "all" else _validated_cases(summary, trainer)
    if held_out is None:
        if fold == trainer.fold:
            return []
        seen: Collection[str] = val_cases
        reason = f"it is of fold {fold}"
    else:
        seen = sorted(set(val_cases) - held_out)
        reason = f"according to {summary} it did not hold them out"
    if not seen:
        return []
    return [
        f"WARNING: the base has probably been trained on {len(seen)} of the {len(val_cases)} "
        f"validation cases of fold {trainer.fold} ({reason}): validation results of this training "
        "will be too good (leakage). Take the base of the same fold and the same "
        "splits_final.json."
    ]


def _validated_cases(summary: Path, trainer: nnUNetTrainer) -> set[str] | None:
    if not summary.is_file():
        return None
    cases = load_json(str(summary)).get("metric_per_case")
    if not cases:
        return None
    ending = trainer.dataset_json["file_ending"]
    return {last_name(case["prediction_file"]).removesuffix(ending) for case in cases}
