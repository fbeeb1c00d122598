"""What a study's file says, with the line of whatever may turn out to be wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nnunetv2_fair.study.study_file.problems import Problem
from nnunetv2_fair.study.study_file.schema_check import check_schema
from nnunetv2_fair.study.study_file.values import absolute
from nnunetv2_fair.study.study_file.yaml_lines import Document, read_yaml

INTERNAL = "internal"


@dataclass(frozen=True)
class TestEntry:
    """A test set as the file names it.

    Attributes:
        name: Short name, part of folders' names.
        line: Its line.
        dataset: Id or name of another dataset; empty for the dataset's own or for folders.
        part: ``test`` or ``training`` cases of that dataset.
        images: Folder of images; None unless folders are given.
        labels: Folder of reference masks.
        demographics: Table of the cases.
    """

    name: str
    line: int
    dataset: str = ""
    part: str = "test"
    images: Path | None = None
    labels: Path | None = None
    demographics: Path | None = None


@dataclass(frozen=True)
class DatasetEntry:
    """A dataset as the file names it.

    Attributes:
        dataset: Id or name.
        line: Its line.
        configurations: Such as ``2d``.
        plans: Plans identifiers.
        folds: Such as ``0``, or ``all``.
        number_of_folds: That ``nnUNetv2_fair_prepare`` makes.
        stratify: Attribute expression to stratify folds by; empty for prepare's choice.
        attributes: In place of the study's; empty if it has none of its own.
        tests: Test sets.
        attributes_line: Line of the attributes that hold for it.
        folds_line: Line of its folds.
        stratify_line: Line of ``stratify``.
    """

    dataset: str
    line: int
    configurations: tuple[str, ...]
    plans: tuple[str, ...]
    folds: tuple[str, ...]
    number_of_folds: int
    stratify: str
    attributes: tuple[str, ...]
    tests: tuple[TestEntry, ...]
    attributes_line: int
    folds_line: int
    stratify_line: int


@dataclass(frozen=True)
class TrainerEntry:
    """A trainer, or several by wildcards, as the file names them."""

    text: str
    line: int


@dataclass(frozen=True)
class Settings:
    """What a study's file says.

    Attributes:
        path: The file.
        title: What the study is called.
        datasets: Datasets.
        trainers: Trainers, wildcards not yet expanded.
        attributes: What ``{attribute}`` stands for; also evaluated unless the evaluation has its
            own.
        baseline: Name of the trainer that others are compared with; empty for the first one.
        prediction: Options of predictions.
        evaluation: Options of evaluations, without attributes and shards.
        evaluated: Attribute expressions to evaluate by; empty for the datasets' attributes.
        shards: Jobs per evaluation.
        resources: Kind of step, or ``default`` -> key -> value, as in the file.
        trainer_resources: Pattern of trainers' names -> key -> value.
        device: ``cuda``, ``cpu`` or ``mps``.
        attempts: How often a job may be started.
        seed: Of folds and intervals; None for the commands' own.
        setup: Shell lines before every step.
        environment: Variables of every step.
        python: Interpreter; empty for this one.
        container: Command that steps run in.
        lines: Lines of single keys, by place.
    """

    path: Path
    title: str = ""
    datasets: tuple[DatasetEntry, ...] = ()
    trainers: tuple[TrainerEntry, ...] = ()
    attributes: tuple[str, ...] = ()
    baseline: str = ""
    prediction: Mapping[str, Any] = field(default_factory=dict)
    evaluation: Mapping[str, Any] = field(default_factory=dict)
    evaluated: tuple[str, ...] = ()
    shards: int = 1
    resources: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    trainer_resources: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    device: str = "cuda"
    attempts: int = 3
    seed: int | None = None
    setup: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    python: str = ""
    container: str = ""
    document: Document | None = field(default=None, repr=False)

    def line(self, *place: str | int) -> int:
        """Return the line of an entry of the file."""
        return self.document.line(*place) if self.document is not None else 0


def read_settings(path: Path) -> tuple[Settings, list[Problem]]:
    """Read a study's file.

    Returns:
        What it says, without what is wrong, and the mistakes of form. Mistakes of meaning are
        those of :mod:`nnunetv2_fair.study.plan.checks`.

    Raises:
        StudyError: If it is missing or no YAML, or a package that studies need is not installed.
    """
    document = read_yaml(path)
    data, problems = check_schema(document)
    problems = [*document.problems, *problems]
    data = data if isinstance(data, dict) else {}
    evaluation = dict(data.get("evaluation") or {})
    evaluated = _texts(evaluation.pop("attributes", None))
    shards = evaluation.pop("shards", 1)
    resources = dict(data.get("resources") or {})
    trainer_resources = resources.pop("trainers", {})
    settings = Settings(
        path=path,
        title=data.get("title", ""),
        datasets=tuple(_datasets(document, data)),
        trainers=tuple(
            TrainerEntry(text, document.line("trainers", i))
            for i, text in enumerate(data.get("trainers") or [])
            if text is not None
        ),
        attributes=_texts(data.get("attributes")),
        baseline=data.get("baseline", ""),
        prediction=data.get("prediction") or {},
        evaluation=evaluation,
        evaluated=evaluated,
        shards=shards,
        resources=resources,
        trainer_resources=trainer_resources,
        device=data.get("device", "cuda"),
        attempts=data.get("attempts", 3),
        seed=data.get("seed"),
        setup=_texts(data.get("setup")),
        environment={k: str(v) for k, v in (data.get("environment") or {}).items()},
        python=data.get("python", ""),
        container=data.get("container", ""),
        document=document,
    )
    return settings, problems


def _datasets(document: Document, data: Mapping[str, Any]) -> list[DatasetEntry]:
    found = []
    for i, entry in enumerate(data.get("datasets") or []):
        # what the schema refused is gone; without an id there is nothing left to check
        if not isinstance(entry, dict) or "id" not in entry:
            continue
        at = ("datasets", i)
        own = (*at, "attributes") if "attributes" in entry else ("attributes",)
        tests = [
            _test(document, (*at, "tests", k), test, document.path.parent)
            for k, test in enumerate(entry.get("tests") or [INTERNAL])
            if test is not None
        ]
        found.append(
            DatasetEntry(
                dataset=str(entry["id"]),
                line=document.line(*at, "id"),
                configurations=_texts(entry.get("configurations")),
                plans=_texts(entry.get("plans")) or ("nnUNetPlans",),
                folds=_texts(entry.get("folds")) or ("0", "1", "2", "3", "4"),
                number_of_folds=entry.get("number_of_folds", 5),
                stratify=entry.get("stratify", ""),
                attributes=_texts(entry.get("attributes")),
                tests=tuple(test for test in tests if test is not None),
                attributes_line=document.line(*own),
                folds_line=document.line(*at, "folds"),
                stratify_line=document.line(*at, "stratify"),
            )
        )
    return found


def _test(
    document: Document, place: tuple[str | int, ...], test: Any, beside: Path
) -> TestEntry | None:
    line = document.line(*place)
    if isinstance(test, str):
        return TestEntry(test, line)
    if "name" not in test:
        return None
    folders = {
        key: absolute(test[key], beside)
        for key in ("images", "labels", "demographics")
        if key in test
    }
    dataset = str(test.get("dataset", ""))
    return TestEntry(test["name"], line, dataset, test.get("part", "test"), **folders)


def _texts(values: Sequence[Any] | None) -> tuple[str, ...]:
    return tuple(str(value) for value in values or () if value is not None)
