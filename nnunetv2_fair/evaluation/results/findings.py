"""Findings: everything that a result claims about groups, models or subgroups, as data.

``summary.json`` and ``comparison.json`` hold them under ``findings``. Pages, the console and the
shareable version word these, and claim nothing else. Verdicts are decided from the numbers as
computed, before anything is rounded. How often each kind and verdict is wrong is measured by
``benchmarks/calibration.py`` and printed in ``docs/reference/findings.md``.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from nnunetv2_fair.evaluation.results.values import NO_INTERVAL, Interval

#: What a finding is about.
#:
#: ``group_difference``: groups differ in a metric; ``failure_rate``: one fails outright more often;
#: ``subgroup``: a combination of groups diverges from the others; ``model_change``: a model
#: differs from the baseline; ``rank``: the ranks that a model can have; ``equivalence``: whether a
#: gap beyond a margin is excluded; ``size_explains``: whether the size of the organ explains a
#: difference of overlap; ``boundary``: whether errors lie in other places along the outline;
#: ``pair_difference``: two of more than two groups differ in a metric;
#: ``downstream``: measures are wrong by other amounts, or decisions change more often;
#: ``downstream_change``: with a model, errors of measures are smaller or larger.
#:
#: Of an audit of labels: ``label_quality``: automated masks of one group are worse among comparable
#: patients; ``label_error``: they are too small, too large or shifted; ``source_gap``: sources of
#: the data differ in their gap; ``ruler``: a gap depends on whose masks it is measured against;
#: ``expert_gap``: a gap against expert masks, of which only some cases have one;
#: ``amplification``: training on automated masks changes a gap; ``ceiling``: how their gap compares
#: with that of a second expert.
Kind = Literal[
    "group_difference",
    "failure_rate",
    "subgroup",
    "model_change",
    "rank",
    "equivalence",
    "size_explains",
    "boundary",
    "pair_difference",
    "downstream",
    "downstream_change",
    "label_quality",
    "label_error",
    "source_gap",
    "ruler",
    "expert_gap",
    "amplification",
    "ceiling",
]

#: What can be said.
#:
#: ``shown``: the claim holds at the confidence of the result, corrected for multiple testing;
#: ``signs``: some evidence, not enough to claim it; ``not_shown``: no evidence, which does not
#: prove the contrary; ``excluded``: a gap beyond the margin is ruled out; ``unclear``: the data
#: neither show nor exclude it; ``not_comparable``: too few groups or values to say anything.
Verdict = Literal["shown", "signs", "not_shown", "excluded", "unclear", "not_comparable"]

#: Who is better off where a difference is ``shown`` or there are ``signs`` of one: ``worse`` and
#: ``better`` speak of :attr:`Finding.who` (its first entry), ``smaller`` and ``larger`` of a gap.
Direction = Literal["", "better", "worse", "smaller", "larger"]


@dataclass(frozen=True)
class Finding:
    """One claim, with everything that it rests on.

    In a shareable result hidden counts are None, and hidden values NaN; a finding that rests on
    hidden groups is left out.

    Attributes:
        kind: What it is about.
        verdict: What can be said.
        attribute: Attribute expression; empty if it is not about one.
        metric: Name of the metric.
        label: Label or region, or ``average``.
        quantity: What is compared, such as ``median``, ``mean``, ``failure_rate``, ``delta``,
            ``overall_mean``, ``worst_group_mean``, ``between_group_variance``.
        who: Groups (worse one first), the model, or the items of a subgroup as
            ``attribute=group``.
        values: Who -> value of the quantity.
        between: The two of whom ``value`` is the difference (first minus second); empty if it is
            about more.
        direction: Direction of the claim.
        value: The number that the claim is about, such as a gap; NaN if there is none.
        interval: Interval of ``value`` that decides, simultaneous where several are looked at.
        confidence: Coverage of the interval; 1 minus it is the level of the test.
        test: Name of the test; empty if there is none.
        p_value: Uncorrected; NaN if there is none.
        corrected_p: Corrected over the family; NaN if there is none.
        family_size: Number of tests in the family.
        n: Who -> number of units (patients by default) with a value.
        numbers: Further numbers that the sentence tells, by name.
        items: Attribute -> group of a subgroup.
        chosen: Whether the groups were chosen for the comparison, so that it is not about all.
        model: Model that a claim of a comparison is about.
        baseline: Model that it is compared with.
        reason: Why nothing can be said, or what limits the claim; empty if there is nothing to say.
        sentence: The claim in words.
    """

    kind: Kind
    verdict: Verdict
    attribute: str = ""
    metric: str = ""
    label: str = ""
    quantity: str = ""
    who: tuple[str, ...] = ()
    values: Mapping[str, float] = field(default_factory=dict)
    between: tuple[str, ...] = ()
    direction: Direction = ""
    value: float = math.nan
    interval: Interval = NO_INTERVAL
    confidence: float = 0.95
    test: str = ""
    p_value: float = math.nan
    corrected_p: float = math.nan
    family_size: int = 0
    n: Mapping[str, int | None] = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)
    items: Mapping[str, str] = field(default_factory=dict)
    chosen: bool = False
    model: str = ""
    baseline: str = ""
    reason: str = ""
    sentence: str = ""

    @property
    def claims(self) -> bool:
        """Whether a difference is shown, or there are signs of one."""
        return self.verdict in ("shown", "signs")

    @property
    def subject(self) -> tuple[str, ...]:
        """What tells one finding of a result from another."""
        return (
            self.kind,
            self.attribute,
            self.metric,
            self.label,
            self.quantity,
            self.model,
            *sorted(self.who),
        )
