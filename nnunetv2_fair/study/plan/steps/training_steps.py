"""Steps that train: one for each trainer and fold."""

from nnunetv2_fair.errors import shorten
from nnunetv2_fair.study.plan.environment import ALLOW_CHANGED_TABLE, BASE_CHECKPOINT
from nnunetv2_fair.study.plan.fingerprints import digest
from nnunetv2_fair.study.plan.models import Model, in_order
from nnunetv2_fair.study.plan.steps.commands import Command
from nnunetv2_fair.study.plan.steps.dataset_steps import data_names, prepare_name
from nnunetv2_fair.study.plan.steps.step_builder import StepBuilder
from nnunetv2_fair.study.plan.study_dataset import (
    CASCADE,
    CASCADE_NEEDS,
    CONTINUED,
    FINAL,
    StudyDataset,
)
from nnunetv2_fair.study.study_file.problems import Problem


def configuration_folder(plans: str, configuration: str) -> str:
    """Return how a configuration is written in names: with its plans, unless these are usual."""
    return configuration if plans == "nnUNetPlans" else f"{configuration}__{plans}"


def training_name(on: StudyDataset, plans: str, configuration: str, trainer: str, fold: str) -> str:
    """Return the name of the step that trains a fold."""
    where = configuration_folder(plans, configuration)
    return f"train.{on.dataset.short}.{where}.{trainer}.f{fold}"


def add_trainings(builder: StepBuilder, on: StudyDataset) -> None:
    """Add the trainings of a dataset, bases before those that build on them."""
    models = in_order(on.models)
    trained = {training for model in models for training in model.trainings}
    changed: list[str] = []
    for plans in on.entry.plans:
        # a cascade needs the models of the configuration before it
        for configuration in sorted(on.entry.configurations, key=lambda c: c == CASCADE):
            for model in models:
                base = model.base if model.base in trained else None
                for trainer in model.trainings:
                    for fold in on.entry.folds:
                        _add(builder, on, plans, configuration, model, trainer, fold, base, changed)
    told = any(problem.line == on.entry.line("id") for problem in builder.problems)
    if changed and not told and builder.environment.get(ALLOW_CHANGED_TABLE) != "1":
        builder.problems.append(
            Problem(
                on.entry.line("id"),
                f"{len(changed)} trainings of {on.dataset.name} have finished, and what they "
                f"depend on (images, plans, folds or base) has changed since: "
                f"{shorten(changed, 3)}. Finished trainings are never overwritten: undo the "
                "change, or move these folders away to train again",
            )
        )


def _add(
    builder: StepBuilder,
    on: StudyDataset,
    plans: str,
    configuration: str,
    model: Model,
    trainer: str,
    fold: str,
    base: str | None,
    changed: list[str],
) -> None:
    dataset = on.dataset
    needs = [prepare_name(dataset), *data_names(dataset, plans, configuration)]
    inputs = []
    if base is not None:
        needs.append(training_name(on, plans, configuration, base, fold))
    elif model.base is not None:
        inputs.append(digest(builder.environment.get(BASE_CHECKPOINT, model.base)))
    if configuration == CASCADE:
        # it trains on what the models of all folds predict for their validation cases
        needs += [
            training_name(on, plans, CASCADE_NEEDS, trainer, other) for other in on.entry.folds
        ]
    gpus = builder.gpus("train", trainer)
    how = ["-device", builder.settings.device]
    how += ["-num_gpus", str(gpus)] if gpus > 1 else []
    folder = on.fold_folder(trainer, plans, configuration, fold)
    step = builder.add(
        training_name(on, plans, configuration, trainer, fold),
        "train",
        [
            Command(
                "nnUNetv2_train",
                (dataset.name, configuration, fold, "-tr", trainer, "-p", plans),
                tuple(how),
            )
        ],
        needs=needs,
        inputs=inputs,
        outputs=[str(folder / FINAL)],
        facts={
            "dataset": dataset.name,
            "configuration": configuration,
            "plans": plans,
            "trainer": trainer,
            "fold": fold,
        },
        trainer=trainer,
        finished=str(folder / FINAL),
        resume=("--c",),
        checkpoints=[str(folder / name) for name in CONTINUED],
    )
    if builder.was_done_otherwise(step) and (folder / FINAL).is_file():
        changed.append(str(folder))
