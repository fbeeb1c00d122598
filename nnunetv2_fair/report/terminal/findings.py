"""What an evaluation claims, as the command prints it."""

import textwrap

from nnunetv2_fair.evaluation.findings.all_findings import (
    brief,
    further_findings,
    headline,
    main_findings,
)
from nnunetv2_fair.evaluation.findings.sentences import plain
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult

#: Verdicts besides claims that are told of the headline label.
_TOLD = ("excluded", "unclear")

#: Columns of a line.
_WIDTH = 98


def findings_lines(result: EvaluationResult, attribute: str) -> list[str]:
    """Return the findings on one attribute and the headline label, in lines of at most 98 columns.

    Args:
        result: The evaluation.
        attribute: One of its attribute expressions.

    Returns:
        The difference of the groups by the first metric in full and by the others in brief, then
        all other findings that claim something, of any label. In a shareable result an
        attribute of which all groups are hidden has none.
    """
    label = result.headline_label
    lines: list[str] = []
    found_first = main_findings(result, attribute, label)
    if not found_first:
        return wrapped("Nothing is shown of its groups.")
    first, *others = found_first
    lines += wrapped(plain(headline(first, result.metric(first.metric))))
    for found in others:
        metric = result.metric(found.metric)
        lines += wrapped(f"{metric.title}: {plain(brief(found, metric))}.")
    for found in further_findings(result, attribute, label):
        if found.claims or found.verdict in _TOLD:
            lines += wrapped(found.sentence)
    return lines


def wrapped(sentence: str) -> list[str]:
    """Return a sentence as an item of a list, in lines of at most 98 columns."""
    return textwrap.wrap(
        sentence, _WIDTH, initial_indent="  - ", subsequent_indent="    ", break_long_words=False
    )
