"""Whose predictions are evaluated: those of all folds together, or of each fold's model."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nnunetv2_fair.evaluation.results.trainings import TrainingKind
from nnunetv2_fair.study.plan.models import Model, Run
from nnunetv2_fair.study.plan.study_dataset import StudyDataset
from nnunetv2_fair.study.study_file.settings import SINGLE


@dataclass(frozen=True)
class Prediction:
    """One prediction of a test set.

    Attributes:
        run: What predicts.
        folds: Folds whose models predict together.
        end: Of the name of its step, behind the run.
        folder: Its folder, within that of all predictions of the test set.
    """

    run: Run
    folds: tuple[str, ...]
    end: str
    folder: str


@dataclass(frozen=True)
class Ensemble:
    """All folds predict together, which is nnU-Net's ensemble; runs are trainings of a method.

    Attributes:
        suffix: Of the study's folders of predictions, evaluations and comparisons.
        mark: What is added to the test set in names of steps.
        part: What tells this comparison from others of the test set; empty if it is alone.
        facts: What tables show with its steps.
    """

    suffix = ""
    mark = ""
    part = ""
    facts: Sequence[tuple[str, str]] = ()

    def name_of(self, model: Model) -> str:
        """Return what is evaluated, in names of folders and pages."""
        return model.name

    def of(self, model: Model, on: StudyDataset) -> Iterator[Prediction]:
        """Yield the predictions of a model that are evaluated together."""
        for run in model.runs:
            yield Prediction(run, on.entry.folds, "", run.name)

    def trainings(self, model: Model) -> TrainingKind | None:
        """Return how the trainings of a model differ; None if it is one."""
        return "repeats" if len(model.runs) > 1 else None


@dataclass(frozen=True)
class Single:
    """Each fold's model predicts by itself; the folds are trainings of a method.

    Attributes:
        position: Which of the runs of every model.
        repeated: Whether there are runs.
    """

    position: int
    repeated: bool
    suffix = "_of_folds"
    mark = "+folds"

    @property
    def part(self) -> str:
        """What tells this comparison from those of other runs; empty if there are none."""
        return f"run{self.position + 1}" if self.repeated else ""

    @property
    def facts(self) -> Sequence[tuple[str, str]]:
        """What tables show with its steps."""
        return (("predicted", f"single folds, {self.part}" if self.part else "single folds"),)

    def name_of(self, model: Model) -> str:
        """Return what is evaluated, in names of folders and pages."""
        return model.runs[self.position].name

    def of(self, model: Model, on: StudyDataset) -> Iterator[Prediction]:
        """Yield the predictions of a model that are evaluated together."""
        run = model.runs[self.position]
        for fold in on.entry.folds:
            yield Prediction(run, (fold,), f".f{fold}", f"{run.name}/fold_{fold}")

    def trainings(self, model: Model) -> TrainingKind | None:
        """Return how the trainings of a model differ."""
        del model
        return "folds"


def ways_of(chosen: Sequence[str], models: Sequence[Model]) -> Iterator[Ensemble | Single]:
    """Yield the ways in which the models of a dataset are predicted with.

    Args:
        chosen: Of the study's file: ``ensemble``, ``single``.
        models: Models of the dataset.
    """
    for way in chosen:
        if way != SINGLE:
            yield Ensemble()
            continue
        for position in range(len(models[0].runs) if models else 0):
            yield Single(position, models[0].is_repeated)
