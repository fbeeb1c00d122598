"""``nnUNetv2_fair_synthesize masks``: masks of groups, learnt from training masks."""

import argparse
import importlib.metadata
import logging
from pathlib import Path

from nnunetv2_fair import __version__, paths
from nnunetv2_fair.cli.shared.common import add_attribute
from nnunetv2_fair.cli.synthesis.checks import check_least, check_outside
from nnunetv2_fair.errors import counted
from nnunetv2_fair.files.outputs import one_unit, output_folder

logger = logging.getLogger(__name__)

HELP = "learn the outlines of training masks by group, and draw new masks"
_COMMAND = "nnUNetv2_fair_synthesize masks"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this step."""
    parser.add_argument("-d", required=True, metavar="DATASET", help="id or name of the dataset")
    add_attribute(parser, "race")
    parser.add_argument("-o", type=Path, required=True, metavar="FOLDER", help="new pack")
    parser.add_argument("-n", type=int, default=500, metavar="N", help="masks of each group")
    parser.add_argument(
        "--group", nargs="+", default=[], metavar="GROUP",
        help="groups to draw masks of (default: all)",
    )  # fmt: skip
    parser.add_argument(
        "--model", choices=("shape", "pca"), default="shape",
        help="shape: diffusion of the outlines' principal components (extra synthesis); pca: a "
        "Gaussian of them for each group, the baseline",
    )  # fmt: skip
    parser.add_argument(
        "--steps", type=int, default=1500, metavar="N", help="training steps of --model shape"
    )
    parser.add_argument(
        "--unusable", choices=("error", "skip"), default="error",
        help="training masks without one closed outline of each structure: refuse, or leave out",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="seed of all that is random")
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier pack")


def act(args: argparse.Namespace) -> None:
    """Learn and draw."""
    check_least("-n", args.n, 1)
    check_least("--steps", args.steps, 1)
    check_least("--seed", args.seed, 0)
    folder = paths.raw_dataset(args.d)
    check_outside(args.o, folder)
    names = ("labels", "groups.csv", "pack.json")
    with output_folder(args.o, _COMMAND, names, overwrite=args.overwrite):
        _draw_into(args, folder)


def _draw_into(args: argparse.Namespace, folder: Path) -> None:
    """Read, learn, draw and write, in a folder that nobody else uses."""
    from nnunetv2_fair.synthesis.masks.drawing import draw_masks
    from nnunetv2_fair.synthesis.masks.shape_model import ShapeModel, schedulers
    from nnunetv2_fair.synthesis.masks.training_masks import read_training_masks
    from nnunetv2_fair.synthesis.masks.writing import write_masks

    diffusion = args.model == "shape"
    if diffusion:
        schedulers()  # refused before anything is read
    known = read_training_masks(folder, args.a, args.group, leave_out=args.unusable == "skip")
    for sentence in known.warnings:
        logger.warning("WARNING: %s.", sentence)
    cases = {group: own.outlines for group, own in known.groups.items()}
    logger.info("Learning from %d masks.", sum(map(len, cases.values())))
    model = ShapeModel(cases, diffusion=diffusion, steps=args.steps, seed=args.seed)
    drawn = draw_masks(model, known, args.n, args.seed)
    made = {"command": _COMMAND, "model": args.model, "seed": args.seed, "version": __version__}
    if diffusion:
        made |= {"steps": args.steps, "diffusers": importlib.metadata.version("diffusers")}
    with one_unit(args.o, _COMMAND) as temporary:
        write_masks(temporary, drawn, known, made)
    for group, masks in drawn.masks.items():
        dropped = drawn.dropped[group]
        reasons = "".join(f"; {why} {k}" for why, k in dropped.items())
        logger.info(
            "%s: %s, %d drawn and dropped%s", group, counted(len(masks), "mask"),
            sum(dropped.values()), reasons,
        )  # fmt: skip
    logger.info("Wrote %s", args.o)
