"""Tables and figures that a study makes at its end: what its file can say about each.

Each is a file of its own, made of evaluations of several methods. What a key means for which kind
is checked in :mod:`nnunetv2_fair.study.plan.paper_checks`.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from nnunetv2_fair.study.study_file.form import (
    DatasetId,
    Expression,
    Group,
    Listed,
    MetricName,
    Name,
    Number,
    Text,
)
from nnunetv2_fair.study.study_file.parts import Placed

TableKind = Literal["cohort", "medians", "fairness", "equity", "challenge"]
FigureKind = Literal["boxes", "curve", "tradeoff", "heatmap"]
#: What a curve can show: a line for each group's median, or one line of all groups.
CurveValue = Literal["groups", "mean", "median", "delta", "std", "skew", "ser", "fairness_gap"]

_Columns = Annotated[
    Listed[Annotated[Text, Field(description="a column of the table")]],
    Field(description="a list of columns of the table, such as [age, weight]"),
]
_Trainer = Annotated[str, Field(min_length=1, description="the name of a trainer of the study")]
_Waiting = Annotated[str, Field(min_length=1, description="what it needs, in words")]

#: Keys that every kind has.
COMMON = frozenset({"name", "kind", "title", "needs"})
#: Keys that choose where methods were evaluated.
_PLACE = frozenset({"dataset", "configuration", "plans", "test"})
_METHODS = _PLACE | {"methods", "missing", "by"}
#: Kind -> its keys, besides the common ones.
KEYS: Mapping[str, frozenset[str]] = {
    "cohort": frozenset({"dataset", "part", "by", "columns", "compare", "groups"}),
    "medians": _METHODS | {"label", "groups"},
    "fairness": _METHODS | {"label"},
    "equity": _METHODS,
    "challenge": _PLACE | {"methods", "missing"},
    "boxes": _METHODS | {"label", "metric", "groups"},
    "curve": _PLACE | {"by", "series", "missing", "label", "metric", "groups", "axis", "values"},
    "tradeoff": _PLACE | {"by", "series", "missing", "label", "metric", "groups", "axis"},
    "heatmap": _METHODS | {"label", "metric"},
}


class PaperItem(Placed):
    """What tables and figures have in common.

    Attributes:
        name: Stem of its files.
        title: Title; empty for one that says what it shows.
        needs: What the study lacks to make it, in words: it is then listed as not made yet.
        dataset: Id or name of the dataset trained on (``cohort``: whose people are shown);
            empty for all of the study.
        configuration: nnU-Net configuration; empty for all.
        plans: nnU-Net plans; empty for all.
        test: Test set; empty for all.
        by: Attribute expression.
        methods: Name to print -> trainer, in the order to show; empty for all trainers.
        missing: Name to print -> what that method needs that the study does not have.
        label: Label; empty for the average.
        groups: Groups to show, the reference first; empty for all.
    """

    name: Name = Field(description="a short name of letters, digits, _, . and -, for files")
    title: str = Field(default="", description="a title")
    needs: str = Field(default="", description="what it needs that the study does not have")
    dataset: DatasetId = Field(
        default="", description="the id or name of a dataset, such as 42 or Dataset042_Lungs"
    )
    configuration: str = Field(default="", description="a configuration of the study, such as 2d")
    plans: str = Field(default="", description="plans of the study, such as nnUNetPlans")
    test: str = Field(default="", description="the name of a test set of the study")
    by: Expression = Field(
        default="", description="an attribute such as sex, or several joined by +, such as sex+age"
    )
    methods: dict[str, _Trainer] = Field(
        default_factory=dict,
        description="names to print with trainers of the study, such as {Baseline: nnUNetTrainer}",
    )
    missing: dict[str, _Waiting] = Field(
        default_factory=dict,
        description="names to print with what these methods need that the study does not have, "
        "such as {Equal Scale: synthetic cases}",
    )
    label: str = Field(default="", description="a label, or average")
    groups: Listed[Group] = Field(
        default=(), description="a list of groups, the reference first, such as [White, Black]"
    )


class TableItem(PaperItem):
    """A table.

    Attributes:
        kind: ``cohort`` (who the people are, with tests), ``medians`` (medians, quartiles and gaps,
            a column per method and group), ``fairness`` (Delta, spread and SKEW, a row per method),
            ``equity`` (equity-scaled Dice and IoU, a row per label and method) or ``challenge``
            (scores of the MAMA-MIA challenge); None only with ``needs``.
        part: Of ``cohort``: whether training or test cases are shown.
        columns: Of ``cohort``: columns of the table to show.
        compare: Of ``cohort``: whether each group is compared with all people together, or all
            groups with each other.
    """

    kind: TableKind | None = Field(
        default=None, description="one of cohort, medians, fairness, equity, challenge"
    )
    part: Literal["training", "test"] = Field(default="training", description="training or test")
    columns: _Columns = ()
    compare: Literal["overall", "groups"] = Field(
        default="groups", description="groups (with each other) or overall (each with all people)"
    )


class FigureItem(PaperItem):
    """A figure.

    Attributes:
        kind: ``boxes`` (a panel per method, a box per group), ``curve`` (values over a number that
            trainings differ in), ``tradeoff`` (performance against the gap) or ``heatmap`` (a cell
            per pair of groups); None only with ``needs``.
        metric: Metric.
        series: Of ``curve`` and ``tradeoff``: name of a line -> trainer -> its number.
        axis: Of ``curve``: what the number is.
        values: Of ``curve``: what is shown, a panel each.
    """

    kind: FigureKind | None = Field(
        default=None, description="one of boxes, curve, tradeoff, heatmap"
    )
    metric: MetricName = Field(default="dice", description="a metric, such as dice")
    series: dict[
        str,
        Annotated[
            dict[str, Number],
            Field(description="trainers of the study with their numbers"),
        ],
    ] = Field(
        default_factory=dict,
        description="names of lines with trainers and their numbers, such as {Oversampling: "
        "{nnUNetTrainer: 0, nnUNetTrainerOversampling_sex: 1}}",
    )
    axis: str = Field(default="", description="what the numbers of the series are")
    values: Listed[
        Annotated[
            CurveValue,
            Field(
                description="one of groups, mean, median, delta, std, skew, ser, fairness_gap"
            ),
        ]
    ] = Field(default=("groups",), description="a list of groups, mean, median, delta, std, skew, "
              "ser and fairness_gap")  # fmt: skip
