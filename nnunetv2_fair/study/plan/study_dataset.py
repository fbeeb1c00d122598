"""Names of nnU-Net's plans and configurations; a dataset with all that a study does with it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from nnunetv2_fair.study.plan.datasets import Dataset, TestSet
from nnunetv2_fair.study.plan.foundation.methods import Learnt, PromptedMethod
from nnunetv2_fair.study.plan.models import Model
from nnunetv2_fair.study.study_file.settings import DatasetEntry

FINAL = "checkpoint_final.pth"
#: What nnU-Net resumes from, the first that exists. It writes the latest only every 50 epochs,
#: the best one whenever there is a new best.
CONTINUED = ("checkpoint_latest.pth", "checkpoint_best.pth")
#: Plans that nnU-Net's own planners make -> planner.
PLANNERS = {
    "nnUNetPlans": "ExperimentPlanner",
    "nnUNetResEncUNetPlans": "ResEncUNetPlanner",
    "nnUNetResEncUNetMPlans": "nnUNetPlannerResEncM",
    "nnUNetResEncUNetLPlans": "nnUNetPlannerResEncL",
    "nnUNetResEncUNetXLPlans": "nnUNetPlannerResEncXL",
}
PLANNED = ("2d", "3d_fullres", "3d_lowres", "3d_cascade_fullres")
CASCADE = "3d_cascade_fullres"
CASCADE_NEEDS = "3d_lowres"
TRIAL = "_trial"
#: Ends of the names of methods whose boxes a first model finds, and the references show.
FOUND_BOXES = "_cascade"
REFERENCE_BOXES = "_upper_bound"


@dataclass(frozen=True)
class StudyDataset:
    """A dataset with all that a study does with it.

    Attributes:
        entry: As the study's file has it.
        dataset: On disk.
        tests: Test sets.
        models: In the file's order.
        attributes: Attribute expressions to evaluate by.
        cascades: Test set -> what else predicts it: models of crops.
        filled: Datasets made of it with synthetic cases, whose models are tested with its own.
        learnt: What is trained on the embedding of prompted models.
        prompted: What else predicts all test sets: prompted models.
    """

    entry: DatasetEntry
    dataset: Dataset
    tests: tuple[TestSet, ...] = ()
    models: tuple[Model, ...] = ()
    attributes: tuple[str, ...] = ()
    cascades: "Mapping[str, Cascade]" = field(default_factory=dict)
    filled: "tuple[Filled, ...]" = ()
    learnt: tuple[Learnt, ...] = ()
    prompted: tuple[PromptedMethod, ...] = ()

    @cached_property
    def trainers(self) -> frozenset[str]:
        """Names of the trainers that the study trains here."""
        return frozenset(name for model in self.models for name in model.trainings)

    def methods(self, test: str = "") -> tuple[str, ...]:
        """Return the names of all that is evaluated on a test set; by default on any."""
        chosen = [c for name, c in self.cascades.items() if test in ("", name)]
        of_crops = [method.model.name for cascade in chosen for method in cascade.methods()]
        of_filled = [method.model.name for filled in self.filled for method in filled.methods()]
        own = [model.name for model in self.models]
        prompted = [method.model.name for method in self.prompted]
        return tuple(dict.fromkeys([*own, *of_filled, *of_crops, *prompted]))

    def is_home(self, plans: str, configuration: str) -> bool:
        """Return whether prompted models, which have neither, stand beside models of these."""
        return (plans, configuration) == (self.entry.plans[0], self.entry.configurations[0])

    def learnt_folder(self, training: str, fold: int) -> Path:
        """Return where a training on the embedding of a prompted model is kept."""
        return self.dataset.results / f"{training}__sam" / f"fold_{fold}"

    def fold_folder(self, trainer: str, plans: str, configuration: str, fold: str) -> Path:
        """Return where nnU-Net keeps a training."""
        name = f"{trainer}__{plans}__{configuration}"
        return self.dataset.results / name / f"fold_{fold}"


@dataclass(frozen=True)
class CascadeMethod:
    """A model of crops with what says where to crop.

    Attributes:
        model: What is evaluated, named after the segmenter.
        segmenter: Model of the crops.
        localizer: Model of the full images; None takes the boxes of the references.
    """

    model: Model
    segmenter: Model
    localizer: Model | None


@dataclass(frozen=True)
class Cascade:
    """What predicts a test set besides the models of full images: models of crops.

    Attributes:
        cropped: The cropped dataset, with its models.
        localizer: Model of the full images that finds the organ.
        factor: How many times longer or shorter than those of training cases a plausible box is;
            None for the command's choice.
    """

    cropped: StudyDataset
    localizer: Model
    factor: float | None = None

    def methods(self) -> Iterator[CascadeMethod]:
        """Yield every model of crops as a cascade, and with the boxes of the references."""
        for segmenter in self.cropped.models:
            yield CascadeMethod(_with_end(segmenter, FOUND_BOXES), segmenter, self.localizer)
            yield CascadeMethod(_with_end(segmenter, REFERENCE_BOXES), segmenter, None)

    def covers(self, plans: str, configuration: str) -> bool:
        """Return whether its models of crops have these plans and this configuration."""
        entry = self.cropped.entry
        known = plans in entry.plans and configuration in entry.configurations
        return known and configuration != CASCADE


@dataclass(frozen=True)
class FilledMethod:
    """A model of a filled-up dataset.

    Attributes:
        model: What is evaluated, named after what was trained.
        trained: The model as it was trained.
    """

    model: Model
    trained: Model


@dataclass(frozen=True)
class Filled:
    """A dataset of real and synthetic cases, whose models are tested where the real cases are.

    Attributes:
        on: The dataset, with its models.
        end: What is added to their names.
    """

    on: StudyDataset
    end: str

    def methods(self) -> Iterator[FilledMethod]:
        """Yield its models."""
        for model in self.on.models:
            yield FilledMethod(_with_end(model, self.end), model)

    def covers(self, plans: str, configuration: str) -> bool:
        """Return whether it has models of these plans and this configuration."""
        return plans in self.on.entry.plans and configuration in self.on.entry.configurations


def _with_end(model: Model, end: str) -> Model:
    runs = tuple(replace(run, name=f"{run.name}{end}") for run in model.runs)
    return replace(model, name=f"{model.name}{end}", runs=runs)
