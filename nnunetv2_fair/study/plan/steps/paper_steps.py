"""The step that makes the tables and figures of all methods."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from nnunetv2_fair import paths
from nnunetv2_fair.study.asked import Asked, Place, to_json
from nnunetv2_fair.study.plan.datasets import find_dataset
from nnunetv2_fair.study.plan.paper_checks import datasets_of
from nnunetv2_fair.study.plan.steps.commands import papers_command
from nnunetv2_fair.study.plan.steps.step_builder import StepBuilder
from nnunetv2_fair.study.plan.steps.task import Task
from nnunetv2_fair.study.plan.study_dataset import StudyDataset
from nnunetv2_fair.study.study_file.paper_items import FigureItem, PaperItem, TableItem

#: Name of the step.
PAPERS = "paper"
_NEEDED = ("evaluate", "merge")
_PREFIX = "nnUNetTrainer"


def add_papers(builder: StepBuilder, datasets: Sequence[StudyDataset]) -> None:
    """Add the step, if the study's file asks for any table or figure."""
    settings = builder.settings
    asked: list[Asked] = []
    tables: list[str] = []
    for item in (*settings.tables, *settings.figures):
        if isinstance(item, TableItem) and item.kind == "cohort" and not item.needs:
            found = _cohorts(builder, item, datasets)
            for name, table in found.items():
                stem = item.name if len(found) == 1 else f"{item.name}_{name}"
                asked.append(_cohort(item, stem, name))
                tables.append(table)
        else:
            asked.append(_asked(builder, item, datasets))
    if not asked:
        return
    evaluated = tuple(name for name, step in builder.steps.items() if step.kind in _NEEDED)
    folders = paths.PAPER_FOLDER, paths.PAPER_EXACT_FOLDER
    builder.add(
        Task(
            PAPERS,
            "paper",
            (papers_command(to_json(tuple(asked))),),
            {},
            needs=evaluated,
            inputs=tuple(tables),
            outputs=tuple(f"{folder}/{paths.CONTENTS_MD}" for folder in folders),
        )
    )


def _cohorts(
    builder: StepBuilder, item: TableItem, datasets: Sequence[StudyDataset]
) -> Mapping[str, str]:
    """Return the datasets whose people are shown, with the fingerprints of their tables."""
    found = [on.dataset for on in datasets_of(item, datasets)]
    if not found:
        found = [find_dataset(item.dataset, builder.environment)]
    return {dataset.name: dataset.table for dataset in found}


def _cohort(item: TableItem, name: str, dataset: str) -> Asked:
    return Asked(
        figure=False,
        name=name,
        kind="cohort",
        title=item.title,
        by=item.by,
        groups=item.groups,
        cohort=dataset,
        part=item.part,
        columns=item.columns,
        compare=item.compare,
    )


def _asked(builder: StepBuilder, item: PaperItem, datasets: Sequence[StudyDataset]) -> Asked:
    figure = isinstance(item, FigureItem)
    if item.needs:
        return Asked(figure, item.name, title=item.title, needs=item.needs)
    chosen = datasets_of(item, datasets)
    models = [model.name for on in chosen for model in on.models]
    # what only some of the test sets have would leave empty columns
    tests = [
        set(on.methods(t.name)) for on in chosen for t in on.tests if item.test in ("", t.name)
    ]
    further = [name for on in chosen for name in on.methods() if name not in models]
    places = tuple(_places(item, chosen))
    if not all(_is_home(place, chosen) for place in places):
        prompted = {method.model.name for on in chosen for method in on.prompted}
        further = [name for name in further if name not in prompted]
    usual = [*models, *(name for name in further if all(name in known for known in tests))]
    baseline = builder.settings.baseline or models[0]
    asked = Asked(
        figure,
        item.name,
        kind=getattr(item, "kind", "") or "",
        title=item.title,
        places=places,
        methods=item.methods or {_short(name): name for name in usual},
        missing=item.missing,
        by=item.by,
        label=item.label,
        groups=item.groups,
        baseline=baseline,
    )
    if not isinstance(item, FigureItem):
        return asked
    return replace(
        asked,
        metric=item.metric,
        series=item.series,
        axis=item.axis,
        values=item.values if item.kind == "curve" else (),
    )


def _places(item: PaperItem, chosen: Sequence[StudyDataset]) -> Iterator[Place]:
    for on in chosen:
        for plans in on.entry.plans:
            for configuration in on.entry.configurations:
                for test in on.tests:
                    place = Place(on.dataset.name, configuration, plans, test.name)
                    asked = item.configuration, item.plans, item.test
                    there = configuration, plans, test.name
                    if all(a in ("", t) for a, t in zip(asked, there, strict=True)):
                        yield place


def _is_home(place: Place, chosen: Sequence[StudyDataset]) -> bool:
    """Return whether prompted models were evaluated at a place."""
    return any(
        on.is_home(place.plans, place.configuration)
        for on in chosen
        if on.dataset.name == place.dataset
    )


def _short(trainer: str) -> str:
    return trainer.removeprefix(_PREFIX).removeprefix("_") or trainer
