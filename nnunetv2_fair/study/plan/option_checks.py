"""Whether configurations, folds and options make sense, given what is on disk."""

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from nnunetv2_fair.errors import FairError, did_you_mean, shorten
from nnunetv2_fair.study.plan.check_results import Findings
from nnunetv2_fair.study.plan.environment import ALLOW_CHANGED_TABLE
from nnunetv2_fair.study.plan.study_dataset import (
    CASCADE,
    CASCADE_NEEDS,
    PLANNED,
    PLANNERS,
    TRIAL,
    StudyDataset,
)
from nnunetv2_fair.study.study_file.settings import SINGLE
from nnunetv2_fair.subgroups.schema import INTERSECTION
from nnunetv2_fair.tables.remedy import options_of

if TYPE_CHECKING:
    from nnunetv2_fair.subgroups.table import DemographicsTable


def check_configurations(found: Findings, on: StudyDataset) -> None:
    """Refuse plans that no planner makes, and configurations that plans do not have."""
    entry = on.entry
    line = entry.line("id")
    for what, names in (("configuration", entry.configurations), ("plans", entry.plans)):
        found.twice([(name, line, what) for name in names])
    for identifier in entry.plans:
        with found.blamed(line):
            plans = on.dataset.plans(identifier)
            if plans is None and identifier not in PLANNERS:
                found.add(
                    line,
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
                    line,
                    f"{on.dataset.name} has no configuration {shorten(unknown)}; {where} {listed}",
                )
    if CASCADE in entry.configurations:
        n_folds = on.dataset.n_folds or entry.number_of_folds
        complete = set(entry.folds) == {str(fold) for fold in range(n_folds)}
        if CASCADE_NEEDS not in entry.configurations or not complete:
            found.add(
                line,
                f"{CASCADE} trains on what {CASCADE_NEEDS} models of all {n_folds} folds predict: "
                f"add {CASCADE_NEEDS} to the configurations, and list all folds",
            )


def check_folds(found: Findings, on: StudyDataset) -> None:
    """For a fold that the splits do not have, nnU-Net would draw its own cases."""
    entry = on.entry
    line = entry.line("folds")
    found.twice([(fold, line, "fold") for fold in entry.folds])
    if "all" in entry.folds and len(entry.folds) > 1:
        found.add(line, "'all' trains on all cases and cannot be combined with other folds")
    n_folds = on.dataset.n_folds or entry.number_of_folds
    beyond = [fold for fold in entry.folds if fold.isdigit() and int(fold) >= n_folds]
    if beyond:
        found.add(
            line,
            f"{on.dataset.name} has the folds 0 to {n_folds - 1}, not {shorten(beyond)}; list "
            "folds that it has, or set number_of_folds before the folds are made",
        )
    if SINGLE in found.settings.prediction.folds and len(entry.folds) == 1:
        found.add(
            found.settings.line("prediction", "folds"),
            f"prediction, folds: {on.dataset.name} has one fold here, {entry.folds[0]}, so that "
            "there are no single folds beside the ensemble. List two or more folds, or leave "
            "single out",
        )


def check_tables(found: Findings, on: StudyDataset) -> None:
    """Refuse tables that evaluations could not read, and papers' tables that would stay empty.

    A table with a dictionary that is read as it is has been checked by what wrote it.
    """
    from nnunetv2_fair.subgroups.table import read_table

    options = found.settings.evaluation
    parts = [part for expression in on.attributes for part in expression.split(INTERSECTION)]
    entries = {entry.name: entry for entry in on.entry.tests}
    for test in on.tests:
        told = options_of(test.reading)
        choices = {name: of for name, of in options.groups.items() if name in on.attributes}
        read_as_it_is = not told and test.schema is not None
        if read_as_it_is and options.preset is None and not choices:
            continue
        wanted = dict.fromkeys([*parts, *test.reading.values, *test.reading.dicom_age])
        settings = replace(
            test.reading, bins=options.bins, attributes=tuple(wanted), optional=options.adjust,
            others=options.discover or options.preset is not None,
        )  # fmt: skip
        line = (
            found.settings.line("evaluation", "preset")
            if options.preset
            else entries[test.name].line()
        )
        with found.blamed(line):
            try:
                table = read_table(test.table, settings=settings)
            except FairError as error:
                # a mistake is one line of the message
                text = " ".join(line.strip() for line in str(error).splitlines())
                keys = "in this file: keys of the same names under evaluation or the test set"
                raise type(error)(f"test set '{test.name}': {text} ({keys})") from error
            if options.preset is not None:
                _check_paper_table(options.preset, options.metrics, table)
        for name, groups in choices.items():
            with found.blamed(found.settings.line("evaluation", "groups", name)):
                _check_choice(table, name, groups)


def _check_choice(table: "DemographicsTable", expression: str, groups: Sequence[str]) -> None:
    """Refuse groups that the table does not have; how many are evaluated is known later."""
    from nnunetv2_fair.evaluation.statistics.chosen_groups import chosen_groups
    from nnunetv2_fair.subgroups.groups import group_cases

    grouping = group_cases(table, expression)
    chosen_groups({expression: groups}, (grouping,), table.cases, table.patients, 1)


def _check_paper_table(preset: str, metrics: tuple[str, ...], table: "DemographicsTable") -> None:
    from nnunetv2_fair.evaluation.papers.presets import PRESETS, check_preset

    check_preset(preset, metrics or PRESETS[preset].metrics, table)


def check_options(found: Findings, known: set[str]) -> None:
    """Refuse options about attributes and trainers that the study does not have.

    Args:
        found: Mistakes are added there.
        known: Attributes of all datasets.
    """
    settings = found.settings
    options = settings.evaluation
    for key, named in (
        ("bins", list(options.bins)),
        ("reference", list(options.reference)),
        ("adjust", options.adjust),
    ):
        for name in named:
            if known and name not in known:
                found.add(
                    settings.line("evaluation", key, *([] if key == "adjust" else [name])),
                    f"evaluation, {key}: there is no attribute '{name}'. Attributes: "
                    f"{shorten(sorted(known), 12)}",
                )
    evaluated = {expression for on in found.datasets for expression in on.attributes}
    for name in options.groups:
        if evaluated and name not in evaluated:
            found.add(
                settings.line("evaluation", "groups", name),
                f"evaluation, groups: '{name}' is not evaluated.{did_you_mean(name, evaluated)} "
                f"Correct the name, or add it to attributes: {shorten(sorted(evaluated), 12)}",
            )
    _check_claims(found)
    trainers = {name for on in found.datasets for name in on.trainers}
    trainers |= {model.name for on in found.datasets for model in on.models}
    learnt = [one for on in found.datasets for one in on.learnt]
    trainers |= {name for one in learnt for name in (one.name, *(n for n, _ in one.trainings()))}
    for pattern in settings.resources.trainers:
        if trainers and not any(fnmatchcase(name, pattern) for name in trainers):
            found.add(
                settings.line("resources", "trainers", pattern),
                f"resources, trainers: no trainer of the study matches '{pattern}'",
            )
    if found.environment.get(ALLOW_CHANGED_TABLE, "1") != "1":
        line = settings.line("environment", ALLOW_CHANGED_TABLE)
        found.add(line, f"{ALLOW_CHANGED_TABLE} is 1, or not set at all")


def _check_claims(found: Findings) -> None:
    """Refuse limits that evaluations would refuse, and adjusting for what is compared."""
    settings = found.settings
    options = settings.evaluation
    if not (options.failure or options.margin or options.adjust):
        return
    from nnunetv2_fair.evaluation.failures.criteria import check_failures, parse_failures
    from nnunetv2_fair.evaluation.metrics.registry import DEFAULT_METRICS, METRICS
    from nnunetv2_fair.evaluation.papers.presets import PRESETS
    from nnunetv2_fair.evaluation.statistics.equivalence import check_margins
    from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings

    usual_confidence = StatisticsSettings().confidence
    usual = PRESETS[options.preset].metrics if options.preset else DEFAULT_METRICS
    metrics = options.metrics or usual
    with found.blamed(settings.line("evaluation", "failure")):
        texts = [f"{name}={limit:.15g}" for name, limit in options.failure.items()]
        check_failures(parse_failures(texts), metrics, None)
    with found.blamed(settings.line("evaluation", "margin")):
        highest = {name: METRICS[name].highest for name in metrics}
        check_margins(options.margin, highest, options.confidence or usual_confidence)
    expressions = {expression for on in found.datasets for expression in on.attributes}
    parts = {part for expression in expressions for part in expression.split(INTERSECTION)}
    for name in sorted(parts.intersection(options.adjust)):
        found.add(
            settings.line("evaluation", "adjust"),
            f"evaluation, adjust: '{name}' is compared, and cannot be adjusted for itself; leave "
            "one of them out",
        )
