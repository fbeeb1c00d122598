"""``nnUNetv2_fair_convert_image_folder``: images, masks and a table become a dataset."""

import argparse
from collections.abc import Sequence
from dataclasses import replace

from nnunetv2_fair.cli.shared.common import command_parser, run
from nnunetv2_fair.cli.shared.conversion_arguments import (
    add_conversion_arguments,
    add_picture_arguments,
    add_unpaired_argument,
    convert,
    label_map_of,
    processes_of,
    size_of,
)
from nnunetv2_fair.cli.shared.pairs import number_pairs
from nnunetv2_fair.cli.shared.table_arguments import (
    add_attributes,
    add_table_arguments,
    table_settings,
)
from nnunetv2_fair.tables.remedy import split_pair


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "nnUNetv2_fair_convert_image_folder",
        "Turn images or volumes, their masks and a table into an nnU-Net dataset with a\n"
        "demographics table. Read are PNG, JPG, BMP and TIFF pictures, and NIfTI, MetaImage, NRRD\n"
        "and GIPL volumes: in folders images/ and masks/, in one folder, or in a folder per case.\n"
        "Everything is checked before anything is written; an interrupted conversion resumes when\n"
        "the command is run again.",
        "nnUNetv2_fair_convert_image_folder -i RADIOGRAPHS -d 42 -n Lungs -a sex age "
        '--unknown "?" --bins age=50,65 --labels lungs=1 heart=2',
    )
    add_conversion_arguments(parser)
    parser.add_argument("--images", default="images", help="subfolder of the images")
    parser.add_argument("--masks", default="masks", help="subfolder of the masks")
    parser.add_argument(
        "--suffix-mask",
        metavar="TEXT",
        help="what a mask's name has after its image's name (default: nothing, or _mask, _seg, "
        "_label and the like)",
    )
    add_picture_arguments(parser)
    add_table_arguments(parser, ("image", "patient", "synthetic"), "quartiles")
    add_attributes(
        parser,
        "attributes to take (default: all columns with few levels or numbers)",
    )
    parser.add_argument("--default", metavar="ATTRIBUTE", help="the dataset's default attribute")
    parser.add_argument(
        "--table-per",
        choices=("image", "patient"),
        default="image",
        help="whether a row describes one image or all images of a patient",
    )
    parser.add_argument(
        "--patient-from-name",
        metavar="REGEX",
        help="regular expression whose group is the patient in an image's name: '^([^_]+)_'",
    )
    parser.add_argument("--split-column", metavar="COLUMN", help="column that says train or test")
    parser.add_argument(
        "--labels", nargs="+", default=[], metavar="NAME=LABEL", help="such as lungs=1 heart=2"
    )
    parser.add_argument(
        "--label-map",
        nargs="+",
        default=[],
        metavar="VALUE=LABEL",
        help="label of each value in the mask files, such as 255=1",
    )
    parser.add_argument(
        "--threshold", type=int, help="mask values above it become label 1; needed for JPEG masks"
    )
    parser.add_argument(
        "--color",
        choices=("grey", "rgb", "to-grey"),
        default="grey",
        help="grey: refuse colour; rgb: three channels; to-grey: luminance of colour",
    )
    parser.add_argument(
        "--channels",
        nargs="+",
        default=[],
        metavar="NAME",
        help="names of the channels, by which nnU-Net normalises (CT is for computed tomography), "
        "in the order of _0000, _0001; or as files are called: t1 t2, or t1=T1 t2=T2 (default: as "
        "the files say, else grey or image)",
    )
    add_unpaired_argument(
        parser,
        "images without mask or row, and vice versa: refuse, or leave out and list",
    )
    parser.add_argument("--licence", default="unknown", help="terms of the data")
    parser.add_argument("--reference", default="", help="where the data come from")
    parser.add_argument("--release", default="", help="version of the data")
    parser.add_argument("--description", default="", help="one sentence")
    return parser


def _convert(args: argparse.Namespace) -> None:
    from nnunetv2_fair.dataset_conversion.image_folder.layout import Channel
    from nnunetv2_fair.dataset_conversion.image_folder.plan import (
        ImageFolderSettings,
        plan_image_folder,
    )
    from nnunetv2_fair.dataset_conversion.shared.pictures import MaskRules

    reading = table_settings(args)
    if args.split_column:
        reading = replace(reading, columns={**reading.columns, "split": args.split_column})
    label_map = label_map_of(args.label_map)
    settings = ImageFolderSettings(
        folder=args.i,
        dataset_id=args.d,
        name=args.n,
        images=(args.images,),
        masks=(args.masks,),
        table=args.table,
        table_settings=replace(
            reading,
            attributes=tuple(args.a) or None,
            default=args.default,
            key=args.table_per,
        ),
        mask_suffixes=None if args.suffix_mask is None else (args.suffix_mask,),
        patient_from_name=args.patient_from_name,
        labels=number_pairs(args.labels, "--labels"),
        rules=MaskRules(label_map, args.threshold),
        color=args.color,
        channels=tuple(
            Channel(*pair) if (pair := split_pair(text)) else Channel(None, text)
            for text in args.channels
        ),
        size=size_of(args.resize),
        test_ratio=args.test_ratio,
        seed=args.seed,
        unpaired=args.unpaired,
        licence=args.licence,
        reference=args.reference,
        release=args.release,
        description=args.description,
    )
    convert(lambda: plan_image_folder(settings, processes_of(args)), args)


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
