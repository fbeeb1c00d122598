"""Cross-validation folds that keep patients together and groups in proportion."""

import json
from collections.abc import Collection, Sequence
from typing import TypedDict

import numpy as np

from nnunetv2_fair.errors import DemographicsError, counted, shorten
from nnunetv2_fair.subgroups.groups import Grouping
from nnunetv2_fair.subgroups.table import DemographicsTable


class _Parts(TypedDict):
    train: list[str]
    val: list[str]


class Balanced(TypedDict):
    """Why a fold lists training cases as often as it does.

    Attributes:
        of: Attribute expression of the groups that are balanced.
        by: What they are balanced by.
        cases: Training cases before, each once.
    """

    of: str
    by: str
    cases: list[str]


class Fold(_Parts, total=False):
    """One entry of nnU-Net's ``splits_final.json``, which ignores further keys.

    Attributes:
        train: Training cases, as often as they count.
        val: Validation cases.
        balanced: There if the fold was balanced: it then need not follow sampling weights.
    """

    balanced: Balanced


def make_folds(
    table: DemographicsTable, grouping: Grouping, cases: Sequence[str], n_folds: int, seed: int
) -> list[Fold]:
    """Split training cases into folds by patient, stratified by group.

    Every patient's cases are in one validation fold; the share of each group (unknown counts as
    a group here) is as equal over the folds as whole patients allow. Synthetic cases are never
    validated; they join every training part. A case is listed in a training part as often as its
    sampling weight says, because nnU-Net draws from that list: so the weights hold for every
    trainer, nnU-Net's own included. The same input and seed give the same folds.

    Args:
        table: Demographics of at least ``cases``.
        grouping: Groups to stratify by, usually the intersection of the important attributes.
        cases: Cases of ``imagesTr``.
        n_folds: Number of folds, at least 2.
        seed: Seed of the shuffle.

    Raises:
        DemographicsError: If there are fewer patients than folds, or no group has as many cases.

    Source: scikit-learn's ``StratifiedGroupKFold``.
    """
    import warnings

    from sklearn.model_selection import StratifiedGroupKFold

    patients, weights = table.patients, table.sampling_weights
    synthetic = sorted(set(cases) & table.synthetic_cases)
    real = sorted(set(cases) - set(synthetic))
    n_patients = len({patients[case] for case in real})
    if n_patients < n_folds or n_folds < 2:
        raise DemographicsError(
            f"{n_folds} folds cannot be made from {n_patients} patients with real cases: every "
            "fold needs a patient of its own and at least 2 folds are needed. Choose --folds "
            f"between 2 and {n_patients}."
        )
    strata = [grouping.group_of[case] or "" for case in real]
    largest = max(strata.count(group) for group in set(strata))
    if largest < n_folds:
        raise DemographicsError(
            f"{n_folds} folds cannot be stratified by '{grouping.expression}': its largest group "
            f"has {largest} cases, so none is in every fold. Choose fewer folds (--folds"
            f"{f' {largest}' if largest > 1 else ''}) or coarser groups (-a with fewer attributes)."
        )
    # scikit-learn's own shuffle loses the stratification in some releases (seen with 1.7). Where
    # nothing else decides, it assigns patients in the order of their codes, so random codes shuffle
    # as well; and the first folds get the remainder, so the folds are shuffled too.
    rng = np.random.default_rng(seed)
    names = sorted({patients[case] for case in real})
    codes = dict(zip(names, rng.permutation(len(names)), strict=True))
    splitter = StratifiedGroupKFold(n_splits=n_folds)
    folds: list[Fold] = []
    with warnings.catch_warnings():
        # groups with fewer members than folds are reported by `missing_groups`, in our words
        warnings.filterwarnings("ignore", message="The least populated class")
        for train, val in splitter.split(real, strata, [codes[patients[case]] for case in real]):
            drawn = [real[i] for i in train] + synthetic
            folds.append(
                {
                    "train": [case for case in drawn for _ in range(weights[case])],
                    "val": [real[i] for i in val],
                }
            )
    return [folds[i] for i in rng.permutation(n_folds)]


def folds_text(folds: Sequence[Fold]) -> str:
    """Return the content of ``splits_final.json``."""
    return json.dumps(folds, indent=1) + "\n"


def candidates(fold: Fold) -> list[str]:
    """Return the cases that a fold could train on, each once: before it was balanced, if it was."""
    return list(dict.fromkeys(fold["balanced"]["cases"] if "balanced" in fold else fold["train"]))


def without(fold: Fold, left_out: Collection[str]) -> Fold:
    """Return a fold without some cases.

    Args:
        fold: The fold.
        left_out: The cases.
    """
    kept: Fold = {
        "train": [case for case in fold["train"] if case not in left_out],
        "val": [case for case in fold["val"] if case not in left_out],
    }
    if "balanced" in fold:
        cases = [case for case in fold["balanced"]["cases"] if case not in left_out]
        kept["balanced"] = {**fold["balanced"], "cases": cases}
    return kept


def missing_groups(grouping: Grouping, folds: Sequence[Fold], cases: Sequence[str]) -> list[str]:
    """Return a sentence for every group that a fold's training or validation part lacks."""
    overall = grouping.counts(cases)
    sentences = []
    for part in ("train", "val"):
        lacking: dict[str, list[int]] = {}
        for number, fold in enumerate(folds):
            counts = grouping.counts(fold["train"] if part == "train" else fold["val"])
            for name, total in overall.items():
                if total and not counts[name]:
                    lacking.setdefault(name, []).append(number)
        words = "training" if part == "train" else "validation"
        sentences += [
            f"group '{name}' of '{grouping.expression}' ({counted(overall[name], 'case')} in "
            f"all) is absent from the {words} part of fold {shorten(numbers, 10)}"
            for name, numbers in lacking.items()
        ]
    return sentences
