"""Single cases: pictures of the worst, and what was left out."""

from collections.abc import Sequence

from nnunetv2_fair.evaluation.results.case_picture import CasePicture
from nnunetv2_fair.evaluation.results.evaluation import Exclusion
from nnunetv2_fair.report.html import numbers
from nnunetv2_fair.report.html.markup import Html, element, name, sentence, shortened
from nnunetv2_fair.report.of_evaluation.case_drawings import figure

#: Cases listed by name per reason of exclusion.
_MOST_CASES = 200


def pictures_section(pictures: Sequence[CasePicture], budget: int) -> Html:
    """Return the worst and typical cases as pictures; empty if there are none.

    Args:
        pictures: Worst first, then typical ones.
        budget: Bytes they may take; the rest is left out, and the section says so.
    """
    if not pictures:
        return Html("")
    shown: list[Html] = []
    typical: list[Html] = []
    for position, picture in enumerate(pictures):
        drawn = figure(picture, f"picture-{position}")
        budget -= len(drawn.encode("utf-8", "replace"))
        if budget < 0:
            break
        (typical if picture.typical else shown).append(drawn)
    left = len(pictures) - len(shown) - len(typical)
    without = any(picture.image is None for picture in pictures)
    legend = element(
        "p",
        element("span", element("span", class_="swatch"), "reference"),
        element("span", element("span", class_="swatch thin"), "prediction"),
        element(
            "label", element("input", type="checkbox", class_="toggle"), "hide the outlines",
            class_="toggle-label",
        ),
        class_="legend",
    )  # fmt: skip
    lead = (
        "Where the model failed most, so that people can judge why. For volumes, the slice with "
        "the largest disagreement. This section names cases."
    )
    remarks = "" if not without else "Without --images the outlines are drawn on plain grey. "
    remarks += f"{numbers.count(left, 'more picture')} left out for size." if left else ""
    return element(
        "section",
        element("h2", "Worst cases"),
        element("p", lead, class_="lead"),
        element(
            "div", legend, element("div", *shown, class_="cases"),
            element("h3", "For comparison: typical cases") if typical else "",
            element("p", "The middle case of each group, by its score.", class_="lead")
            if typical else "",
            element("div", *typical, class_="cases") if typical else "",
            element("p", remarks, class_="hint") if remarks else "",
            class_="toggle-box",
        ),
        id="cases",
    )  # fmt: skip


def excluded_section(exclusions: Sequence[Exclusion]) -> Html:
    """Return what was left out, why, and of which groups."""
    lead = "Leaving cases out can itself hide unfairness, so here is what was left out, and why."
    cards = [_exclusion(exclusion) for exclusion in exclusions]
    if not cards:
        nothing = "Nothing: every case was evaluated and is in a group of every attribute."
        cards = [element("div", element("p", nothing), class_="card")]
    return element(
        "section",
        element("h2", "What was left out"),
        element("p", lead, class_="lead"),
        *cards,
        id="excluded",
    )


def _exclusion(exclusion: Exclusion) -> Html:
    rows = []
    for attribute, counts in exclusion.by_group.items():
        counted: list[object] = []
        for position, (group, n) in enumerate((g, n) for g, n in counts.items() if n):
            counted += [", "] * bool(position) + [name(group), f" {n:,}"]
        rows.append(element("dt", name(attribute)))
        rows.append(element("dd", *(counted or ["none"])))
    cases = [name(case) for case in exclusion.cases[:_MOST_CASES]]
    listed: list[object] = []
    for position, case in enumerate(cases):
        listed += [", "] * bool(position) + [case]
    if len(exclusion.cases) > len(cases):
        listed.append(f" and {len(exclusion.cases) - len(cases):,} more")
    # a shareable result does not tell how many
    number = f"{numbers.count(len(exclusion.cases), 'case')}: " if exclusion.cases else ""
    title = sentence([number, _Long(exclusion.reason)])
    return element(
        "div",
        element("h3", title),
        element("dl", *rows, class_="briefs") if rows else "",
        element("details", element("summary", "Names of these cases"), element("p", *listed))
        if listed
        else "",
        class_="card",
    )


class _Long(str):
    """A whole sentence of the evaluation: cleaned, but not shortened like a name."""

    __slots__ = ()

    def __new__(cls, text: str) -> "_Long":
        return super().__new__(cls, shortened(text, 400))
