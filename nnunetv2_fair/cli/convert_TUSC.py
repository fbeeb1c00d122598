"""``nnUNetv2_fair_convert_TUSC``: thyroid ultrasound cine-clips become a dataset."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from nnunetv2_fair.cli.shared.common import command_parser, run
from nnunetv2_fair.cli.shared.conversion_arguments import (
    add_conversion_arguments,
    add_resize_argument,
    add_unpaired_argument,
    convert,
    size_of,
)
from nnunetv2_fair.cli.shared.table_arguments import add_table_arguments, table_settings


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "nnUNetv2_fair_convert_TUSC",
        "Turn the Stanford thyroid ultrasound cine-clips (dataset.hdf5, metadata.csv) into an\n"
        "nnU-Net dataset with sex, age (<50, >=50), TI-RADS and histopathology. Frames are read\n"
        "one by one, so the 36 GB need little memory. Every fifth frame of each clip is taken,\n"
        "training and test part are 7:3 by clip, each group keeping its share. An empty sex is\n"
        "unknown. The table names nodules, not patients, so folds can only be by clip.",
        "nnUNetv2_fair_convert_TUSC -i TUSC -d 44 --resize 256 256",
    )
    add_conversion_arguments(parser, "TUSC")
    parser.add_argument("--table", type=Path, help="table file, if not metadata.csv")
    parser.add_argument(
        "--every", type=int, default=5, metavar="N", help="take every N-th frame of each clip"
    )
    add_resize_argument(
        parser,
        "size of all frames (256 256 in the APPLE paper; images linearly, masks by nearest "
        "neighbour); the original size by default",
    )
    parser.add_argument(
        "--test-ratio", type=float, default=0.3, help="share of clips for the test part"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the choice of the test part")
    add_table_arguments(parser, ("patient",), "age=50")
    add_unpaired_argument(
        parser,
        "clips without a row in the table, and vice versa: refuse, or leave out and list",
    )
    return parser


def _convert(args: argparse.Namespace) -> None:
    from nnunetv2_fair.dataset_conversion.tusc.plan import TuscSettings, plan_tusc

    settings = TuscSettings(
        folder=args.i,
        dataset_id=args.d,
        name=args.n,
        table=args.table,
        every=args.every,
        size=size_of(args.resize),
        test_ratio=args.test_ratio,
        seed=args.seed,
        reading=table_settings(args),
        unpaired=args.unpaired,
    )
    convert(lambda: plan_tusc(settings), args)


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
