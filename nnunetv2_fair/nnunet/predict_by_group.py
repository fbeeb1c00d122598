"""Every case is predicted with the model of its group (trainer ``nnUNetTrainerInD``)."""

import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from nnunetv2_fair import registration
from nnunetv2_fair.errors import DemographicsError, UsageError, counted, shorten
from nnunetv2_fair.files.outputs import one_unit, output_folder
from nnunetv2_fair.nnunet.nnunet_predict import (
    PredictionSettings,
    check_complete,
    link_images,
    prediction_command,
    run_nnunet,
)
from nnunetv2_fair.nnunet.trained_models import (
    check_trained,
    find_cases,
    image_format,
    model_folder,
    read_table_for,
)
from nnunetv2_fair.paths import DATASET_JSON
from nnunetv2_fair.subgroups.groups import Grouping, group_cases
from nnunetv2_fair.subgroups.schema import Schema
from nnunetv2_fair.subgroups.table import check_against_cases
from nnunetv2_fair.subgroups.tokens import group_token
from nnunetv2_fair.tables.settings import TableSettings

logger = logging.getLogger(__name__)

#: The table needs no explanation.
_AS_IT_IS = TableSettings()

_METHOD = "nnUNetTrainerInD"
_COMMAND = "nnUNetv2_fair_predict_InD"
#: Folder of links to images while nnU-Net predicts.
_LINKS = ".images"
#: nnU-Net's note of its arguments, which would be those of the last group only.
_ARGUMENTS = "predict_from_raw_data_args.json"


@dataclass(frozen=True)
class Predicted:
    """How much :func:`predict_by_group` did.

    Attributes:
        n_cases: Cases predicted.
        n_models: Models that at least one case needed.
    """

    n_cases: int
    n_models: int


def predict_by_group(
    dataset: str,
    images: Path,
    out: Path,
    settings: PredictionSettings,
    *,
    demographics: Path | None = None,
    reading: TableSettings = _AS_IT_IS,
    unknown_model: str | None = None,
    overwrite: bool = False,
) -> Predicted:
    """Predict every case with the model of its group; masks appear together or not at all.

    The table says which group a case is in; neither the output nor the log does.

    Args:
        dataset: Id or name of the dataset that the models were trained on.
        images: Folder of images as nnU-Net names them.
        out: Folder for the masks.
        settings: Which models, and how they predict.
        demographics: Table with a row per case; None: the dataset's.
        reading: What columns and cells of that table mean.
        unknown_model: Group whose model predicts cases of unknown group; None refuses them.
        overwrite: Whether ``out`` may hold masks already.

    Raises:
        UsageError: If the arguments contradict each other or name what does not exist.
        DatasetError: If the images are not what the models take.
        DemographicsError: If the table is wrong, or cases have no known group.
        ModelError: If models are missing, or nnU-Net fails.
    """
    if out.resolve() == images.resolve():
        raise UsageError(f"-o {out} is the folder of the images; choose another one.")
    with output_folder(out, _COMMAND, ["masks of the same name"], overwrite=overwrite) as lock:
        return _predict(dataset, images, out, settings, demographics, reading, unknown_model, lock)


def _predict(
    dataset: str,
    images: Path,
    out: Path,
    settings: PredictionSettings,
    demographics: Path | None,
    reading: TableSettings,
    unknown_model: str | None,
    lock: int | None,
) -> Predicted:
    """Predict into a folder that nobody else uses; nnU-Net holds it, too, while it predicts."""
    table = read_table_for(dataset, demographics, reading)
    attribute, rest = _split_name(settings.trainer, table.schema)
    grouping = group_cases(table, attribute)
    _check_unknown_model(unknown_model, grouping)
    trainers = {name: _trainer(attribute, name, rest) for name in grouping.names}
    folders = {
        name: model_folder(dataset, trainer, settings.plans, settings.configuration)
        for name, trainer in trainers.items()
    }
    trained = [folder for folder in folders.values() if (folder / DATASET_JSON).is_file()]
    if not trained:
        check_trained(list(folders.values()), settings.folds, settings.checkpoint)
    ending, n_channels = image_format(trained[0])
    cases = find_cases(images, ending, n_channels)
    table = table.named_like(cases)
    grouping = group_cases(table, attribute)
    check_against_cases(table, cases, str(images), allow_extra=True)
    routes = _route(grouping, list(cases), unknown_model)
    check_trained([folders[name] for name in routes], settings.folds, settings.checkpoint)

    registration.register()
    with one_unit(out, _COMMAND) as predictions:
        links = predictions / _LINKS
        links.mkdir()
        with tqdm(total=len(cases), desc="Predicting", unit="case") as progress:
            for number, (name, routed) in enumerate(routes.items()):
                shown = links / str(number)
                link_images([file for case in routed for file in cases[case]], shown)
                command = prediction_command(dataset, trainers[name], settings, shown, predictions)
                run_nnunet(command, predictions, ending, progress, lock)
        shutil.rmtree(links)
        check_complete(predictions, ending, cases)
        (predictions / _ARGUMENTS).unlink(missing_ok=True)
    return Predicted(len(cases), len(routes))


def _split_name(trainer: str, schema: Schema) -> tuple[str, str]:
    """Return the attribute that the name holds, and what follows it.

    The attribute's own name may hold underscores, so the longest one that exists is taken.
    """
    if "=" in trainer:
        raise UsageError(
            f"-tr {trainer}: leave out '=' and the group; the group of each case is inserted."
        )
    tokens = trainer.split("_")
    for end in range(len(tokens), 1, -1):
        expression = "_".join(tokens[1:end])
        known = all(name in schema.attributes for name in expression.split("+"))
        if known and tokens[0] == _METHOD:
            return expression, "".join(f"_{token}" for token in tokens[end:])
    raise UsageError(
        f"-tr {trainer}: expected {_METHOD}_<attribute> and the rest of the models' "
        f"names, for example {_METHOD}_sex_100epochs. Attributes of this dataset: "
        f"{shorten(schema.attributes, 12)}."
    )


def _trainer(attribute: str, group: str, rest: str) -> str:
    return f"{_METHOD}_{attribute}={group_token(group)}{rest}"


def _check_unknown_model(wanted: str | None, grouping: Grouping) -> None:
    if wanted is not None and wanted not in grouping.names:
        raise UsageError(
            f"--unknown-model {wanted}: '{grouping.expression}' has no such group. Groups: "
            f"{shorten(grouping.names, 12)}."
        )


def _route(
    grouping: Grouping, cases: Sequence[str], unknown_model: str | None
) -> dict[str, list[str]]:
    """Return the cases that each group's model predicts; groups without cases are left out."""
    routes = {name: group for name, group in grouping.members(cases).items() if group}
    unknown = grouping.unknown(cases)
    if unknown and unknown_model is None:
        raise DemographicsError(
            f"{len(unknown)} of {len(cases)} cases have no known '{grouping.expression}', so none "
            f"of the models applies: {shorten(unknown)}. Fill the cells of the table, take the "
            "images out of the folder, or choose a model for them: --unknown-model GROUP, with "
            f"GROUP one of {shorten(grouping.names, 12)}."
        )
    if unknown and unknown_model is not None:
        routes[unknown_model] = [*routes.get(unknown_model, []), *unknown]
        told = counted(len(unknown), "case of unknown group goes", "cases of unknown group go")
        logger.info("%s to the model you named.", told)
    return routes
