"""Where the short-axis images of each participant are.

    <root>/<participant>/sa_ED.nii.gz, label_sa_ED.nii.gz ...     as after ukbb_cardiac
    <root>/sa/{train,validation,test}/<participant>/...           as for its training
    <root>/imagesTr/<participant>_sa_ED_0000.nii.gz, labelsTr/... as for nnU-Net v1 (Lee et al.)

Participants are never named: messages say "entry 12 of sa/train", which is line 12 of
``LC_ALL=C ls sa/train``.

Source: github.com/baiwenjia/ukbb_cardiac, github.com/tiarnaleeKCL/nnUNet-bias-mitigation.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from nnunetv2_fair.dataset_conversion.ukbb_cmr.ids import without_identifiers
from nnunetv2_fair.errors import ConversionError, shorten

FRAMES = ("ED", "ES")
ENDINGS = (".nii.gz", ".nii")

#: How to find out who is meant; said once per message.
WHO = "Participants are not named here: entry N of a folder is line N of: LC_ALL=C ls FOLDER"

# reasons for which a frame can be left out; the log counts by them
NO_IMAGE = "no image"
NO_MANUAL_LABEL = "no manual label"
NETWORK_OUTPUT = "no manual label, only output of a network (seg_sa)"

_Part = Literal["train", "test"]
_PARTS: Mapping[str, _Part] = {
    "train": "train", "training": "train", "validation": "train", "val": "train", "test": "test",
}  # fmt: skip
#: Names that are not participants.
_HARMLESS = {
    *_PARTS, "sa", "la", "data", "images", "nifti", "cmr", "ukbb", "imagestr", "imagests",
    "labelstr", "labelsts", "nnunet_raw_data", "labels.csv", "dataset.json",
}  # fmt: skip
_DEPTH = 4  # <root>/sa/train/<participant>
_FLAT = re.compile(r"(?P<participant>.+)_sa_(?P<frame>ED|ES)")


@dataclass(frozen=True)
class FrameFiles:
    """Image and manual label of one frame, or of a whole cycle.

    Attributes:
        image: Image file.
        label: Label file.
        whole_cycle: Whether both are 4D and the frame has yet to be found.
    """

    # not in repr(): the paths name participants
    image: Path = field(repr=False)
    label: Path = field(repr=False)
    whole_cycle: bool = False


@dataclass(frozen=True)
class Source:
    """All files of one participant.

    Attributes:
        participant: Identifier; in no message.
        where: The same for people: ``entry 12 of sa/train``.
        part: Part by the folder's name; None where it does not say.
        frames: Files of each frame that has an image and a manual label.
        missing: Reason why each other frame cannot be used.
    """

    participant: str = field(repr=False)
    where: str
    part: _Part | None
    frames: Mapping[str, FrameFiles] = field(repr=False)
    missing: Mapping[str, str]


@dataclass
class _Search:
    """What the search has found so far."""

    root: Path
    frames: Sequence[str]
    sources: list[Source] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    empty: int = 0  # folders without any short-axis file
    zips: int = 0  # downloads not unpacked
    visited: set[Path] = field(default_factory=set)
    places: dict[Path, str] = field(default_factory=dict)  # folders visited, for people


def find_sources(root: Path, frames: Sequence[str]) -> tuple[list[Source], list[str], int]:
    """Return all participants below a folder, problems in words, and folders without images.

    Args:
        root: The folder.
        frames: Frames that are wanted: ``ED``, ``ES``.

    Raises:
        ConversionError: If there is no participant at all.
    """
    shown = without_identifiers(str(root))
    if not _is_folder(root):
        raise ConversionError(f"{shown} does not exist or is not a folder (-i).")
    search = _Search(root, frames)
    if all(_is_folder(root / name) for name in ("imagesTr", "labelsTr")):
        for suffix in ("Tr", "Ts"):
            _flat_folder(search, suffix)
    else:
        _walk(search, root, 0)
    if not search.sources and not search.problems:
        raise ConversionError(f"{shown}: {_nothing_found(search)}")
    return search.sources, search.problems + _repeated(search.sources), search.empty


def _nothing_found(search: _Search) -> str:
    text = (
        "no short-axis images found. Looked for folders of participants with sa_ED.nii.gz and "
        "label_sa_ED.nii.gz, or sa.nii.gz and label_sa.nii.gz, also in sa/train, sa/validation and "
        "sa/test; or for imagesTr and labelsTr with files such as X_sa_ED_0000.nii.gz."
    )
    if search.zips:
        return (
            f"{text} Found {search.zips} zip files: these are raw downloads. Convert them to NIfTI "
            "first (github.com/baiwenjia/ukbb_cardiac does)."
        )
    try:
        present = sorted(os.listdir(search.root))  # noqa: PTH208
    except OSError:
        present = []
    # any name could be a participant's, or hold it
    known = [name for name in present if name.casefold() in _HARMLESS]
    others = len(present) - len(known)
    listed = shorten([*known, *([f"{others} files or folders of other names"] if others else [])])
    return (
        f"{text} Found there: {listed or 'nothing'}. Name the folder that holds the participants "
        "(-i)."
    )


def _entries(search: _Search, folder: Path) -> list[str]:
    """Return the names in a folder as ``LC_ALL=C ls`` lists them."""
    try:
        names = os.listdir(folder)  # noqa: PTH208 - in bytes' order, as ls has it
    except OSError as error:
        search.problems.append(f"{_shown(search, folder)} cannot be read: {error.strerror}")
        return []
    return sorted((name for name in names if not name.startswith(".")), key=os.fsencode)


def _shown(search: _Search, folder: Path) -> str:
    """Return a folder for people: a name only where it cannot be a participant's."""
    if folder == search.root:
        return without_identifiers(folder.name) or "."
    return search.places.get(folder) or folder.relative_to(search.root).as_posix()


def _place(search: _Search, folder: Path, where: str) -> str:
    known = all(part.casefold() in _HARMLESS for part in folder.relative_to(search.root).parts)
    return folder.relative_to(search.root).as_posix() if known else where


def _walk(search: _Search, folder: Path, depth: int) -> None:
    real = folder.resolve()
    if real in search.visited:  # links that lead back up
        return
    search.visited.add(real)
    names = _entries(search, folder)
    search.zips += sum(name.endswith(".zip") for name in names)
    begun = len(search.sources)
    without_images = 0
    for position, name in enumerate(names, start=1):
        child = folder / name
        if not _is_folder(child):
            continue
        where = f"entry {position} of {_shown(search, folder)}"
        files = _short_axis_files(search, child, where)
        if files:
            part = _PARTS.get(folder.name) if depth else None
            search.sources.append(_source(search, name, where, part, files))
        elif depth + 1 < _DEPTH and _has_folders(child):
            search.places[child] = _place(search, child, where)
            _walk(search, child, depth + 1)
        else:
            without_images += 1
    if len(search.sources) > begun:
        search.empty += without_images


def _is_folder(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 - pathlib's raises, and names the participant


def _has_folders(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(entry.is_dir() for entry in entries)
    except OSError:
        return True  # the walk reports it


def _short_axis_files(search: _Search, folder: Path, where: str) -> dict[str, Path]:
    """Return the known files of a participant's folder by their name without ending."""
    known = {f"{kind}sa{frame}" for kind in ("", "label_", "seg_") for frame in ("", "_ED", "_ES")}
    found: dict[str, Path] = {}
    try:
        with os.scandir(folder) as scanned:
            entries = sorted(scanned, key=lambda entry: entry.name)
    except OSError as error:
        search.problems.append(f"{where} cannot be read: {error.strerror}")
        return {}
    for entry in entries:
        ending = next((e for e in ENDINGS if entry.name.endswith(e)), None)
        stem = entry.name.removesuffix(ending or "")
        if ending is None or stem not in known:
            continue
        if not os.path.isfile(entry.path):  # noqa: PTH113 - does not raise
            what = "is a broken link" if entry.is_symlink() else "is not a file"
            search.problems.append(f"{where}: {entry.name} {what}; restore the file it refers to")
        elif stem in found:
            search.problems.append(f"{where}: {stem} is there as .nii and .nii.gz; remove one")
        found[stem] = Path(entry.path)
    return found


def _source(
    search: _Search,
    participant: str,
    where: str,
    part: _Part | None,
    files: Mapping[str, Path],
) -> Source:
    frames, missing = {}, {}
    for frame in search.frames:
        image, label = f"sa_{frame}", f"label_sa_{frame}"
        if image in files and label in files:
            frames[frame] = FrameFiles(files[image], files[label])
        elif "sa" in files and "label_sa" in files:
            frames[frame] = FrameFiles(files["sa"], files["label_sa"], whole_cycle=True)
        elif image not in files and "sa" not in files:
            missing[frame] = NO_IMAGE
        elif f"seg_sa_{frame}" in files or "seg_sa" in files:
            missing[frame] = NETWORK_OUTPUT
        else:
            missing[frame] = NO_MANUAL_LABEL
    return Source(participant, where, part, frames, missing)


def _flat_folder(search: _Search, suffix: str) -> None:
    """Collect the cases of ``imagesTr`` and ``labelsTr`` (or Ts)."""
    images, labels = search.root / f"images{suffix}", search.root / f"labels{suffix}"
    if not _is_folder(images):
        return
    label_names = set(_entries(search, labels)) if _is_folder(labels) else set()
    found: dict[str, tuple[str, dict[str, FrameFiles], dict[str, str]]] = {}
    for position, name in enumerate(_entries(search, images), start=1):
        ending = next((e for e in ENDINGS if name.endswith(f"_0000{e}")), None)
        match = _FLAT.fullmatch(name.removesuffix(f"_0000{ending}")) if ending else None
        if match is None or match["frame"] not in search.frames:
            continue
        where = f"entry {position} of {images.name}"
        _, frames, missing = found.setdefault(match["participant"], (where, {}, {}))
        label = f"{match[0]}{ending}"
        if label in label_names:
            frames[match["frame"]] = FrameFiles(images / name, labels / label)
        else:
            missing[match["frame"]] = NO_MANUAL_LABEL
    part: _Part = "train" if suffix == "Tr" else "test"
    for participant, (where, frames, missing) in found.items():
        absent = {f: NO_IMAGE for f in search.frames if f not in frames and f not in missing}
        search.sources.append(Source(participant, where, part, frames, {**missing, **absent}))


def _repeated(sources: Sequence[Source]) -> list[str]:
    first: dict[str, str] = {}
    problems = []
    for source in sources:
        if source.participant in first:
            problems.append(
                f"{first[source.participant]} and {source.where} are the same participant; keep one"
            )
        first.setdefault(source.participant, source.where)
    return problems
