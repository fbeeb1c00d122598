"""``nnUNetv2_fair_inspect_latent``: what a model's bottleneck knows about the groups."""

import argparse
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nnunetv2_fair.cli.predict_SAM import add_weights
from nnunetv2_fair.cli.shared.common import command_parser, require_nnunet, run
from nnunetv2_fair.cli.shared.table_arguments import (
    add_attributes,
    add_table_arguments,
    table_settings,
)
from nnunetv2_fair.errors import UsageError
from nnunetv2_fair.files.outputs import output_folder
from nnunetv2_fair.paths import LATENT_JSON

if TYPE_CHECKING:
    import numpy as np

    from nnunetv2_fair.inspection.analysis import LatentSettings
    from nnunetv2_fair.inspection.result import LatentResult

logger = logging.getLogger(__name__)


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "nnUNetv2_fair_inspect_latent",
        "Look at the embeddings between encoder and decoder: how well a fresh linear probe tells "
        "the groups apart (cross-validated by patient), Davies-Bouldin index, silhouette, and a "
        "t-SNE picture, for one or more models on the same cases. Writes latent.json and "
        "pictures; nnUNetv2_fair_compare --latent shows them.",
        "nnUNetv2_fair_inspect_latent -d 42 -c 2d -f 0 "
        "-tr nnUNetTrainer nnUNetTrainerOversampling_sex -a sex -o latent",
    )
    parser.add_argument("-d", required=True, metavar="ID", help="dataset id or name")
    parser.add_argument("-c", metavar="CONFIGURATION", help="such as 2d")
    parser.add_argument(
        "-tr", nargs="+", metavar="TRAINER",
        help="trainers of the models; changes are measured from the first",
    )  # fmt: skip
    add_weights(parser, required=False)
    parser.add_argument(
        "--generator", type=Path, nargs="+", default=[], metavar="FOLDER",
        help="with --weights: what nnUNetv2_fair_train_APPLE_SAM has learnt; changes are measured "
        "from the model without it",
    )  # fmt: skip
    parser.add_argument("-p", default="nnUNetPlans", metavar="PLANS", help="plans identifier")
    parser.add_argument(
        "-f", default="0", metavar="FOLD",
        help="fold of the models; only one, because each has a latent space of its own",
    )  # fmt: skip
    parser.add_argument("-chk", default="checkpoint_final.pth", metavar="FILE", help="checkpoint")
    parser.add_argument("-o", type=Path, required=True, help="output folder")
    parser.add_argument(
        "-i", type=Path, help="folder with the images; by default the dataset's imagesTs"
    )
    add_attributes(
        parser,
        "attributes to look for, such as sex, age or sex+age (intersections); by default the "
        "dataset's default attribute",
    )
    parser.add_argument(
        "--demographics", type=Path, metavar="CSV",
        help="table with a row per case; by default the dataset's",
    )  # fmt: skip
    add_table_arguments(
        parser, ("case", "patient", "synthetic"), "those of the dictionary", ranges=False
    )
    parser.add_argument("-device", choices=("cuda", "cpu", "mps"), default="cuda", help="device")
    parser.add_argument("--folds", type=int, default=5, help="folds of the probe, by patient")
    parser.add_argument(
        "--min-patients", type=int, default=5, help="groups with fewer patients are left out"
    )
    parser.add_argument("--bootstrap", type=int, default=2000, help="number of resamples")
    parser.add_argument("--confidence", type=float, default=0.95, help="coverage of intervals")
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of the folds, the resampling and t-SNE"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier inspection")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see ``--help``.

    Returns:
        0 on success, 1 on bad data, 2 on bad usage.
    """
    return run(_inspect, _parser(), argv)


def _inspect(args: argparse.Namespace) -> None:
    require_nnunet()
    _check(args)

    from nnunetv2_fair.inspection.analysis import LatentSettings
    from nnunetv2_fair.inspection.result import COMMAND

    settings = LatentSettings(
        args.folds, args.min_patients, args.bootstrap, args.confidence, args.seed
    )
    names = (LATENT_JSON, "its pictures")
    with output_folder(args.o, COMMAND, names, overwrite=args.overwrite):
        inspect = _inspect_trained if args.weights is None else _inspect_prompted
        result, written = inspect(args, settings)

    from nnunetv2_fair.report.terminal.latent import console_latent

    logger.info("\n%s", console_latent(result))
    for path in written:
        logger.info("Wrote %s", path)
    logger.info("The points of the pictures are single cases: share them with care.")


def _inspect_trained(
    args: argparse.Namespace, settings: "LatentSettings"
) -> tuple["LatentResult", list[Path]]:
    from nnunetv2_fair.inspection.run import ModelChoice, inspect_models

    return inspect_models(
        ModelChoice(args.d, tuple(args.tr), args.c, args.p, args.f, args.chk),
        args.o,
        settings,
        images=args.i,
        attributes=args.a,
        demographics=args.demographics,
        reading=table_settings(args),
        device=args.device,
    )


def _inspect_prompted(
    args: argparse.Namespace, settings: "LatentSettings"
) -> tuple["LatentResult", list[Path]]:
    from nnunetv2_fair.foundation.embeddings import pooled_embeddings
    from nnunetv2_fair.foundation.model import PromptedModel
    from nnunetv2_fair.foundation.perturbation import generator_of, read_perturbation
    from nnunetv2_fair.foundation.task import read_task
    from nnunetv2_fair.foundation.weights import read_weights
    from nnunetv2_fair.inspection.run import inspect_embeddings
    from nnunetv2_fair.networks.devices import require_device
    from nnunetv2_fair.nnunet.trained_models import read_table_for
    from nnunetv2_fair.paths import raw_dataset

    require_device(args.device)
    raw = raw_dataset(args.d)
    task = read_task(raw, args.channel)
    images = args.i or raw / "imagesTs"
    cases = task.images(images)
    weights = read_weights(args.weights, args.family)
    learnt = {_short(path): read_perturbation(path, weights) for path in args.generator}
    table = read_table_for(args.d, args.demographics, table_settings(args)).named_like(cases)

    def embed() -> "Mapping[str, np.ndarray]":
        model = PromptedModel(weights).to(args.device)
        channels = model.sizes.channels
        generators = {
            name: generator_of(channels, found).to(args.device).eval()
            for name, found in learnt.items()
        }
        return pooled_embeddings(cases, task, model, {weights.family.title: None, **generators})

    where = {"images": images, "weights": weights.path.name, "channel": args.channel}
    return inspect_embeddings(table, list(cases), embed, where, args.o, settings, args.a)


def _short(generator: Path) -> str:
    """Return the name of a training by its folder: without ``fold_0``, if it is called so."""
    folder = generator.resolve()
    folder = folder.parent if folder.is_file() else folder
    return folder.parent.name if folder.name.startswith("fold_") else folder.name


def _check(args: argparse.Namespace) -> None:
    """Refuse arguments that are wrong regardless of the files."""
    if args.weights is not None:
        _check_prompted(args)
    elif args.generator or args.family or args.channel:
        raise UsageError("--generator, --family and --channel need --weights FILE.")
    elif args.c is None or args.tr is None:
        raise UsageError(
            "Pass -c and -tr with the models to look into, or --weights FILE for a model that is "
            "prompted with boxes."
        )
    elif len(set(args.tr)) != len(args.tr):
        raise UsageError("-tr names a trainer twice; name each once.")
    for option, value, ok, expected in (
        ("--folds", args.folds, args.folds >= 2, "2 or more"),
        ("--min-patients", args.min_patients, args.min_patients >= 2, "2 or more"),
        ("--bootstrap", args.bootstrap, args.bootstrap >= 0, "0 (no intervals) or more"),
        ("--confidence", args.confidence, 0 < args.confidence < 1, "a share such as 0.95"),
        ("--seed", args.seed, args.seed >= 0, "0 or more"),
    ):
        if not ok:
            raise UsageError(f"{option} {value}: expected {expected}.")


def _check_prompted(args: argparse.Namespace) -> None:
    """Refuse what only models that nnU-Net trained have, and two models of one name."""
    usual = _parser()
    if any(getattr(args, key) != usual.get_default(key) for key in ("c", "tr", "p", "f", "chk")):
        raise UsageError(
            "--weights looks into a model that nnU-Net has not trained: leave out -c, -tr, -p, -f "
            "and -chk, and inspect trained models by themselves."
        )
    names = [_short(path) for path in args.generator]
    if len(set(names)) != len(names):
        raise UsageError("--generator: two folders have the same name; rename one.")
