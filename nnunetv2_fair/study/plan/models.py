"""Which models a study trains on a dataset: names without wildcards, with the bases they need."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nnunetv2_fair.errors import StudyError
from nnunetv2_fair.study.plan.trainer_facts import TrainerFacts
from nnunetv2_fair.subgroups.tokens import group_token

if TYPE_CHECKING:
    from nnunetv2_fair.study.plan.datasets import Dataset


@dataclass(frozen=True)
class Named:
    """A trainer's name without wildcards, and the line that it comes from."""

    name: str
    line: int


@dataclass(frozen=True)
class Model:
    """What is predicted with, evaluated and compared.

    Attributes:
        name: Of the trainer; of a model per group without the group.
        line: Line of the study's file.
        trainings: Names of the trainers whose trainings it consists of, several for a model per
            group.
        base: Trainer whose finished model each of them builds on, fold by fold.
        attribute: Attribute expression in the name.
        per_group: Whether each case is predicted by the model of its group.
    """

    name: str
    line: int
    trainings: tuple[str, ...]
    base: str | None
    attribute: str | None
    per_group: bool


def model_of(named: Named, facts: TrainerFacts, dataset: "Dataset") -> Model:
    """Return the model that a name means on a dataset.

    Raises:
        FairError: If it is one model per group, and the dataset's groups do not allow that.
    """
    if facts.per_group is None:
        trainings = [named.name]
    else:
        trainings = _per_group(facts.per_group, facts.attribute, dataset)
    return Model(
        named.name,
        named.line,
        tuple(trainings),
        facts.base,
        facts.attribute,
        facts.per_group is not None,
    )


def _per_group(parts: tuple[str, str], attribute: str | None, dataset: "Dataset") -> list[str]:
    """Return the names of the trainers of all groups, given the parts around ``=<group>``."""
    from nnunetv2_fair.subgroups.groups import group_cases

    head, rest = parts
    table = dataset.read_table()
    grouping = group_cases(table, attribute)
    suffix = f"_0000{dataset.ending}"
    images = (dataset.raw / "imagesTr").glob(f"*{suffix}")
    counts = grouping.counts(
        case
        for case in (image.name.removesuffix(suffix) for image in images)
        if case in grouping.group_of
    )
    without = [name for name, count in counts.items() if not count]
    if without:
        raise StudyError(
            f"{dataset.name} has no training case of group {without[0]} of '{attribute}', "
            f"so {head}{rest} cannot have a model for it; leave this trainer out or merge groups"
        )
    return [f"{head}={group_token(name)}{rest}" for name in grouping.names]


def in_order(models: Iterable[Model]) -> list[Model]:
    """Return models with bases before those that build on them.

    Raises:
        StudyError: If bases build on one another in a circle.
    """
    by_training = {training: model for model in models for training in model.trainings}
    ordered: dict[str, Model] = {}
    begun: set[str] = set()

    def visit(model: Model) -> None:
        if model.name in ordered:
            return
        if model.name in begun:
            raise StudyError(
                f"'{model.name}' builds on itself, by way of its base '{model.base}'; choose "
                "another base in its name"
            )
        begun.add(model.name)
        if model.base in by_training:
            visit(by_training[model.base])
        ordered[model.name] = model

    for model in list(by_training.values()):
        visit(model)
    return list(ordered.values())
