"""Images whose background is neutralised, exchanged between groups, or another of their group's.

    OUT/neutralised/         nothing of the background is left
    OUT/exchanged/           that of a patient of another group
    OUT/control/             that of another patient of the same group
    OUT/backgrounds.csv      what was done with each case

Who was whose partner is not written: it would tell who is in one group with whom.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from nnunetv2_fair.audit.causes.backgrounds import partners
from nnunetv2_fair.audit.diagnosis.edited_case import (
    CONTROL,
    EXCHANGED,
    NEUTRALISED,
    CaseFiles,
    Edited,
    EditOrder,
    Survey,
    edit_case,
    survey_case,
)
from nnunetv2_fair.errors import EvaluationError, shorten, shorten_lines
from nnunetv2_fair.evaluation.masks.label_maps import find_masks
from nnunetv2_fair.evaluation.results.tables.per_case import write_per_case
from nnunetv2_fair.files.pool import map_unordered
from nnunetv2_fair.paths import BACKGROUNDS_CSV
from nnunetv2_fair.subgroups.groups import Grouping
from nnunetv2_fair.subgroups.table import DemographicsTable

#: Worker processes import only this.
WORKER_MODULE = "nnunetv2_fair.audit.diagnosis.edited_case"
#: Why a case with a background of its own has no other one.
_NO_PARTNER = "no other patient of its group, or none of another group, has a background to give"
_UNKNOWN = "its group is not known"


@dataclass(frozen=True)
class Edits:
    """What is going to be done.

    Attributes:
        files: Case -> its files.
        surveys: Case -> what is known of it.
        orders: Of cases that can be edited; ``out`` is relative.
        why_not: Case -> why something is not done with it.
    """

    files: Mapping[str, CaseFiles]
    surveys: Mapping[str, Survey]
    orders: tuple[EditOrder, ...]
    why_not: Mapping[str, str]


def find_files(images: Path, organ: Path, margin: float | None) -> dict[str, CaseFiles]:
    """Return the cases of a folder of images, by name.

    Args:
        images: Images ``<case>_0000.<ending>``, with further channels ``_0001`` ...
        organ: Masks of what stays, called ``<case>.<ending>``.
        margin: What stays around it; None: worked out for each case.

    Raises:
        EvaluationError: If there are none, or a case has no mask; all at once.
    """
    masks = find_masks(organ, "masks of the organ")
    found = {}
    missing = []
    for path in sorted(images.glob("*_0000.*")):
        case, _, ending = path.name.rpartition("_0000")
        channels = tuple(sorted(images.glob(f"{_plain(case)}_[0-9][0-9][0-9][0-9]{ending}")))
        if case not in masks:
            missing.append(case)
        else:
            found[case] = CaseFiles(case, channels, masks[case], margin)
    if missing:
        raise EvaluationError(
            f"{len(missing)} images of {images} have no mask in {organ}: {shorten(missing, 3)}. "
            "Add the masks, or take the images out."
        )
    if not found:
        raise EvaluationError(
            f"{images} holds no image named <case>_0000.<ending>, as nnU-Net names them. Pass the "
            "folder with the images."
        )
    return found


def _plain(name: str) -> str:
    """Return a name so that nothing in it is a wildcard."""
    return "".join(f"[{sign}]" if sign in "[]*?" else sign for sign in name)


def plan_edits(
    files: Mapping[str, CaseFiles],
    grouping: Grouping,
    table: DemographicsTable,
    seed: int,
    processes: int,
) -> Edits:
    """Read all images, and draw whose background each case is given.

    Args:
        files: The cases.
        grouping: Their groups.
        table: Their patients; a patient's cases are all given the background of one patient.
        seed: Equal seeds give equal partners.
        processes: How many processes read images.

    Raises:
        EvaluationError: If files cannot be read, or no image can be edited; all of them at once.
    """
    unlisted = sorted(set(files) - set(grouping.group_of))
    if unlisted:
        raise EvaluationError(
            f"{len(unlisted)} images have no row in {table.source}: {shorten(unlisted, 3)}. Add "
            "the rows, or take the images out."
        )
    by_files = dict(map_unordered(survey_case, list(files.values()), processes, "reading"))
    surveys = {case: by_files[one] for case, one in files.items()}
    problems = [found.problem for found in surveys.values() if found.problem]
    if problems:
        raise EvaluationError(f"Backgrounds cannot be edited:\n{shorten_lines(problems, 30)}")
    why_not = {case: found.why_not for case, found in surveys.items() if found.why_not}
    usable = [case for case in files if case not in why_not]
    if not usable:
        raise EvaluationError(
            "No background can be edited. Of the first case: "
            f"{next(iter(why_not.values()))}. Take masks of less (-organ), or a smaller --margin."
        )
    donors = _donors(usable, surveys, grouping, table, seed)
    for case in usable:
        if case not in donors:
            known = grouping.group_of[case] is not None
            why_not[case] = _NO_PARTNER if known else _UNKNOWN
    orders = []
    for case in usable:
        other, same = donors.get(case, (None, ()))
        orders.append(
            EditOrder(
                files[case],
                None if other is None else files[other],
                tuple(files[name] for name in same),
                Path(),
            )
        )
    return Edits(files, surveys, tuple(orders), why_not)


def _donors(
    usable: Sequence[str],
    surveys: Mapping[str, Survey],
    grouping: Grouping,
    table: DemographicsTable,
    seed: int,
) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return a case of another group, and cases of the same, of those that have both.

    A patient's first usable case stands for the patient.
    """
    first: dict[tuple[tuple[float, ...], str, str], str] = {}
    of_case = {}
    for case in usable:
        group = grouping.group_of[case]
        if group is not None:
            key = (surveys[case].kind, group, table.patients[case])
            first.setdefault(key, case)
            of_case[case] = key
    made: dict[tuple[tuple[float, ...], str, str], tuple[str, tuple[str, ...]]] = {}
    for kind in sorted({kind for kind, _, _ in first}):
        keys = [key for key in first if key[0] == kind]
        drawn = partners([group for _, group, _ in keys], [True] * len(keys), seed)
        for key, other, same in zip(keys, drawn.other, drawn.same, strict=True):
            others = tuple(first[keys[i]] for i in same if i >= 0)
            if other >= 0 and others:
                made[key] = first[keys[other]], others
    return {case: made[key] for case, key in of_case.items() if key in made}


def write_edits(edits: Edits, out: Path, processes: int) -> dict[str, int]:
    """Write all edited images and the table.

    Args:
        edits: What is to be done.
        out: Temporary folder.
        processes: How many processes work.

    Returns:
        How many cases each folder holds.
    """
    for name in (NEUTRALISED, EXCHANGED, CONTROL):
        (out / name).mkdir()
    orders = [EditOrder(one.files, one.other, one.same, out) for one in edits.orders]
    done = dict(map_unordered(edit_case, orders, processes, "editing"))
    by_case: dict[str, Edited] = {order.files.case: done[order] for order in orders}
    rows = []
    for case in edits.files:
        strengths = by_case[case].strengths if case in by_case else {}
        rows.append(
            {
                "case": case,
                **{f"strength_{name}": strengths.get(name, float("nan")) for name in
                   (NEUTRALISED, EXCHANGED, CONTROL)},
                "not_done_because": edits.why_not.get(case, ""),
            }
        )  # fmt: skip
    write_per_case(out / BACKGROUNDS_CSV, pd.DataFrame(rows))
    return {
        name: sum(name in one.strengths for one in by_case.values())
        for name in (NEUTRALISED, EXCHANGED, CONTROL)
    }
