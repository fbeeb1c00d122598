"""Which models a study trains on a dataset: names without wildcards, with the bases they need."""

from collections.abc import Iterable, Mapping
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
class Run:
    """One training of a model, of all folds: what is predicted with.

    Attributes:
        name: Of the trainer; of a model per group without the group.
        trainings: Names of the trainers whose trainings it consists of, several for a model per
            group.
        base: Trainer whose finished model each of them builds on, fold by fold.
    """

    name: str
    trainings: tuple[str, ...]
    base: str | None


@dataclass(frozen=True)
class Model:
    """What is evaluated and compared.

    Attributes:
        name: As the study's file has it, without wildcards.
        line: Line of the study's file.
        runs: Its trainings that differ by their seed alone; one of the model's own name where it
            is not repeated.
        base: Trainer whose model it builds on, as the file would name it.
        attribute: Attribute expression in the name.
        per_group: Whether each case is predicted by the model of its group.
    """

    name: str
    line: int
    runs: tuple[Run, ...]
    base: str | None
    attribute: str | None
    per_group: bool

    @property
    def is_repeated(self) -> bool:
        """Whether its trainings have names of their own: those of runs."""
        return self.runs[0].name != self.name

    @property
    def trainings(self) -> tuple[str, ...]:
        """Names of the trainers of all runs."""
        return tuple(name for run in self.runs for name in run.trainings)


def model_of(named: Named, facts: Mapping[str, TrainerFacts], dataset: "Dataset") -> Model:
    """Return the model that a name means on a dataset.

    Args:
        named: Its name.
        facts: What names mean, also those of its runs.
        dataset: What it is trained on.

    Raises:
        FairError: If it is one model per group, and the dataset's groups do not allow that.
    """
    known = facts[named.name]
    runs = []
    for name in known.runs or (named.name,):
        of_run = facts[name]
        trainings = [name]
        if of_run.per_group is not None:
            trainings = _per_group(of_run.per_group, of_run.attribute, dataset)
        runs.append(Run(name, tuple(trainings), of_run.base))
    return Model(
        named.name,
        named.line,
        tuple(runs),
        known.base,
        known.attribute,
        known.per_group is not None,
    )


def _per_group(parts: tuple[str, str], attribute: str | None, dataset: "Dataset") -> list[str]:
    """Return the names of the trainers of all groups, given the parts around ``=<group>``."""
    from nnunetv2_fair.subgroups.groups import group_cases

    head, rest = parts
    table = dataset.read_table()
    grouping = group_cases(table, attribute)
    suffix = f"_0000{dataset.ending}"
    images = (dataset.origin.raw / "imagesTr").glob(f"*{suffix}")
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
        for run in model.runs:
            if run.base in by_training:
                visit(by_training[run.base])
        ordered[model.name] = model

    for model in list(by_training.values()):
        visit(model)
    return list(ordered.values())
