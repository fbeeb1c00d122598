"""Further masks of the test cases: those of an expert, and of what stays when images are edited."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from nnunetv2_fair.errors import EvaluationError, counted, shorten
from nnunetv2_fair.evaluation.masks.geometry import geometry_difference
from nnunetv2_fair.evaluation.masks.label_maps import read_geometry, read_label_map
from nnunetv2_fair.files.pool import default_processes, map_unordered
from nnunetv2_fair.study.diagnosis_asked import Impossible
from nnunetv2_fair.study.plan.check_results import Findings
from nnunetv2_fair.study.plan.datasets import TestSet
from nnunetv2_fair.study.plan.diagnosis.people import FEWEST, patients_by_group
from nnunetv2_fair.study.plan.fingerprints import listing_fingerprint
from nnunetv2_fair.study.plan.study_dataset import StudyDataset


def expert_test(
    found: Findings,
    on: StudyDataset,
    test: TestSet,
    folder: Path,
    groups: Mapping[str, Mapping[str, set[str]]],
) -> tuple[TestSet | None, list[Impossible]]:
    """Return the test set with expert masks as references, and for which groups there are too few.

    Args:
        found: Mistakes are added there: masks of other cases, on other grids, with other labels.
        on: What the model is trained on.
        test: The test set, whose references are automated masks.
        folder: The expert masks.
        groups: Attribute -> patients by group.
    """
    line = found.settings.line("diagnose", "expert")
    masks = _masks(folder, on.dataset.ending)
    references = _masks(test.labels, on.dataset.ending)
    if folder.resolve() == test.labels.resolve():
        found.add(line, f"diagnose, expert: {folder} holds the references themselves; leave it out")
        return None, []
    if not masks:
        found.add(line, f"diagnose, expert: {folder} has no mask called <case>{on.dataset.ending}")
        return None, []
    strange = sorted(set(masks) - set(references))
    if strange:
        found.add(
            line,
            f"diagnose, expert: {len(strange)} of {len(masks)} masks in {folder} are of no case of "
            f"test set '{test.name}': {shorten(strange, 3)}. Its cases are named like "
            f"{shorten(sorted(references), 2)}. Rename them, or take them out",
        )
        return None, []
    other = list(_other_grids(masks, references))
    if other:
        found.add(
            line,
            f"diagnose, expert: {len(other)} of {len(masks)} masks are on another grid than their "
            f"reference: {shorten(other, 3)}. Resample them to it",
        )
        return None, []
    for problem in _other_labels(masks, references, on):
        found.add(line, f"diagnose, expert: {problem}")
        return None, []
    why = []
    for attribute in groups:
        people = patients_by_group(found.settings.evaluation, on, test, attribute, masks)
        few = {
            name: len(people.get(name, ()))
            for name, patients in groups[attribute].items()
            if len(patients) >= FEWEST > len(people.get(name, ()))
        }
        if few:
            counts = ", ".join(f"{name} {n}" for name, n in few.items())
            why.append(
                Impossible(
                    "labels", attribute,
                    f"{FEWEST} patients of each group need an expert mask; found {counts}",
                )
            )  # fmt: skip
    expert = replace(
        test,
        name=f"{test.name}_expert",
        labels=folder,
        inputs=(test.inputs[0], listing_fingerprint(folder)),
        predicted_as=test.name,
    )
    return expert, why


def _other_labels(
    masks: Mapping[str, Path], references: Mapping[str, Path], on: StudyDataset
) -> Iterator[str]:
    """Yield what is wrong with the labels that expert masks hold, in words."""
    known = _values(on.dataset.content.get("labels", {}))
    theirs = _labels_of(masks)
    strange = {
        case: sorted(held - set(known)) for case, held in theirs.items() if held - set(known)
    }
    if strange:
        case = min(strange)
        listed = ", ".join(f"{value} {name}" for value, name in sorted(known.items()))
        yield (
            f"{len(strange)} of {len(masks)} masks hold values that are no labels of "
            f"{on.dataset.name}, such as {case}: {shorten(strange[case], 6)}. Its labels are "
            f"{listed}. Give the masks the same numbers"
        )
        return
    ours = _labels_of({case: references[case] for case in masks})
    held = set().union(*theirs.values())
    for value in sorted(set(known) - held):
        cases = sorted(case for case, values in ours.items() if value in values)
        if len(cases) >= FEWEST:
            yield (
                f"no mask holds label {value} ({known[value]}), which the references of "
                f"{len(cases)} of the same cases hold: {shorten(cases, 3)}. Give the masks the "
                "same labels"
            )
            return


def _values(labels: Mapping[str, Any]) -> dict[int, str]:
    """Return the values of the labels of ``dataset.json`` with their names; those of regions."""
    named: dict[int, str] = {}
    for name, value in labels.items():
        for one in value if isinstance(value, (list, tuple)) else [value]:
            named.setdefault(int(one), name)
    return {0: "background", **named}


def _labels_of(masks: Mapping[str, Path]) -> dict[str, frozenset[int]]:
    """Return which labels each mask holds, besides 0."""
    found = dict(map_unordered(_held, list(masks.values()), default_processes()))
    return {case: found[path] for case, path in masks.items()}


def _held(path: Path) -> frozenset[int]:
    labels = np.unique(read_label_map(path).foreground.labels)
    return frozenset(int(value) for value in labels if value)


def organ_of(found: Findings, test: TestSet, folder: Path | None) -> tuple[Path | None, str]:
    """Return the masks of what stays when backgrounds are edited, and their fingerprint.

    Args:
        found: A mistake is added there if a case has none.
        test: The test set, whose references are taken without a folder.
        folder: The masks.
    """
    if folder is None:
        return test.labels, test.inputs[1]
    ending = found.datasets[0].dataset.ending
    missing = sorted(set(_masks(test.labels, ending)) - set(_masks(folder, ending)))
    if missing:
        found.add(
            found.settings.line("diagnose", "organ"),
            f"diagnose, organ: {counted(len(missing), 'case')} of test set '{test.name}' without "
            f"mask in {folder}: {shorten(missing, 3)}. Add them, or leave organ out, which "
            "keeps the references",
        )
        return None, ""
    return folder, listing_fingerprint(folder)


def _masks(folder: Path, ending: str) -> dict[str, Path]:
    return {path.name.removesuffix(ending): path for path in folder.glob(f"*{ending}")}


def _other_grids(masks: Mapping[str, Path], references: Mapping[str, Path]) -> list[str]:
    """Return the cases whose masks do not lie where their references do, with the difference."""
    other = []
    for case, path in sorted(masks.items()):
        try:
            difference = geometry_difference(read_geometry(references[case]), read_geometry(path))
        except EvaluationError as error:
            difference = str(error).rstrip(".")
        if difference is not None:
            other.append(f"{case} ({difference})")
    return other
