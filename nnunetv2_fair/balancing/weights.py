"""Sampling weights of all cases of a dataset, and what they change, as a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from nnunetv2_fair.balancing.strata import Strata
from nnunetv2_fair.errors import ConversionError, counted, shorten_lines
from nnunetv2_fair.sampling.strata import (
    StrataWeights,
    balancing_choice,
    balancing_weights,
    counts_of,
    effective_size,
    imbalance,
)
from nnunetv2_fair.subgroups.groups import Grouping
from nnunetv2_fair.subgroups.splits import Fold

How = Literal["weights", "subsample"]


@dataclass(frozen=True)
class BalanceRow:
    """One group in one stratum; shares are those of the group's cases, 0 to 1.

    Attributes:
        stratum: Its name.
        group: Its name.
        cases: Training cases.
        before: Share before.
        after: Share after weighting.
        weight: Mean weight of a case, relative to one that counts once.
    """

    stratum: str
    group: str
    cases: int
    before: float
    after: float
    weight: float


@dataclass(frozen=True)
class Balanced:
    """Weights, and what they change.

    Attributes:
        weights: Of every case of the dataset, test cases too: whole numbers.
        unit: Weight of a case that counts once.
        rows: By stratum and group.
        effective: How many equally weighted cases each group's training cases amount to.
        imbalance: Largest distance between two groups' distributions over strata, before and after.
        alone: Strata that some group has no case in: name, and cases of each group.
        unknown: Training cases of no group, which count once.
    """

    weights: Mapping[str, int]
    unit: int
    rows: tuple[BalanceRow, ...]
    effective: Mapping[str, float]
    imbalance: tuple[float, float]
    alone: Mapping[str, Mapping[str, int]]
    unknown: int


def balance(
    strata: Strata,
    grouping: Grouping,
    others: Sequence[str],
    how: How,
    alone: Literal["error", "keep", "drop"],
    seed: int,
) -> Balanced:
    """Return weights with which groups have equal distributions over strata.

    Args:
        strata: Of all training cases.
        grouping: The groups.
        others: Test cases.
        how: Weight all cases, or choose some.
        alone: What to do with cases of strata that some group has no case in.
        seed: Of what is left to chance.

    Raises:
        ConversionError: If there are fewer than two groups, or strata that a group has no case in
            (``alone`` is ``error``), or no stratum that all groups share.
    """
    cases = list(strata.index)
    present = [name for name, members in grouping.members(cases).items() if members]
    if len(present) < 2:
        raise ConversionError(
            f"'{grouping.expression}' has {counted(len(present), 'group')} among the training "
            "cases; balancing needs two."
        )
    group = np.array([_index(grouping.group_of[case], present) for case in cases])
    stratum = np.array([strata.index[case] for case in cases])
    counts = counts_of(group, stratum)
    lonely = {
        name: {g: int(n) for g, n in zip(present, counts[:, s], strict=True)}
        for s, name in enumerate(strata.names)
        if not counts[:, s].all() and counts[:, s].any()
    }
    if (lonely and alone == "error") or not counts.all(axis=0).any():
        raise ConversionError(_refusal(strata, lonely))
    make = balancing_weights if how == "weights" else balancing_choice
    made = make(group, stratum, "drop" if alone == "drop" else "keep", np.random.default_rng(seed))
    after = counts_of(group, stratum, made.weights)
    weights = dict(zip(cases, made.weights.tolist(), strict=True))
    return Balanced(
        {**weights, **dict.fromkeys(others, 1)},
        made.unit,
        tuple(_rows(strata, present, counts, after, made)),
        {name: effective_size(made.weights[group == g]) for g, name in enumerate(present)},
        (imbalance(counts), imbalance(after)),
        lonely,
        int((group < 0).sum()),
    )


def fold_imbalance(folds: Sequence[Fold], strata: Strata, grouping: Grouping) -> list[float]:
    """Return how far groups' distributions are apart in the training part of every fold.

    Args:
        folds: Folds that list training cases by their weights.
        strata: Of all training cases.
        grouping: The groups.
    """
    found = []
    for fold in folds:
        group = np.array([grouping.index_of(case) for case in fold["train"]])
        stratum = np.array([strata.index[case] for case in fold["train"]])
        found.append(imbalance(counts_of(group, stratum)))
    return found


def _index(name: str | None, present: Sequence[str]) -> int:
    return -1 if name is None else present.index(name)


def _rows(
    strata: Strata,
    present: Sequence[str],
    counts: np.ndarray,
    after: np.ndarray,
    made: StrataWeights,
) -> list[BalanceRow]:
    totals, new_totals = counts.sum(axis=1), np.maximum(after.sum(axis=1), 1)
    return [
        BalanceRow(
            name,
            group,
            int(counts[g, s]),
            float(counts[g, s] / totals[g]),
            float(after[g, s] / new_totals[g]),
            float(after[g, s] / counts[g, s] / made.unit) if counts[g, s] else float("nan"),
        )
        for s, name in enumerate(strata.names)
        for g, group in enumerate(present)
    ]


def _refusal(strata: Strata, lonely: Mapping[str, Mapping[str, int]]) -> str:
    lines = [
        f"{name}: {', '.join(f'{group} {n}' for group, n in groups.items())}"
        for name, groups in lonely.items()
    ]
    if len(lonely) == len(strata.names):
        return (
            f"No stratum of {strata.by} has a training case of every group, so that nobody can be "
            f"compared with anybody:\n{shorten_lines(lines)}\nChoose fewer strata (--strata), or "
            "another --by."
        )
    return (
        f"{counted(len(lonely), 'stratum', 'strata')} of {strata.by} "
        f"{'lacks' if len(lonely) == 1 else 'lack'} a group, and cannot be balanced:\n"
        f"{shorten_lines(lines)}\nChoose fewer strata (--strata), leave these cases as they are "
        "(--alone keep), or do not train on them (--alone drop)."
    )
