"""``nnUNetv2_fair_convert_QDUS``: thyroid ultrasound with sex and age becomes a dataset."""

import argparse
from collections.abc import Sequence

from nnunetv2_fair.cli.shared.common import command_parser, run
from nnunetv2_fair.cli.shared.conversion_arguments import (
    add_conversion_arguments,
    add_picture_arguments,
    convert,
    processes_of,
    size_of,
)
from nnunetv2_fair.cli.shared.pairs import check_names
from nnunetv2_fair.cli.shared.table_arguments import add_table_arguments, table_settings

_COLUMNS = ("image", "case_id", "sex", "age")


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "nnUNetv2_fair_convert_QDUS",
        "Turn thyroid ultrasound images, nodule masks and a table with case_id, Sex and Age into\n"
        "an nnU-Net dataset. A row may describe an image (column image) or all images whose name\n"
        "begins with its case_id. Images become grey levels; mask values above 0 (in JPEG masks\n"
        "above 127) are nodule; age groups are <50 and >=50. Files without a counterpart are left\n"
        "out and listed in conversion_log.txt. Sex may be F/M, Female/Male or 女/男; numbers need\n"
        "--values sex, ages such as 045Y are understood. Training and test part are 7:3 by case,\n"
        "as in the APPLE paper, which also resizes to 256 x 256.",
        "nnUNetv2_fair_convert_QDUS -i QDUS -d 43 --values sex 0=female 1=male",
    )
    add_conversion_arguments(parser, "QDUS")
    add_picture_arguments(parser, test_ratio=0.3)
    add_table_arguments(parser, ("image", "case_id"), "age=50")
    return parser


def _convert(args: argparse.Namespace) -> None:
    from nnunetv2_fair.dataset_conversion.image_folder.plan import plan_image_folder
    from nnunetv2_fair.dataset_conversion.image_folder.qdus import qdus_settings

    reading = table_settings(args)
    check_names("--columns", reading.columns, _COLUMNS)
    check_names("--values", reading.values, ("sex", "age"))
    settings = qdus_settings(
        args.i,
        args.d,
        args.n,
        table=args.table,
        reading=reading,
        size=size_of(args.resize),
        test_ratio=args.test_ratio,
        seed=args.seed,
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
