"""The output folder of an evaluation: what it holds, and what it must not hold."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from nnunetv2_fair.errors import UsageError
from nnunetv2_fair.files.atomic import check_output_folder
from nnunetv2_fair.paths import (
    MEASURED_CASES,
    PAPER_EXACT_FOLDER,
    PER_CASE_CSV,
    REPORT_HTML,
    SUMMARY_JSON,
    TRAININGS_FOLDER,
)


def output_names(*, shareable: bool) -> tuple[str, ...]:
    """Return the files that every evaluation writes."""
    always = (SUMMARY_JSON, REPORT_HTML)
    return always if shareable else (PER_CASE_CSV, *always)


def names_of_trainings(trainings: Sequence[str]) -> tuple[str, ...]:
    """Return the files that an evaluation of several trainings writes besides its own."""
    return tuple(
        f"{TRAININGS_FOLDER}/{training}/{name}"
        for training in trainings
        for name in output_names(shareable=False)
    )


def remove_other_trainings(out: Path, trainings: Sequence[str]) -> None:
    """Remove what an earlier evaluation in this folder wrote of trainings that are not in it now.

    Args:
        out: Output folder.
        trainings: Names of those that are.
    """
    folder = out / TRAININGS_FOLDER
    for old in folder.iterdir() if folder.is_dir() else ():
        if old.name not in trainings:
            shutil.rmtree(old, ignore_errors=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def measured_folder(out: Path, *, shareable: bool) -> Path:
    """Return where cases are kept until the report is written: never in a folder to share."""
    return out.with_name(f"{out.name}_measured") if shareable else out


def check_output(
    out: Path, inputs: Sequence[tuple[str, Path | None]], *, shareable: bool, overwrite: bool
) -> None:
    """Refuse an output folder before anything is measured.

    Args:
        out: The folder; it need not exist.
        inputs: Options and their folders of masks, for messages; None where there is none.
        shareable: Whether the folder is to be shown to others.
        overwrite: Whether an earlier evaluation in it is replaced.

    Raises:
        UsageError: If it is one of the inputs, holds an evaluation, or is to be shared and holds
            what may reveal individual patients.
    """
    for option, folder in inputs:
        if folder is not None and out.resolve() == folder.resolve():
            raise UsageError(
                f"-o {out} is the folder of {option}; choose another one for the results."
            )
    names = (*output_names(shareable=shareable), "its figures and tables")
    check_output_folder(out, names, overwrite=overwrite, passed_over=MEASURED_CASES)
    telling = (PER_CASE_CSV, "table_*", MEASURED_CASES, TRAININGS_FOLDER, PAPER_EXACT_FOLDER)
    private = sorted(path.name for pattern in telling for path in out.glob(pattern))
    if shareable and private:
        raise UsageError(
            f"{out} holds {private[0]}, which may reveal individual patients, so it must "
            "not be shared. Choose another -o for --shareable."
        )
