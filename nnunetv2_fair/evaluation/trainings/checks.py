"""What the evaluations of several trainings must agree in before they are one method's."""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from nnunetv2_fair.errors import EvaluationError, UsageError, counted, shorten, shorten_lines
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.groups import CHOSEN_GROUPS
from nnunetv2_fair.evaluation.results.tables.per_case import AVERAGE, evaluated_rows
from nnunetv2_fair.evaluation.trainings.folders import model_of

#: Settings that must agree, or a value would not mean the same in all trainings.
_MUST_AGREE = (
    "unit", "min_patients", "confidence", "empty_distance", "tolerance", "regions", "ignore_label",
    "reference_groups", "groups", CHOSEN_GROUPS, "failures", "adjust", "margins",
)  # fmt: skip
#: Names become folders.
_NAME = re.compile(r"\w[\w .+=-]*")


def check_trainings(results: Mapping[str, EvaluationResult]) -> None:
    """Refuse evaluations that are not of trainings of one method on the same cases.

    Args:
        results: Name of the training -> its evaluation.

    Raises:
        UsageError: If there are fewer than two, or a name cannot be that of a folder.
        EvaluationError: If they differ in cases, labels, metrics or settings, or two are the same
            training; all problems at once.
    """
    if len(results) < 2:
        raise UsageError(
            f"Several trainings are needed to see how they vary, found {len(results)}"
            f"{': ' if results else ''}{shorten(results)}. Pass two or more, or leave out "
            "--trainings to speak of this trained model alone."
        )
    unusable = [name for name in results if not _NAME.fullmatch(name)]
    if unusable:
        raise UsageError(
            f"Names of trainings become folders; these cannot: {shorten(map(repr, unusable))}. Use "
            "letters, digits, spaces and any of . + = - _"
        )
    problems = list(_problems(results))
    if problems:
        raise EvaluationError(
            f"These are not trainings of one method on the same cases:\n{shorten_lines(problems)}\n"
            "Evaluate all trainings with the same references, table and options."
        )


def _problems(results: Mapping[str, EvaluationResult]) -> Iterator[str]:
    (first, whole), *others = results.items()
    shared = [name for name, result in results.items() if result.shareable]
    if shared:
        yield f"made with --shareable, so without the cases that are averaged: {shorten(shared)}"
        return
    nested = [name for name, result in results.items() if result.trainings]
    if nested:
        yield f"already of several trainings: {shorten(nested)}"
    found = False
    for name, result in others:
        for problem in _differences(whole, result):
            found = True
            yield f"'{first}' and '{name}' {problem}"
    models = {
        name: model_of(Path(r.settings.get("predictions", ""))) for name, r in results.items()
    }
    known = {name: model for name, model in models.items() if model}
    if len(set(known.values())) > 1:
        each = "; ".join(f"'{name}' {model}" for name, model in known.items())
        yield f"they come from different models of nnU-Net: {each}"
    elif not found:
        yield from _same_training(results)


def _differences(ours: EvaluationResult, theirs: EvaluationResult) -> Iterator[str]:
    for what, left, right in (
        ("labels", _labels(ours), _labels(theirs)),
        ("metrics", [m.column for m in ours.metrics], [m.column for m in theirs.metrics]),
        ("attributes", list(ours.attributes), list(theirs.attributes)),
    ):
        if left != right:
            yield f"have different {what}: {shorten(left, 12)} against {shorten(right, 12)}"
    for key in _MUST_AGREE:
        one, other = ours.settings.get(key), theirs.settings.get(key)
        if one != other:
            yield f"were evaluated with different settings: {key} is {one!r} against {other!r}"
    cases, other_cases = _cases(ours), _cases(theirs)
    alone, missing = cases - other_cases, other_cases - cases
    if alone or missing:
        yield (
            f"have different cases: {len(alone)} only in the first "
            f"({shorten(sorted(alone), 3) or 'none'}), {len(missing)} only in the second "
            f"({shorten(sorted(missing), 3) or 'none'})"
        )
    elif _labels(ours) == _labels(theirs) and ours.attributes == theirs.attributes:
        yield from _different_rows(ours, theirs)


def _different_rows(ours: EvaluationResult, theirs: EvaluationResult) -> Iterator[str]:
    left, right = (
        rows[rows["label"] != AVERAGE].set_index(["case", "label"]).sort_index()
        for rows in (evaluated_rows(ours.per_case), evaluated_rows(theirs.per_case))
    )
    for column in ("patient", *ours.attributes, "reference_voxels"):
        pair = [rows[column].astype("string").fillna("") for rows in (left, right)]
        differing = sorted({key[0] for key in left.index[(pair[0] != pair[1]).to_numpy(bool)]})
        if differing:
            what = "references" if column == "reference_voxels" else f"values of '{column}'"
            where = counted(len(differing), "case")
            yield f"have different {what} in {where}: {shorten(differing)}"


def _same_training(results: Mapping[str, EvaluationResult]) -> Iterator[str]:
    """Yield pairs with the same value in every case; a perfect method has no other."""
    for (first, ours), (second, theirs) in itertools.combinations(results.items(), 2):
        columns = [metric.column for metric in ours.metrics]
        left, right = (
            rows[rows["label"] != AVERAGE]
            .sort_values(["case", "label"])[columns]
            .to_numpy(dtype=float)
            for rows in (ours.per_case, theirs.per_case)
        )
        if np.array_equal(left, right, equal_nan=True):
            yield (
                f"'{first}' and '{second}' have the same values in all cases: one training is "
                "given twice"
            )


def _labels(result: EvaluationResult) -> Sequence[str]:
    return [label for label in result.labels if label != AVERAGE]


def _cases(result: EvaluationResult) -> set[str]:
    return set(evaluated_rows(result.per_case)["case"])
