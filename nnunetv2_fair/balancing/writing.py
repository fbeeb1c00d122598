"""Balanced folds put into a dataset: into itself, or into a twin with a name of its own."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from nnunetv2_fair import paths
from nnunetv2_fair.balancing.told import FILES
from nnunetv2_fair.errors import ConversionError, DatasetError, counted
from nnunetv2_fair.files.atomic import filled_together
from nnunetv2_fair.files.locks import LOCK, locked
from nnunetv2_fair.subgroups.splits import Fold, folds_text
from nnunetv2_fair.subgroups.table import prepare_command


def prepared_folder(name: str) -> Path:
    """Return a dataset's folder in ``nnUNet_preprocessed``, which has folds.

    Args:
        name: Of the dataset.

    Raises:
        ConversionError: If it has no folds yet.
        DatasetError: If ``nnUNet_preprocessed`` is not set.
    """
    folder = paths.preprocessed_dataset(name)
    if not (folder / paths.SPLITS_JSON).is_file():
        raise ConversionError(
            f"{name} has no folds, whose training parts are to be balanced. Make them first: "
            f"{prepare_command(name)}"
        )
    return folder


def refuse_trained(name: str) -> None:
    """Raise if models were trained on the folds that would change.

    Args:
        name: Of the dataset.

    Raises:
        ConversionError: If there are some, naming the option that makes a twin.
    """
    try:
        results = paths.environment_folder(paths.RESULTS) / name
    except DatasetError:
        return
    trained = sorted(path.parent.name for path in results.glob("*/fold_*"))
    if trained:
        raise ConversionError(
            f"{results} holds {counted(len(trained), 'training', 'trainings')} on the folds that "
            "would change; trainings on balanced ones would have the same names. Write a twin "
            "instead (-o ID), or add --overwrite."
        )


def write_in_place(folder: Path, folds: Sequence[Fold], files: Mapping[str, str]) -> None:
    """Replace the folds of a dataset, and write what was changed beside them, all or nothing.

    Args:
        folder: Of the dataset in ``nnUNet_preprocessed``.
        folds: The balanced folds.
        files: Text of further files, by name.
    """
    texts = {paths.SPLITS_JSON: folds_text(folds), **files}
    with (
        locked(folder / LOCK, wait=True),
        filled_together(folder, (paths.SPLITS_JSON, *FILES)) as unfinished,
    ):
        for name, text in texts.items():
            (unfinished / name).write_text(
                text, encoding="utf-8", errors="backslashreplace", newline=""
            )
