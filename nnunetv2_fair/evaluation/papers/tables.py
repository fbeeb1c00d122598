"""The results of one evaluation in the columns, and in the order, of three papers' tables."""

import math
from collections.abc import Sequence
from dataclasses import replace

from nnunetv2_fair.evaluation.papers.side_by_side import (
    Method,
    columns_of,
    equity_table,
    fairness_table,
)
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.groups import Comparison
from nnunetv2_fair.evaluation.results.tables.text_table import TextTable


def lee(result: EvaluationResult) -> tuple[TextTable, ...]:
    """Return Lee et al.'s Table 4 for every attribute and label.

    One column per group, the reference group first; an asterisk marks p below 0.05.

    Source: Lee et al., MELBA 2025, Tables 4 to 9.
    """
    made = []
    unit = result.metric("hd").unit
    for attribute in result.attributes:
        for label in result.labels:
            dice = result.comparison(attribute, "dice", label)
            distance = result.comparison(attribute, "hd", label)
            names = _reference_first(dice)
            rows = [
                ("Median DSC", *(_number(dice.groups[n].median, 3) for n in names)),
                ("IQR DSC", *(_number(dice.groups[n].iqr, 3) for n in names)),
                (f"Median HD ({unit})", *(_number(distance.groups[n].median, 3) for n in names)),
                (f"IQR HD ({unit})", *(_number(distance.groups[n].iqr, 3) for n in names)),
                ("SER", _gap(dice, "ser", 3), *("" for _ in names[1:])),
                ("Fairness gap", *_fairness_gaps(dice, names)),
            ]
            made.append(
                TextTable(
                    "lee",
                    f"{result.name}{_stars(dice)}: {label} by {attribute}",
                    ("", *names),
                    tuple(rows),
                    ("* p < 0.05, two-sided test of the DSC, not corrected.",)
                    if _stars(dice)
                    else (),
                )
            )
    return tuple(made)


def apple(result: EvaluationResult) -> tuple[TextTable, ...]:
    """Return APPLE's Table 1 for every attribute and label.

    Source: Xu et al., npj Digital Medicine 2025, Tables 1 and 2.
    """
    method = [Method(result.name, result)]
    return tuple(
        replace(
            fairness_table(method, attribute, label), name="apple", title=f"{label} by {attribute}"
        )
        for attribute in result.attributes
        for label in result.labels
    )


def fairdiff(result: EvaluationResult) -> tuple[TextTable, ...]:
    """Return FairDiff's Tables 2 to 5: one table per attribute, one row per label.

    Source: Li et al., MICCAI 2024, Tables 2 to 5.
    """
    method = [Method(result.name, result)]
    return tuple(
        replace(equity_table(method, attribute, result.labels), name="fairdiff")
        for attribute in result.attributes
    )


def _reference_first(comparison: Comparison) -> list[str]:
    names = columns_of(comparison)
    gap = comparison.gap("fairness_gap")
    if gap is not None and len(gap.between) == 2 and gap.between[0] in names:
        names.sort(key=lambda name: name != gap.between[0])
    return names


def _fairness_gaps(comparison: Comparison, names: Sequence[str]) -> list[str]:
    values = {gap.between[-1]: gap.value for gap in comparison.gaps if gap.name == "fairness_gap"}
    if len(names) == 2:
        # the paper's cell spans both columns
        return [_number(next(iter(values.values()), math.nan), 3), ""]
    return [_number(values.get(name, math.nan), 3) for name in names]


def _stars(comparison: Comparison) -> str:
    return " *" if comparison.test is not None and comparison.test.p_value < 0.05 else ""


def _gap(comparison: Comparison, name: str, decimals: int) -> str:
    gap = comparison.gap(name)
    return _number(gap.value if gap is not None else math.nan, decimals)


def _number(value: float, decimals: int) -> str:
    return "" if math.isnan(value) else f"{value:.{decimals}f}"
