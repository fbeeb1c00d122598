"""MAMA-MIA: breast tumours in dynamic contrast-enhanced MRI, with clinical data.

:func:`plan_mama_mia` reads tables, headers and masks and checks them; nothing is written before it
returns. The images themselves are checked when they are written.

Source: L. Garrucho et al., A large-scale multicenter breast cancer DCE-MRI benchmark dataset with
expert segmentations, Scientific Data 2025; https://doi.org/10.7303/syn60868042.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

import pandas as pd

from nnunetv2_fair.cropping.boxes import BREAST_BOXES_JSON, boxes_text
from nnunetv2_fair.dataset_conversion.mama_mia.codes import COLUMNS
from nnunetv2_fair.dataset_conversion.mama_mia.files import Download, find_download
from nnunetv2_fair.dataset_conversion.mama_mia.table import (
    Clinical,
    read_clinical,
    read_official_parts,
)
from nnunetv2_fair.dataset_conversion.mama_mia.volumes import (
    EXPERT,
    BreastCase,
    BreastFacts,
    BreastQuestion,
    survey_case,
)
from nnunetv2_fair.dataset_conversion.shared.holdout import choose_test_patients
from nnunetv2_fair.dataset_conversion.writing.case_files import CaseJob, fingerprint
from nnunetv2_fair.dataset_conversion.writing.dataset_plan import DatasetDescription, DatasetPlan
from nnunetv2_fair.dataset_conversion.writing.log import ConversionLog, Skipped
from nnunetv2_fair.errors import ConversionError, UsageError, counted, shorten, shorten_lines
from nnunetv2_fair.files.pool import map_unordered
from nnunetv2_fair.subgroups.schema import CASE, PATIENT
from nnunetv2_fair.tables.settings import TableSettings, explained

logger = logging.getLogger(__name__)

_LICENCE = (
    "CC BY-NC 4.0 (images of ISPY1 and NACT: CC BY 3.0, ISPY2: CC BY 4.0, Duke: CC BY-NC 4.0)"
)
#: The phase on which the tumour was outlined: the first after contrast.
_OUTLINED = 1
_Part = Literal["train", "test"]
_LABELS_FROM = {
    "labels_from": {"training": "segmentations/automatic", "test": "segmentations/expert"}
}


@dataclass(frozen=True)
class MamaMiaSettings:
    """What to convert, and how.

    Attributes:
        folder: The download.
        dataset_id: 1 to 999.
        name: Follows ``DatasetXXX_``.
        phases: Phase of each channel: 0 before contrast, 1 first after it, and so on.
        isotropic: Go to RAS orientation and 1 mm, as the FairMedSeg paper.
        pooled_zscore: Normalise by mean and deviation over all phases, as the authors recommend.
        test_ratio: Share of patients to draw for the test part; None takes the official lists.
        seed: Seed of that choice.
        unpaired: ``error`` refuses patients who lack a file or a row, ``skip`` leaves them out and
            counts them by group.
        reading: What the user says about the tables, besides what is known of MAMA-MIA's.
        labels: Whose masks are the labels of training cases; those of test cases are the experts'.
    """

    folder: Path
    dataset_id: int
    name: str = "MAMA_MIA"
    phases: tuple[int, ...] = (0, 1, 2)
    isotropic: bool = False
    pooled_zscore: bool = False
    test_ratio: float | None = None
    seed: int = 0
    unpaired: Literal["error", "skip"] = "error"
    reading: TableSettings = field(default_factory=TableSettings)
    labels: Literal["expert", "automated"] = "expert"


def plan_mama_mia(settings: MamaMiaSettings, processes: int = 1) -> DatasetPlan:
    """Find files, read tables, headers and masks, and decide who is in which part.

    Args:
        settings: What to convert, and how.
        processes: How many processes read headers and masks.

    Returns:
        What :func:`~nnunetv2_fair.dataset_conversion.writing.writer.write_dataset` needs.

    Raises:
        UsageError: If the settings make no sense.
        ConversionError: If anything is wrong with the data, all of it at once.
    """
    _check_settings(settings)
    download = find_download(settings.folder)
    clinical, official, problems = _tables(settings, download)
    log = ConversionLog("nnUNetv2_fair_convert_MAMA_MIA", _plain(settings))
    problems += [*download.problems, *clinical.problems]

    cases, unpaired, absent = _match(settings, download, clinical, official)
    parts = official or (_own_parts(settings, list(cases), clinical) if cases else {})
    if settings.labels == "automated":
        cases, without = _swapped(cases, parts)
        unpaired |= {"no automatic mask to train on": without} if without else {}
    problems += _unpaired_problems(settings, unpaired, cases)
    for reason, patients in {**unpaired, **absent}.items():
        log.skipped += [Skipped(p, reason, clinical.groups_of(p)) for p in patients]
    facts = _survey(cases, clinical, processes)
    problems += [f"{p}: {text}" for p in cases for text in facts[p].problems]
    if cases and not problems and not any(facts[patient].has_label for patient in cases):
        problems.append(
            f"all {len(cases)} expert masks hold nothing but 0: there is nothing to learn. "
            "Download segmentations/expert again"
        )
    if problems:
        raise ConversionError(
            f"{settings.folder} cannot be converted:\n{shorten_lines(problems, 30)}"
            f"{clinical.remedy.last_line}"
        )

    log.notes += [*clinical.notes, *_notes(settings, download, cases, facts, clinical)]
    for note in log.notes:
        logger.info("Note: %s", note)
    log.counts = {
        "patients with images": len(download.phases),
        "patients in the table": len(clinical.values),
        "expert masks": len(download.experts),
        "automatic masks": len(download.automatic),
        "patients converted": len(cases),
    }
    jobs = [_job(patient, parts[patient], cases[patient], facts[patient]) for patient in cases]
    boxes = {p: (box, facts[p].shape) for p in cases if (box := facts[p].box) is not None}
    schema = clinical.schema(cases)
    frame = pd.DataFrame(
        {
            CASE: list(cases),
            PATIENT: list(cases),
            **{name: [clinical.values[p][name] for p in cases] for name in schema.attributes},
        },
        dtype=object,
    )
    return DatasetPlan(
        _description(settings),
        jobs,
        frame,
        schema,
        log,
        tuple(sorted({name for case in cases.values() for name in case.masks} - {"labels"})),
        {BREAST_BOXES_JSON: boxes_text(boxes)} if boxes else {},
    )


def _check_settings(settings: MamaMiaSettings) -> None:
    phases = settings.phases
    if not phases or min(phases) < 0 or len(set(phases)) != len(phases):
        raise UsageError(
            f"--phases {','.join(map(str, phases))}: expected different numbers from 0 on (0 is "
            "before contrast), such as 0,1,2."
        )
    if settings.test_ratio is not None and not 0 <= settings.test_ratio < 1:
        raise UsageError(f"--test-ratio {settings.test_ratio:g}: expected 0 or more, below 1.")


def _plain(settings: MamaMiaSettings) -> dict[str, object]:
    content = asdict(settings)
    content["folder"] = settings.folder.absolute().name
    del content["reading"]
    content |= {n: value for n, value in explained(settings.reading).items() if n != "key"}
    return {name: value for name, value in content.items() if value is not None}


def _description(settings: MamaMiaSettings) -> DatasetDescription:
    phases = ", ".join(map(str, settings.phases))
    # nnU-Net would undo the pooled normalisation by one per channel, unless a channel says no
    names = ["noNorm" if settings.pooled_zscore else f"DCE_phase_{p}" for p in settings.phases]
    return DatasetDescription(
        settings.dataset_id,
        settings.name,
        tuple(names),
        {"background": 0, "tumour": 1},
        ".nii.gz",
        licence=_LICENCE,
        reference="https://doi.org/10.7303/syn60868042",
        release="Synapse syn60868042",
        description=(
            "MAMA-MIA: primary breast tumours in DCE-MRI; the channels are the phases "
            f"{phases} (0: before contrast)"
        ),
        further=_LABELS_FROM if settings.labels == "automated" else {},
    )


def _tables(
    settings: MamaMiaSettings, download: Download
) -> tuple[Clinical, dict[str, _Part], list[str]]:
    """Return table and official parts; unreadable ones are added to the problems."""
    problems = []
    try:
        clinical = read_clinical(download.table, download.infos, settings.reading)
    except ConversionError as error:
        problems.append(str(error))
        # the table's patients are not known, so nobody is reported as lacking a row
        clinical = Clinical({patient: dict.fromkeys(COLUMNS, "") for patient in download.phases})
    official: dict[str, _Part] = {}
    try:
        official = _official_parts(settings, download)
    except ConversionError as error:
        problems.append(str(error))
    return clinical, official, problems


def _official_parts(settings: MamaMiaSettings, download: Download) -> dict[str, _Part]:
    """Return the official part of every patient; empty if the user wants a choice of their own."""
    if settings.test_ratio is not None:
        return {}
    if download.splits is None:
        raise ConversionError(
            f"{settings.folder} has no train_test_splits.csv with the official parts. Download it, "
            "or draw your own test part: --test-ratio 0.2"
        )
    return read_official_parts(download.splits)


def _match(
    settings: MamaMiaSettings,
    download: Download,
    clinical: Clinical,
    official: Mapping[str, _Part],
) -> tuple[dict[str, BreastCase], dict[str, list[str]], dict[str, list[str]]]:
    """Return the complete cases, patients who lack something, and those without a phase."""
    cases: dict[str, BreastCase] = {}
    unpaired: dict[str, list[str]] = {}
    absent: dict[str, list[str]] = {}
    known = {*download.phases, *download.experts, *clinical.values, *official}
    for patient in sorted(known):
        phases = download.phases.get(patient, {})
        n_phases = clinical.n_phases.get(patient, len(phases))
        missing = [p for p in settings.phases if p not in phases]
        needed = range(n_phases) if settings.pooled_zscore else missing
        lost = [p for p in needed if p not in phases and p < n_phases]
        if not phases:
            unpaired.setdefault("no image", []).append(patient)
        elif patient not in clinical.values:
            unpaired.setdefault("no row in the table", []).append(patient)
        elif patient not in download.experts:
            unpaired.setdefault("no expert mask", []).append(patient)
        elif official and patient not in official:
            unpaired.setdefault("in none of the official lists", []).append(patient)
        elif lost:
            unpaired.setdefault("a phase that the table counts is not there", []).append(patient)
        elif missing:
            absent.setdefault(f"the examination has no phase {missing[0]}", []).append(patient)
        else:
            cases[patient] = BreastCase(
                tuple(phases[p] for p in settings.phases),
                download.experts[patient],
                download.automatic.get(patient),
                tuple(phases[p] for p in sorted(phases)) if settings.pooled_zscore else (),
                settings.isotropic,
            )
    return cases, unpaired, absent


def _swapped(
    cases: Mapping[str, BreastCase], parts: Mapping[str, _Part]
) -> tuple[dict[str, BreastCase], list[str]]:
    """Return the cases with automatic labels in training, and training cases that have none.

    Parts are decided before, so that the test part is that of the experts' dataset.
    """
    without = [p for p, case in cases.items() if parts[p] == "train" and case.automatic is None]
    kept = {
        patient: replace(case, swapped=parts[patient] == "train")
        for patient, case in cases.items()
        if patient not in without
    }
    return kept, without


def _unpaired_problems(
    settings: MamaMiaSettings, unpaired: Mapping[str, Sequence[str]], cases: Mapping[str, object]
) -> list[str]:
    if settings.unpaired == "skip" or not unpaired:
        return [] if cases else ["no patient has images, an expert mask and a row of the table"]
    return [
        f"{counted(len(patients), 'patient')}, {reason}: {shorten(patients, 8)}. Complete the "
        "download, or leave such patients out with --unpaired skip"
        for reason, patients in unpaired.items()
    ]


def _survey(
    cases: Mapping[str, BreastCase], clinical: Clinical, processes: int
) -> dict[str, BreastFacts]:
    questions = {BreastQuestion(case, clinical.boxes.get(p)): p for p, case in cases.items()}
    found = map_unordered(survey_case, list(questions), processes, "checking")
    return {questions[question]: facts for question, facts in found}


def _notes(
    settings: MamaMiaSettings,
    download: Download,
    cases: Mapping[str, BreastCase],
    facts: Mapping[str, BreastFacts],
    clinical: Clinical,
) -> list[str]:
    notes = []
    if settings.labels == "automated":
        notes.append(
            "training labels are the automatic masks, test labels those of the experts; the "
            f"experts' masks of training cases are in {EXPERT}Tr"
        )
    if _OUTLINED not in settings.phases:
        notes.append("the tumours were outlined on phase 1, which is not among the channels")
    if download.strays:
        notes.append(f"{download.strays} files that are not volumes were ignored")
    without = [p for p, case in cases.items() if case.automatic is None]
    if download.automatic and without:
        notes.append(
            f"{counted(len(without), 'patient has', 'patients have')} no automatic mask: "
            f"{shorten(without)}"
        )
    if clinical.boxes:
        boxless = [p for p in cases if facts[p].box is None]
        cut = [p for p in cases if facts[p].outside]
        if boxless:
            notes.append(
                f"{counted(len(boxless), 'patient has', 'patients have')} no breast box: "
                f"{shorten(boxless)}"
            )
        if cut:
            notes.append(
                f"the breast box leaves out part of the expert mask in {len(cut)} of "
                f"{len(cases) - len(boxless)} patients: {shorten(cut)}; masking predictions with "
                "it removes that part"
            )
    return notes


def _own_parts(
    settings: MamaMiaSettings, patients: Sequence[str], clinical: Clinical
) -> dict[str, _Part]:
    strata = {patient: tuple(clinical.groups_of(patient).values()) for patient in patients}
    chosen = choose_test_patients(strata, settings.test_ratio or 0.0, settings.seed)
    return {patient: "test" if patient in chosen else "train" for patient in patients}


def _job(patient: str, part: _Part, case: BreastCase, facts: BreastFacts) -> CaseJob:
    phases = tuple(path.name for path in case.phases)
    settings = (phases, bool(case.pooled), case.isotropic, case.swapped)
    return CaseJob(
        patient,
        part,
        case,
        fingerprint(*settings, files=case.files),
        facts.n_bytes,
        f"{case.phases[0].parent.name}",
    )
