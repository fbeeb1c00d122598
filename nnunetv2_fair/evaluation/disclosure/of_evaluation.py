"""The parts of an evaluation that may be shown to people who may not see individual patients.

A shareable result consists of what is listed here; anything else that a result holds is left out.
"""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from nnunetv2_fair.errors import EvaluationError
from nnunetv2_fair.evaluation.disclosure.findings import shareable_findings
from nnunetv2_fair.evaluation.disclosure.group_profiles import Cell
from nnunetv2_fair.evaluation.disclosure.hidden_groups import Patterns, patients_enough_to_share
from nnunetv2_fair.evaluation.disclosure.of_groups import Values, is_gone, shown_comparison
from nnunetv2_fair.evaluation.disclosure.precision import (
    FEWEST_FOR_MEDIAN,
    FEWEST_FOR_MORE,
    FEWEST_FOR_QUARTILES,
)
from nnunetv2_fair.evaluation.disclosure.redaction import (
    SETTINGS,
    SMALL,
    fewest_to_compare,
    note_on_images,
    shareable_notes,
)
from nnunetv2_fair.evaluation.disclosure.samples import samples_of
from nnunetv2_fair.evaluation.disclosure.sums import blended_cells, secret_means
from nnunetv2_fair.evaluation.disclosure.suppression import FEWEST
from nnunetv2_fair.evaluation.findings.all_findings import main_findings
from nnunetv2_fair.evaluation.findings.wording import confidence
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult, Exclusion
from nnunetv2_fair.evaluation.results.groups import CHOSEN_GROUPS, NOT_CHOSEN, Comparison
from nnunetv2_fair.evaluation.results.tables.per_case import evaluated_rows, metric_values, no_cases
from nnunetv2_fair.evaluation.results.trainings import TRAININGS, number_of_trainings, subject
from nnunetv2_fair.tables.remedy import list_of


def shareable(result: EvaluationResult) -> EvaluationResult:
    """Return the shareable part of a result: it reveals nothing about fewer than five patients.

    It has no cases, no pictures, and no names of files and folders. Of groups with fewer
    than five patients neither counts nor values remain; where they could be worked out from others
    (totals, other groups, intersections), counts and means of further groups are hidden too, while
    their medians, which do not add up, stay. Numbers of undefined and of replaced values remain
    only if there are none. All values are rounded as :mod:`.precision` says, after deciding what
    is claimed.

    Args:
        result: A result with its cases.

    Raises:
        EvaluationError: If there are fewer than five patients in all, or in a group that was
            chosen for the comparison.
    """
    if result.shareable:
        return result
    rows = evaluated_rows(result.per_case)
    headline = rows[rows["label"] == result.headline_label].reset_index(drop=True)
    n_patients = patients_enough_to_share(headline)
    patterns = Patterns(result, headline)
    attributes, chosen = result.attributes, result.settings.get(CHOSEN_GROUPS, {})
    comparisons = _comparisons(result, rows, patterns)
    _refuse_hidden_choices(comparisons, chosen)
    told = EvaluationResult(
        name=result.name,
        per_case=no_cases(result.attributes, result.metrics),
        metrics=result.metrics,
        labels=result.labels,
        attributes=result.attributes,
        comparisons=comparisons,
        exclusions=tuple(
            Exclusion(reason, (), {})
            for reason in shareable_notes((e.reason for e in result.exclusions), attributes, chosen)
        ),
        notes=(
            *shareable_notes(result.notes, attributes, chosen),
            *note_on_images(comparisons, {m.name: m.title for m in result.metrics}),
            *_notes(result, comparisons),
        ),
        definitions=dict(result.definitions),
        settings={
            **{key: result.settings[key] for key in SETTINGS if key in result.settings},
            "cases": len(headline),
            "patients": n_patients,
            **_trainings(result),
            # that they were made and are hidden
            **({"boundary_maps": True} if result.boundary_maps else {}),
            **({"downstream": True} if result.downstream else {}),
        },
        versions=dict(result.versions),
        created=result.created,
        shareable=True,
        group_parts=result.group_parts,
    )
    told = replace(told, findings=tuple(shareable_findings(result, told)))
    hidden = [a for a in attributes if not main_findings(told, a, told.headline_label)]
    return replace(told, notes=(*told.notes, *(_nothing_shown(a) for a in hidden)))


def _refuse_hidden_choices(told: Sequence[Comparison], chosen: Mapping[str, Sequence[str]]) -> None:
    """Refuse chosen groups of which nothing is shown."""
    for comparison in told:
        names = chosen.get(comparison.attribute, ())
        hidden = [name for name in names if comparison.left_out.get(name) == SMALL]
        if hidden:
            option = shlex.quote(list_of(comparison.attribute, names))
            raise EvaluationError(
                f"--groups {option}: '{hidden[0]}' has fewer than {FEWEST} patients with a value, "
                "of whom a shareable result shows nothing. Name larger groups, or leave out "
                "--shareable and --paper."
            )


def _nothing_shown(attribute: str) -> str:
    return (
        f"Nothing is shown of '{attribute}': too many of its groups have fewer than {FEWEST} "
        "patients, or counts from which those could be worked out."
    )


def _trainings(result: EvaluationResult) -> dict[str, dict[str, object]]:
    """Return of how many trainings a method's result is, without the names of their folders."""
    found = result.settings.get(TRAININGS)
    return {TRAININGS: {key: found[key] for key in ("kind", "number")}} if found else {}


def _notes(result: EvaluationResult, shown: Sequence[Comparison]) -> list[str]:
    made = [
        f"This is a shareable result: of groups with fewer than {FEWEST} patients it shows neither "
        "counts nor values, nor counts and means of some other groups from which they could be "
        f"worked out, of groups with fewer than {FEWEST_FOR_MORE} only counts and means, with "
        f"fewer than {FEWEST_FOR_MEDIAN} no medians, and with fewer than {FEWEST_FOR_QUARTILES} "
        "no quartiles. "
        "Values are rounded until they say nothing about fewer than five patients, ends of "
        "intervals outward; zeros at the end of a number do not say how exact it is. What is "
        "claimed was decided before. Another report on some of the same patients, by other groups "
        "or of nearly the same cohort, can be subtracted from this one: share only one, or check "
        "the later one with --against."
    ]
    further = (result.preset_tables, result.boundary_maps, result.downstream)
    if result.discovery is not None or any(further):
        made.append(
            "Discovered subgroups, tables in the form of papers, boundary maps and downstream "
            "measures are not shared."
        )
    if any(c.pairs for c in result.comparisons) and not any(c.pairs for c in shown):
        made.append("Tests of pairs of groups are not shared, as groups are hidden.")
    if result.failures or result.adjusted_gaps:
        made.append("Failure rates and adjusted gaps are not shared.")
    if number_of_trainings(result.settings) > 1:
        made.append(
            f"This is about {subject(result.settings)}: intervals, tests and verdicts allow for "
            "what another training would change."
        )
    return made


def _comparisons(
    result: EvaluationResult, rows: pd.DataFrame, patterns: Patterns
) -> tuple[Comparison, ...]:
    """Return what may be shown of all comparisons, in their order."""
    least = fewest_to_compare(result)
    shown: dict[int, Comparison] = {}
    for metric in result.metrics:
        for label in result.labels:
            made = {
                index: comparison
                for index, comparison in enumerate(result.comparisons)
                if (comparison.metric, comparison.label) == (metric.name, label)
            }
            values, _ = metric_values(
                rows,
                metric,
                label,
                result.labels,
                result.settings.get("empty_distance", "diagonal"),
            )
            found = _of_values(result, values, patterns, list(made.values()))
            for (index, comparison), told in zip(made.items(), found, strict=True):
                shown[index] = shown_comparison(comparison, metric, told, least)
    in_order = [shown[index] for index in sorted(shown)]
    if _tells_pairs(result.comparisons, in_order):
        return tuple(in_order)
    return tuple(replace(comparison, pairs=()) for comparison in in_order)


def _tells_pairs(made: Sequence[Comparison], told: Sequence[Comparison]) -> bool:
    """Return whether tests of pairs may be shown.

    The correction for their number tells how many groups are compared, of all attributes together.
    """
    return not any(
        is_gone(shown, name)
        for comparison, shown in zip(made, told, strict=True)
        for name in comparison.groups
        if comparison.left_out.get(name) != NOT_CHOSEN
    )


def _of_values(
    result: EvaluationResult, values: np.ndarray, patterns: Patterns, made: list[Comparison]
) -> Iterator[Values]:
    """Yield what must be hidden of the comparisons of one metric and label."""
    pattern = patterns.of(~np.isnan(values))
    by_case = result.settings.get("unit") == "case"
    samples = {
        c.attribute: samples_of(
            values, patterns.people, c.attribute, by_image=by_case or c.by_image
        )
        for c in made
    }
    people = patterns.people[~np.isnan(values)]
    secret = secret_means(people, samples, pattern)
    blended = blended_cells(people[[*result.attributes]], pattern)
    for comparison in made:
        attribute = comparison.attribute
        yield Values(
            pattern,
            patterns.counts,
            samples[attribute],
            _groups_of(secret, attribute),
            _groups_of(blended, attribute),
            1 - confidence(result.settings),
        )


def _groups_of(cells: frozenset[Cell], attribute: str) -> frozenset[str]:
    return frozenset(group for expression, group in cells if expression == attribute)
