"""``nnUNetv2_fair_balance``: groups with equal distributions over strata of difficulty."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnunetv2_fair import paths
from nnunetv2_fair.cli.shared.common import add_attribute, command_parser, run
from nnunetv2_fair.cli.shared.conversion_arguments import (
    add_twin_arguments,
    convert,
    processes_of,
    twin_target,
)
from nnunetv2_fair.errors import shorten

if TYPE_CHECKING:
    from nnunetv2_fair.balancing.weights import BalancedFold
    from nnunetv2_fair.dataset_conversion.shared.source import SourceDataset
    from nnunetv2_fair.subgroups.splits import Fold
    from nnunetv2_fair.subgroups.table import DemographicsTable

logger = logging.getLogger(__name__)

#: Groups whose training hangs on fewer cases are named.
_FEW = 10


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "nnUNetv2_fair_balance",
        "Let every group have the same distribution over strata of difficulty in training: by\n"
        "weights, or by leaving cases out. Folds list training cases as often as they count, so\n"
        "weights hold for every trainer, nnU-Net's own included. What changes is shown as a\n"
        "table and kept as balance.csv and balance.svg.",
        "nnUNetv2_fair_balance -d 42 -o 43 -a age --by size\n"
        "  nnUNetv2_fair_balance -d 42 -o 44 -a age --by difficulty --predictions "
        "nnUNetTrainer__nnUNetPlans__2d",
    )
    add_twin_arguments(parser, "Balanced", in_place=True)
    add_attribute(parser)
    parser.add_argument(
        "--by", required=True, metavar="WHAT",
        help="size (of the reference), contrast (to its surroundings), noise (of the image), "
        "difficulty (with --predictions one minus their Dice, otherwise the mean rank of these "
        "three), or a column of the demographics or of --table",
    )  # fmt: skip
    parser.add_argument(
        "--predictions", type=Path, metavar="FOLDER",
        help="with --by difficulty: a trained model with all of its folds' validation, or a folder "
        "of held-out predictions of all training cases",
    )  # fmt: skip
    parser.add_argument(
        "--table", type=Path, metavar="FILE",
        help="table with a row per case and the column of --by, such as per_case.csv; several rows "
        "of a case are averaged",
    )  # fmt: skip
    parser.add_argument("--strata", type=int, default=4, metavar="N", help="parts of numbers")
    parser.add_argument(
        "--how", choices=("weights", "subsample"), default="weights",
        help="weight the cases, or train on a part of them",
    )  # fmt: skip
    parser.add_argument(
        "--alone", choices=("error", "keep", "drop"), default="error",
        help="cases of strata that a group has no case in: refuse, leave them as they are, or do "
        "not train on them",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="seed of what is left to chance")
    return parser


def _balance(args: argparse.Namespace) -> None:
    from nnunetv2_fair.balancing.strata import StrataSettings, strata_of_cases
    from nnunetv2_fair.balancing.told import files_of, lines_of
    from nnunetv2_fair.balancing.weights import balance
    from nnunetv2_fair.balancing.writing import prepared_folder
    from nnunetv2_fair.dataset_conversion.shared.source import (
        people_of,
        read_source,
        refuse_weights,
    )
    from nnunetv2_fair.subgroups.folds import check_folds, read_folds
    from nnunetv2_fair.subgroups.groups import group_cases

    folder = paths.raw_dataset(args.d)
    source = read_source(folder, "balanced")
    table = people_of(source)
    refuse_weights(table)
    grouping = group_cases(table, args.a)
    prepared = prepared_folder(folder.name)
    folds = read_folds(prepared / paths.SPLITS_JSON)
    training = [case.case for case in source.cases if case.part == "train"]
    for sentence in check_folds(folds, table, training, prepared / paths.SPLITS_JSON):
        logger.warning("WARNING: %s.", sentence)
    settings = StrataSettings(args.by, args.strata, args.predictions, args.table)
    strata = strata_of_cases(settings, source, table, grouping, processes_of(args))
    found = balance(folds, strata, grouping, args.how, args.alone, args.seed)
    for line in lines_of(found, strata):
        logger.info("%s", line)
    for sentence in _warnings(found):
        logger.warning("WARNING: %s.", sentence)
    chosen: dict[str, Any] = {
        "source": folder.name, "attribute": grouping.expression, "by": args.by,
        "strata": args.strata, "how": args.how, "alone": args.alone, "seed": args.seed,
    }  # fmt: skip
    files = files_of(found, strata, grouping.expression, chosen)
    balanced = [fold.fold for fold in found]
    if args.o is None:
        _in_place(args, prepared, balanced, files)
    else:
        _twin(args, source, table, balanced, files, chosen)


def _warnings(found: "Sequence[BalancedFold]") -> list[str]:
    sentences = []
    alone = dict.fromkeys(name for fold in found for name in fold.alone)
    if alone:
        sentences.append(f"strata in which a group has no case are not balanced: {shorten(alone)}")
    unknown = max(fold.unknown for fold in found)
    if unknown:
        sentences.append(f"up to {unknown} training cases of a fold, of no known group, count once")
    small = dict.fromkeys(g for fold in found for g, n in fold.effective.items() if n < _FEW)
    if small:
        sentences.append(
            f"in some fold the weighted training cases of {shorten(small)} say as much as fewer "
            f"than {_FEW} equal ones"
        )
    return sentences


def _in_place(
    args: argparse.Namespace, prepared: Path, folds: "Sequence[Fold]", files: dict[str, str]
) -> None:
    from nnunetv2_fair.balancing.writing import refuse_trained, write_in_place

    if not args.overwrite:
        refuse_trained(prepared.name)
    if args.dry_run:
        logger.info("Nothing was written (--dry-run).")
        return
    write_in_place(prepared, folds, files)
    logger.info("Wrote %s: balanced training parts.", prepared / paths.SPLITS_JSON)
    logger.info("Wrote %s: %s", prepared, ", ".join(files))


def _twin(
    args: argparse.Namespace,
    source: "SourceDataset",
    table: "DemographicsTable",
    balanced: "Sequence[Fold]",
    files: dict[str, str],
    chosen: dict[str, Any],
) -> None:
    from nnunetv2_fair.dataset_conversion.shared.carried_folds import carried_folds
    from nnunetv2_fair.dataset_conversion.twins.plan import (
        TWIN_OPTIONS,
        TwinTarget,
        plan_twin,
        survey,
    )
    from nnunetv2_fair.dataset_conversion.writing.dataset_plan import DatasetPlan
    from nnunetv2_fair.dataset_conversion.writing.log import ConversionLog

    target = twin_target(args, source.folder, "Balanced")
    name = f"Dataset{target.d:03d}_{target.n}"
    folds = carried_folds(source.folder.name, name, overwrite=args.overwrite, folds=balanced)
    log = ConversionLog("nnUNetv2_fair_balance", chosen)
    log.notes = [folds.note]

    def planner() -> DatasetPlan:
        twin = TwinTarget(
            target.d,
            target.n,
            f"{source.folder.name} with training cases balanced by {args.by}",
            {"balanced": {"source": source.folder.name, "by": args.by, "how": args.how}},
            files=files,
        )
        facts = survey(source, {}, processes=processes_of(target))
        return plan_twin(source, table, twin, {}, facts, log)

    convert(
        planner, target, problems=folds.problems, before_writing=folds.write, options=TWIN_OPTIONS
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see ``--help``.

    Args:
        argv: Arguments; those of the process by default.

    Returns:
        0 on success, 1 on bad data, 2 on bad usage, 130 when interrupted.
    """
    return run(_balance, _parser(), argv)


if __name__ == "__main__":
    raise SystemExit(main())
