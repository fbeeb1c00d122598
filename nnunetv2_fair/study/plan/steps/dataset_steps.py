"""Steps of a dataset: folds, fingerprint, plans, preprocessing."""

from collections.abc import Sequence
from pathlib import Path

from nnunetv2_fair import paths
from nnunetv2_fair.errors import counted, shorten
from nnunetv2_fair.study.plan.datasets import Dataset
from nnunetv2_fair.study.plan.environment import ALLOW_CHANGED_TABLE
from nnunetv2_fair.study.plan.steps.commands import Command
from nnunetv2_fair.study.plan.steps.crop_steps import add_crop
from nnunetv2_fair.study.plan.steps.evaluation_arguments import seed_arguments
from nnunetv2_fair.study.plan.steps.step_builder import StepBuilder
from nnunetv2_fair.study.plan.steps.step_names import (
    fingerprint_step,
    plan_step,
    prepare_step,
    preprocess_step,
    preprocessed_name,
    trial_step,
)
from nnunetv2_fair.study.plan.steps.task import Earlier, Task
from nnunetv2_fair.study.plan.study_dataset import (
    CONTINUED,
    FINAL,
    PLANNERS,
    TRIAL,
    StudyDataset,
)
from nnunetv2_fair.study.plan.synthesis.synthesis_steps import add_synthesis
from nnunetv2_fair.study.step import Kind
from nnunetv2_fair.study.study_file.problems import Problem

_KIND: Kind = "preprocess"
#: Fact of a preparation: whether the study has made the folds, or found and kept them.
_FOLDS, _MADE, _KEPT = "folds", "made", "kept"


def add_dataset(builder: StepBuilder, on: StudyDataset) -> None:
    """Add preparation, planning and preprocessing of a dataset; before that, how it is made."""
    dataset = on.dataset
    making: tuple[str, ...] = ()
    if dataset.cropped_from is not None:
        making = (add_crop(builder, on).name,)
    elif dataset.filled_from is not None:
        making = (add_synthesis(builder, on).name,)
    _add_prepare(builder, on, making)
    cpus = builder.cpus(_KIND)
    extracted = dataset.preprocessed / "dataset_fingerprint.json"
    number = str(dataset.number)
    name = fingerprint_step(dataset)
    command = Command(
        "nnUNetv2_extract_fingerprint",
        ("-d", number),
        ("--verify_dataset_integrity", "--clean", "-np", cpus),
    )
    builder.add(
        Task(
            name,
            _KIND,
            (command,),
            {"dataset": dataset.name},
            needs=making,
            inputs=(dataset.images,),
            outputs=(str(extracted),),
            earlier=_if_found(builder, name, extracted.is_file(), extracted),
        )
    )
    for plans in on.entry.plans:
        _add_plans(builder, on, plans, number)


def _if_found(builder: StepBuilder, name: str, there: bool, path: Path) -> Earlier:
    """Return what existed before the study first checked.

    Later, the step's record says whether it still fits.
    """
    return Earlier(finished=str(path)) if there and not builder.is_known(name) else Earlier()


def _add_prepare(builder: StepBuilder, on: StudyDataset, making: Sequence[str]) -> None:
    """Add the preparation; existing folds of other origin are kept, even if the file differs.

    Those of a made dataset are the source's: the step that makes it has carried them over.
    """
    dataset, entry = on.dataset, on.entry
    name = prepare_step(dataset)
    splits = dataset.preprocessed / paths.SPLITS_JSON
    folds = ["--folds", str(entry.number_of_folds), *seed_arguments(builder.settings.seed)]
    folds += ["-a", entry.stratify] if entry.stratify else []
    made = any(
        record.facts.get(_FOLDS) == _MADE and not record.taken_over
        for record in builder.records(name)
    )
    kept = bool(making) or (splits.is_file() and not made)
    # trainings that are kept need the folds that they were trained with
    again = made and builder.environment.get(ALLOW_CHANGED_TABLE) != "1"
    folds = [] if making else folds
    what, how = ([], folds) if kept else (folds, ["--overwrite"] if again else [])
    same = dataset.copied == dataset.table
    step = builder.add(
        Task(
            name,
            "prepare",
            (Command("nnUNetv2_fair_prepare", ("-d", dataset.name, *what), tuple(how)),),
            {"dataset": dataset.name, _FOLDS: _KEPT if kept else _MADE},
            needs=tuple(making),
            inputs=(dataset.table,),
            outputs=tuple(
                str(dataset.preprocessed / file)
                for file in (paths.DEMOGRAPHICS_CSV, paths.DEMOGRAPHICS_JSON, paths.SPLITS_JSON)
            ),
            earlier=_if_found(builder, name, same and kept and splits.is_file(), splits),
        )
    )
    if builder.environment.get(ALLOW_CHANGED_TABLE) == "1":
        return
    changed = dataset.copied is not None and not same
    if changed or builder.was_done_otherwise(step):
        _refuse_trained(builder, on, changed)


def _refuse_trained(builder: StepBuilder, on: StudyDataset, changed: bool) -> None:
    """Refuse to change folds once trainings have begun with the previous ones."""
    begun = [
        folder
        for model in on.models
        for training in model.trainings
        for plans in on.entry.plans
        for configuration in on.entry.configurations
        for fold in on.entry.folds
        for folder in [on.fold_folder(training, plans, configuration, fold)]
        if any((folder / name).is_file() for name in (FINAL, *CONTINUED))
    ]
    if not begun:
        return
    what = (
        f"the demographics of {on.dataset.name} have changed since nnUNetv2_fair_prepare copied "
        "them"
        if changed
        else f"{on.dataset.origin.name}, its folds, or what "
        f"{'crop' if on.dataset.cropped_from is not None else 'synthesis'} says have changed since "
        f"this study made {on.dataset.name} of it"
        if on.dataset.is_made
        else f"the demographics of {on.dataset.name}, or seed, number_of_folds or stratify, have "
        "changed since this study made its folds"
    )
    builder.problems.append(
        Problem(
            on.entry.line("id"),
            f"{what}, and {counted(len(begun), 'training has', 'trainings have')} begun with "
            f"the previous ones: {shorten(begun, 3)}. Put the previous ones back; or move these "
            f"folders away to train again; or keep them with {ALLOW_CHANGED_TABLE}: 1 in "
            "environment",
        )
    )


def _add_plans(builder: StepBuilder, on: StudyDataset, plans: str, number: str) -> None:
    dataset = on.dataset
    name = plan_step(dataset, plans)
    path = dataset.preprocessed / f"{plans}.json"
    facts = {"dataset": dataset.name, "plans": plans}
    planner = PLANNERS.get(plans, "")
    builder.add(
        Task(
            name,
            _KIND,
            (Command("nnUNetv2_plan_experiment", ("-d", number, "-pl", planner)),),
            facts,
            needs=(fingerprint_step(dataset),),
            outputs=(str(path),),
            earlier=_if_found(builder, name, path.is_file(), path),
        )
    )
    content = dataset.plans(plans)
    planned = content["configurations"] if content is not None else {}
    before = name
    for configuration in on.entry.configurations:
        data = preprocessed_name(configuration)
        step = preprocess_step(dataset, plans, configuration)
        if step not in builder.steps:
            folder = dataset.preprocessed / planned.get(data, {}).get("data_identifier", "?")
            command = Command(
                "nnUNetv2_preprocess",
                ("-d", number, "-plans_name", plans, "-c", data),
                ("-np", builder.cpus(_KIND)),
            )
            builder.add(
                Task(
                    step,
                    _KIND,
                    (command,),
                    {**facts, "configuration": data},
                    needs=(name,),
                    inputs=(dataset.images,),
                    earlier=_if_found(builder, step, _complete(dataset, folder), folder),
                )
            )
        if configuration.endswith(TRIAL):
            # one after the other: each writes the plans file
            source = configuration.removesuffix(TRIAL)
            trial = trial_step(dataset, plans, configuration)
            what = ("-d", dataset.name, "-c", source, "-p", plans)
            builder.add(
                Task(
                    trial,
                    _KIND,
                    (Command("nnUNetv2_fair_trial", what),),
                    {**facts, "configuration": configuration},
                    needs=(before,),
                    outputs=(str(path),),
                    earlier=_if_found(builder, trial, configuration in planned, path),
                )
            )
            before = trial


def _complete(dataset: Dataset, folder: Path) -> bool:
    """Return whether a folder holds as many preprocessed cases as there are training cases."""
    if not folder.is_dir():
        return False
    suffix = f"_0000{dataset.ending}"
    cases = sum(1 for _ in (dataset.raw / "imagesTr").glob(f"*{suffix}"))
    return sum(1 for _ in folder.glob("*.pkl")) >= cases > 0
