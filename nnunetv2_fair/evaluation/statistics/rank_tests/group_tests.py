"""Tests of no difference between groups: which one fits who is in the groups, and its p-value.

Where every patient is in one group, Mann-Whitney U or Kruskal-Wallis of one value per patient; the
latter's p-value is that of exchanges between the groups where nearly all values are equal. Where
all patients are in both of two groups, Wilcoxon's signed-rank test. Where some are in several
groups, ranks are permuted within these patients and between the others. Where the numbers of images
per patient differ between the groups, ranks of images, averaged per patient.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.stats

from nnunetv2_fair.evaluation.estimation.units import Images, Units
from nnunetv2_fair.evaluation.results.groups import GroupTest
from nnunetv2_fair.evaluation.statistics.rank_tests.signed_rank import positive_ranks, signed_rank
from nnunetv2_fair.evaluation.statistics.rank_tests.tied_ranks import exchanged_p, heavily_tied

MANN_WHITNEY = "Mann-Whitney U"
KRUSKAL_WALLIS = "Kruskal-Wallis"
SIGNED_RANK = "Wilcoxon signed-rank"
STRATIFIED = "Stratified rank permutation"
CLUSTERED_PAIR = "Clustered rank-sum"
CLUSTERED = "Clustered Kruskal-Wallis"

_ROUNDING = 1e-12


def group_test(
    units: Units, groups: Sequence[int], generator: np.random.Generator
) -> GroupTest | None:
    """Test two-sidedly whether the groups' values come from one distribution.

    Args:
        units: Values per unit; the first model's are tested.
        groups: Groups to compare, each with at least one unit.
        generator: Source of randomness, where members are exchanged at random.

    Returns:
        The test; None for fewer than two groups. If all values are equal there is no difference to
        test and p is 1.
    """
    if len(groups) < 2:
        return None
    columns = list(groups)
    member = units.counts[:, columns] > 0
    values = units.values[0][:, columns]
    if units.images is not None:
        return _clustered(_ImageRanks.of(units, units.images, columns), member)
    if not (member.sum(axis=1) > 1).any():
        return _unpaired([values[member[:, k], k] for k in range(len(columns))], generator)
    anywhere = member.any(axis=1)
    values, member = values[anywhere], member[anywhere]
    if len(columns) == 2 and member.all():
        return _paired(values)
    return _stratified(values, member)


def _unpaired(samples: Sequence[np.ndarray], generator: np.random.Generator) -> GroupTest:
    pooled = np.concatenate(samples)
    identical = bool((pooled == pooled[0]).all())
    if len(samples) == 2:
        first, second = samples
        if identical:
            return GroupTest(MANN_WHITNEY, first.size * second.size / 2, 1.0)
        u = scipy.stats.mannwhitneyu(first, second, alternative="two-sided")
        return GroupTest(MANN_WHITNEY, float(u.statistic), float(u.pvalue))
    if identical:
        return GroupTest(KRUSKAL_WALLIS, 0.0, 1.0)
    h = scipy.stats.kruskal(*samples)
    sizes = [len(sample) for sample in samples]
    ranks = scipy.stats.rankdata(pooled)
    different, counts = np.unique(ranks, return_counts=True)
    if not heavily_tied(sizes, counts.max()):
        return GroupTest(KRUSKAL_WALLIS, float(h.statistic), float(h.pvalue))
    of_groups = np.split(ranks, np.cumsum(sizes)[:-1])
    p_value = exchanged_p(of_groups, different[counts.argmax()], generator)
    return GroupTest(KRUSKAL_WALLIS, float(h.statistic), p_value)


def _paired(values: np.ndarray) -> GroupTest:
    first, second = values.T
    # two infinite values are equal; they have no difference
    changes = np.subtract(first, second, out=np.zeros(len(first)), where=first != second)
    return GroupTest(SIGNED_RANK, positive_ranks(changes), signed_rank(changes))


def _stratified(values: np.ndarray, member: np.ndarray) -> GroupTest:
    """Permute the groups of patients in several groups within them, those of others between them.

    The two sums of ranks per group are added, each divided by the variance of its ranks, which
    weights them by what they tell; the statistic is the quadratic form of the sum with its
    permutation covariance, which is known exactly.

    Source: van Elteren 1960 (strata); Hodges and Lehmann, Rank methods for combination of
    independent experiments in analysis of variance, 1962 (ranks aligned within blocks).
    """
    n_groups = values.shape[1]
    ranks = np.full(values.shape, np.nan)
    ranks[member] = scipy.stats.rankdata(values[member])
    sums, covariance = np.zeros(n_groups), np.zeros((n_groups, n_groups))
    for part, part_covariance, variance in (
        _within(ranks, member, member.sum(axis=1)),
        _between(ranks, member, member.sum(axis=1)),
    ):
        if variance > _ROUNDING:
            sums += part / variance
            covariance += part_covariance / variance**2
    statistic, freedom = _quadratic(sums, covariance)
    p_value = float(scipy.stats.chi2.sf(statistic, freedom)) if freedom else 1.0
    return GroupTest(STRATIFIED, statistic, p_value)


_Part = tuple[np.ndarray, np.ndarray, float]


def _within(ranks: np.ndarray, member: np.ndarray, n_in: np.ndarray) -> _Part:
    """Return sums of aligned ranks, their covariance, and the ranks' variance within patients."""
    several = n_in > 1
    inside, size = member[several], n_in[several].astype(float)
    aligned = np.where(inside, ranks[several], 0.0)
    aligned = np.where(inside, aligned - (aligned.sum(axis=1) / size)[:, None], 0.0)
    spread = (aligned**2).sum(axis=1) / (size - 1)
    weighted = inside * spread[:, None]
    covariance = np.diag(weighted.sum(axis=0)) - weighted.T @ (inside / size[:, None])
    return aligned.sum(axis=0), covariance, float(spread.mean()) if spread.size else 0.0


def _between(ranks: np.ndarray, member: np.ndarray, n_in: np.ndarray) -> _Part:
    """Return sums of ranks of those in one group, their covariance, and the ranks' variance."""
    inside = member[n_in == 1]
    n, sizes = len(inside), inside.sum(axis=0).astype(float)
    if n < 2:
        return np.zeros(len(sizes)), np.zeros((len(sizes), len(sizes))), 0.0
    own = ranks[n_in == 1][inside]
    away = own - own.mean()
    variance = float((away**2).sum()) / (n - 1)
    covariance = variance * (np.diag(sizes) - np.outer(sizes, sizes) / n)
    return (inside * away[:, None]).sum(axis=0), covariance, variance


def _quadratic(sums: np.ndarray, covariance: np.ndarray) -> tuple[float, int]:
    """Return the quadratic form of sums with their covariance, and its degrees of freedom."""
    scale, directions = np.linalg.eigh(covariance)
    kept = scale > scale.max(initial=0.0) * 1e-9
    along = directions[:, kept].T @ sums
    return float((along**2 / scale[kept]).sum()), int(kept.sum())


@dataclass(frozen=True)
class _ImageRanks:
    """Ranks of images in the distribution of all compared ones, weighted as their units are.

    Attributes:
        scores: (units, groups) mean rank of the unit's images in a group, in 0..1; NaN if none.
        variances: (units, groups) variance of ``scores`` if all images come from one
            distribution; 0 if none.
    """

    scores: np.ndarray
    variances: np.ndarray

    @classmethod
    def of(cls, units: Units, images: Images, columns: Sequence[int]) -> "_ImageRanks":
        """Rank the images of some groups."""
        place = np.full(units.n_groups, -1)
        place[list(columns)] = np.arange(len(columns))
        chosen = place[images.groups] >= 0
        cell = images.units[chosen] * len(columns) + place[images.groups[chosen]]
        counts = units.counts[:, list(columns)].ravel()
        weights = 1 / counts[cell]
        _, level = np.unique(images.values[0, chosen], return_inverse=True)
        mass = np.bincount(level, weights=weights)
        places = (np.cumsum(mass) - mass / 2) / mass.sum()
        ranks = places[level]
        sums = np.bincount(cell, weights=ranks * weights, minlength=len(counts))
        total = float((mass * (places - 0.5) ** 2).sum()) / max(mass.sum() - 1, 1)
        several = counts > 1
        within = np.bincount(cell, weights=(ranks - sums[cell]) ** 2, minlength=len(counts))
        own = float((within[several] / (counts[several] - 1)).mean()) if several.any() else total
        share = min(own / total, 1.0) if total > 0 else 1.0
        present = counts > 0
        variances = total * (1 - share + share / np.maximum(counts, 1)) * present
        shape = units.counts[:, list(columns)].shape
        return cls(np.where(present, sums, np.nan).reshape(shape), variances.reshape(shape))


def _clustered(ranks: _ImageRanks, member: np.ndarray) -> GroupTest:
    """Compare the groups' mean ranks; patients are independent, their spread differs by group.

    The ANOVA-type statistic with the patients' own covariance; for two groups it is the square of
    Welch's t of the ranks. In a small group that covariance may be far too small, even 0 where
    values are tied; it is at least what one distribution of all images implies.

    Source: Datta and Satten, Rank-sum tests for clustered data, JASA 2005 (images weighted by
    patient); Brunner, Dette and Munk, Box-type approximations in nonparametric factorial designs,
    JASA 1997 (statistic and degrees of freedom).
    """
    scores = ranks.scores
    n_groups = scores.shape[1]
    name = CLUSTERED_PAIR if n_groups == 2 else CLUSTERED
    sizes = member.sum(axis=0).astype(float)
    means = np.nanmean(scores, axis=0)
    away = np.where(member, scores - means, 0.0)
    scaled = away / np.sqrt(sizes * np.maximum(sizes - 1, 1))
    covariance = scaled.T @ scaled
    own = np.diag(covariance)
    least = ranks.variances.sum(axis=0) / sizes**2
    if not least.any():
        return GroupTest(name, 0.0, 1.0)
    # the least possible variance rests on all units, the groups' own on those of the group
    freedom = np.where(own < least, max(sizes.sum() - n_groups, 1), np.maximum(sizes - 1, 1))
    larger = np.sqrt(np.divide(np.maximum(own, least), own, out=np.ones(n_groups), where=own > 0))
    covariance = covariance * np.outer(larger, larger)
    np.fill_diagonal(covariance, np.maximum(own, least))
    centred = np.eye(n_groups) - 1 / n_groups
    both = centred @ covariance
    spread = float(np.trace(both))
    statistic = float(((means - means.mean()) ** 2).sum()) / spread
    first = spread**2 / float(np.trace(both @ both))
    if (member.sum(axis=1) > 1).any():
        second = float(freedom.min())
    else:
        parts = np.diag(covariance) * (1 - 1 / n_groups)
        second = float(parts.sum() ** 2 / (parts**2 / freedom).sum())
    return GroupTest(name, statistic, float(scipy.stats.f.sf(statistic, first, second)))


def definition() -> str:
    """Return what the tests are, in words."""
    return (
        "Two-sided test of no difference between the groups over the units: Mann-Whitney U for two "
        "groups, Kruskal-Wallis for more (its p-value by permutation where nearly all values are "
        "equal). Patients with images in several groups are compared "
        "with themselves: by Wilcoxon's signed-rank test where all patients are in both groups, "
        "else by a permutation of ranks within these patients and between the others. Where "
        "patients of one group have more images than those of another, ranks of images are "
        "compared, averaged per patient (clustered rank-sum test, clustered Kruskal-Wallis)."
    )
