"""The features that images are compared by, from the arguments of ``quality``."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nnunetv2_fair.cli.shared.common import require_nnunet
from nnunetv2_fair.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from nnunetv2_fair.synthesis.quality.of_pack import Features


@dataclass(frozen=True)
class ChosenFeatures:
    """Features of images.

    Attributes:
        name: For people.
        of: Returns them.
        scaled: Whether each is divided by its spread in real images before sets are compared.
    """

    name: str
    of: "Features"
    scaled: bool = True


def add_features(parser: argparse.ArgumentParser) -> None:
    """Add ``--features`` and what it needs."""
    parser.add_argument(
        "--features", choices=("random", "bottleneck", "inception"), default="random",
        help="random: convolutions with random weights, which see contrast and blur; bottleneck: "
        "between encoder and decoder of a trained nnU-Net, which sees shapes and is blind to "
        "contrast (-c, -tr, -f); inception: as papers do (--weights)",
    )  # fmt: skip
    parser.add_argument(
        "--weights", type=Path, metavar="FILE",
        help="of --features inception, as torch-fidelity uses them; nothing is downloaded",
    )  # fmt: skip
    parser.add_argument("-c", metavar="CONFIGURATION", help="of --features bottleneck: such as 2d")
    parser.add_argument("-tr", metavar="TRAINER", help="its trainer (default: nnUNetTrainer)")
    parser.add_argument("-p", metavar="PLANS", help="its plans (default: nnUNetPlans)")
    parser.add_argument("-f", metavar="FOLD", help="its fold (default: 0)")
    parser.add_argument(
        "-device", choices=("cuda", "cpu", "mps"), help="of --features bottleneck (default: cuda)"
    )


def chosen_features(args: argparse.Namespace) -> ChosenFeatures:
    """Return the features that were asked for; models are loaded.

    Raises:
        UsageError: If options are missing or do not fit each other.
        InstallationError: If a package is missing.
        ModelError: If a model is missing or cannot be loaded.
    """
    needs = {"-c": "bottleneck", "-tr": "bottleneck", "-p": "bottleneck", "-f": "bottleneck",
             "-device": "bottleneck", "--weights": "inception"}  # fmt: skip
    for option, features in needs.items():
        if getattr(args, option.lstrip("-")) is not None and args.features != features:
            raise UsageError(f"{option} is for --features {features}, which was not chosen.")
    if args.features == "bottleneck":
        return _bottleneck(args)
    if args.features == "inception":
        if args.weights is None or not args.weights.is_file():
            raise UsageError(
                f"--features inception needs --weights FILE; {args.weights or 'none'} is no file. "
                "Nothing is downloaded: get weights-inception-2015-12-05-6726825d.pth of "
                "torch-fidelity yourself."
            )
        from nnunetv2_fair.synthesis.quality.inception_features import Inception

        network = Inception(args.weights)
        return ChosenFeatures("Inception", lambda images, _: network.features(images), False)
    from nnunetv2_fair.synthesis.quality.random_features import random_features

    return ChosenFeatures(
        "random convolutions", lambda images, _: random_features(images, args.seed)
    )


def _bottleneck(args: argparse.Namespace) -> ChosenFeatures:
    if args.c is None:
        raise UsageError("--features bottleneck needs a trained model: -c, such as -c 2d.")
    require_nnunet()
    from nnunetv2_fair.inspection.embeddings import LatentModel, embed_cases
    from nnunetv2_fair.networks.devices import require_device
    from nnunetv2_fair.nnunet.trained_models import check_trained, model_folder

    require_device(args.device or "cuda")
    checkpoint, fold, trainer = "checkpoint_final.pth", args.f or "0", args.tr or "nnUNetTrainer"
    folder = model_folder(args.d, trainer, args.p or "nnUNetPlans", args.c)
    check_trained([folder], [fold], checkpoint)
    model = LatentModel(folder, fold, checkpoint, args.device or "cuda")

    def of(_: "np.ndarray", files: Sequence[Sequence[Path]]) -> "np.ndarray":
        numbered = {str(number): own for number, own in enumerate(files)}
        return next(iter(embed_cases([model], numbered).values()))

    return ChosenFeatures(f"bottleneck of {folder.name}, fold {fold}", of)
