"""``nnUNetv2_fair_convert_FairSeg``: fundus photographs with disc and cup become a dataset."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from nnunetv2_fair.cli.shared.common import command_parser, run
from nnunetv2_fair.cli.shared.conversion_arguments import (
    add_conversion_arguments,
    add_resize_argument,
    add_unpaired_argument,
    convert,
    processes_of,
    size_of,
)


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "nnUNetv2_fair_convert_FairSeg",
        "Turn Harvard-FairSeg (data_<number>.npz) into an nnU-Net dataset with the labels rim and\n"
        "cup and six attributes: race, gender, age (<60, >=60), ethnicity, language, marital\n"
        "status. All releases are understood; what race codes mean and whether ages are days is\n"
        "decided once for the dataset. The test part follows --split-lists, else\n"
        "data_summary.csv, else folders Training and Test, else it is chosen by person, and\n"
        "groups keep their share. FairDiff's synthetic images join the training part: --synthetic.",
        "nnUNetv2_fair_convert_FairSeg -i FairSeg -d 45 --split-lists lists/FairSeg_final",
    )
    add_conversion_arguments(parser, "FairSeg")
    parser.add_argument(
        "--split-lists",
        nargs="+",
        type=Path,
        default=[],
        metavar="FOLDER",
        help="folders with train.txt and test.txt of FairSeg or FairDiff; of each list the first "
        "is used. Repeated names become sampling weights",
    )
    parser.add_argument(
        "--synthetic",
        type=Path,
        metavar="FOLDER",
        help="FairDiff's packs: the folder above <group>/data/<number>.npz",
    )
    parser.add_argument(
        "--race-codes",
        choices=("012", "237"),
        help="012: Asian, Black, White; 237: Asian, Black, White (detected unless all are 2)",
    )
    parser.add_argument(
        "--regions", action="store_true", help="train disc (rim and cup) and cup, not rim and cup"
    )
    parser.add_argument(
        "--center-crop",
        nargs=2,
        type=int,
        metavar=("ROWS", "COLUMNS"),
        help="crop to this size around the centre (512 512 in the FairSeg paper)",
    )
    add_resize_argument(
        parser,
        "size of all images, after the crop (images linearly, masks by nearest neighbour)",
    )
    parser.add_argument(
        "--image-key", metavar="NAME", help="array of the image, such as oct_fundus"
    )
    parser.add_argument("--mask-key", metavar="NAME", help="array of the mask")
    parser.add_argument(
        "--test-ratio",
        type=float,
        help="share of people to draw for the test part (0.2 where nothing else decides)",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of that choice")
    add_unpaired_argument(
        parser,
        "files that lists or table name but that are missing: refuse, or continue without them",
    )
    return parser


def _convert(args: argparse.Namespace) -> None:
    from nnunetv2_fair.dataset_conversion.fairseg.plan import plan_fairseg
    from nnunetv2_fair.dataset_conversion.fairseg.settings import FairSegSettings

    settings = FairSegSettings(
        folder=args.i,
        dataset_id=args.d,
        name=args.n,
        split_lists=tuple(args.split_lists),
        synthetic=args.synthetic,
        race_scheme=args.race_codes,
        regions=args.regions,
        image_key=args.image_key,
        mask_key=args.mask_key,
        crop=size_of(args.center_crop),
        size=size_of(args.resize),
        test_ratio=args.test_ratio,
        seed=args.seed,
        unpaired=args.unpaired,
    )
    convert(lambda: plan_fairseg(settings, processes_of(args)), args)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see ``--help``.

    Args:
        argv: Arguments; those of the process by default.

    Returns:
        0 on success, 1 on bad data, 2 on bad usage, 130 when interrupted.
    """
    return run(_convert, _parser(), argv)


if __name__ == "__main__":
    raise SystemExit(main())
