"""Short-axis cine MRI of the heart as UK Biobank's is kept, and clinical sets laid out alike.

End diastole and end systole of a participant become two cases of one patient. Participants get
fresh numbers; the file that knows whose they are is named by the user and is outside of the
dataset (see :mod:`~nnunetv2_fair.dataset_conversion.ukbb_cmr.ids`).

Source: github.com/baiwenjia/ukbb_cardiac (layout, labels, choice of frames); Lee et al. 2025, MELBA
(training cohort, attributes).
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

from nnunetv2_fair.dataset_conversion.shared.holdout import choose_test_patients
from nnunetv2_fair.dataset_conversion.ukbb_cmr.codes import ETHNICITY
from nnunetv2_fair.dataset_conversion.ukbb_cmr.cohort import draw_cohort
from nnunetv2_fair.dataset_conversion.ukbb_cmr.frames import (
    CmrFrame,
    FrameFacts,
    SurveyItem,
    survey_participant,
)
from nnunetv2_fair.dataset_conversion.ukbb_cmr.ids import number_participants, without_identifiers
from nnunetv2_fair.dataset_conversion.ukbb_cmr.labels import LABELS, order_warning
from nnunetv2_fair.dataset_conversion.ukbb_cmr.people import (
    People,
    merge_people,
    read_case_labels,
    read_list,
    schema_of,
)
from nnunetv2_fair.dataset_conversion.ukbb_cmr.settings import CmrSettings
from nnunetv2_fair.dataset_conversion.ukbb_cmr.sources import WHO, Source, find_sources
from nnunetv2_fair.dataset_conversion.ukbb_cmr.table import read_people
from nnunetv2_fair.dataset_conversion.writing.case_files import CaseJob, fingerprint
from nnunetv2_fair.dataset_conversion.writing.dataset_plan import DatasetDescription, DatasetPlan
from nnunetv2_fair.dataset_conversion.writing.log import UNKNOWN, ConversionLog, Skipped
from nnunetv2_fair.errors import ConversionError, counted, shorten, shorten_lines
from nnunetv2_fair.files.pool import map_unordered
from nnunetv2_fair.subgroups.schema import CASE, PATIENT, Schema
from nnunetv2_fair.tables.remedy import Remedy

logger = logging.getLogger(__name__)

NO_ROW = "participant without row in the table"
_BYTES_PER_VOXEL = 5  # 32-bit image and 8-bit label, as if neither could be compressed
_Part = Literal["train", "test"]


@dataclass(frozen=True)
class CmrPlan:
    """What to write, and whose number is whose.

    Attributes:
        dataset: For the writer.
        patients: Patient of each participant, for the map.
    """

    dataset: DatasetPlan
    patients: Mapping[str, str] = field(repr=False)


def plan_ukbb_cmr(
    settings: CmrSettings, known: Mapping[str, str] | None = None, processes: int = 1
) -> CmrPlan:
    """Find participants, read tables and labels, choose the parts.

    Args:
        settings: What to convert, and how.
        known: Patient of each participant of an earlier conversion.
        processes: How many processes read labels.

    Raises:
        UsageError: If the settings contradict each other.
        ConversionError: If anything is wrong with the data. Problems that can be found together are
            listed together, and no participant is named.
    """
    settings.check()
    sources, problems, empty = find_sources(settings.folder, settings.frames)
    sources = _listed(sources, settings)
    people = _people(settings, {source.participant for source in sources})
    problems += people.problems
    problems += _row_problems(sources, people, settings)
    schema, schema_notes = schema_of(people, settings.bins)
    problems += _value_problems(people, schema, settings)
    facts = _survey(sources, settings, processes)
    problems += _label_problems(facts, settings)
    usable = {
        source.participant: [
            frame
            for frame, fact in facts[source.participant].items()
            if not fact.left_out and not fact.problem
        ]
        for source in sources
        if source.participant in people.values
    }
    usable = {participant: frames for participant, frames in usable.items() if frames}
    if not usable and not problems:
        problems.append(_nothing_left(sources, facts))
    if problems:
        raise ConversionError(_all_problems(problems, settings, people.remedy))

    patients = number_participants((source.participant for source in sources), known or {})
    log = _log(settings, sources, people, facts, patients, schema)
    log.counts |= {
        "participants found": len(sources),
        "folders without short-axis images": empty,
        "participants converted": len(usable),
        "frames converted": sum(map(len, usable.values())),
    }
    parts = _parts(settings, sources, usable, people, schema)
    log.notes += [*people.notes, *schema_notes]
    log.notes += _notes(facts, settings, parts)
    for note in log.notes:
        logger.info("Note: %s", note)
    jobs = []
    rows: list[dict[str, str]] = []
    for source in sources:
        for frame in usable.get(source.participant, ()):
            patient = patients[source.participant]
            case = f"{patient}_{frame}"
            fact = facts[source.participant][frame]
            jobs.append(_job(source, frame, fact, case, parts[source.participant], settings))
            rows.append({CASE: case, PATIENT: patient, **people.values[source.participant]})
    # by number: the order of files and rows must not be that of the identifiers
    jobs.sort(key=lambda job: job.case)
    rows.sort(key=lambda row: row[CASE])
    frame_of_people = pd.DataFrame(rows, columns=[CASE, PATIENT, *schema.attributes], dtype=object)
    description = DatasetDescription(
        settings.dataset_id,
        settings.name,
        ("cine_MRI",),
        LABELS,
        ".nii.gz",
        licence=settings.licence,
        reference=settings.reference,
        release=settings.release,
        description="Short-axis cine MRI of the heart at end diastole and end systole",
    )
    return CmrPlan(DatasetPlan(description, jobs, frame_of_people, schema, log), patients)


def _listed(sources: Sequence[Source], settings: CmrSettings) -> list[Source]:
    """Return the sources that remain after the lists."""
    kept = list(sources)
    if settings.only is not None:
        only = read_list(settings.only, "--only")
        kept = [source for source in kept if source.participant in only]
    if settings.exclude is not None:
        exclude = read_list(settings.exclude, "--exclude")
        kept = [source for source in kept if source.participant not in exclude]
    if sources and not kept:
        raise ConversionError(
            f"none of the {len(sources)} participants is left after --only and --exclude. Are the "
            "lists from the same application? Identifiers differ between applications."
        )
    return kept


def _people(settings: CmrSettings, participants: set[str]) -> People:
    labels = table = None
    if settings.labels_csv is not None:
        labels = read_case_labels(settings.labels_csv, participants, settings.people)
    if settings.table is not None:
        values = dict(settings.people.reading.values)
        if labels is not None:
            values.pop(ETHNICITY, None)  # the numbers of labels.csv are other codes
        table = read_people(settings.table, participants, settings.people.with_values(values))
    if table is None or labels is None:
        return table or labels or People(())
    return merge_people(table, labels, without_identifiers(str(settings.labels_csv)))


def _value_problems(people: People, schema: Schema, settings: CmrSettings) -> list[str]:
    name = without_identifiers(settings.table.name) if settings.table else ""
    return [
        f"{name}, line {people.lines[participant]}: {problem}"
        for participant, values in people.values.items()
        for attribute in schema.attributes.values()
        if (problem := attribute.problem_with(values[attribute.name])) is not None
    ]


def _row_problems(sources: Sequence[Source], people: People, settings: CmrSettings) -> list[str]:
    # participants without labels are left out anyway
    sources = [source for source in sources if source.frames]
    without_row = [source for source in sources if source.participant not in people.values]
    table = settings.table or settings.labels_csv
    name = without_identifiers(table.name if table else "")
    if sources and len(without_row) == len(sources):
        return [
            f"{name} has a row for none of the {len(sources)} participants. Identifiers of UK "
            "Biobank differ between applications: are table and images of the same one?"
        ]
    if not without_row or settings.unpaired == "skip":
        return []
    return [
        f"{counted(len(without_row), 'participant has', 'participants have')} no row in {name}: "
        f"{shorten((source.where for source in without_row), 8)}. Add rows, or leave such "
        "participants out with --unpaired skip"
    ]


def _survey(
    sources: Sequence[Source], settings: CmrSettings, processes: int
) -> dict[str, dict[str, FrameFacts]]:
    items = [SurveyItem(source, settings.label_map) for source in sources]
    found = map_unordered(survey_participant, items, processes, "checking")
    by_participant = {item.source.participant: facts for item, facts in found}
    return {source.participant: by_participant[source.participant] for source in sources}


def _label_problems(
    facts: Mapping[str, Mapping[str, FrameFacts]], settings: CmrSettings
) -> list[str]:
    flat = [fact for of_one in facts.values() for fact in of_one.values()]
    problems = list(dict.fromkeys(fact.problem for fact in flat if fact.problem))
    odd = Counter(value for fact in flat for value in fact.strange)
    if odd:
        counted = ", ".join(f"{value} (in {n} labels)" for value, n in sorted(odd.items()))
        known = dict(settings.label_map) or {1: 1, 2: 2, 3: 3}
        if not settings.label_map and set(odd) == {4}:
            known = {1: 1, 2: 2, 4: 3}  # RV coded 4, as some exports have it
        else:
            known |= dict.fromkeys(sorted(odd), 0)
        flags = " ".join(f"{value}={label}" for value, label in known.items())
        expected = "in --label-map" if settings.label_map else "0, 1, 2 and 3"
        problems.append(
            f"labels hold {counted}; expected only values {expected}. Say what all values mean, "
            f"such as --label-map {flags}"
        )
    return problems


def _nothing_left(sources: Sequence[Source], facts: Mapping[str, Mapping[str, FrameFacts]]) -> str:
    reasons = Counter(reason for source in sources for reason in source.missing.values())
    reasons.update(
        fact.left_out for of_one in facts.values() for fact in of_one.values() if fact.left_out
    )
    counted = "; ".join(f"{reason}: {n} frames" for reason, n in reasons.most_common())
    return (
        f"no frame of {len(sources)} participants can be used. {counted}. Manual labels are "
        "label_sa_ED.nii.gz and label_sa_ES.nii.gz, or label_sa.nii.gz; seg_sa*.nii.gz are output "
        "of a network and not a reference"
    )


def _all_problems(problems: Sequence[str], settings: CmrSettings, remedy: Remedy) -> str:
    text = (
        f"{without_identifiers(str(settings.folder))} cannot be converted:\n"
        f"{shorten_lines(problems, 30)}{remedy.last_line}"
    )
    return f"{text}\n{WHO}" if "entry " in text else text


def _parts(
    settings: CmrSettings,
    sources: Sequence[Source],
    usable: Mapping[str, Sequence[str]],
    people: People,
    schema: Schema,
) -> dict[str, _Part]:
    """Return the part of each participant with cases."""
    if settings.cohort is not None:
        if ETHNICITY not in people.attributes:
            raise ConversionError("--cohort needs the ethnicity, which no table holds.")
        drawable = {
            participant: people.values[participant][ETHNICITY]
            for participant, frames in usable.items()
            if len(frames) == len(settings.frames)
        }
        train = draw_cohort(drawable, settings.cohort)
        return {p: "train" if p in train else "test" for p in usable}
    if settings.test_list is not None:
        test = read_list(settings.test_list, "--test-list")
        if not test & set(usable):
            raise ConversionError(
                f"--test-list names none of the {len(usable)} participants with images and labels. "
                "Is it from the same application? Identifiers differ between applications."
            )
        return {p: "test" if p in test else "train" for p in usable}
    named = {source.participant: source.part for source in sources if source.participant in usable}
    if any(part == "test" for part in named.values()):
        return {p: named[p] or "train" for p in usable}
    grouped = sorted(
        (a for a in schema.attributes.values() if a.groups), key=lambda a: a.name != schema.default
    )
    strata = {p: tuple(a.group_of(people.values[p][a.name]) or "" for a in grouped) for p in usable}
    chosen = choose_test_patients(strata, settings.test_ratio, settings.seed)
    return {p: "test" if p in chosen else "train" for p in usable}


def _log(
    settings: CmrSettings,
    sources: Sequence[Source],
    people: People,
    facts: Mapping[str, Mapping[str, FrameFacts]],
    patients: Mapping[str, str],
    schema: Schema,
) -> ConversionLog:
    log = ConversionLog("nnUNetv2_fair_convert_UKBB_CMR", settings.plain())
    grouped = [a for a in schema.attributes.values() if a.groups]
    for source in sources:
        values = people.values.get(source.participant)
        reasons = dict(source.missing)
        for frame, fact in facts[source.participant].items():
            if fact.left_out:
                reasons[frame] = fact.left_out
        if values is None:
            reasons = dict.fromkeys(settings.frames, NO_ROW)
        groups = {
            a.name: (a.group_of(values[a.name]) if values else None) or UNKNOWN for a in grouped
        }
        patient = patients[source.participant]
        log.skipped += [Skipped(f"{patient}_{f}", r, groups) for f, r in reasons.items()]
    log.skipped.sort(key=lambda entry: entry.item)
    return log


def _notes(
    facts: Mapping[str, Mapping[str, FrameFacts]],
    settings: CmrSettings,
    parts: Mapping[str, _Part],
) -> list[str]:
    notes = []
    used = [fact for p in parts for fact in facts[p].values() if not fact.left_out]
    odd = order_warning([fact.enclosed for fact in used])
    if odd is not None:
        logger.warning("WARNING: %s", odd)
        notes.append(odd)
    if settings.cohort is not None:
        notes.append(
            f"training cohort drawn at random: {sum(settings.cohort.counts.values())} participants "
            "with all frames; everybody else is in the test part"
        )
    return notes


def _job(
    source: Source,
    frame: str,
    fact: FrameFacts,
    case: str,
    part: _Part,
    settings: CmrSettings,
) -> CaseJob:
    files = source.frames[frame]
    slices, rows, columns = fact.shape
    return CaseJob(
        case,
        part,
        CmrFrame(files, fact.index, settings.label_map, source.participant),
        # without names: a hash of these could be searched for identifiers
        fingerprint(frame, fact.index, settings.label_map, fact.state, fact.drawn),
        slices * rows * columns * _BYTES_PER_VOXEL,
        source.where,
    )
