"""``nnUNetv2_fair_synthesize quality``: synthetic images beside real ones, by group."""

import argparse
import logging
from pathlib import Path

from nnunetv2_fair import __version__, paths
from nnunetv2_fair.cli.shared.common import add_attribute
from nnunetv2_fair.cli.synthesis.checks import check_least, check_outside
from nnunetv2_fair.files.outputs import one_unit, output_folder

logger = logging.getLogger(__name__)

HELP = "measure the images of a pack by group, each measure beside what real images reach"
_COMMAND = "nnUNetv2_fair_synthesize quality"
_JSON, _CSV = "quality.json", "quality.csv"
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
    parser.add_argument("--draws", type=int, default=20, metavar="N", help="splits of real images")
    parser.add_argument("--seed", type=int, default=0, help="seed of splits and features")
    parser.add_argument("--overwrite", action="store_true", help="replace earlier files in -o")


def act(args: argparse.Namespace) -> None:
    """Measure."""
    check_least("--draws", args.draws, 1)
    check_least("--seed", args.seed, 0)
    folder = paths.raw_dataset(args.d)
    if args.o is None:
        _measure(args, folder)
        return
    check_outside(args.o, folder, args.pack)
    with output_folder(args.o, _COMMAND, (_JSON, _CSV), overwrite=args.overwrite):
        _measure(args, folder)


def _measure(args: argparse.Namespace, folder: Path) -> None:
    from nnunetv2_fair.synthesis.quality.of_pack import pack_quality
    from nnunetv2_fair.synthesis.quality.results import as_csv, as_json, lines_of

    found = pack_quality(folder, args.a, args.pack, draws=args.draws, seed=args.seed)
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
            "version": __version__, "features": "random convolutions", "seed": args.seed,
            "draws": args.draws,
        }  # fmt: skip
        with one_unit(args.o, _COMMAND) as temporary:
            (temporary / _JSON).write_text(as_json(found, made), encoding="utf-8", newline="")
            (temporary / _CSV).write_text(as_csv(found), encoding="utf-8", newline="")
        logger.info("Wrote %s", args.o)
