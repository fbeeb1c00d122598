"""``nnUNetv2_fair_synthesize images``: images for the masks of a pack."""

import argparse
import importlib.metadata
import logging
from collections.abc import Sequence
from dataclasses import asdict
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
    import numpy as np
    from numpy.typing import NDArray

    from nnunetv2_fair.synthesis.images.material import Material
    from nnunetv2_fair.synthesis.images.network import ImageNetwork
    from nnunetv2_fair.synthesis.images.training import TrainingSettings
    from nnunetv2_fair.synthesis.learning.resumable import Progress

logger = logging.getLogger(__name__)

HELP = "learn from the training images by group, and make an image for each mask of a pack"
_COMMAND = "nnUNetv2_fair_synthesize images"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this step."""
    parser.add_argument("-d", required=True, metavar="DATASET", help="id or name of the dataset")
    add_attribute(parser, "race", "that of the pack")
    parser.add_argument(
        "--pack", type=Path, required=True, metavar="FOLDER",
        help="masks: labels/ and groups.csv, as nnUNetv2_fair_synthesize masks writes them",
    )  # fmt: skip
    parser.add_argument(
        "-o", type=Path, required=True, metavar="FOLDER", help="new pack of masks and images"
    )
    parser.add_argument(
        "--group", nargs="+", default=[], metavar="GROUP",
        help="groups of the pack to make images for (default: all)",
    )  # fmt: skip
    parser.add_argument(
        "--training", type=Path, metavar="FOLDER",
        help="checkpoint and samples; a training that is there is continued, and used once it is "
        "finished (default: SynthesisImages_ATTRIBUTE of the dataset in nnUNet_results)",
    )  # fmt: skip
    parser.add_argument("--steps", type=int, default=1500, metavar="N", help="training steps")
    parser.add_argument("--batch", type=int, default=8, metavar="N", help="cases in each step")
    parser.add_argument(
        "--rate", type=float, help="highest learning rate (default: 0.001, with --from 0.00001)"
    )
    parser.add_argument(
        "--from", type=Path, metavar="FOLDER", dest="weights",
        help="train a ControlNet on Stable Diffusion 1.5 in this folder, instead of a network from "
        "scratch: unet, vae and scheduler, as .safetensors; nothing is downloaded",
    )  # fmt: skip
    parser.add_argument(
        "--prompt", type=Path, metavar="FILE",
        help="embedding of a prompt for --from (default: prompt_embedding.safetensors in it)",
    )  # fmt: skip
    parser.add_argument(
        "--no-mirror", action="store_true",
        help="do not mirror training cases left to right: where sides differ",
    )  # fmt: skip
    parser.add_argument(
        "--sampling-steps", type=int, default=20, metavar="N", help="steps from noise to image"
    )
    parser.add_argument(
        "--guidance", type=float, default=1.0,
        help="1 follows the group as training cases do; above, more so",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="seed of all that is random")
    parser.add_argument("-device", choices=("cuda", "cpu", "mps"), default="cuda", help="device")
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier pack in -o")


def act(args: argparse.Namespace) -> None:
    """Train and draw."""
    if not 1 <= args.sampling_steps <= 1000:
        raise UsageError(f"--sampling-steps {args.sampling_steps}: expected 1 to 1000.")
    if not 0 <= args.guidance <= 100:
        raise UsageError(f"--guidance {args.guidance}: expected 0 to 100.")
    check_least("--seed", args.seed, 0)
    if args.weights is None and args.prompt is not None:
        raise UsageError("--prompt is for --from, which was not given.")
    if args.weights is not None and args.guidance != 1:
        raise UsageError(
            f"--guidance {args.guidance}: with --from, groups are not told to the network, so that "
            "nothing can be followed more closely. Leave it out."
        )
    folder = paths.raw_dataset(args.d)
    check_outside(args.o, folder, args.pack)
    names = ("labels", "images", "groups.csv", "pack.json")
    with output_folder(args.o, _COMMAND, names, overwrite=args.overwrite):
        _make_into(args, folder)


def _make_into(args: argparse.Namespace, folder: Path) -> None:
    """Read, train, draw and write, in a folder that nobody else uses."""
    import numpy as np
    from tqdm import tqdm

    from nnunetv2_fair.networks.devices import require_device
    from nnunetv2_fair.synthesis.images.material import read_material
    from nnunetv2_fair.synthesis.images.network import scratch_plan, unet_class
    from nnunetv2_fair.synthesis.images.sampling import sample
    from nnunetv2_fair.synthesis.images.stable_diffusion import read_stable_diffusion
    from nnunetv2_fair.synthesis.images.training import TrainingSettings
    from nnunetv2_fair.synthesis.images.writing import kept_images, write_pack

    require_device(args.device)
    unet_class()  # refused before anything is read
    rate = args.rate if args.rate is not None else 1e-3 if args.weights is None else 1e-5
    settings = TrainingSettings(
        steps=args.steps, batch=args.batch, rate=rate, mirror=not args.no_mirror, seed=args.seed
    )
    plan_of: Any = scratch_plan
    if args.weights is not None:
        plan_of = read_stable_diffusion(args.weights, args.prompt).plan
    material = read_material(folder, args.a, args.group, args.pack, plan_of)
    for sentence in material.warnings:
        logger.warning("WARNING: %s.", sentence)
    name = f"SynthesisImages_{attribute_token(material.attribute)}"
    training = training_folder(args.training, folder.name, name)
    logger.info(
        "Learning from %d images, in %s.", len(material.training.groups), training
    )  # fmt: skip
    network = _trained(material, settings, training, args.device)
    with tqdm(total=len(material.cases), desc="Drawing", unit="image") as bar:

        def draw(places: Sequence[int], turn: int) -> "NDArray[np.float32]":
            before = int(bar.n)
            bar.total = before + len(places)
            names = [material.cases[place].case for place in places]
            return sample(
                network,
                material.labels[places],
                material.groups[places],
                [f"{name}/{turn}" for name in names] if turn else names,
                seed=args.seed,
                steps=args.sampling_steps,
                guidance=args.guidance,
                tell=lambda done: show(bar, before + done),
            )

        kept = kept_images(material, draw)
    made = {
        "command": _COMMAND, "version": __version__,
        "diffusers": importlib.metadata.version("diffusers"), "training": asdict(settings),
        "sampling_steps": args.sampling_steps, "guidance": args.guidance, "seed": args.seed,
    }  # fmt: skip
    if args.weights is not None:
        made["weights"] = material.plan.as_dict()["weights"]
    with one_unit(args.o, _COMMAND) as temporary:
        write_pack(temporary, material, kept, made)
    of = np.array([material.cases[place].group for place in kept.which])
    for group, n in kept.dropped.items():
        logger.info(
            "%s: %s, %d drawn and dropped as nearer to one patient than patients are",
            group, counted(int((of == group).sum()), "case"), n,
        )  # fmt: skip
    logger.info("Wrote %s", args.o)


def _trained(
    material: "Material", settings: "TrainingSettings", training: Path, device: str
) -> "ImageNetwork":
    """Train in a folder that nobody else uses, or continue there."""
    import numpy as np
    from tqdm import tqdm

    from nnunetv2_fair.synthesis.images.training import train
    from nnunetv2_fair.synthesis.images.writing import write_samples

    with held(training), tqdm(total=settings.steps, desc="Training", unit="step") as bar:

        def tell(progress: "Progress[ImageNetwork]") -> None:
            path = training / f"samples_{progress.step:06d}.png"
            write_samples(path, material, progress.network, settings.seed)
            bar.set_postfix(loss=f"{np.mean(progress.losses[-100:]):.3f}")

        def stepped(done: int) -> None:
            show(bar, done)

        network, losses = train(
            material.training, material.plan, settings, training, device, tell, stepped
        )
    logger.info("Mean loss of the last 100 steps: %.3f", np.mean(losses[-100:]))
    return network
