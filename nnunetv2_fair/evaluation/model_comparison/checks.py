"""What must agree before models can be compared."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from nnunetv2_fair.errors import EvaluationError, UsageError, counted, shorten, shorten_lines
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.groups import CHOSEN_GROUPS
from nnunetv2_fair.evaluation.results.tables.per_case import AVERAGE

#: Settings that must agree, or the same name would mean different things.
MUST_AGREE = (
    "unit", "min_patients", "empty_distance", "tolerance", "regions", "ignore_label",
    "reference_groups", CHOSEN_GROUPS,
)  # fmt: skip

#: Setting: the options with which the table was read.
TABLE_OPTIONS = "table_options"

#: Setting -> what to do if it differs.
_HINTS = {
    "reference_groups": " (without --reference it is the largest group, so name one for all of "
    "them)",
    CHOSEN_GROUPS: " (pass the same --groups to all of them, or to none)",
}


def model_names(results: Sequence[EvaluationResult], names: Sequence[str] | None) -> list[str]:
    """Return one different name per model.

    Raises:
        UsageError: If there are fewer than two results or the names do not fit.
    """
    if len(results) < 2:
        raise UsageError(
            f"A comparison needs two or more evaluations, got {len(results)}. Pass the output "
            "folders of nnUNetv2_fair_evaluate, the baseline first."
        )
    chosen = [result.name for result in results] if names is None else list(names)
    if len(chosen) != len(results):
        raise UsageError(
            f"--names has {counted(len(chosen), 'name')} for "
            f"{counted(len(results), 'evaluation')}: give one for each."
        )
    if len(set(chosen)) != len(chosen):
        raise UsageError(
            f"The models have the same name ({shorten(chosen)}): distinguish them with --names, "
            "for example --names baseline oversampling."
        )
    return chosen


def common_cases_of(
    results: Sequence[EvaluationResult],
    evaluated: Sequence[pd.DataFrame],
    models: Sequence[str],
    common_cases: bool,
) -> list[str]:
    """Return the cases to compare.

    Args:
        results: Evaluations, the baseline first.
        evaluated: Their rows with a prediction.
        models: Names of the models.
        common_cases: Whether the models may have different cases.

    Raises:
        EvaluationError: If the evaluations differ in anything else; all differences at once.
    """
    without_cases = [m for m, result in zip(models, results, strict=True) if result.shareable]
    if without_cases:
        raise EvaluationError(
            f"Made with --shareable, so without the cases that a comparison needs: "
            f"{shorten(without_cases)}. Compare the evaluations made without it; "
            "--shareable makes the comparison one that may be shown to others."
        )
    baseline, first = results[0], models[0]
    problems = []
    case_sets = [set(rows["case"]) for rows in evaluated]
    common = set.intersection(*case_sets)
    for result, model, rows, cases in zip(
        results[1:], models[1:], evaluated[1:], case_sets[1:], strict=True
    ):
        pair = f"'{first}' and '{model}'"
        for what, ours, theirs in (
            ("labels", _single(baseline), _single(result)),
            (
                "metrics",
                tuple(metric.column for metric in baseline.metrics),
                tuple(metric.column for metric in result.metrics),
            ),
            ("attributes", baseline.attributes, result.attributes),
        ):
            if ours != theirs:
                problems.append(
                    f"{pair} have different {what}: {shorten(ours, 12)} against "
                    f"{shorten(theirs, 12)}"
                )
        problems.extend(
            f"{pair} were evaluated with different settings: {key} is "
            f"{baseline.settings.get(key)!r} against {result.settings.get(key)!r}"
            f"{_HINTS.get(key, '')}"
            for key in MUST_AGREE
            if _setting(baseline, key) != _setting(result, key)
        )
        alone, missing = case_sets[0] - cases, cases - case_sets[0]
        if (alone or missing) and not common_cases:
            problems.append(
                f"{pair} have different cases: {len(alone)} only in the first "
                f"({shorten(sorted(alone), 3) or 'none'}), {len(missing)} only in the second "
                f"({shorten(sorted(missing), 3) or 'none'}); pass --common-cases to compare the "
                f"{len(common)} that all have"
            )
        if not problems:
            found = _row_problems(pair, evaluated[0], rows, common, baseline.attributes)
            if found and (told := _different_reading(baseline, result)):
                found[0] += f" (their tables were read with different options: {told})"
            problems.extend(found)
    if not common:
        problems.append(
            f"no case has a prediction in all evaluations: {first} has cases like "
            f"{shorten(sorted(case_sets[0]), 2) or 'none'}"
        )
    if problems:
        raise EvaluationError(
            "These evaluations cannot be compared:\n"
            f"{shorten_lines(problems)}\n"
            "Evaluate all models with the same references, table and options."
        )
    return sorted(common)


def notes_on_tables(results: Sequence[EvaluationResult], models: Sequence[str]) -> Iterator[str]:
    """Yield whose table was read with other options than that of the baseline.

    The same cases are in the same groups nevertheless, or the comparison would have been refused.
    """
    for result, model in zip(results[1:], models[1:], strict=True):
        if told := _different_reading(results[0], result):
            yield (
                f"The tables of '{models[0]}' and '{model}' were read with different options "
                f"({told}). They agree on the patients and groups of all cases that are compared."
            )


def _different_reading(ours: EvaluationResult, theirs: EvaluationResult) -> str:
    """Return the options with which two tables were read; empty if they are the same."""
    options = [result.settings.get(TABLE_OPTIONS) for result in (ours, theirs)]
    if options[0] == options[1] or None in options:  # None: made by an earlier version
        return ""
    return " against ".join(text or "none" for text in options)


def common_labels(results: Sequence[EvaluationResult]) -> tuple[str, ...]:
    """Return the labels that all evaluations have, which may differ in the average alone."""
    return tuple(
        label for label in results[0].labels if all(label in result.labels for result in results)
    )


def _setting(result: EvaluationResult, key: str) -> object:
    # an evaluation of an earlier version tells of no choice
    return result.settings.get(key, {} if key == CHOSEN_GROUPS else None)


def _single(result: EvaluationResult) -> tuple[str, ...]:
    return tuple(label for label in result.labels if label != AVERAGE)


def _row_problems(
    pair: str,
    ours: pd.DataFrame,
    theirs: pd.DataFrame,
    common: set[str],
    attributes: Sequence[str],
) -> list[str]:
    problems = []
    left, right = (
        rows[rows["case"].isin(common) & (rows["label"] != AVERAGE)]
        .set_index(["case", "label"])
        .sort_index()
        for rows in (ours, theirs)
    )
    for column in ("patient", *attributes):
        differing = sorted(
            {key[0] for key in left.index[(left[column] != right[column]).to_numpy(dtype=bool)]}
        )
        if differing:
            problems.append(
                f"{pair}: the column '{column}' differs in {counted(len(differing), 'case')}: "
                f"{shorten(differing)}; were they evaluated with the same table?"
            )
    sizes = [
        rows["reference_voxels"].to_numpy(dtype=float, na_value=np.nan) for rows in (left, right)
    ]
    # scores that were read from a table may come without sizes
    same = (sizes[0] == sizes[1]) | (np.isnan(sizes[0]) & np.isnan(sizes[1]))
    differing = sorted({key[0] for key in left.index[~same]})
    if differing:
        problems.append(
            f"{pair}: the references differ in {counted(len(differing), 'case')}: "
            f"{shorten(differing)}"
        )
    return problems
