"""Any 2D dataset that is a folder of images, a folder of masks and a table.

    FOLDER/images/*.png    FOLDER/masks/*.png    FOLDER/metadata.csv

:func:`plan_image_folder` reads and checks everything; nothing is written before it returns.
"""

import logging
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import pandas as pd

from nnunetv2_fair.dataset_conversion.image_folder.labels import decide_labels
from nnunetv2_fair.dataset_conversion.image_folder.pairing import (
    NO_MASK,
    Pair,
    Pairing,
    find_pictures,
    pair_up,
)
from nnunetv2_fair.dataset_conversion.shared.holdout import choose_test_patients
from nnunetv2_fair.dataset_conversion.shared.metadata import Metadata, read_metadata
from nnunetv2_fair.dataset_conversion.shared.pictures import (
    Color,
    MaskRules,
    PairFacts,
    PictureCase,
    survey_pair,
)
from nnunetv2_fair.dataset_conversion.writing.case_files import CaseJob, fingerprint
from nnunetv2_fair.dataset_conversion.writing.dataset_plan import DatasetDescription, DatasetPlan
from nnunetv2_fair.dataset_conversion.writing.log import ConversionLog, Skipped
from nnunetv2_fair.dataset_conversion.writing.safe_names import case_name_problems, safe_case_name
from nnunetv2_fair.errors import ConversionError, UsageError, shorten, shorten_lines
from nnunetv2_fair.files.pool import map_unordered
from nnunetv2_fair.subgroups.schema import CASE, PATIENT, SYNTHETIC
from nnunetv2_fair.tables.case_names import guess_suffix
from nnunetv2_fair.tables.settings import TableSettings, explained

logger = logging.getLogger(__name__)

_TABLES = ("metadata.csv", "metadata.tsv", "metadata.xlsx")


@dataclass(frozen=True)
class ImageFolderSettings:
    """What to convert, and how.

    Attributes:
        folder: Holds the two subfolders and the table.
        dataset_id: 1 to 999.
        name: Follows ``DatasetXXX_``.
        images: Names the subfolder of images may have; the first that exists is taken.
        masks: The same for masks.
        table: Table file, relative to ``folder`` or absolute; None: ``metadata.csv``, .tsv, .xlsx.
        table_settings: How the table is read.
        mask_suffixes: What a mask's name has after its image's name; several are tried.
        patient_from_name: Expression whose first group finds the patient in an image's name.
        labels: Value of each label; empty: named after what the masks hold.
        rules: How mask values become labels.
        color: What to make of colour.
        channel_name: Name of the grey channel.
        size: (rows, columns) of all images; None keeps each one's own size.
        test_ratio: Share of patients for the test part, unless the table says.
        seed: Seed of the choice of test patients.
        fixed: Attributes that cannot differ between images of a patient; others may, with a note.
        unpaired: ``error`` refuses images without mask or row and vice versa, ``skip`` leaves
            them out and lists them.
        licence: Terms of the data.
        reference: Where they come from.
        release: Their version.
        description: One sentence.
        converter: Command that is used, for the log.
    """

    folder: Path
    dataset_id: int
    name: str
    images: tuple[str, ...] = ("images",)
    masks: tuple[str, ...] = ("masks",)
    table: Path | None = None
    table_settings: TableSettings = field(default_factory=lambda: TableSettings(key="image"))
    mask_suffixes: tuple[str, ...] = ("",)
    patient_from_name: str | None = None
    labels: Mapping[str, int] = field(default_factory=dict)
    rules: MaskRules = field(default_factory=MaskRules)
    color: Color = "grey"
    channel_name: str = "grey"
    size: tuple[int, int] | None = None
    test_ratio: float = 0.2
    seed: int = 0
    fixed: tuple[str, ...] = ()
    unpaired: Literal["error", "skip"] = "error"
    licence: str = "unknown"
    reference: str = ""
    release: str = ""
    description: str = ""
    converter: str = "nnUNetv2_fair_convert_image_folder"


def plan_image_folder(settings: ImageFolderSettings, processes: int = 1) -> DatasetPlan:
    """Read the table, match files, read every image and mask, choose the test part.

    Args:
        settings: What to convert, and how.
        processes: How many processes read images.

    Returns:
        What :func:`~nnunetv2_fair.dataset_conversion.writing.writer.write_dataset` needs.

    Raises:
        UsageError: If the settings contradict each other.
        ConversionError: If anything is wrong with the data. Problems that can be found together are
            listed together.
    """
    pattern = _checked_pattern(settings)
    images_folder, masks_folder, table = _places(settings)
    metadata = read_metadata(table, settings.table_settings)
    log = ConversionLog(settings.converter, _plain(settings), notes=list(metadata.notes))
    problems = list(metadata.problems)

    images, image_problems = find_pictures(images_folder)
    masks, mask_problems = find_pictures(masks_folder)
    problems += image_problems + (mask_problems if masks_folder != images_folder else [])
    if masks_folder == images_folder:
        masks = _those_with_suffix(masks, settings.mask_suffixes)
        images = {key: path for key, path in images.items() if key not in masks}
    pairing = pair_up(
        images,
        masks,
        metadata,
        settings.mask_suffixes,
        pattern,
        images_folder.name,
        settings.table_settings.key == "patient",
    )
    problems += pairing.problems
    problems += _unpaired_problems(settings, pairing, metadata, images, masks, masks_folder.name)
    varying = _varying(pairing.pairs, metadata)
    problems += [
        f"{metadata.path.name}: {what}. Correct these rows; leave the cell empty if it is unknown"
        for name, what in varying.items()
        if name in settings.fixed
    ]
    _log_unpaired(pairing, metadata, log)

    facts = _survey(pairing, settings, processes)
    problems += [problem for pair in pairing.pairs for problem in facts[pair.key].problems]
    readable = [pair for pair in pairing.pairs if not facts[pair.key].problems]
    labels, label_problems = decide_labels(
        {pair.mask: facts[pair.key].values for pair in readable}, settings.rules, settings.labels
    )
    problems += label_problems
    cases = {pair.key: safe_case_name(pair.key) for pair in pairing.pairs}
    problems += case_name_problems(cases)
    if problems:
        advice = f"\n{metadata.advice}" if metadata.advice else ""
        raise ConversionError(
            f"{settings.folder} cannot be converted:\n{shorten_lines(problems, 30)}{advice}"
        )
    log.renamed = {key: case for key, case in cases.items() if key != case}
    if log.renamed:
        examples = shorten((f"'{old}' -> {new}" for old, new in log.renamed.items()), 3)
        logger.info("%d case names were made safe: %s", len(log.renamed), examples)
    log.counts = {
        "images found": len(images),
        "masks found": len(masks),
        "rows in the table": len(metadata.rows),
        "images converted": len(pairing.pairs),
        "patients converted": len({pair.patient for pair in pairing.pairs}),
    }
    log.notes += [what for name, what in varying.items() if name not in settings.fixed]
    for note in log.notes:
        logger.info("Note: %s", note)
    parts = _parts(pairing.pairs, metadata, settings)
    jobs = [
        _job(pair, cases[pair.key], parts[pair.key], facts[pair.key], settings)
        for pair in pairing.pairs
    ]
    rgb = settings.color == "rgb"
    description = DatasetDescription(
        settings.dataset_id,
        settings.name,
        ("R", "G", "B") if rgb else (settings.channel_name,),
        labels,
        ".png",
        licence=settings.licence,
        reference=settings.reference,
        release=settings.release,
        description=settings.description,
    )
    frame = _demographics(pairing.pairs, cases, metadata)
    return DatasetPlan(description, jobs, frame, metadata.schema, log)


def _checked_pattern(settings: ImageFolderSettings) -> re.Pattern[str] | None:
    if settings.rules.label_map and settings.rules.threshold is not None:
        raise UsageError("--label-map and --threshold exclude each other; choose one.")
    if not 0 <= settings.test_ratio < 1:
        raise UsageError(f"--test-ratio {settings.test_ratio:g}: expected 0 or more, below 1.")
    if settings.size is not None and min(settings.size) < 1:
        raise UsageError(f"--resize {settings.size[0]} {settings.size[1]}: expected 1 or more.")
    if settings.images == settings.masks and "" in settings.mask_suffixes:
        raise UsageError(
            "Images and masks are in the same folder, so masks need names of their own: "
            "--suffix-mask _mask"
        )
    if settings.patient_from_name is None:
        return None
    try:
        pattern = re.compile(settings.patient_from_name)
    except re.error as error:
        raise UsageError(
            f"--patient-from-name '{settings.patient_from_name}' is not a regular expression: "
            f"{error}."
        ) from error
    if pattern.groups < 1:
        raise UsageError(
            f"--patient-from-name '{settings.patient_from_name}' needs parentheses around the "
            "patient, such as '^([^_]+)_'."
        )
    return pattern


def _places(settings: ImageFolderSettings) -> tuple[Path, Path, Path]:
    """Return the folders of images and masks, and the table; all that are absent are named."""
    if not settings.folder.is_dir():
        raise ConversionError(f"{settings.folder} does not exist or is not a folder (-i).")
    found, problems = [], []
    for find in (
        lambda: _subfolder(settings.folder, settings.images, "--images"),
        lambda: _subfolder(settings.folder, settings.masks, "--masks"),
        lambda: _table(settings),
    ):
        try:
            found.append(find())
        except ConversionError as error:
            problems.append(str(error))
    if problems:
        raise ConversionError("\n".join(problems))
    images_folder, masks_folder, table = found
    return images_folder, masks_folder, table


def _subfolder(folder: Path, names: tuple[str, ...], flag: str) -> Path:
    for name in names:
        if (folder / name).is_dir():
            return folder / name
    present = sorted(p.name for p in folder.iterdir() if p.is_dir() and p.name[0] != ".")
    wanted = " or ".join(f"'{name}'" for name in names)
    # a preset knows several names, and has no flag for others
    remedy = f"Name the right one with {flag}" if len(names) == 1 else "Rename the right one"
    raise ConversionError(
        f"{folder} has no folder {wanted}. Folders found: {shorten(present, 12) or 'none'}. "
        f"{remedy}."
    )


def _table(settings: ImageFolderSettings) -> Path:
    if settings.table is not None:
        given = settings.folder / settings.table
        return given if given.exists() or not settings.table.exists() else settings.table
    found = [settings.folder / name for name in _TABLES if (settings.folder / name).is_file()]
    if len(found) == 1:
        return found[0]
    others = sorted(p.name for p in settings.folder.iterdir() if p.is_file())
    what = "has no table" if not found else "has several tables"
    raise ConversionError(
        f"{settings.folder} {what} ({', '.join(_TABLES)}). Files found: "
        f"{shorten(others, 8) or 'none'}. Name the right one with --table."
    )


def _those_with_suffix(masks: Mapping[str, Path], suffixes: tuple[str, ...]) -> dict[str, Path]:
    return {key: path for key, path in masks.items() if key.endswith(suffixes)}


def _unpaired_problems(
    settings: ImageFolderSettings,
    pairing: Pairing,
    metadata: Metadata,
    images: Mapping[str, Path],
    masks: Mapping[str, Path],
    masks_name: str,
) -> list[str]:
    hint = ""
    if not pairing.pairs and len(pairing.unpaired.get(NO_MASK, [])) == len(images):
        suffix = guess_suffix(images, masks)
        if suffix:
            hint = f". The masks' names seem to end in '{suffix}': "
            hint += (
                f"--suffix-mask {suffix}"
                if len(settings.mask_suffixes) == 1
                else f"rename them to end in '{settings.mask_suffixes[-1]}'"
            )
    if not images:
        return [f"{settings.folder} has no images in its folder {settings.images[0]}"]
    if settings.unpaired == "skip":
        if pairing.pairs:
            return []
        return [f"{settings.folder}: no image has both a mask and a row of the table{hint}"]
    problems = []
    for reason, found in pairing.unpaired.items():
        remedy = (
            f"Add the files to {masks_name}"
            if reason == NO_MASK
            else f"Correct the names or {metadata.path.name}"
        )
        extra = hint if reason == NO_MASK else ""
        problems.append(
            f"{reason}: {shorten((item for item, _ in found), 8)}{extra}. {remedy}, or leave such "
            "items out with --unpaired skip"
        )
    return problems


def _log_unpaired(pairing: Pairing, metadata: Metadata, log: ConversionLog) -> None:
    for reason, found in pairing.unpaired.items():
        log.skipped += [Skipped(item, reason, metadata.groups_of(row)) for item, row in found]


def _survey(
    pairing: Pairing, settings: ImageFolderSettings, processes: int
) -> dict[str, PairFacts]:
    cases = {_picture_case(pair, settings): pair.key for pair in pairing.pairs}
    found = map_unordered(survey_pair, list(cases), processes, "checking")
    return {cases[case]: facts for case, facts in found}


def _picture_case(pair: Pair, settings: ImageFolderSettings) -> PictureCase:
    return PictureCase(pair.image, pair.mask, settings.color, settings.size, settings.rules)


def _job(
    pair: Pair,
    case: str,
    part: Literal["train", "test"],
    facts: PairFacts,
    settings: ImageFolderSettings,
) -> CaseJob:
    rows, columns = settings.size or facts.shape
    choices = (settings.color, settings.size, settings.rules, facts.content)
    return CaseJob(
        case,
        part,
        _picture_case(pair, settings),
        fingerprint(*choices),
        rows * columns * (facts.n_bytes + 1),
        f"{pair.image.parent.name}/{pair.image.name}",
    )


def _parts(
    pairs: list[Pair], metadata: Metadata, settings: ImageFolderSettings
) -> dict[str, Literal["train", "test"]]:
    """Return the part of each image: as the table says, else by patient."""
    named = {pair.key: pair.row.part for pair in pairs}
    if any(part is not None for part in named.values()):
        return {key: part or "train" for key, part in named.items()}
    default = metadata.schema.default
    attributes = [a for a in metadata.schema.attributes.values() if a.groups]
    attributes.sort(key=lambda attribute: attribute.name != default)
    synthetic = {pair.patient for pair in pairs if pair.row.synthetic == "1"}
    strata: dict[str, tuple[str, ...]] = {}
    for pair in pairs:
        if pair.patient not in synthetic:  # synthetic images are for training only
            values = (a.group_of(pair.row.values[a.name]) or "" for a in attributes)
            strata.setdefault(pair.patient, tuple(values))
    chosen = choose_test_patients(strata, settings.test_ratio, settings.seed)
    return {pair.key: "test" if pair.patient in chosen else "train" for pair in pairs}


def _varying(pairs: list[Pair], metadata: Metadata) -> dict[str, str]:
    """Return a sentence for each attribute that differs between images of the same patient."""
    sentences = {}
    for attribute in metadata.schema.attributes.values():
        if attribute.type != "categorical":
            continue
        levels: dict[str, set[str]] = {}
        for pair in pairs:
            levels.setdefault(pair.patient, set()).add(pair.row.values[attribute.name])
        varying = [patient for patient, found in levels.items() if len(found - {""}) > 1]
        if varying:
            sentences[attribute.name] = (
                f"'{attribute.name}' differs between images of the same patient for "
                f"{len(varying)} patients: {shorten(sorted(varying))}"
            )
    return sentences


def _demographics(pairs: list[Pair], cases: Mapping[str, str], metadata: Metadata) -> pd.DataFrame:
    columns: dict[str, list[str]] = {
        CASE: [cases[pair.key] for pair in pairs],
        PATIENT: [pair.patient for pair in pairs],
    }
    if metadata.has_synthetic:
        columns[SYNTHETIC] = [pair.row.synthetic for pair in pairs]
    for name in metadata.schema.attributes:
        columns[name] = [pair.row.values[name] for pair in pairs]
    return pd.DataFrame(columns, dtype=object)


def _plain(settings: ImageFolderSettings) -> dict[str, object]:
    """Return what was chosen as JSON can hold it, without paths of this machine."""
    content = asdict(settings)
    del content["table_settings"]
    content |= content.pop("rules") | explained(settings.table_settings)
    content["folder"] = settings.folder.absolute().name
    content["table"] = None if settings.table is None else settings.table.name
    del content["converter"]
    return {name: value for name, value in content.items() if value not in (None, "", (), {})}
