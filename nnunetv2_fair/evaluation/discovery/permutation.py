"""How strongly subgroups stand out, and how strongly the strongest of equal ones would.

Source: Westfall and Young, Resampling-based multiple testing, 1993 (single-step maxT).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from nnunetv2_fair.evaluation.discovery.rows import Rows

#: Patients with as many images are permuted among themselves, if there are this many.
_FEWEST_IN_STRATUM = 20
#: Numbers of one chunk of permuted ranks, and of one chunk of permuted z.
_CHUNK = 4_000_000
#: Relative error of sums in single precision, which must not break ties with the data.
_ROUNDING = 1e-5
#: Subgroups whose standard error is below this share of the spread hold everybody.
_NO_ERROR = 1e-6


@dataclass(frozen=True)
class Evidence:
    """The test of each subgroup. S subgroups; NaN where there is none, as nobody is outside.

    Attributes:
        z: (S,) mean rank of the subgroup minus that of all, in standard errors.
        p_values: (S,) two-sided, by permutation, uncorrected.
        corrected: (S,) share of the permutations whose largest absolute z of all subgroups
            reaches this one's: the family-wise corrected p-value.
    """

    z: np.ndarray
    p_values: np.ndarray
    corrected: np.ndarray


def subgroup_tests(
    rows: Rows, membership: sparse.csr_matrix, permutations: int, generator: np.random.Generator
) -> Evidence:
    """Test every subgroup against what permuted patients give.

    Args:
        rows: What was searched.
        membership: (S, n) as :meth:`Rows.membership`.
        permutations: How many.
        generator: Source of randomness.
    """
    z = rank_z(rows, membership)
    tested = np.flatnonzero(~np.isnan(z))
    p_values, corrected = np.full(len(z), np.nan), np.full(len(z), np.nan)
    if len(tested):
        strength = np.abs(z[tested])
        reached = np.zeros(len(tested), dtype=int)
        largest = []
        for drawn in permuted_z(rows, membership[tested], permutations, generator):
            of_all = np.zeros(0)
            for part, values in drawn:
                np.abs(values, out=values)
                reached[part] += (values >= _nearly(strength[part])[:, None]).sum(axis=1)
                top = values.max(axis=0)
                of_all = np.maximum(of_all, top) if len(of_all) else top
            largest.append(of_all)
        ordered = np.sort(np.concatenate(largest))
        above = permutations - np.searchsorted(ordered, _nearly(strength), side="left")
        p_values[tested] = (1 + reached) / (permutations + 1)
        corrected[tested] = (1 + above) / (permutations + 1)
    return Evidence(z, p_values, corrected)


def rank_z(rows: Rows, membership: sparse.csr_matrix) -> np.ndarray:
    """Return the mean rank of each subgroup minus that of all, in standard errors.

    With one image per patient the error is s sqrt(1/n_S - 1/N), the exact standard deviation
    over all permutations.
    """
    away = rows.ranks - rows.ranks.mean()
    errors = standard_errors(rows, membership, rows.rank_spread)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((membership @ away) / _sizes(membership) / errors)


def standard_errors(
    rows: Rows, membership: sparse.csr_matrix, spread: tuple[float, float]
) -> np.ndarray:
    """Return the standard error of each subgroup's mean minus the mean of all.

    Args:
        rows: What was searched.
        membership: (S, n).
        spread: Variance between patients, and between images of a patient.

    Returns:
        (S,); NaN where the subgroup holds everybody.
    """
    between, within = spread
    n, total = _sizes(membership), len(rows)
    per_patient = rows.rows_per_patient
    inverse = 1 / rows.n_cases
    if per_patient.max(initial=1) == 1:
        squares = n
    else:
        squares = np.asarray((membership @ rows.blocks).power(2).sum(axis=1)).ravel()
    images = membership @ inverse
    # covariance of the subgroup's sum with itself, with that of all, and of all with itself
    own = between * squares + within * images
    shared = between * (membership @ per_patient[rows.patients]) + within * images
    everybody = between * float((per_patient**2).sum()) + within * float(inverse.sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = own / n**2 - 2 * shared / (n * total) + everybody / total**2
        least = _NO_ERROR * own / n**2
        return np.where((n < total) & (variance > least), np.sqrt(np.maximum(variance, 0)), np.nan)


def permuted_z(
    rows: Rows, membership: sparse.csr_matrix, permutations: int, generator: np.random.Generator
) -> Iterator[Iterator[tuple[slice, np.ndarray]]]:
    """Yield chunks of permutations; of each, chunks of subgroups with their (S', B) z."""
    errors = standard_errors(rows, membership, rows.rank_spread)
    scale = (1 / (errors * _sizes(membership))).astype(np.float32)[:, None]
    shuffle = _Shuffle.of(rows)
    size = max(1, _CHUNK // max(1, len(rows)))
    for start in range(0, permutations, size):
        drawn = shuffle.draw(min(size, permutations - start), generator)
        yield _chunks(membership, drawn, scale)


def _chunks(
    membership: sparse.csr_matrix, drawn: np.ndarray, scale: np.ndarray
) -> Iterator[tuple[slice, np.ndarray]]:
    step = max(1, _CHUNK // drawn.shape[1])
    for first in range(0, membership.shape[0], step):
        part = slice(first, min(first + step, membership.shape[0]))
        values = membership[part] @ drawn
        values *= scale[part]
        yield part, values


@dataclass(frozen=True)
class _Shuffle:
    """Permutes the ranks of patients. G strata.

    Whole blocks of a patient's rows change places with blocks of as many rows, and of as many
    images where that leaves strata of enough patients; elsewhere ranks are standardised by their
    number of images first. Within a block the order is random, as an attribute may change in the
    same way in every patient. How far whole strata are from one another cannot be permuted within
    them: for that, patients of any stratum are drawn, and as many of their images as are usual in
    the stratum.

    Attributes:
        away: (n,) ranks minus the mean of the stratum, in standard deviations of the row.
        deviation: (n,) standard deviation of each row.
        strata: For each stratum (patients, rows) the rows, patient by patient.
        means: How the mean of each stratum varies; none if there is only one.
    """

    away: np.ndarray
    deviation: np.ndarray
    strata: tuple[np.ndarray, ...]
    means: tuple["_StratumMean", ...]

    @classmethod
    def of(cls, rows: Rows) -> "_Shuffle":
        between, within = rows.rank_spread
        deviation = np.sqrt(between + within / rows.n_cases)
        strata = tuple(_strata(rows))
        away = rows.ranks.copy()
        for stratum in strata:
            away[stratum] -= away[stratum].mean()
        with np.errstate(divide="ignore", invalid="ignore"):
            standard = np.where(deviation > 0, away / deviation, 0.0)
        means = tuple(_StratumMean.of(rows, s) for s in strata) if len(strata) > 1 else ()
        return cls(standard.astype(np.float32), deviation.astype(np.float32), strata, means)

    def draw(self, permutations: int, generator: np.random.Generator) -> np.ndarray:
        """Return (n, permutations) permuted ranks, centred, in single precision."""
        drawn = np.empty((len(self.away), permutations), dtype=np.float32)
        for stratum in self.strata:
            blocks = self.away[stratum]
            places = np.tile(np.arange(len(stratum), dtype=np.int32), (permutations, 1))
            generator.permuted(places, axis=1, out=places)
            dealt = blocks[places]
            if stratum.shape[1] > 1:
                generator.permuted(dealt, axis=2, out=dealt)
            for column in range(stratum.shape[1]):
                own = stratum[:, column]
                drawn[own] = dealt[:, :, column].T * self.deviation[own][:, None]
        for stratum, mean in zip(self.strata, self.means, strict=False):
            drawn[stratum.ravel()] += mean.draw(permutations, generator)
        drawn -= drawn.mean(axis=0)
        return drawn


@dataclass(frozen=True)
class _StratumMean:
    """How the mean rank of a stratum varies if its patients are like all others.

    Attributes:
        image_ranks: Ranks of all images, patient by patient, from their mean over patients.
        starts: (P,) first image of each patient.
        images: (P,) images of each patient.
        n_patients: Patients of the stratum.
        n_images: Images that its patients usually have.
        scale: What brings draws to the variance that follows from the number of images.
    """

    image_ranks: np.ndarray
    starts: np.ndarray
    images: np.ndarray
    n_patients: int
    n_images: int
    scale: float

    @classmethod
    def of(cls, rows: Rows, stratum: np.ndarray) -> "_StratumMean":
        images = rows.images_per_patient
        starts = np.cumsum(images) - images
        means = np.add.reduceat(rows.image_ranks, starts) / images
        squares = np.add.reduceat(rows.image_ranks**2, starts) / images - means**2
        n_images = max(1, round(float(rows.n_cases[stratum].sum() / len(stratum))))
        # a patient with few images is drawn with the same image several times
        drawn = means.var() + squares.mean() / n_images
        between, within = rows.rank_spread
        of_images = float((within / rows.n_cases[stratum]).mean()) / stratum.shape[1]
        scale = np.sqrt((between + of_images) / drawn) if drawn > 0 else 0.0
        away = rows.image_ranks - means.mean()
        return cls(away, starts, images, len(stratum), n_images, float(scale))

    def draw(self, permutations: int, generator: np.random.Generator) -> np.ndarray:
        """Return (permutations,) means of the stratum."""
        donors = generator.integers(0, len(self.starts), (self.n_patients, permutations))
        total = np.zeros(permutations)
        for _ in range(self.n_images):
            place = generator.random(donors.shape) * self.images[donors]
            total += self.image_ranks[self.starts[donors] + place.astype(int)].sum(axis=0)
        return np.asarray(self.scale * total / (self.n_patients * self.n_images))


def _strata(rows: Rows) -> Iterator[np.ndarray]:
    """Yield the rows of patients who may change places: (patients, rows per patient) each."""
    per_patient = rows.rows_per_patient
    images = rows.images_per_patient
    first = np.cumsum(per_patient) - per_patient
    for length in np.unique(per_patient):
        alike = np.flatnonzero(per_patient == length)
        for patients in _of_enough(alike, images[alike]):
            yield first[patients][:, None] + np.arange(length)


def _of_enough(patients: np.ndarray, images: np.ndarray) -> Iterator[np.ndarray]:
    """Yield patients by their number of images, numbers joined until there are enough."""
    kept: list[np.ndarray] = []
    left = len(patients)
    for number in np.unique(images):
        kept.append(patients[images == number])
        size = sum(map(len, kept))
        # what remains must be enough, too
        if size >= _FEWEST_IN_STRATUM and left - size >= _FEWEST_IN_STRATUM:
            yield np.concatenate(kept)
            left -= size
            kept = []
    if kept:
        yield np.concatenate(kept)


def _sizes(membership: sparse.csr_matrix) -> np.ndarray:
    return np.diff(membership.indptr).astype(float)


def _nearly(strength: np.ndarray) -> np.ndarray:
    return np.asarray(strength * (1 - _ROUNDING) - _ROUNDING)
