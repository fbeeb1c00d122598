"""The tables of a manuscript, with numbers as the page rounds them."""

import dataclasses
import math
from collections.abc import Sequence

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.wording import VERDICTS
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.groups import NOT_CHOSEN, Gap, GroupTest
from nnunetv2_fair.evaluation.results.tables.of_trainings import trainings_table
from nnunetv2_fair.evaluation.results.tables.per_case import AVERAGE
from nnunetv2_fair.evaluation.results.tables.text_table import TextTable
from nnunetv2_fair.evaluation.results.values import NO_INTERVAL, Interval, MetricInfo
from nnunetv2_fair.report.html.titles import MEASURES, measure_title, metric_heading
from nnunetv2_fair.report.paper.design import design_of, headline_comparison
from nnunetv2_fair.report.paper.empty_masks import empty_masks

_WHERE = ("Attribute", "Structure", "Metric")
_FAIRNESS_GAP = "fairness_gap"
_NO_GAP = Gap(_FAIRNESS_GAP, math.nan, NO_INTERVAL, ())
_EMPTY = (
    "What is hidden, or in an empty cell, is not shown to protect patients in small groups, or "
    "cannot be computed."
)


def paper_tables(result: EvaluationResult) -> tuple[TextTable, ...]:
    """Return the tables of a manuscript that have rows, in the order of their numbers."""
    made = [
        _participants(result),
        _left_out(result),
        _performance(result),
        _differences(result),
        _effects(result),
        _pair_tests(result),
        _measures(result),
        _failures(result),
        _adjusted(result),
        _margins(result),
        _subgroups(result),
    ]
    if result.trainings:
        made.append(trainings_table(result, result.labels))
    told = [table for table in made if table.rows]
    if result.shareable:
        told = [dataclasses.replace(table, notes=(*table.notes, _EMPTY)) for table in told]
    return tuple(told)


def table_numbers(tables: Sequence[TextTable]) -> dict[str, int]:
    """Return the number of every table by its name."""
    return {table.name: number for number, table in enumerate(tables, 1)}


def _participants(result: EvaluationResult) -> TextTable:
    rows = []
    for attribute in result.attributes:
        made = headline_comparison(result, attribute)
        reference = result.settings.get("reference_groups", {}).get(attribute)
        for name, group in made.groups.items():
            remark = "reference group" if name == reference else ""
            if made.left_out.get(name) == NOT_CHOSEN:
                remark = "shown, not compared"
            elif name in made.left_out:
                remark = f"not compared: {made.left_out[name]}"
            counts = numbers.whole(group.n_patients), numbers.whole(group.n_cases)
            rows.append((attribute, name, *counts, remark))
        total = made.overall
        counts = numbers.whole(total.n_patients), numbers.whole(total.n_cases)
        rows.append((attribute, "all of known group", *counts, ""))
    design = design_of(result)
    rows.append(("", "all", numbers.whole(design.patients), numbers.whole(design.images), ""))
    return TextTable(
        "participants",
        "Patients and images by group",
        ("Attribute", "Group", "Patients", "Images", "Remark"),
        tuple(rows),
    )


def _left_out(result: EvaluationResult) -> TextTable:
    rows = []
    for exclusion in result.exclusions:
        if not exclusion.cases:
            rows.append((exclusion.reason, "", "", "not shown"))
            continue
        rows.append((exclusion.reason, "", "all", numbers.whole(len(exclusion.cases))))
        rows += [
            (exclusion.reason, attribute, group, numbers.whole(count))
            for attribute, by_group in exclusion.by_group.items()
            for group, count in by_group.items()
        ]
    for empty in empty_masks(result):
        reason = f"{empty.label}: {empty.what}."
        rows.append((reason, "", "all", numbers.whole(empty.images)))
        rows += [
            (reason, attribute, group or "unknown", numbers.whole(count))
            for attribute, by_group in empty.by_group.items()
            for group, count in by_group.items()
        ]
    columns = ("Reason", "Attribute", "Group", "Images")
    title = "Images that were left out, and images with empty masks"
    return TextTable("left_out", title, columns, tuple(rows))


def _performance(result: EvaluationResult) -> TextTable:
    rows = []
    for found in result.comparisons:
        info, unit = result.metric(found.metric), result.metric(found.metric).unit
        for name, group in (*found.groups.items(), ("all of known group", found.overall)):
            if group.n_patients == 0:
                continue
            rows.append(
                (
                    *_where(result, found.attribute, found.label, info),
                    name,
                    numbers.whole(group.n_units),
                    _with_interval(group.median, group.median_interval, unit),
                    _with_interval(group.mean, group.mean_interval, unit),
                    _range(Interval(group.q1, group.q3), unit),
                    _value(group.std, unit),
                    _value(group.worst_decile, unit),
                    numbers.whole(group.n_undefined),
                    numbers.whole(group.n_replaced),
                )
            )
    level = design_of(result).confidence
    columns = (
        *_WHERE, "Group", "With a value", f"Median ({level} CI)", f"Mean ({level} CI)",
        "Quartiles", "SD", "Worst tenth begins at", "Undefined images", "Replaced distances",
    )  # fmt: skip
    return TextTable("performance", "Segmentation quality by group", columns, tuple(rows))


def _differences(result: EvaluationResult) -> TextTable:
    rows = []
    for found in result.findings:
        if found.kind != "group_difference":
            continue
        info = result.metric(found.metric)
        place = (*_where(result, found.attribute, found.label, info), found.quantity)
        verdict = VERDICTS[found.verdict]
        if found.verdict == "not_comparable":
            rows.append((*place, *[""] * 9, verdict))
            continue
        unit = info.unit
        ends = [f"{name}: {_value(found.values[name], unit)}"
                for name in (found.who[0], found.who[-1])]  # fmt: skip
        between, value, limits = found.between, found.value, found.interval
        # as the sentence has it: of two groups, from the larger value
        if len(found.who) == 2 and value < 0:
            between, value, limits = between[::-1], -value, limits.mirrored
        rows.append(
            (
                *place,
                *ends,
                f" {numbers.MINUS} ".join(between),
                _with_interval(value, limits, unit),
                *_test_cells(found.test, found.p_value, found.corrected_p, found.family_size),
                *(
                    _value(found.numbers.get(key, math.nan), unit)
                    for key in ("fitting_gap", "detectable_gap", "detectable_gap_half")
                ),
                verdict,
            )
        )
    level = design_of(result).confidence
    columns = (
        *_WHERE, "Of", "Worst group", "Best group", "Difference of", f"Difference ({level} CI)",
        "Test", "p", "p (Holm)", "Largest compatible difference", "Detectable (80%)",
        "Detectable (50%)", "Finding",
    )  # fmt: skip
    return TextTable(
        "differences",
        "Differences between groups; of more than two groups the largest, with an interval that "
        "holds for all of them (medians)",
        columns,
        tuple(rows),
    )


def _effects(result: EvaluationResult) -> TextTable:
    rows = []
    for found in result.comparisons:
        info = result.metric(found.metric)
        gaps = {g.between: g for g in found.gaps if g.name == _FAIRNESS_GAP}
        for effect in found.effects:
            gap = gaps.get(effect.between, _NO_GAP)
            limits = gap.interval if math.isnan(gap.simultaneous.low) else gap.simultaneous
            rows.append(
                (
                    *_where(result, found.attribute, found.label, info),
                    f" {numbers.MINUS} ".join(effect.between),
                    _with_interval(gap.value, limits, info.unit),
                    _with_interval(effect.cliffs_delta, effect.interval, ""),
                )
            )
    level = design_of(result).confidence
    columns = (*_WHERE, "Groups", f"Difference of medians ({level} CI)",
               f"Cliff's delta ({level} CI)")  # fmt: skip
    return TextTable("pairs", "Every group against the reference group", columns, tuple(rows))


def _pair_tests(result: EvaluationResult) -> TextTable:
    claims = {
        (f.attribute, f.metric, f.label, f.between)
        for f in result.findings
        if f.kind == "pair_difference"
    }
    rows = []
    for found in result.comparisons:
        info = result.metric(found.metric)
        for pair in found.pairs:
            test = pair.test
            claimed = (found.attribute, found.metric, found.label, pair.between) in claims
            rows.append(
                (
                    *_where(result, found.attribute, found.label, info),
                    *pair.between,
                    _value(pair.cliffs_delta, ""),
                    *_test_cells(test.name, test.p_value, test.corrected_p, test.family_size),
                    VERDICTS["shown" if claimed else "not_shown"],
                )
            )
    columns = (*_WHERE, "Group", "Other group", "Cliff's delta", "Test", "p", "p (Holm)", "Finding")
    return TextTable("pair_tests", "Every two groups", columns, tuple(rows))


def _measures(result: EvaluationResult) -> TextTable:
    rows = []
    for found in result.comparisons:
        info = result.metric(found.metric)
        for gap in found.gaps:
            if gap.name == _FAIRNESS_GAP or gap.name not in MEASURES:
                continue
            unit = numbers.measure_unit(gap.name, info)
            rows.append(
                (
                    *_where(result, found.attribute, found.label, info),
                    measure_title(gap.name),
                    _with_interval(gap.value, gap.interval, unit),
                    _value(gap.by_chance, unit),
                    _p(gap.p_value),
                    _p(gap.corrected_p),
                )
            )
    level = design_of(result).confidence
    columns = (*_WHERE, "Measure", f"Value ({level} CI)", "By chance", "p", "p (Holm)")
    used = {gap.name for c in result.comparisons for gap in c.gaps} - {_FAIRNESS_GAP}
    notes = [
        f"{measure_title(name)}: {result.definitions[name]}"
        for name in MEASURES
        if name in used and name in result.definitions
    ]
    if notes and "by_chance" in result.definitions:
        notes.append(f"By chance: {result.definitions['by_chance']}")
    return TextTable("measures", "Measures of fairness", columns, tuple(rows), tuple(notes))


def _failures(result: EvaluationResult) -> TextTable:
    rows = []
    verdicts = {
        (f.attribute, f.metric, f.label, f.numbers["threshold"]): VERDICTS[f.verdict]
        for f in result.findings
        if f.kind == "failure_rate"
    }
    for found in result.failures:
        info = result.metric(found.metric)
        worse = "less" if info.better == "higher" else "more"
        limit = f"{found.threshold:g}{' ' if info.unit else ''}{info.unit} or {worse}"
        apart = {d.between[1]: d for d in found.differences}
        test = found.test or GroupTest("", math.nan, math.nan)
        key = (found.attribute, found.metric, found.label, found.threshold)
        for name, rate in found.groups.items():
            difference = apart.get(name)
            rows.append(
                (
                    *_where(result, found.attribute, found.label, info),
                    limit,
                    name,
                    numbers.whole(rate.n_patients),
                    numbers.whole(rate.n_failed),
                    _percent(rate.rate, rate.interval),
                    "" if difference is None else difference.between[0],
                    "" if difference is None else _percent(difference.value, difference.interval),
                    *_test_cells(test.name, test.p_value, test.corrected_p, test.family_size),
                    verdicts.get(key, ""),
                )
            )
    unit, level = design_of(result).unit, design_of(result).confidence
    columns = (
        *_WHERE, "Failure at", "Group", f"{unit.capitalize()}s", "With a failure",
        f"Rate in % ({level} CI)", "Compared with", f"Difference in points ({level} CI)", "Test",
        "p", "p (Holm)", "Finding",
    )  # fmt: skip
    return TextTable("failures", "Failed segmentations by group", columns, tuple(rows))


def _adjusted(result: EvaluationResult) -> TextTable:
    rows = []
    for gap in result.adjusted_gaps:
        info = result.metric(gap.metric)
        test = gap.test or GroupTest("", math.nan, math.nan)
        rows.append(
            (
                *_where(result, gap.attribute, gap.label, info),
                f" {numbers.MINUS} ".join(gap.between),
                ", ".join(gap.confounders),
                " and ".join(f"{n:,}" for n in gap.n),
                ""
                if math.isnan(gap.medians[0])
                else " and ".join(f"{m:,.0f}" for m in gap.medians),
                _with_interval(gap.crude, gap.crude_interval, info.unit),
                gap.reason or _with_interval(gap.value, gap.interval, info.unit),
                _p(test.p_value),
                _p(test.corrected_p),
            )
        )
    level = design_of(result).confidence
    columns = (
        *_WHERE, "Difference of means", "Adjusted for", "With a value", "Median size in voxels",
        f"As found ({level} CI)", f"Adjusted ({level} CI)", "p", "p (Holm)",
    )  # fmt: skip
    return TextTable("adjusted", "Adjusted differences of means", columns, tuple(rows))


def _margins(result: EvaluationResult) -> TextTable:
    rows = []
    for found in result.findings:
        if found.kind != "equivalence":
            continue
        info = result.metric(found.metric)
        between = f" {numbers.MINUS} ".join(found.between)
        if not between:
            between = f"{found.who[0]} {numbers.MINUS} any other group"
        coverage = numbers.percent(found.numbers["coverage"])
        rows.append(
            (
                *_where(result, found.attribute, found.label, info),
                between,
                _value(found.numbers["margin"], info.unit),
                _value(found.value, info.unit),
                _range(found.interval, info.unit),
                coverage,
                {"shown": "larger than the margin", "excluded": "larger one excluded"}.get(
                    found.verdict, VERDICTS[found.verdict]
                ),
            )
        )
    columns = (*_WHERE, "Difference of means", "Margin", "Value", "CI", "Coverage", "Finding")
    return TextTable("margins", "Differences of means beyond a margin", columns, tuple(rows))


def _subgroups(result: EvaluationResult) -> TextTable:
    found = result.discovery
    if found is None:
        return TextTable("subgroups", "", (), ())
    info = result.metric(found.metric)
    held_out = bool(found.n_held_out)
    rows = []
    for group in found.subgroups:
        cells = [
            group.name,
            numbers.whole(group.n_patients),
            _value(group.mean, info.unit),
            _value(group.divergence, info.unit),
            _value(group.shrunken_divergence, info.unit),
            _p(group.p_value),
            _p(group.corrected_p),
        ]
        if held_out:
            confirmed = group.confirmation
            cells += ["", "", "", ""] if confirmed is None else [
                numbers.whole(confirmed.n_patients), _value(confirmed.mean, info.unit),
                _value(confirmed.divergence, info.unit), _p(confirmed.corrected_p),
            ]  # fmt: skip
        rows.append(tuple(cells))
    columns = (
        "Subgroup", "Patients", "Mean", "Difference from all", "After shrinkage", "p", "p (maxT)",
        *(("Patients held out", "Mean held out", "Difference held out", "p (Holm) held out")
          if held_out else ()),
    )  # fmt: skip
    tested = sum(
        g.confirmation is not None and not math.isnan(g.confirmation.z) for g in found.subgroups
    )
    overall = numbers.with_unit(found.overall, info.unit)
    note = f"Mean of all that were searched: {overall}. {found.n_tests:,} subgroups were tested."
    if held_out:
        apart = numbers.with_unit(found.held_out_overall, info.unit)
        note += f" Mean of all that were held out: {apart}. {tested} subgroups were tested there."
    structure = _structure(found.label)
    title = f"Subgroups that were searched for by {metric_heading(info)} of {structure}"
    return TextTable("subgroups", title, columns, tuple(rows), (note,))


def _where(
    result: EvaluationResult, attribute: str, label: str, info: MetricInfo
) -> tuple[str, str, str]:
    return attribute, _structure(label), metric_heading(info)


def _structure(label: str) -> str:
    return "average of all structures" if label == AVERAGE else label


def _value(value: float, unit: str) -> str:
    """Return a value without its unit, which is in the column of the metric."""
    return "" if math.isnan(value) else numbers.number(value, unit)


def _range(limits: Interval, unit: str) -> str:
    text = numbers.interval(limits, unit)
    return "" if text == numbers.UNDEFINED else text


def _with_interval(value: float, limits: Interval, unit: str) -> str:
    text, ends = _value(value, unit), _range(limits, unit)
    return f"{text} ({ends})" if text and ends else text or (f"({ends})" if ends else "")


def _percent(value: float, limits: Interval) -> str:
    if math.isnan(value):
        return ""
    text = _points(value)
    if math.isnan(limits.low):
        return text
    return f"{text} ({_points(limits.low)} to {_points(limits.high)})"


def _points(value: float) -> str:
    text = f"{abs(value) * 100:.1f}"
    return f"{numbers.MINUS}{text}" if value < 0 and float(text) else text


def _p(value: float) -> str:
    return (
        "" if math.isnan(value) else numbers.p_value(value).removeprefix("p = ").removeprefix("p ")
    )


def _test_cells(name: str, p_value: float, corrected: float, family: int) -> tuple[str, str, str]:
    return name, _p(p_value), _p(corrected) if family > 1 else ""
