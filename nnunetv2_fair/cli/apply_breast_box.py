"""``nnUNetv2_fair_apply_breast_box``: set predictions outside the breast box to background."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from nnunetv2_fair import paths
from nnunetv2_fair.cli.shared.common import command_parser, run
from nnunetv2_fair.errors import UsageError, shorten

logger = logging.getLogger(__name__)


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "nnUNetv2_fair_apply_breast_box",
        "Set everything outside each patient's breast box to background, as the FairMedSeg paper "
        "does with its predictions. The boxes are those that nnUNetv2_fair_convert_MAMA_MIA left "
        "in the dataset's folder, on the grid of its images.",
        "nnUNetv2_fair_apply_breast_box -d 60 -i predictions -o predictions_in_box",
    )
    parser.add_argument("-i", metavar="FOLDER", type=Path, required=True, help="predictions")
    parser.add_argument("-o", metavar="FOLDER", type=Path, required=True, help="output folder")
    parser.add_argument("-d", metavar="ID", help="dataset id or name whose boxes to use")
    parser.add_argument(
        "--boxes", metavar="FILE", type=Path, help="file of boxes, instead of the dataset's"
    )
    parser.add_argument(
        "--keep-without-box",
        action="store_true",
        help="copy predictions of patients who have no box as they are, instead of refusing",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files of the same name")
    parser.add_argument("-np", metavar="N", type=int, default=1, help="number of processes")
    return parser


def _apply(args: argparse.Namespace) -> None:
    from nnunetv2_fair.cropping.boxes import BREAST_BOXES_JSON, apply_boxes
    from nnunetv2_fair.evaluation.masks.label_maps import find_masks

    if (args.d is None) == (args.boxes is None):
        raise UsageError("Name the boxes by -d (dataset) or by --boxes (file), one of the two.")
    if args.np < 1:
        raise UsageError(f"-np {args.np}: expected 1 or more.")
    if args.i.absolute() == args.o.absolute():
        raise UsageError("-i and -o are the same folder; choose another -o.")
    done = apply_boxes(
        find_masks(args.i, "predictions"),
        args.boxes if args.d is None else paths.raw_dataset(args.d) / BREAST_BOXES_JSON,
        args.o,
        keep_without_box=args.keep_without_box,
        overwrite=args.overwrite,
        processes=args.np,
    )
    logger.info(
        "%s: %d predictions, %d of them changed, %d voxels became background.",
        args.o, done.n_predictions, done.n_changed, done.n_removed,
    )  # fmt: skip
    if done.without_box:
        logger.info(
            "%d had no box and were copied unchanged: %s",
            len(done.without_box), shorten(done.without_box),
        )  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see ``--help``.

    Args:
        argv: Arguments; those of the process by default.

    Returns:
        0 on success, 1 on bad data, 2 on bad usage, 130 when interrupted.
    """
    return run(_apply, _parser(), argv)


if __name__ == "__main__":
    raise SystemExit(main())
