"""What a study diagnoses, with everything looked up, and what cannot be done."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nnunetv2_fair.study.diagnosis_asked import Impossible
from nnunetv2_fair.study.plan.datasets import TestSet
from nnunetv2_fair.study.plan.models import Model
from nnunetv2_fair.study.plan.study_dataset import StudyDataset
from nnunetv2_fair.study.study_file.diagnose import DiagnoseOptions


@dataclass(frozen=True)
class Chosen:
    """A model with the dataset that it is trained on."""

    on: StudyDataset
    model: Model


@dataclass(frozen=True)
class Diagnosed:
    """What is diagnosed.

    Attributes:
        options: As the file has them.
        of: The model.
        test: Test set.
        plans: nnU-Net plans.
        configuration: nnU-Net configuration.
        attributes: Attribute expressions with two groups or more.
        impossible: What cannot be done.
        balanced: Attribute -> model trained with balanced groups.
        further: Models whose gaps are shown beside.
        expert: The test set with the expert masks as references; None without.
        organ: Masks of what stays when backgrounds are edited; None: nothing is edited.
        organ_inputs: Fingerprint of these masks.
    """

    options: DiagnoseOptions
    of: Chosen
    test: TestSet
    plans: str
    configuration: str
    attributes: tuple[str, ...]
    impossible: tuple[Impossible, ...] = ()
    balanced: Mapping[str, Chosen] = field(default_factory=dict)
    further: tuple[Chosen, ...] = ()
    expert: TestSet | None = None
    organ: Path | None = None
    organ_inputs: str = ""

    def does(self, cause: str) -> bool:
        """Return whether the file leaves a cause in."""
        return cause not in self.options.skip
