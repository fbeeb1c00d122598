"""Which prompted models a study assesses on a dataset, and whether that can be done."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from nnunetv2_fair.errors import FairError, StudyError, counted, did_you_mean, shorten
from nnunetv2_fair.study.plan.check_results import Findings, parsed
from nnunetv2_fair.study.plan.datasets import Dataset
from nnunetv2_fair.study.plan.fingerprints import digest, file_fingerprint
from nnunetv2_fair.study.plan.foundation.methods import (
    FILLED_BOXES,
    Learnt,
    Prompted,
    PromptedMethod,
    method_of,
)
from nnunetv2_fair.study.plan.foundation.weights_facts import ask_weights
from nnunetv2_fair.study.plan.models import Model
from nnunetv2_fair.study.plan.study_dataset import StudyDataset
from nnunetv2_fair.study.study_file.sam import REFERENCES, SamOptions
from nnunetv2_fair.study.study_file.settings import ENSEMBLE
from nnunetv2_fair.subgroups.schema import INTERSECTION

#: Names of folders, behind options of commands, too.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def with_prompted(
    found: Findings, datasets: Sequence[StudyDataset], shell: Mapping[str, str]
) -> list[StudyDataset]:
    """Return the datasets with the methods of prompted models; report what is wrong.

    Args:
        found: Mistakes are added there.
        datasets: With their models and test sets.
        shell: Environment of the process that looks at weights.
    """
    options = found.settings.sam
    if options is None:
        return list(datasets)
    before = len(found.problems)
    _check_for_all(found, options, shell)
    models = _models(options)
    tested = []
    for on in datasets:
        if not on.tests:  # crops are tested by cascades
            tested.append(on)
            continue
        _check_dataset(found, options, on)
        boxes = list(_boxes(found, options, on))
        learnt = list(_learnt(found, options, on, models))
        if len(found.problems) > before:
            tested.append(on)
            continue
        made = tuple(_methods(found, options, models, boxes, learnt))
        _check_names(found, on, made)
        tested.append(replace(on, prompted=made, learnt=tuple(learnt)))
    return tested


def _line(found: Findings, *place: str | int) -> int:
    return found.settings.line("sam", *place)


def _check_for_all(found: Findings, options: SamOptions, shell: Mapping[str, str]) -> None:
    """Refuse names and weights that cannot be used, and predictions without an ensemble."""
    for name in options.models:
        if not _NAME.fullmatch(name) or name == FILLED_BOXES:
            found.add(
                _line(found, "models", name),
                f"sam, models: '{name}' cannot be the name of a model; expected letters, digits, "
                f"_, . and -, a letter, digit or _ first, and not {FILLED_BOXES}",
            )
    if ENSEMBLE not in found.settings.prediction.folds:
        found.add(
            found.settings.line("prediction", "folds"),
            "prediction, folds: prompted models are not trained on folds, and stand beside the "
            "ensemble. Add ensemble, or remove the key sam",
        )
    there = []
    for name, model in options.models.items():
        if model.weights.exists():
            there.append((name, model.weights, model.family))
        else:
            found.add(
                _line(found, "models", name),
                f"sam, models: {model.weights} does not exist. Put the weights of {name} there, or "
                "correct the path; nothing is downloaded (docs/how-to/sam.md says where they are "
                "from)",
            )
    if not there:
        return
    with found.blamed(_line(found, "models")):
        told = ask_weights(there, {**shell, **found.environment})
        for name, problem in told.items():
            if problem:
                hint = (
                    ""
                    if "--family" not in problem
                    else f" (in this file: {name}: {{weights: ..., family: medsam}})"
                )
                text = " ".join(problem.rstrip(".").split())
                found.add(_line(found, "models", name), f"sam, models, {name}: {text}{hint}")


def _models(options: SamOptions) -> list[Prompted]:
    return [
        Prompted(name, model.weights, model.family or "", _fingerprint(model.weights))
        for name, model in options.models.items()
    ]


def _fingerprint(weights: Path) -> str:
    if not weights.is_dir():
        return file_fingerprint(weights)
    files = [weights / "config.json", *sorted(weights.glob("*.safetensors"))]
    return digest([file_fingerprint(file) for file in files])


def _check_dataset(found: Findings, options: SamOptions, on: StudyDataset) -> None:
    """Refuse a channel, a fold or references that a dataset does not have."""
    channels = on.dataset.content["channel_names"]
    if str(options.channel) not in channels:
        found.add(
            _line(found, "channel"),
            f"sam, channel: {on.dataset.name} has the channels {shorten(sorted(channels), 12)}",
        )
    n_folds = on.dataset.n_folds or on.entry.number_of_folds
    if options.fold >= n_folds:
        found.add(
            _line(found, "fold"),
            f"sam, fold: {on.dataset.name} has the folds 0 to {n_folds - 1}, not {options.fold}",
        )
    if REFERENCES not in options.boxes:
        return
    for test in on.tests:
        without = test.without_reference(on.dataset.ending)
        if without:
            found.add(
                _line(found, "boxes"),
                f"sam: {counted(len(without), 'image')} of test set '{test.name}' without "
                f"reference to draw a box around: {shorten(without)}. Take them out of "
                f"{test.images}, or take boxes of a trainer: boxes: [nnUNetTrainer]",
            )


def _boxes(found: Findings, options: SamOptions, on: StudyDataset) -> Iterator[Model | None]:
    """Yield whose predictions boxes are around; None: the references."""
    models = {model.name: model for model in on.models}
    repeats = options.repeats or found.settings.repeats
    for number, wanted in enumerate(options.boxes):
        line = _line(found, "boxes", number)
        if wanted == REFERENCES:
            yield None
        elif wanted not in models:
            if models:
                found.add(
                    line,
                    f"sam, boxes: '{wanted}' is not a trainer of {on.dataset.name}."
                    f"{did_you_mean(wanted, models)} Expected references, or one of "
                    f"{shorten(models, 12)}",
                )
        elif models[wanted].is_repeated and repeats != found.settings.repeats:
            found.add(
                line,
                f"sam, boxes: {wanted} is trained {found.settings.repeats} times, and the "
                f"embedding {repeats} times (sam, repeats), so that no run has boxes of its own. "
                "Leave repeats of sam out",
            )
        else:
            yield models[wanted]


def _learnt(
    found: Findings, options: SamOptions, on: StudyDataset, models: Sequence[Prompted]
) -> Iterator[Learnt]:
    """Yield what is trained, having checked the attributes."""
    line = _line(found, "attributes")
    usable: list[str] = []
    for expression in options.attributes or on.attributes:
        with found.blamed(line):
            usable.append(_checked_attribute(on.dataset, expression))
    found.twice([(attribute, line, "attribute") for attribute in usable])
    repeats = options.repeats or found.settings.repeats
    for model in models:
        for attribute in usable:
            for beta in options.beta:
                yield Learnt(model, attribute, beta, repeats=repeats)
        if options.control and usable:
            yield Learnt(model, usable[0], control=True, repeats=repeats)


def _checked_attribute(dataset: Dataset, expression: str) -> str:
    """Return an expression without spaces; refuse one without groups, or with cases of one."""
    from nnunetv2_fair.subgroups.groups import group_cases

    try:
        attributes = parsed(dataset.name, dataset.schema, expression)
    except FairError as error:
        raise StudyError(f"sam, attributes: {error}") from error
    for attribute in attributes:
        if not attribute.groups:
            attribute.group_of("0")  # says what to add to the dictionary
    suffix = f"_0000{dataset.ending}"
    names = {p.name.removesuffix(suffix) for p in (dataset.raw / "imagesTr").glob(f"*{suffix}")}
    grouping = group_cases(dataset.read_table(), expression)
    counts = grouping.counts(case for case in grouping.group_of if case in names)
    if sum(count > 0 for count in counts.values()) < 2:
        raise StudyError(
            f"sam, attributes: the training cases of {dataset.name} are in fewer than two groups "
            f"of '{expression}', so that there is nothing to hide. Name other attributes"
        )
    return INTERSECTION.join(attribute.name for attribute in attributes)


def _methods(
    found: Findings,
    options: SamOptions,
    models: Sequence[Prompted],
    boxes: Sequence[Model | None],
    learnt: Sequence[Learnt],
) -> Iterator[PromptedMethod]:
    """Yield all methods: for each source of boxes these alone, then each model with its own."""
    repeats = options.repeats or found.settings.repeats
    moved = (repeats or 0) if options.jitter is not None else 0
    for source in boxes:
        yield method_of(_line(found, "boxes"), None, None, source, moved)
        for model in models:
            line = _line(found, "models", model.name)
            yield method_of(line, model, None, source, moved)
            for one in learnt:
                if one.of is model:
                    yield method_of(line, model, one, source, moved)


def _check_names(found: Findings, on: StudyDataset, made: Sequence[PromptedMethod]) -> None:
    """Refuse methods and runs of the same name, and names of trainers."""
    taken = {*on.methods(), *(run.name for model in on.models for run in model.runs)}
    taken |= {run.name for one in on.filled for m in one.methods() for run in m.model.runs}
    for method in made:
        names = {method.model.name, *(run.name for run in method.model.runs)}
        if names & taken:
            found.add(
                method.model.line,
                f"sam, models: two methods would be called {min(names & taken)}; rename the model, "
                "or change beta where it is written with six digits",
            )
        taken |= names
