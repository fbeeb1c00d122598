"""Means over every combination of the groups of two attributes."""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from nnunetv2_fair.evaluation.discovery.rows import Rows
from nnunetv2_fair.evaluation.results.discovery import PairHeatmap


def pair_heatmaps(
    rows: Rows, names: Sequence[str], groups: Sequence[Sequence[str]], min_patients: int
) -> Iterator[PairHeatmap]:
    """Yield one heat map per pair of attributes.

    Args:
        rows: What was searched.
        names: Attributes.
        groups: Their groups.
        min_patients: Cells with fewer patients have no mean.
    """
    for first, second in itertools.combinations(range(len(names)), 2):
        mean, n_cases, n_patients = _grid(
            rows, (first, second), (len(groups[first]), len(groups[second])), min_patients
        )
        yield PairHeatmap(
            rows=names[first],
            columns=names[second],
            row_groups=tuple(groups[first]),
            column_groups=tuple(groups[second]),
            mean=tuple(tuple(map(float, row)) for row in mean),
            n_cases=tuple(tuple(map(int, row)) for row in n_cases),
            n_patients=tuple(tuple(map(int, row)) for row in n_patients),
        )


def _grid(
    rows: Rows, pair: tuple[int, int], shape: tuple[int, int], min_patients: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return means (NaN of too few patients), cases and patients of every cell."""
    codes = rows.codes[:, list(pair)]
    known = (codes >= 0).all(axis=1)
    cell = codes[known, 0] * shape[1] + codes[known, 1]
    size = shape[0] * shape[1]
    counts = np.bincount(cell, minlength=size)
    sums = np.bincount(cell, weights=rows.values[known], minlength=size)
    cases = np.bincount(cell, weights=rows.n_cases[known], minlength=size).astype(int)
    seen = np.unique(np.column_stack([cell, rows.patients[known]]), axis=0)
    patients = np.bincount(seen[:, 0], minlength=size)
    with np.errstate(invalid="ignore"):
        means = np.where(patients >= min_patients, sums / counts, np.nan)
    return means.reshape(shape), cases.reshape(shape), patients.reshape(shape)
