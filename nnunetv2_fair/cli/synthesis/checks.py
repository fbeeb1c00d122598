"""Checks of arguments that the steps share."""

from pathlib import Path

from nnunetv2_fair.errors import UsageError


def check_least(option: str, value: int, least: int) -> None:
    """Raise a UsageError if a number is too small."""
    if value < least:
        raise UsageError(f"{option} is {value}, expected at least {least}.")


def check_outside(out: Path, dataset: Path, pack: Path | None = None) -> None:
    """Raise a UsageError if the output would lie in what is read.

    Args:
        out: Output folder.
        dataset: Dataset folder in ``nnUNet_raw``.
        pack: Folder of synthetic cases that is read; None if none is.
    """
    read = {f"the dataset {dataset.name}": dataset}
    if pack is not None:
        read["the pack"] = pack
    for what, place in read.items():
        if place.resolve() in (out.resolve(), *out.resolve().parents):
            raise UsageError(f"-o {out} is in {what}. Choose another folder.")
