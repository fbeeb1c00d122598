"""``nnUNetv2_fair_synthesize masks``: masks of groups, learnt from training masks."""

import argparse
import importlib.metadata
import logging
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnunetv2_fair import __version__, paths
from nnunetv2_fair.cli.shared.common import add_attribute
from nnunetv2_fair.cli.synthesis.checks import check_least, check_outside
from nnunetv2_fair.cli.synthesis.training_folder import held, show, training_folder
from nnunetv2_fair.errors import UsageError, counted
from nnunetv2_fair.files.outputs import one_unit, output_folder
from nnunetv2_fair.subgroups.tokens import attribute_token

if TYPE_CHECKING:
    from nnunetv2_fair.synthesis.masks.drawing import MaskModel
    from nnunetv2_fair.synthesis.masks.training_masks import TrainingMasks

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
        "--model", choices=("shape", "pca", "points"), default="shape",
        help="shape: diffusion of the outlines' principal components (extra synthesis); pca: a "
        "Gaussian of them for each group, the baseline; points: FairDiff's diffusion of 512 points "
        "in space, which needs a GPU and long training",
    )  # fmt: skip
    parser.add_argument(
        "--steps", type=int, metavar="N",
        help="training steps (default: 1500 of --model shape, 200000 of points, for each group)",
    )  # fmt: skip
    parser.add_argument(
        "--training", type=Path, metavar="FOLDER",
        help="of --model points: its checkpoints; a training that is there is continued, and used "
        "once it is finished (default: SynthesisMasks_ATTRIBUTE of the dataset in nnUNet_results)",
    )  # fmt: skip
    parser.add_argument(
        "-device", choices=("cuda", "cpu", "mps"), help="of --model points (default: cuda)"
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
    if args.steps is not None:
        check_least("--steps", args.steps, 1)
    check_least("--seed", args.seed, 0)
    if args.steps is not None and args.model == "pca":
        raise UsageError("--steps is for --model shape and points; --model pca is not trained.")
    for option, given in (("--training", args.training), ("-device", args.device)):
        if given is not None and args.model != "points":
            raise UsageError(f"{option} is for --model points; --model {args.model} has none.")
    folder = paths.raw_dataset(args.d)
    check_outside(args.o, folder)
    names = ("labels", "groups.csv", "pack.json")
    with output_folder(args.o, _COMMAND, names, overwrite=args.overwrite):
        _draw_into(args, folder)


def _draw_into(args: argparse.Namespace, folder: Path) -> None:
    """Read, learn, draw and write, in a folder that nobody else uses."""
    from nnunetv2_fair.networks.devices import require_device
    from nnunetv2_fair.synthesis.masks.drawing import draw_masks
    from nnunetv2_fair.synthesis.masks.point_clouds import POINTS as OF_CLOUD
    from nnunetv2_fair.synthesis.masks.shape_model import schedulers
    from nnunetv2_fair.synthesis.masks.training_masks import POINTS, read_training_masks
    from nnunetv2_fair.synthesis.masks.writing import write_masks

    clouds = args.model == "points"
    if clouds:
        require_device(args.device or "cuda")
    elif args.model == "shape":
        schedulers()  # refused before anything is read
    known = read_training_masks(
        folder,
        args.a,
        args.group,
        leave_out=args.unusable == "skip",
        points=OF_CLOUD if clouds else POINTS,
    )
    for sentence in known.warnings:
        logger.warning("WARNING: %s.", sentence)
    logger.info("Learning from %d masks.", sum(len(own.areas) for own in known.groups.values()))
    made = {"command": _COMMAND, "model": args.model, "seed": args.seed, "version": __version__}
    model = _clouds(args, folder, known, made) if clouds else _outlines(args, known, made)
    drawn = draw_masks(model, known, args.n, args.seed)
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


def _outlines(
    args: argparse.Namespace, known: "TrainingMasks", made: dict[str, Any]
) -> "MaskModel":
    """Learn ordered outlines, and note how."""
    from nnunetv2_fair.synthesis.masks.shape_model import ShapeModel

    steps = 1500 if args.steps is None else args.steps
    if args.model == "shape":
        made |= {"steps": steps, "diffusers": importlib.metadata.version("diffusers")}
    cases = {group: own.outlines for group, own in known.groups.items()}
    return ShapeModel(cases, diffusion=args.model == "shape", steps=steps, seed=args.seed)


def _clouds(
    args: argparse.Namespace, folder: Path, known: "TrainingMasks", made: dict[str, Any]
) -> "MaskModel":
    """Learn clouds of points, or continue, and note how."""
    from tqdm import tqdm

    from nnunetv2_fair.synthesis.masks.point_model import PointModel, PointSettings

    settings = PointSettings(seed=args.seed)
    if args.steps is not None:
        settings = replace(settings, steps=args.steps)
    made |= {"training": asdict(settings)}
    training = training_folder(
        args.training, folder.name, f"SynthesisMasks_{attribute_token(known.attribute)}"
    )
    cases = {group: own.outlines for group, own in known.groups.items()}
    total = settings.steps * len(known.wanted)
    with held(training), tqdm(total=total, desc="Training", unit="step") as bar:

        def stepped(group: str, done: int) -> None:
            show(bar, settings.steps * known.wanted.index(group) + done)

        return PointModel(
            cases, known.wanted, settings, training, args.device or "cuda", stepped=stepped
        )
