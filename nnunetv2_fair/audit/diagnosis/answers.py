"""The answer of a diagnosis: the rule, and the words."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from nnunetv2_fair.audit.causes.contrasts import Removal, gap, removals
from nnunetv2_fair.audit.causes.evidence import CAUSES, Cause, Evidence
from nnunetv2_fair.audit.causes.verdicts import diagnose
from nnunetv2_fair.audit.diagnosis.evaluations import Compared, Evaluations, compared, pairs_of
from nnunetv2_fair.audit.diagnosis.wording import CONDITIONS, answer, decides, sentence
from nnunetv2_fair.audit.results.causes import CauseFinding, CauseVerdict, GapOf, Question
from nnunetv2_fair.audit.results.labels import Estimate
from nnunetv2_fair.evaluation.boundary_maps.map_test import FEWEST_PATIENTS
from nnunetv2_fair.evaluation.results.values import MetricInfo

#: Coverage of all intervals: that with which error rates were measured.
CONFIDENCE = 0.95
NOTHING_ELSE_STAYS = (
    "nothing stays in the edited images but what is segmented, so that they show where it is, and "
    "that may help one group more; it can be named with masks of more: organ: FOLDER"
)
CONTROL_TOO = (
    "The background of another patient of the same group is not shown to leave most of the gap, "
    "either. What misleads the model may be where things lie in a background rather than whose it "
    "is, or any edit may show it where to look: look at edited images and what is predicted there."
)


def questions(
    found: Evaluations,
    attributes: Sequence[str],
    metric: MetricInfo,
    label: str,
    why_not: Mapping[tuple[str, str], str],
    withheld: str = "",
) -> tuple[tuple[Question, ...], tuple[str, ...]]:
    """Return what is said of every gap, and of which nothing can be said.

    Args:
        found: Evaluations as they are and after interventions.
        attributes: Attribute expressions.
        metric: Metric of the gaps.
        label: Label of the gaps.
        why_not: Cause and attribute (empty: all) -> why it was not examined.
        withheld: Why the background must not be named; empty if it may be.
    """
    made, unsaid = [], []
    for attribute in attributes:
        pairs = pairs_of(found.model, attribute)
        if not pairs:
            unsaid.append(
                f"{attribute}: fewer than two groups have {FEWEST_PATIENTS} patients with scores."
            )
        for between in pairs:
            scores = compared(found, attribute, between, metric.name, label)
            if isinstance(scores, str):
                unsaid.append(f"{attribute}, {between[1]} against {between[0]}: {scores}.")
                continue
            reasons = {
                cause: why_not.get((cause, attribute), why_not.get((cause, ""), ""))
                for cause in CAUSES
            }
            made.append(question(scores, attribute, between, metric, reasons, withheld))
    return tuple(made), tuple(unsaid)


def question(
    scores: Compared,
    attribute: str,
    between: tuple[str, str],
    metric: MetricInfo,
    why_not: Mapping[Cause, str],
    withheld: str = "",
) -> Question:
    """Return what is said of one gap.

    Args:
        scores: Scores of both groups.
        attribute: Attribute expression.
        between: (reference, other).
        metric: Metric of the gap.
        why_not: Cause -> why it was not examined; empty where it was.
        withheld: Why the background must not be named; empty if it may be.
    """
    evidence = scores.evidence
    given = diagnose(evidence, CONFIDENCE)
    mixed = given.mixed
    if withheld and "shortcut" in mixed:
        mixed = tuple(cause for cause in mixed if cause != "shortcut")
        mixed = mixed if len(mixed) > 1 else ()
    made = []
    for cause in CAUSES:
        one = given.causes[cause]
        verdict: CauseVerdict = "mixed" if cause in mixed else one.verdict
        reason = why_not.get(cause, "") or scores.left_out.get(cause, "") or one.contrast.reason
        reason = reason or one.withheld
        if withheld and cause == "shortcut" and cause in given.named:
            verdict, reason = "open", withheld
        finding = CauseFinding(cause, verdict, one.removed, one.contrast, one.share)
        made.append(
            dataclasses.replace(
                finding,
                sentence=sentence(finding, given.shown, reason, metric, one.part),
                decides=decides(finding, given.shown, reason, one.widest),
            )
        )
    notes = scores.notes
    if "shortcut" in given.named and not withheld and not _control_leaves(scores):
        notes = (*notes, CONTROL_TOO)
    sizes = (int((~evidence.second).sum()), int(evidence.second.sum()))
    return Question(
        attribute,
        between,
        sizes,
        len(evidence.scores),
        given.gap,
        given.shown,
        answer(made, given.gap, given.shown, between, metric),
        tuple(made),
        tuple(_gaps(scores)),
        notes,
    )


def _control_leaves(scores: Compared) -> bool:
    """Return whether the control edit is shown to leave more than half of the gap.

    Patients without a score on its images are left out; True without such images.
    """
    edited = scores.scores.get(("control", ""))
    if edited is None:
        return True
    known = np.isfinite(edited).all(axis=0)
    second = scores.evidence.second[known]
    if min(int(second.sum()), int((~second).sum())) < FEWEST_PATIENTS:
        return True
    kept = Evidence(scores.evidence.scores[:, known], second, neutral=edited[:, known])
    by_edit = removals(kept)["shortcut"]
    assert isinstance(by_edit, Removal)
    return 1 - by_edit.contrast.p_above < 1 - CONFIDENCE


def _gaps(scores: Compared) -> Iterator[GapOf]:
    """Yield the gap under every condition, of the patients that have scores under it."""
    for (kind, name), values in scores.scores.items():
        known = np.isfinite(values).all(axis=0)
        second = scores.evidence.second[known]
        n = int((~second).sum()), int(second.sum())
        words = name or CONDITIONS[kind]
        if min(n) < FEWEST_PATIENTS:
            few = Estimate(reason=f"fewer than {FEWEST_PATIENTS} patients of a group")
            yield GapOf(kind, words, few, n, len(values))
            continue
        found = gap(Evidence(values[:, known], second))
        estimate = Estimate(found.spread.value, found.interval(CONFIDENCE), found.p_value)
        yield GapOf(kind, words, estimate, n, len(values))
