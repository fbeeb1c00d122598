"""What a converter hands over: the dataset that is to be written, and all about its cases."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from nnunetv2_fair import __version__
from nnunetv2_fair.dataset_conversion.writing.case_files import (
    PICTURE_ENDINGS,
    VOLUME_ENDINGS,
    CaseJob,
)
from nnunetv2_fair.dataset_conversion.writing.log import (
    ConversionLog,
)
from nnunetv2_fair.errors import shorten
from nnunetv2_fair.subgroups.schema import Schema

#: Parts of a dataset: imagesTr and imagesTs.
PARTS = ("train", "test")


@dataclass(frozen=True)
class DatasetDescription:
    """What ``dataset.json`` says.

    Attributes:
        dataset_id: 1 to 999.
        name: Follows ``DatasetXXX_`` in the folder's name.
        channel_names: Name of each channel, in order. nnU-Net picks the normalisation by name:
            ``CT`` means something to it, most names mean z-scores.
        labels: Value of each label; ``background`` must be 0. With regions, a tuple of values.
        file_ending: ``.png`` for pictures, ``.nii.gz`` (or .nrrd, .mha) for volumes.
        regions_class_order: Needed with regions; see nnU-Net's documentation.
        licence: Terms of the original data.
        reference: Where the original data come from.
        release: Version of the original data.
        description: One sentence.
        further: Further entries of ``dataset.json``, which nnU-Net copies to every model.
    """

    dataset_id: int
    name: str
    channel_names: tuple[str, ...]
    labels: Mapping[str, int | tuple[int, ...]]
    file_ending: str
    regions_class_order: tuple[int, ...] | None = None
    licence: str = "unknown"
    reference: str = ""
    release: str = ""
    description: str = ""
    further: Mapping[str, Any] = field(default_factory=dict)

    @property
    def folder_name(self) -> str:
        """Name of the dataset's folder, such as ``Dataset042_Lungs``."""
        return f"Dataset{self.dataset_id:03d}_{self.name}"

    @property
    def values(self) -> tuple[int, ...]:
        """All values that masks may hold, ascending."""
        found: set[int] = set()
        for value in self.labels.values():
            found.update(value if isinstance(value, tuple) else (value,))
        return tuple(sorted(found))

    def to_json(self, n_training: int) -> dict[str, Any]:
        """Return the content of ``dataset.json`` (nnU-Net v2 format)."""
        content: dict[str, Any] = {
            "channel_names": {str(i): name for i, name in enumerate(self.channel_names)},
            "labels": {
                name: list(value) if isinstance(value, tuple) else value
                for name, value in self.labels.items()
            },
            "numTraining": n_training,
            "file_ending": self.file_ending,
            "name": self.folder_name,
            "description": self.description,
            "licence": self.licence,
            "reference": self.reference,
            "release": self.release,
            "converted_by": f"nnunetv2_fair {__version__}",
        }
        if self.regions_class_order is not None:
            content["regions_class_order"] = list(self.regions_class_order)
        return {**content, **self.further}

    def problems(self) -> list[str]:
        """Return what is wrong with the description, in words.

        Id and name are up to :func:`target_problems`.
        """
        found = []
        if not self.channel_names:
            found.append("there are no channels")
        if self.file_ending not in PICTURE_ENDINGS + VOLUME_ENDINGS:
            known = ", ".join(PICTURE_ENDINGS + VOLUME_ENDINGS)
            found.append(f"file ending '{self.file_ending}': expected one of {known}")
        if self.labels.get("background") != 0:
            found.append("labels: 'background' must be 0")
        if len(self.labels) < 2:
            found.append("labels: at least one besides 'background' is needed")
        if self.values != tuple(range(len(self.values))):
            found.append(
                f"labels have the values {shorten(self.values, 20)}; nnU-Net needs 0, 1, 2 and so "
                "on without gaps. Map the values of the masks"
            )
        regions = any(isinstance(value, tuple) for value in self.labels.values())
        if regions != (self.regions_class_order is not None):
            found.append("regions need regions_class_order, and plain labels must not have it")
        return found


@dataclass(frozen=True)
class TargetOptions:
    """What a command calls the choice of the new dataset's id and place, for messages.

    Attributes:
        dataset_id: Option of its id.
        folder: Option of the folder of the datasets.
    """

    dataset_id: str = "-d"
    folder: str = "-o, or the environment variable nnUNet_raw"


@dataclass(frozen=True)
class DatasetPlan:
    """Everything that :func:`write_dataset` needs.

    Attributes:
        description: What the dataset is.
        jobs: Its cases.
        demographics: Columns ``case``, ``patient``, optionally ``synthetic``, then the
            attributes; text, empty where unknown. One row per job.
        schema: What the attributes mean.
        log: What the converter left out and changed.
        further_masks: Beginnings of the folders that the jobs' further masks go to.
        files: Text of further files in the dataset's folder, by name.
        options: What the command calls the choice of id and place.
    """

    description: DatasetDescription
    jobs: Sequence[CaseJob]
    demographics: pd.DataFrame
    schema: Schema
    log: ConversionLog = field(default_factory=lambda: ConversionLog("nnunetv2_fair"))
    further_masks: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    options: TargetOptions = field(default_factory=TargetOptions)

    def cases(self, part: str) -> list[str]:
        """Return the cases of ``train`` or ``test``."""
        return [job.case for job in self.jobs if job.part == part]
