"""``nnUNetv2_fair_relabel``: a dataset with the training labels of somebody else."""

import argparse
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


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "nnUNetv2_fair_relabel",
        "Make the twin of an nnU-Net dataset for training on other labels, such as automatic:\n"
        "same images, cases, people and folds; the training labels are those of a folder. Test\n"
        "labels stay, so that models of both are measured alike. The labels before are kept in\n"
        "previousTr, and how far they differ is told for every group.",
        "nnUNetv2_fair_relabel -d 60 -o 61 -n MAMA_MIA_automatic \\\n"
        "    --labels-from $nnUNet_raw/Dataset060_MAMA_MIA/automaticTr",
    )
    add_twin_arguments(parser, "Relabelled")
    parser.add_argument(
        "--labels-from", type=Path, metavar="FOLDER", required=True,
        help="folder with a mask of every training case, called like it",
    )  # fmt: skip
    parser.add_argument(
        "--missing", choices=("error", "skip", "keep"), default="error",
        help="training cases without a mask there: refuse, leave them out of the twin, or keep the "
        "label they have",
    )  # fmt: skip
    return parser


def _relabel(args: argparse.Namespace) -> None:
    from nnunetv2_fair.dataset_conversion.shared.carried_folds import carried_folds
    from nnunetv2_fair.dataset_conversion.twins.relabelled import (
        RelabelSettings,
        find_masks,
        plan_relabelled,
    )

    source = paths.raw_dataset(args.d)
    target = twin_target(args, source, "Relabelled")
    processes = processes_of(target)
    found = find_masks(RelabelSettings(source, args.labels_from, target.d, target.n, args.missing))
    folds = carried_folds(
        source.name,
        f"Dataset{target.d:03d}_{target.n}",
        overwrite=args.overwrite,
        left_out=found.left_out,
    )

    convert_twin(lambda: plan_relabelled(found, processes), target, folds)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see ``--help``.

    Args:
        argv: Arguments; those of the process by default.

    Returns:
        0 on success, 1 on bad data, 2 on bad usage, 130 when interrupted.
    """
    return run(_relabel, _parser(), argv)


if __name__ == "__main__":
    raise SystemExit(main())
