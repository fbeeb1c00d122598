"""The table of all cases: its frame, and the data that the page's script fills it with."""

import json
import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from nnunetv2_fair.evaluation.results.case_picture import CasePicture
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.per_case import (
    AVERAGE,
    BOTH_EMPTY,
    EMPTY_PREDICTION,
    EMPTY_REFERENCE,
    MISSING_PREDICTION,
)
from nnunetv2_fair.report.html import numbers
from nnunetv2_fair.report.html.document import metric_heading
from nnunetv2_fair.report.html.markup import Html, clean, element, name, shortened

#: Id of the section.
ANCHOR = "all-cases"

#: Bytes that the data may take; labels, then the best cases, are left out beyond.
MOST_BYTES = 2500 * 1000

_LONGEST_NAME = 120

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
    told = data["labels"]
    n_cases = len(data["cases"])
    remarks = []
    if len(told) < len(labels):
        remarks.append("Not every label is listed, for size.")
    if n_cases < result.per_case["case"].nunique():
        remarks.append(f"Only the {n_cases:,} worst cases are listed, for size.")
    lead = (
        "Every case, worst first. Choose a group to find its worst cases, or a heading to sort "
        "by. This section names cases, so share the page only with people who may see them."
    )
    return element(
        "section",
        element("h2", "All cases"),
        element("p", lead, class_="lead"),
        element("noscript", element("p", "The table needs JavaScript. per_case.csv, written "
                                         "beside this page, holds the same.", class_="card")),
        element(
            "div",
            _controls(result, data, told),
            element("p", role="status", class_="hint"),
            _table(result, data),
            element(
                "p",
                element("button", type="button", class_="more"),
                " ",
                element("button", type="button", class_="all"),
                class_="buttons",
            ),
            element("p", " ".join(remarks), class_="hint") if remarks else "",
            class_="card", id="case-table", hidden=True,
        ),
        Html(f'<script type="application/json" id="case-data">{text}</script>'),
        id=ANCHOR,
    )  # fmt: skip


def cases_link(result: EvaluationResult, attribute: str, group: str) -> Html:
    """Return a link from a group to its worst cases; empty where there is no table of cases."""
    if result.shareable or not (result.per_case[attribute] == group).any():
        return Html("")
    groups = _groups(result, attribute)
    return element(
        "a", "worst cases", class_="to-cases", href=f"#{ANCHOR}", hidden=True,
        data_cases_of=result.attributes.index(attribute), data_group=groups.index(group),
        aria_label=f"Worst cases of {shortened(group)}",
    )  # fmt: skip


def _groups(result: EvaluationResult, attribute: str) -> list[str]:
    return list(next((c.groups for c in result.comparisons if c.attribute == attribute), {}))


def _fitting(
    result: EvaluationResult, labels: Sequence[str], pictures: Sequence[CasePicture]
) -> tuple[dict[str, Any], str]:
    """Return as much data as fits, and its text for the page."""
    told = list(labels)
    cases = _worst_first(result)
    while True:
        data = _data(result, told, cases, pictures)
        text = _embedded(data)
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
    """Return values with the decimals that are shown: rounding twice could show another number."""
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


def _embedded(data: dict[str, Any]) -> str:
    """Return JSON that can stand in a page: no tag can begin or end in it."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _controls(result: EvaluationResult, data: dict[str, Any], labels: Sequence[str]) -> Html:
    fields = []
    if len(labels) > 1:
        options = [element("option", _label_text(label), value=i) for i, label in enumerate(labels)]
        fields.append(_field("Label", element("select", *options, name="label")))
    for index, attribute in enumerate(result.attributes):
        codes = data["groups"][index]
        groups = data["attributes"][index]["groups"]
        options = [element("option", "all", value="")]
        options += [
            element("option", f"{group} ({codes.count(i):,})", value=i)
            for i, group in enumerate(groups)
        ]
        if -1 in codes:
            options.append(element("option", f"unknown ({codes.count(-1):,})", value=-1))
        fields.append(_field(name(attribute), element("select", *options, data_attribute=index)))
    box = element("input", type="search", autocomplete="off", spellcheck="false")
    fields.append(_field("Case" if data["patients"] is None else "Case or patient", box))
    if len(data["remarks"]) > 1:
        tick = element("input", type="checkbox", class_="toggle")
        fields.append(element("label", tick, "only with remarks", class_="tick"))
    fields.append(element("button", "Reset", type="button", class_="reset"))
    return element("div", *fields, class_="controls", role="search", aria_label="Filter the cases")


def _field(title: object, control: Html) -> Html:
    return element("label", element("span", title), control)


def _label_text(label: str) -> str:
    return "mean of all labels" if label == AVERAGE else shortened(label)


def _table(result: EvaluationResult, data: dict[str, Any]) -> Html:
    columns: list[tuple[str, int, str, str | None]] = [("case", 0, "Case", None)]
    if data["patients"] is not None:
        columns.append(("patient", 0, "Patient", None))
    # a column of intersections says nothing that those of its attributes do not
    columns += [
        ("attribute", i, shortened(a, 32), None)
        for i, a in enumerate(result.attributes)
        if "+" not in a or not set(a.split("+")) <= set(result.attributes)
    ]
    columns += [
        ("metric", i, metric_heading(metric), shortened(metric.definition, 600))
        for i, metric in enumerate(result.metrics)
    ]
    if len(data["remarks"]) > 1:
        columns.append(("remarks", 0, "Remarks", None))
    heads = [
        element(
            "th", element("button", title, type="button", title=hover),
            scope="col", aria_sort="none", data_kind=kind, data_index=index,
        )
        for kind, index, title, hover in columns
    ]  # fmt: skip
    table = element(
        "table",
        element("caption", "Cases; the headings are buttons that sort", class_="unseen"),
        element("thead", element("tr", *heads)),
        element("tbody"),
        class_="case-list",
    )
    return element(
        "div", table, class_="scroll", tabindex="0", role="region",
        aria_label=f"Table of {numbers.count(len(data['cases']), 'case')}",
    )  # fmt: skip
