"""Whether a measure is wrong by other amounts for one group than for another.

A difference is ``shown`` if the permutation test of the Jensen-Shannon divergence of a group from
the reference group rejects after Holm's correction over all measures, labels and pairs of groups of
the attribute. It says that the absolute errors are distributed differently; mean errors are told
beside it.
"""

import dataclasses
import math
from collections.abc import Iterator

from nnunetv2_fair.evaluation.findings.downstream.amounts import amount, error, of_label
from nnunetv2_fair.evaluation.findings.sentences import Data, Sentence, listed
from nnunetv2_fair.evaluation.findings.wording import confidence, test_words, with_sentence
from nnunetv2_fair.evaluation.results.downstream.comparison import DownstreamComparison
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.findings import Finding
from nnunetv2_fair.evaluation.results.values import MetricInfo

#: What the findings of this kind compare.
ABSOLUTE_ERROR = "absolute_error"

_TEST = "permutation test"
_FEW = "fewer than two groups are large enough"


def downstream_errors(result: EvaluationResult) -> Iterator[Finding]:
    """Yield what the errors of every measure show."""
    level = confidence(result.settings)
    for compared in result.downstream:
        found = _finding(compared, level)
        yield with_sentence(found, headline(found, compared.measure))


def headline(finding: Finding, metric: MetricInfo) -> Sentence:
    """Return the claim in one sentence.

    Args:
        finding: A finding of this quantity.
        metric: The measure.
    """
    subject = [metric.title, *of_label(finding.label)]
    if finding.verdict == "not_comparable":
        return ["Errors of the ", *subject, f" cannot be compared: {finding.reason}."]
    off: list[str] = []
    for position, name in enumerate(finding.who):
        size = error(finding.values[name], metric.unit)
        lead = "it is off by " if not position else ", " if position < len(finding.who) - 1 else (
            " and "
        )  # fmt: skip
        mean = " on average" if not position else ""
        bias = error(finding.numbers[f"bias:{name}"], metric.unit, signed=True)
        off += [lead, f"{size}{mean} for ", Data(name), f" (bias {bias})"]
    first, second = (Data(name) for name in finding.between)
    between = ["between ", first, " and ", second] if len(finding.who) == 2 else [
        "between the groups of ", Data(finding.attribute)
    ]  # fmt: skip
    pair = [] if len(finding.who) == 2 else [" of ", second, " from ", first]
    evidence = [
        "; Jensen-Shannon divergence", *pair, f" {finding.value:.3f}, by chance "
        f"{finding.numbers['by_chance']:.3f}, {test_words(finding)}."
    ]  # fmt: skip
    if finding.verdict == "shown":
        return ["Errors of the ", *subject, " are distributed differently ", *between, ": ", *off,
                *evidence]  # fmt: skip
    return ["No difference in the errors of the ", *subject, " could be shown ", *between, ": ",
            *off, *evidence]  # fmt: skip


def brief(finding: Finding, metric: MetricInfo) -> Sentence:
    """Return the same in a few words, without the label."""
    if finding.verdict != "shown":
        return [f"no difference in the errors of the {metric.title} shown ({test_words(finding)})"]
    sizes = [f"{amount(finding.values[name], metric.unit)}" for name in finding.who]
    return [f"errors of the {metric.title} are distributed differently: {' and '.join(sizes)} on "
            "average for ", *listed(finding.who), f" ({test_words(finding)})"]  # fmt: skip


def _finding(compared: DownstreamComparison, level: float) -> Finding:
    """Return the finding, not yet in words, on the pair of groups that differ most clearly."""
    names = [name for name in compared.groups if name not in compared.left_out]
    # equal errors keep the dictionary's order
    worst_first = sorted(names, key=lambda name: -compared.groups[name].mean)
    tested = [d for d in compared.divergences if not math.isnan(d.p_value)]
    about = Finding(
        kind="downstream",
        verdict="not_comparable",
        attribute=compared.attribute,
        metric=compared.measure.name,
        label=compared.label,
        quantity=ABSOLUTE_ERROR,
        who=tuple(worst_first),
        values={name: compared.groups[name].mean for name in worst_first},
        confidence=level,
        n={name: compared.groups[name].n for name in worst_first},
        reason=next((d.reason for d in compared.divergences), _FEW),
    )
    if not tested:
        return about
    clearest = min(tested, key=lambda d: (d.p_value, -d.value))
    return dataclasses.replace(
        about,
        verdict="shown" if clearest.corrected_p < 1 - level else "not_shown",
        between=clearest.between,
        value=clearest.value,
        interval=clearest.interval,
        test=_TEST,
        p_value=clearest.p_value,
        corrected_p=clearest.corrected_p,
        family_size=clearest.family_size,
        numbers={
            "by_chance": clearest.by_chance,
            "corrected_divergence": clearest.corrected,
            **{f"bias:{name}": compared.groups[name].bias for name in worst_first},
        },
        reason="",
    )
