"""What a study's file can say about a diagnosis: which gap, and how each cause is removed."""

from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field, model_validator

from nnunetv2_fair.study.study_file.form import (
    DatasetId,
    Expressions,
    FilePath,
    Given,
    Listed,
    MetricName,
    Name,
    Text,
    different,
)
from nnunetv2_fair.study.study_file.parts import Part

#: Causes of a gap, those that need no training first.
CauseName = Literal["difficulty", "labels", "shortcut", "representation"]
CAUSE_NAMES: tuple[CauseName, ...] = get_args(CauseName)


class ModelChoice(Part):
    """A model of the study; may be written as the trainer alone.

    Attributes:
        trainer: Its trainer, with ``{attribute}`` for the attribute of the diagnosis; empty for
            the trainer that is diagnosed.
        dataset: Id or name of the dataset that it is trained on; empty for the one that is
            diagnosed.
    """

    trainer: Text = Field(default="", description="the name of a trainer of the study")
    dataset: DatasetId = Field(default="", description="the id or name of a dataset of the study")

    @model_validator(mode="before")
    @classmethod
    def _trainer_alone(cls, value: Any) -> Any:
        return {"trainer": value} if isinstance(value, str) else value


_A_MODEL = "a trainer's name, or a mapping with dataset and trainer, such as {dataset: 43}"


class DiagnoseOptions(Part):
    """Which gap is diagnosed, and how.

    Attributes:
        attributes: Attribute expressions whose gaps are diagnosed; empty for the study's.
        trainer: Whose gap; empty for the baseline.
        dataset: Dataset that it is trained on; empty for the first.
        configuration: nnU-Net configuration; empty for the first.
        test: Test set.
        metric: Metric of the gap.
        label: Label; empty for the one that represents the results.
        skip: Causes that are left out.
        balanced: Model trained on balanced groups; None: on as many patients of each group.
        expert: Expert masks of test cases whose references are automated masks; None: there are
            none, and the references count as an expert's.
        organ: Masks of what must stay when the background is edited; None: the references.
        margin: What stays around it, in mm (pixels of pictures); None: worked out for each case.
        further: Models whose gaps are shown beside, such as of one group alone.
    """

    attributes: Expressions = ()
    trainer: Text = Field(default="", description="the name of one of the trainers")
    dataset: DatasetId = Field(default="", description="the id or name of a dataset of the study")
    configuration: Text = Field(default="", description="a configuration of that dataset")
    test: Name = Field(default="internal", description="the name of a test set of that dataset")
    metric: MetricName = "dice"
    label: Text = Field(default="", description="the name of a label, or average")
    skip: Annotated[
        Listed[Annotated[CauseName, Field(description=f"one of {', '.join(CAUSE_NAMES)}")]],
        AfterValidator(different),
    ] = Field(
        default=(), description="a list of causes that are left out, such as [representation]"
    )
    balanced: Given[ModelChoice] = Field(default=None, description=_A_MODEL)
    expert: Given[FilePath] = None
    organ: Given[FilePath] = None
    margin: Given[float] = Field(
        default=None, gt=0, description="a distance in mm (pixels of pictures) above 0"
    )
    further: Listed[Annotated[ModelChoice, Field(description=_A_MODEL)]] = Field(
        default=(), description="a list of models, such as [{dataset: 43}]"
    )
