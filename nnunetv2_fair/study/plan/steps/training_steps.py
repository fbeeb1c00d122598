"""Steps that train: one for each trainer and fold."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nnunetv2_fair.errors import counted, shorten
from nnunetv2_fair.study.plan.environment import ALLOW_CHANGED_TABLE, BASE_CHECKPOINT
from nnunetv2_fair.study.plan.fingerprints import digest
from nnunetv2_fair.study.plan.models import in_order
from nnunetv2_fair.study.plan.steps.commands import Command
from nnunetv2_fair.study.plan.steps.step_builder import StepBuilder
from nnunetv2_fair.study.plan.steps.step_names import data_steps, prepare_step, train_step
from nnunetv2_fair.study.plan.steps.task import Earlier, Task
from nnunetv2_fair.study.plan.study_dataset import (
    CASCADE,
    CASCADE_NEEDS,
    CONTINUED,
    FINAL,
    StudyDataset,
)
from nnunetv2_fair.study.study_file.problems import Problem


@dataclass(frozen=True)
class Training:
    """One fold of one trainer.

    Attributes:
        on: What it trains on.
        plans: nnU-Net plans.
        configuration: nnU-Net configuration.
        trainer: Name of the trainer.
        fold: Such as ``0``, or ``all``.
        method: Name of the model whose run this is; empty if it is not repeated.
    """

    on: StudyDataset
    plans: str
    configuration: str
    trainer: str
    fold: str
    method: str = ""

    @property
    def name(self) -> str:
        """Name of its step."""
        dataset = self.on.dataset
        return train_step(dataset, self.plans, self.configuration, self.trainer, self.fold)

    @property
    def folder(self) -> Path:
        """Where nnU-Net keeps it."""
        return self.on.fold_folder(self.trainer, self.plans, self.configuration, self.fold)

    @property
    def facts(self) -> dict[str, str]:
        """What tables show with its step."""
        return {
            "dataset": self.on.dataset.name,
            "configuration": self.configuration,
            "plans": self.plans,
            "trainer": self.trainer,
            "fold": self.fold,
            **({"method": self.method} if self.method else {}),
        }


def add_trainings(builder: StepBuilder, on: StudyDataset) -> None:
    """Add the trainings of a dataset, bases before those that build on them."""
    changed = []
    for training, base in _with_bases(on):
        step = builder.add(_task(builder, training, base))
        if builder.was_done_otherwise(step) and (training.folder / FINAL).is_file():
            changed.append(str(training.folder))
    refuse_changed(builder, on, changed, on.entry.line("id"), "images, plans, folds or base")


def refuse_changed(
    builder: StepBuilder, on: StudyDataset, changed: Sequence[str], line: int, what: str
) -> None:
    """Refuse to go on with finished trainings that would now be others.

    Args:
        builder: Problems are added there.
        on: What was trained on.
        changed: Folders of the trainings.
        line: Line of the study's file.
        what: May have changed, in words.
    """
    one = len(changed) == 1
    told = any(problem.line == line for problem in builder.problems)
    if changed and not told and builder.environment.get(ALLOW_CHANGED_TABLE) != "1":
        builder.problems.append(
            Problem(
                line,
                f"{counted(len(changed), 'training')} of {on.dataset.name} "
                f"{'has' if one else 'have'} finished, and what "
                f"{'it depends' if one else 'they depend'} on ({what}) has changed since: "
                f"{shorten(changed, 3)}. Finished trainings are never overwritten: undo the "
                "change, or move these folders away to train again",
            )
        )


def _with_bases(on: StudyDataset) -> Iterator[tuple[Training, str | None]]:
    """Yield each training, after what it builds on, with the name of its base's trainer."""
    models = in_order(on.models)
    for plans in on.entry.plans:
        # a cascade needs the models of the configuration before it
        for configuration in sorted(on.entry.configurations, key=lambda c: c == CASCADE):
            for model in models:
                method = model.name if model.is_repeated else ""
                for run in model.runs:
                    for trainer in run.trainings:
                        for fold in on.entry.folds:
                            training = Training(on, plans, configuration, trainer, fold, method)
                            yield training, run.base


def _task(builder: StepBuilder, training: Training, base: str | None) -> Task:
    """Return what a training is to do."""
    on, dataset = training.on, training.on.dataset
    plans, configuration, trainer = training.plans, training.configuration, training.trainer
    needs = [prepare_step(dataset), *data_steps(dataset, plans, configuration)]
    inputs: tuple[str, ...] = ()
    if base is not None and base in on.trainers:
        needs.append(replace(training, trainer=base).name)
    elif base is not None:
        # trained before the study
        inputs = (digest(builder.environment.get(BASE_CHECKPOINT, base)),)
    if configuration == CASCADE:
        # it trains on what the models of all folds predict for their validation cases
        before = replace(training, configuration=CASCADE_NEEDS)
        needs += [replace(before, fold=fold).name for fold in on.entry.folds]
    gpus = builder.gpus("train", trainer, training.method)
    several = ("-num_gpus", str(gpus)) if gpus > 1 else ()
    command = Command(
        "nnUNetv2_train",
        (dataset.name, configuration, training.fold, "-tr", trainer, "-p", plans),
        ("-device", builder.settings.device, *several),
    )
    final = str(training.folder / FINAL)
    return Task(
        training.name,
        "train",
        (command,),
        training.facts,
        needs=tuple(needs),
        inputs=inputs,
        outputs=(final,),
        earlier=Earlier(
            finished=final,
            checkpoints=tuple(str(training.folder / name) for name in CONTINUED),
            resume=("--c",),
        ),
    )
