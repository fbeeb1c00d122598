"""From values per case to values per unit (patient or case).

Images of one patient resemble each other, so the unit that is counted and resampled is the
patient, and its value is the mean over its images. Such means are less spread out and less skewed
the more images they are made of: where one group's patients have more images than the other's,
their medians differ although every image is of the same quality. Every image then counts by
itself, weighted by 1 over the patient's images, so that patients still count alike.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.stats

from nnunetv2_fair.evaluation.estimation.quantiles import quantile, weighted_quantile

#: Numbers of images per patient are taken as alike in all groups above this p-value. What is left
#: of a difference below it moves the test of patient means by less than half of its standard
#: error.
_ALIKE = 0.1

_ROUNDING = 1e-9


@dataclass(frozen=True)
class Images:
    """Every image by itself.

    Attributes:
        values: (models, images); never NaN.
        units: (images,) index of the image's unit.
        groups: (images,) index of its group.
    """

    values: np.ndarray
    units: np.ndarray
    groups: np.ndarray


@dataclass(frozen=True)
class Units:
    """Values per unit, of one or more models on the same cases.

    Attributes:
        values: (models, units, groups); mean over the unit's cases in that group, NaN if it has
            none. All models are NaN in the same places.
        overall: (models, units); mean over all of the unit's cases, never NaN.
        counts: (units, groups); cases of the unit in the group.
        images: Every image by itself if medians, quartiles and Cliff's delta are those of images
            weighted by 1 over the images of their unit; None if they are those of ``values``.
    """

    values: np.ndarray
    overall: np.ndarray
    counts: np.ndarray
    images: Images | None = None

    @classmethod
    def from_cases(
        cls,
        values: np.ndarray,
        units: Sequence[str] | np.ndarray,
        groups: np.ndarray,
        n_groups: int,
        compared: Sequence[int] = (),
    ) -> "Units":
        """Average cases; keep every image if the numbers of images differ between the groups.

        The choice looks at the numbers of images alone, never at their values, so that it cannot
        favour a result.

        Args:
            values: (models, cases); not NaN, infinity allowed.
            units: Unit of each case.
            groups: (cases,) index of each case's group.
            n_groups: Number of groups, also counting those without cases.
            compared: Groups that are compared with each other.
        """
        given = np.asarray(units)
        if given.dtype.kind not in "iu":
            given = given.astype(object).astype(str)
        codes, names = pd.factorize(given, sort=True)
        unit = np.asarray(codes)
        n_units = len(names)
        cell = unit * n_groups + groups
        counts = np.bincount(cell, minlength=n_units * n_groups)
        unit_counts = np.bincount(unit, minlength=n_units)
        per_group, overall = [], []
        with np.errstate(invalid="ignore"):
            for row in values:
                sums = np.bincount(cell, weights=row, minlength=n_units * n_groups)
                per_group.append((sums / counts).reshape(n_units, n_groups))
                overall.append(np.bincount(unit, weights=row, minlength=n_units) / unit_counts)
        shape = (len(values), n_units)
        made = cls(
            np.array(per_group).reshape(*shape, n_groups),
            np.array(overall).reshape(shape),
            counts.reshape(n_units, n_groups),
        )
        if images_are_alike(made.counts[:, list(compared)]):
            return made
        return dataclasses.replace(made, images=Images(np.asarray(values), unit, groups))

    @property
    def n_groups(self) -> int:
        """Number of groups, also counting those without units."""
        return int(self.values.shape[2])

    def only(self, groups: Sequence[int]) -> "Units":
        """Return the values in some groups, and the units that have one; the others have none.

        Whether images count by themselves does not change.
        """
        outside = np.setdiff1d(np.arange(self.n_groups), groups)
        kept = (self.counts[:, groups] > 0).any(axis=1)
        values, counts = self.values[:, kept], self.counts[kept]
        values[..., outside], counts[:, outside] = np.nan, 0
        with np.errstate(invalid="ignore"):  # infinite values in no case of a group
            overall = np.where(counts > 0, values * counts, 0.0).sum(axis=2) / counts.sum(axis=1)
        images = self.images
        if images is not None:
            inside = np.isin(images.groups, groups)
            place = np.cumsum(kept) - 1
            images = Images(
                images.values[:, inside], place[images.units[inside]], images.groups[inside]
            )
        return Units(values, overall, counts, images)

    def of_group(self, group: int, model: int = 0) -> np.ndarray:
        """Return one model's values of one group, one per unit that has any."""
        column = self.values[model, :, group]
        return np.asarray(column[self.counts[:, group] > 0])

    def spread_out(self, group: int | None, model: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Return the values that medians, quartiles and Cliff's delta are made of.

        Args:
            group: The group; None for all units together.
            model: The model.

        Returns:
            Values of the units, or of their images, and the share that each has; both (n,).
        """
        if self.images is None:
            values = self.overall[model] if group is None else self.of_group(group, model)
            return values, np.full(len(values), 1 / max(len(values), 1))
        chosen, weights = self.image_weights(group)
        return self.images.values[model, chosen], weights / max(weights.sum(), 1)

    def quantile(self, share: float, group: int | None, model: int = 0) -> float:
        """Return a quantile of a group, or of all units if None; NaN if there is no value."""
        values, weights = self.spread_out(group, model)
        if self.images is None:
            return quantile(values, share)
        return weighted_quantile(values, weights, share)

    def std(self, group: int | None) -> float:
        """Return the standard deviation (ddof 1) of the first model's units or images.

        Every image counts with 1 over the images of its unit, and units are what is counted.
        """
        values, weights = self.spread_out(group)
        n = int((self.counts > 0).any(axis=1).sum() if group is None else self.n_units(group))
        if n < 2:
            return float("nan")
        with np.errstate(invalid="ignore"):  # infinite distances have no standard deviation
            away = values - (weights * values).sum()
            return float(np.sqrt((weights * away**2).sum() * n / (n - 1)))

    def n_units(self, group: int) -> int:
        """Return how many units have a value in a group."""
        return int((self.counts[:, group] > 0).sum())

    def summed(self, parts: np.ndarray, group: int | None) -> np.ndarray:
        """Add up per unit what belongs to the values of :meth:`spread_out`: (units,)."""
        if self.images is not None:
            chosen, _ = self.image_weights(group)
            return np.bincount(self.images.units[chosen], weights=parts, minlength=len(self.counts))
        if group is None:
            return parts
        made = np.zeros(len(self.counts))
        made[self.counts[:, group] > 0] = parts
        return made

    def image_weights(self, group: int | None) -> tuple[np.ndarray, np.ndarray]:
        """Return the positions of a group's images, and 1 over the images of their unit in it."""
        if self.images is None:
            raise ValueError("only the units' means were kept")
        of = self.images
        if group is None:
            return np.arange(len(of.units)), 1 / self.counts.sum(axis=1)[of.units]
        chosen = np.flatnonzero(of.groups == group)
        return chosen, 1 / self.counts[of.units[chosen], group]


def images_are_alike(counts: np.ndarray) -> bool:
    """Return whether the units of all groups have alike numbers of images.

    Compares the mean of 1 over the number of images, as this is what the spread of a unit's mean
    depends on, by the Kruskal-Wallis form of a permutation test.

    Args:
        counts: (units, groups); images of the unit in the group, 0 if it is not in it.

    Returns:
        True where all units have equally many, or their numbers do not differ between the groups
        at the level 0.1.

    Source: Puri and Sen, Nonparametric methods in multivariate analysis, 1971 (rank tests with
    general scores).
    """
    units, groups = np.nonzero(counts)
    if not len(units):
        return True
    scores = 1 / counts[units, groups]
    scores -= scores.mean()
    variance = float((scores**2).sum()) / max(len(scores) - 1, 1)
    if variance < _ROUNDING:
        return True
    sizes = np.bincount(groups, minlength=counts.shape[1])
    sums = np.bincount(groups, weights=scores, minlength=counts.shape[1])[sizes > 0]
    statistic = float((sums**2 / sizes[sizes > 0]).sum()) / variance
    freedom = int((sizes > 0).sum()) - 1
    return freedom < 1 or float(scipy.stats.chi2.sf(statistic, freedom)) > _ALIKE
