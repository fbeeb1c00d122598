"""Individual cases: pictures of the worst, and what was left out."""

from collections.abc import Sequence

from nnunetv2_fair.evaluation.results.case_picture import CasePicture
from nnunetv2_fair.evaluation.results.evaluation import Exclusion
from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.templating import render
from nnunetv2_fair.report.of_evaluation.cases.drawings import figure

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
    worst: dict[str, list[Html]] = {}
    typical: list[Html] = []
    n_shown = 0
    for position, picture in enumerate(pictures):
        drawn = figure(picture, f"picture-{position}")
        budget -= len(drawn.encode("utf-8", "replace"))
        if budget < 0:
            break
        n_shown += 1
        (typical if picture.typical else worst.setdefault(picture.label, [])).append(drawn)
    return render(
        "report/of_evaluation/templates/cases.html",
        worst=worst,
        typical=typical,
        without_image=any(picture.image is None for picture in pictures),
        n_left=len(pictures) - n_shown,
    )


def excluded_section(exclusions: Sequence[Exclusion]) -> Html:
    """Return what was left out, why, and from which groups."""
    template = "report/of_evaluation/templates/excluded.html"
    return render(template, exclusions=exclusions, most_cases=_MOST_CASES)
