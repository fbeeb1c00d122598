"""What a study's file can say about crops: of a dataset, and of the two models of a cascade."""

from typing import Annotated, Literal

from pydantic import Field

from nnunetv2_fair.study.study_file.form import DatasetId, Given, Listed, Text
from nnunetv2_fair.study.study_file.parts import OfDataset


class CropOptions(OfDataset):
    """How a dataset is cropped: options of the same name of ``nnUNetv2_fair_crop``.

    Attributes:
        dataset: Id or name of the dataset that is cropped.
        labels: Labels that boxes are drawn around; empty for all.
        margin: Voxels on every side of the longest training box.
        axes: Axes to crop.
        size: Size of all crops: rows, columns and, with ``axes: xyz``, slices; empty works it out.
        jitter: Most voxels by which training crops are moved at random.
        seed: Seed of that; None for the study's.
    """

    dataset: DatasetId = Field(description="the id or name of the dataset that is cropped")
    labels: Listed[Annotated[Text, Field(description="the name of a label")]] = Field(
        default=(), description="a list of labels or regions, such as [LV_cavity, RV_cavity]"
    )
    margin: Given[int] = Field(
        default=None, ge=0, description="a number of voxels on every side, 0 or more"
    )
    axes: Given[Literal["xy", "xyz"]] = Field(default=None, description="xy or xyz")
    size: Listed[Annotated[int, Field(ge=1, description="a number of voxels")]] = Field(
        default=(), description="a list of rows, columns and, with axes: xyz, slices"
    )
    jitter: Given[int] = Field(default=None, ge=0, description="a number of voxels, 0 or more")
    seed: Given[int] = Field(default=None, ge=0, description="one whole number, 0 or more")


class CascadeOptions(OfDataset):
    """A cascade on a test set: options of ``nnUNetv2_fair_predict_cascade``.

    Attributes:
        dataset: Id or name of the cropped dataset, whose models segment the crops.
        localizer: Trainer whose model, of the full images, finds the organ; empty for the baseline.
        factor: How many times longer or shorter than those of training cases a plausible box is.
    """

    dataset: DatasetId = Field(description="the id or name of a cropped dataset of the study")
    localizer: Text = Field(default="", description="the name of a trainer of the full images")
    factor: Given[float] = Field(default=None, ge=1, description="a number, 1 or more")
