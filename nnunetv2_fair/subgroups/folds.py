"""Whether the folds of a dataset keep what they promise: preparation, doctor and trainers ask here.

A file of folds may be nnU-Net's own, written by hand, or older than the table: everything about it
is checked, so that every door says and refuses the same.
"""

import json
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, cast

from nnunetv2_fair import paths
from nnunetv2_fair.errors import DatasetError, counted, shorten, shorten_lines
from nnunetv2_fair.files.json_files import in_words, read_json
from nnunetv2_fair.subgroups.origin import changed_since
from nnunetv2_fair.subgroups.splits import Fold, candidates
from nnunetv2_fair.subgroups.table import DemographicsTable, prepare_command

_PARTS = {"train": "training part", "val": "validation part"}
_KEYS = (*_PARTS, "balanced")


def checked_folds(
    folder: Path, table: DemographicsTable, cases: Collection[str]
) -> tuple[list[Fold], list[str]]:
    """Return the folds of a prepared dataset, and what people should know about them.

    Args:
        folder: The dataset's folder in ``nnUNet_preprocessed``.
        table: Its demographics.
        cases: As for :func:`check_folds`.

    Returns:
        The folds; sentences without a full stop, as of :func:`check_folds` and
        :func:`nnunetv2_fair.subgroups.origin.changed_since`.

    Raises:
        DatasetError: If they are missing (nnU-Net would make some that know nothing of patients),
            or as :func:`read_folds` and :func:`check_folds`.
    """
    path = folder / paths.SPLITS_JSON
    if not path.exists():
        raise DatasetError(
            f"{folder} has no {path.name}. nnU-Net would make folds with images of the same "
            f"patients in both parts. Make them by patient: {_command(path)}"
        )
    folds = read_folds(path)
    return folds, [*changed_since(folder), *check_folds(folds, table, cases, path)]


def read_folds(path: Path) -> list[Fold]:
    """Read a file of folds.

    Args:
        path: nnU-Net's ``splits_final.json``.

    Raises:
        DatasetError: If it is not a list of ``{"train": [...], "val": [...]}`` with names of cases
            in every part. All mistakes are listed at once.
    """
    expected = 'expected a list of {"train": [...], "val": [...]}, one for each fold'
    remedy = f"Correct or remove it, or make new folds: {_command(path)} --overwrite"
    content = read_json(path, DatasetError, remedy)
    if not isinstance(content, list):
        raise DatasetError(f"{path} holds {in_words(content)}; {expected}. {remedy}")
    if not content:
        raise DatasetError(f"{path} holds no folds; {expected}. {remedy}")
    problems = [
        f"fold {number}{problem}"
        for number, fold in enumerate(content)
        for problem in _problems_of(fold)
    ]
    if problems:
        raise DatasetError(
            f"{path} cannot be used; {expected}.\n{shorten_lines(problems)}\n{remedy}"
        )
    return [cast(Fold, {key: fold[key] for key in _KEYS if key in fold}) for fold in content]


def _problems_of(fold: Any) -> list[str]:
    if not isinstance(fold, dict):
        return [f" is {in_words(fold)}"]
    found = []
    for key, part in _PARTS.items():
        if key not in fold:
            found.append(f' has no "{key}", the cases of its {part}')
            continue
        cases = fold[key]
        if not isinstance(cases, list):
            found.append(f": its {part} is {in_words(cases)}, expected a list of names of cases")
            continue
        others = [case for case in cases if not isinstance(case, str)]
        if others:
            shown = shorten(json.dumps(case)[:40] for case in others)
            found.append(f": its {part} holds {shown} where names of cases belong, as texts")
        if not cases:
            found.append(f": its {part} is empty")
    balanced = fold.get("balanced")
    if balanced is not None and not _says_how(balanced):
        found.append(
            ': its "balanced" is not as nnUNetv2_fair_balance writes it ("of", "by" and "cases")'
        )
    return found


def _says_how(balanced: Any) -> bool:
    if not isinstance(balanced, dict) or not isinstance(balanced.get("cases"), list):
        return False
    texts = [balanced.get("of"), balanced.get("by"), *balanced["cases"]]
    return all(isinstance(text, str) for text in texts)


def require_fold(folds: Sequence[Fold], fold: int, path: Path) -> None:
    """Raise unless there is a fold of that number: nnU-Net would draw its cases by itself.

    Args:
        folds: Those of the file.
        fold: The one to train.
        path: Their file, for the message.

    Raises:
        DatasetError: If there is no such fold.
    """
    if 0 <= fold < len(folds):
        return
    last = len(folds) - 1
    numbers = f"folds 0 to {last}" if last else "fold 0"
    raise DatasetError(
        f"There is no fold {fold} in {path}, only {numbers}. nnU-Net would draw a random part of "
        "the cases for it, with images of the same patients in both parts. Train one of "
        f"those, or make more folds and train all of them again: {_command(path)} --folds "
        f"{max(fold + 1, 2)} --overwrite"
    )


def check_folds(
    folds: Sequence[Fold], table: DemographicsTable, cases: Collection[str], path: Path
) -> list[str]:
    """Compare folds with the table and with the cases that there are.

    Args:
        folds: The folds.
        table: Demographics of all cases.
        cases: Training cases that exist; those of the table if that is not known.
        path: The file of the folds, for messages.

    Returns:
        Sentences without a full stop about folds that can be used, but do not keep what they
        promise: patients or cases in both parts, synthetic cases that are validated, cases that
        are not listed as often as their sampling weight says, cases that are left out.

    Raises:
        DatasetError: If a fold names cases that are not in the table, or that do not exist.
    """
    _refuse_strangers(folds, table, cases, path)
    warnings = []
    for number, fold in enumerate(folds):
        warnings += [
            f"fold {number} of {path} {what}. Make new folds: {_command(path)} --overwrite"
            for what in _broken_promises(fold, table)
        ]
    return [*warnings, *_left_out(folds, table, cases, path)]


def _refuse_strangers(
    folds: Sequence[Fold], table: DemographicsTable, cases: Collection[str], path: Path
) -> None:
    known, present = set(table.cases), set(cases)
    problems = []
    for number, fold in enumerate(folds):
        listed = {*fold["train"], *fold["val"]}
        for strangers, what, remedy in (
            (listed - known, f"not in the demographics table {table.source}", "add their rows, "),
            ((listed & known) - present, "not among the training cases of the dataset", ""),
        ):
            if strangers:
                problems.append(
                    f"fold {number}: {counted(len(strangers), 'case is', 'cases are')} {what}: "
                    f"{shorten(sorted(strangers))}; {remedy}or make new folds"
                )
    if problems:
        raise DatasetError(
            f"{path} does not match the cases.\n{shorten_lines(problems)}\nTo make new folds: "
            f"{_command(path)} --overwrite"
        )


def _broken_promises(fold: Fold, table: DemographicsTable) -> list[str]:
    """Return what follows ``fold 0 of FILE``."""
    patients, weights, synthetic = table.patients, table.sampling_weights, table.synthetic_cases
    found = []
    twice = set(fold["train"]) & set(fold["val"])
    if twice:
        found.append(
            f"has {counted(len(twice), 'case')} in both its training and its validation part, so "
            f"validation results are too good: {shorten(sorted(twice))}"
        )
    validated = {patients[case] for case in fold["val"]}
    shared = {patients[case] for case in fold["train"] if case not in twice} & validated
    if shared:
        found.append(
            f"has {counted(len(shared), 'patient')} in both its training and its validation part, "
            "so validation results are too good"
        )
    repeated = [case for case, times in Counter(fold["val"]).items() if times > 1]
    if repeated:
        found.append(f"lists cases of its validation part more than once: {shorten(repeated)}")
    invented = sorted(synthetic & set(fold["val"]))
    if invented:
        found.append(
            f"validates {counted(len(invented), 'synthetic case')}, which tell nothing about "
            f"people: {shorten(invented)}"
        )
    drawn = Counter(fold["train"])
    unequal = [
        f"{case} ({times} instead of {weights[case]})"
        for case, times in drawn.items()
        if times != weights[case] and "balanced" not in fold
    ]
    if unequal:
        found.append(
            f"lists {counted(len(unequal), 'training case')} not as often as their "
            f"sampling_weight in {table.source.name} says: {shorten(unequal)}"
        )
    return found


def _left_out(
    folds: Sequence[Fold], table: DemographicsTable, cases: Collection[str], path: Path
) -> list[str]:
    """Return sentences about cases that no fold has, or none has in one of its parts."""
    # whoever is left out of a balanced fold could have been trained on
    trained = {case for fold in folds for case in candidates(fold)}
    validated = {case for fold in folds for case in fold["val"]}
    remedy = f"Make folds of all cases: {_command(path)} --overwrite"
    absent = sorted(set(cases) - trained - validated)
    found = []
    if absent:
        found.append(
            f"{len(absent)} of {len(cases)} training cases are in no fold of {path}, so nothing "
            f"is ever trained or validated on them: {shorten(absent)}. {remedy}"
        )
    # with a single fold, every case of its validation part is meant to be held out
    if len(folds) > 1:
        real = set(cases) - table.synthetic_cases
        never_drawn = {case for case, weight in table.sampling_weights.items() if not weight}
        for left, what in (
            (validated - trained - never_drawn, "trained on"),
            ((real & trained) - validated, "validated"),
        ):
            if left:
                verb = "is" if len(left) == 1 else "are"
                found.append(
                    f"{counted(len(left), 'case')} of the folds of {path} {verb} never {what}: "
                    f"{shorten(sorted(left))}. {remedy}"
                )
    return found


def _command(path: Path) -> str:
    return prepare_command(path.absolute().parent.name)
