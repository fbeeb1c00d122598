"""The table of all cases: its frame, and the data that the page's script puts into it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.sentences import clean, shortened
from nnunetv2_fair.evaluation.results.case_picture import CasePicture
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.tables.per_case import (
    AVERAGE,
    BOTH_EMPTY,
    EMPTY_PREDICTION,
    EMPTY_REFERENCE,
    MISSING_PREDICTION,
)
from nnunetv2_fair.report.html.markup import Html, embedded_json
from nnunetv2_fair.report.html.templating import render
from nnunetv2_fair.report.html.titles import metric_heading

#: Id of the section.
ANCHOR = "all-cases"

#: Bytes that the data may take; labels, then the best cases, are left out beyond.
MOST_BYTES = 2500 * 1000

_LONGEST_NAME = 120

#: Bytes that a case takes at least: its name, and a number for its value, group and remark.
_LEAST_BYTES = 10

_REMARKS = {
    EMPTY_PREDICTION: "nothing predicted",
    EMPTY_REFERENCE: "nothing in the reference",
    BOTH_EMPTY: "nothing in either mask",
    MISSING_PREDICTION: "no prediction",
}


def case_table(result: EvaluationResult, pictures: Sequence[CasePicture]) -> Html:
    """Return the section with the table of cases; empty for a shareable result.

    Args:
        result: The evaluation.
        pictures: Cases shown on the page, which the table links to: number ``i`` has the id
            ``picture-i``.
    """
    if result.shareable or result.per_case.empty:
        return Html("")
    labels = [result.headline_label, *(la for la in result.labels if la != result.headline_label)]
    data, text = _fitting(result, labels, pictures)
    return render(
        "report/of_evaluation/templates/case_table.html",
        anchor=ANCHOR,
        data=data,
        json=text,
        has_remarks=len(data["remarks"]) > 1,
        labels=[_label_text(label) for label in data["labels"]],
        filters=_filters(result, data),
        columns=_columns(result, data),
        fewer_labels=len(data["labels"]) < len(labels),
        fewer_cases=len(data["cases"]) < result.per_case["case"].nunique(),
    )


@dataclass(frozen=True)
class CaseFilter:
    """What a link to the cases of one group needs.

    Attributes:
        anchor: Id of the section.
        attribute: Number of the attribute in the data of the table.
        group: Number of the group.
    """

    anchor: str
    attribute: int
    group: int


def case_filters(result: EvaluationResult, attribute: str) -> dict[str, CaseFilter]:
    """Return where the cases of each group are; without groups that have no case in the table."""
    if result.shareable:
        return {}
    number = result.attributes.index(attribute)
    present = set(result.per_case[attribute])
    groups = enumerate(_groups(result, attribute))
    return {name: CaseFilter(ANCHOR, number, i) for i, name in groups if name in present}


def _groups(result: EvaluationResult, attribute: str) -> list[str]:
    return list(next((c.groups for c in result.comparisons if c.attribute == attribute), {}))


def _fitting(
    result: EvaluationResult, labels: Sequence[str], pictures: Sequence[CasePicture]
) -> tuple[dict[str, Any], Html]:
    """Return as much data as fits, and its text for the page."""
    told = list(labels)
    cases = _worst_first(result)[: MOST_BYTES // _LEAST_BYTES]
    while True:
        data = _data(result, told, cases, pictures)
        text = embedded_json(data)
        size = len(text.encode("utf-8", "replace"))
        if size <= MOST_BYTES:
            return data, text
        if len(told) > 1:
            told = told[: max(1, int(len(told) * MOST_BYTES / size))]
        else:
            cases = cases[: max(1, int(len(cases) * MOST_BYTES / size * 0.98))]


def _worst_first(result: EvaluationResult) -> list[str]:
    metric = result.metrics[0]
    rows = result.per_case[result.per_case["label"] == result.headline_label]
    ordered = rows.sort_values(metric.column, ascending=metric.better == "higher", kind="stable")
    return ordered["case"].tolist()


def _data(
    result: EvaluationResult,
    labels: Sequence[str],
    cases: Sequence[str],
    pictures: Sequence[CasePicture],
) -> dict[str, Any]:
    frame = result.per_case
    by_label = {
        label: frame[frame["label"] == label].set_index("case").loc[list(cases)] for label in labels
    }
    first = by_label[labels[0]]
    patients = first["patient"].astype(str).tolist()
    same = patients == list(cases)
    remarks = {"": 0}
    flags = []
    for rows in by_label.values():
        words = [_remark(text) for text in rows["flags"]]
        flags.append([remarks.setdefault(word, len(remarks)) for word in words])
    picture_of = {picture.case: i for i, picture in reversed(list(enumerate(pictures)))}
    return {
        "labels": list(labels),
        "attributes": [
            {"name": shortened(a), "groups": [shortened(g) for g in _groups(result, a)]}
            for a in result.attributes
        ],
        "metrics": [{"better": m.better, "unit": m.unit} for m in result.metrics],
        "cases": [shortened(case, _LONGEST_NAME) for case in cases],
        "patients": None if same else [shortened(p, _LONGEST_NAME) for p in patients],
        "groups": [_codes(first[a], _groups(result, a)) for a in result.attributes],
        "values": [
            [_values(rows[metric.column], metric.unit) for metric in result.metrics]
            for rows in by_label.values()
        ],
        "flags": flags,
        "remarks": list(remarks),
        "pictures": {i: picture_of[c] for i, c in enumerate(cases) if c in picture_of},
    }


def _codes(column: "pd.Series[Any]", groups: Sequence[str]) -> list[int]:
    position = {group: index for index, group in enumerate(groups)}
    return [position.get(group, -1) for group in column.fillna("").astype(str)]


def _values(column: "pd.Series[Any]", unit: str) -> list[float | str | None]:
    """Return values with the decimals that are shown: rounding twice could show another."""
    return [
        None
        if math.isnan(value)
        else "inf"
        if math.isinf(value)
        else round(value, numbers.decimals(value, unit))
        for value in column.to_numpy(dtype=float).tolist()
    ]


def _remark(flags: str) -> str:
    found = [flag for flag in flags.split(";") if flag]
    return ", ".join(_REMARKS.get(flag, clean(flag)) for flag in found)


@dataclass(frozen=True)
class _Filter:
    """A choice of groups: (number in the data, text) of each."""

    title: str
    number: int
    options: Sequence[tuple[int, str]]


def _filters(result: EvaluationResult, data: dict[str, Any]) -> list[_Filter]:
    filters = []
    for index, attribute in enumerate(result.attributes):
        codes = data["groups"][index]
        groups = data["attributes"][index]["groups"]
        options = [(i, f"{group} ({codes.count(i):,})") for i, group in enumerate(groups)]
        if -1 in codes:
            options.append((-1, f"unknown ({codes.count(-1):,})"))
        filters.append(_Filter(attribute, index, options))
    return filters


def _label_text(label: str) -> str:
    return "mean of all labels" if label == AVERAGE else shortened(label)


@dataclass(frozen=True)
class _Column:
    """A heading: what the script sorts by, its text, and the text on hover."""

    kind: str
    number: int
    title: str
    hover: str = ""


def _columns(result: EvaluationResult, data: dict[str, Any]) -> list[_Column]:
    columns = [_Column("case", 0, "Case")]
    if data["patients"] is not None:
        columns.append(_Column("patient", 0, "Patient"))
    # a column of intersections adds nothing to those of its attributes
    columns += [
        _Column("attribute", i, shortened(a, 32))
        for i, a in enumerate(result.attributes)
        if "+" not in a or not set(a.split("+")) <= set(result.attributes)
    ]
    columns += [
        _Column("metric", i, metric_heading(metric), shortened(metric.definition, 600))
        for i, metric in enumerate(result.metrics)
    ]
    if len(data["remarks"]) > 1:
        columns.append(_Column("remarks", 0, "Remarks"))
    return columns
