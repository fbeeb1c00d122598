"""``nnUNetv2_fair_train_APPLE_SAM``: APPLE on the embedding of SAM, MedSAM or LiteMedSAM."""

import argparse
import logging
import math
from collections.abc import Sequence
from pathlib import Path

from nnunetv2_fair.cli.predict_SAM import add_weights
from nnunetv2_fair.cli.shared.common import command_parser, require_nnunet, run
from nnunetv2_fair.errors import UsageError, counted
from nnunetv2_fair.subgroups.tokens import attribute_token

logger = logging.getLogger(__name__)


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "nnUNetv2_fair_train_APPLE_SAM",
        "Train APPLE's perturbation of the embedding of SAM, MedSAM or LiteMedSAM, whose own "
        "weights stay as they are. Reads images, references and folds of a prepared dataset; "
        "embeddings are kept in its folder in nnUNet_preprocessed. nnUNetv2_fair_predict_SAM "
        "--generator predicts with the result. Needs the extra sam: pip install "
        "'nnunetv2_fair[sam]'; nothing is downloaded.",
        "nnUNetv2_fair_train_APPLE_SAM -d 42 -a sex --weights medsam_vit_b.pth",
    )
    parser.add_argument("-d", required=True, metavar="ID", help="dataset id or name")
    parser.add_argument("-a", metavar="ATTRIBUTE", help="such as sex or sex+age")
    add_weights(parser)
    parser.add_argument("-f", type=int, default=0, metavar="FOLD", help="fold to train on")
    parser.add_argument(
        "-o", type=Path, metavar="FOLDER",
        help="folder for the result; by default one in nnUNet_results that the settings name",
    )  # fmt: skip
    parser.add_argument("--c", action="store_true", help="continue an interrupted training")
    parser.add_argument("--beta", type=float, default=1.0, help="weight of the segmentation loss")
    parser.add_argument("--alpha", type=float, default=0.1, help="weight of the entropy")
    parser.add_argument(
        "--fairness", type=float, default=1.0,
        help="weight of the fairness loss; 0 trains for the segmentation alone: the control that "
        "says how much of a change is fine-tuning",
    )  # fmt: skip
    parser.add_argument(
        "--dloss", choices=("plain", "balanced"), default="plain",
        help="the discriminator's loss; balanced: every group counts the same however rare it is",
    )  # fmt: skip
    parser.add_argument("--epochs", type=int, default=20, help="number of epochs")
    parser.add_argument("--steps", type=int, default=25, help="steps of an epoch")
    parser.add_argument("--batch", type=int, default=4, help="slices in a step")
    parser.add_argument(
        "--jitter", type=float, default=0.05, metavar="SHARE",
        help="move every side of the boxes in training by at most this share of their length",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="seed of weights, batches and boxes")
    parser.add_argument(
        "--only-embeddings", action="store_true",
        help="make the embeddings and train nothing: for several trainings that start together",
    )  # fmt: skip
    parser.add_argument("-device", choices=("cuda", "cpu", "mps"), default="cuda", help="device")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see ``--help``.

    Returns:
        0 on success, 1 on bad data, 2 on bad usage.
    """
    return run(_train, _parser(), argv)


def _train(args: argparse.Namespace) -> None:
    require_nnunet()
    _check(args)
    from nnunetv2_fair import paths
    from nnunetv2_fair.foundation.dataset_training import Place, embed, train
    from nnunetv2_fair.foundation.task import read_task
    from nnunetv2_fair.foundation.training import TrainingSettings
    from nnunetv2_fair.foundation.weights import read_weights
    from nnunetv2_fair.networks.devices import require_device

    require_device(args.device)
    raw = paths.raw_dataset(args.d)
    task = read_task(raw, args.channel)
    weights = read_weights(args.weights, args.family)
    if args.only_embeddings:
        slices = embed(raw, args.device, args.f, task, weights)
        logger.info("Embeddings of %s are there.", counted(slices, "slice"))
        return
    settings = TrainingSettings(
        attribute=args.a, fold=args.f, beta=args.beta, alpha=args.alpha, fairness=args.fairness,
        epochs=args.epochs, steps=args.steps, batch=args.batch, jitter=args.jitter, seed=args.seed,
        balanced=args.dloss == "balanced",
    )  # fmt: skip
    out = args.o
    if out is None:
        usual = TrainingSettings(attribute=args.a, fold=args.f)
        changed = [
            f"_{name}{getattr(settings, name):g}"
            for name in ("beta", "alpha", "fairness", "epochs", "steps", "batch", "jitter", "seed")
            if getattr(settings, name) != getattr(usual, name)
        ]
        changed += ["_dlossbalanced"] if settings.balanced else []
        name = f"APPLE_SAM_{attribute_token(args.a)}{''.join(changed)}__{weights.family.name}"
        results = paths.environment_folder(paths.RESULTS)
        out = results / raw.name / name / f"fold_{args.f}"
    final = train(Place(raw, out, args.device), settings, task, weights, continues=args.c)
    logger.info("Wrote %s", final)
    logger.info("Predict with it: nnUNetv2_fair_predict_SAM --generator %s", out)


def _check(args: argparse.Namespace) -> None:
    for option, value, ok, expected in (
        ("--beta", args.beta, 0 <= args.beta < math.inf, "0 or more"),
        ("--alpha", args.alpha, 0 <= args.alpha < math.inf, "0 or more"),
        ("--fairness", args.fairness, 0 <= args.fairness < math.inf, "0 or more"),
        ("--epochs", args.epochs, args.epochs >= 1, "1 or more"),
        ("--steps", args.steps, args.steps >= 1, "1 or more"),
        ("--batch", args.batch, args.batch >= 2, "2 or more"),
        ("--jitter", args.jitter, 0 <= args.jitter < 0.5, "a share from 0 to below 0.5"),
        ("--seed", args.seed, args.seed >= 0, "0 or more"),
    ):
        if not ok:
            raise UsageError(f"{option} {value}: expected {expected}.")
    if args.a is None and not args.only_embeddings:
        raise UsageError("Pass -a with the attribute of the groups, such as -a sex.")
    if args.beta == 0 and args.fairness == 0:
        raise UsageError("--beta 0 and --fairness 0: nothing would be learnt. Leave out one.")


if __name__ == "__main__":
    raise SystemExit(main())
