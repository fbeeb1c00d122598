"""Finding the parts of a MAMA-MIA download, whose letter case differs between releases.

Source: the figure of LidiaGarrucho/MAMA-MIA's README (upper case throughout), and participants'
listings of the challenge's release (upper-case folders with lower-case files).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from nnunetv2_fair.errors import ConversionError, shorten

_PHASE = re.compile(r"(?P<patient>.+)_(?P<phase>\d{4})\.nii\.gz", re.IGNORECASE)
_MASK = re.compile(r"(?P<patient>.+)\.nii\.gz", re.IGNORECASE)
_INFO = re.compile(r"(?P<patient>.+)\.json", re.IGNORECASE)

_IMAGES = "images"
_MASKS = "segmentations"
_INFOS = "patient_info_files"
_TABLES = ("clinical_and_imaging_info.xlsx", "clinical_and_imaging_info.csv")
_SPLITS = "train_test_splits.csv"


@dataclass(frozen=True)
class Download:
    """What a download holds; patients by their name in upper case.

    Attributes:
        phases: Files of each patient by number: 0 before contrast, 1 first after it, and so on.
        experts: Masks drawn by experts.
        automatic: Automatic masks.
        infos: Json files with clinical data and breast box.
        table: The Excel table; None if there is none.
        splits: The official lists; None if there are none.
        strays: Number of files ignored, such as Synapse's manifests.
        problems: What is wrong, in words.
    """

    phases: dict[str, dict[int, Path]]
    experts: dict[str, Path]
    automatic: dict[str, Path]
    infos: dict[str, Path]
    table: Path | None
    splits: Path | None
    strays: int = 0
    problems: list[str] = field(default_factory=list)


def find_download(folder: Path) -> Download:
    """Find everything that belongs to MAMA-MIA in a folder.

    Raises:
        ConversionError: If this is not the folder: what was looked for, and what was found.
    """
    if not folder.is_dir():
        raise ConversionError(f"{folder} does not exist or is not a folder (-i).")
    images, masks = _entry(folder, _IMAGES), _entry(folder, _MASKS)
    expert = _entry(masks, "expert") if masks is not None else None
    automatic = _entry(masks, "automatic") if masks is not None else None
    infos = _entry(folder, _INFOS)
    table = next((t for name in _TABLES if (t := _entry(folder, name)) is not None), None)
    absent = [
        name
        for name, found in (
            (f"folder {_IMAGES}", images),
            (f"folder {_MASKS}/expert", expert),
            (f"table {_TABLES[0]} or folder {_INFOS}", table or infos),
        )
        if found is None
    ]
    if images is None or expert is None or absent:
        raise ConversionError(f"{folder} is not a MAMA-MIA download: {_absent(folder, absent)}")
    phases, strays, problems = _find_phases(images)
    experts, more_strays = _by_patient(expert, _MASK, problems)
    strays += more_strays
    masks_found, more_strays = (
        _by_patient(automatic, _MASK, problems) if automatic is not None else ({}, 0)
    )
    strays += more_strays
    infos_found, _ = _by_patient(infos, _INFO, problems) if infos is not None else ({}, 0)
    splits = _entry(folder, _SPLITS)
    return Download(phases, experts, masks_found, infos_found, table, splits, strays, problems)


def _entry(folder: Path | None, name: str) -> Path | None:
    """Return the file or folder of that name, ignoring case; an exact match first."""
    if folder is None or not folder.is_dir():
        return None
    alike = [path for path in folder.iterdir() if path.name.casefold() == name.casefold()]
    return min(alike, key=lambda path: (path.name != name, path.name), default=None)


def _absent(folder: Path, absent: list[str]) -> str:
    present = sorted(path.name + "/" * path.is_dir() for path in folder.iterdir())
    text = f"it has no {', no '.join(absent)}. Found there: {shorten(present, 10) or 'nothing'}. "
    inner = sorted(
        path.name for path in folder.iterdir() if path.is_dir() and _entry(path, _IMAGES)
    )
    archives = [name for name in present if name.lower().endswith((".zip", ".tar", ".tar.gz"))]
    if inner:
        return f"{text}Did you mean its folder {inner[0]} (-i {folder / inner[0]})?"
    if folder.name.casefold() == _IMAGES:
        return f"{text}Name the folder above it (-i {folder.parent})."
    if archives:
        return f"{text}Unpack {shorten(archives)} first."
    return f"{text}Name the folder that holds {_IMAGES}/ and {_MASKS}/ (-i)."


def _visible(folder: Path, wanted: Callable[[Path], bool]) -> list[Path]:
    # macOS leaves files that begin with "._" next to the real ones
    return sorted(p for p in folder.iterdir() if not p.name.startswith(".") and wanted(p))


def _find_phases(images: Path) -> tuple[dict[str, dict[int, Path]], int, list[str]]:
    phases: dict[str, dict[int, Path]] = {}
    folders: dict[str, Path] = {}
    strays, problems = 0, []
    for folder in _visible(images, Path.is_dir):
        patient = folder.name.upper()
        if patient in folders:
            problems.append(
                f"{images.name} holds both {folders[patient].name} and {folder.name}; keep one "
                "folder for the patient"
            )
            continue
        folders[patient] = folder
        found: dict[int, Path] = {}
        for path in _visible(folder, Path.is_file):
            match = _PHASE.fullmatch(path.name)
            if match is None:
                strays += 1
            elif match["patient"].upper() != patient:
                problems.append(
                    f"{images.name}/{folder.name}/{path.name} is in the folder of another "
                    "patient; move it to the right one"
                )
            elif int(match["phase"]) in found:
                other = found[int(match["phase"])].name
                problems.append(
                    f"{images.name}/{folder.name} holds both {other} and {path.name}; keep one"
                )
            else:
                found[int(match["phase"])] = path
        phases[patient] = found
    strays += len(_visible(images, Path.is_file))
    return phases, strays, problems


def _by_patient(
    folder: Path, pattern: re.Pattern[str], problems: list[str]
) -> tuple[dict[str, Path], int]:
    found: dict[str, Path] = {}
    strays = 0
    for path in _visible(folder, Path.is_file):
        match = pattern.fullmatch(path.name)
        if match is None:
            strays += 1
        elif match["patient"].upper() in found:
            other = found[match["patient"].upper()].name
            problems.append(f"{folder.name} holds both {other} and {path.name}; keep one")
        else:
            found[match["patient"].upper()] = path
    return found, strays
