"""What errors mean downstream: distributions of the errors of measures, and decisions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.all_findings import headline
from nnunetv2_fair.evaluation.findings.downstream.amounts import amount, error, of_label, unit_words
from nnunetv2_fair.evaluation.findings.sentences import Data, Sentence, clean, plain
from nnunetv2_fair.evaluation.results.downstream.comparison import DownstreamComparison
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.findings import Finding
from nnunetv2_fair.evaluation.results.values import Interval
from nnunetv2_fair.report.drawing.densities import Distribution, density_drawing
from nnunetv2_fair.report.drawing.svg import inline
from nnunetv2_fair.report.html.axis import axis
from nnunetv2_fair.report.html.downloads import Downloads
from nnunetv2_fair.report.html.figure import Figure
from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.templating import render
from nnunetv2_fair.report.of_evaluation.downstream.exported import error_numbers

#: Id of the section.
ANCHOR = "downstream"

#: Groups of one figure; further ones are in its table of numbers.
_MOST_GROUPS = 7
#: Every so many limits of bins are written.
_EVERY = 3


@dataclass(frozen=True)
class _Group:
    """One row of the table of a measure."""

    name: str
    people: str
    undefined: int
    reference: str
    prediction: str
    bias: str
    limits: str
    mean: str
    quartiles: str


@dataclass(frozen=True)
class _Shown:
    """One measure of one label and attribute.

    Attributes:
        attribute: Attribute expression.
        title: Name of the measure, and its label.
        plain_title: The same as plain text.
        definition: What it is.
        claims: What is said of it.
        figure: Distributions of the errors; empty if no group is compared.
        groups: Rows of its table.
        undefined: Whether cases have no value.
        unfolded: Whether it is shown at once.
    """

    attribute: str
    title: Sentence
    plain_title: str
    definition: str
    claims: Sequence[Sentence]
    figure: Html
    groups: Sequence[_Group]
    undefined: bool
    unfolded: bool


def downstream_section(result: EvaluationResult, downloads: Downloads) -> Html:
    """Return the section on downstream measures; empty if there are none."""
    if not result.downstream:
        return Html("")
    return render(
        "report/of_evaluation/templates/downstream.html",
        anchor=ANCHOR,
        counted=_counted(result),
        measures=list(_measures(result, downloads)),
    )


def _measures(result: EvaluationResult, downloads: Downloads) -> Iterator[_Shown]:
    for attribute in result.attributes:
        ours = [found for found in result.downstream if found.attribute == attribute]
        claimed = [_claims(result, found) for found in ours]
        told = any(f.verdict == "shown" for claims in claimed for f in claims)
        for number, (found, claims) in enumerate(zip(ours, claimed, strict=True)):
            title = [found.measure.title, *of_label(found.label)]
            yield _Shown(
                attribute,
                title,
                plain(title),
                found.measure.definition,
                [headline(f, found.measure) for f in claims],
                _figure(result, found, downloads),
                [_group(found, name) for name in found.groups],
                any(group.n_undefined for group in found.groups.values()),
                any(f.verdict == "shown" for f in claims) or (not told and number == 0),
            )


def _claims(result: EvaluationResult, found: DownstreamComparison) -> list[Finding]:
    about = ("downstream", found.attribute, found.label, found.measure.name)
    return [f for f in result.findings if (f.kind, f.attribute, f.label, f.metric) == about]


def _group(found: DownstreamComparison, name: str) -> _Group:
    group, unit = found.groups[name], found.measure.unit
    reason = found.left_out.get(name)
    return _Group(
        name,
        f"{group.n:,}" + (" (not compared)" if reason is not None else ""),
        group.n_undefined,
        amount(group.reference, unit),
        amount(group.prediction, unit),
        amount(group.bias, unit, signed=True),
        _ends(group.limits, unit),
        amount(group.mean, unit),
        f"{amount(group.median, unit)} [{amount(group.q1, unit)} to {amount(group.q3, unit)}]",
    )


def _ends(limits: Interval, unit: str) -> str:
    if limits.low != limits.low:
        return numbers.UNDEFINED
    return f"{amount(limits.low, unit, signed=True)} to {amount(limits.high, unit, signed=True)}"


def _figure(result: EvaluationResult, found: DownstreamComparison, downloads: Downloads) -> Html:
    names = [name for name in found.groups if name not in found.left_out][:_MOST_GROUPS]
    if not names:
        return Html("")
    counted = _counted(result)
    groups = [
        Distribution(
            f"{clean(name)}: {numbers.count(found.groups[name].n, counted)}, mean error "
            f"{error(found.groups[name].mean, found.measure.unit)}",
            found.groups[name].shares,
        )
        for name in names
    ]
    scale = axis([share for group in groups for share in group.shares], include=(0.0,))
    drawing = density_drawing(
        groups,
        _limits(found),
        [(tick, f"{tick * 100:.0f}%") for tick in scale.ticks],
        (f"absolute error{unit_words(found.measure.unit)}", f"share of {counted}s"),
    )
    title = plain(
        ["Absolute error of the ", found.measure.title, *of_label(found.label), " by ",
         Data(found.attribute)]
    )  # fmt: skip
    note = _note(found)
    markup = render(
        "report/of_evaluation/templates/densities.html",
        drawing=Html(inline(drawing, f"{title}. {'; '.join(g.name for g in groups)}. {note}")),
        note=note,
    )
    name = ("error", "of", found.measure.name, "of", found.label, "by", found.attribute)
    figure = Figure(markup, drawing)
    return downloads.figure(name, title, figure, error_numbers(found), note)


def _limits(found: DownstreamComparison) -> list[str]:
    """Return the text at the lower limit of each bin; the last bin holds all above its limit."""
    last = len(found.edges) - 1
    return [
        (f"> {_short(edge)}" if number == last else _short(edge) if number % _EVERY == 0 else "")
        for number, edge in enumerate(found.edges)
    ]


def _short(value: float) -> str:
    return f"{value:.3g}" if value == 0 or value >= 1e-9 else "0"


def _note(found: DownstreamComparison) -> str:
    """Return how to read the figure, and every divergence."""
    parts = []
    for one in found.divergences:
        pair = f"{clean(one.between[1])} from {clean(one.between[0])}"
        if one.reason:
            parts.append(f"{pair}: not compared, as {one.reason}")
            continue
        text = f"{pair}: JS {one.value:.3f}, by chance {one.by_chance:.3f}"
        if one.corrected == one.corrected:
            text += f", without the bias of small groups {one.corrected:.3f}"
        if one.interval.low == one.interval.low:
            text += f" (interval {one.interval.low:.3f} to {one.interval.high:.3f})"
        text += f", {numbers.p_value(one.p_value)}, corrected {numbers.p_value(one.corrected_p)}"
        parts.append(text)
    if found.one_each:
        parts.append(
            "patients have different numbers of images, so the distributions are those of one "
            "image of each, drawn at random"
        )
    bins = len(found.edges) - 1
    how = (
        f"The same {bins} equal bins for all groups, up to the 95th percentile of all their "
        "errors, and a last one for all above."
        if bins > 1
        else "All errors are 0."
    )
    return f"{how} {'; '.join(parts)}{'.' if parts else ''}".strip()


def _counted(result: EvaluationResult) -> str:
    return "case" if result.settings.get("unit") == "case" else "patient"
