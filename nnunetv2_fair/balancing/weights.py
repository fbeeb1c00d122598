"""Folds whose training parts are balanced, and what that changes, as a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from nnunetv2_fair.balancing.strata import Strata
from nnunetv2_fair.errors import ConversionError, counted, shorten, shorten_lines
from nnunetv2_fair.sampling.strata import (
    balancing_choice,
    balancing_weights,
    counts_of,
    effective_size,
    imbalance,
)
from nnunetv2_fair.subgroups.groups import Grouping
from nnunetv2_fair.subgroups.splits import Fold, candidates

How = Literal["weights", "subsample"]


@dataclass(frozen=True)
class BalanceRow:
    """One group in one stratum of one fold's training part; shares are those of the group, 0 to 1.

    Attributes:
        fold: Number of the fold.
        stratum: Its name.
        group: Its name.
        cases: Training cases.
        before: Share before.
        after: Share after weighting.
        weight: Mean weight of a case, relative to one that counts once; NaN without a case.
    """

    fold: int
    stratum: str
    group: str
    cases: int
    before: float
    after: float
    weight: float


@dataclass(frozen=True)
class BalancedFold:
    """A fold, and what balancing it has changed.

    Attributes:
        fold: As it is written.
        rows: By stratum and group.
        effective: How many equally weighted cases each group's training cases amount to.
        imbalance: Largest distance between two groups' distributions over strata, before and after.
        alone: Strata that some group has no case in: name, and cases of each group.
        unknown: Training cases of no group, which count once.
    """

    fold: Fold
    rows: tuple[BalanceRow, ...]
    effective: Mapping[str, float]
    imbalance: tuple[float, float]
    alone: Mapping[str, Mapping[str, int]]
    unknown: int


def balance(
    folds: Sequence[Fold],
    strata: Strata,
    grouping: Grouping,
    how: How,
    alone: Literal["error", "keep", "drop"],
    seed: int,
) -> list[BalancedFold]:
    """Return folds in whose training parts groups have equal distributions over strata.

    Each fold is balanced by itself: weights of all training cases together would leave a fold as
    uneven as chance has made its part of them.

    Args:
        folds: Their validation parts stay.
        strata: Of all training cases.
        grouping: The groups.
        how: List cases by weights, or choose some.
        alone: What to do with cases of strata that some group has no case in.
        seed: Of what is left to chance.

    Raises:
        ConversionError: If a training part has fewer than two groups, or strata that a group has no
            case in (``alone`` is ``error``), or no stratum that all groups share.
    """
    done, problems = [], []
    for number, fold in enumerate(folds):
        one = _One(number, fold, strata, grouping)
        problem = one.problem(alone)
        if problem:
            problems.append(problem)
        else:
            done.append(one.balanced(how, alone, seed))
    if problems:
        raise ConversionError(
            f"Groups of '{grouping.expression}' cannot be balanced by {strata.by}:\n"
            f"{shorten_lines(problems)}\nChoose fewer strata (--strata) or another --by. Where "
            "groups share other strata, leave these cases as they are (--alone keep), or do not "
            "train on them (--alone drop)."
        )
    return done


class _One:
    """A fold, its groups and strata as numbers."""

    def __init__(self, number: int, fold: Fold, strata: Strata, grouping: Grouping) -> None:
        self.number, self.fold, self.strata = number, fold, strata
        self.expression = grouping.expression
        self.cases = candidates(fold)
        self.groups = [n for n, members in grouping.members(self.cases).items() if members]
        names = [grouping.group_of[case] for case in self.cases]
        self.group = np.array([-1 if n is None else self.groups.index(n) for n in names])
        present = sorted({strata.index[case] for case in self.cases})
        self.names = [strata.names[index] for index in present]
        self.stratum = np.array([present.index(strata.index[case]) for case in self.cases])
        self.counts = counts_of(self.group, self.stratum) if self.groups else np.zeros((0, 0))
        self.alone = {
            name: {g: int(n) for g, n in zip(self.groups, self.counts[:, s], strict=True)}
            for s, name in enumerate(self.names)
            if self.counts.size and self.counts[:, s].any() and not self.counts[:, s].all()
        }

    def problem(self, alone: str) -> str | None:
        """Return why the fold cannot be balanced, in words."""
        what = f"fold {self.number}"
        if len(self.groups) < 2:
            return f"{what} has {counted(len(self.groups), 'group')} to train on, expected two"
        listed = [
            f"{name} ({', '.join(f'{group} {n}' for group, n in groups.items())})"
            for name, groups in self.alone.items()
        ]
        if not self.counts.all(axis=0).any():
            return f"{what}: in no stratum is a training case of every group"
        if self.alone and alone == "error":
            return f"{what}: a group has no training case in {shorten(listed, 6)}"
        return None

    def balanced(self, how: How, alone: str, seed: int) -> BalancedFold:
        """Return the fold, balanced."""
        make = balancing_weights if how == "weights" else balancing_choice
        rng = np.random.default_rng((seed, self.number))
        made = make(self.group, self.stratum, "drop" if alone == "drop" else "keep", rng)
        after = counts_of(self.group, self.stratum, made.weights)
        sums, new_sums = self.counts.sum(axis=1), np.maximum(after.sum(axis=1), 1)
        rows = [
            BalanceRow(
                self.number,
                name,
                group,
                int(n),
                float(n / sums[g]),
                float(after[g, s] / new_sums[g]),
                float(after[g, s] / n / made.unit) if n else float("nan"),
            )
            for s, name in enumerate(self.names)
            for g, group in enumerate(self.groups)
            for n in (self.counts[g, s],)
        ]
        pairs = zip(self.cases, made.weights.tolist(), strict=True)
        listed: Fold = {
            "train": [case for case, weight in pairs for _ in range(weight)],
            "val": list(self.fold["val"]),
            "balanced": {"of": self.expression, "by": self.strata.by, "cases": self.cases},
        }
        return BalancedFold(
            listed,
            tuple(rows),
            {n: effective_size(made.weights[self.group == g]) for g, n in enumerate(self.groups)},
            (imbalance(self.counts), imbalance(after)),
            self.alone,
            int((self.group < 0).sum()),
        )


def together(found: Sequence[BalancedFold]) -> list[BalanceRow]:
    """Return the rows of all folds as one table: means of shares and weights, all cases once.

    Args:
        found: All folds.

    Returns:
        One row per stratum and group, in the order of the first fold that has them; ``fold`` is -1
        and ``cases`` the mean number, rounded.
    """
    rows: dict[tuple[str, str], list[BalanceRow]] = {}
    for fold in found:
        for row in fold.rows:
            rows.setdefault((row.stratum, row.group), []).append(row)
    n = len(found)
    return [
        BalanceRow(
            -1,
            stratum,
            group,
            round(sum(row.cases for row in own) / n),
            sum(row.before for row in own) / n,
            sum(row.after for row in own) / n,
            float(np.nanmean([row.weight for row in own])) if any(r.cases for r in own) else
            float("nan"),
        )
        for (stratum, group), own in rows.items()
    ]  # fmt: skip
