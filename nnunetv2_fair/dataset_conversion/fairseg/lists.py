"""Which FairSeg file is for training and which for testing: lists and ``data_summary.csv``.

The lists of FairSeg and FairDiff hold one name per line, some of them with the folders of their
authors' machine, five or six digits, and repeats: files are recognised by the number in their
name, synthetic ones by the folders above as well.

Source: ``lists/`` of Harvard-Ophthalmology-AI-Lab/FairSeg and of wenyi-li/FairDiff.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from nnunetv2_fair.errors import ConversionError, DemographicsError, UsageError, counted, shorten
from nnunetv2_fair.subgroups.table import read_delimited

Part = Literal["train", "test"]

_REAL = re.compile(r"data_(\d+)\.npz", re.IGNORECASE)
_SYNTHETIC = re.compile(r"(\d+)\.npz", re.IGNORECASE)
_SPLIT_COLUMNS = ("train", "use", "split")
_TRAIN_WORDS = ("1", "1.0", "true", "train", "training", "val", "valid", "validation")
_TEST_WORDS = ("0", "0.0", "false", "test", "testing")


@dataclass(frozen=True)
class SyntheticName:
    """What a synthetic file is called: its numbers restart in each group.

    Attributes:
        group: Folder of its group, such as ``Black``.
        number: Number in its name.
    """

    group: str
    number: int


@dataclass
class FileLists:
    """Which files each part has.

    Attributes:
        real: How often each number is named, by part.
        synthetic: How often each synthetic file is named for training.
        problems: What is wrong, in words.
    """

    real: dict[Part, Counter[int]] = field(
        default_factory=lambda: {"train": Counter(), "test": Counter()}
    )
    synthetic: Counter[SyntheticName] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


def real_number(name: str) -> int | None:
    """Return the number of an original file such as ``data_00012.npz``; None for other names."""
    match = _REAL.fullmatch(name)
    return int(match[1]) if match else None


def synthetic_name(parts: Sequence[str]) -> SyntheticName | None:
    """Return what ``.../<group>/data/000012.npz`` is called; None for other paths.

    Args:
        parts: Folders and name.
    """
    match = _SYNTHETIC.fullmatch(parts[-1]) if parts else None
    above = [part for part in parts[:-1] if part not in ("", ".", "..")]
    if above and above[-1].casefold() == "data":
        above.pop()
    return SyntheticName(above[-1], int(match[1])) if match and above else None


def part_of_folders(parts: Sequence[str]) -> Part | None:
    """Return the part that the folders of a path name, such as ``Training``; None if none does.

    Args:
        parts: Folders.
    """
    words = {part.casefold() for part in parts}
    train, test = words & {"train", "training"}, words & {"test", "testing"}
    if bool(train) == bool(test):
        return None
    return "train" if train else "test"


def read_lists(paths: Sequence[Path]) -> FileLists:
    """Read ``train.txt`` and ``test.txt``.

    Args:
        paths: Folders that hold them. Each list is taken from the first folder that has it, so
            that one with a train.txt only (FairDiff's Repeat_Sample) can be followed by another.

    Raises:
        UsageError: If a folder is missing or there is no list for a part.
    """
    lists = FileLists()
    found: dict[Part, Path] = {}
    for folder in paths:
        if not folder.is_dir():
            raise UsageError(
                f"--split-lists {folder}: no such folder. Name the folder with train.txt and "
                "test.txt, such as lists/FairSeg_final of the FairSeg code."
            )
        for part in lists.real:
            if part not in found and (folder / f"{part}.txt").is_file():
                found[part] = folder / f"{part}.txt"
    missing = [f"{part}.txt" for part in lists.real if part not in found]
    if missing:
        raise UsageError(
            f"--split-lists {shorten(paths)}: there is no {' and no '.join(missing)}. Add a "
            "folder that has it, such as lists/FairSeg_final of the FairSeg code."
        )
    for part, path in found.items():
        _read_list(path, part, lists)
    both = sorted(set(lists.real["train"]) & set(lists.real["test"]))
    if both:
        lists.problems.append(
            f"{found['train']} and {found['test']} share {counted(len(both), 'file')}: "
            f"{shorten(f'data_{n:05d}' for n in both)}; results on such a test part would be too "
            "good. Remove them from one list"
        )
    return lists


def _read_list(path: Path, part: Part, lists: FileLists) -> None:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConversionError(f"{path} cannot be read as a list of names: {error}") from error
    strange = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        parts = line.strip().replace("\\", "/").split("/")
        real, synthetic = real_number(parts[-1]), synthetic_name(parts)
        if real is not None:
            lists.real[part][real] += 1
        elif synthetic is not None and part == "train":
            lists.synthetic[synthetic] += 1
        else:
            strange.append(f"line {number}: '{line.strip()}'")
    if strange:
        expected = "data_<number>.npz"
        if part == "train":
            expected += " or <group>/data/<number>.npz"
        lists.problems.append(f"{path}, {shorten(strange, 3)}: expected {expected}")
    if not lists.real[part]:
        lists.problems.append(f"{path} names no original file (data_<number>.npz)")


@dataclass(frozen=True)
class Summary:
    """What ``data_summary.csv`` says.

    Attributes:
        path: The file.
        parts: Part of each number; empty if there is no such column.
        race: Race of each number in words, where the table has it.
        problems: What is wrong, in words.
    """

    path: Path
    parts: dict[int, Part]
    race: dict[int, str]
    problems: list[str]


def read_summary(path: Path) -> Summary:
    """Read ``data_summary.csv``: the columns ``filename``, and ``train`` (or ``use``), ``race``.

    Raises:
        ConversionError: If it is unreadable or has no column ``filename``.
    """
    try:
        frame = read_delimited(path)
    except DemographicsError as error:
        raise ConversionError(str(error)) from error
    if "filename" not in frame.columns:
        raise ConversionError(
            f"{path} has no column 'filename'. Columns found: {shorten(frame.columns, 20)}."
        )
    column = next((name for name in _SPLIT_COLUMNS if name in frame.columns), None)
    parts: dict[int, Part] = {}
    race: dict[int, str] = {}
    seen: dict[int, tuple[int, dict[Any, Any]]] = {}
    problems = []
    for line, row in zip(frame.index, frame.to_dict("records"), strict=True):
        name = str(row["filename"]).replace("\\", "/").split("/")[-1]
        number = real_number(name if name.lower().endswith(".npz") else f"{name}.npz")
        if number is None:
            problems.append(f"{path.name}, line {line}: '{name}', expected data_<number>.npz")
            continue
        if number in seen:
            first_line, first = seen[number]
            same = all(first[key] == row[key] for key in first if key != "filename")
            problems.append(
                f"{path.name}, line {line}: '{name}' already appears on line {first_line}"
                f"{'' if same else ' with other values'}; keep one of the two rows"
            )
            continue
        seen[number] = (line, row)
        if column is not None:
            part = _part(str(row[column]))
            if part is None:
                problems.append(
                    f"{path.name}, line {line}: '{column}' is '{row[column]}', expected 1 or "
                    "train, 0 or test"
                )
            else:
                parts[number] = part
        if "race" in frame.columns and not str(row["race"]).lstrip("-").replace(".", "").isdigit():
            race[number] = str(row["race"])
    return Summary(path, parts, race, problems)


def _part(text: str) -> Part | None:
    word = text.strip().casefold()
    if word in _TRAIN_WORDS:
        return "train"
    return "test" if word in _TEST_WORDS else None
