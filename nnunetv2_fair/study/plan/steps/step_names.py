"""Names of steps, which are also those of jobs, logs and records: ``train.d042.2d.TRAINER.f0``."""

from nnunetv2_fair.study.plan.datasets import Dataset
from nnunetv2_fair.study.plan.study_dataset import CASCADE, TRIAL
from nnunetv2_fair.study.step import Kind
from nnunetv2_fair.subgroups.tokens import group_token


def configuration_name(plans: str, configuration: str) -> str:
    """Return how a configuration is written in names: with its plans, unless these are usual."""
    return configuration if plans == "nnUNetPlans" else f"{configuration}__{plans}"


def preprocessed_name(configuration: str) -> str:
    """Return the configuration whose preprocessed data another one is trained on."""
    configuration = configuration.removesuffix(TRIAL)
    return "3d_fullres" if configuration == CASCADE else configuration


def fingerprint_step(dataset: Dataset) -> str:
    """Return the name of the step that extracts nnU-Net's fingerprint."""
    return f"fingerprint.{dataset.short}"


def crop_step(dataset: Dataset) -> str:
    """Return the name of the step that makes a dataset by cropping another one."""
    return f"crop.{dataset.short}"


def masks_step(dataset: Dataset) -> str:
    """Return the name of the step that draws masks of the groups that a dataset is filled up in."""
    return f"masks.{dataset.short}"


def images_step(dataset: Dataset) -> str:
    """Return the name of the step that makes images for these masks."""
    return f"images.{dataset.short}"


def quality_step(dataset: Dataset) -> str:
    """Return the name of the step that measures these images beside real ones."""
    return f"quality.{dataset.short}"


def equal_scale_step(dataset: Dataset) -> str:
    """Return the name of the step that makes a dataset of real and synthetic cases."""
    return f"equal_scale.{dataset.short}"


def prepare_step(dataset: Dataset) -> str:
    """Return the name of the step that makes the folds."""
    return f"prepare.{dataset.short}"


def plan_step(dataset: Dataset, plans: str) -> str:
    """Return the name of the step that makes nnU-Net's plans."""
    return f"plan.{dataset.short}.{plans}"


def preprocess_step(dataset: Dataset, plans: str, configuration: str) -> str:
    """Return the name of the step that preprocesses what a configuration is trained on."""
    return f"preprocess.{dataset.short}.{plans}.{preprocessed_name(configuration)}"


def trial_step(dataset: Dataset, plans: str, configuration: str) -> str:
    """Return the name of the step that adds a trial configuration to the plans."""
    return f"trial.{dataset.short}.{plans}.{configuration.removesuffix(TRIAL)}"


def data_steps(dataset: Dataset, plans: str, configuration: str) -> list[str]:
    """Return the names of the steps after which a configuration can be trained."""
    names = [preprocess_step(dataset, plans, configuration)]
    if configuration.endswith(TRIAL):
        names.append(trial_step(dataset, plans, configuration))
    return names


def train_step(dataset: Dataset, plans: str, configuration: str, trainer: str, fold: str) -> str:
    """Return the name of the step that trains one fold of one trainer."""
    where = configuration_name(plans, configuration)
    return f"train.{dataset.short}.{where}.{trainer}.f{fold}"


def embedding_step(dataset: Dataset, model: str, fold: int) -> str:
    """Return the name of the step that makes the embeddings of a prompted model."""
    return f"embed.{dataset.short}.{model}.f{fold}"


def learning_step(dataset: Dataset, training: str, fold: int) -> str:
    """Return the name of the step that trains on the embedding of a prompted model."""
    return train_step(dataset, "nnUNetPlans", "sam", training, str(fold))


def edit_step(dataset: Dataset, test: str, attribute: str) -> str:
    """Return the name of the step that edits the backgrounds of a test set's images."""
    return f"edit.{dataset.short}.{test}.{group_token(attribute)}"


def step_on_test_set(
    kind: Kind, dataset: Dataset, plans: str, configuration: str, test: str, trainer: str = ""
) -> str:
    """Return the name of a step that predicts, evaluates, merges or compares on a test set.

    Args:
        kind: Of the step; ``merge`` combines the shards of an evaluation.
        dataset: What the models were trained on.
        plans: nnU-Net plans.
        configuration: nnU-Net configuration.
        test: Name of the test set.
        trainer: Name of the trainer; empty for a comparison of all.
    """
    where = configuration_name(plans, configuration)
    parts = [kind, dataset.short, where, test, *([trainer] if trainer else [])]
    return ".".join(parts)


def shard_step(evaluation: str, number: int, shards: int) -> str:
    """Return the name of the step that evaluates one shard, from that of the whole evaluation."""
    return f"{evaluation}.s{number}of{shards}"
