"""What a study's file asks for, as the last step receives it: plain values, names resolved."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Place:
    """Where methods were evaluated: dataset that they were trained on ... test set."""

    dataset: str
    configuration: str
    plans: str
    test: str

    @property
    def words(self) -> str:
        """Name for titles; plans that are nnU-Net's usual ones are not named."""
        usual = self.plans == "nnUNetPlans"
        parts = (self.test, self.dataset, self.configuration, "" if usual else self.plans)
        return ", ".join(part for part in parts if part)


@dataclass(frozen=True)
class Asked:
    """One table or figure.

    Attributes:
        figure: Whether it is a figure.
        name: Stem of its files.
        kind: What it is; empty if ``needs`` says why it cannot be made.
        title: Title; empty for one that says what it shows.
        needs: What the study lacks to make it, in words; empty if nothing.
        places: Where its methods were evaluated.
        methods: Name to print -> trainer.
        missing: Name to print -> what the method lacks.
        by: Attribute expression.
        label: Label; empty for the one that represents the results.
        metric: Metric.
        groups: Groups to show, the reference first; empty for all.
        series: Name of a line -> trainer -> its number.
        axis: What these numbers are.
        values: What a curve shows.
        cohort: Dataset whose people are shown; empty unless it is a cohort.
        part: ``training`` or ``test``.
        columns: Columns of its table.
        compare: ``overall`` or ``groups``.
        baseline: Trainer whose reference group the dashed line of a figure is.
    """

    figure: bool
    name: str
    kind: str = ""
    title: str = ""
    needs: str = ""
    places: tuple[Place, ...] = ()
    methods: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    by: str = ""
    label: str = ""
    metric: str = "dice"
    groups: tuple[str, ...] = ()
    series: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    axis: str = ""
    values: tuple[str, ...] = ()
    cohort: str = ""
    part: str = "training"
    columns: tuple[str, ...] = ()
    compare: str = "groups"
    baseline: str = ""


def to_json(asked: tuple[Asked, ...]) -> str:
    """Return what is asked for as the step's argument; what is at its default is left out.

    Methods keep their order, in which they are shown.
    """
    usual = asdict(Asked(False, ""))
    return json.dumps(
        [{key: value for key, value in asdict(one).items() if value != usual[key]} for one in asked]
    )


def from_json(text: str) -> tuple[Asked, ...]:
    """Return what :func:`to_json` was given."""
    return tuple(_asked(entry) for entry in json.loads(text))


def _asked(entry: dict[str, Any]) -> Asked:
    content = {"figure": False, **entry}
    for key in ("groups", "values", "columns"):
        content[key] = tuple(content.get(key, ()))
    content["places"] = tuple(Place(**place) for place in content.get("places", ()))
    return Asked(**content)
