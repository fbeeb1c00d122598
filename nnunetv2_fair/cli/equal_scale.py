"""``nnUNetv2_fair_equal_scale``: groups of equal size, filled up with synthetic cases."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from nnunetv2_fair import paths
from nnunetv2_fair.cli.shared.common import command_parser, run
from nnunetv2_fair.cli.shared.conversion_arguments import (
    add_twin_arguments,
    convert_twin,
    processes_of,
    twin_target,
)

logger = logging.getLogger(__name__)


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "nnUNetv2_fair_equal_scale",
        "Make a dataset in which all groups have equally many training cases: small groups are\n"
        "filled up with synthetic cases, large ones sampled down if you say so. Synthetic cases\n"
        "are trained on, and never validated, tested or reported.",
        "nnUNetv2_fair_equal_scale -d 42 -a race --target largest -o 45 --synthetic pack\n"
        "  nnUNetv2_fair_equal_scale -d 42 -a race --target total=8000 --subsample -o 46 "
        "--synthetic pack",
    )
    add_twin_arguments(parser, "EqualScale")
    parser.add_argument(
        "-a", metavar="ATTRIBUTE", help="attribute with levels (default: the default attribute)"
    )
    parser.add_argument(
        "--synthetic", type=Path, metavar="FOLDER", required=True,
        help="synthetic cases: labels/, images/ and groups.csv (columns: case, the attribute)",
    )  # fmt: skip
    parser.add_argument(
        "--target", required=True, metavar="SIZE",
        help="training cases of every group: largest (as many as the largest group), a number, or "
        "total=N for all groups together",
    )  # fmt: skip
    draws = parser.add_mutually_exclusive_group()
    draws.add_argument(
        "--subsample", action="store_true",
        help="sample groups down that have more cases than the target (refused otherwise)",
    )  # fmt: skip
    draws.add_argument(
        "--as-published", action="store_true",
        help="as in FairDiff's code, with total=N: a quarter of the cases is real, shared among "
        "groups as in the data and drawn with replacement, the rest synthetic",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="seed of all draws")
    return parser


def _equal_scale(args: argparse.Namespace) -> None:
    from nnunetv2_fair.balancing.writing import prepared_folder
    from nnunetv2_fair.dataset_conversion.shared.carried_folds import carried_folds
    from nnunetv2_fair.dataset_conversion.shared.source import people_of, read_source
    from nnunetv2_fair.subgroups.folds import check_folds, read_folds
    from nnunetv2_fair.synthesis.equal_scale.amounts import target_of
    from nnunetv2_fair.synthesis.equal_scale.folds import filled_folds
    from nnunetv2_fair.synthesis.equal_scale.plan import (
        EqualScaleSettings,
        choose_cases,
        lines_of,
        plan_equal_scale,
    )

    settings = EqualScaleSettings(
        args.synthetic, target_of(args.target), args.subsample, args.as_published, args.seed
    )
    folder = paths.raw_dataset(args.d)
    target = twin_target(args, folder, "EqualScale")
    processes = processes_of(target)
    source = read_source(folder, "filled up")
    table = people_of(source)
    chosen = choose_cases(source, table, args.a, settings)
    splits = prepared_folder(folder.name) / paths.SPLITS_JSON
    before = read_folds(splits)
    training = [case.case for case in source.cases if case.part == "train"]
    for sentence in check_folds(before, table, training, splits):
        logger.warning("WARNING: %s.", sentence)
    expression = chosen.grouping.expression
    folds = carried_folds(
        folder.name,
        f"Dataset{target.d:03d}_{target.n}",
        overwrite=args.overwrite,
        folds=filled_folds(before, chosen.found, chosen.unknown, expression),
    )
    logger.info("Training cases, by %s:", expression)
    for line in lines_of(chosen.found):
        logger.info("%s", line)

    convert_twin(lambda: plan_equal_scale(chosen, target.d, target.n, processes), target, folds)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see ``--help``.

    Args:
        argv: Arguments; those of the process by default.

    Returns:
        0 on success, 1 on bad data, 2 on bad usage, 130 when interrupted.
    """
    return run(_equal_scale, _parser(), argv)


if __name__ == "__main__":
    raise SystemExit(main())
