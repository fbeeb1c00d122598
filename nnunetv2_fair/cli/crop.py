"""``nnUNetv2_fair_crop``: a dataset cropped around its references."""

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
        "nnUNetv2_fair_crop",
        "Make an nnU-Net dataset of crops around the organ, all of one size: the longest box of a\n"
        "training reference and a margin. Demographics, patients, folds and positions stay.\n"
        "Models trained on it are for nnUNetv2_fair_predict_cascade.",
        "nnUNetv2_fair_crop -d 42 -o 43",
    )
    add_twin_arguments(parser, "Cropped")
    parser.add_argument(
        "--labels", nargs="+", default=[], metavar="LABEL",
        help="labels or regions that boxes are drawn around (default: all)",
    )  # fmt: skip
    parser.add_argument(
        "--margin", type=int, default=5, metavar="N",
        help="voxels on every side of the longest training box",
    )  # fmt: skip
    parser.add_argument(
        "--axes", choices=("xy", "xyz"), default="xy",
        help="axes to crop; with xy the slice axis stays whole",
    )  # fmt: skip
    parser.add_argument(
        "--size", nargs="+", type=int, metavar="N",
        help="size of all crops instead: rows, columns and, with --axes xyz, slices",
    )  # fmt: skip
    parser.add_argument(
        "--boxes", type=Path, metavar="FOLDER",
        help="masks that say where the organ is instead of the references, such as predictions: of "
        "all test cases, all training cases, or both",
    )  # fmt: skip
    parser.add_argument(
        "--jitter", type=int, default=0, metavar="N",
        help="move training crops at random by up to N voxels, as far as the organ stays inside",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="seed of --jitter")
    return parser


def _crop(args: argparse.Namespace) -> None:
    from nnunetv2_fair.dataset_conversion.cropped.plan import CropSettings, plan_cropped
    from nnunetv2_fair.dataset_conversion.shared.carried_folds import carried_folds

    source = paths.raw_dataset(args.d)
    target = twin_target(args, source, "Cropped")
    settings = CropSettings(
        source=source,
        dataset_id=target.d,
        name=target.n,
        labels=tuple(args.labels),
        margin=args.margin,
        axes=args.axes,
        size=tuple(args.size) if args.size else None,
        boxes=args.boxes,
        jitter=args.jitter,
        seed=args.seed,
    )
    name = f"Dataset{target.d:03d}_{target.n}"
    folds = carried_folds(source.name, name, overwrite=args.overwrite)

    convert_twin(lambda: plan_cropped(settings, processes_of(target)), target, folds)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see ``--help``.

    Args:
        argv: Arguments; those of the process by default.

    Returns:
        0 on success, 1 on bad data, 2 on bad usage, 130 when interrupted.
    """
    return run(_crop, _parser(), argv)


if __name__ == "__main__":
    raise SystemExit(main())
