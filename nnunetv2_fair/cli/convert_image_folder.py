"""``nnUNetv2_fair_convert_image_folder``: images, masks and a table become a dataset."""

import argparse
from collections.abc import Sequence

from nnunetv2_fair.cli.shared.common import command_parser, run
from nnunetv2_fair.cli.shared.conversion_arguments import (
    add_conversion_arguments,
    add_picture_arguments,
    add_unpaired_argument,
    column_map,
    convert,
    label_map_of,
    number_lists,
    number_pairs,
    processes_of,
    size_of,
    value_maps,
)
from nnunetv2_fair.errors import UsageError


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "nnUNetv2_fair_convert_image_folder",
        "Turn a folder with images/, masks/ and a table (metadata.csv, .tsv or .xlsx) into an\n"
        "nnU-Net dataset with a demographics table. Everything is checked before anything is\n"
        "written; an interrupted conversion resumes when the command is run again.",
        "nnUNetv2_fair_convert_image_folder -i RADIOGRAPHS -d 42 -n Lungs -a sex -a age "
        '--unknown "?" --bins age=50,65 --labels lungs=1 heart=2',
    )
    add_conversion_arguments(parser)
    parser.add_argument("--images", default="images", help="subfolder of the images")
    parser.add_argument("--masks", default="masks", help="subfolder of the masks")
    parser.add_argument(
        "--suffix-mask",
        default="",
        metavar="TEXT",
        help="what a mask's name has after its image's name, such as _mask",
    )
    add_picture_arguments(parser)
    parser.add_argument(
        "-a",
        action="append",
        metavar="ATTRIBUTE",
        help="attribute to take; repeat for more (default: all columns with few levels or numbers)",
    )
    parser.add_argument("--default", metavar="ATTRIBUTE", help="the dataset's default attribute")
    parser.add_argument(
        "--bins",
        nargs="+",
        default=[],
        metavar="ATTRIBUTE=CUTS",
        help="where to cut numbers into groups, such as age=50,65 (default: quartiles)",
    )
    parser.add_argument(
        "--range",
        nargs="+",
        default=[],
        metavar="ATTRIBUTE=LOW,HIGH",
        help="plausible numbers, such as bmi=10,80 (0,120 by default for age)",
    )
    parser.add_argument(
        "--dicom-age",
        nargs="+",
        default=[],
        metavar="ATTRIBUTE",
        help="attributes that may look like 045Y",
    )
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
        "--channel-name", default="grey", help="name of the channel; nnU-Net normalises by it"
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


def _ranges(texts: Sequence[str]) -> dict[str, tuple[float, float]]:
    result = {}
    for name, numbers in number_lists(texts, "--range").items():
        if len(numbers) != 2 or numbers[0] >= numbers[1]:
            raise UsageError(f"--range {name}: expected lowest and highest, such as age=0,120")
        result[name] = (numbers[0], numbers[1])
    return result


def _convert(args: argparse.Namespace) -> None:
    from nnunetv2_fair.dataset_conversion.image_folder.plan import (
        ImageFolderSettings,
        plan_image_folder,
    )
    from nnunetv2_fair.dataset_conversion.shared.metadata import TableSettings
    from nnunetv2_fair.dataset_conversion.shared.pictures import MaskRules

    columns = column_map(args.columns)
    if args.split_column:
        columns["split"] = args.split_column
    label_map = label_map_of(args.label_map)
    settings = ImageFolderSettings(
        folder=args.i,
        dataset_id=args.d,
        name=args.n,
        images=(args.images,),
        masks=(args.masks,),
        table=args.table,
        table_settings=TableSettings(
            columns=columns,
            attributes=tuple(args.a) if args.a else None,
            unknown=tuple(args.unknown),
            values=value_maps(args.values),
            bins=number_lists(args.bins, "--bins"),
            ranges=_ranges(args.range),
            dicom_age=tuple(args.dicom_age),
            default=args.default,
            per=args.table_per,
            sheet=args.sheet,
        ),
        mask_suffixes=(args.suffix_mask,),
        patient_from_name=args.patient_from_name,
        labels=number_pairs(args.labels, "--labels"),
        rules=MaskRules(label_map, args.threshold),
        color=args.color,
        channel_name=args.channel_name,
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
