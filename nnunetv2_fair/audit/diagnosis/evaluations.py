"""Evaluations of a model as it is and after interventions, and the scores of patients in them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from nnunetv2_fair.audit.causes.evidence import CAUSES, Cause, Evidence
from nnunetv2_fair.audit.labels.scores import Scores
from nnunetv2_fair.errors import counted
from nnunetv2_fair.evaluation.boundary_maps.map_test import FEWEST_PATIENTS
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.groups import chosen_of
from nnunetv2_fair.evaluation.results.tables.per_case import evaluated_rows
from nnunetv2_fair.evaluation.statistics.group_comparison import reference_index

#: Share of the cases that an intervention must have; the others are left out of everything.
LEAST_SHARE = 0.9


@dataclass(frozen=True)
class Evaluations:
    """All that is known of a model's scores; what was not done is None or has no entry.

    Attributes:
        model: As it is.
        balanced: Attribute -> models trained with balanced groups.
        expert: The model against expert masks.
        neutralised: The model on images without background.
        exchanged: Attribute -> the model on images with the background of another group.
        control: Attribute -> the model on images with another background of the same group.
        further: Name -> models whose gap is shown beside.
        covariates: A row per case, a column per covariate of difficulty.
    """

    model: EvaluationResult
    balanced: Mapping[str, EvaluationResult] = field(default_factory=dict)
    expert: EvaluationResult | None = None
    neutralised: EvaluationResult | None = None
    exchanged: Mapping[str, EvaluationResult] = field(default_factory=dict)
    control: Mapping[str, EvaluationResult] = field(default_factory=dict)
    further: Mapping[str, EvaluationResult] = field(default_factory=dict)
    covariates: pd.DataFrame | None = None


@dataclass(frozen=True)
class Compared:
    """Scores of the patients of two groups.

    Attributes:
        evidence: Of the interventions that have enough cases.
        scores: Kind and name of each condition -> (trainings, patients); NaN without a score.
        left_out: Cause -> why an intervention that was done is not used.
        notes: What readers must know, in sentences.
    """

    evidence: Evidence
    scores: Mapping[tuple[str, str], np.ndarray]
    left_out: Mapping[Cause, str]
    notes: tuple[str, ...]


def pairs_of(result: EvaluationResult, attribute: str) -> tuple[tuple[str, str], ...]:
    """Return the reference group with each other group that has enough patients."""
    names = tuple(result.settings["groups"][attribute])
    chosen = chosen_of(result.settings, attribute) or names
    rows = evaluated_rows(result.per_case)
    people = rows.drop_duplicates(["patient", attribute])[attribute].value_counts()
    sizes = [int(people.get(name, 0)) for name in names]
    enough = [i for i, name in enumerate(names) if name in chosen and sizes[i] >= FEWEST_PATIENTS]
    wanted = result.settings["reference_groups"].get(attribute)
    reference = reference_index(names, enough, sizes, wanted)
    if reference is None:
        return ()
    return tuple((names[reference], names[i]) for i in enough if i != reference)


def compared(
    found: Evaluations, attribute: str, between: tuple[str, str], metric: str, label: str
) -> Compared | str:
    """Return the scores of two groups as the rule needs them.

    A patient's score is the mean over images. Patients with images in both groups are left out, and
    so are cases that one of the interventions lacks, as long as they are few.

    Args:
        found: Evaluations.
        attribute: Attribute expression.
        between: (reference, other).
        metric: Name of the metric.
        label: Label.

    Returns:
        The scores, or why there are too few, in words.
    """
    base = _frame(found.model, metric, label)
    rows = evaluated_rows(found.model.per_case).drop_duplicates("case").set_index("case")
    group, patient = rows[attribute], rows["patient"]
    cases = [case for case in base.index if group[case] in between]
    notes = []
    both = {name for name, of in group[cases].groupby(patient[cases]) if of.nunique() > 1}
    if both:
        notes.append(f"{counted(len(both), 'patient')} with images in both groups: left out.")
        cases = [case for case in cases if patient[case] not in both]
    frames = {
        (kind, name): _frame(result, metric, label)
        for (kind, name), result in _conditions(found, attribute).items()
    }
    left_out: dict[Cause, str] = {}
    kept = list(cases)
    for cause, table in _complete(found, frames).items():
        inside = [case for case in kept if case in table.index]
        if len(inside) < LEAST_SHARE * len(cases):
            missing = len(cases) - sum(case in table.index for case in cases)
            left_out[cause] = (
                f"{missing} of {counted(len(cases), 'case')} have no result of this intervention, "
                f"more than {1 - LEAST_SHARE:.0%}"
            )
        else:
            kept = inside
    if len(kept) < len(cases):
        notes.append(
            f"{counted(len(cases) - len(kept), 'case')} that an intervention could not be done "
            "with: left out of everything."
        )
    names = sorted(set(patient[kept]))
    group_of = dict(zip(patient[kept], group[kept], strict=True))
    second = np.array([group_of[name] == between[1] for name in names])
    sizes = int((~second).sum()), int(second.sum())
    if min(sizes) < FEWEST_PATIENTS:
        return (
            f"{sizes[0]} and {sizes[1]} patients of {between[0]} and {between[1]} have scores; "
            f"expected {FEWEST_PATIENTS} or more of each"
        )

    def by_patient(frame: pd.DataFrame) -> np.ndarray:
        known = frame.reindex([case for case in kept if case in frame.index])
        return known.groupby(patient[known.index]).mean().reindex(names).to_numpy(dtype=float).T

    scores = {key: by_patient(frame) for key, frame in frames.items()}
    covariates = None
    if found.covariates is not None and "difficulty" not in left_out:
        covariates = by_patient(found.covariates).T
    one = {kind: values for (kind, _), values in scores.items() if kind != "further"}
    evidence = Evidence(
        by_patient(base),
        second,
        one.get("balanced") if "representation" not in left_out else None,
        covariates,
        one.get("expert"),
        one.get("neutralised") if "shortcut" not in left_out else None,
        one.get("control"),
        found.model.metric(metric).better,
    )
    return Compared(evidence, {("model", ""): evidence.scores, **scores}, left_out, tuple(notes))


def _conditions(found: Evaluations, attribute: str) -> dict[tuple[str, str], EvaluationResult]:
    """Return the evaluations besides that of the model as it is."""
    one = {
        "balanced": found.balanced.get(attribute),
        "expert": found.expert,
        "neutralised": found.neutralised,
        "exchanged": found.exchanged.get(attribute),
        "control": found.control.get(attribute),
    }
    made = {(kind, ""): result for kind, result in one.items() if result is not None}
    return {**made, **{("further", name): result for name, result in found.further.items()}}


def _complete(
    found: Evaluations, frames: Mapping[tuple[str, str], pd.DataFrame]
) -> dict[Cause, pd.DataFrame]:
    """Return what must know a case for it to be used, by cause; some expert masks suffice."""
    made: dict[Cause, pd.DataFrame] = {}
    tables = {
        "representation": frames.get(("balanced", "")),
        "difficulty": found.covariates,
        "shortcut": frames.get(("neutralised", "")),
    }
    for cause in CAUSES:
        table = tables.get(cause)
        if table is not None:
            made[cause] = table[np.isfinite(table.to_numpy(dtype=float)).all(axis=1)]
    return made


def _frame(result: EvaluationResult, metric: str, label: str) -> pd.DataFrame:
    """Return a row per case with a score, a column per training."""
    trainings: Sequence[EvaluationResult] = result.trainings or (result,)
    policy = result.settings.get("empty_distance", "diagonal")
    scores = Scores("", tuple(one.per_case for one in trainings), result.labels, policy)
    return scores.values(result.metric(metric), label)
