"""Steps that train on the embedding of prompted models, after one that makes the embeddings."""

from pathlib import Path

from nnunetv2_fair.study.plan.foundation.commands import embedding_command, training_command
from nnunetv2_fair.study.plan.foundation.methods import Learnt
from nnunetv2_fair.study.plan.steps.step_builder import StepBuilder
from nnunetv2_fair.study.plan.steps.step_names import embedding_step, learning_step, prepare_step
from nnunetv2_fair.study.plan.steps.task import Earlier, Task
from nnunetv2_fair.study.plan.steps.training_steps import refuse_changed
from nnunetv2_fair.study.plan.study_dataset import FINAL, StudyDataset
from nnunetv2_fair.study.step import Step

_LATEST = "checkpoint_latest.pth"


def add_learning(builder: StepBuilder, on: StudyDataset) -> None:
    """Add the trainings of a dataset, each model's behind that which makes its embeddings."""
    changed = []
    for learnt in on.learnt:
        _add_embedding(builder, on, learnt)
        for training, seed in learnt.trainings():
            step = _add_training(builder, on, learnt, training, seed)
            if builder.was_done_otherwise(step) and Path(step.finished).is_file():
                changed.append(str(Path(step.finished).parent))
    what = "images, folds, weights or keys of sam"
    refuse_changed(builder, on, changed, builder.settings.line("sam"), what)


def _add_embedding(builder: StepBuilder, on: StudyDataset, learnt: Learnt) -> None:
    options, dataset = builder.settings.sam, on.dataset
    assert options is not None
    name = embedding_step(dataset, learnt.of.name, options.fold)
    if name in builder.steps:
        return
    command = embedding_command(options, on, learnt, builder.settings.device)
    builder.add(
        Task(
            name, "preprocess", (command,), {"dataset": dataset.name},
            needs=(prepare_step(dataset),), inputs=(dataset.images, learnt.of.fingerprint),
        )
    )  # fmt: skip


def _add_training(
    builder: StepBuilder, on: StudyDataset, learnt: Learnt, training: str, seed: int
) -> Step:
    options, dataset = builder.settings.sam, on.dataset
    assert options is not None
    folder = on.learnt_folder(training, options.fold)
    command = training_command(options, on, learnt, training, seed, builder.settings.device)
    facts = {
        "dataset": dataset.name,
        "configuration": on.entry.configurations[0],
        "plans": on.entry.plans[0],
        "trainer": training,
        "fold": str(options.fold),
        **({"method": learnt.name} if learnt.repeats is not None else {}),
    }
    final = str(folder / FINAL)
    return builder.add(
        Task(
            learning_step(dataset, training, options.fold), "train", (command,), facts,
            needs=(prepare_step(dataset), embedding_step(dataset, learnt.of.name, options.fold)),
            inputs=(learnt.of.fingerprint,),
            outputs=(final,),
            earlier=Earlier(final, (str(folder / _LATEST),), ("--c",)),
        )
    )  # fmt: skip
