"""Whose errors of downstream measures are smaller: a table per attribute, and what is claimed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.all_findings import headline
from nnunetv2_fair.evaluation.findings.downstream.amounts import error, of_label
from nnunetv2_fair.evaluation.findings.sentences import Data, Sentence, plain
from nnunetv2_fair.evaluation.findings.wording import confidence
from nnunetv2_fair.evaluation.results.comparison import ErrorComparison, ModelComparison
from nnunetv2_fair.evaluation.results.findings import Finding
from nnunetv2_fair.report.drawing.numbers_table import Cell, Numbers, interval_columns, with_ends
from nnunetv2_fair.report.html.downloads import Downloads
from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.templating import render

#: Id of the section.
ANCHOR = "downstream"

_COLUMNS = (
    "attribute", "label", "measure", "unit", "model", "group", "patients", "cases",
    "baseline_mean_absolute_error", "model_mean_absolute_error", *interval_columns("change"), "p",
    "corrected_p", "verdict", "direction", "finding",
)  # fmt: skip
#: Claims that are told at once; the others are folded.
_MOST_TOLD = 4
#: Verdict, or direction of what is shown -> class of its cell.
_KINDS = {"better": "good", "worse": "bad"}


@dataclass(frozen=True)
class _Change:
    """A model's mean error, and how it differs from the baseline's."""

    mean: str
    words: str
    kind: str
    amount: str
    p_value: str


@dataclass(frozen=True)
class _Row:
    """One measure in one group, or in all together (no name)."""

    measure: Sentence
    span: int
    group: str
    people: int
    baseline: str
    changes: Sequence[_Change]


@dataclass(frozen=True)
class _ByAttribute:
    attribute: str
    claims: Sequence[Sentence]
    table: Html


def downstream_section(result: ModelComparison, downloads: Downloads) -> Html:
    """Return the section on errors of downstream measures; empty if none are compared."""
    if not result.downstream:
        return Html("")
    level = confidence(result.settings)
    return render(
        "report/of_comparison/templates/downstream.html",
        anchor=ANCHOR,
        attributes=[_of_attribute(result, a, downloads) for a in result.attributes],
        family=max(entry.family_size for entry in result.downstream),
        chance=numbers.percent(round(1 - level, 9)),
        counted=_counted(result),
        most_told=_MOST_TOLD,
    )


def _of_attribute(result: ModelComparison, attribute: str, downloads: Downloads) -> _ByAttribute:
    entries = [entry for entry in result.downstream if entry.attribute == attribute]
    found = [
        f for f in result.findings if (f.kind, f.attribute) == ("downstream_change", attribute)
    ]
    title = plain(["Errors of downstream measures by ", Data(attribute)])
    table = render(
        "report/of_comparison/templates/errors.html",
        title=title,
        baseline=result.baseline,
        others=result.others,
        counted=_counted(result),
        level=numbers.percent(confidence(result.settings)),
        rows=[row for entry in entries for row in _rows(result, entry, found)],
    )
    return _ByAttribute(
        attribute,
        [headline(f, result.metric(f.metric)) for f in found if f.claims],
        downloads.table(
            ("downstream", "errors", "by", attribute), title, table, _numbers(entries, found)
        ),
    )


def _rows(
    result: ModelComparison, entry: ErrorComparison, findings: Sequence[Finding]
) -> Iterator[_Row]:
    unit = entry.measure.unit
    base = entry.per_model[result.baseline]
    by_case = result.settings.get("unit") == "case"
    counts = entry.group_cases if by_case else entry.group_patients
    everyone = entry.n_cases if by_case else entry.n_patients
    ours = {
        (f.model, *f.who): f
        for f in findings
        if (f.label, f.metric) == (entry.label, entry.measure.name)
    }
    name = [entry.measure.title, *of_label(entry.label)]
    for number, group in enumerate(("", *counts)):
        yield _Row(
            name,
            len(counts) + 1 if number == 0 else 0,
            group,
            counts[group] if group else everyone,
            error(base.groups[group] if group else base.overall, unit),
            [_change(ours[(model, group) if group else (model,)], unit) for model in result.others],
        )


def _change(found: Finding, unit: str) -> _Change:
    mean = error(found.values[found.model], unit)
    if found.verdict == "not_comparable":
        return _Change(mean, "not tested", "", "", "")
    size = str(found.direction)
    words = {"shown": size, "signs": f"signs of {size}"}.get(found.verdict, "not shown to change")
    kind = _KINDS[found.direction] if found.verdict == "shown" else ""
    text = error(found.value, unit, signed=True)
    if found.interval.low == found.interval.low:
        ends = (found.interval.low, found.interval.high)
        text += f" ({' to '.join(error(end, unit, signed=True) for end in ends)})"
    return _Change(mean, words, kind, text, numbers.p_value(found.corrected_p))


def _numbers(entries: Sequence[ErrorComparison], findings: Sequence[Finding]) -> Numbers:
    by_place = {(e.label, e.measure.name): e for e in entries}
    rows: list[tuple[Cell, ...]] = []
    for f in findings:
        entry = by_place[f.label, f.metric]
        group = f.who[0] if f.who else ""
        counts = (
            (entry.group_patients[group], entry.group_cases[group])
            if group
            else (entry.n_patients, entry.n_cases)
        )
        rows.append(
            (
                f.attribute, f.label, f.metric, entry.measure.unit, f.model, group or "all groups",
                *counts, f.values[f.baseline], f.values[f.model], *with_ends(f.value, f.interval),
                f.p_value, f.corrected_p, f.verdict, f.direction, f.sentence,
            )
        )  # fmt: skip
    return Numbers(_COLUMNS, tuple(rows))


def _counted(result: ModelComparison) -> str:
    return "case" if result.settings.get("unit") == "case" else "patient"
