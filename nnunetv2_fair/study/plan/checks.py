"""Whether a study's file makes sense: its names against the disk and the real trainers.

Checks of trainers are in ``model_checks``, those of configurations, folds and options in
``option_checks``.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from nnunetv2_fair.errors import shorten
from nnunetv2_fair.files.atomic import nearest_existing
from nnunetv2_fair.study.plan.check_results import Findings, parsed
from nnunetv2_fair.study.plan.crops.cascades import cascades_of, check_crops_are_used
from nnunetv2_fair.study.plan.crops.cropped_dataset import find_cropped
from nnunetv2_fair.study.plan.datasets import Dataset, TestSet, find_dataset, find_test
from nnunetv2_fair.study.plan.diagnosis.choose import diagnosed
from nnunetv2_fair.study.plan.downstream_checks import check_downstream
from nnunetv2_fair.study.plan.environment import FOLDERS
from nnunetv2_fair.study.plan.foundation.choose import with_prompted
from nnunetv2_fair.study.plan.model_checks import check_bases, models_of
from nnunetv2_fair.study.plan.models import Named
from nnunetv2_fair.study.plan.option_checks import (
    check_configurations,
    check_folds,
    check_options,
    check_tables,
)
from nnunetv2_fair.study.plan.paper_checks import check_papers
from nnunetv2_fair.study.plan.study_dataset import StudyDataset
from nnunetv2_fair.study.plan.synthesis.filled_dataset import find_filled
from nnunetv2_fair.study.plan.synthesis.filled_models import filled_of
from nnunetv2_fair.study.plan.trainer_facts import TrainerFacts, ask
from nnunetv2_fair.study.step import PLAN_JSON, read_plan
from nnunetv2_fair.study.study_file.problems import Problem
from nnunetv2_fair.study.study_file.settings import DatasetEntry, Settings
from nnunetv2_fair.study.study_file.wildcards import expand


def check(settings: Settings, shell: Mapping[str, str]) -> Findings:
    """Check the meaning of a study's settings.

    Args:
        settings: What its file says.
        shell: Environment that trainers are looked up in, in addition to the study's own.
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
    on_disk = _datasets(found)
    found.twice([(d.name, e.line("id"), "dataset") for e, d in on_disk])
    named = [_named(found, entry, dataset) for entry, dataset in on_disk]
    known = {name for _, dataset in on_disk for name in dataset.schema.attributes}
    names = list(dict.fromkeys(n.name for listed in named for n in listed))
    facts: dict[str, TrainerFacts] = {}
    with found.blamed(0):
        facts = ask(names, sorted(known), {**shell, **found.environment}, settings.repeats)
    for (entry, dataset), trainers in zip(on_disk, named, strict=True):
        tests = tuple(_tests(found, entry, dataset))
        attributes = _attributes(found, entry, dataset, tests)
        resolved = StudyDataset(entry, dataset, tests, (), attributes)
        models = tuple(models_of(found, resolved, trainers, facts))
        resolved = replace(resolved, models=models)
        check_bases(found, resolved)
        check_configurations(found, resolved)
        check_folds(found, resolved)
        check_tables(found, resolved)
        found.datasets.append(resolved)
    found.datasets = [
        replace(
            on,
            cascades=cascades_of(found, on, found.datasets),
            filled=filled_of(found, on, found.datasets),
        )
        for on in found.datasets
    ]
    check_crops_are_used(found)
    found.datasets = with_prompted(found, found.datasets, shell)
    check_options(found, known)
    check_downstream(found)
    check_papers(found)
    found.diagnosed = diagnosed(found)
    return found


def _datasets(found: Findings) -> list[tuple[DatasetEntry, Dataset]]:
    """Return the datasets that are there, and those that the study makes of them."""
    entries = list(found.settings.datasets)
    there = {
        position: dataset
        for position, entry in enumerate(entries)
        if not _is_made(entry) and (dataset := _dataset(found, entry)) is not None
    }
    originals = [(entries[position], dataset) for position, dataset in there.items()]
    for position, entry in enumerate(entries):
        made = None
        if entry.crop is not None and entry.synthesis is not None:
            found.add(
                entry.line("synthesis"),
                "crop and synthesis make two datasets. Give each an entry with an id of its own",
            )
        elif entry.crop is not None:
            made = find_cropped(found, entry, originals)
        elif entry.synthesis is not None:
            made = find_filled(found, entry, originals)
        if made is not None:
            there[position] = made
    _check_numbers(found, [(entries[position], there[position]) for position in sorted(there)])
    return [(entries[position], there[position]) for position in sorted(there)]


def _check_numbers(found: Findings, datasets: Sequence[tuple[DatasetEntry, Dataset]]) -> None:
    """Refuse two names with one id, which only datasets that do not exist yet can have."""
    first: dict[int, tuple[DatasetEntry, Dataset]] = {}
    for entry, dataset in datasets:
        before, other = first.setdefault(dataset.number, (entry, dataset))
        if other.name != dataset.name:
            found.add(
                entry.line("id"),
                f"id {dataset.number} is that of {other.name}, too, on line {before.line('id')}. "
                f"Choose another id for {dataset.name}",
            )


def _is_made(entry: DatasetEntry) -> bool:
    """Return whether the study makes a dataset of another one."""
    return entry.crop is not None or entry.synthesis is not None


def _dataset(found: Findings, entry: DatasetEntry) -> Dataset | None:
    with found.blamed(entry.line("id")):
        return find_dataset(entry.id, found.environment)
    return None


def _named(found: Findings, entry: DatasetEntry, dataset: Dataset) -> list[Named]:
    """Return the trainers of a dataset without wildcards, each once."""
    attributes = []
    expressions, attributes_line = _own_attributes(found, entry)
    for expression in dict.fromkeys(expressions):
        # reported here once, rather than for every trainer that has a wildcard
        with found.blamed(attributes_line):
            parsed(dataset.name, dataset.schema, expression)
            attributes.append(expression)
    listed = []
    owner = entry if entry.trainers else found.settings
    for number, text in enumerate(owner.trainers):
        if attributes or not expressions:
            line = owner.line("trainers", number)
            with found.blamed(line):
                listed += [Named(name, line) for name in expand(text, attributes)]
    found.twice([(named.name, named.line, "trainer") for named in listed])
    return list({named.name: named for named in reversed(listed)}.values())[::-1]


def _own_attributes(found: Findings, entry: DatasetEntry) -> tuple[tuple[str, ...], int]:
    """Return the attributes that apply to a dataset, and their line."""
    owner = entry if entry.attributes else found.settings
    return owner.attributes, owner.line("attributes")


def _tests(found: Findings, entry: DatasetEntry, dataset: Dataset) -> Iterator[TestSet]:
    if _is_made(entry):
        return
    found.twice([(test.name, test.line(), "test set") for test in entry.tests])
    for test in entry.tests:
        reading = test.reading(found.settings.evaluation)
        with found.blamed(test.line()):
            yield replace(find_test(test, dataset, found.environment), reading=reading)


def _attributes(
    found: Findings, entry: DatasetEntry, dataset: Dataset, tests: Sequence[TestSet]
) -> tuple[str, ...]:
    """Return the attributes to evaluate by, after checking for them in all tables."""
    settings = found.settings
    expressions, line = settings.evaluation.attributes, settings.line("evaluation", "attributes")
    if not expressions:
        expressions, line = _own_attributes(found, entry)
    if not expressions:
        if not dataset.schema.default:
            found.add(
                entry.line("id"),
                f"no attribute to evaluate {dataset.name} by: it has no default. Add a key "
                f"attributes, with some of {shorten(dataset.schema.attributes, 12)}",
            )
            return ()
        expressions, line = (dataset.schema.default,), entry.line("id")
    found.twice([(expression, line, "attribute") for expression in expressions])
    cut = settings.evaluation.bins
    schemas = {dataset.name: dataset.schema}
    schemas |= {
        f"test set '{test.name}'": test.schema
        for test in tests
        if test.schema is not None and test.schema is not dataset.schema
    }
    for expression in expressions:
        for owner, schema in schemas.items():
            with found.blamed(line):
                for attribute in parsed(owner, schema, expression):
                    if not attribute.groups and attribute.name not in cut:
                        attribute.group_of("0")  # says what to add to the dictionary
    if entry.stratify:
        with found.blamed(entry.line("stratify")):
            parsed(dataset.name, dataset.schema, entry.stratify)
    return expressions


def check_folder(settings: Settings, folder: Path) -> list[Problem]:
    """Return why a folder cannot be the study's: a file, not writable, or another study's."""
    if folder.exists() and not folder.is_dir():
        return [Problem(0, f"{folder} is a file; name a folder with -o")]
    existing = nearest_existing(folder)
    if not os.access(existing, os.W_OK | os.X_OK):
        return [Problem(0, f"{existing} cannot be written; name another folder with -o")]
    path = folder / PLAN_JSON
    if not path.is_file():
        return []
    try:
        other = read_plan(folder)
    except (ValueError, KeyError, TypeError, OSError):
        return [Problem(0, f"{path} is damaged; delete it. No finished step is lost")]
    source = os.path.relpath(settings.path.resolve(), folder.resolve())
    if (other.title, other.source) == (settings.title, source):
        return []
    return [
        Problem(
            settings.line("title"),
            f"{folder} holds another study, '{other.title}' of {other.source}. Name another "
            f"folder with -o; if it is the same study under a new name, delete {path} "
            "(no finished step is lost)",
        )
    ]
