"""What a study's file can say about synthetic cases: of which groups, how many, made how."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from nnunetv2_fair.study.study_file.form import (
    DatasetId,
    Expression,
    FilePath,
    Given,
    whole_or_text,
)
from nnunetv2_fair.study.study_file.parts import OfDataset, Part

_WHOLE = "a whole number, 1 or more"


class MaskOptions(Part):
    """How masks are made: options of the same name of ``nnUNetv2_fair_synthesize masks``.

    Attributes:
        model: What the outlines are drawn by.
        steps: Training steps.
        unusable: What happens to training masks without outline.
        number: Masks of each group that is filled up; None for what the target needs, and a
            quarter more.
    """

    model: Given[Literal["shape", "pca", "points"]] = Field(
        default=None, description="shape, pca or points"
    )
    steps: Given[int] = Field(default=None, ge=1, description=_WHOLE)
    unusable: Given[Literal["error", "skip"]] = Field(default=None, description="error or skip")
    number: Given[int] = Field(default=None, ge=1, description=_WHOLE)


class ImageOptions(Part):
    """How images are made: options of the same name of ``nnUNetv2_fair_synthesize images``.

    Attributes:
        steps: Training steps.
        batch: Cases in each.
        rate: Highest learning rate.
        mirror: Whether training cases are mirrored left to right.
        sampling_steps: Steps from noise to image.
        guidance: How strongly images follow the group.
        weights: Folder of Stable Diffusion that a ControlNet is trained on; the key ``from``.
        prompt: Embedding of a prompt for it.
    """

    steps: Given[int] = Field(default=None, ge=1, description=_WHOLE)
    batch: Given[int] = Field(default=None, ge=1, description=_WHOLE)
    rate: Given[float] = Field(default=None, gt=0, lt=1, description="a number between 0 and 1")
    mirror: bool = Field(default=True, description="true, or false where sides differ")
    sampling_steps: Given[int] = Field(
        default=None, ge=1, le=1000, description="a whole number, 1 to 1000"
    )
    guidance: Given[float] = Field(
        default=None, ge=0, le=100, description="a number, 0 to 100; 1 follows the group as is"
    )
    weights: Given[FilePath] = Field(default=None, alias="from")
    prompt: Given[FilePath] = None


class SynthesisOptions(OfDataset):
    """A dataset whose groups are filled up with synthetic cases of the training cases of another.

    Attributes:
        dataset: Id or name of the dataset of real cases.
        attribute: Whose groups get one size; empty for the dataset's default attribute.
        name: What is added to the names of its models; empty for ``equal_scale_`` and the
            attribute.
        target: Training cases that groups get, as ``--target`` of ``nnUNetv2_fair_equal_scale``.
        subsample: Whether larger groups are sampled down.
        as_published: Whether cases are drawn as in the authors' code.
        seed: Of all that is random; None for the study's.
        pack: Synthetic cases that are there; None: the study makes them.
        masks: How masks are made.
        images: How images are made.
    """

    dataset: DatasetId = Field(description="the id or name of the dataset of real cases")
    attribute: Expression = Field(default="", description="one attribute with levels, such as sex")
    name: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9_.-]*$",
        description="a short name of letters, digits, _, . and -, for models",
    )
    target: Annotated[
        str,
        BeforeValidator(whole_or_text),
        Field(pattern=r"^(largest|(total=)?[1-9][0-9]*)$"),
    ] = Field(
        default="largest",
        description="largest, a number of cases of each group such as 500, or total=8000",
    )
    subsample: bool = Field(default=False, description="true or false")
    as_published: bool = Field(default=False, description="true or false")
    seed: Given[int] = Field(default=None, ge=0, description="one whole number, 0 or more")
    pack: Given[FilePath] = None
    masks: MaskOptions = Field(
        default_factory=MaskOptions, description="keys such as model and steps"
    )
    images: ImageOptions = Field(
        default_factory=ImageOptions, description="keys such as steps and sampling_steps"
    )
