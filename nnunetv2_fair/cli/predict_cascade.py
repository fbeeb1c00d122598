"""``nnUNetv2_fair_predict_cascade``: find the organ, crop, segment the crop, paste back."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from nnunetv2_fair.cli.shared.common import command_parser, require_nnunet, run
from nnunetv2_fair.errors import UsageError, counted, shorten

logger = logging.getLogger(__name__)

_COMMAND = "nnUNetv2_fair_predict_cascade"
_MODELS = ("--localizer", "--segmenter")
#: Options that say which model: they belong to the word before them.
_OF_MODEL = ("-d", "-tr", "-c", "-p", "-f", "-chk")


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        _COMMAND,
        "Predict with two models: the first, trained on full images, finds the organ; the second,\n"
        "trained on a dataset of nnUNetv2_fair_crop, segments the crop, which is pasted back.\n"
        "Which model is meant is said after --localizer and after --segmenter: -d ID\n"
        "-tr TRAINER (nnUNetTrainer) -c CONFIGURATION -p PLANS (nnUNetPlans) -f FOLD ... (0 to 4)\n"
        "-chk FILE (checkpoint_final.pth).",
        f"{_COMMAND} -i imagesTs -o predictions \\\n"
        "    --localizer -d 42 -c 2d -f 0 --segmenter -d 43 -c 2d -f 0",
    )
    parser.add_argument("-i", type=Path, required=True, help="folder with the images")
    parser.add_argument("-o", type=Path, required=True, help="output folder")
    models = parser.add_argument_group("models")
    models.add_argument(
        "--localizer", nargs=argparse.REMAINDER, metavar="-d ID ...",
        help="the first model, trained on full images",
    )  # fmt: skip
    models.add_argument(
        "--segmenter", nargs=argparse.REMAINDER, metavar="-d ID ...",
        help="the second model, trained on a cropped dataset",
    )  # fmt: skip
    models.add_argument(
        "--upper-bound", action="store_true",
        help="take boxes from the references of -gt instead of a first model: what a perfect first "
        "model would lead to, not a result that anybody could have",
    )  # fmt: skip
    parser.add_argument(
        "-gt", type=Path, metavar="FOLDER",
        help="references of the images, to measure the errors of the boxes (boxes.csv)",
    )  # fmt: skip
    parser.add_argument(
        "--factor", type=float, default=1.5,
        help="a box this many times longer or shorter than those of all training cases is "
        "implausible",
    )  # fmt: skip
    parser.add_argument(
        "--keep", action="store_true", help="keep predictions of both models, and the crops"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace earlier predictions")
    parser.add_argument(
        "-np", metavar="N", type=int, default=1, help="processes that crop and paste"
    )
    nnunet = parser.add_argument_group("passed on to nnUNetv2_predict, for both models")
    nnunet.add_argument("-device", choices=("cuda", "cpu", "mps"), default="cuda", help="device")
    nnunet.add_argument("-step_size", type=float, default=0.5, help="step of the sliding window")
    nnunet.add_argument("--disable_tta", action="store_true", help="no mirroring")
    nnunet.add_argument("-npp", type=int, default=3, help="processes that preprocess")
    nnunet.add_argument("-nps", type=int, default=3, help="processes that write masks")
    return parser


def _model_parser(word: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(f"{_COMMAND} {word}", add_help=False, allow_abbrev=False)
    parser.add_argument("-d", required=True, metavar="ID")
    parser.add_argument("-tr", default="nnUNetTrainer", metavar="TRAINER")
    parser.add_argument("-c", required=True, metavar="CONFIGURATION")
    parser.add_argument("-p", default="nnUNetPlans", metavar="PLANS")
    parser.add_argument("-f", nargs="+", default=["0", "1", "2", "3", "4"], metavar="FOLD")
    parser.add_argument("-chk", default="checkpoint_final.pth", metavar="FILE")
    return parser


def _parted(argv: Sequence[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Return the arguments about the whole, and those about each model, by its word.

    An option of a model and its values belong to the last word before it; everything else is about
    the whole, wherever it is.
    """
    rest: list[str] = []
    models: dict[str, list[str]] = {}
    word, target = "", rest
    for argument in argv:
        if argument in _MODELS:
            word = argument
            models[word] = target = []
        elif word and argument in _OF_MODEL:
            target = models[word]
            target.append(argument)
        else:
            if argument.startswith("-"):
                target = rest
            target.append(argument)
    return rest, models


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see ``--help``.

    Args:
        argv: Arguments; those of the process by default.

    Returns:
        0 on success, 1 on bad data, 2 on bad usage.
    """
    rest, models = _parted(sys.argv[1:] if argv is None else argv)

    def predict(args: argparse.Namespace) -> None:
        chosen = {word: _model_parser(word).parse_args(found) for word, found in models.items()}
        _predict(args, chosen)

    return run(predict, _parser(), rest)


def _predict(args: argparse.Namespace, models: dict[str, argparse.Namespace]) -> None:
    require_nnunet()
    from nnunetv2_fair.networks.devices import require_device
    from nnunetv2_fair.nnunet.box_table import BOXES_CSV
    from nnunetv2_fair.nnunet.nnunet_predict import PredictionSettings
    from nnunetv2_fair.nnunet.predict_cascade import (
        CascadeModel,
        CascadeSettings,
        predict_cascade,
    )

    if "--segmenter" not in models:
        raise UsageError("Name the second model: --segmenter -d ID -c CONFIGURATION.")
    if args.upper_bound == ("--localizer" in models):
        raise UsageError(
            "Name the first model with --localizer -d ID -c CONFIGURATION, or take the boxes of "
            "the references with --upper-bound -gt FOLDER, one of the two."
        )
    if args.np < 1:
        raise UsageError(f"-np {args.np}: expected 1 or more.")
    require_device(args.device)

    def model(chosen: argparse.Namespace) -> CascadeModel:
        settings = PredictionSettings(
            trainer=chosen.tr,
            configuration=chosen.c,
            plans=chosen.p,
            folds=tuple(chosen.f),
            checkpoint=chosen.chk,
            device=args.device,
            step_size=args.step_size,
            mirroring=not args.disable_tta,
            preprocessing_processes=args.npp,
            writing_processes=args.nps,
        )
        return CascadeModel(chosen.d, settings)

    done = predict_cascade(
        args.i,
        args.o,
        None if args.upper_bound else model(models["--localizer"]),
        model(models["--segmenter"]),
        CascadeSettings(args.factor, args.gt, args.keep, args.np),
        overwrite=args.overwrite,
    )
    logger.info("Predicted %s: %s", counted(len(done.boxes), "case"), args.o)
    if args.upper_bound:
        logger.info("Boxes are those of the references: an upper bound, not a result in use.")
    if done.fallback:
        listed = shorten(f"{case} ({reason})" for case, reason in sorted(done.fallback.items()))
        logger.warning(
            "%s no plausible box; the first model's prediction was taken: %s",
            counted(len(done.fallback), "case has", "cases have"), listed,
        )  # fmt: skip
    covered = [box.covered for box in done.boxes.values() if box.covered is not None]
    if covered:
        logger.info(
            "Crops hold %.4g%% of the reference on average, at least %.4g%% (%s).",
            100 * sum(covered) / len(covered), 100 * min(covered), BOXES_CSV,
        )  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main())
