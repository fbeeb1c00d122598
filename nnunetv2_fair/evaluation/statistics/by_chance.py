"""What Delta, SD, SER, SKEW and equity scaling would be if no group differed.

Groups differ in every sample, so that measures of how far apart groups are can only be larger than
zero, and are larger the smaller the groups are and the more of them there are. Each is compared
with what it is when patients are exchanged between the groups at random.

A patient keeps all images, and a patient who is in several groups stays in them: there the values
of that patient are exchanged. Groups of many patients are not exchanged one by one: their means are
drawn from the normal distribution and their medians from that of ranks, which such groups follow.

Source: Good, Permutation, Parametric, and Bootstrap Tests of Hypotheses, 2005; Phipson and Smyth,
Permutation p-values should never be zero, Statistical Applications in Genetics and Molecular
Biology 2010.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nnunetv2_fair.evaluation.estimation.quantiles import weighted_quantile
from nnunetv2_fair.evaluation.estimation.units import Units

N_PERMUTATIONS = 999

#: More values are not exchanged one by one.
_MANY = 5000

#: Groups of more of them have normal means.
_NORMAL = 1000

#: Numbers drawn at once.
_CHUNK = 4 << 20

_ROUNDING = 1e-9


@dataclass(frozen=True)
class Exchanged:
    """Means and medians of the groups when patients are exchanged between them.

    Attributes:
        means: (permutations, groups).
        medians: (permutations, groups); None if not asked for.
    """

    means: np.ndarray
    medians: np.ndarray | None


@dataclass(frozen=True)
class _Cells:
    """Every unit's value in every group that is compared.

    Attributes:
        values: (cells,) means.
        units: (cells,) unit.
        groups: (cells,) place of the group among those compared.
        n_groups: Number of groups.
    """

    values: np.ndarray
    units: np.ndarray
    groups: np.ndarray
    n_groups: int


def exchanged(
    units: Units,
    groups: list[int],
    generator: np.random.Generator,
    n_permutations: int = N_PERMUTATIONS,
    medians: bool = True,
) -> Exchanged:
    """Exchange patients between the groups.

    Args:
        units: Values of the first model are used.
        groups: Groups that are compared, two or more.
        generator: Source of randomness.
        n_permutations: How often.
        medians: Whether medians are asked for; they take longer.
    """
    values = units.values[0][:, groups]
    of_unit, of_group = np.nonzero(units.counts[:, groups] > 0)
    cells = _Cells(values[of_unit, of_group], of_unit, of_group, len(groups))
    single = bool((np.bincount(of_unit) <= 1).all())
    if single and len(of_unit) > _MANY and np.isfinite(cells.values).all():
        return _drawn(units, groups, cells, generator, n_permutations, medians)
    order = _Ordered(units, groups, cells) if medians else None
    means = np.empty((n_permutations, len(groups)))
    middles = np.empty((n_permutations, len(groups)))
    sizes = np.bincount(of_group, minlength=len(groups))
    for part in chunks(n_permutations, len(of_unit)):
        codes = _permuted(cells, generator, part.stop - part.start)
        places = codes + len(groups) * np.arange(len(codes))[:, None]
        with np.errstate(invalid="ignore"):
            sums = np.bincount(
                places.ravel(),
                weights=np.broadcast_to(cells.values, codes.shape).ravel(),
                minlength=codes.shape[0] * len(groups),
            )
            means[part] = sums.reshape(-1, len(groups)) / sizes
        if order is not None:
            middles[part] = order.medians(codes)
    return Exchanged(means, middles if medians else None)


def _permuted(cells: _Cells, generator: np.random.Generator, n: int) -> np.ndarray:
    """Return (n, cells) groups; those of a unit in several are exchanged within it."""
    codes = np.broadcast_to(cells.groups, (n, len(cells.groups))).copy()
    count = np.bincount(cells.units)[cells.units]
    alone = count == 1
    codes[:, alone] = generator.permuted(codes[:, alone], axis=1)
    for several in np.unique(count[~alone]):
        chosen = np.flatnonzero(count == several)  # cells of a unit are next to each other
        within = codes[:, chosen].reshape(n, -1, several)
        codes[:, chosen] = generator.permuted(within, axis=2).reshape(n, -1)
    return codes


class _Ordered:
    """Values in ascending order, so that medians of many exchanges are found at once."""

    def __init__(self, units: Units, groups: list[int], cells: _Cells) -> None:
        if units.images is None:
            values, cell = cells.values, np.arange(len(cells.values))
            weights = np.ones(len(values))
        else:
            of = units.images
            chosen = np.flatnonzero(np.isin(of.groups, groups))
            place = np.full(units.n_groups, -1)
            place[groups] = np.arange(len(groups))
            number = np.full((len(units.counts), len(groups)), -1)
            number[cells.units, cells.groups] = np.arange(len(cells.values))
            cell = number[of.units[chosen], place[of.groups[chosen]]]
            values = of.values[0, chosen]
            weights = 1 / units.counts[of.units[chosen], of.groups[chosen]]
        order = np.argsort(values, kind="stable")
        self.values, self.cell, self.weights = values[order], cell[order], weights[order]
        self.sizes = np.bincount(cells.groups, minlength=cells.n_groups)

    def medians(self, codes: np.ndarray) -> np.ndarray:
        """Return (n, groups) medians for (n, cells) groups, by :func:`weighted_quantile`."""
        sorted_codes = codes[:, self.cell]
        found = np.empty((len(codes), len(self.sizes)))
        for group, size in enumerate(self.sizes):
            below = np.cumsum(np.where(sorted_codes == group, self.weights, 0.0), axis=1)
            aim, slack = size / 2, _ROUNDING * size
            low = self.values[(below >= aim - slack).argmax(axis=1)]
            high = self.values[(below > aim + slack).argmax(axis=1)]
            with np.errstate(invalid="ignore"):
                found[:, group] = np.where(low == high, low, (low + high) / 2)
        return found


def _drawn(
    units: Units,
    groups: list[int],
    cells: _Cells,
    generator: np.random.Generator,
    n: int,
    medians: bool,
) -> Exchanged:
    """Draw the means and medians of many units instead of exchanging them."""
    sizes = np.bincount(cells.groups, minlength=cells.n_groups)
    total = len(cells.values)
    middle, spread = cells.values.mean(), cells.values.std(ddof=1)
    means = np.empty((n, len(groups)))
    for group, size in enumerate(sizes):
        if size > _NORMAL:
            means[:, group] = middle + spread / np.sqrt(size) * generator.standard_normal(n)
        else:
            for part in chunks(n, size):
                picked = generator.integers(0, total, (part.stop - part.start, size))
                means[part, group] = cells.values[picked].mean(axis=1)
    # the mean of all does not change
    means += middle - (means * sizes).sum(axis=1, keepdims=True) / total
    if not medians:
        return Exchanged(means, None)
    if units.images is None:
        values, weights, each = np.sort(cells.values), None, 0.0
    else:
        chosen = np.flatnonzero(np.isin(units.images.groups, groups))
        values = units.images.values[0, chosen]
        weights = 1 / units.counts[units.images.units[chosen], units.images.groups[chosen]]
        centre = weighted_quantile(values, weights, 0.5)
        lower = np.bincount(
            units.images.units[chosen],
            weights=weights * (values < centre),
            minlength=len(units.counts),
        )
        each = float(lower[cells.units].var())
        order = np.argsort(values, kind="stable")
        values, weights = values[order], weights[order]
    shares = np.empty((n, len(groups)))
    for group, size in enumerate(sizes):
        if units.images is None:
            shares[:, group] = generator.beta((size + 1) / 2, (size + 1) / 2, n)
        else:
            shares[:, group] = 0.5 + np.sqrt(each / size) * generator.standard_normal(n)
    # half of all values stay below the median of all
    shares += 0.5 - (shares * sizes).sum(axis=1, keepdims=True) / total
    shares = np.clip(shares, 0, 1)
    if weights is None:
        places = np.arange(len(values))
        return Exchanged(means, np.interp(shares * (len(values) - 1), places, values))
    below = np.cumsum(weights)
    at = np.searchsorted(below, shares * below[-1])
    return Exchanged(means, values[np.minimum(at, len(values) - 1)])


def chunks(n: int, size: int) -> Iterator[slice]:
    """Yield parts of ``n`` exchanges of ``size`` numbers each that fit into memory."""
    step = max(1, _CHUNK // max(size, 1))
    for start in range(0, n, step):
        yield slice(start, min(start + step, n))


def judged(
    observed: float, by_chance: np.ndarray, *, largest: float = 0.0, lower_is_worse: bool = False
) -> tuple[float, float]:
    """Return what a measure is by chance, and how often it is as bad.

    Args:
        observed: The measure.
        by_chance: (permutations,) the measure when patients are exchanged.
        largest: Largest magnitude of the values that the measure is made of: differences of their
            means that are tiny beside it are rounding errors, such as between equal values.
        lower_is_worse: Whether low values mean differences between groups, as in equity scaling.

    Returns:
        Median by chance, and the p-value: 1 plus the number of exchanges in which the measure is at
        least as bad, divided by 1 plus their number; NaN if the measure is.
    """
    if np.isnan(observed) or not len(by_chance):
        return float("nan"), float("nan")
    ordered = np.nan_to_num(by_chance, nan=np.inf, posinf=np.inf, neginf=-np.inf)
    slack = _ROUNDING * max(abs(observed), largest) if np.isfinite(observed) else 0.0
    worse = ordered <= observed + slack if lower_is_worse else ordered >= observed - slack
    middle = np.sort(ordered)[[(len(ordered) - 1) // 2, len(ordered) // 2]]
    typical = middle[0] if middle[0] == middle[1] else middle.mean()
    return float(typical), float((1 + worse.sum()) / (1 + len(by_chance)))
