"""A pack of synthetic cases, as a folder.

Its files::

    labels/synthetic_00017.png        label maps, as the dataset's
    images/synthetic_00017_0000.png   once images exist, one file per channel
    groups.csv                        columns: case, and the attribute
    pack.json                         how they were made; absent where others made them

It says of real people no more than the names of groups.
"""

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nnunetv2_fair.cropping.images import PICTURE_ENDINGS
from nnunetv2_fair.errors import ConversionError, counted, shorten, shorten_lines
from nnunetv2_fair.files.json_files import read_json_object
from nnunetv2_fair.files.tabular import protected, read_table, unprotected

LABELS, IMAGES = "labels", "images"
GROUPS_CSV, PACK_JSON = "groups.csv", "pack.json"
#: Beginning of the names of all synthetic cases; no patient is called so.
PREFIX = "synthetic_"
_CASE = "case"
_ENDINGS = (*PICTURE_ENDINGS, ".nii.gz", ".nii", ".nrrd", ".mha")


@dataclass(frozen=True)
class SyntheticCase:
    """Files of one synthetic case.

    Attributes:
        case: Its name.
        group: Name of its group.
        label: Its label map.
        images: One file per channel; empty where there are no images yet.
    """

    case: str
    group: str
    label: Path
    images: tuple[Path, ...] = ()


@dataclass(frozen=True)
class SyntheticPack:
    """Synthetic cases of one folder.

    Attributes:
        folder: Where they are.
        attribute: What their groups are groups of.
        ending: Of all files.
        cases: In the order of ``groups.csv``.
        made: What ``pack.json`` says; empty where there is none.
    """

    folder: Path
    attribute: str
    ending: str
    cases: tuple[SyntheticCase, ...]
    made: Mapping[str, Any] = field(default_factory=dict)

    @property
    def groups(self) -> dict[str, list[SyntheticCase]]:
        """Cases of each group, in their order."""
        found: dict[str, list[SyntheticCase]] = {}
        for case in self.cases:
            found.setdefault(case.group, []).append(case)
        return found


def case_name(number: int) -> str:
    """Return the name of a synthetic case, such as ``synthetic_00017``."""
    return f"{PREFIX}{number:05d}"


def write_about(
    folder: Path, attribute: str, groups: Mapping[str, str], made: Mapping[str, Any]
) -> None:
    """Write ``groups.csv`` and ``pack.json`` of a pack whose labels and images are written.

    Args:
        folder: The pack, or the temporary folder that becomes it.
        attribute: What the groups are groups of.
        groups: Group of each case.
        made: How the cases were made: model, seed, versions, sizes; nothing of people.

    Raises:
        OSError: If a file cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([_CASE, protected(attribute)])
    writer.writerows([case, protected(group)] for case, group in groups.items())
    (folder / GROUPS_CSV).write_text(text.getvalue(), encoding="utf-8", newline="")
    content = {**made, "attribute": attribute, "groups": list(dict.fromkeys(groups.values()))}
    (folder / PACK_JSON).write_text(
        json.dumps(content, indent=1, ensure_ascii=True) + "\n", encoding="utf-8", newline=""
    )


def read_pack(folder: Path, attribute: str | None = None, *, images: bool = False) -> SyntheticPack:
    """Return the cases of a pack; files are found, not opened.

    Args:
        folder: The pack, of this package or of any other origin.
        attribute: What its groups must be groups of; None takes the only other column.
        images: Whether every case must have an image.

    Raises:
        ConversionError: If files or groups are missing; all problems at once.
        TableError: If ``groups.csv`` is not a table.
    """
    if not folder.is_dir():
        raise ConversionError(
            f"{folder} is not a folder. Name one with {LABELS}/ and {GROUPS_CSV}."
        )
    table = folder / GROUPS_CSV
    if not table.is_file():
        raise ConversionError(
            f"{folder} has no {GROUPS_CSV}, so the groups of its cases are not known. Add it: a "
            f"line '{_CASE},{attribute or 'race'}' and one for each case."
        )
    attribute, groups = _groups(table, attribute)
    ending = _ending(folder / LABELS)
    problems, cases = [], []
    for case, group in groups.items():
        label = folder / LABELS / f"{case}{ending}"
        found = _channels(folder / IMAGES, case, ending)
        if not label.is_file():
            problems.append(f"case '{case}' of {GROUPS_CSV} has no {label}")
        if images and not found:
            problems.append(f"case '{case}' has no image {IMAGES}/{case}_0000{ending}")
        cases.append(SyntheticCase(case, group, label, found))
    if len({len(case.images) for case in cases}) > 1:
        problems.append("some cases have more images than others")
    strangers = sorted(
        name
        for path in (folder / LABELS).iterdir()
        if path.name.endswith(ending) and (name := path.name.removesuffix(ending)) not in groups
    )
    if strangers:
        problems.append(
            f"{counted(len(strangers), 'label map')} without a row in {GROUPS_CSV}: "
            f"{shorten(strangers)}"
        )
    if problems:
        raise ConversionError(
            f"{folder} cannot be used. Add what is missing, or make the pack again:\n"
            f"{shorten_lines(problems)}"
        )
    made: dict[str, Any] = {}
    if (folder / PACK_JSON).is_file():
        made = read_json_object(
            folder / PACK_JSON, ConversionError, "Remove it, or make the pack again."
        )
    return SyntheticPack(folder, attribute, ending, tuple(cases), made)


def _groups(table: Path, attribute: str | None) -> tuple[str, dict[str, str]]:
    content = read_table(table)
    header = [unprotected(name) for name in content.header]
    others = [name for name in header if name != _CASE]
    wanted = attribute or (others[0] if len(others) == 1 else None)
    if _CASE not in header or wanted not in others:
        raise ConversionError(
            f"{table} has the columns {shorten(header)}; expected {_CASE} and "
            f"{wanted or 'one attribute'}. Rename the columns."
        )
    at, of = header.index(_CASE), header.index(wanted)
    groups: dict[str, str] = {}
    problems = []
    for line, row in zip(content.lines, content.rows, strict=True):
        case, group = row[at], unprotected(row[of])
        if not case or not group:
            problems.append(f"line {line}: the {_CASE if not case else wanted} is empty")
        if case in groups:
            problems.append(f"line {line}: case '{case}' has an earlier row")
        groups[case] = group
    if problems:
        raise ConversionError(
            f"{table}: every case needs one row with its group.\n{shorten_lines(problems)}"
        )
    if not groups:
        raise ConversionError(f"{table} lists no case. Add a row for each.")
    return str(wanted), groups


def _ending(labels: Path) -> str:
    files = [path.name for path in labels.iterdir()] if labels.is_dir() else []
    endings = sorted({end for end in _ENDINGS for name in files if name.endswith(end)})
    if len(endings) != 1:
        found = "none of these" if not endings else f"files of several kinds ({shorten(endings)})"
        raise ConversionError(
            f"{labels} holds {found}; expected label maps of one kind: {', '.join(_ENDINGS)}."
        )
    return endings[0]


def _channels(folder: Path, case: str, ending: str) -> tuple[Path, ...]:
    """Return the files of all channels, from 0000 on without a gap."""
    found: list[Path] = []
    while (path := folder / f"{case}_{len(found):04d}{ending}").is_file():
        found.append(path)
    return tuple(found)
