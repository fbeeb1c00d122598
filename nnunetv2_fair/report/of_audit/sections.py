"""The sections of an audit after the quality of the masks: errors, sources, rulers, models."""

from collections.abc import Iterable, Sequence

from nnunetv2_fair.audit.results.labels import AuditResult, CombinedGap, Estimate, GapChange
from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.findings.sentences import Data, plain, shortened
from nnunetv2_fair.evaluation.findings.wording import label_words
from nnunetv2_fair.report.drawing.numbers_table import Numbers
from nnunetv2_fair.report.html.downloads import Downloads
from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.row_plots import Whisker, forest_plot
from nnunetv2_fair.report.html.templating import render
from nnunetv2_fair.report.html.terms import Terms
from nnunetv2_fair.report.html.titles import metric_heading
from nnunetv2_fair.report.of_audit.shown import shown_table
from nnunetv2_fair.report.of_audit.tables import (
    Table,
    change_table,
    combined_table,
    error_table,
    scores_words,
    source_table,
    width_table,
)

#: Section of a subject of gap changes: title, text above its tables, title of the table.
_SUBJECTS = {
    "rulers": (
        "Two rulers",
        "The gap of one model, measured against automated masks and against expert masks. The "
        "difference is paired: both gaps are of the same patients.",
        "The model's gap by two rulers, patients with both masks",
    ),
    "amplification": (
        "Training on automated masks",
        "Models trained on automated masks, compared with the automated masks themselves and with "
        "models trained on expert masks; all are measured against expert masks.",
        "Gaps of models trained on automated masks",
    ),
    "ceiling": (
        "Two experts",
        "How far a second expert agrees with the first, which no automated mask can be expected to "
        "surpass.",
        "Gaps of automated masks and of a second expert",
    ),
}


def further_sections(
    result: AuditResult, terms: Terms, downloads: Downloads
) -> list[tuple[str, str, Html]]:
    """Return the sections that there are: id, title in the navigation, markup.

    Args:
        result: The audit.
        terms: Definitions to link to.
        downloads: What readers can take along.
    """
    made = [
        _section(
            "errors", "Errors of the masks",
            "Whether the automated masks are too small, too large or shifted. The outline error is "
            "the mean distance of the automated outline from the expert's, outside or inside it.",
            [], [error_table(result, [e for e in result.label_errors if e.attribute == a])
                 for a in result.attributes], downloads,
        )
    ]  # fmt: skip
    if result.source_gaps:
        tables = [
            source_table(result, gaps)
            for attribute in result.attributes
            if (gaps := [g for g in result.source_gaps if g.attribute == attribute])
        ]
        lead = (
            "The gap of the automated masks within every source. A gap is the mean of the "
            "reference group minus the mean of the other."
        )
        made.append(_section("sources", "By source", lead, [], tables, downloads))
    for subject, (title, lead, heading) in _SUBJECTS.items():
        found = [c for c in result.changes if c.subject == subject]
        if not found:
            continue
        tables = [change_table(result, found, subject, heading)]
        plots = list(_plots(result, found, subject, downloads))
        if subject == "rulers" and result.combined:
            headline = [g for g in result.combined if g.label == result.headline_label]
            tables += [combined_table(result), width_table(result, headline)]
        made.append(_section(subject, title, lead, plots, tables, downloads))
    return made


def _section(
    anchor: str,
    title: str,
    lead: str,
    plots: Sequence[Html],
    tables: Sequence[Table],
    downloads: Downloads,
) -> tuple[str, str, Html]:
    shown = [shown_table(table, downloads) for table in tables]
    markup = render(
        "report/of_audit/templates/section.html",
        anchor=anchor, title=title, lead=lead, plots=plots, tables=shown,
    )  # fmt: skip
    return anchor, title, markup


def _plots(
    result: AuditResult, found: Sequence[GapChange], subject: str, downloads: Downloads
) -> Iterable[Html]:
    """Yield a figure of the gaps of the headline label by the first metric, per attribute."""
    metric = result.metrics[0]
    for attribute in result.attributes:
        ours = [
            c for c in found
            if (c.attribute, c.metric, c.label) == (attribute, metric.name, result.headline_label)
        ]  # fmt: skip
        combined = [
            g for g in result.combined
            if subject == "rulers"
            and (g.attribute, g.metric, g.label) == (attribute, metric.name, result.headline_label)
        ]  # fmt: skip
        rows = dict(_rows(ours, combined, metric.unit))
        if not rows:
            continue
        title = f"Gap in {metric_heading(metric)}, reference minus other group"
        description = (
            f"{title}, groups of {shortened(attribute)}, "
            f"{plain(label_words(result.headline_label))}"
        )
        table = Numbers(
            ("gap", "value", "interval_low", "interval_high"),
            tuple((key, w.value, w.interval.low, w.interval.high) for key, w in rows.items()),
        )
        plot = forest_plot(list(rows.values()), title, description)
        yield downloads.figure((subject, "by", attribute), description, plot, table)


def _rows(
    changes: Sequence[GapChange], combined: Sequence[CombinedGap], unit: str
) -> Iterable[tuple[str, Whisker]]:
    for number, change in enumerate(changes):
        pairs = zip(change.scores, (change.first, change.second), strict=True)
        for name, estimate in pairs:
            yield _row(change.between, change.n, scores_words(name), estimate, unit, number)
    for number, gap in enumerate(combined):
        words = "the model against expert masks, from both rulers"
        yield _row(gap.between, gap.n_automated, words, gap.combined, unit, number)


def _row(
    between: tuple[str, str],
    n: tuple[int, int],
    words: str,
    estimate: Estimate,
    unit: str,
    colour: int,
) -> tuple[str, Whisker]:
    text = numbers.with_unit(estimate.value, unit, signed=True)
    ends = numbers.interval(estimate.interval, unit, signed=True)
    name = (Data(between[1]), " against ", Data(between[0]))
    return plain((*name, ": ", words)), Whisker(
        name,
        [words, f"{n[1]:,} and {n[0]:,} patients"],
        f"{text}\n{ends}",
        estimate.value,
        estimate.interval,
        colour=colour,
    )
