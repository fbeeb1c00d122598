"""Arguments of every command that reads a table of people: what its columns and cells mean."""

import argparse
from collections.abc import Sequence

from nnunetv2_fair.cli.shared.pairs import column_map, cut_lists, number_ranges, value_maps
from nnunetv2_fair.tables.remedy import unescaped
from nnunetv2_fair.tables.settings import TableSettings


def add_table_arguments(
    parser: argparse.ArgumentParser, roles: Sequence[str], cuts: str, *, ranges: bool = True
) -> None:
    """Add the options, which :func:`table_settings` reads.

    Args:
        parser: Where to add them.
        roles: Columns that the command knows besides attributes, such as ``case``.
        cuts: Where numbers are cut without ``--bins``, in words.
        ranges: Whether the user says which numbers are plausible; of a known dataset it is known.
    """
    group = parser.add_argument_group(
        "how the table is read",
        "What is wrong with a table is listed with the options that mend it, ready to be pasted. "
        "A backslash goes before a hyphen that a text begins with, and before = in a text.",
    )
    group.add_argument(
        "--columns", nargs="+", action="extend", default=[], metavar="WHAT=COLUMN",
        help=f"columns with other names: of {', '.join(roles)} or an attribute, such as "
        f"{roles[0]}=Filename sex=Gender; or a JSON file with such pairs",
    )  # fmt: skip
    group.add_argument(
        "--values", nargs="+", action="append", default=[], metavar="ATTRIBUTE OLD=NEW",
        help="levels that cell contents mean, such as: --values sex F=female M=male; repeatable",
    )  # fmt: skip
    group.add_argument(
        "--unknown", nargs="+", action="extend", default=[], metavar="TEXT",
        help="cell contents that mean unknown, besides the empty cell and words that can mean "
        "nothing else, such as n/a",
    )  # fmt: skip
    group.add_argument(
        "--dicom-age", nargs="+", action="extend", default=[], metavar="ATTRIBUTE",
        help="attributes that may look like 045Y or 45 years",
    )  # fmt: skip
    group.add_argument(
        "--bins", nargs="+", action="extend", default=[], metavar="ATTRIBUTE=CUTS",
        help="where to cut numbers into groups, such as age=50,65 for <50, 50-<65 and >=65 "
        f"(default: {cuts})",
    )  # fmt: skip
    if ranges:
        group.add_argument(
            "--range", nargs="+", action="extend", default=[], metavar="ATTRIBUTE=LOW,HIGH",
            help="plausible numbers, such as bmi=10,80 (0,120 by default for age)",
        )  # fmt: skip
    group.add_argument("--sheet", help="sheet of an XLSX file (the first by default)")


def add_attributes(parser: argparse.ArgumentParser, what: str) -> None:
    """Add ``-a``, which takes several attributes and may be repeated.

    Args:
        parser: Where to add it.
        what: What attributes are for, and which are taken without it, in words.
    """
    parser.add_argument(
        "-a", nargs="+", action="extend", default=[], metavar="ATTRIBUTE",
        help=f"{what}; several at once or repeated",
    )  # fmt: skip


def table_settings(args: argparse.Namespace) -> TableSettings:
    """Return what the options of :func:`add_table_arguments` say.

    Raises:
        UsageError: If they cannot be read.
    """
    return TableSettings(
        columns=column_map(args.columns),
        unknown=tuple(map(unescaped, args.unknown)),
        values=value_maps(args.values),
        bins=cut_lists(args.bins),
        ranges=number_ranges(getattr(args, "range", [])),
        dicom_age=tuple(args.dicom_age),
        sheet=args.sheet,
    )
