"""The output folder of an evaluation: what it holds, and what it must not hold."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from nnunetv2_fair.errors import UsageError
from nnunetv2_fair.files.outputs import check_writable, output_folder, refuse_unfinished
from nnunetv2_fair.paths import (
    DOWNSTREAM_CSV,
    MEASURED_CASES,
    PAPER_EXACT_FOLDER,
    PER_CASE_CSV,
    REPORT_HTML,
    SUMMARY_JSON,
    TRAININGS_FOLDER,
)

#: The command that writes such folders.
EVALUATE = "nnUNetv2_fair_evaluate"


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


def measured_folder(out: Path, *, shareable: bool) -> Path:
    """Return where cases are kept until the report is written: never in a folder to share."""
    return out.with_name(f"{out.name}_measured") if shareable else out


@contextmanager
def evaluation_folder(
    out: Path,
    inputs: Sequence[tuple[str, Path | None]],
    *,
    shareable: bool,
    overwrite: bool,
    shard: bool = False,
) -> Iterator[None]:
    """Hold an output folder while its evaluation runs, having refused one that cannot be used.

    Args:
        out: The folder; it need not exist.
        inputs: Options and their folders of masks, for messages; None where there is none.
        shareable: Whether the folder is to be shown to others.
        overwrite: Whether an earlier evaluation in it is replaced.
        shard: Whether this measures a part, at the same time as others.

    Raises:
        UsageError: If it is one of the inputs, in use, holds an evaluation, or is to be shared and
            holds what may reveal individual patients.
        EvaluationError: If it cannot be written, or an input is not finished.
    """
    for option, folder in inputs:
        if folder is None:
            continue
        if out.resolve() == folder.resolve():
            raise UsageError(
                f"-o {out} is the folder of {option}; choose another one for the results."
            )
        refuse_unfinished(folder)
    if shareable and any(folder is not None for _, folder in inputs):
        # it lies beside -o, which a drive's root has no place for
        check_writable(measured_folder(out, shareable=True))
    names = (*output_names(shareable=shareable), "its figures and tables")
    with output_folder(
        out, EVALUATE, names, overwrite=overwrite, passed_over=MEASURED_CASES, shared=shard
    ):
        telling = (
            PER_CASE_CSV, DOWNSTREAM_CSV, "table_*", MEASURED_CASES, TRAININGS_FOLDER,
            PAPER_EXACT_FOLDER,
        )  # fmt: skip
        private = sorted(path.name for pattern in telling for path in out.glob(pattern))
        if shareable and private:
            raise UsageError(
                f"{out} holds {private[0]}, which may reveal individual patients, so it must "
                "not be shared. Choose another -o for --shareable."
            )
        yield
