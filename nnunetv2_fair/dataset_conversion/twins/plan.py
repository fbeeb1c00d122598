"""What every twin has in common: its plan, and what is told of labels that are other ones."""

import csv
import io
import logging
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nnunetv2_fair.dataset_conversion.shared.source import SourceCase, SourceDataset, rows_of
from nnunetv2_fair.dataset_conversion.twins.cases import (
    PREVIOUS,
    LabelChange,
    NewLabels,
    TwinCase,
    TwinFacts,
    TwinOrder,
    survey_case,
)
from nnunetv2_fair.dataset_conversion.writing.case_files import CaseJob, fingerprint
from nnunetv2_fair.dataset_conversion.writing.dataset_plan import (
    DatasetDescription,
    DatasetPlan,
    TargetOptions,
)
from nnunetv2_fair.dataset_conversion.writing.log import UNKNOWN, ConversionLog
from nnunetv2_fair.errors import ConversionError, counted, shorten_lines
from nnunetv2_fair.files.pool import map_unordered
from nnunetv2_fair.subgroups.table import DemographicsTable

logger = logging.getLogger(__name__)

#: File of a twin that says how far the labels of each case are others than before.
LABEL_CHANGES_CSV = "label_changes.csv"
#: What a command that makes a twin calls the choice of its id and place.
TWIN_OPTIONS = TargetOptions("-o", "the environment variable nnUNet_raw")


@dataclass(frozen=True)
class TwinTarget:
    """The twin that is to be written.

    Attributes:
        dataset_id: 1 to 999.
        name: Follows ``DatasetXXX_``.
        said: What was done to the dataset: ``Dataset042_Lungs with labels eroded by 2 mm``.
        further: Further entries of ``dataset.json``; they say nothing of people.
        files: Text of further files, by name.
    """

    dataset_id: int
    name: str
    said: str
    further: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict, repr=False)


def survey(
    source: SourceDataset,
    new: Mapping[str, NewLabels],
    left_out: Collection[str] = (),
    processes: int = 1,
) -> dict[str, TwinFacts]:
    """Look at all cases of a dataset, and at what their labels are to become.

    Args:
        source: The dataset.
        new: Other labels, by training case.
        left_out: Cases that the twin does not have.
        processes: How many processes read masks.

    Returns:
        What was found, by case, in the order of the dataset.

    Raises:
        ConversionError: If files cannot be read, are not on one grid, or hold other labels than
            the dataset has; all of them at once.
    """
    cases = [case for case in source.cases if case.case not in left_out]
    values = sorted({0}.union(*map(_as_set, source.labels.values())))
    orders = [TwinOrder(case, tuple(values), new.get(case.case)) for case in cases]
    facts = {
        order.case.case: found
        for order, found in map_unordered(survey_case, orders, processes, "checking")
    }
    problems = [problem for case in cases for problem in facts[case.case].problems]
    if problems:
        raise ConversionError(
            f"{source.folder.name} cannot get a twin:\n{shorten_lines(problems, 30)}"
        )
    return {case.case: facts[case.case] for case in cases}


def _as_set(value: int | tuple[int, ...]) -> set[int]:
    return set(value) if isinstance(value, tuple) else {value}


def plan_twin(
    source: SourceDataset,
    table: DemographicsTable,
    target: TwinTarget,
    new: Mapping[str, NewLabels],
    facts: Mapping[str, TwinFacts],
    log: ConversionLog,
) -> DatasetPlan:
    """Decide what the twin of a dataset consists of.

    Args:
        source: The dataset.
        table: Its demographics.
        target: What is to be written.
        new: Other labels, by training case.
        facts: As :func:`survey` returned them.
        log: What is known so far; notes are added.

    Returns:
        What :func:`~nnunetv2_fair.dataset_conversion.writing.writer.write_dataset` needs.
    """
    cases = [case for case in source.cases if case.case in facts]
    description = _description(source, target)
    changes = {case: facts[case].change for case in new if case in facts}
    log.notes = [*table.notes, *log.notes, *_notes(source, table, changes)]
    for note in log.notes:
        logger.info("Note: %s", note)
    further = list(dict.fromkeys(n for case in cases for n in case.further if n != PREVIOUS))
    files = dict(target.files)
    if changes:
        files[LABEL_CHANGES_CSV] = _changes_text(changes)
    names = [case.case for case in cases]
    return DatasetPlan(
        description,
        [_job(case, new.get(case.case), facts[case.case]) for case in cases],
        rows_of(table, names),
        table.schema,
        log,
        further_masks=(*further, *([PREVIOUS] if changes else [])),
        files=files,
        options=TWIN_OPTIONS,
    )


def _description(source: SourceDataset, target: TwinTarget) -> DatasetDescription:
    return DatasetDescription(
        dataset_id=target.dataset_id,
        name=target.name,
        channel_names=tuple(map(str, source.content["channel_names"].values())),
        labels=source.labels,
        file_ending=source.ending,
        regions_class_order=source.class_order,
        description=source.described_as(target.said),
        further={**_kept_entries(source), **target.further, **source.reader},
        **source.texts,
    )


def _kept_entries(source: SourceDataset) -> dict[str, Any]:
    """Return the entry of a cropped dataset, which prediction by a cascade needs."""
    return {"cropped": source.content["cropped"]} if "cropped" in source.content else {}


def _job(case: SourceCase, new: NewLabels | None, facts: TwinFacts) -> CaseJob:
    load = TwinCase(case, new)
    return CaseJob(
        case.case,
        "train" if case.part == "train" else "test",
        load,
        fingerprint(new, files=load.files),
        n_bytes=facts.n_bytes,
        source=str(case.images[0]),
    )


def _notes(
    source: SourceDataset, table: DemographicsTable, changes: Mapping[str, LabelChange]
) -> Iterator[str]:
    if source.without_reference:
        yield (
            f"{counted(len(source.without_reference), 'test case')} without a reference are left "
            f"out: predict the images of {source.folder.name}"
        )
    if not changes:
        return
    training = [case.case for case in source.cases if case.part == "train"]
    yield f"training labels: {change_in_words(changes, len(training))}"
    for attribute in table.schema.attributes.values():
        groups: dict[str, list[str]] = {}
        for name in training if attribute.groups else ():
            value = str(table.frame.at[name, attribute.name])
            groups.setdefault(attribute.group_of(value) or UNKNOWN, []).append(name)
        for group in (*attribute.groups, UNKNOWN):
            if members := groups.get(group):
                own = {case: changes[case] for case in members if case in changes}
                said = change_in_words(own, len(members))
                yield f"training labels, {attribute.name} {group}: {said}"


def change_in_words(changes: Mapping[str, LabelChange], n_cases: int) -> str:
    """Return how far labels are others than before.

    Args:
        changes: Of cases whose labels may be others.
        n_cases: How many cases there are.
    """
    other = [change for change in changes.values() if change.changed]
    if not other:
        return f"none of {counted(n_cases, 'case')} has other ones"
    dice = math.fsum(change.overlap for change in other) / len(other)
    before, after = (sum(getattr(c, when) for c in other) for when in ("before", "after"))
    size = f", {100 * (after / before - 1):+.3g}% of the voxels" if before else ""
    return (
        f"{len(other)} of {counted(n_cases, 'case')} have other ones (mean Dice with those before "
        f"{dice:.3g}{size})"
    )


def _changes_text(changes: Mapping[str, LabelChange]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["case", "changed_voxels", "before_voxels", "after_voxels", "dice_with_before"])
    for case, change in changes.items():
        dice = f"{change.overlap:.6g}"
        writer.writerow([case, change.changed, change.before, change.after, dice])
    return text.getvalue()


def named_folder(folder: Path) -> str:
    """Return a folder as it is told in ``dataset.json``: the last two names of its path."""
    return "/".join(folder.absolute().parts[-2:])
