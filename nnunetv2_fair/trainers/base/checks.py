"""What a training needs before its first epoch: images, folds, its cohort, enough groups."""

from pathlib import Path

from nnunetv2.training.dataloading.nnunet_dataset import infer_dataset_class

from nnunetv2_fair.errors import TrainingError, shorten
from nnunetv2_fair.paths import SPLITS_JSON
from nnunetv2_fair.subgroups.folds import checked_folds, read_folds, require_fold
from nnunetv2_fair.subgroups.nested import with_equal_numbers, with_fewer_of_the_smallest
from nnunetv2_fair.subgroups.origin import changed_since
from nnunetv2_fair.subgroups.table import check_against_cases
from nnunetv2_fair.trainers.base.grouped import GroupedTrainer


def require_images(trainer: GroupedTrainer) -> None:
    """Refuse a configuration that has not been preprocessed.

    Raises:
        TrainingError: If it has not.
    """
    images = trainer.preprocessed_dataset_folder
    if not Path(images).is_dir():
        name = Path(trainer.preprocessed_dataset_folder_base).name
        raise TrainingError(
            f"{images} does not exist: the images of this configuration have not been "
            f"preprocessed. Run: nnUNetv2_preprocess -d {name} -c "
            f"{trainer.configuration_name} -plans_name {trainer.plans_manager.plans_name}"
        )


def check_folds(trainer: GroupedTrainer) -> list[str]:
    """Refuse a file of folds that does not fit table and images.

    Returns:
        Warnings without full stops; they name cases.

    Raises:
        DatasetError: If the file is wrong or lacks the fold.
    """
    folder = Path(trainer.preprocessed_dataset_folder_base)
    if trainer.fold == "all":
        return changed_since(folder)
    images = trainer.preprocessed_dataset_folder
    cases = infer_dataset_class(images).get_identifiers(images)
    folds, warnings = checked_folds(folder, trainer.table, cases)
    require_fold(folds, trainer.fold, folder / SPLITS_JSON)
    return warnings


def require_existing_fold(trainer: GroupedTrainer) -> None:
    """Refuse a fold that the file of folds lacks; nnU-Net would draw cases itself.

    Raises:
        DatasetError: If there is no such fold.
    """
    path = Path(trainer.preprocessed_dataset_folder_base, SPLITS_JSON)
    if trainer.fold != "all" and path.exists():
        require_fold(read_folds(path), trainer.fold, path)


def chosen_cohort(trainer: GroupedTrainer, train_cases: list[str]) -> list[str]:
    """Return the training cases; with fewer of the smallest or of all others if the name says so.

    Raises:
        TrainingError: If the smallest group has fewer patients than the name says.
    """
    wanted, chosen = trainer.option("minority"), train_cases
    if wanted is not None:
        groups, patients = trainer.all_groups, trainer.table.patients
        chosen = with_fewer_of_the_smallest(chosen, groups, patients, wanted)
    if trainer.option("cohort") == "equal":
        groups, patients = trainer.all_groups, trainer.table.patients
        chosen = with_equal_numbers(chosen, groups, patients, trainer.option("run") or 0)
    return chosen


def check_groups(
    trainer: GroupedTrainer, train_cases: list[str], val_cases: list[str], least_groups: int
) -> None:
    """Refuse a table that does not fit the fold, or groups that do not fit the method.

    Args:
        trainer: Of the fold.
        train_cases: Training cases of the fold.
        val_cases: Validation cases of the fold.
        least_groups: How many groups the training cases must be in.

    Raises:
        DemographicsError: If cases are missing in the table.
        TrainingError: If there are too few groups.
    """
    table, fold = trainer.table, trainer.fold
    check_against_cases(table, [*train_cases, *val_cases], f"fold {fold}", allow_extra=True)
    grouping = trainer.grouping
    present = [name for name, count in grouping.counts(train_cases).items() if count]
    if len(present) < least_groups:
        raise TrainingError(
            f"{table.source}: all training cases of fold {fold} that have a known "
            f"'{grouping.expression}' are in one group ({shorten(present) or 'none'}); "
            f"{type(trainer).__name__} needs at least two. Choose another attribute in the "
            "trainer's name, other bins in demographics.json, or other folds with "
            "nnUNetv2_fair_prepare."
        )
