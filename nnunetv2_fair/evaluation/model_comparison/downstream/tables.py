"""The tables of downstream measures of several models, put together case by case."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from nnunetv2_fair.errors import EvaluationError, counted, shorten, shorten_lines
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult

_KEY = ["case", "label", "measure"]


def error_columns(results: Sequence[object]) -> list[str]:
    """Return the columns of absolute errors in the table of :func:`joined`, one per model."""
    return [f"error_{position}" for position in range(len(results))]


def joined(results: Sequence[EvaluationResult], models: Sequence[str]) -> pd.DataFrame:
    """Return the cases that all models have, with the absolute error of each.

    Args:
        results: Evaluations with downstream measures, the baseline first.
        models: Their names.

    Returns:
        Columns of the baseline's table of cases, and those of :func:`error_columns`.

    Raises:
        EvaluationError: If the same measure of the same reference differs between evaluations.
    """
    columns = error_columns(results)
    together = results[0].downstream_cases.rename(columns={"absolute_error": columns[0]})
    problems = []
    for result, model, column in zip(results[1:], models[1:], columns[1:], strict=True):
        other = result.downstream_cases[[*_KEY, "reference", "absolute_error"]].rename(
            columns={"absolute_error": column, "reference": "_other"}
        )
        together = together.merge(other, on=_KEY, how="inner", validate="one_to_one")
        ours, theirs = (together[name].to_numpy(dtype=float) for name in ("reference", "_other"))
        differing = together[~np.isclose(ours, theirs, rtol=1e-9, atol=0, equal_nan=True)]
        # a frame without a prediction leaves the whole heart without a value
        differing = differing[differing[[columns[0], column]].notna().all(axis=1)]
        problems += [
            f"'{models[0]}' and '{model}': the references have different values of {measure} of "
            f"{label} in {counted(len(rows), 'case')}: {shorten(rows['case'])}"
            for (label, measure), rows in differing.groupby(["label", "measure"], sort=False)
        ]
        together = together.drop(columns="_other")
    if problems:
        raise EvaluationError(
            "The downstream measures of these evaluations cannot be compared:\n"
            f"{shorten_lines(problems)}\nEvaluate all models with the same images (--images) and "
            "the same frames (--frames)."
        )
    return together


def notes_on_measures(results: Sequence[EvaluationResult], models: Sequence[str]) -> Iterator[str]:
    """Yield what is not compared, because not all evaluations have it.

    Args:
        results: Evaluations, the baseline first.
        models: Their names.
    """
    measured = [{(d.label, d.measure.name) for d in result.downstream} for result in results]
    if not any(measured):
        return
    without = [m for m, found in zip(models, measured, strict=True) if not found]
    sets = {name for r in results for name in r.settings.get("downstream", {}).get("sets", ())}
    option = f"--downstream {' '.join(sorted(sets))}"
    if without:
        yield (
            f"Errors of downstream measures are not compared, as {shorten(without)} "
            f"{'has' if len(without) == 1 else 'have'} none: evaluate all models with {option}; "
            "of methods with several trainings each has its own and none are compared."
        )
        return
    common = set.intersection(*measured)
    missing = sorted(f"{measure} of {label}" for label, measure in set.union(*measured) - common)
    if missing:
        yield (
            f"Not all evaluations have these downstream measures, which are not compared: "
            f"{shorten(missing, 12)}. Evaluate all models with {option}."
        )
