"""The page that compares models on the same cases: one HTML file, complete in itself."""

import math
from pathlib import Path

from nnunetv2_fair.evaluation.results.comparison import (
    Difference,
    ModelComparison,
    PairedComparison,
)
from nnunetv2_fair.evaluation.results.values import Interval
from nnunetv2_fair.files.atomic import write_text
from nnunetv2_fair.report.html import numbers
from nnunetv2_fair.report.html.document import (
    Terms,
    document,
    metric_heading,
    notes_card,
    settings_section,
)
from nnunetv2_fair.report.html.figures import Spot, Whisker, forest_plot, plane_plot
from nnunetv2_fair.report.html.markup import (
    Html,
    clean,
    element,
    join,
    name,
    sentence,
    shortened,
)
from nnunetv2_fair.report.of_comparison.findings import (
    HEADLINE_GAP,
    GapChange,
    find_change,
    headline_entry,
    other_models,
)
from nnunetv2_fair.report.of_comparison.tables import (
    differences_table,
    labels_table,
    patients,
    scores_table,
)
from nnunetv2_fair.report.of_evaluation.findings import confidence, excludes_zero, label_words

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

_CHANGE_CLASS = {
    GapChange.SMALLER: "smaller",
    GapChange.LEVELLED_DOWN: "unclear",
    GapChange.LARGER: "larger",
    GapChange.NOT_SHOWN: "none",
    GapChange.NOT_COMPARABLE: "none",
}

_NOTHING = Interval(math.nan, math.nan)


def write_comparison(result: ModelComparison, path: Path, latent: Html | None = None) -> None:
    """Write the page of a comparison.

    Args:
        result: What the comparison found.
        path: HTML file to write; its folder must exist. It appears whole or not at all.
        latent: Section on the latent space (:mod:`nnunetv2_fair.report.of_comparison.latent`).

    Raises:
        OSError: If the file cannot be written.
    """
    write_text(path, render_comparison(result, latent), errors="replace")


def render_comparison(result: ModelComparison, latent: Html | None = None) -> str:
    """Return the page as HTML (see :func:`write_comparison`)."""
    terms = Terms(result.metrics, result.definitions)
    navigation = [("summary", "Summary")]
    navigation += [(f"attribute-{i}", clean(a)) for i, a in enumerate(result.attributes)]
    navigation += [("latent", "Latent space")] if latent else []
    navigation += [("definitions", "Definitions"), ("settings", "Settings")]
    sections = [_summary(result)]
    sections += [
        _attribute(result, attribute, f"attribute-{i}", terms)
        for i, attribute in enumerate(result.attributes)
    ]
    sections += [latent] if latent else []
    sections += [
        terms.section(),
        settings_section(result.settings, result.versions, "", result.created),
    ]
    first = result.entries[0] if result.entries else None
    facts: list[object] = [numbers.count(len(result.models), "model")]
    if first is not None:
        facts += [numbers.count(first.n_cases, "case"), numbers.count(first.n_patients, "patient")]
    if result.created:
        facts.append(f"created {clean(result.created)[:10]}")
    others = other_models(result)
    title = (
        f"{', '.join(shortened(m, 40) for m in others)} against {shortened(result.baseline, 40)}"
    )
    return document(
        title,
        "Fairness comparison",
        facts,
        navigation,
        sections,
        "Made by nnunetv2_fair to help assess segmentation models. It describes the cases that "
        "were compared; it is no medical device and no proof of fairness elsewhere.",
    )


def _colour(result: ModelComparison, model: str) -> int:
    return result.models.index(model)


def _letter(result: ModelComparison, model: str) -> str:
    position = result.models.index(model)
    return _LETTERS[position] if position < len(_LETTERS) else str(position + 1)


def _summary(result: ModelComparison) -> Html:
    cards = []
    for attribute in result.attributes:
        for model in other_models(result):
            cards.append(_card(result, headline_entry(result, attribute), model))
    lead = sentence(
        [
            "All models segmented the same cases, so every change is measured within patients. ",
            "Shown here: ", *label_words(result.headline_label), ". A change counts as shown if ",
            "its interval excludes zero.",
        ]
    )  # fmt: skip
    return element(
        "section",
        element("h2", "Summary"),
        element("p", lead, class_="lead"),
        *cards,
        notes_card(result.notes),
        id="summary",
    )


def _card(result: ModelComparison, entry: PairedComparison, model: str) -> Html:
    finding = find_change(result, entry, model)
    items = [element("li", sentence(detail)) for detail in finding.details]
    return element(
        "div",
        element(
            "div",
            element("h3", name(model), " by ", name(entry.attribute)),
            element("span", finding.change.value, class_="badge"),
            class_="finding-head",
        ),
        element("p", sentence(finding.gap), class_="headline"),
        element("ul", *items, class_="notes"),
        class_=f"card finding {_CHANGE_CLASS[finding.change]}",
    )


def _attribute(result: ModelComparison, attribute: str, anchor: str, terms: Terms) -> Html:
    entry = headline_entry(result, attribute)
    return element(
        "section",
        element("h2", "Groups of ", name(attribute)),
        _planes(result, entry),
        element("div", scores_table(result, entry, terms), class_="card"),
        _changes_plot(result, entry),
        *[
            element("div", differences_table(result, attribute, model, terms), class_="card")
            for model in other_models(result)
        ],
        labels_table(result, attribute, terms),
        id=anchor,
    )


def _planes(result: ModelComparison, entry: PairedComparison) -> Html:
    metric = result.metric(entry.metric)
    heading = metric_heading(metric)
    higher = metric.better == "higher"
    gap_spots, worst_spots = [], []
    for model in result.models:
        scores = entry.per_model[model]
        x = (scores.overall_mean, scores.overall_interval)
        letter, colour = _letter(result, model), _colour(result, model)
        is_base = model == result.baseline
        gap = scores.gaps.get(HEADLINE_GAP, (math.nan, _NOTHING))
        worst = (
            scores.worst_group_mean,
            scores.group_intervals.get(scores.worst_group, _NOTHING),
        )
        gap_spots.append(Spot(letter, x, gap, is_base, colour))
        worst_spots.append(Spot(letter, x, worst, is_base, colour))
    if not any(math.isfinite(spot.y[0]) for spot in gap_spots):
        text = "Nothing to draw: fewer than two groups are large enough to be compared."
        return element("div", element("p", text), class_="card")
    keys = [
        element(
            "li",
            element(
                "span", _letter(result, model), aria_hidden="true",
                class_=f"key c{_colour(result, model) % 7}"
                + (" baseline" if model == result.baseline else ""),
            ),
            name(model),
            " (baseline)" if model == result.baseline != "baseline" else "",
        )
        for model in result.models
    ]  # fmt: skip
    level = numbers.percent(confidence(result.settings))
    drawn = []
    for title, y_title, spots, y_higher in (
        ("Utility against the gap", f"gap of group means, {heading}", gap_spots, False),
        ("Utility against the worst group", f"worst group's mean {heading}", worst_spots, higher),
    ):
        plane = plane_plot(
            spots,
            f"overall mean {heading}",
            y_title,
            f"{title}: overall mean {heading} of each model against {y_title}",
            higher_is_better=(higher, y_higher),
        )
        drawn.append(element("div", element("h3", title), plane, class_="card"))
    hint = (
        f"Right and up are better in both. Lines: {level} intervals of each model by itself; the "
        "paired intervals below are the ones to compare models by. Arrows start at the baseline."
    )
    return join(
        [
            element("ul", *keys, class_="keys legend"),
            element("div", *drawn, class_="pair"),
            element("p", hint, class_="lead"),
        ]
    )


def _changes_plot(result: ModelComparison, entry: PairedComparison) -> Html:
    metric = result.metric(entry.metric)
    level = numbers.percent(confidence(result.settings))
    rows = []
    several = len(result.models) > 2
    for group in ("", *entry.group_patients):
        for position, model in enumerate(other_models(result)):
            differences = entry.differences[model]
            found = differences.groups.get(group) if group else differences.overall
            if found is None:
                continue
            title = name(group) if group else join(["all groups"])
            size = patients(entry.group_patients.get(group) if group else entry.n_patients)
            note = shortened(model, 26) if several else size
            if several:
                title = join([title, element("small", size)])
            rows.append(
                Whisker(
                    title if not position else Html(""),
                    note,
                    _change_text(found, metric.unit),
                    found.value if math.isfinite(found.value) else math.nan,
                    found.interval,
                    filled=excludes_zero(found.interval),
                    colour=_colour(result, model),
                )
            )
    side = "Right" if metric.better == "higher" else "Left"
    heading = f"Change of the mean {metric_heading(metric)} in each group"
    hint = (
        f"Model minus baseline in the same patients, with {level} paired intervals; a full marker "
        f"where it excludes zero, a ring where it does not. {side} of zero the model is better."
    )
    return element(
        "div",
        element("h3", heading),
        forest_plot(rows, f"change in {metric_heading(metric)}", heading),
        element("p", hint, class_="hint"),
        class_="card",
    )


def _change_text(found: Difference, unit: str) -> str:
    limits = numbers.interval(found.interval, unit, signed=True)
    text = numbers.number(found.value, unit, signed=True)
    return f"{text}\n{limits}" if limits != numbers.UNDEFINED else text
