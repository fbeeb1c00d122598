"""Where the images, their channels and their masks are, in each of three layouts.

FOLDER/images/*  FOLDER/masks/*        two folders
FOLDER/*                               one folder; masks are told by the end of their names
FOLDER/case_001/*                      a folder per case with its image, or channels, and mask
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nnunetv2_fair.dataset_conversion.shared.pictures import PICTURE_SUFFIXES
from nnunetv2_fair.errors import ConversionError, shorten

#: Endings (lower case) of files that are taken for volumes, longest first.
VOLUME_SUFFIXES = (
    ".nii.gz", ".gipl.gz", ".nii", ".mha", ".mhd", ".nrrd", ".nhdr", ".gipl", ".hdr",
)  # fmt: skip
_TABLES = ("metadata.csv", "metadata.tsv", "metadata.xlsx")
#: Files that belong to another one, which is named.
_PARTS = (".img", ".raw", ".zraw", ".raw.gz", ".img.gz")
#: What a mask's name may have behind its image's name where the user does not say.
MASK_SUFFIXES = tuple(
    f"{sign}{word}"
    for word in ("mask", "seg", "label", "labels", "segmentation", "gt", "dseg")
    for sign in "_-."
)
#: Names of masks in a folder per case.
_MASK_NAMES = frozenset(suffix[1:] for suffix in MASK_SUFFIXES)
#: Words of file names that say nothing about a channel.
_NO_CHANNEL = frozenset({"", "image", "img", "volume", "scan", "data"})
_NUMBERED = re.compile(r"(.+)_(\d{4})")
_LAYOUTS = (
    "images/ and masks/ (other names: --images, --masks); images and masks in one folder, where "
    "masks end in _mask, _seg or --suffix-mask; or a folder per case with its image(s) and mask"
)


@dataclass(frozen=True)
class Channel:
    """A channel as the user calls it.

    Attributes:
        file: What files of it have in their names; None if that is the name.
        name: Its name in the dataset.
    """

    file: str | None
    name: str


@dataclass
class Originals:
    """Files that were found.

    Attributes:
        place: Folder of the images, for messages.
        masks_place: Folder of the masks, for messages.
        images: Files of each image, one per channel, by path inside the folder without ending.
        masks: Mask files by the same, with what their names have besides the image's.
        suffixes: What that may be.
        channels: Names of the channels in the dataset; empty where the user says nothing and the
            files have none.
        problems: What is wrong, in words.
        notes: What was decided.
    """

    place: Path
    masks_place: Path
    images: dict[str, tuple[Path, ...]]
    masks: dict[str, Path]
    suffixes: Sequence[str]
    channels: Sequence[str] = ()
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def find_originals(
    folder: Path,
    images: Sequence[str],
    masks: Sequence[str],
    suffixes: Sequence[str] | None,
    channels: Sequence[Channel] = (),
) -> Originals:
    """Find images, channels and masks.

    Args:
        folder: What the user converts.
        images: Names the folder of images may have; the first that exists is taken.
        masks: The same for masks.
        suffixes: What a mask's name has after its image's name; None: nothing, or what is usual.
        channels: The user's; empty: as the files say.

    Raises:
        ConversionError: If the layout is not understood.
    """
    given = tuple(
        next((n for n in names if (folder / n).is_dir()), None) for names in (images, masks)
    )
    if given[0] is not None and given[1] is not None:
        found = _two_folders(folder / given[0], folder / given[1], suffixes)
    elif given != (None, None) or (images, masks) != (("images",), ("masks",)):
        raise ConversionError(_absent_folders(folder, images, masks))
    elif any(_is_image(path) for path in _visible(folder)):
        found = _two_folders(folder, folder, suffixes)
    else:
        found = _folder_per_case(folder, suffixes)
    _refuse_mixtures(found)
    if not found.problems:
        _name_channels(found, channels)
    return found


def find_table(folder: Path, given: Path | None) -> Path:
    """Return the table: the one that was given, metadata.csv, .tsv or .xlsx, or the only one.

    Args:
        folder: What the user converts.
        given: Absolute, or relative to ``folder`` or to the working folder.

    Raises:
        ConversionError: If there is none, or several.
    """
    if given is not None:
        inside = folder / given
        return inside if inside.exists() or not given.exists() else given
    usual = [folder / name for name in _TABLES if (folder / name).is_file()]
    others = sorted(p.name for p in folder.iterdir() if p.is_file())
    tables = [name for name in others if name.lower().endswith((".csv", ".tsv", ".xlsx"))]
    if len(usual) == 1 or (not usual and len(tables) == 1):
        return usual[0] if usual else folder / tables[0]
    what = "has several tables" if tables else "has no table"
    listed = shorten(tables or others, 8) or "none"
    raise ConversionError(
        f"{folder} {what} ({', '.join(_TABLES)}). Files found: {listed}. Name the right one with "
        "--table."
    )


def split_name(path: Path) -> tuple[str, str]:
    """Return a file's name without its ending, and the ending in lower case; "" if unknown."""
    lower = path.name.lower()
    ending = next((e for e in (*VOLUME_SUFFIXES, *PICTURE_SUFFIXES) if lower.endswith(e)), "")
    return path.name[: len(path.name) - len(ending)], ending


def is_volume(path: Path) -> bool:
    """Return whether a file's ending is that of a volume."""
    return split_name(path)[1] in VOLUME_SUFFIXES


def find_files(folder: Path, *, deep: bool = True) -> tuple[dict[str, Path], list[str]]:
    """Return pictures and volumes of a folder by path without ending, and problems in words.

    Hidden files (as macOS leaves behind) and other types are ignored.

    Args:
        folder: Where to look.
        deep: Look into its folders too.
    """
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*") if deep else folder.iterdir()):
        relative = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in relative.parts)
        if not hidden and _is_image(path) and path.is_file():
            key = relative.with_name(split_name(path)[0]).as_posix()
            found.setdefault(key, []).append(path)
    problems = [
        f"{folder.name}: {' and '.join(p.name for p in paths)} differ only in their ending; remove "
        "all but one"
        for paths in found.values()
        if len(paths) > 1
    ]
    return {key: paths[0] for key, paths in found.items()}, problems


def _is_image(path: Path) -> bool:
    return not path.name.startswith(".") and split_name(path)[1] != ""


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _absent_folders(folder: Path, images: Sequence[str], masks: Sequence[str]) -> str:
    present = sorted(p.name for p in folder.iterdir() if p.is_dir() and p.name[0] != ".")
    lines = []
    for names, flag in ((images, "--images"), (masks, "--masks")):
        if not any((folder / name).is_dir() for name in names):
            wanted = " or ".join(f"'{name}'" for name in names)
            # a preset knows several names, and has no flag for others
            remedy = (
                f"Name the right one with {flag}" if len(names) == 1 else "Rename the right one"
            )
            lines.append(
                f"{folder} has no folder {wanted}. Folders found: "
                f"{shorten(present, 12) or 'none'}. {remedy}."
            )
    return "\n".join(lines)


# two folders, or one


def _two_folders(images: Path, masks: Path, suffixes: Sequence[str] | None) -> Originals:
    same = images.resolve() == masks.resolve()
    tried = suffixes if suffixes is not None else MASK_SUFFIXES if same else ("", *MASK_SUFFIXES)
    image_files, problems = find_files(images)
    if same:
        mask_files = {k: path for k, path in image_files.items() if k.endswith(tuple(tried))}
        image_files = {k: path for k, path in image_files.items() if k not in mask_files}
    else:
        mask_files, more = find_files(masks)
        problems += more
    if not image_files:
        problems.append(f"{images} has no images{_what_else(images)}")
    grouped = _numbered_channels(image_files, mask_files, tried)
    return Originals(images, masks, grouped, mask_files, tried, problems=problems)


def _what_else(folder: Path) -> str:
    """Return what a folder without images holds, in words, and what to do with it."""
    endings = Counter(p.suffix.lower() for p in folder.rglob("*") if p.is_file())
    others = {e: n for e, n in endings.items() if e not in _PARTS and e not in (".csv", ".xlsx")}
    if not others:
        return ""
    listed = shorten((f"{n} {e or 'without ending'}" for e, n in sorted(others.items())), 6)
    if any(ending in (".dcm", ".ima", "") for ending in others):
        return (
            f" (files: {listed}). DICOM series are not read: make volumes of them first, for "
            "instance with: dcm2niix -z y -f %i -o OUT FOLDER"
        )
    known = ", ".join((*PICTURE_SUFFIXES, *VOLUME_SUFFIXES))
    return f" (files: {listed}). Read are: {known}"


def _numbered_channels(
    images: Mapping[str, Path], masks: Collection[str], suffixes: Sequence[str]
) -> dict[str, tuple[Path, ...]]:
    """Return the files of each image: a_0000 and a_0001 are channels of a where a has a mask.

    Images that are called ``a_0001`` and have masks of that name are images of their own.
    """

    def has_mask(key: str) -> bool:
        return any(key + suffix in masks for suffix in suffixes)

    bases = {key: m[1] for key in images if (m := _NUMBERED.fullmatch(key)) and not has_mask(key)}
    if not any(has_mask(base) for base in bases.values()):
        return {key: (path,) for key, path in images.items()}
    grouped: dict[str, list[Path]] = {}
    for key, path in sorted(images.items()):
        grouped.setdefault(bases.get(key, key), []).append(path)
    return {key: tuple(paths) for key, paths in grouped.items()}


# a folder per case


def _folder_per_case(folder: Path, suffixes: Sequence[str] | None) -> Originals:
    places = [path for path in _visible(folder) if path.is_dir()]
    cases = {place.name: find_files(place, deep=False) for place in places}
    with_files = {name: files for name, (files, _) in cases.items() if files}
    if not with_files:
        raise ConversionError(
            f"{folder} has no images{_what_else(folder)}. Layouts that are understood: {_LAYOUTS}. "
            f"Folders found: {shorten((p.name for p in places), 12) or 'none'}."
        )
    found = Originals(folder, folder, {}, {}, ("",))
    found.problems += [problem for _, problems in cases.values() for problem in problems]
    deeper = [p.name for p in places if p.name not in with_files and any(_visible(p))]
    if deeper:
        found.problems.append(
            f"{len(deeper)} folders hold no image directly: {shorten(deeper)}"
            f"{_what_else(folder / deeper[0])}. Layouts that are understood: {_LAYOUTS}"
        )
    several, without = [], []
    for name, files in with_files.items():
        masks = [stem for stem in files if _is_mask(stem, name, suffixes)]
        if len(masks) > 1:
            several.append(f"{name} ({', '.join(sorted(files[stem].name for stem in masks))})")
        rest = [files[stem] for stem in sorted(files) if stem not in masks]
        if not rest:
            without.append(name)
            continue
        found.images[name] = tuple(rest)
        if masks:
            found.masks[name] = files[masks[0]]
    if several:
        found.problems.append(
            f"{len(several)} folders have more than one mask: {shorten(several, 2)}. Put a mask "
            "per structure together into one file, with a number for each structure, or say which "
            "is the mask: --suffix-mask"
        )
    if without:
        found.problems.append(f"{len(without)} folders have no image: {shorten(without)}")
    if not found.masks and not found.problems:
        example = next(iter(found.images.items()))
        found.problems.append(
            f"no folder has a mask: {example[0]} holds {', '.join(p.name for p in example[1])}. A "
            f"mask is called {', '.join(sorted(_MASK_NAMES))}, or ends in _mask, _seg and so on; "
            "other ends: --suffix-mask"
        )
    return found


def _is_mask(stem: str, case: str, suffixes: Sequence[str] | None) -> bool:
    if suffixes is None:
        return stem.casefold() in _MASK_NAMES or stem.casefold().endswith(MASK_SUFFIXES)
    return any(s and (stem.endswith(s) or stem == s.strip("_-.")) for s in suffixes)


# channels


def _refuse_mixtures(found: Originals) -> None:
    files = [*(path for paths in found.images.values() for path in paths), *found.masks.values()]
    volumes = [path for path in files if is_volume(path)]
    pictures = [path for path in files if not is_volume(path)]
    if volumes and pictures:
        found.problems.append(
            f"{len(volumes)} volumes ({shorten((p.name for p in volumes), 2)}) and {len(pictures)} "
            f"pictures ({shorten((p.name for p in pictures), 2)}) cannot be one dataset; convert "
            "them one by one"
        )


def _name_channels(found: Originals, given: Sequence[Channel]) -> None:
    """Sort every image's files by channel, check that all have the same, and name these."""
    tokens = _tokens(found.images)
    if all(len(paths) == 1 for paths in found.images.values()):
        if given and not _split_by_name(found, given):
            if len(given) > 1:
                found.problems.append(
                    f"--channels names {len(given)} channels, but every image is one file. "
                    "Channels are told by the end of the name: a_0000, a_0001, or a_t1, a_t2 with "
                    "--channels t1 t2"
                )
                return
            found.channels = (given[0].name,)
            return
        if not given:
            names = {token for by_file in tokens.values() for token in by_file.values()}
            found.channels = tuple(names - _NO_CHANNEL) if len(names) == 1 else ()
            return
        tokens = _tokens(found.images)
    present = sorted({token for by_file in tokens.values() for token in by_file.values()})
    chosen = _chosen(present, given)
    if chosen is None:
        found.problems.append(
            f"channels found: {', '.join(present)}; --channels names "
            f"{', '.join(c.name for c in given)}. Say which is which: --channels "
            f"{' '.join(f'{token}=<name>' for token in present)}"
        )
        return
    left = [token for token in present if token not in chosen]
    if left:
        found.notes.append(f"files of other channels are left out: {shorten(left, 8)}")
    lacking: dict[str, list[str]] = {}
    for key, by_file in tokens.items():
        files = {token: path for path, token in by_file.items()}
        for token in chosen:
            if token not in files:
                lacking.setdefault(token, []).append(key)
        found.images[key] = tuple(files[token] for token in chosen if token in files)
    for token, keys in lacking.items():
        found.problems.append(
            f"channel {token} is missing for {len(keys)} of {len(found.images)} images: "
            f"{shorten(keys)}. nnU-Net needs the same channels of every case: add the files, or "
            f"take other channels with --channels (found: {', '.join(present)})"
        )
    found.channels = tuple(chosen.values())
    if len(found.channels) > 1:
        listed = ", ".join(f"{token} as {name}" for token, name in chosen.items())
        found.notes.append(f"channels: {listed}")


def _chosen(present: Sequence[str], given: Sequence[Channel]) -> dict[str, str] | None:
    """Return the name of each channel's files and of the channel; None if that is unclear."""
    if not given:
        return {t: f"channel_{int(t)}" if t.isdecimal() else t for t in present}
    by_fold = {token.casefold(): token for token in present}
    wanted = [(c.file if c.file is not None else c.name).casefold() for c in given]
    if all(w in by_fold for w in wanted):
        return {by_fold[w]: c.name for w, c in zip(wanted, given, strict=True)}
    in_order = all(token.isdecimal() for token in present) and len(given) == len(present)
    if in_order and all(c.file is None for c in given):
        return {token: c.name for token, c in zip(present, given, strict=True)}
    return None


def _split_by_name(found: Originals, given: Sequence[Channel]) -> bool:
    """Put images a_t1 and a_t2 together as channels of a; return whether there are such."""
    words = sorted(((c.file or c.name) for c in given), key=len, reverse=True)
    pattern = re.compile(rf"(.+)[_.-]({'|'.join(map(re.escape, words))})", re.IGNORECASE)
    grouped: dict[str, list[Path]] = {}
    for key, paths in found.images.items():
        match = pattern.fullmatch(key)
        if match is None:
            return False
        grouped.setdefault(match[1], []).extend(paths)
    found.images = {key: tuple(paths) for key, paths in grouped.items()}
    return True


def _tokens(images: Mapping[str, Sequence[Path]]) -> dict[str, dict[Path, str]]:
    """Return what each file's name has besides its case's name, by image and file."""
    result = {}
    for key, paths in images.items():
        stems = [split_name(path)[0] for path in paths]
        case = key.rpartition("/")[2]
        begin = case if all(s.startswith(case) for s in stems) else _common_begin(stems)
        result[key] = {
            path: stem[len(begin) :].strip("_-.") for path, stem in zip(paths, stems, strict=True)
        }
    return result


def _common_begin(stems: Sequence[str]) -> str:
    """Return what all names begin with, up to a sign between words; nothing of one name."""
    if len(stems) < 2:
        return ""
    first, last = min(stems), max(stems)
    alike = next((i for i, sign in enumerate(first) if last[i : i + 1] != sign), len(first))
    match = re.match(r".*[_.-]", first[:alike])
    return match[0] if match else ""


def channel_hint(images: Iterable[str], masks: Iterable[str]) -> str:
    """Return options for images that seem to be channels: a_t1, a_t2 for the mask a.

    Args:
        images: Names of images that have no mask.
        masks: Names of images as far as masks have them.
    """
    known = sorted(masks, key=len, reverse=True)
    ends: dict[str, set[str]] = {}
    for image in images:
        base = next((m for m in known if image.startswith(m) and image != m), None)
        if base is None or image[len(base)] not in "_-.":
            return ""
        ends.setdefault(image[len(base) + 1 :], set()).add(base)
    if not 1 < len(ends) <= 8 or len({frozenset(bases) for bases in ends.values()}) != 1:
        return ""
    return f". If they are channels: --channels {' '.join(sorted(ends))}"
