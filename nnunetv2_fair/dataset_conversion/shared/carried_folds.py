"""The folds of a dataset, carried over to one that is made of it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from nnunetv2_fair.errors import ConversionError, DatasetError
from nnunetv2_fair.files.atomic import existing, write_text
from nnunetv2_fair.files.locks import LOCK, locked
from nnunetv2_fair.paths import PREPROCESSED, SPLITS_JSON, environment_folder
from nnunetv2_fair.subgroups.folds import read_folds
from nnunetv2_fair.subgroups.splits import Fold, folds_text, without


@dataclass(frozen=True)
class CarriedFolds:
    """Folds that are to be written for the new dataset.

    Attributes:
        target: Its ``splits_final.json`` in ``nnUNet_preprocessed``.
        text: Content; empty if there is nothing to carry over.
        note: What people should know: a sentence without a full stop.
        problems: Reasons not to write, in words.
    """

    target: Path
    text: str
    note: str
    problems: Sequence[str] = ()

    def write(self) -> None:
        """Write the file, unless there is nothing to carry over.

        Raises:
            OSError: If it cannot be written.
        """
        if not self.text:
            return
        folder = self.target.parent
        with existing(folder), locked(folder / LOCK, wait=True):
            write_text(self.target, self.text)


def carried_folds(
    source: str,
    target: str,
    *,
    overwrite: bool,
    left_out: Collection[str] = (),
    folds: Sequence[Fold] | None = None,
) -> CarriedFolds:
    """Return the folds of a dataset for one that is made of it; nothing is written.

    Args:
        source: Name of the dataset that has them.
        target: Name of the new one.
        overwrite: Whether other folds of the new dataset may be replaced.
        left_out: Cases that the new dataset does not have.
        folds: What is written instead of the folds of the source.

    Raises:
        ConversionError: If the folds of the source are damaged.
    """
    try:
        preprocessed = environment_folder(PREPROCESSED)
    except DatasetError:
        note = (
            f"the environment variable {PREPROCESSED} is not set, so folds of {source} are not "
            "carried over: set it and run the same command again, or copy splits_final.json "
            "yourself"
        )
        return CarriedFolds(Path(target, SPLITS_JSON), "", note)
    origin, path = (preprocessed / name / SPLITS_JSON for name in (source, target))
    if not origin.is_file():
        return CarriedFolds(
            path,
            "",
            f"{source} has no folds yet. For the same folds, make those of {source} first, with "
            f"the same options: nnUNetv2_fair_prepare -d {int(source[7:10])}",
        )
    try:
        found = read_folds(origin)
    except DatasetError as error:
        raise ConversionError(str(error)) from error
    text = origin.read_text(encoding="utf-8")
    said = f"folds as those of {source}"
    if folds is not None:
        text = folds_text(folds)
        said += ", training parts balanced"
    elif left_out:
        text = folds_text([without(fold, left_out) for fold in found])
        said += ", without the cases that are left out"
    problems = []
    if path.exists() and not overwrite and path.read_text(encoding="utf-8") != text:
        problems.append(
            f"{path} exists with other folds than those of {source}. Remove it, or add --overwrite "
            "to replace it"
        )
    return CarriedFolds(path, text, f"{said}: {PREPROCESSED}/{target}/{SPLITS_JSON}", problems)
