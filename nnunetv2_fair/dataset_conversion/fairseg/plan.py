"""Harvard-FairSeg: fundus photographs with optic disc and cup, and FairDiff's synthetic ones.

    FOLDER/**/data_<number>.npz           image, mask and demographics of one person
    FOLDER/**/data_summary.csv            optional: train or test
    SYNTHETIC/<group>/data/<number>.npz   optional: FairDiff's packs

:func:`plan_fairseg` reads headers and single values of all files; nothing is written before it
returns. Pixels are read once, when they are written.

Source: Tian et al., "FairSeg", ICLR 2024; Li et al., "FairDiff", MICCAI 2024; their repositories.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from nnunetv2_fair.dataset_conversion.fairseg.codes import fairseg_schema
from nnunetv2_fair.dataset_conversion.fairseg.files import (
    IMAGE_KEYS,
    MASK_KEYS,
    NpzCase,
    NpzFacts,
    NpzQuestion,
    short,
    survey_npz,
)
from nnunetv2_fair.dataset_conversion.fairseg.lists import (
    FileLists,
    Part,
    Summary,
    SyntheticName,
    read_lists,
    read_summary,
)
from nnunetv2_fair.dataset_conversion.fairseg.parts import (
    NOT_LISTED,
    NOT_THERE,
    Choice,
    by_chance,
    by_folders,
    by_lists,
    by_summary,
)
from nnunetv2_fair.dataset_conversion.fairseg.people import (
    People,
    race_disagreements,
    real_people,
    synthetic_people,
)
from nnunetv2_fair.dataset_conversion.fairseg.search import FoundFiles, find_files
from nnunetv2_fair.dataset_conversion.fairseg.settings import FairSegSettings
from nnunetv2_fair.dataset_conversion.writing.case_files import CaseJob, fingerprint
from nnunetv2_fair.dataset_conversion.writing.dataset_plan import DatasetDescription, DatasetPlan
from nnunetv2_fair.dataset_conversion.writing.foreground_search import all_masks_empty
from nnunetv2_fair.dataset_conversion.writing.log import UNKNOWN, ConversionLog, Skipped
from nnunetv2_fair.dataset_conversion.writing.safe_names import safe_case_name
from nnunetv2_fair.errors import ConversionError, shorten, shorten_lines
from nnunetv2_fair.files.pool import map_unordered
from nnunetv2_fair.files.privacy import note_source
from nnunetv2_fair.subgroups.schema import CASE, PATIENT, SAMPLING_WEIGHT, SYNTHETIC, Schema

logger = logging.getLogger(__name__)

_SUMMARY = "data_summary.csv"
_DEFAULT_TEST_RATIO = 0.2
_SIZE_OF_A_SURVEY = 500


@dataclass(frozen=True)
class _File:
    """A file that may become a case."""

    path: Path
    case: str
    facts: NpzFacts


def plan_fairseg(settings: FairSegSettings, processes: int = 1) -> DatasetPlan:
    """Find and check all files, decode the demographics, choose the test part.

    Args:
        settings: What to convert, and how.
        processes: How many processes check files.

    Returns:
        What :func:`~nnunetv2_fair.dataset_conversion.writing.writer.write_dataset` needs.

    Raises:
        UsageError: If the settings contradict each other.
        ConversionError: If anything is wrong with the data. Problems that can be found together are
            listed together.
    """
    settings.check()
    lists = read_lists(settings.split_lists) if settings.split_lists else None
    release = _look_at(settings, processes)
    summary = _summary(settings)
    problems = [*release.problems, *_compare_races(release, summary)]
    problems += _size_problems(release.files, settings)
    given = _given_parts(settings, release.found, lists, summary)
    problems += [] if given is None else given.problems
    if problems:
        raise _refusal(settings, problems)
    choice = _chosen_by_chance(release, settings) if given is None else given
    jobs = _jobs(release, choice, settings)
    log = _log(settings, release, choice)
    for note in log.notes:
        logger.info("Note: %s", note)
    _refuse_empty_masks(jobs, settings)
    rows = _rows(release, choice)
    frame = pd.DataFrame([rows[job.case] for job in jobs], dtype=object)
    return DatasetPlan(_description(settings), jobs, frame, release.schema, log)


@dataclass
class _Release:
    """What a download holds.

    Attributes:
        found: All files.
        real: Files of people, by number.
        generated: FairDiff's files.
        people: Demographics of people.
        made_up: Demographics of synthetic images.
        schema: What the attributes mean.
        problems: What is wrong, in words.
    """

    found: FoundFiles
    real: dict[int, _File]
    generated: dict[SyntheticName, _File]
    people: People
    made_up: People
    schema: Schema
    problems: list[str]

    @property
    def files(self) -> list[_File]:
        return [*self.real.values(), *self.generated.values()]

    @property
    def values(self) -> dict[int, Mapping[str, str]]:
        """Attributes of each person, by number of the file."""
        return {n: self.people.values[file.case] for n, file in self.real.items()}

    @property
    def groups(self) -> dict[int, dict[str, str]]:
        """Groups of each person, empty where unknown, by number of the file."""
        return {n: _groups(row, self.schema) for n, row in self.values.items()}


def _look_at(settings: FairSegSettings, processes: int) -> _Release:
    """Find all files and decode their demographics."""
    found = find_files(settings.folder, settings.synthetic)
    facts = _survey([*found.real.values(), *found.synthetic.values()], settings, processes)
    real = {n: _File(path, f"data_{n:05d}", facts[path]) for n, path in found.real.items()}
    generated = {
        name: _File(path, _synthetic_case(name, facts[path]), facts[path])
        for name, path in found.synthetic.items()
    }
    people = real_people({file.case: file.facts for file in real.values()}, settings.race_scheme)
    made_up = synthetic_people(
        {file.case: (name.group, file.facts) for name, file in generated.items()}
    )
    schema = fairseg_schema(people.told)
    problems = [
        *found.problems,
        *(problem for f in facts.values() for problem in f.problems),
        *people.problems,
        *made_up.problems,
        *_implausible(people, schema),
    ]
    return _Release(found, real, generated, people, made_up, schema, problems)


def _compare_races(release: _Release, summary: Summary | None) -> list[str]:
    """Return problems of the summary and contradictions to the files; note minor differences."""
    if summary is None:
        return []
    differences, notes = race_disagreements(release.values, summary.race, summary.path.name)
    release.people.notes += notes
    return [*summary.problems, *differences]


def _chosen_by_chance(release: _Release, settings: FairSegSettings) -> Choice:
    patients = {n: release.people.patients[file.case] for n, file in release.real.items()}
    ratio = _DEFAULT_TEST_RATIO if settings.test_ratio is None else settings.test_ratio
    # the default attribute comes first, and counts most
    order = list(release.schema.attributes)
    return by_chance(release.groups, patients, order, release.found.synthetic, ratio, settings.seed)


def _jobs(release: _Release, choice: Choice, settings: FairSegSettings) -> list[CaseJob]:
    real, generated = release.real, release.generated
    in_order = sorted(choice.synthetic, key=lambda name: generated[name].case)
    return [
        *(_job(real[n], part, settings) for n, part in sorted(choice.real.items())),
        *(_job(generated[name], "train", settings) for name in in_order),
    ]


def _survey(
    paths: Sequence[Path], settings: FairSegSettings, processes: int
) -> dict[Path, NpzFacts]:
    image_keys = IMAGE_KEYS if settings.image_key is None else (settings.image_key,)
    mask_keys = MASK_KEYS if settings.mask_key is None else (settings.mask_key,)
    for path in paths:  # they are read in other processes
        note_source(path)
    questions = [NpzQuestion(path, image_keys, mask_keys) for path in paths]
    # a header takes a millisecond: few files are not worth starting another process
    processes = min(processes, 1 + len(paths) // _SIZE_OF_A_SURVEY)
    answers = map_unordered(survey_npz, questions, processes, "checking")
    return {question.path: facts for question, facts in answers}


def _synthetic_case(name: SyntheticName, facts: NpzFacts) -> str:
    steered = "_".join(facts.attributes) if len(facts.attributes) == 1 else ""
    parts = ("synthetic", steered, name.group, f"{name.number:06d}")
    return safe_case_name("_".join(part for part in parts if part))


def _implausible(people: People, schema: Schema) -> list[str]:
    problems = []
    for case, row in people.values.items():
        for name, attribute in schema.attributes.items():
            problem = attribute.problem_with(row[name])
            if problem:
                problems.append(f"{case}: {problem}")
    return problems


def _summary(settings: FairSegSettings) -> Summary | None:
    tables = sorted(settings.folder.rglob(_SUMMARY))
    if len(tables) > 1:
        raise ConversionError(
            f"{settings.folder} has several tables: {shorten(tables)}. Remove all but the one of "
            "this release."
        )
    return read_summary(tables[0]) if tables else None


def _given_parts(
    settings: FairSegSettings, found: FoundFiles, lists: FileLists | None, summary: Summary | None
) -> Choice | None:
    """Return the parts as lists, table or folders give them; None if they are to be chosen."""
    if lists is not None:
        return by_lists(lists, found.real, found.synthetic, settings.unpaired)
    if settings.test_ratio is not None:
        return None
    if summary is not None and summary.parts:
        return by_summary(summary, found.real, found.synthetic, settings.unpaired)
    return by_folders(settings.folder, found.real, found.synthetic)


def _size_problems(files: Sequence[_File], settings: FairSegSettings) -> list[str]:
    if settings.crop is None:
        return []
    small = [
        f"{short(file.path)} ({file.facts.shape[0]} x {file.facts.shape[1]})"
        for file in files
        if file.facts.shape[0] < settings.crop[0] or file.facts.shape[1] < settings.crop[1]
    ]
    if not small:
        return []
    return [
        f"--center-crop {settings.crop[0]} {settings.crop[1]} is more than {len(small)} images "
        f"have: {shorten(small, 3)}. Choose a smaller one"
    ]


def _refusal(settings: FairSegSettings, problems: Sequence[str]) -> ConversionError:
    return ConversionError(f"{settings.folder} cannot be converted:\n{shorten_lines(problems, 30)}")


def _groups(row: Mapping[str, str], schema: Schema) -> dict[str, str]:
    return {name: a.group_of(row[name]) or "" for name, a in schema.attributes.items()}


def _known(groups: Mapping[str, str]) -> dict[str, str]:
    return {name: group or UNKNOWN for name, group in groups.items()}


def _log(settings: FairSegSettings, release: _Release, choice: Choice) -> ConversionLog:
    found, real, generated = release.found, release.real, release.generated
    notes = [*release.people.notes, *release.made_up.notes, *choice.notes]
    log = ConversionLog("nnUNetv2_fair_convert_FairSeg", settings.plain(), notes=notes)
    values = release.values
    log.skipped = [
        *(Skipped(name, "npz file of another name") for name in found.others),
        *(Skipped(name, NOT_THERE) for name in choice.absent),
        *(
            Skipped(short(real[n].path), NOT_LISTED, _known(_groups(values[n], release.schema)))
            for n in choice.left_out
        ),
    ]
    log.renamed = {
        short(file.path): file.case
        for file in [*(real[n] for n in choice.real), *(generated[n] for n in choice.synthetic)]
        if file.path.stem != file.case
    }
    log.counts = {
        "original files found": len(found.real),
        "original files converted": len(choice.real),
        "synthetic files found": len(found.synthetic),
        "synthetic files converted": len(choice.synthetic),
    }
    return log


def _job(file: _File, part: Part, settings: FairSegSettings) -> CaseJob:
    rows, columns = settings.size or settings.crop or file.facts.shape
    load = NpzCase(
        file.path, file.facts.image_key, file.facts.mask_key, settings.crop, settings.size
    )
    key = fingerprint(
        load.image_key, load.mask_key, settings.crop, settings.size, file.facts.content
    )
    return CaseJob(file.case, part, load, key, 2 * rows * columns, short(file.path))


def _refuse_empty_masks(jobs: Sequence[CaseJob], settings: FairSegSettings) -> None:
    """Refuse masks without foreground: a release with such masks has been reported."""
    if not all_masks_empty(jobs, "labels"):
        return
    raise ConversionError(
        f"{settings.folder}: all {len(jobs)} masks hold nothing but 0, so there is nothing to "
        "learn. Expected -1 (rim) and -2 (cup). Converting the masks to unsigned numbers sets "
        "them to 0; download the original files again, or name the right array (--mask-key)."
    )


def _rows(release: _Release, choice: Choice) -> dict[str, dict[str, str]]:
    """Return the table's row of each case."""
    real, generated = release.real, release.generated
    cases = [
        *((real[n].case, release.people, "0", choice.real_weights.get(n, 1)) for n in choice.real),
        *((generated[n].case, release.made_up, "1", k) for n, k in choice.synthetic.items()),
    ]
    weighted = any(weight != 1 for *_, weight in cases)
    rows = {}
    for case, source, synthetic, weight in cases:
        row = {CASE: case, PATIENT: source.patients[case]}
        if choice.synthetic:
            row[SYNTHETIC] = synthetic
        if weighted:
            row[SAMPLING_WEIGHT] = str(weight)
        rows[case] = row | {name: source.values[case][name] for name in release.schema.attributes}
    return rows


def _description(settings: FairSegSettings) -> DatasetDescription:
    labels: Mapping[str, int | tuple[int, ...]] = {"background": 0, "rim": 1, "cup": 2}
    if settings.regions:
        labels = {"background": 0, "disc": (1, 2), "cup": (2,)}
    return DatasetDescription(
        settings.dataset_id,
        settings.name,
        ("fundus",),
        labels,
        ".png",
        regions_class_order=(1, 2) if settings.regions else None,
        licence="CC BY-NC-ND 4.0",
        reference="https://github.com/Harvard-Ophthalmology-AI-Lab/FairSeg",
        release="Harvard-FairSeg",
        description="Optic disc (rim, cup) in scanning laser ophthalmoscopy fundus images",
    )
