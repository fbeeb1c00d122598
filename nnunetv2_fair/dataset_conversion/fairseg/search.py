"""Finding FairSeg's and FairDiff's files below the folders that were named."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from nnunetv2_fair.dataset_conversion.fairseg.lists import (
    SyntheticName,
    real_number,
    synthetic_name,
)
from nnunetv2_fair.errors import ConversionError, shorten


@dataclass
class FoundFiles:
    """What there is.

    Attributes:
        real: File of each number.
        synthetic: File of each synthetic name.
        others: npz files with any other name, for the log.
        problems: What is wrong, in words.
    """

    real: dict[int, Path] = field(default_factory=dict)
    synthetic: dict[SyntheticName, Path] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def find_files(folder: Path, synthetic: Path | None) -> FoundFiles:
    """Look for original files below ``folder`` and synthetic ones below ``synthetic``.

    Args:
        folder: Original download; the files may be in any folders below.
        synthetic: FairDiff's packs, ``<group>/data/<number>.npz``, also inside ``folder``.

    Raises:
        ConversionError: If a folder is missing or holds no such file.
    """
    found = FoundFiles()
    for path in _npz_below(folder, "-i"):
        if synthetic is not None and path.is_relative_to(synthetic):
            continue
        number = real_number(path.name)
        if number is None:
            found.others.append(path.relative_to(folder).as_posix())
        elif number in found.real:
            found.problems.append(
                f"{found.real[number]} and {path} have the same number; keep one of the two files"
            )
        else:
            found.real[number] = path
    if not found.real:
        raise ConversionError(
            f"{folder} and its folders hold no file named data_<number>.npz. "
            f"{_what_is_there(folder, found.others)} Name the folder of the unpacked FairSeg "
            "download (-i)."
        )
    if synthetic is not None:
        _add_synthetic(synthetic, found)
    return found


def _add_synthetic(synthetic: Path, found: FoundFiles) -> None:
    strange = []
    twice: dict[SyntheticName, list[Path]] = {}
    for path in _npz_below(synthetic, "--synthetic"):
        name = synthetic_name(path.relative_to(synthetic.parent).parts)
        if name is None:
            strange.append(path.relative_to(synthetic).as_posix())
        elif name in found.synthetic:
            twice.setdefault(name, [found.synthetic[name]]).append(path)
        else:
            found.synthetic[name] = path
    if not found.synthetic:
        raise ConversionError(
            f"{synthetic} holds no file named <group>/data/<number>.npz. "
            f"{_what_is_there(synthetic, strange)} Name the folder above the groups (--synthetic)."
        )
    found.others += strange
    if twice:
        paths = next(iter(twice.values()))
        found.problems.append(
            f"{len(twice)} synthetic files share group and number with another one, such as "
            f"{shorten(paths, 2)}. Name the folder of one attribute (--synthetic), such as "
            f"{paths[0].parents[2]}"
        )


def _npz_below(folder: Path, flag: str) -> Iterable[Path]:
    if not folder.is_dir():
        raise ConversionError(f"{folder} does not exist or is not a folder ({flag}).")
    return sorted(path for path in folder.rglob("*.npz") if path.is_file())


def _what_is_there(folder: Path, others: list[str]) -> str:
    if others:
        return f"Other npz files found: {shorten(others)}."
    names = sorted(path.name for path in folder.iterdir())
    return f"Found there: {shorten(names, 8) or 'nothing'}."
