"""Whether a study's file means something: its names against the disk and the real trainers."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from nnunetv2_fair.errors import FairError, StudyError, shorten
from nnunetv2_fair.study.datasets import (
    ALLOW_CHANGED_TABLE,
    BASE_CHECKPOINT,
    FOLDERS,
    Dataset,
    TestSet,
    find_dataset,
    find_test,
    study_environment,
)
from nnunetv2_fair.study.models import Model, Named, in_order, model_of
from nnunetv2_fair.study.problems import Problem
from nnunetv2_fair.study.settings import DatasetEntry, Settings
from nnunetv2_fair.study.trainer_facts import TrainerFacts, ask
from nnunetv2_fair.study.wildcards import expand

if TYPE_CHECKING:
    from nnunetv2_fair.subgroups.schema import Attribute, Schema

FINAL = "checkpoint_final.pth"
LATEST = "checkpoint_latest.pth"
#: Plans that nnU-Net's own planners make -> planner.
PLANNERS = {
    "nnUNetPlans": "ExperimentPlanner",
    "nnUNetResEncUNetPlans": "ResEncUNetPlanner",
    "nnUNetResEncUNetMPlans": "nnUNetPlannerResEncM",
    "nnUNetResEncUNetLPlans": "nnUNetPlannerResEncL",
    "nnUNetResEncUNetXLPlans": "nnUNetPlannerResEncXL",
}
PLANNED = ("2d", "3d_fullres", "3d_lowres", "3d_cascade_fullres")
CASCADE = "3d_cascade_fullres"
CASCADE_NEEDS = "3d_lowres"
TRIAL = "_trial"
#: A name that is safe as a file name on every system that nnU-Net runs on.
_SAFE = re.compile(r"[A-Za-z0-9_.+=-]+")


@dataclass(frozen=True)
class StudyDataset:
    """A dataset with all that a study does with it.

    Attributes:
        entry: As the study's file has it.
        dataset: On disk.
        tests: Test sets.
        models: In the file's order.
        attributes: Attribute expressions to evaluate by.
    """

    entry: DatasetEntry
    dataset: Dataset
    tests: tuple[TestSet, ...] = ()
    models: tuple[Model, ...] = ()
    attributes: tuple[str, ...] = ()

    def fold_folder(self, trainer: str, plans: str, configuration: str, fold: str) -> Path:
        """Return where nnU-Net keeps a training."""
        name = f"{trainer}__{plans}__{configuration}"
        return self.dataset.results / name / f"fold_{fold}"


class Findings:
    """What the checks of a study find.

    Args:
        settings: The study's settings.

    Attributes:
        environment: Variables that steps are run with.
        datasets: Datasets of which enough is right to go on.
        problems: All mistakes.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.environment = study_environment(settings)
        self.datasets: list[StudyDataset] = []
        self.problems: list[Problem] = []

    @contextmanager
    def blamed(self, line: int) -> Iterator[None]:
        """Turn an error into a mistake of a line."""
        try:
            yield
        except (FairError, OSError) as error:
            self.problems.append(Problem(line, str(error).rstrip(".")))

    def add(self, line: int, text: str) -> None:
        """Add a mistake."""
        self.problems.append(Problem(line, text))


def check(settings: Settings, shell: Mapping[str, str]) -> Findings:
    """Check the meaning of a study's settings.

    Args:
        settings: What its file says.
        shell: Environment that trainers are looked up in, beside the study's own.
    """
    found = Findings(settings)
    missing = [variable for variable in FOLDERS if variable not in found.environment]
    if missing:
        found.add(
            settings.line("environment"),
            f"{shorten(missing)} not set: name nnU-Net's folders in environment, for example "
            f"{missing[0]}: /data/{missing[0]}, or export them before",
        )
        return found
    on_disk = [
        (entry, dataset)
        for entry in settings.datasets
        for dataset in [_dataset(found, entry)]
        if dataset is not None
    ]
    _check_twice(found, [(d.name, e.line, "dataset") for e, d in on_disk])
    named = {entry.line: _named(found, entry, dataset) for entry, dataset in on_disk}
    known = {name for _, dataset in on_disk for name in dataset.schema.attributes}
    names = list(dict.fromkeys(n.name for listed in named.values() for n in listed))
    facts: dict[str, TrainerFacts] = {}
    with found.blamed(0):
        facts = ask(names, sorted(known), {**shell, **found.environment})
    for entry, dataset in on_disk:
        tests = tuple(_tests(found, entry, dataset))
        attributes = _attributes(found, entry, dataset, tests)
        resolved = StudyDataset(entry, dataset, tests, (), attributes)
        models = tuple(_models(found, resolved, named[entry.line], facts))
        resolved = replace(resolved, models=models)
        _check_bases(found, resolved)
        _check_configurations(found, resolved)
        _check_folds(found, resolved)
        found.datasets.append(resolved)
    _check_options(found, known)
    return found


def _dataset(found: Findings, entry: DatasetEntry) -> Dataset | None:
    with found.blamed(entry.line):
        return find_dataset(entry.dataset, found.environment)
    return None


def _check_twice(found: Findings, listed: Sequence[tuple[str, int, str]]) -> None:
    first: dict[str, int] = {}
    for name, line, what in listed:
        if name in first:
            found.add(line, f"{what} '{name}' stands there twice, first in line {first[name]}")
        first.setdefault(name, line)


def _named(found: Findings, entry: DatasetEntry, dataset: Dataset) -> list[Named]:
    """Return the trainers of a dataset without wildcards, those named twice once."""
    attributes = []
    for expression in dict.fromkeys(entry.attributes or found.settings.attributes):
        # blamed here once, rather than in every trainer that has a wildcard
        with found.blamed(entry.attributes_line):
            _parsed(dataset.name, dataset.schema, expression)
            attributes.append(expression)
    listed = []
    for trainer in found.settings.trainers:
        if attributes or not (entry.attributes or found.settings.attributes):
            with found.blamed(trainer.line):
                listed += [Named(name, trainer.line) for name in expand(trainer.text, attributes)]
    _check_twice(found, [(named.name, named.line, "trainer") for named in listed])
    return list({named.name: named for named in reversed(listed)}.values())[::-1]


def _tests(found: Findings, entry: DatasetEntry, dataset: Dataset) -> Iterator[TestSet]:
    _check_twice(found, [(test.name, test.line, "test set") for test in entry.tests])
    for test in entry.tests:
        with found.blamed(test.line):
            yield find_test(test, dataset, found.environment)


def _attributes(
    found: Findings, entry: DatasetEntry, dataset: Dataset, tests: Sequence[TestSet]
) -> tuple[str, ...]:
    """Return the attributes to evaluate by, after looking for them in all tables."""
    settings = found.settings
    expressions = settings.evaluated or entry.attributes or settings.attributes
    line = (
        settings.line("evaluation", "attributes") if settings.evaluated else entry.attributes_line
    )
    if not expressions:
        if not dataset.schema.default:
            found.add(
                entry.line,
                f"no attribute to evaluate {dataset.name} by: it has no default. Add a key "
                f"attributes, with some of {shorten(dataset.schema.attributes, 12)}",
            )
            return ()
        expressions, line = (dataset.schema.default,), entry.line
    _check_twice(found, [(expression, line, "attribute") for expression in expressions])
    cut = settings.evaluation.get("bins", {})
    schemas = {dataset.name: dataset.schema}
    schemas |= {
        f"test set '{test.name}'": test.schema
        for test in tests
        if test.schema is not None and test.schema is not dataset.schema
    }
    for expression in expressions:
        for owner, schema in schemas.items():
            with found.blamed(line):
                for attribute in _parsed(owner, schema, expression):
                    if not attribute.groups and attribute.name not in cut:
                        attribute.group_of("0")  # says what to add to the dictionary
    if entry.stratify:
        with found.blamed(entry.stratify_line):
            _parsed(dataset.name, dataset.schema, entry.stratify)
    return tuple(expressions)


def _parsed(owner: str, schema: "Schema", expression: str | None) -> "tuple[Attribute, ...]":
    """Return the attributes of an expression; a message names whose they should be."""
    try:
        return schema.parse_expression(expression)
    except FairError as error:
        raise type(error)(f"{owner}: {error}") from error


def _models(
    found: Findings, on: StudyDataset, named: Sequence[Named], facts: Mapping[str, TrainerFacts]
) -> Iterator[Model]:
    usable = []
    for trainer in named:
        known = facts.get(trainer.name, TrainerFacts("unknown"))
        base = facts.get(known.base or "", TrainerFacts())
        if known.error or base.error:
            found.add(trainer.line, known.error or f"base of {trainer.name}: {base.error}")
            continue
        with found.blamed(trainer.line):
            if known.ours:
                _check_attribute(on.dataset, trainer.name, known)
            model = model_of(trainer, known, on.dataset)
            unsafe = [name for name in model.trainings if not _SAFE.fullmatch(name)]
            if unsafe:
                found.add(trainer.line, f"'{unsafe[0]}' is no name for a folder")
                continue
            if model.per_group:
                _check_unknown(found, on, model)
            usable.append(model)
    with found.blamed(named[0].line if named else 0):
        in_order(usable)
        yield from usable
    if found.settings.baseline and usable:
        names = [model.name for model in usable]
        if found.settings.baseline not in names:
            found.add(
                found.settings.line("baseline"),
                f"baseline '{found.settings.baseline}' is no trainer of {on.dataset.name}. "
                f"Expected one of {shorten(names, 12)}",
            )


def _check_attribute(dataset: Dataset, trainer: str, known: TrainerFacts) -> None:
    try:
        attributes = _parsed(dataset.name, dataset.schema, known.attribute)
    except FairError as error:
        # a misspelt option reads as the end of an attribute's name
        raise StudyError(f"{trainer}: {error} {known.options}") from error
    for attribute in attributes:
        if not attribute.groups:
            attribute.group_of("0")  # says what to add to the dictionary


def _check_unknown(found: Findings, on: StudyDataset, model: Model) -> None:
    """A model per group cannot predict cases whose group nobody knows."""
    if found.settings.prediction.get("unknown_model"):
        return
    from nnunetv2_fair.subgroups.groups import group_cases
    from nnunetv2_fair.subgroups.table import read_table

    for test in on.tests:
        table = read_table(test.table, test.schema or on.dataset.schema)
        grouping = group_cases(table, model.attribute)
        suffix = f"_0000{on.dataset.ending}"
        cases = [image.name.removesuffix(suffix) for image in test.images.glob(f"*{suffix}")]
        unknown = grouping.unknown([case for case in cases if case in grouping.group_of])
        if unknown:
            found.add(
                model.line,
                f"{model.name}: {len(unknown)} cases of test set '{test.name}' have no known "
                f"'{grouping.expression}', so no model is theirs. Fill the cells of {test.table}, "
                "or say whose model predicts them with prediction: {unknown_model: GROUP}",
            )


def _check_bases(found: Findings, on: StudyDataset) -> None:
    """Refuse a trainer whose base is neither in the study nor trained already."""
    if found.environment.get(BASE_CHECKPOINT):
        path = Path(found.environment[BASE_CHECKPOINT])
        if not path.is_file():
            line = found.settings.line("environment", BASE_CHECKPOINT)
            found.add(line, f"{BASE_CHECKPOINT} is {path}, which is no file; correct or unset it")
        return
    trained = {training for model in on.models for training in model.trainings}
    for model in on.models:
        if model.base is None or model.base in trained:
            continue
        folders = [
            on.fold_folder(model.base, plans, configuration, fold)
            for plans in on.entry.plans
            for configuration in on.entry.configurations
            for fold in on.entry.folds
        ]
        missing = [folder for folder in folders if not (folder / FINAL).is_file()]
        if missing:
            found.add(
                model.line,
                f"{model.name} builds on a model of {model.base}, which is neither in this study "
                f"nor trained: there is no {missing[0] / FINAL}. Add '- {model.base}' to trainers, "
                "or another base to its name",
            )


def _check_configurations(found: Findings, on: StudyDataset) -> None:
    entry = on.entry
    for what, names in (("configuration", entry.configurations), ("plans", entry.plans)):
        _check_twice(found, [(name, entry.line, what) for name in names])
    for identifier in entry.plans:
        with found.blamed(entry.line):
            plans = on.dataset.plans(identifier)
            if plans is None and identifier not in PLANNERS:
                found.add(
                    entry.line,
                    f"{on.dataset.name} has no plans '{identifier}', and no planner of nnU-Net "
                    f"makes them. Known: {shorten(PLANNERS, 12)}. Plan with a planner of your own "
                    "first, or choose one of these",
                )
            planned = set(PLANNED if plans is None else plans["configurations"])
            planned |= {f"{name}{TRIAL}" for name in planned}
            unknown = [name for name in entry.configurations if name not in planned]
            if unknown:
                where = "nnU-Net plans" if plans is None else f"plans '{identifier}' have"
                listed = shorten(sorted(planned), 12)
                found.add(
                    entry.line,
                    f"{on.dataset.name} has no configuration {shorten(unknown)}; {where} {listed}",
                )
    if CASCADE in entry.configurations:
        n_folds = on.dataset.n_folds or entry.number_of_folds
        complete = set(entry.folds) == {str(fold) for fold in range(n_folds)}
        if CASCADE_NEEDS not in entry.configurations or not complete:
            found.add(
                entry.line,
                f"{CASCADE} trains on what {CASCADE_NEEDS} models of all {n_folds} folds predict: "
                f"add {CASCADE_NEEDS} to the configurations, and list all folds",
            )


def _check_folds(found: Findings, on: StudyDataset) -> None:
    """NnU-Net draws cases of its own for a fold that the splits do not have."""
    entry = on.entry
    _check_twice(found, [(fold, entry.folds_line, "fold") for fold in entry.folds])
    if "all" in entry.folds and len(entry.folds) > 1:
        found.add(entry.folds_line, "'all' trains on all cases and goes with no other fold")
    n_folds = on.dataset.n_folds or entry.number_of_folds
    beyond = [fold for fold in entry.folds if fold.isdigit() and int(fold) >= n_folds]
    if beyond:
        found.add(
            entry.folds_line,
            f"{on.dataset.name} has the folds 0 to {n_folds - 1}, not {shorten(beyond)}; list "
            "folds that it has, or set number_of_folds before the folds are made",
        )


def _check_options(found: Findings, known: set[str]) -> None:
    settings = found.settings
    for key in ("bins", "reference"):
        for name in settings.evaluation.get(key, {}):
            if known and name not in known:
                found.add(
                    settings.line("evaluation", key, name),
                    f"evaluation, {key}: there is no attribute '{name}'. Attributes: "
                    f"{shorten(sorted(known), 12)}",
                )
    trainings = {t for on in found.datasets for model in on.models for t in model.trainings}
    for pattern in settings.trainer_resources:
        if trainings and not any(fnmatchcase(name, pattern) for name in trainings):
            found.add(
                settings.line("resources", "trainers", pattern),
                f"resources, trainers: no trainer of the study is called '{pattern}'",
            )
    if found.environment.get(ALLOW_CHANGED_TABLE, "1") != "1":
        line = settings.line("environment", ALLOW_CHANGED_TABLE)
        found.add(line, f"{ALLOW_CHANGED_TABLE} is 1, or not set at all")
