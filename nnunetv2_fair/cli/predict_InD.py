"""``nnUNetv2_fair_predict_InD``: every case by the model of its group."""

import argparse
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from nnunetv2_fair import registration
from nnunetv2_fair.cli.shared.common import command_parser, require_nnunet, run
from nnunetv2_fair.cli.shared.trained_models import (
    check_trained,
    find_cases,
    image_format,
    model_folder,
    read_table_for,
)
from nnunetv2_fair.errors import DemographicsError, ModelError, UsageError, shorten
from nnunetv2_fair.files.atomic import check_output_folder, filled_together
from nnunetv2_fair.paths import DATASET_JSON

if TYPE_CHECKING:
    from nnunetv2_fair.subgroups.groups import Grouping
    from nnunetv2_fair.subgroups.schema import Schema

logger = logging.getLogger(__name__)

_METHOD = "nnUNetTrainerInD"
_PREDICT = (
    "from nnunetv2.inference.predict_from_raw_data import predict_entry_point; "
    "predict_entry_point()"
)
#: nnU-Net's note of its arguments, which would be those of the last group only.
_ARGUMENTS = "predict_from_raw_data_args.json"
_LAST_LINES = 20


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "nnUNetv2_fair_predict_InD",
        "Predict every case by the model of its group (trainer nnUNetTrainerInD). The table says "
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
        help="predict cases of unknown group by this group's model, instead of refusing them",
    )  # fmt: skip
    parser.add_argument("--overwrite", action="store_true", help="replace earlier predictions")
    nnunet = parser.add_argument_group("passed on to nnUNetv2_predict")
    nnunet.add_argument("-device", choices=("cuda", "cpu", "mps"), default="cuda", help="device")
    nnunet.add_argument("-step_size", type=float, default=0.5, help="step of the sliding window")
    nnunet.add_argument("--disable_tta", action="store_true", help="no mirroring")
    nnunet.add_argument(
        "--save_probabilities", action="store_true", help="probabilities beside the masks"
    )
    nnunet.add_argument("-npp", type=int, default=3, help="processes that preprocess")
    nnunet.add_argument("-nps", type=int, default=3, help="processes that write masks")
    nnunet.add_argument(
        "-prev_stage_predictions", type=Path, metavar="FOLDER",
        help="predictions of the stage before, for a cascade",
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
    if args.o.resolve() == args.i.resolve():
        raise UsageError(f"-o {args.o} is the folder of the images; choose another one.")
    check_output_folder(args.o, ["masks of the same name"], overwrite=args.overwrite)

    from nnunetv2_fair.subgroups.groups import group_cases
    from nnunetv2_fair.subgroups.table import check_against_cases

    table = read_table_for(args.d, args.demographics)
    attribute, rest = _split_name(args.tr, table.schema)
    grouping = group_cases(table, attribute)
    _check_unknown_model(args.unknown_model, grouping)
    trainers = {name: _trainer(attribute, name, rest) for name in grouping.names}
    folders = {n: model_folder(args.d, t, args.p, args.c) for n, t in trainers.items()}
    trained = [folder for folder in folders.values() if (folder / DATASET_JSON).is_file()]
    if not trained:
        check_trained(list(folders.values()), args.f, args.chk)
    ending, n_channels = image_format(trained[0])
    cases = find_cases(args.i, ending, n_channels)
    check_against_cases(table, cases, str(args.i), allow_extra=True)
    routes = _route(grouping, list(cases), args.unknown_model)
    check_trained([folders[name] for name in routes], args.f, args.chk)

    registration.register()
    with filled_together(args.o) as predictions, tempfile.TemporaryDirectory() as links:
        with tqdm(total=len(cases), desc="Predicting", unit="case") as progress:
            for number, (name, routed) in enumerate(routes.items()):
                images = Path(links) / f"images_{number}"
                _link([file for case in routed for file in cases[case]], images)
                command = _command(args, trainers[name], images, predictions)
                _run_nnunet(command, predictions, ending, progress)
        _check_complete(predictions, ending, cases)
        (predictions / _ARGUMENTS).unlink(missing_ok=True)
    logger.info("Predicted %d cases by %d models: %s", len(cases), len(routes), args.o)


def _split_name(trainer: str, schema: "Schema") -> tuple[str, str]:
    """Return the attribute that the name holds, and what follows behind it.

    The attribute's own name may hold underscores, so the longest one that exists is taken.
    """
    if "=" in trainer:
        raise UsageError(
            f"-tr {trainer}: leave out '=' and the group; every case's own group is put there."
        )
    tokens = trainer.split("_")
    for end in range(len(tokens), 1, -1):
        expression = "_".join(tokens[1:end])
        known = all(name in schema.attributes for name in expression.split("+"))
        if known and tokens[0] == _METHOD:
            return expression, "".join(f"_{token}" for token in tokens[end:])
    raise UsageError(
        f"-tr {trainer}: expected {_METHOD}_<attribute> and what else stands in the models' "
        f"names, for example {_METHOD}_sex_100epochs. Attributes of this dataset: "
        f"{shorten(schema.attributes, 12)}."
    )


def _trainer(attribute: str, group: str, rest: str) -> str:
    from nnunetv2_fair.subgroups.tokens import group_token

    return f"{_METHOD}_{attribute}={group_token(group)}{rest}"


def _check_unknown_model(wanted: str | None, grouping: "Grouping") -> None:
    if wanted is not None and wanted not in grouping.names:
        raise UsageError(
            f"--unknown-model {wanted}: '{grouping.expression}' has no such group. Groups: "
            f"{shorten(grouping.names, 12)}."
        )


def _route(
    grouping: "Grouping", cases: Sequence[str], unknown_model: str | None
) -> dict[str, list[str]]:
    """Return the cases that each group's model predicts; groups without cases are left out."""
    routes = {name: group for name, group in grouping.members(cases).items() if group}
    unknown = grouping.unknown(cases)
    if unknown and unknown_model is None:
        raise DemographicsError(
            f"{len(unknown)} of {len(cases)} cases have no known '{grouping.expression}', so no "
            f"model is theirs: {shorten(unknown)}. Fill the cells of the table, take the images "
            "out of the folder, or say whose model predicts them: --unknown-model GROUP, with "
            f"GROUP one of {shorten(grouping.names, 12)}."
        )
    if unknown and unknown_model is not None:
        routes[unknown_model] = [*routes.get(unknown_model, []), *unknown]
        logger.info("%d cases of unknown group go to the model you named.", len(unknown))
    return routes


def _link(files: Sequence[Path], folder: Path) -> None:
    """Show nnU-Net some images as a folder of their own; copies where links are not allowed."""
    folder.mkdir()
    for file in files:
        try:
            (folder / file.name).symlink_to(file.resolve())
        except OSError:
            shutil.copyfile(file, folder / file.name)


def _command(args: argparse.Namespace, trainer: str, images: Path, predictions: Path) -> list[str]:
    command = [
        sys.executable, "-c", _PREDICT, "-d", args.d, "-i", images, "-o", predictions,
        "-tr", trainer, "-p", args.p, "-c", args.c, "-f", *args.f, "-chk", args.chk,
        "-device", args.device, "-step_size", args.step_size, "-npp", args.npp, "-nps", args.nps,
        "--disable_progress_bar",
    ]  # fmt: skip
    if args.disable_tta:
        command.append("--disable_tta")
    if args.save_probabilities:
        command.append("--save_probabilities")
    if args.prev_stage_predictions is not None:
        command += ["-prev_stage_predictions", args.prev_stage_predictions]
    return [str(part) for part in command]


def _run_nnunet(command: list[str], predictions: Path, ending: str, progress: tqdm) -> None:
    """Run ``nnUNetv2_predict``, showing progress but not its words, which name cases by model."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as words:
        process = subprocess.Popen(
            command, stdout=words, stderr=subprocess.STDOUT, env=dict(os.environ)
        )
        try:
            running = True
            while running:
                try:
                    process.wait(timeout=0.5)
                    running = False
                except subprocess.TimeoutExpired:
                    pass
                done = len(list(predictions.glob(f"*{ending}")))
                if done > progress.n:
                    progress.update(done - progress.n)
        finally:
            process.kill()
        if process.returncode:
            words.seek(0)
            last = "".join(words.readlines()[-_LAST_LINES:])
            raise ModelError(
                f"nnUNetv2_predict stopped with exit code {process.returncode}; nothing was "
                f"written. Its last words:\n{last}"
            )


def _check_complete(predictions: Path, ending: str, cases: Mapping[str, Sequence[Path]]) -> None:
    missing = [case for case in cases if not (predictions / f"{case}{ending}").is_file()]
    if missing:
        raise ModelError(
            f"nnUNetv2_predict left out {len(missing)} of {len(cases)} cases: {shorten(missing)}. "
            "Nothing was written. Predict them with nnUNetv2_predict to see why."
        )
