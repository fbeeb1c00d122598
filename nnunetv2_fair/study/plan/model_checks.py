"""Whether trainers make sense on a dataset: attributes, groups, models they build on."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from nnunetv2_fair.errors import FairError, StudyError, counted, shorten
from nnunetv2_fair.study.plan.check_results import Findings, parsed
from nnunetv2_fair.study.plan.datasets import Dataset
from nnunetv2_fair.study.plan.environment import BASE_CHECKPOINT
from nnunetv2_fair.study.plan.models import Model, Named, Run, in_order, model_of
from nnunetv2_fair.study.plan.study_dataset import FINAL, StudyDataset
from nnunetv2_fair.study.plan.trainer_facts import TrainerFacts

#: A name that is safe as a file name on every system that nnU-Net runs on.
_SAFE = re.compile(r"[A-Za-z0-9_.+=-]+")


def models_of(
    found: Findings, on: StudyDataset, named: Sequence[Named], facts: Mapping[str, TrainerFacts]
) -> Iterator[Model]:
    """Return the models of the trainers that make sense; report the lines of the others.

    Args:
        found: Mistakes are added there.
        on: The dataset, with its test sets.
        named: Trainers without wildcards.
        facts: What their names mean.
    """
    usable = []
    for trainer in named:
        wrong = _error_of(trainer.name, facts)
        if wrong:
            found.add(trainer.line, wrong)
            continue
        known = facts[trainer.name]
        with found.blamed(trainer.line):
            if known.ours:
                _check_attribute(on.dataset, trainer.name, known)
            model = model_of(trainer, facts, on.dataset)
            unsafe = [name for name in model.trainings if not _SAFE.fullmatch(name)]
            if unsafe:
                found.add(trainer.line, f"'{unsafe[0]}' cannot be the name of a folder")
                continue
            if model.per_group:
                check_unknown(found, on, model)
            usable.append(model)
    with found.blamed(named[0].line if named else 0):
        in_order(usable)
        yield from usable
    if found.settings.baseline and usable and not on.entry.trainers:
        names = [model.name for model in usable]
        if found.settings.baseline not in names:
            found.add(
                found.settings.line("baseline"),
                f"baseline '{found.settings.baseline}' is not a trainer of {on.dataset.name}. "
                f"Expected one of {shorten(names, 12)}",
            )


def _error_of(name: str, facts: Mapping[str, TrainerFacts]) -> str:
    """Return what is wrong with a name, its runs or their bases; empty if nothing is."""
    for run in (name, *facts.get(name, TrainerFacts()).runs):
        known = facts.get(run, TrainerFacts("unknown"))
        base = facts.get(known.base or "", TrainerFacts())
        if known.error or base.error:
            return known.error or f"base of {run}: {base.error}"
    return ""


def _check_attribute(dataset: Dataset, trainer: str, known: TrainerFacts) -> None:
    try:
        attributes = parsed(dataset.name, dataset.schema, known.attribute)
    except FairError as error:
        # a misspelt option reads as the end of an attribute's name
        raise StudyError(f"{trainer}: {error} {known.options}") from error
    for attribute in attributes:
        if not attribute.groups:
            attribute.group_of("0")  # says what to add to the dictionary


def check_unknown(found: Findings, on: StudyDataset, model: Model) -> None:
    """Refuse cases of unknown group for models per group, unless the file names one for them."""
    from nnunetv2_fair.subgroups.groups import group_cases
    from nnunetv2_fair.subgroups.table import read_table

    chosen = found.settings.prediction.unknown_model.get(model.attribute or "")
    for test in on.tests:
        table = read_table(test.table, test.schema or on.dataset.schema, test.reading)
        grouping = group_cases(table, model.attribute)
        if chosen is not None:
            if chosen not in grouping.names:
                found.add(
                    found.settings.line("prediction", "unknown_model", grouping.expression),
                    f"prediction, unknown_model: test set '{test.name}' has no group '{chosen}' of "
                    f"'{grouping.expression}'. Groups: {shorten(grouping.names, 12)}",
                )
            continue
        suffix = f"_0000{on.dataset.ending}"
        cases = [image.name.removesuffix(suffix) for image in test.images.glob(f"*{suffix}")]
        unknown = grouping.unknown([case for case in cases if case in grouping.group_of])
        if unknown:
            found.add(
                model.line,
                f"{model.name}: {counted(len(unknown), 'case')} of test set '{test.name}' without "
                f"known '{grouping.expression}', which no model can predict. Fill the cells of "
                f"{test.table}, or choose the group whose model predicts them with prediction: "
                "{unknown_model: "
                f"{{{grouping.expression}: GROUP}}}}",
            )


def check_bases(found: Findings, on: StudyDataset) -> None:
    """Refuse a trainer whose base is neither in the study nor trained already."""
    if found.environment.get(BASE_CHECKPOINT):
        path = Path(found.environment[BASE_CHECKPOINT])
        if not path.is_file():
            line = found.settings.line("environment", BASE_CHECKPOINT)
            found.add(
                line, f"{BASE_CHECKPOINT} is {path}, which is not a file; correct or unset it"
            )
        return
    for model in on.models:
        missing = next(_missing_bases(on, model), None)
        if missing is not None:
            run, folder = missing
            found.add(
                model.line,
                f"{run.name} builds on a model of {run.base}, which is neither in this study "
                f"nor trained: there is no {folder / FINAL}. Add '- {model.base}' to trainers, "
                "or another base to its name",
            )


def _missing_bases(on: StudyDataset, model: Model) -> Iterator[tuple[Run, Path]]:
    """Yield runs of a model with a fold of their base that is neither planned nor trained."""
    for run in model.runs:
        if run.base is None or run.base in on.trainers:
            continue
        for plans in on.entry.plans:
            for configuration in on.entry.configurations:
                for fold in on.entry.folds:
                    folder = on.fold_folder(run.base, plans, configuration, fold)
                    if not (folder / FINAL).is_file():
                        yield run, folder
