"""What a study can say about models prompted with boxes: SAM, MedSAM, LiteMedSAM."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from nnunetv2_fair.study.study_file.form import (
    Expressions,
    FilePath,
    Given,
    Listed,
    Number,
    Text,
    different,
    one_or_several,
)
from nnunetv2_fair.study.study_file.parts import Part

#: Boxes around the references; other words are names of trainers.
REFERENCES = "references"


def _above_zero(values: tuple[float, ...]) -> tuple[float, ...]:
    # of the whole, as the file may have no list
    if min(values) <= 0:
        raise ValueError
    return values


class PromptedOptions(Part):
    """Weights of a prompted model; may be written as the path alone.

    Attributes:
        weights: A ``.pth`` file, or a folder of Hugging Face.
        family: Which of them it is, where the file does not tell.
    """

    weights: FilePath
    family: Given[Literal["sam", "medsam", "litemedsam"]] = Field(
        default=None, description="one of sam, medsam, litemedsam"
    )

    @model_validator(mode="before")
    @classmethod
    def _path_alone(cls, value: Any) -> Any:
        return {"weights": value} if isinstance(value, str) else value


class SamOptions(Part):
    """Which prompted models are assessed, and how APPLE is trained on their embedding.

    Attributes:
        models: Name -> weights.
        boxes: Where boxes of test images come from: ``references``, or trainers of the study.
        jitter: The most that a side of a box of a test image is moved, as a share of its length.
        attributes: Attribute expressions that APPLE hides; empty for those that are evaluated.
        beta: Weights of the segmentation loss, an APPLE each.
        control: Whether to train without the fairness term, too.
        dloss: The discriminator's loss.
        fold: Which is trained on.
        repeats: How often each is trained; None for the study's.
        epochs: How many.
        steps: Of an epoch.
        batch: Slices in a step.
        channel: Which the models are shown.
    """

    models: Annotated[
        dict[
            str,
            Annotated[
                PromptedOptions,
                Field(
                    description="the path of its weights, or a mapping such as "
                    "{weights: medsam_vit_b.pth, family: medsam}"
                ),
            ],
        ],
        Field(
            min_length=1,
            description="names of models with the paths of their weights, such as "
            "{MedSAM: medsam_vit_b.pth}",
        ),
    ]
    boxes: Annotated[
        Listed[Annotated[Text, Field(description="references, or a trainer of the study")]],
        AfterValidator(different),
    ] = Field(
        default=(REFERENCES,),
        description="a list of references and trainers, such as [references, nnUNetTrainer]",
    )
    jitter: Given[float] = Field(
        default=None, gt=0, lt=0.5, description="a share of the box's length, above 0 and below 0.5"
    )
    attributes: Expressions = ()
    beta: Annotated[
        tuple[Number, ...],
        BeforeValidator(one_or_several),
        AfterValidator(different),
        AfterValidator(_above_zero),
    ] = Field(default=(1.0,), description="a number above 0, or a list of them, such as [1, 10]")
    control: bool = Field(default=False, description="true or false")
    dloss: Given[Literal["plain", "balanced"]] = Field(
        default=None, description="plain or balanced"
    )
    fold: int = Field(default=0, ge=0, lt=20, description="a fold from 0 to 19")
    repeats: Given[int] = Field(
        default=None, ge=1, le=20, description="how often each is trained, 1 to 20"
    )
    epochs: Given[int] = Field(default=None, ge=1, description="a number of epochs, 1 or more")
    steps: Given[int] = Field(default=None, ge=1, description="steps of an epoch, 1 or more")
    batch: Given[int] = Field(default=None, ge=2, description="slices in a step, 2 or more")
    channel: int = Field(default=0, ge=0, description="the number of a channel, from 0 on")
