"""Several methods side by side, in the columns and in the order of the papers' tables.

Everything is made of what a result shows, so that what a shareable result hides stays hidden.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from nnunetv2_fair.errors import EvaluationError, shorten
from nnunetv2_fair.evaluation.estimation.gaps import fairness_gap, skewed_error_ratio
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.groups import NOT_CHOSEN, Comparison
from nnunetv2_fair.evaluation.results.tables.over_trainings import OverTrainings, caption
from nnunetv2_fair.evaluation.results.tables.per_case import AVERAGE
from nnunetv2_fair.evaluation.results.tables.text_table import TextTable

_LEVEL = 0.05
_CHALLENGE = "mama_mia"
STARS = "* p < 0.05, two-sided test of the DSC between the groups, not corrected."


@dataclass(frozen=True)
class Method:
    """One method of a table.

    Attributes:
        name: As it is printed.
        result: Its evaluation; None if there is none.
        instead: What is printed in place of numbers; empty if there is an evaluation.
    """

    name: str
    result: EvaluationResult | None
    instead: str = ""


def made_of(methods: Sequence[Method]) -> list[tuple[str, EvaluationResult]]:
    """Return the methods that have an evaluation, by the name that is printed."""
    return [(m.name, m.result) for m in methods if m.result is not None]


def groups_shown(comparison: Comparison, groups: Sequence[str]) -> list[str]:
    """Return the groups to show, the reference first.

    Args:
        comparison: Of some method.
        groups: Those asked for, the reference first; empty for all.

    Raises:
        EvaluationError: If a group does not exist.
    """
    absent = [name for name in groups if name not in comparison.groups]
    if absent:
        raise EvaluationError(
            f"'{comparison.attribute}' has no group '{absent[0]}'. Groups: "
            f"{shorten(comparison.groups, 12)}"
        )
    if groups:
        return list(groups)
    names = columns_of(comparison)
    gap = comparison.gap("fairness_gap")
    if gap is not None and len(gap.between) == 2 and gap.between[0] in names:
        names.sort(key=lambda name: name != gap.between[0])
    return names


def columns_of(comparison: Comparison) -> list[str]:
    """Return the groups of a paper's table: all, or those chosen for the comparison."""
    return [n for n in comparison.groups if comparison.left_out.get(n) != NOT_CHOSEN]


def medians_table(
    methods: Sequence[Method], attribute: str, label: str, groups: Sequence[str] = ()
) -> TextTable:
    """Return medians, quartile ranges and gaps, a column per method and group.

    Args:
        methods: Methods.
        attribute: Attribute expression.
        label: Label, region or ``average``.
        groups: Groups to show, the reference first; empty for all.

    Raises:
        EvaluationError: If a group does not exist.

    Source: Lee et al., MELBA 2025, Tables 4 to 9 and S1 to S3.
    """
    found = made_of(methods)
    unit = found[0][1].metric("hd").unit if found else "mm"
    heads = ["Median DSC", "IQR DSC", f"Median HD ({unit})", f"IQR HD ({unit})", "SER",
             "Fairness gap"]  # fmt: skip
    columns, cells = [""], []
    stars = False
    for method in methods:
        if method.result is None:
            columns.append(method.name)
            cells.append([method.instead, *[""] * (len(heads) - 1)])
            continue
        dice = method.result.comparison(attribute, "dice", label)
        distance = method.result.comparison(attribute, "hd", label)
        names = groups_shown(dice, groups)
        words = _test_words(dice, names)
        stars = stars or words == " *"
        ratio, gaps = gaps_of_medians(dice, names, shared=method.result.shareable)
        for position, name in enumerate(names):
            columns.append(f"{method.name}{words}: {name}")
            cells.append(
                [
                    *(_number(v, 3) for v in _middle(dice, name)),
                    *(_number(v, 3) for v in _middle(distance, name)),
                    "" if position else _number(ratio, 3),
                    _number(gaps.get(name, math.nan), 3),
                ]
            )
    rows = [(head, *(column[row] for column in cells)) for row, head in enumerate(heads)]
    notes = (STARS,) if stars else ()
    return TextTable("medians", f"{_of(label)} by {attribute}", tuple(columns), tuple(rows), notes)


def gaps_of_medians(
    comparison: Comparison, names: Sequence[str], *, shared: bool
) -> tuple[float, Mapping[str, float]]:
    """Return the skewed error ratio of the groups shown, and every group's gap to the first.

    Args:
        comparison: By Dice, or another metric whose errors are 1 minus its value.
        names: Groups, the reference first.
        shared: Whether the comparison is that of a shareable result: its gaps are rounded with care
            for what is claimed of them, so none is made of its rounded medians.

    Returns:
        Ratio, and gap by group; NaN where it is not known. With two groups, the one gap is that of
        the first, as the paper's cell spans both columns.
    """
    reference, *others = names
    medians = {name: comparison.groups[name].median for name in names}
    told = {g.between: g.value for g in comparison.gaps if g.name == "fairness_gap"}
    gaps = {
        name: told.get(
            (reference, name),
            math.nan if shared else fairness_gap(medians[reference], medians[name]),
        )
        for name in others
    }
    if len(others) == 1:
        gaps = {reference: gaps[others[0]]}
    if _compares(comparison, names):
        return _gap("ser")(comparison), gaps
    known = all(math.isfinite(value) for value in medians.values()) and len(names) > 1
    return (skewed_error_ratio(medians) if known and not shared else math.nan), gaps


def fairness_table(methods: Sequence[Method], attribute: str, label: str) -> TextTable:
    """Return mean Dice and the gaps between the groups' means, a row per method.

    Args:
        methods: Methods; of several trainings, mean (standard deviation) over them.
        attribute: Attribute expression.
        label: Label, region or ``average``.

    Source: Xu et al., npj Digital Medicine 2025, Tables 1 and 2.
    """
    rows: list[tuple[str, ...]] = []
    for method in methods:
        if method.result is None:
            rows.append((method.name, method.instead, "", "", ""))
            continue
        cells = [
            _mean_std(of_trainings(method.result, attribute, "dice", label, value))
            for value in (_overall_mean, _gap("delta"), _gap("std"), _gap("skew"))
        ]
        rows.append((method.name, *cells))
    results = dict(made_of(methods))
    several = any(result.trainings for result in results.values())
    return TextTable(
        "fairness",
        f"{_of(label)} by {attribute}",
        ("Model", "DSC ↑", "DSC_Δ ↓", "DSC_STD ↓", "DSC_SKEW ↓"),
        tuple(rows),
        (caption(results),) if several else (),
    )


def equity_table(methods: Sequence[Method], attribute: str, labels: Sequence[str]) -> TextTable:
    """Return equity-scaled and plain Dice and IoU, a row per label and method.

    Args:
        methods: Methods.
        attribute: Attribute expression.
        labels: Labels to show.

    Source: Li et al., MICCAI 2024, Tables 2 to 5.
    """
    found = made_of(methods)
    groups = columns_of(found[0][1].comparison(attribute, "dice", labels[0])) if found else []
    columns = (
        "", "Method", "Overall ES-Dice ↑", "Overall Dice ↑", "Overall ES-IoU ↑", "Overall IoU ↑",
        *(f"{name} Dice ↑" for name in groups), *(f"{name} IoU ↑" for name in groups),
    )  # fmt: skip
    rows = []
    for label in labels:
        for method in methods:
            if method.result is None:
                rows.append((label, method.name, method.instead, *[""] * (len(columns) - 3)))
                continue
            dice, iou = (
                method.result.comparison(attribute, metric, label) for metric in ("dice", "iou")
            )
            values = [
                _gap("es_std")(dice), dice.of_compared.mean,
                _gap("es_std")(iou), iou.of_compared.mean,
                *(dice.groups[name].mean for name in groups),
                *(iou.groups[name].mean for name in groups),
            ]  # fmt: skip
            rows.append((label, method.name, *(_number(value, 4) for value in values)))
    return TextTable(
        "equity",
        f"Segmentation performance (sensitive attribute: {attribute})",
        columns,
        tuple(rows),
        ("ES: overall / (1 + sample standard deviation of the groups' means).",),
    )


def challenge_table_of(methods: Sequence[Method]) -> TextTable:
    """Return the scores of the MAMA-MIA challenge, a row per method and way of scoring.

    Args:
        methods: Methods that were evaluated with ``--preset mama-mia``.

    Source: FairMedSeg, MAMA-MIA challenge 2025, Table 1.
    """
    wanted = ("Scoring", "DSC", "NormHD", "Performance", "Fairness", "Ranking")
    rows: list[tuple[str, ...]] = []
    notes: tuple[str, ...] = ()
    for method in methods:
        made = method.result.preset_tables if method.result is not None else ()
        table = next((t for t in made if t.name == _CHALLENGE), None)
        if table is None:
            why = method.instead or "not scored as the challenge does"
            rows.append((method.name, "", why, *[""] * (len(wanted) - 2)))
            continue
        notes = table.notes
        places = [table.columns.index(column) for column in wanted]
        rows += [(method.name, *(row[place] for place in places)) for row in table.rows]
    return TextTable(
        "challenge",
        "MAMA-MIA challenge, task 1",
        ("Method", "Scoring", "DSC", "NormHD", "Performance Score", "Fairness Score",
         "Total Score"),
        tuple(rows),
        notes,
    )  # fmt: skip


def of_trainings(
    result: EvaluationResult,
    attribute: str,
    metric: str,
    label: str,
    value: Callable[[Comparison], float],
) -> OverTrainings:
    """Return a value of each training of a method, with mean and standard deviation over them.

    Args:
        result: Of one training, or of several.
        attribute: Attribute expression.
        metric: Name of the metric.
        label: Label, region or ``average``.
        value: What is asked of a comparison.
    """
    each = result.trainings or (result,)
    return OverTrainings.of([value(t.comparison(attribute, metric, label)) for t in each])


def _mean_std(found: OverTrainings) -> str:
    spread = "" if math.isnan(found.std) else f" ({found.std:.3f})"
    return "" if math.isnan(found.mean) else f"{found.mean:.3f}{spread}"


def _overall_mean(comparison: Comparison) -> float:
    return comparison.of_compared.mean


def _gap(name: str) -> Callable[[Comparison], float]:
    def value(comparison: Comparison) -> float:
        gap = comparison.gap(name)
        return gap.value if gap is not None else math.nan

    return value


def _middle(comparison: Comparison, name: str) -> tuple[float, float]:
    group = comparison.groups[name]
    return group.median, group.iqr


def _test_words(comparison: Comparison, names: Sequence[str]) -> str:
    """Return the test as the paper writes it, if it is one of exactly the groups shown."""
    test = comparison.test
    if test is None or math.isnan(test.p_value) or not _compares(comparison, names):
        return ""
    return " *" if test.p_value < _LEVEL else f" p = {test.p_value:.2f}"


def _compares(comparison: Comparison, names: Sequence[str]) -> bool:
    """Return whether exactly these groups are compared with each other."""
    return {n for n in comparison.groups if n not in comparison.left_out} == set(names)


def _of(label: str) -> str:
    return "Average of all labels" if label == AVERAGE else label


def _number(value: float, decimals: int) -> str:
    return "" if math.isnan(value) else f"{value:.{decimals}f}"
