"""What all conversion commands share: flags and the last steps."""

import argparse
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnunetv2_fair.cli.shared.pairs import number_pairs
from nnunetv2_fair.errors import ConversionError, UsageError, shorten, shorten_lines

if TYPE_CHECKING:
    from nnunetv2_fair.dataset_conversion.shared.carried_folds import CarriedFolds
    from nnunetv2_fair.dataset_conversion.writing.dataset_plan import (
        DatasetPlan,
        TargetOptions,
    )

logger = logging.getLogger(__name__)


def add_conversion_arguments(parser: argparse.ArgumentParser, name: str | None = None) -> None:
    """Add the flags of every converter.

    Args:
        parser: Where to add them.
        name: Default of ``-n``; None makes it required.
    """
    parser.add_argument("-i", metavar="FOLDER", type=Path, required=True, help="original data")
    parser.add_argument(
        "-d", metavar="ID", type=int, required=True, help="id of the new dataset, 1 to 999"
    )
    parser.add_argument(
        "-n", metavar="NAME", default=name, required=name is None, help="name of the new dataset"
    )
    parser.add_argument(
        "-o",
        metavar="FOLDER",
        type=Path,
        help="where datasets are (the environment variable nnUNet_raw by default)",
    )
    parser.add_argument(
        "-np",
        metavar="N",
        type=int,
        default=None,
        help="number of processes (by default one per processor, at most 8)",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace a dataset of the same name"
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="check everything, every image and mask included; say what would be written, or all "
        "that is wrong (exit code 1); write nothing",
    )


def add_twin_arguments(
    parser: argparse.ArgumentParser, suffix: str, *, several: bool = False, in_place: bool = False
) -> None:
    """Add the flags of commands that make a dataset of one in ``nnUNet_raw``.

    Args:
        parser: Where to add them.
        suffix: What the new name adds to that of the dataset, for the help.
        several: Whether the command makes datasets of several ids.
        in_place: Whether it changes the dataset itself where no id is given.
    """
    which = "id of the first new dataset, 1 to 999" if several else "id of the new dataset"
    which += ", a twin (default: the dataset itself is changed)" if in_place else ""
    parser.add_argument("-d", metavar="ID", required=True, help="dataset id or name")
    parser.add_argument("-o", metavar="ID", type=int, required=not in_place, help=which)
    name = "what its name begins with" if several else "its name"
    added = f"followed by {suffix}" if several else f"that of the dataset and {suffix}"
    parser.add_argument("-n", metavar="NAME", help=f"{name} (by default {added})")
    parser.add_argument(
        "-np", metavar="N", type=int,
        help="number of processes (by default one per processor, at most 8)",
    )  # fmt: skip
    parser.add_argument(
        "--overwrite", action="store_true", help="replace a dataset of the same name, and its folds"
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="check everything, every image and mask included; say what would be written, or all "
        "that is wrong (exit code 1); write nothing",
    )


def twin_target(args: argparse.Namespace, source: Path, suffix: str) -> argparse.Namespace:
    """Return the arguments of a new dataset as :func:`convert` takes them.

    Args:
        args: Parsed arguments of :func:`add_twin_arguments`.
        source: Folder of the dataset that it is made of.
        suffix: What the new name adds to that of the dataset, where none is given.

    Raises:
        UsageError: If the new dataset would replace the one that it is made of.
    """
    name = args.n or f"{source.name[11:]}{suffix}"
    check_not_itself(f"Dataset{args.o:03d}_{name}", source)
    # a converter's -o is the folder of the datasets; here it is nnUNet_raw
    return argparse.Namespace(
        d=args.o, n=name, o=None, np=args.np,
        overwrite=args.overwrite, dry_run=args.dry_run,
    )  # fmt: skip


def with_folds(plan: "DatasetPlan", folds: "CarriedFolds") -> "DatasetPlan":
    """Note on the screen, and in the log of a twin, which folds it gets; return its plan."""
    plan.log.notes.append(folds.note)
    logger.info("Note: %s", folds.note)
    return plan


def convert_twin(
    planner: Callable[[], "DatasetPlan"], target: argparse.Namespace, folds: "CarriedFolds"
) -> None:
    """Plan and write a dataset that is made of another, and its folds; see :func:`convert`.

    Args:
        planner: Reads and checks the dataset that it is made of.
        target: What :func:`twin_target` returned.
        folds: Its folds, written when all checks have passed.

    Raises:
        ConversionError: If anything prevents writing.
    """
    from nnunetv2_fair.dataset_conversion.twins.plan import TWIN_OPTIONS

    convert(
        lambda: with_folds(planner(), folds), target,
        problems=folds.problems, before_writing=folds.write, options=TWIN_OPTIONS,
    )  # fmt: skip


def check_not_itself(new: str, source: Path) -> None:
    """Refuse to replace a dataset by what is made of it: ``--overwrite`` would lose the original.

    Args:
        new: Name of the new dataset.
        source: Folder of the dataset that it is made of.

    Raises:
        UsageError: If both are the same.
    """
    if new == source.name:
        raise UsageError(
            f"{new} cannot be replaced by what is made of it. Choose another id (-o), which no "
            "dataset has."
        )


def add_resize_argument(parser: argparse.ArgumentParser, meaning: str) -> None:
    """Add ``--resize``, which :func:`size_of` reads; ``meaning`` is its help."""
    parser.add_argument("--resize", nargs=2, type=int, metavar=("ROWS", "COLUMNS"), help=meaning)


def add_unpaired_argument(parser: argparse.ArgumentParser, meaning: str) -> None:
    """Add ``--unpaired``, about files or rows without a counterpart; ``meaning`` is its help."""
    parser.add_argument("--unpaired", choices=("error", "skip"), default="error", help=meaning)


def add_picture_arguments(parser: argparse.ArgumentParser, test_ratio: float = 0.2) -> None:
    """Add the flags that the converters of 2D pictures share.

    Args:
        parser: Where to add them.
        test_ratio: Default of ``--test-ratio``.
    """
    parser.add_argument("--table", type=Path, help="table file (metadata.csv, .tsv or .xlsx)")
    add_resize_argument(
        parser,
        "size of all images (images linearly, masks by nearest neighbour)",
    )
    parser.add_argument(
        "--test-ratio",
        type=float,
        default=test_ratio,
        help="share of patients for the test part, chosen so that groups keep their shares",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of that choice")


def size_of(numbers: Sequence[int] | None) -> tuple[int, int] | None:
    """Return (rows, columns) of a flag such as ``--resize``; None if it is not given."""
    return (numbers[0], numbers[1]) if numbers else None


def processes_of(args: argparse.Namespace) -> int:
    """Return how many processes to use.

    Raises:
        UsageError: If ``-np`` is below 1.
    """
    from nnunetv2_fair.files.pool import default_processes

    if args.np is not None and args.np < 1:
        raise UsageError(f"-np {args.np}: expected 1 or more.")
    return int(args.np) if args.np is not None else default_processes()


def label_map_of(texts: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Return the pairs of ``--label-map VALUE=LABEL ...``.

    Raises:
        UsageError: If one is not a pair of integers.
    """
    found = number_pairs(texts, "--label-map", "255=1")
    if any(not value.isdecimal() for value in found):
        raise UsageError("--label-map: expected numbers, such as 255=1; names go to --labels.")
    return tuple((int(value), label) for value, label in found.items())


def convert(
    planner: Callable[[], "DatasetPlan"],
    args: argparse.Namespace,
    *,
    problems: Sequence[str] = (),
    before_writing: Callable[[], None] | None = None,
    options: "TargetOptions | None" = None,
) -> None:
    """Plan and write a dataset, or with ``--dry-run`` only say what would be written.

    What is wrong with the new dataset's id, name or place is reported together with what is wrong
    with the data.

    Args:
        planner: Reads and checks the original data.
        args: Parsed arguments of :func:`add_conversion_arguments`.
        problems: Further reasons not to write, in words.
        before_writing: Called when all checks have passed, before the first byte is written.
        options: What the command calls the choice of the dataset's id and place.

    Raises:
        ConversionError: If anything prevents writing.
    """
    from nnunetv2_fair.dataset_conversion.writing.plan_problems import (
        plan_problems,
        target_problems,
    )
    from nnunetv2_fair.dataset_conversion.writing.writer import raw_folder
    from nnunetv2_fair.files.outputs import clean_up

    processes_of(args)
    raw = raw_folder(args.o)
    found = target_problems(args.d, args.n, raw, overwrite=args.overwrite, options=options)
    early = [*problems, *found]
    try:
        plan = planner()
    except ConversionError as error:
        if not early:
            raise
        raise ConversionError(
            f"{error}\nIn addition, the dataset could not be written:\n{shorten_lines(early)}"
        ) from error
    if not args.dry_run and (problems or before_writing is not None):
        clean_up(raw / plan.description.folder_name)
        late = [*problems, *plan_problems(plan, raw, overwrite=args.overwrite)]
        if late:
            raise ConversionError(
                f"{plan.description.folder_name} was not written:\n{shorten_lines(late)}"
            )
        if before_writing is not None:
            before_writing()
    _finish(plan, args, problems)


def convert_together(
    plans: Sequence["DatasetPlan"],
    args: argparse.Namespace,
    problems: Sequence[Sequence[str]],
    before_writing: Sequence[Callable[[], None]],
) -> None:
    """Write several planned datasets, or none: all are checked before the first is written.

    Args:
        plans: What to write.
        args: Parsed arguments of :func:`add_conversion_arguments`.
        problems: Further reasons not to write each, in words.
        before_writing: Called before the first byte of each is written.

    Raises:
        ConversionError: If anything prevents writing one of them.
    """
    from nnunetv2_fair.dataset_conversion.writing.plan_problems import plan_problems
    from nnunetv2_fair.dataset_conversion.writing.writer import raw_folder
    from nnunetv2_fair.files.outputs import clean_up

    raw = raw_folder(args.o)
    found = []
    for plan, own in zip(plans, problems, strict=True):
        if not args.dry_run:
            clean_up(raw / plan.description.folder_name)
        found += [*own, *plan_problems(plan, raw, overwrite=args.overwrite)]
    if found:
        names = shorten(plan.description.folder_name for plan in plans)
        raise ConversionError(f"Nothing was written ({names}):\n{shorten_lines(found, 100)}")
    for plan, write in zip(plans, before_writing, strict=True):
        if not args.dry_run:
            write()
        _finish(plan, args)


def _finish(plan: "DatasetPlan", args: argparse.Namespace, problems: Sequence[str] = ()) -> None:
    """Write a planned dataset, or with ``--dry-run`` only say what would be written.

    Args:
        plan: What to write.
        args: Parsed arguments of :func:`add_conversion_arguments`.
        problems: What a dry run lists in addition to what it finds itself.

    Raises:
        ConversionError: If anything prevents writing.
    """
    from nnunetv2_fair.dataset_conversion.writing.dry_run import dry_run_problems, files_to_write
    from nnunetv2_fair.dataset_conversion.writing.writer import (
        raw_folder,
        write_dataset,
        written_counts,
    )

    raw, processes = raw_folder(args.o), processes_of(args)
    if args.dry_run:
        found = dry_run_problems(plan, raw, processes=processes, overwrite=args.overwrite)
        if problems or found:
            raise ConversionError(
                f"{plan.description.folder_name} could not be written:\n"
                f"{shorten_lines([*problems, *found], 100)}"
            )
    _describe(written_counts(plan), plan)
    if args.dry_run:
        logger.info("Would be written to %s:", raw / plan.description.folder_name)
        for line in files_to_write(plan):
            logger.info("  %s", line)
        n_bytes = sum(job.n_bytes for job in plan.jobs)
        logger.info("  at most %.3g MiB", n_bytes / 2**20)
        logger.info("Nothing was written (--dry-run).")
        return
    target = write_dataset(plan, raw, processes=processes, overwrite=args.overwrite)
    logger.info("Written and read back: %s", target)
    logger.info("Next: nnUNetv2_fair_prepare -d %d", plan.description.dataset_id)


def _describe(counts: Mapping[str, Any], plan: "DatasetPlan") -> None:
    from nnunetv2_fair.dataset_conversion.writing.log import part_text

    labels = ", ".join(f"{name} {value}" for name, value in plan.description.labels.items())
    logger.info("%s: labels %s", plan.description.folder_name, labels)
    for part, numbers in counts["cases"].items():
        logger.info("%s", part_text(part, numbers))
    for attribute, parts in counts["groups"].items():
        for part, groups in parts.items():
            listed = ", ".join(f"{name} {n}" for name, n in groups.items())
            logger.info("  %s, %s: %s", attribute, part, listed)
    skipped = plan.log.skipped
    for reason in dict.fromkeys(entry.reason for entry in skipped):
        items = [entry.item for entry in skipped if entry.reason == reason]
        logger.info("Left out, %s: %d (%s)", reason, len(items), shorten(items))
