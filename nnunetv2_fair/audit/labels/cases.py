"""The table of all cases of an audit, who has which masks, and what readers must know of that."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from nnunetv2_fair.audit.labels.label_errors import Errors
from nnunetv2_fair.audit.labels.mask_errors import MEASURES
from nnunetv2_fair.audit.labels.people import Groups, People
from nnunetv2_fair.audit.labels.scores import Scores
from nnunetv2_fair.audit.results.labels import SCORES, Coverage
from nnunetv2_fair.audit.statistics.contrasts import estimate_gap, units_of
from nnunetv2_fair.errors import counted
from nnunetv2_fair.evaluation.findings import numbers
from nnunetv2_fair.evaluation.measuring.plan import EvaluationPlan
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.trainings import ONE_TRAINING
from nnunetv2_fair.evaluation.run_notes import notes_on_cases

_PRIVATE = (
    "This page and the files beside it are private: they hold individual cases and counts of small "
    "groups. There is no version of an audit that may be shared."
)
_ONE_TRAINING = (
    "What is said of models holds for these trained models: another training, with another random "
    "seed or fold, would give other values. Several are audited together with --trainings."
)


def case_table(
    scores: Mapping[str, Scores],
    errors: Errors,
    people: People,
    quality: EvaluationResult,
    unit: str,
) -> pd.DataFrame:
    """Return one row per case and label: who, the errors of the automated mask, all scores.

    Scores of several trainings are their mean; what a case does not have is empty.

    Args:
        scores: Name of the kind -> scores.
        errors: Errors of the automated masks.
        people: Who is in which group.
        quality: The evaluation of the automated masks.
        unit: Unit of distances.
    """
    cases = sorted(set().union(*(one.cases for one in scores.values())))
    columns = {"volume": "volume_log_ratio", "boundary": f"boundary_error_{unit}",
               "shift": f"shift_{unit}"}  # fmt: skip
    parts = []
    for label in quality.labels:
        about: dict[str, Any] = {
            "case": cases,
            "patient": [people.patients[case] for case in cases],
            **{
                groups.attribute: [groups.group_of.get(case, "") for case in cases]
                for groups in people.attributes
            },
            "label": label,
        }
        for measure in MEASURES:
            about[columns[measure]] = [
                errors.get(case, {}).get(label, {}).get(measure, np.nan) for case in cases
            ]
        for name, one in scores.items():
            for metric in quality.metrics:
                mean = one.values(metric, label).mean(axis=1)
                about[f"{name}_{metric.column}"] = mean.reindex(cases).to_numpy()
        parts.append(pd.DataFrame(about))
    frame = pd.concat(parts, ignore_index=True).assign(flags="")
    return frame.sort_values("case", kind="stable").reset_index(drop=True)


def coverage_of(
    people: People, automated: Collection[str], scores: Mapping[str, Scores]
) -> tuple[Coverage, ...]:
    """Return how many patients of each group have which masks.

    Args:
        people: Who is in which group.
        automated: Cases with an automated mask.
        scores: Name of the kind -> scores.
    """
    none: frozenset[str] = frozenset()
    predicted = scores["model_automated"].cases if "model_automated" in scores else none
    both = scores["model_expert"].cases if "model_expert" in scores else none

    def number(groups: Groups, name: str, cases: Collection[str]) -> int:
        members = {people.patients[c] for c in cases if groups.group_of.get(c) == name}
        return len(members)

    return tuple(
        Coverage(
            groups.attribute,
            name,
            number(groups, name, automated),
            number(groups, name, scores["automated"].cases),
            number(groups, name, predicted),
            number(groups, name, both),
        )
        for groups in people.attributes
        for name in groups.names
    )


def notes_of(
    quality: EvaluationResult,
    scores: Mapping[str, Scores],
    people: People,
    plans: Mapping[str, EvaluationPlan],
) -> tuple[str, ...]:
    """Return what readers must know, in sentences.

    Args:
        quality: The evaluation of the automated masks.
        scores: Name of the kind -> scores.
        people: Who is in which group.
        plans: Name of the kind -> where its masks are.
    """
    models = [one for name, one in scores.items() if name not in ("automated", "second_expert")]
    notes = [_PRIVATE]
    if any(one.number == 1 for one in models):
        notes.append(_ONE_TRAINING)
    notes += _not_alike(quality, scores, people)
    for name, plan in plans.items():
        whose, ruler = SCORES[name]
        for number, has, lacks in (
            (len(plan.missing), ruler, whose),
            (len(plan.unused_predictions), whose, ruler),
        ):
            # that experts drew masks of some cases only is said once
            if number and (has == ruler or name in ("automated", "model_automated")):
                notes.append(
                    f"{counted(number, 'case')} with {has} but no {lacks}: left out of scores of "
                    f"{whose} against {ruler}."
                )
    told = set(notes_on_cases(plans["automated"]))
    # what the evaluation says of trainings is about models, and automated masks are none
    told.add(ONE_TRAINING)
    return (*notes, *(note for note in quality.notes if note not in told))


def _not_alike(
    quality: EvaluationResult, scores: Mapping[str, Scores], people: People
) -> Iterator[str]:
    """Yield groups in which those with expert masks are not like the others."""
    if "model_automated" not in scores:
        return
    metric, label = quality.metrics[0], quality.headline_label
    values = scores["model_automated"].values(metric, label).mean(axis=1)
    cases = sorted(values.index)
    both = np.array([case in scores["model_expert"].cases for case in cases])
    counted = people.counted(cases)
    settings = people.settings
    for groups in people.attributes:
        codes = groups.codes(cases)
        for index in sorted({i for pair in groups.pairs for i in pair}):
            name = groups.names[index]
            where = np.where(codes == index, both.astype(float), np.nan)
            units = units_of(values.loc[cases].to_numpy()[None, :], where, counted, (0, 1))
            if min(units.n) < settings.sizeable:
                continue
            generator = settings.generator("alike", groups.attribute, name)
            found = estimate_gap(units, settings.confidence, generator)
            if found.p_value < 1 - settings.confidence:
                size = numbers.with_unit(abs(found.value), metric.unit)
                side = "lower" if found.value > 0 else "higher"
                yield (
                    f"Patients of {name} ({groups.attribute}) with expert masks are not like the "
                    f"others: the model's {metric.title} against automated masks is {size} {side} "
                    f"({numbers.p_value(found.p_value)}, uncorrected). The estimate from both "
                    "rulers assumes that they were chosen at random within their group."
                )
