"""``nnUNetv2_fair_predict_InD``: predict each case with the model of its group."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from nnunetv2_fair.cli.shared.common import command_parser, require_nnunet, run
from nnunetv2_fair.cli.shared.table_arguments import add_table_arguments, table_settings
from nnunetv2_fair.errors import counted

logger = logging.getLogger(__name__)

_METHOD = "nnUNetTrainerInD"


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "nnUNetv2_fair_predict_InD",
        "Predict every case with the model of its group (trainer nnUNetTrainerInD). The table says "
        "which group a case is in; neither the output nor the log does.",
        "nnUNetv2_fair_predict_InD -d 42 -i imagesTs -o predictions -c 2d -f 0 "
        "-tr nnUNetTrainerInD_sex",
    )
    parser.add_argument("-i", type=Path, required=True, help="folder with the images")
    parser.add_argument("-o", type=Path, required=True, help="output folder")
    parser.add_argument("-d", required=True, metavar="ID", help="dataset id or name")
    parser.add_argument(
        "-tr", required=True, metavar="TRAINER",
        help=f"the models' trainer without the group: {_METHOD}_sex_100epochs for the models "
        f"{_METHOD}_sex=female_100epochs and {_METHOD}_sex=male_100epochs",
    )  # fmt: skip
    parser.add_argument("-c", required=True, metavar="CONFIGURATION", help="such as 2d")
    parser.add_argument("-p", default="nnUNetPlans", metavar="PLANS", help="plans identifier")
    parser.add_argument(
        "-f", nargs="+", default=["0", "1", "2", "3", "4"], metavar="FOLD",
        help="folds whose predictions are averaged",
    )  # fmt: skip
    parser.add_argument("-chk", default="checkpoint_final.pth", metavar="FILE", help="checkpoint")
    parser.add_argument(
        "--demographics", type=Path, metavar="CSV",
        help="table with a row per case; by default the dataset's",
    )  # fmt: skip
    parser.add_argument(
        "--unknown-model", metavar="GROUP",
        help="predict cases of unknown group with this group's model, instead of refusing them",
    )  # fmt: skip
    parser.add_argument("--overwrite", action="store_true", help="replace earlier predictions")
    add_table_arguments(
        parser, ("case", "patient", "synthetic"), "those of the dictionary", ranges=False
    )
    nnunet = parser.add_argument_group("passed on to nnUNetv2_predict")
    nnunet.add_argument("-device", choices=("cuda", "cpu", "mps"), default="cuda", help="device")
    nnunet.add_argument("-step_size", type=float, default=0.5, help="step of the sliding window")
    nnunet.add_argument("--disable_tta", action="store_true", help="no mirroring")
    nnunet.add_argument(
        "--save_probabilities", action="store_true", help="write probabilities alongside the masks"
    )
    nnunet.add_argument("-npp", type=int, default=3, help="processes that preprocess")
    nnunet.add_argument("-nps", type=int, default=3, help="processes that write masks")
    nnunet.add_argument(
        "-prev_stage_predictions", type=Path, metavar="FOLDER",
        help="predictions of the previous stage of a cascade",
    )  # fmt: skip
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see ``--help``.

    Returns:
        0 on success, 1 on bad data, 2 on bad usage.
    """
    return run(_predict, _parser(), argv)


def _predict(args: argparse.Namespace) -> None:
    require_nnunet()
    from nnunetv2_fair.networks.devices import require_device
    from nnunetv2_fair.nnunet.nnunet_predict import PredictionSettings
    from nnunetv2_fair.nnunet.predict_by_group import predict_by_group

    require_device(args.device)
    settings = PredictionSettings(
        trainer=args.tr,
        configuration=args.c,
        plans=args.p,
        folds=tuple(args.f),
        checkpoint=args.chk,
        device=args.device,
        step_size=args.step_size,
        mirroring=not args.disable_tta,
        save_probabilities=args.save_probabilities,
        preprocessing_processes=args.npp,
        writing_processes=args.nps,
        previous_stage=args.prev_stage_predictions,
    )
    done = predict_by_group(
        args.d,
        args.i,
        args.o,
        settings,
        demographics=args.demographics,
        reading=table_settings(args),
        unknown_model=args.unknown_model,
        overwrite=args.overwrite,
    )
    logger.info("Predicted %s with %s: %s", counted(done.n_cases, "case"),
                counted(done.n_models, "model"), args.o)  # fmt: skip
