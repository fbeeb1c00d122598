"""Training parts of folds in which groups have equal sizes, synthetic cases included."""

from collections.abc import Collection, Sequence

from nnunetv2_fair.subgroups.splits import Fold, candidates
from nnunetv2_fair.synthesis.equal_scale.amounts import Amount


def filled_folds(
    folds: Sequence[Fold], found: Sequence[Amount], unknown: Collection[str], expression: str
) -> list[Fold]:
    """Return folds that validate the same cases, and train on groups of equal size.

    A fold holds out real cases alone, and more of large groups. All groups therefore train on as
    many cases as the group that has fewest with all of its synthetic cases. Each fold leaves out
    other synthetic cases. Real cases are all kept, so sizes differ by as much as the
    folds' own shares of the groups do.

    Args:
        folds: Of the dataset of real cases.
        found: What every group gets.
        unknown: Cases of no known group; they are listed once.
        expression: Attribute expression, to be noted in the folds.
    """
    return [_filled(fold, i, found, unknown, expression) for i, fold in enumerate(folds)]


def _filled(
    fold: Fold, number: int, found: Sequence[Amount], unknown: Collection[str], expression: str
) -> Fold:
    before = candidates(fold)
    others = [case for case in before if case in unknown]
    real = {a.group: [c for c in before for _ in range(a.real.get(c, 0))] for a in found}
    size = min(len(real[a.group]) + len(a.synthetic) for a in found)
    train, listed = list(others), list(others)
    for amount in found:
        own, made = real[amount.group], amount.synthetic
        n = min(max(size - len(own), 0), len(made))
        start = number * (len(made) - n)
        train += own + [made[(start + i) % len(made)] for i in range(n)]
        listed += [*dict.fromkeys(own), *made]
    return {
        "train": train,
        "val": list(fold["val"]),
        "balanced": {"of": expression, "by": "equal scale", "cases": listed},
    }
