"""``nnUNetv2_fair_synthesize quality``: synthetic images beside real ones, by group."""

import argparse
import logging
from pathlib import Path

from nnunetv2_fair import __version__, paths
from nnunetv2_fair.cli.shared.common import add_attribute
from nnunetv2_fair.cli.synthesis.checks import check_least, check_outside
from nnunetv2_fair.cli.synthesis.features import add_features, chosen_features
from nnunetv2_fair.errors import UsageError
from nnunetv2_fair.files.outputs import one_unit, output_folder

logger = logging.getLogger(__name__)

HELP = "measure the images of a pack by group, each measure beside what real images reach"
_COMMAND = "nnUNetv2_fair_synthesize quality"
_JSON, _CSV = "quality.json", "quality.csv"
_SHEET, _KEY = "sheet.png", "sheet_key.csv"
#: Images on each side below which the floor varies widely.
_FEW = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this step."""
    parser.add_argument("-d", required=True, metavar="DATASET", help="id or name of the dataset")
    add_attribute(parser, "race", "that of the pack")
    parser.add_argument(
        "--pack", type=Path, required=True, metavar="FOLDER",
        help="synthetic cases: labels/, images/ and groups.csv",
    )  # fmt: skip
    parser.add_argument(
        "-o", type=Path, metavar="FOLDER", help=f"also write {_JSON} and {_CSV} into this folder"
    )
    add_features(parser)
    parser.add_argument(
        "--sheet", action="store_true",
        help=f"also write a page to print, {_SHEET}, with real and synthetic cases mixed, for an "
        f"expert to tell apart, and {_KEY}, which says what each is",
    )  # fmt: skip
    parser.add_argument("--draws", type=int, default=20, metavar="N", help="splits of real images")
    parser.add_argument("--seed", type=int, default=0, help="seed of splits and features")
    parser.add_argument("--overwrite", action="store_true", help="replace earlier files in -o")


def act(args: argparse.Namespace) -> None:
    """Measure."""
    check_least("--draws", args.draws, 1)
    check_least("--seed", args.seed, 0)
    if args.sheet and args.o is None:
        raise UsageError("--sheet needs a folder to write to: -o.")
    folder = paths.raw_dataset(args.d)
    if args.o is None:
        _measure(args, folder)
        return
    check_outside(args.o, folder, args.pack)
    names = (_JSON, _CSV, _SHEET, _KEY) if args.sheet else (_JSON, _CSV)
    with output_folder(args.o, _COMMAND, names, overwrite=args.overwrite):
        _measure(args, folder)


def _measure(args: argparse.Namespace, folder: Path) -> None:
    from nnunetv2_fair.synthesis.quality.of_pack import pack_quality
    from nnunetv2_fair.synthesis.quality.results import as_csv, as_json, lines_of
    from nnunetv2_fair.synthesis.quality.sheet import write_sheet

    chosen = chosen_features(args)
    found = pack_quality(
        folder, args.a, args.pack, chosen.of, draws=args.draws, seed=args.seed,
        scaled=chosen.scaled,
    )  # fmt: skip
    logger.info("Features: %s", chosen.name)
    for group, own in found.groups.items():
        for line in lines_of(group, own):
            logger.info("%s", line)
        if own.n < _FEW:
            logger.warning(
                "WARNING: %s: sets of %d images, fewer than %d, say little.", group, own.n, _FEW
            )
    for group, (synthetic, real) in found.unmeasured.items():
        logger.warning(
            "WARNING: %s is not measured: %d synthetic and %d real images are too few.",
            group, synthetic, real,
        )  # fmt: skip
    if args.o is not None:
        made = {
            "version": __version__, "features": chosen.name, "seed": args.seed,
            "draws": args.draws,
        }  # fmt: skip
        with one_unit(args.o, _COMMAND) as temporary:
            (temporary / _JSON).write_text(as_json(found, made), encoding="utf-8", newline="")
            (temporary / _CSV).write_text(as_csv(found), encoding="utf-8", newline="")
            if args.sheet:
                sheet, key = temporary / _SHEET, temporary / _KEY
                n = write_sheet(sheet, key, folder, args.a, args.pack, args.seed)
        logger.info("Wrote %s", args.o)
        if args.sheet:
            logger.info(
                "%s shows %d cases, half of them real patients. Keep %s from whoever judges it.",
                args.o / _SHEET, n, _KEY,
            )  # fmt: skip
