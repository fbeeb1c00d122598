"""A training from a dataset on disk: table, fold, images, embeddings, checkpoints."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from nnunetv2_fair import paths
from nnunetv2_fair.errors import TrainingError, counted
from nnunetv2_fair.foundation.embeddings import EmbeddingCache, Sample
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
    fold = _Fold(place.raw, settings.fold, task, weights)
    grouping = group_cases(fold.table, settings.attribute)
    fold.read(place.device)
    sizes = {part: _sizes(fold.table, grouping, listed) for part, listed in fold.parts.items()}
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
        settings = replace(settings, table=table_hash(fold.table))
        training = AppleTraining(
            place.out, settings, weights, fold.model, fold.cache, fold.samples, grouping, log
        )
        if continues:
            training.load()
        log.forget_from(training.epoch)
        logger.info("Groups of '%s' in the training part of fold %d: %s", settings.attribute,
                    settings.fold, sizes_in_words(sizes["train"]))  # fmt: skip
        fold.embed()
        training.run()
    return final


def embed(raw: Path, device: str, fold: int, task: Task, weights: Weights) -> int:
    """Make the embeddings that trainings on a fold read, without training.

    Args:
        raw: The dataset's folder in ``nnUNet_raw``.
        device: Torch's name.
        fold: Which.
        task: What is segmented.
        weights: Of the model.

    Returns:
        Number of slices.

    Raises:
        FairError: As :func:`train`.
    """
    found = _Fold(raw, fold, task, weights)
    found.read(device)
    return found.embed()


class _Fold:
    """Cases of a fold, and their embeddings.

    Args:
        raw: The dataset's folder in ``nnUNet_raw``.
        number: Of the fold.
        task: What is segmented.
        weights: Of the model.
    """

    def __init__(self, raw: Path, number: int, task: Task, weights: Weights) -> None:
        self._raw, self._task, self._weights = raw, task, weights
        self._folder = paths.preprocessed_dataset(raw.name)
        self.table = read_dataset_table(self._folder)
        self._every = task.images(raw / "imagesTr")
        folds, warnings = checked_folds(self._folder, self.table, list(self._every))
        require_fold(folds, number, self._folder / paths.SPLITS_JSON)
        for sentence in warnings:
            logger.warning("WARNING: %s.", sentence)
        fold = folds[number]
        self.parts = {"train": list(fold["train"]), "val": list(fold["val"])}

    def read(self, device: str) -> None:
        """Build the model, and find the slices that show something.

        Args:
            device: Torch's name.
        """
        cases = list(dict.fromkeys([*self.parts["train"], *self.parts["val"]]))
        self._images = {case: self._every[case] for case in cases}
        self._masks = self._task.masks(self._raw / "labelsTr", cases, "the dataset's labelsTr")
        self.model = PromptedModel(self._weights).to(device)
        folder = _cache_folder(self._folder, self._task, self._weights)
        self.cache = EmbeddingCache(folder, self._task, self.model)
        self._found = self.cache.samples(self._images, self._masks)
        by_case: dict[str, list[Sample]] = {}
        for sample in self._found:
            by_case.setdefault(sample.case, []).append(sample)
        self.samples = {
            part: [sample for case in listed for sample in by_case.get(case, [])]
            for part, listed in self.parts.items()
        }

    def embed(self) -> int:
        """Make the embeddings that are missing; return the number of all."""
        side, channels = self._weights.sizes.grid, self._weights.sizes.channels
        logger.info("%s to embed, %.1f MB each on disk.", counted(len(self._found), "slice"),
                    2 * channels * side * side / 1e6)  # fmt: skip
        self.cache.fill(self._found, self._images, self._masks)
        return len(self._found)


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
