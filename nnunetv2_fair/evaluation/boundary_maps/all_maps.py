"""The boundary errors of all cases, averaged and compared by group."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import NoReturn

import numpy as np
import pandas as pd
from tqdm import tqdm

from nnunetv2_fair.errors import EvaluationError, shorten_lines
from nnunetv2_fair.evaluation.boundary_maps.cells import HOURS
from nnunetv2_fair.evaluation.boundary_maps.map_test import MapTest, compare_maps
from nnunetv2_fair.evaluation.boundary_maps.one_case import BoundaryTask, map_case
from nnunetv2_fair.evaluation.boundary_maps.orientation import View, common_view
from nnunetv2_fair.evaluation.masks.label_maps import read_geometry
from nnunetv2_fair.evaluation.measuring.one_case import CasePair
from nnunetv2_fair.evaluation.measuring.plan import EvaluationPlan
from nnunetv2_fair.evaluation.results.boundary_maps import BoundaryDifference, BoundaryMap, Grid
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.tables.per_case import AVERAGE, evaluated_rows
from nnunetv2_fair.evaluation.statistics.corrections import holm
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings
from nnunetv2_fair.files.nifti import quiet_itk
from nnunetv2_fair.files.pool import map_unordered

_FEW = "fewer than five patients of a group have an outline in the same place"
_SEVERAL = "some patients have images in both groups, which the test does not allow for"


def with_boundary_maps(
    result: EvaluationResult, plan: EvaluationPlan, processes: int = 1
) -> EvaluationResult:
    """Return the result with maps of where along the outline each group's errors lie.

    Args:
        result: The evaluation, with its cases.
        plan: Where the masks are.
        processes: Number of worker processes.

    Raises:
        EvaluationError: If some masks have two dimensions and some three, or one cannot be read.
    """
    pairs = [pair for pair in plan.pairs if pair.prediction is not None]
    task = BoundaryTask(
        {label: tuple(values) for label, values in result.settings["regions"].items()},
        result.settings["ignore_label"],
        _view(pairs),
    )
    errors = _errors(pairs, task, processes)
    settings = StatisticsSettings.of_result(result.settings)
    rows = evaluated_rows(result.per_case)
    rows = rows[rows["label"] == result.headline_label]
    labels = [label for label in result.labels if label != AVERAGE]
    maps = [
        _map(result, attribute, label, rows, errors, task, plan.unit, settings)
        for attribute in tqdm(result.attributes, "Mapping the outlines", unit="attribute")
        for label in labels
    ]
    return dataclasses.replace(result, boundary_maps=tuple(_corrected(maps)))


@quiet_itk()
def _view(pairs: Sequence[CasePair]) -> View:
    geometries = {
        pair.case: read_geometry(pair.reference)
        for pair in tqdm(pairs, "Looking at orientations", unit="case")
    }
    flat = [case for case, geometry in geometries.items() if geometry.dimensions == 2]
    solid = [case for case, geometry in geometries.items() if geometry.dimensions == 3]
    if flat and solid:
        raise EvaluationError(
            f"--boundary-maps needs masks of one kind: {flat[0]} has two dimensions, {solid[0]} "
            "three. Evaluate them apart, or leave out --boundary-maps."
        )
    return common_view(geometries.values())


def _errors(
    pairs: Sequence[CasePair], task: BoundaryTask, processes: int
) -> dict[str, Mapping[str, np.ndarray]]:
    """Return case -> label -> error in each cell."""
    done = map_unordered(
        partial(map_case, task=task), pairs, processes, "Following the outlines", lost=_lost
    )
    found = [errors for _, errors in done]
    problems = sorted(errors.problem for errors in found if errors.problem)
    if problems:
        raise EvaluationError(f"No results were written:\n{shorten_lines(problems)}")
    return {errors.case: errors.cells for errors in found}


def _lost(pair: CasePair, ending: str) -> NoReturn:
    raise EvaluationError(f"case '{pair.case}': the process that followed its outline {ending}.")


def _map(
    result: EvaluationResult,
    attribute: str,
    label: str,
    rows: pd.DataFrame,
    errors: Mapping[str, Mapping[str, np.ndarray]],
    task: BoundaryTask,
    unit: str,
    settings: StatisticsSettings,
) -> BoundaryMap:
    comparison = result.comparison(attribute, result.metrics[0].name, label)
    names = [name for name in comparison.groups if name not in comparison.left_out]
    first = comparison.effects[0].between[0] if comparison.effects else None
    reference = first if first in names else None
    person = "case" if settings.unit == "case" else "patient"
    values: dict[str, pd.DataFrame] = {}
    without: dict[str, int] = {}
    for name in names:
        members = rows[rows[attribute] == name]
        found = {case: errors[case][label] for case in members["case"] if label in errors[case]}
        cells = pd.DataFrame(
            np.stack(list(found.values())) if found else np.empty((0, 2 * task.rows * HOURS)),
            index=list(found),
        )
        people = members.set_index("case", drop=False)[person]
        values[name] = cells.groupby(people.loc[cells.index].to_numpy()).mean()
        without[name] = len(members) - len(found)
    outer = task.rows * HOURS
    has_inner = any(cells.iloc[:, outer:].notna().to_numpy().any() for cells in values.values())
    if not has_inner:
        values = {name: cells.iloc[:, :outer] for name, cells in values.items()}
    differences = []
    for name in names:
        if reference is not None and name != reference:
            generator = settings.generator("boundary", attribute, label, reference, name)
            differences.append(
                _difference((reference, name), values[reference], values[name], generator)
            )
    return BoundaryMap(
        attribute=attribute,
        label=label,
        unit=unit,
        errors={name: _grid(cells.mean().to_numpy()) for name, cells in values.items()},
        n_patients={name: len(cells) for name, cells in values.items()},
        differences=tuple(differences),
        slices=task.view.ends,
        has_inner=has_inner,
        clock=task.view.clock,
        n_without=without,
    )


def _difference(
    between: tuple[str, str],
    first: pd.DataFrame,
    second: pd.DataFrame,
    generator: np.random.Generator,
) -> BoundaryDifference:
    if first.index.intersection(second.index).size:
        empty = np.full(first.shape[1], np.nan)
        found, reason = MapTest(empty, empty), _SEVERAL
    else:
        found = compare_maps(first.to_numpy(), second.to_numpy(), generator)
        reason = _FEW if np.isnan(found.p_value) else ""
    return BoundaryDifference(
        between=between,
        difference=_grid(found.difference),
        p_values=_grid(found.p_values),
        p_value=found.p_value,
        corrected_p=found.p_value,
        family_size=1,
        reason=reason,
    )


def _grid(cells: np.ndarray) -> Grid:
    return tuple(tuple(map(float, row)) for row in cells.reshape(-1, HOURS))


def _corrected(maps: Sequence[BoundaryMap]) -> Iterator[BoundaryMap]:
    """Yield the maps with p-values corrected over all labels and pairs of each attribute."""
    for attribute in dict.fromkeys(found.attribute for found in maps):
        ours = [found for found in maps if found.attribute == attribute]
        p_values = [d.p_value for found in ours for d in found.differences]
        size = sum(not np.isnan(p) for p in p_values)
        corrected = iter(holm(p_values))
        for found in ours:
            differences = tuple(
                dataclasses.replace(d, corrected_p=next(corrected), family_size=size)
                for d in found.differences
            )
            yield dataclasses.replace(found, differences=differences)
