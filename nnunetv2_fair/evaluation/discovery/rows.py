"""What is searched: one row per patient and combination of groups."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from nnunetv2_fair.evaluation.statistics.group_comparison import Unit


@dataclass(frozen=True)
class Rows:
    """Everything that is searched. n rows, A attributes, P patients.

    A patient whose groups change between images has one row for each combination.

    Attributes:
        codes: (n, A) position of the group, -1 where it is unknown.
        values: (n,) mean of the metric over the row's images.
        ranks: (n,) mean over the row's images of their ranks among all images, from 0 to 1, the
            images of one patient weighing as much as one image together. Images of equal law have
            equal expected ranks, however many images a patient has; ranks of means have not.
        image_ranks: (images,) ranks of the single images, patient by patient.
        patients: (n,) number of the patient, 0 to P - 1.
        n_cases: (n,) images of the row.
        spread: Variance of the values: between patients, and between images of a patient.
        rank_spread: The same of the ranks.
    """

    codes: np.ndarray
    values: np.ndarray
    ranks: np.ndarray
    image_ranks: np.ndarray
    patients: np.ndarray
    n_cases: np.ndarray
    spread: tuple[float, float]
    rank_spread: tuple[float, float]

    def __len__(self) -> int:
        return len(self.values)

    @property
    def n_patients(self) -> int:
        """Number of patients."""
        return int(self.patients.max(initial=-1)) + 1

    @property
    def rows_per_patient(self) -> np.ndarray:
        """(P,) rows of each patient."""
        return np.bincount(self.patients, minlength=self.n_patients)

    @property
    def images_per_patient(self) -> np.ndarray:
        """(P,) images of each patient."""
        weights = self.n_cases
        return np.bincount(self.patients, weights=weights, minlength=self.n_patients).astype(int)

    @classmethod
    def of(cls, codes: np.ndarray, values: np.ndarray, patients: np.ndarray, unit: Unit) -> "Rows":
        """Collect the rows of cases.

        Args:
            codes: (cases, A) position of each case's group, -1 where it is unknown.
            values: (cases,) finite.
            patients: (cases,) number of the patient, from 0 without gaps.
            unit: ``patient``, or ``case``: every case is a row of its own.
        """
        if unit == "case":
            order = np.argsort(patients, kind="stable")
            keys = np.column_stack([patients, codes])[order]
            row = np.empty(len(order), dtype=int)
            row[order] = np.arange(len(order))
        else:
            keys, row = np.unique(np.column_stack([patients, codes]), axis=0, return_inverse=True)
        return cls._collected(keys, row.ravel(), values, patients)

    @classmethod
    def _collected(
        cls, keys: np.ndarray, row: np.ndarray, values: np.ndarray, patient: np.ndarray
    ) -> "Rows":
        n_cases = np.bincount(row, minlength=len(keys))
        ranks = _weighted_ranks(values, 1 / np.bincount(patient)[patient])

        def mean(of_images: np.ndarray) -> np.ndarray:
            return np.bincount(row, weights=of_images, minlength=len(keys)) / n_cases

        row_values, row_ranks = mean(values), mean(ranks)
        return cls(
            keys[:, 1:],
            row_values,
            row_ranks,
            ranks[np.argsort(patient, kind="stable")],
            keys[:, 0],
            n_cases,
            _spread(values, patient, row_values, n_cases),
            _spread(ranks, patient, row_ranks, n_cases),
        )

    def n_patients_in(self, membership: sparse.csr_matrix) -> np.ndarray:
        """Return from how many patients the members of each subgroup come: (S,)."""
        return np.diff((membership @ self.blocks).indptr)

    @property
    def blocks(self) -> sparse.csr_matrix:
        """(n, P) which row is of which patient."""
        ones = np.ones(len(self), dtype=np.float32)
        shape = (len(self), self.n_patients)
        return sparse.csr_matrix((ones, (np.arange(len(self)), self.patients)), shape=shape)

    def membership(self, subgroups: np.ndarray) -> sparse.csr_matrix:
        """Return which rows are in which subgroup.

        Args:
            subgroups: (S, A) codes, -1 where any group will do.

        Returns:
            (S, n) float32, 1 for members.
        """
        found: list[tuple[np.ndarray, np.ndarray]] = []
        places = np.cumprod([1, *(self.codes.max(axis=0, initial=-1) + 2)[:-1]])
        used = subgroups >= 0
        for mask in np.unique(used, axis=0):
            chosen = np.flatnonzero((used == mask).all(axis=1))
            numbers = (subgroups[chosen] + 1)[:, mask] @ places[mask]
            order = np.argsort(numbers)
            chosen, numbers = chosen[order], numbers[order]
            known = np.flatnonzero((self.codes[:, mask] >= 0).all(axis=1))
            wanted = (self.codes[known] + 1)[:, mask] @ places[mask]
            position = np.minimum(np.searchsorted(numbers, wanted), len(numbers) - 1)
            inside = numbers[position] == wanted
            found.append((chosen[position[inside]], known[inside]))
        of, rows = (
            np.concatenate([part[i] for part in found]) if found else np.zeros(0, dtype=int)
            for i in (0, 1)
        )
        ones = np.ones(len(rows), dtype=np.float32)
        return sparse.csr_matrix((ones, (of, rows)), shape=(len(subgroups), len(self)))


def _weighted_ranks(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the share of the weight below each value, and half of that at it."""
    different, place = np.unique(values, return_inverse=True)
    at = np.bincount(place.ravel(), weights=weights, minlength=len(different))
    share = (np.cumsum(at) - at / 2) / max(at.sum(), 1e-300)
    return np.asarray(share[place.ravel()])


def _spread(
    of_images: np.ndarray, patient: np.ndarray, of_rows: np.ndarray, n_cases: np.ndarray
) -> tuple[float, float]:
    """Return the variance between patients, and that between images of a patient."""
    if len(of_rows) < 2:
        return 0.0, 0.0
    total = float(of_rows.var(ddof=1))
    images = np.bincount(patient)
    # the variance of a row is between + within / its images
    per_row = float((1 / n_cases).mean())
    if len(of_images) == len(images):
        return total, 0.0
    means = np.bincount(patient, weights=of_images) / images
    squares = ((of_images - means[patient]) ** 2).sum()
    within = float(squares / (len(of_images) - len(images)))
    if within * per_row >= total:
        return 0.0, total / per_row
    return total - within * per_row, within
