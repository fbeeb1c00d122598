"""Trained models on disk: where they are, what images they take, and whose those are."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nnunetv2_fair import paths
from nnunetv2_fair.errors import (
    DatasetError,
    DemographicsError,
    ModelError,
    counted,
    shorten,
    shorten_lines,
)
from nnunetv2_fair.files.json_files import read_json_object

if TYPE_CHECKING:
    from nnunetv2_fair.subgroups.table import DemographicsTable
    from nnunetv2_fair.tables.settings import TableSettings

_CHANNEL = re.compile(r"(.+)_(\d{4})")


def model_folder(dataset: str, trainer: str, plans: str, configuration: str) -> Path:
    """Return the folder of a trained model; it need not exist.

    Args:
        dataset: Id or name of the dataset.
        trainer: Name of the trainer.
        plans: Plans identifier.
        configuration: Such as ``2d``.

    Raises:
        DatasetError: If ``nnUNet_results`` is not set or knows no such dataset.
    """
    results = paths.environment_folder(paths.RESULTS)
    name = paths.dataset_name(dataset, results)
    return results / name / f"{trainer}__{plans}__{configuration}"


def check_trained(folders: Sequence[Path], folds: Sequence[str], checkpoint: str) -> None:
    """Check that models exist, before anything runs.

    Args:
        folders: Their folders (:func:`model_folder`).
        folds: Folds that each must have.
        checkpoint: Name of the checkpoint file that each fold must have.

    Raises:
        ModelError: If anything is missing; all of it is listed, with the commands that train it.
    """
    problems = []
    for folder in folders:
        trainer, plans, configuration = folder.name.split("__")
        option = "" if plans == "nnUNetPlans" else f" -p {plans}"
        for fold in folds:
            wanted = folder / f"fold_{fold}" / checkpoint
            if not wanted.is_file():
                problems.append(
                    f"{wanted} does not exist. Train it: nnUNetv2_train "
                    f"{int(folder.parent.name[7:10])} {configuration} {fold} -tr {trainer}{option}"
                )
    if problems:
        raise ModelError(f"Trained models are missing:\n{shorten_lines(problems)}")


def image_format(folder: Path) -> tuple[str, int]:
    """Return file ending and number of channels of the images that a model takes.

    Args:
        folder: The model's folder.

    Raises:
        ModelError: If it is missing or damaged.
    """
    path = folder / paths.DATASET_JSON
    remedy = "Copy it from the dataset's folder in nnUNet_preprocessed, or train again."
    content = read_json_object(path, ModelError, remedy)
    ending, channels = content.get("file_ending"), content.get("channel_names")
    if not isinstance(ending, str) or not isinstance(channels, dict):
        raise ModelError(f'{path} has no "file_ending" or no "channel_names". {remedy}')
    return ending, len(channels)


def find_cases(folder: Path, ending: str, n_channels: int) -> dict[str, list[Path]]:
    """Return the cases in a folder of images, each with the files of its channels in order.

    Args:
        folder: Images named ``<case>_<channel>.<ending>``.
        ending: Such as ``.nii.gz``.
        n_channels: Channels that the model takes.

    Raises:
        DatasetError: If there is no case, or a case lacks a channel or has others.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder} does not exist or is not a folder. Pass the images with -i.")
    cases: dict[str, dict[str, Path]] = {}
    for path in sorted(folder.iterdir()):
        found = _CHANNEL.fullmatch(path.name.removesuffix(ending))
        if path.name.endswith(ending) and found:
            cases.setdefault(found[1], {})[found[2]] = path
    if not cases:
        raise DatasetError(
            f"{folder} holds no image named <case>_0000{ending}, as nnU-Net names them. Rename "
            "the images, or pass another folder with -i."
        )
    wanted = [f"{i:04d}" for i in range(n_channels)]
    wrong = [
        f"{case}: channels {', '.join(channels)}"
        for case, channels in cases.items()
        if list(channels) != wanted
    ]
    if wrong:
        raise DatasetError(
            f"{folder}: the model takes the channels {', '.join(wanted)} of every case; "
            f"{counted(len(wrong), 'case has', 'cases have')} others. Add the missing files or "
            f"remove the cases:\n{shorten_lines(wrong)}"
        )
    return {case: list(channels.values()) for case, channels in cases.items()}


def read_table_for(
    dataset: str, given: Path | None, reading: "TableSettings"
) -> "DemographicsTable":
    """Read the table that says who the cases are from.

    Args:
        dataset: Id or name of the dataset.
        given: A table of the user's; without a dictionary next to it, the dataset's is used,
            so that its bins and levels are those of the training.
        reading: What columns and cells of the table mean that are not as the dictionary has them.

    Raises:
        DemographicsError: If there is no table, or it is wrong.
    """
    from nnunetv2_fair.subgroups.schema import read_schema
    from nnunetv2_fair.subgroups.table import read_table

    if given is not None and given.with_suffix(".json").is_file():
        return read_table(given, settings=reading)
    tried = []
    for variable in (paths.RAW, paths.PREPROCESSED):
        try:
            root = paths.environment_folder(variable)
            folder = root / paths.dataset_name(dataset, root)
        except DatasetError as error:
            tried.append(str(error))
            continue
        if (folder / paths.DEMOGRAPHICS_CSV).is_file():
            schema = read_schema(folder / paths.DEMOGRAPHICS_JSON)
            return read_table(given or folder / paths.DEMOGRAPHICS_CSV, schema, reading)
        tried.append(f"{folder} has no {paths.DEMOGRAPHICS_CSV}.")
    wanted = f"The dictionary next to {given}" if given else "A demographics table"
    raise DemographicsError(
        f"{wanted} was not found. Pass a table with a dictionary next to it with --demographics. "
        f"Looked for: {shorten(tried)}"
    )
