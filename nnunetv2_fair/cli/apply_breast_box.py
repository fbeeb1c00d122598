"""``nnUNetv2_fair_apply_breast_box``: predictions without what lies outside the breast box."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from nnunetv2_fair import paths
from nnunetv2_fair.cli.shared.common import command_parser, run
from nnunetv2_fair.errors import ConversionError, UsageError, shorten, shorten_lines

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
        "--boxes", metavar="FILE", type=Path, help="file of boxes, in place of the dataset's"
    )
    parser.add_argument(
        "--keep-without-box",
        action="store_true",
        help="take over predictions of patients who have no box as they are, instead of refusing",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files of the same name")
    parser.add_argument("-np", metavar="N", type=int, default=1, help="number of processes")
    return parser


def _apply(args: argparse.Namespace) -> None:
    from nnunetv2_fair.cropping.boxes import (
        BREAST_BOXES_JSON,
        MaskingOrder,
        apply_box,
        read_boxes,
    )
    from nnunetv2_fair.evaluation.masks.label_maps import find_masks
    from nnunetv2_fair.files.atomic import check_output_folder, filled_together
    from nnunetv2_fair.files.pool import map_unordered

    if (args.d is None) == (args.boxes is None):
        raise UsageError("Name the boxes by -d (dataset) or by --boxes (file), one of the two.")
    if args.np < 1:
        raise UsageError(f"-np {args.np}: expected 1 or more.")
    if args.i.absolute() == args.o.absolute():
        raise UsageError("-i and -o are the same folder; choose another -o.")
    path = args.boxes if args.d is None else paths.raw_dataset(args.d) / BREAST_BOXES_JSON
    boxes = read_boxes(path)
    predictions = find_masks(args.i, "predictions")
    boxless = [case for case in predictions if case not in boxes]
    if boxless and not args.keep_without_box:
        raise ConversionError(
            f"{path} has no box of {len(boxless)} of the {len(predictions)} cases in {args.i}: "
            f"{shorten(boxless)}. To take these over as they are: --keep-without-box"
        )
    names = [source.name for source in predictions.values()]
    check_output_folder(args.o, names, overwrite=args.overwrite)
    with filled_together(args.o, names) as temporary:
        orders = [
            MaskingOrder(source, temporary / source.name, *boxes.get(case, (None, ())))
            for case, source in predictions.items()
        ]
        found = [result for _, result in map_unordered(apply_box, orders, args.np, "masking")]
        problems = sorted(result for result in found if isinstance(result, str))
        if problems:
            raise ConversionError(f"{args.o} was not written:\n{shorten_lines(problems)}")
    removed = [result for result in found if isinstance(result, int)]
    changed = sum(1 for count in removed if count)
    logger.info(
        "%s: %d predictions, %d of them changed, %d voxels became background.",
        args.o, len(names), changed, sum(removed),
    )  # fmt: skip
    if boxless:
        logger.info("%d had no box and are as they were: %s", len(boxless), shorten(boxless))


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
