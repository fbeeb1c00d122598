"""A training from a dataset on disk: table, fold, images, embeddings, checkpoints."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from nnunetv2_fair import paths
from nnunetv2_fair.errors import TrainingError, counted
from nnunetv2_fair.foundation.embeddings import EmbeddingCache
from nnunetv2_fair.foundation.model import PromptedModel
from nnunetv2_fair.foundation.perturbation import FINAL
from nnunetv2_fair.foundation.task import Task
from nnunetv2_fair.foundation.training import AppleTraining, TrainingSettings
from nnunetv2_fair.foundation.weights import Weights
from nnunetv2_fair.subgroups.folds import checked_folds, require_fold
from nnunetv2_fair.subgroups.groups import Grouping, group_cases
from nnunetv2_fair.subgroups.table import DemographicsTable, read_dataset_table, table_hash
from nnunetv2_fair.trainers.group_log.subgroup_log import SubgroupLog
from nnunetv2_fair.trainers.group_log.visible import Visible
from nnunetv2_fair.trainers.shared.fold_lock import fold_held
from nnunetv2_fair.trainers.shared.introduction import GroupSize, sizes_in_words

logger = logging.getLogger(__name__)

COMMAND = "nnUNetv2_fair_train_APPLE_SAM"


@dataclass(frozen=True)
class Place:
    """Where a training reads and writes.

    Attributes:
        raw: The dataset's folder in ``nnUNet_raw``.
        out: Folder for the result.
        device: Torch's name.
    """

    raw: Path
    out: Path
    device: str


def train(
    place: Place,
    settings: TrainingSettings,
    task: Task,
    weights: Weights,
    *,
    continues: bool = False,
) -> Path:
    """Train a perturbation; everything that can be checked is, before the first image is embedded.

    Args:
        place: Where to read and write.
        settings: How to train.
        task: What is segmented.
        weights: Of the model.
        continues: Whether an interrupted training goes on.

    Returns:
        The result's file.

    Raises:
        DemographicsError: If the table is missing or wrong, or lacks the attribute.
        DatasetError: If folds, images or references are missing.
        ConversionError: If images or references are damaged.
        TrainingError: If the result exists already, or the groups do not suffice.
        ModelError: If the weights cannot be used, or there is nothing to continue.
    """
    final = place.out / FINAL
    if final.is_file():
        raise TrainingError(
            f"{final} exists: this training is finished. Predict with it "
            f"(nnUNetv2_fair_predict_SAM --generator {place.out}), or train into another folder "
            "with -o."
        )
    folder = paths.preprocessed_dataset(place.raw.name)
    table = read_dataset_table(folder)
    grouping = group_cases(table, settings.attribute)
    every = task.images(place.raw / "imagesTr")
    folds, warnings = checked_folds(folder, table, list(every))
    require_fold(folds, settings.fold, folder / paths.SPLITS_JSON)
    for sentence in warnings:
        logger.warning("WARNING: %s.", sentence)
    fold = folds[settings.fold]
    parts = {"train": list(fold["train"]), "val": list(fold["val"])}
    cases = list(dict.fromkeys([*parts["train"], *parts["val"]]))
    images = {case: every[case] for case in cases}
    masks = task.masks(place.raw / "labelsTr", cases, "the dataset's labelsTr")
    model = PromptedModel(weights).to(place.device)
    cache = EmbeddingCache(_cache_folder(folder, task, weights), task, model)
    found = cache.samples(images, masks)
    by_case: dict[str, list] = {}
    for sample in found:
        by_case.setdefault(sample.case, []).append(sample)
    samples = {
        part: [sample for case in listed for sample in by_case.get(case, [])]
        for part, listed in parts.items()
    }
    sizes = {part: _sizes(table, grouping, listed) for part, listed in parts.items()}
    place.out.mkdir(parents=True, exist_ok=True)
    with fold_held(place.out):
        log = SubgroupLog(
            place.out / paths.SUBGROUP_LOG_CSV,
            place.out / paths.SUBGROUP_LOG_PNG,
            f"APPLE on {weights.family.title}, {task.dataset}, fold {settings.fold}",
            settings.attribute,
            grouping.names,
            Visible({"train": sizes["train"], "val": sizes["val"]}),
            [target.name for target in task.targets],
        )
        settings = replace(settings, table=table_hash(table))
        training = AppleTraining(place.out, settings, weights, model, cache, samples, grouping, log)
        if continues:
            training.load()
        log.forget_from(training.epoch)
        logger.info("Groups of '%s' in the training part of fold %d: %s", settings.attribute,
                    settings.fold, sizes_in_words(sizes["train"]))  # fmt: skip
        side, channels = weights.sizes.grid, weights.sizes.channels
        logger.info("%s to embed, %.1f MB each on disk.", counted(len(found), "slice"),
                    2 * channels * side * side / 1e6)  # fmt: skip
        cache.fill(found, images, masks)
        training.run()
    return final


def _cache_folder(folder: Path, task: Task, weights: Weights) -> Path:
    """Return the folder of one model's embeddings of one channel."""
    name = f"{weights.family.name}_{weights.sha256[:12]}_channel{task.channel}"
    return folder / "embeddings_of_prompted_models" / name


def _sizes(table: DemographicsTable, grouping: Grouping, cases: list[str]) -> dict[str, GroupSize]:
    members = grouping.members(dict.fromkeys(cases))
    unknown = grouping.unknown(dict.fromkeys(cases))
    if unknown:
        members["no known group"] = unknown
    patients = table.patients
    return {n: GroupSize(len(own), len({patients[c] for c in own})) for n, own in members.items()}
