"""Statistics of resamples from how often each unit was drawn.

Values are sorted once; a resample is a row of counts, whose sums along the sorted values give
medians and Cliff's delta of all resamples at a time.
"""

from collections.abc import Sequence

import numpy as np

from nnunetv2_fair.evaluation.estimation.replicates import Replicates
from nnunetv2_fair.evaluation.estimation.streams import Stratum
from nnunetv2_fair.evaluation.estimation.units import Units

_ROUNDING = 1e-9

#: Columns of the counts: a slice where they are neighbours, which saves copying them.
_Columns = slice | np.ndarray


class ExactResamples:
    """Resamples of strata that are drawn unit by unit.

    Args:
        units: What is resampled.
        strata: What is drawn together.
        groups: Groups that are made of these strata alone.
        everything: Whether all units are in these strata.
        pairs: Groups whose Cliff's delta is wanted; None where other strata are needed too.
    """

    def __init__(
        self,
        units: Units,
        strata: Sequence[Stratum],
        groups: Sequence[int],
        everything: bool,
        pairs: Sequence[tuple[int, int] | None],
    ) -> None:
        """Sort the values of every group once."""
        self._units, self._pairs = units, pairs
        # groups of one stratum need not be sorted again
        self._strata = [Stratum(_ascending(units, of), generator) for of, generator in strata]
        self.few = np.concatenate([of for of, _ in self._strata] or [np.empty(0, dtype=int)])
        self._place = np.full(len(units.counts), -1)
        self._place[self.few] = np.arange(len(self.few))
        self._of: list[int | None] = [*groups, None] if everything else list(groups)
        self._sorted = {
            (group, model): self._in_order(group, model)
            for group in self._of
            for model in range(len(units.values))
        }

    @property
    def n_drawn(self) -> int:
        """Units, or images, that a resample consists of."""
        if self._units.images is None:
            return len(self.few)
        return int((self._place[self._units.images.units] >= 0).sum())

    def counts(self, size: int) -> np.ndarray:
        """Draw resamples: (size, units) how often each of :attr:`few` is drawn."""
        made = np.empty((size, len(self.few)), dtype=np.int16)
        start = 0
        for stratum, generator in self._strata:
            n = len(stratum)
            drawn = generator.integers(0, n, size=(size, n))
            drawn += np.arange(size)[:, None] * n
            made[:, start : start + n] = np.bincount(drawn.ravel(), minlength=size * n).reshape(
                size, n
            )
            start += n
        return made

    def write(self, counts: np.ndarray, made: Replicates, part: slice) -> None:
        """Write the statistics of some resamples.

        Args:
            counts: From :meth:`counts`.
            made: Where the statistics of all resamples are.
            part: Which of the resamples.
        """
        for model in range(len(self._units.values) if self._of else 0):
            means = self._means(counts, model)
            for column, group in enumerate(self._of):
                medians = self._medians(counts, group, model)
                if group is None:
                    made.overall_mean[part, model] = means[:, column]
                    made.overall_median[part, model] = medians
                else:
                    made.means[part, model, group] = means[:, column]
                    made.medians[part, model, group] = medians
        below: dict[int, np.ndarray] = {}
        for k, pair in enumerate(self._pairs):
            if pair is not None:
                first, second = pair
                if first not in below:
                    below[first] = self._below(counts, first)
                made.dominance[part, k] = self._dominance(counts, below[first], first, second)

    def _means(self, counts: np.ndarray, model: int) -> np.ndarray:
        """Return (resamples, groups) means of the units."""
        units = self._units
        values = np.stack(
            [
                units.overall[model] if group is None else units.values[model, :, group]
                for group in self._of
            ],
            axis=1,
        )[self.few]
        sizes = (~np.isnan(values)).sum(axis=0)
        sums = counts.astype(float) @ np.where(np.isfinite(values), values, 0.0)
        for sign in np.unique(values[np.isinf(values)]):
            hits = counts @ (values == sign) > 0
            with np.errstate(invalid="ignore"):
                sums = np.where(hits, sums + sign, sums)
        return np.asarray(sums / sizes)

    def _medians(self, counts: np.ndarray, group: int | None, model: int) -> np.ndarray:
        values, columns, weights = self._sorted[group, model]
        below = _cumulated(counts, columns, weights)
        last = len(values) - 1
        if weights is None:
            # whole numbers: the two middle values are the same if their number is odd
            low = np.count_nonzero(below < (len(values) + 1) // 2, axis=1)
            if len(values) % 2:
                return np.asarray(values[low])
            high = np.count_nonzero(below <= len(values) // 2, axis=1)
        else:
            half, slack = below[:, -1:] / 2, _ROUNDING * last
            low = np.count_nonzero(below < half - slack, axis=1)
            high = np.count_nonzero(below <= half + slack, axis=1)
        least, most = values[np.minimum(low, last)], values[np.minimum(high, last)]
        with np.errstate(invalid="ignore"):  # infinities have no difference
            return np.where(least == most, least, (least + most) / 2)

    def _below(self, counts: np.ndarray, group: int) -> np.ndarray:
        """Return (resamples, values + 1) how many of a group are among its lowest values."""
        _, columns, weights = self._sorted[group, 0]
        cumulated = _cumulated(counts, columns, weights)
        below = np.zeros((len(counts), cumulated.shape[1] + 1), dtype=cumulated.dtype)
        below[:, 1:] = cumulated
        return below

    def _dominance(
        self, counts: np.ndarray, below: np.ndarray, first: int, second: int
    ) -> np.ndarray:
        """Return Cliff's delta of two groups in each resample, of the first model."""
        ours = self._sorted[first, 0][0]
        theirs, columns, weights = self._sorted[second, 0]
        drawn = counts[:, columns] if weights is None else counts[:, columns] * weights
        # pairs that the second group wins minus those that it loses
        won = below[:, np.searchsorted(ours, theirs, side="left")]
        not_lost = below[:, np.searchsorted(ours, theirs, side="right")]
        won += not_lost
        net = np.einsum("ij,ij->i", drawn, won, dtype=float)
        n, n_first = drawn.sum(axis=1), below[:, -1]
        return np.asarray(1 - net / (n * n_first.astype(float)))

    def _in_order(
        self, group: int | None, model: int
    ) -> tuple[np.ndarray, _Columns, np.ndarray | None]:
        """Return ascending values, the counts' column of each, and its weight if not 1."""
        units = self._units
        if units.images is None:
            known = np.ones(len(units.counts), dtype=bool)
            chosen = np.flatnonzero(known if group is None else units.counts[:, group] > 0)
            column, weights = self._place[chosen], None
            values = (units.overall[model] if group is None else units.values[model, :, group])[
                chosen
            ]
        else:
            chosen, weights = units.image_weights(group)
            column = self._place[units.images.units[chosen]]
            values = units.images.values[model, chosen]
        order = np.lexsort((column, values))
        ordered = column[order]
        columns: _Columns = ordered
        if len(order) and np.array_equal(ordered, np.arange(ordered[0], ordered[0] + len(order))):
            columns = slice(int(ordered[0]), int(ordered[0]) + len(order))
        return values[order], columns, None if weights is None else weights[order]


def _ascending(units: Units, stratum: np.ndarray) -> np.ndarray:
    """Return a stratum's units by the first model's value of their first group."""
    first = int(np.argmax(units.counts[stratum[0]] > 0))
    return stratum[np.argsort(units.values[0, stratum, first], kind="stable")]


def _cumulated(counts: np.ndarray, columns: _Columns, weights: np.ndarray | None) -> np.ndarray:
    if weights is None:
        return np.cumsum(counts[:, columns], axis=1, dtype=np.int32)
    return np.cumsum(counts[:, columns] * weights, axis=1)
