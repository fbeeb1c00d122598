"""``nnUNetv2_fair_predict_SAM``: masks of SAM, MedSAM or LiteMedSAM from boxes."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from nnunetv2_fair.cli.shared.common import command_parser, require_nnunet, run
from nnunetv2_fair.errors import UsageError, counted, shorten

logger = logging.getLogger(__name__)


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "nnUNetv2_fair_predict_SAM",
        "Predict with SAM, MedSAM or LiteMedSAM, prompted with a box around every label (in "
        "volumes: in every slice). The result is evaluated as any prediction. Needs the extra sam: "
        "pip install 'nnunetv2_fair[sam]'; nothing is downloaded.",
        "nnUNetv2_fair_predict_SAM -d 42 -i imagesTs -o predictions \\\n"
        "    --weights medsam_vit_b.pth --boxes references",
    )
    parser.add_argument("-d", required=True, metavar="ID", help="dataset id or name")
    parser.add_argument("-i", type=Path, required=True, help="folder with the images")
    parser.add_argument("-o", type=Path, required=True, help="output folder")
    add_weights(parser, required=False)
    parser.add_argument(
        "--filled-boxes", action="store_true",
        help="in place of --weights: write the boxes themselves, filled, as the masks, to assess "
        "what the prompt gives away as a model is",
    )  # fmt: skip
    parser.add_argument(
        "--boxes", required=True, metavar="SOURCE",
        help="where boxes come from: the word references (which tell the model where the organ "
        "is), a folder of label maps such as another model's predictions, or a table with the "
        "columns case, label, x_start, x_end, y_start, y_end, and slice for volumes",
    )  # fmt: skip
    parser.add_argument(
        "--jitter", type=float, default=0.0, metavar="SHARE",
        help="move every side of every box by chance, by at most this share of the box's length",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="seed of --jitter")
    parser.add_argument(
        "-gt", type=Path, metavar="FOLDER",
        help="references of the images, to measure filled boxes and masks; by default labelsTs "
        "beside imagesTs",
    )  # fmt: skip
    parser.add_argument(
        "--generator", type=Path, metavar="FOLDER",
        help="perturb the embedding with what nnUNetv2_fair_train_APPLE_SAM has learnt",
    )  # fmt: skip
    parser.add_argument("-device", choices=("cuda", "cpu", "mps"), default="cuda", help="device")
    parser.add_argument("--overwrite", action="store_true", help="replace earlier predictions")
    return parser


def add_weights(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add the options that say which model is meant, and which channel it is shown."""
    parser.add_argument(
        "--weights", type=Path, required=required, metavar="FILE",
        help="a .pth file of SAM, MedSAM or LiteMedSAM, or a folder of Hugging Face; "
        "nnUNetv2_fair_doctor --sam FILE says what it is",
    )  # fmt: skip
    parser.add_argument(
        "--family", choices=("sam", "medsam", "litemedsam"),
        help="which of them it is, where the file does not tell",
    )  # fmt: skip
    parser.add_argument(
        "--channel", type=int, default=0, metavar="N", help="channel that the model is shown"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see ``--help``.

    Returns:
        0 on success, 1 on bad data, 2 on bad usage.
    """
    return run(_predict, _parser(), argv)


def _predict(args: argparse.Namespace) -> None:
    require_nnunet()
    from nnunetv2_fair.foundation.perturbation import read_perturbation
    from nnunetv2_fair.foundation.predicting import PROMPTS_CSV, PredictionRequest, predict
    from nnunetv2_fair.foundation.task import read_task
    from nnunetv2_fair.foundation.weights import read_weights
    from nnunetv2_fair.networks.devices import require_device
    from nnunetv2_fair.paths import raw_dataset

    if args.seed < 0:
        raise UsageError(f"--seed {args.seed}: expected 0 or more.")
    if (args.weights is None) != args.filled_boxes:
        raise UsageError("Pass either --weights FILE or --filled-boxes, which needs no model.")
    if args.filled_boxes and (args.generator or args.family):
        raise UsageError("--filled-boxes uses no model: leave out --generator and --family.")
    require_device(args.device)
    raw = raw_dataset(args.d)
    task = read_task(raw, args.channel)
    weights = None if args.filled_boxes else read_weights(args.weights, args.family)
    found = None
    if weights is not None and args.generator is not None:
        found = read_perturbation(args.generator, weights)
    request = PredictionRequest(
        raw, args.i, args.o, args.boxes, args.gt, args.jitter, args.seed, args.device
    )
    done = predict(request, task, weights, found, overwrite=args.overwrite)
    with_what = "filled boxes" if weights is None else weights.family.title
    logger.info("Predicted %s with %s: %s", counted(done.n_cases, "case"), with_what, args.o)
    if done.dice_of_boxes is None:
        logger.info("Dice of the filled boxes is not known: name the references with -gt.")
    elif weights is None:
        logger.info("Mean Dice of the filled boxes %.3f (%s).", done.dice_of_boxes, PROMPTS_CSV)
    else:
        logger.info(
            "Mean Dice %.3f; that of the filled boxes alone %.3f, which the model was given (%s).",
            done.dice_of_masks, done.dice_of_boxes, PROMPTS_CSV,
        )  # fmt: skip
    for name, cases in done.without_box.items():
        logger.warning(
            "WARNING: %s no box of '%s', so their masks do not hold it: %s",
            counted(len(cases), "case has", "cases have"), name, shorten(cases),
        )  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main())
