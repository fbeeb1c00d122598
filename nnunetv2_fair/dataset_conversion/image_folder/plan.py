"""Any dataset that is a folder of images or volumes, their masks and a table.

    FOLDER/images/*.png    FOLDER/masks/*.png    FOLDER/metadata.csv

:func:`plan_image_folder` reads and checks everything; nothing is written before it returns.
"""

import logging
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Literal

import pandas as pd

from nnunetv2_fair.dataset_conversion.image_folder.labels import decide_labels
from nnunetv2_fair.dataset_conversion.image_folder.layout import (
    Channel,
    Originals,
    channel_hint,
    find_originals,
    find_table,
    is_volume,
)
from nnunetv2_fair.dataset_conversion.image_folder.pairing import (
    NO_MASK,
    Pair,
    Pairing,
    pair_up,
)
from nnunetv2_fair.dataset_conversion.image_folder.volumes import (
    VolumeCase,
    dataset_ending,
    survey_volumes,
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
from nnunetv2_fair.errors import ConversionError, UsageError, counted, shorten, shorten_lines
from nnunetv2_fair.files.pool import map_unordered
from nnunetv2_fair.subgroups.schema import CASE, PATIENT, SYNTHETIC
from nnunetv2_fair.tables.case_names import guess_suffix
from nnunetv2_fair.tables.settings import TableSettings, explained

logger = logging.getLogger(__name__)


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
        mask_suffixes: What a mask's name has after its image's name; several are tried. None:
            nothing, or what is usual.
        patient_from_name: Expression whose first group finds the patient in an image's name.
        labels: Value of each label; empty: named after what the masks hold.
        rules: How mask values become labels.
        color: What to make of colour.
        channels: Names of the channels, and how files of each are called; empty: as the files say.
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
    mask_suffixes: tuple[str, ...] | None = None
    patient_from_name: str | None = None
    labels: Mapping[str, int] = field(default_factory=dict)
    rules: MaskRules = field(default_factory=MaskRules)
    color: Color = "grey"
    channels: tuple[Channel, ...] = ()
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
    """Find and match files, read the table, every image and mask, and choose the test part.

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
    found, table = _places(settings)
    names = [PurePosixPath(key).name for key in found.images]
    metadata = read_metadata(table, settings.table_settings, names)
    log = ConversionLog(settings.converter, _plain(settings), notes=list(metadata.notes))
    problems = [*found.problems, *metadata.problems]
    pairing = pair_up(
        found.images,
        found.masks,
        metadata,
        found.suffixes,
        pattern,
        found.place.name,
        settings.table_settings.key == "patient",
    )
    log.notes += [*found.notes, *(f"{table.name}: {note}" for note in pairing.notes)]
    problems += pairing.problems
    problems += _unpaired_problems(settings, pairing, metadata, found)
    varying = _varying(pairing.pairs, metadata)
    problems += [
        f"{metadata.path.name}: {what}. Correct these rows; leave the cell empty if it is unknown"
        for name, what in varying.items()
        if name in settings.fixed
    ]
    _log_unpaired(pairing, metadata, log)

    volumes = any(is_volume(path) for pair in pairing.pairs for path in pair.images)
    problems += _setting_problems(settings, found, volumes=volumes)
    ending = dataset_ending(_files(pairing)) if volumes else ".png"
    facts = _survey(pairing, settings, ending, processes) if not found.problems else {}
    problems += [problem for key in facts for problem in facts[key].problems]
    readable = [p for p in pairing.pairs if p.key in facts and not facts[p.key].problems]
    labels, label_problems, label_option = decide_labels(
        {pair.mask: facts[pair.key].values for pair in readable}, settings.rules, settings.labels
    )
    problems += label_problems
    cases = {pair.key: safe_case_name(pair.key) for pair in pairing.pairs}
    problems += case_name_problems(cases)
    if problems:
        options = " ".join(filter(None, (label_option, metadata.options)))
        advice = f"\nTo read the data so, add to the command: {options}" if options else ""
        raise ConversionError(
            f"{settings.folder} cannot be converted:\n{shorten_lines(problems, 30)}{advice}"
        )
    log.renamed = {key: case for key, case in cases.items() if key != case}
    if log.renamed:
        examples = shorten((f"'{old}' -> {new}" for old, new in log.renamed.items()), 3)
        logger.info("%d case names were made safe: %s", len(log.renamed), examples)
    log.counts = {
        "images found": len(found.images),
        "masks found": len(found.masks),
        "rows in the table": len(metadata.rows),
        "images converted": len(pairing.pairs),
        "patients converted": len({pair.patient for pair in pairing.pairs}),
    }
    log.notes += [what for name, what in varying.items() if name not in settings.fixed]
    for note in log.notes:
        logger.info("Note: %s", note)
    parts = _parts(pairing.pairs, metadata, settings)
    jobs = [
        _job(pair, cases[pair.key], parts[pair.key], facts[pair.key], settings, ending)
        for pair in pairing.pairs
    ]
    description = DatasetDescription(
        settings.dataset_id,
        settings.name,
        _channel_names(settings, found, volumes=volumes),
        labels,
        ending,
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
    if settings.images == settings.masks and "" in (settings.mask_suffixes or ()):
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


def _places(settings: ImageFolderSettings) -> tuple[Originals, Path]:
    """Return the files of images and masks, and the table; all that are absent are named."""
    if not settings.folder.is_dir():
        raise ConversionError(f"{settings.folder} does not exist or is not a folder (-i).")
    problems = []
    found, table = None, None
    try:
        found = find_originals(
            settings.folder,
            settings.images,
            settings.masks,
            settings.mask_suffixes,
            settings.channels,
        )
    except ConversionError as error:
        problems.append(str(error))
    try:
        table = find_table(settings.folder, settings.table)
    except ConversionError as error:
        problems.append(str(error))
    if found is None or table is None:
        raise ConversionError("\n".join(problems))
    return found, table


def _setting_problems(
    settings: ImageFolderSettings, found: Originals, *, volumes: bool
) -> list[str]:
    """Return the options that do not fit the files, in words."""
    problems = []
    several = any(len(paths) > 1 for paths in found.images.values())
    if settings.color == "rgb" and several:
        problems.append("--color rgb: channels in files of their own are grey")
    if volumes and settings.size is not None:
        problems.append("--resize is for pictures; nnU-Net resamples volumes itself")
    if volumes and settings.color != "grey":
        problems.append(f"--color {settings.color} is for pictures; volumes have channels")
    return problems


def _channel_names(
    settings: ImageFolderSettings, found: Originals, *, volumes: bool
) -> tuple[str, ...]:
    if settings.color == "rgb":
        return "R", "G", "B"
    return tuple(found.channels) or (("image",) if volumes else ("grey",))


def _unpaired_problems(
    settings: ImageFolderSettings, pairing: Pairing, metadata: Metadata, found: Originals
) -> list[str]:
    hint = ""
    if not found.images:
        return []  # said where they were looked for
    without = pairing.unpaired.get(NO_MASK, [])
    if not pairing.pairs and len(without) == len(found.images):
        suffix = guess_suffix(found.images, found.masks)
        if suffix:
            hint = f". The masks' names seem to end in '{suffix}': "
            hint += (
                f"--suffix-mask {suffix}"
                if settings.mask_suffixes is None or len(settings.mask_suffixes) == 1
                else f"rename them to end in '{settings.mask_suffixes[-1]}'"
            )
        else:
            bases = {
                key[: len(key) - len(s)] for key in found.masks for s in found.suffixes
                if s and key.endswith(s)
            } | set(found.masks)  # fmt: skip
            hint = channel_hint(found.images, bases)
    if settings.unpaired == "skip":
        if pairing.pairs:
            return []
        return [f"{settings.folder}: no image has both a mask and a row of the table{hint}"]
    problems = []
    rule = _mask_rule(found)
    for reason, items in pairing.unpaired.items():
        remedy = (
            f"{rule}. Add the files to {found.masks_place.name}"
            if reason == NO_MASK
            else f"Correct the names or {metadata.path.name}"
        )
        extra = hint if reason == NO_MASK else ""
        problems.append(
            f"{reason}: {shorten((item for item, _ in items), 8)}{extra}. {remedy}, or leave such "
            "items out with --unpaired skip"
        )
    return problems


def _mask_rule(found: Originals) -> str:
    """Return what masks are called, in words."""
    key, paths = next(iter(found.images.items()))
    name = PurePosixPath(key).name
    if paths[0].parent.name == name and found.place == found.masks_place:
        return "In a folder per case the mask is called mask or seg, or ends in _mask, _seg"
    ends = [suffix for suffix in found.suffixes if suffix]
    alike = "" in found.suffixes
    told = f"The mask of {name} is called {name}" if alike else f"The mask of {name} is called"
    if ends:
        examples = ends[:1] + ends[3:4] if len(ends) > 3 else ends
        told += f"{' or ' if alike else ' '}{', '.join(name + end for end in examples)}"
        told += " and the like (other ends: --suffix-mask)" if len(ends) > len(examples) else ""
    return told


def _log_unpaired(pairing: Pairing, metadata: Metadata, log: ConversionLog) -> None:
    for reason, found in pairing.unpaired.items():
        log.skipped += [Skipped(item, reason, metadata.groups_of(row)) for item, row in found]


def _survey(
    pairing: Pairing, settings: ImageFolderSettings, ending: str, processes: int
) -> dict[str, PairFacts]:
    cases = {_original_case(pair, settings, ending): pair.key for pair in pairing.pairs}
    found = dict(map_unordered(_survey_case, list(cases), processes, "checking"))
    return {key: found[case] for case, key in cases.items()}


def _survey_case(case: PictureCase | VolumeCase) -> PairFacts:
    return survey_volumes(case) if isinstance(case, VolumeCase) else survey_pair(case)


def _original_case(
    pair: Pair, settings: ImageFolderSettings, ending: str
) -> PictureCase | VolumeCase:
    if is_volume(pair.images[0]):
        return VolumeCase(pair.images, pair.mask, ending, settings.rules)
    return PictureCase(pair.images, pair.mask, settings.color, settings.size, settings.rules)


def _files(pairing: Pairing) -> list[Path]:
    return [path for pair in pairing.pairs for path in (*pair.images, pair.mask)]


def _job(
    pair: Pair,
    case: str,
    part: Literal["train", "test"],
    facts: PairFacts,
    settings: ImageFolderSettings,
    ending: str,
) -> CaseJob:
    choices = (settings.color, settings.size, settings.rules, facts.content)
    load = _original_case(pair, settings, ending)
    if isinstance(load, VolumeCase):
        load = replace(load, copies=facts.copies)
    image = pair.images[0]
    return CaseJob(
        case,
        part,
        load,
        fingerprint(*choices),
        facts.n_bytes,
        f"{image.parent.name}/{image.name}",
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
                f"{counted(len(varying), 'patient')}: {shorten(sorted(varying))}"
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
