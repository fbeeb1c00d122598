"""Inspecting trained models: from their folders and images to files of results."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from nnunetv2_fair import registration
from nnunetv2_fair.files.outputs import one_unit
from nnunetv2_fair.inspection.analysis import LatentSettings, analyse, plan_attribute
from nnunetv2_fair.inspection.result import COMMAND, LatentResult
from nnunetv2_fair.nnunet.trained_models import (
    check_trained,
    find_cases,
    image_format,
    model_folder,
    read_table_for,
)
from nnunetv2_fair.paths import LATENT_JSON, raw_dataset
from nnunetv2_fair.subgroups.table import DemographicsTable, check_against_cases
from nnunetv2_fair.tables.settings import TableSettings

if TYPE_CHECKING:
    import numpy as np

#: The table needs no explanation.
_AS_IT_IS = TableSettings()


@dataclass(frozen=True)
class ModelChoice:
    """Models to inspect.

    Attributes:
        dataset: Id or name of the dataset that they were trained on.
        trainers: Their trainers, each once.
        configuration: Such as ``2d``.
        plans: Plans identifier.
        fold: One fold, because each has a different latent space.
        checkpoint: Name of the checkpoint file.
    """

    dataset: str
    trainers: tuple[str, ...]
    configuration: str
    plans: str = "nnUNetPlans"
    fold: str = "0"
    checkpoint: str = "checkpoint_final.pth"


def inspect_models(
    models: ModelChoice,
    out: Path,
    settings: LatentSettings,
    *,
    images: Path | None = None,
    attributes: Sequence[str] = (),
    demographics: Path | None = None,
    reading: TableSettings = _AS_IT_IS,
    device: str = "cuda",
) -> tuple[LatentResult, list[Path]]:
    """Look at the bottleneck of each model on the same cases, and write what was found.

    Everything that can be checked is, before torch is imported.

    Args:
        models: Which models.
        out: Folder for latent.json and the pictures, which are replaced.
        settings: How to inspect.
        images: Folder with the images; None: the dataset's imagesTs.
        attributes: Attribute expressions to look for; none: the dataset's default attribute.
        demographics: Table with a row per case; None: the dataset's.
        reading: What columns and cells of that table mean.
        device: ``cuda``, ``cpu`` or ``mps``.

    Returns:
        The result, and the files that were written.

    Raises:
        DatasetError: If the images do not fit the models.
        DemographicsError: If the table is wrong or an attribute is unknown.
        EvaluationError: If there are too few patients to compare.
        ModelError: If a model is missing or cannot be inspected.
        UsageError: If this machine does not have the device.
    """
    trained = [
        model_folder(models.dataset, trainer, models.plans, models.configuration)
        for trainer in models.trainers
    ]
    check_trained(trained, [models.fold], models.checkpoint)
    ending, n_channels = image_format(trained[0])
    images = images or raw_dataset(models.dataset) / "imagesTs"
    cases = find_cases(images, ending, n_channels)

    def embed() -> Mapping[str, "np.ndarray"]:
        # torch is imported here, so that everything that is refused before is refused at once
        from nnunetv2_fair.inspection.embeddings import LatentModel, embed_cases
        from nnunetv2_fair.networks.devices import require_device

        require_device(device)
        registration.register()
        loaded = [LatentModel(folder, models.fold, models.checkpoint, device) for folder in trained]
        return embed_cases(loaded, cases)

    where = {
        "images": images,
        "configuration": models.configuration,
        "fold": models.fold,
        "checkpoint": models.checkpoint,
    }
    table = read_table_for(models.dataset, demographics, reading).named_like(cases)
    return inspect_embeddings(table, list(cases), embed, where, out, settings, attributes)


def inspect_embeddings(
    table: DemographicsTable,
    cases: Sequence[str],
    embed: Callable[[], Mapping[str, "np.ndarray"]],
    where: Mapping[str, object],
    out: Path,
    settings: LatentSettings,
    attributes: Sequence[str] = (),
) -> tuple[LatentResult, list[Path]]:
    """Look at embeddings of cases, however they are made, and write what was found.

    Args:
        table: Has a row for each case.
        cases: Names of the cases.
        embed: Called once table and attributes are known to be right; returns model name ->
            ``(cases, C)`` embeddings.
        where: What was looked at, with ``images``, for the result's settings.
        out: Folder for latent.json and the pictures, which are replaced.
        settings: How to inspect.
        attributes: Attribute expressions to look for; none: the dataset's default attribute.

    Returns:
        The result, and the files that were written.

    Raises:
        DemographicsError: If a case has no row, or an attribute is unknown.
        EvaluationError: If there are too few patients to compare.
    """
    check_against_cases(table, cases, str(where["images"]), allow_extra=True)
    wanted: list[str | None] = [*dict.fromkeys(attributes)] or [None]
    plans = [plan_attribute(table, name, list(cases), settings) for name in wanted]
    result, pictures = analyse(plans, embed(), settings)
    result = replace(result, settings={**where, **result.settings})
    names = [LATENT_JSON, *pictures]
    with one_unit(out, COMMAND) as folder:
        for name, picture in pictures.items():
            (folder / name).write_bytes(picture)
        result.write(folder)
    return result, [out / name for name in names]
