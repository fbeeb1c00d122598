"""Names of nnU-Net's plans and configurations; a dataset with all that a study does with it."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from nnunetv2_fair.study.plan.datasets import Dataset, TestSet
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


@dataclass(frozen=True)
class StudyDataset:
    """A dataset with all that a study does with it.

    Attributes:
        entry: As the study's file has it.
        dataset: On disk.
        tests: Test sets.
        models: In the file's order.
        attributes: Attribute expressions to evaluate by.
    """

    entry: DatasetEntry
    dataset: Dataset
    tests: tuple[TestSet, ...] = ()
    models: tuple[Model, ...] = ()
    attributes: tuple[str, ...] = ()

    @cached_property
    def trainers(self) -> frozenset[str]:
        """Names of the trainers that the study trains here."""
        return frozenset(name for model in self.models for name in model.trainings)

    def fold_folder(self, trainer: str, plans: str, configuration: str, fold: str) -> Path:
        """Return where nnU-Net keeps a training."""
        name = f"{trainer}__{plans}__{configuration}"
        return self.dataset.results / name / f"fold_{fold}"
