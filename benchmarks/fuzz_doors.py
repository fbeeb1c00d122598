"""The inputs of ``fuzz.py``, door by door, and how each is read without our own readers."""

import copy
import csv
import gzip
import importlib
import io
import json
import logging
import math
import re
import shutil
import struct
import subprocess
import sys
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import openpyxl
from PIL import Image

#: Cells that people, programs and attackers write.
CELLS = (
    "", " ", "n/a", "NA", "-", "?", "unknown", "nan", "NULL", "None", "#N/A", "#REF!", "1e400",
    "inf", "-inf", "0x36", "5_4", "\u0665\u0664", "\uff15\uff14", "54,5", "054Y",
    "1970-01-01", "-3", "999", "+54",
    "5 4", "1e2", "54.0", "54.5", "0.5", "1.5", "-0.1", "1.0000001", "fe\0male", "male\u200b",
    "m\u0430le", "Male", "MALE ", "\xa0male\xa0", "male\u202e", "=1+1", "<b>x</b>", "a+b",
    "male, female", "x" * 5000, "a\u2028b", "\U0001f600", "true", "\x1b[31m", "../../x", "'", '"',
    "Mu\u0308nchen", "München", "c03", "C03", "c3", "c03.png", "p01", "P01", "p1", "1", "1.0",
)  # fmt: skip
VALUES = (
    None, True, False, [], {}, "", "x", "1", 0, 1, -1, 2, 1.5, 255, 10**30, math.nan, math.inf,
    [1], [[1]], {"a": 1}, [None], "female", ["female", "female"], "x" * 5000, "\ud800", "\0",
)  # fmt: skip
UNKNOWN = {
    "", "n/a", "na", "#n/a", "-", "--", "?", "unknown", "nan", "null", "none", ".", "missing",
    "not available",
}  # fmt: skip
N = 16


@dataclass(frozen=True)
class Job:
    """One input: what it is, the command's arguments, and what is wrong with what it wrote."""

    what: str
    arguments: Sequence[Any]
    check: Callable[[str], Sequence[str]]


@dataclass(frozen=True)
class Door:
    """One kind of input: the module of its command, and how inputs are made."""

    module: str
    inputs: int
    make: Callable[[np.random.Generator, Path], Job]


def import_everything() -> None:
    """Import once what commands import when they run, so that forks need not."""
    logging.getLogger("nibabel.global").setLevel(logging.CRITICAL)  # the other reader's remarks
    for name in (
        "nnunetv2_fair.evaluation.request", "nnunetv2_fair.report.of_evaluation.page",
        "nnunetv2_fair.report.of_comparison.page", "nnunetv2_fair.evaluation.model_comparison",
        "nnunetv2_fair.report.drawing", "nnunetv2_fair.subgroups.prepare", "SimpleITK", "h5py",
        "matplotlib.pyplot", "scipy.stats", "scipy.ndimage", "yaml", "pandas",
    ):  # fmt: skip
        importlib.import_module(name)


# ---------------------------------------------------------------------- how things are spoilt


def _pick(rng: np.random.Generator, options: Sequence[Any]) -> Any:
    return options[int(rng.integers(len(options)))]


def spoilt_bytes(rng: np.random.Generator, data: bytes, first: int = 0) -> tuple[bytes, str]:
    """Return bytes with a flipped bit, a missing end and so on."""
    kind = int(rng.integers(8))
    body = bytearray(data)
    at = int(rng.integers(first, max(first + 1, len(data))))
    if kind <= 2 and data:
        for _ in range(1 + kind):
            body[int(rng.integers(first, len(body)))] ^= 1 << int(rng.integers(8))
        return bytes(body), f"{1 + kind} bits flipped"
    if kind == 3:
        return data[:at], f"cut at {at}"
    if kind == 4:
        n = int(rng.integers(1, 50))
        return data[:at] + data[at + n :], f"{n} bytes missing at {at}"
    if kind == 5:
        return data + rng.bytes(20), "bytes behind"
    if kind == 6:
        n = min(40, len(data) - at)
        return data[:at] + bytes(n) + data[at + n :], f"zeros at {at}"
    return _pick(rng, (b"", b"\0" * 500, b"<!DOCTYPE html>404", rng.bytes(300))), "other content"


def _places(node: Any, place: tuple = ()) -> Iterator[tuple]:
    yield place
    if isinstance(node, dict | list):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from _places(value, (*place, key))


def spoilt_json(rng: np.random.Generator, content: Any) -> tuple[str, str]:
    """Return a JSON text with another value somewhere, or damaged as text."""
    if rng.random() < 0.12:
        data, how = spoilt_bytes(rng, json.dumps(content).encode())
        return data.decode("utf-8", "replace"), how
    if rng.random() < 0.05:
        return "[" * 100_000, "deep nesting"
    content = copy.deepcopy(content)
    places = [place for place in _places(content) if place]
    place = _pick(rng, places)
    node = content
    for key in place[:-1]:
        node = node[key]
    kind = rng.random()
    if kind < 0.7:
        value = _pick(rng, VALUES)
        node[place[-1]] = value
        how = f"{place} = {value!r:.40}"
    elif kind < 0.85 or isinstance(node, list):
        del node[place[-1]]
        how = f"without {place}"
    else:
        name = _pick(rng, CELLS)
        node[name] = node.pop(place[-1])
        how = f"{place} called {name!r:.40}"
    return json.dumps(content), how


def people(dice: bool = False) -> list[list[str]]:
    """Return a table of people, with or without scores."""
    header = ["case", "patient", "sex", "age", *(["dice", "hd95_mm"] if dice else [])]
    rows = [header]
    for i in range(N):
        scores = [f"{0.5 + i / 60:.4f}", f"{3 + i / 7:.4f}"] if dice else []
        rows.append([f"c{i:02d}", f"p{i // 2:02d}", ("female", "male")[i // 2 % 2],
                     str(40 + i // 2 * 3), *scores])  # fmt: skip
    return rows


def spoilt_rows(rng: np.random.Generator, rows: list[list[str]], columns: Sequence[int]) -> str:
    """Change cells or rows in place; return how."""
    kind = rng.random()
    row = int(rng.integers(1, len(rows)))
    if kind < 0.7:
        column = int(_pick(rng, columns))
        cell = _pick(rng, CELLS)
        many = rng.random() < 0.15
        for i in range(row, len(rows) if many else row + 1):
            rows[i][column] = cell
        return f"{rows[0][column]} of row {row}{' and below' if many else ''} = {cell!r:.40}"
    if kind < 0.76:
        rows.append(list(rows[row]))
        return f"row {row} twice"
    if kind < 0.82:
        del rows[row]
        return f"without row {row}"
    if kind < 0.88:
        del rows[row][-1]
        return f"row {row} too short"
    if kind < 0.94:
        column = int(rng.integers(len(rows[0])))
        rows[0][column] = _pick(rng, ("", "sex", "case", "Age ", "ÄGE", "x" * 300, "a+b", "\0"))
        return f"column {column} called {rows[0][column]!r:.20}"
    rows.insert(row, [""] * len(rows[0]))
    return f"blank row {row}"


def as_csv(rng: np.random.Generator, rows: list[list[str]]) -> tuple[bytes, str, str, str]:
    """Return a table as bytes, how, delimiter and encoding."""
    delimiter = _pick(rng, (",", ",", ",", ";", "\t"))
    encoding = _pick(rng, ("utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1"))
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter, lineterminator=_pick(rng, ("\n", "\r\n"))).writerows(
        rows
    )
    text = stream.getvalue()
    try:
        data = text.encode(encoding)
    except UnicodeEncodeError:
        encoding = "utf-8"
        data = text.encode("utf-8", "replace")
    how = f"{encoding}, {delimiter!r}"
    if rng.random() < 0.15:
        data, damage = spoilt_bytes(rng, data)
        how += f", {damage}"
    return data, how, delimiter, encoding


# ------------------------------------------------------------------- how things are read again


def csv_rows(path: Path, delimiter: str, encoding: str) -> list[list[str]]:
    """Read a table with Python's csv module."""
    csv.field_size_limit(1 << 24)
    text = path.read_bytes().decode(encoding)
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))


def xlsx_rows(path: Path) -> list[list[str]]:
    """Read a workbook with openpyxl as a whole."""
    sheet = openpyxl.load_workbook(path, data_only=True).worksheets[0]
    return [
        ["" if cell is None else str(cell) for cell in row]
        for row in sheet.iter_rows(values_only=True)
    ]


def per_case(out: Path) -> list[dict[str, str]]:
    """Read what an evaluation says of each case."""
    with (out / "per_case.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip().casefold()


def wrong_groups(found: list[dict[str, str]], rows: list[list[str]]) -> list[str]:
    """Compare the groups of cases with the cells of the table they were read from."""
    cells: dict[str, list[str]] = {}
    for row in rows[1:]:
        if row and row[0].strip():
            cells.setdefault(_plain(row[0]), row)
    problems = []
    for entry in {entry["case"]: entry for entry in found}.values():
        row = cells.get(_plain(entry["case"])) or cells.get(_plain(entry["case"]) + ".png")
        if row is None:
            row = cells.get(entry["case"].replace("c0", "c").replace("c", "c"))
        if row is None:
            problems.append(f"{entry['case']} is in no row of the table")
            continue
        sex = row[2] if len(row) > 2 else ""
        group = entry.get("sex", "").removeprefix("'")
        if _plain(group) != _plain(sex) and not (group == "" and _plain(sex) in UNKNOWN):
            problems.append(f"{entry['case']}: sex is {group!r}, the table has {sex!r:.60}")
        if "age" in entry and len(row) > 3:
            age, text = entry["age"], row[3].strip()
            number = re.fullmatch(r"\+?\d+([.,]\d+)?", text, re.ASCII) is not None
            if number != bool(age) and not (age == "" and _plain(text) in UNKNOWN):
                problems.append(f"{entry['case']}: age is {age!r}, the table has {text!r:.60}")
    return problems


def labels_of(path: Path) -> np.ndarray:
    """Read a mask with nibabel, Pillow, tifffile or SimpleITK; slowest axis first."""
    name = path.name.lower()
    if name.endswith((".nii", ".nii.gz")):
        data = path.read_bytes()
        if name.endswith(".gz") and data[:2] == b"\x1f\x8b":
            data = zlib.decompressobj(31).decompress(data)
        return np.asarray(nibabel.Nifti1Image.from_bytes(data).dataobj).squeeze().T
    if name.endswith((".png", ".bmp", ".gif", ".tif")):
        with Image.open(path) as picture:
            pixels = np.asarray(picture).astype(np.int64)
        return pixels[..., 0] if pixels.ndim == 3 else pixels
    import SimpleITK

    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path))).squeeze()


def wrong_counts(found: list[dict[str, str]], case: str, first: Path, second: Path) -> list[str]:
    """Compare voxels and Dice of a case with those of masks read by another library."""
    one, other = (np.rint(labels_of(path)).astype(np.int64) for path in (first, second))
    problems = []
    rows = {entry["label"]: entry for entry in found if entry["case"] == case}
    for value in sorted({*np.unique(one), *np.unique(other)} - {0}):
        entry = rows.get(str(value))
        if entry is None:
            problems.append(f"label {value} is not in per_case.csv")
            continue
        a, b = one == value, other == value
        counts = (int(entry["reference_voxels"]), int(entry["prediction_voxels"]))
        if counts != (a.sum(), b.sum()):
            problems.append(f"label {value}: voxels {counts}, expected {a.sum()}, {b.sum()}")
        elif a.shape == b.shape and (a.any() or b.any()):
            dice = 2 * (a & b).sum() / (a.sum() + b.sum())
            if abs(float(entry["dice"]) - dice) > 1e-9:
                problems.append(f"label {value}: Dice {entry['dice']}, expected {dice}")
    return problems


# ---------------------------------------------------------------------------------- tables


_FAST = ("--bootstrap", 0)


def _scored(root: Path, people_file: Path) -> list[Any]:
    """Return the arguments that evaluate scores of the people of a table."""
    path = root / "scores.csv"
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([row[0], *row[4:]] for row in people(dice=True))
    return ["--from-csv", path, "--demographics", people_file, "-a", "sex", "age", *_FAST]


def _table(rng: np.random.Generator, root: Path) -> Job:
    rows = people()
    how = spoilt_rows(rng, rows, (0, 1, 2, 2, 3, 3))
    data, form, delimiter, encoding = as_csv(rng, rows)
    path = root / "people.csv"
    path.write_bytes(data)
    out = root / "out"
    arguments = [*_scored(root, path), "-o", out]
    return Job(
        f"{how}; {form}",
        arguments,
        lambda _: wrong_groups(per_case(out), csv_rows(path, delimiter, encoding)),
    )


def _workbook(rng: np.random.Generator, root: Path) -> Job:
    rows = people()
    how = spoilt_rows(rng, rows, (0, 1, 2, 2, 3, 3))
    book = openpyxl.Workbook()
    for row in rows:
        kept = [openpyxl.cell.cell.ILLEGAL_CHARACTERS_RE.sub("", cell) for cell in row]
        book.active.append([
            int(c) if c.isascii() and c.isdigit() and rng.random() < 0.8 else c for c in kept
        ])  # fmt: skip
    stream = io.BytesIO()
    book.save(stream)
    parts = {}
    with zipfile.ZipFile(stream) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    kind, sheet = int(rng.integers(6)), "xl/worksheets/sheet1.xml"
    if kind == 0:
        extent = _pick(rng, (b"A1:B3", b"A1", b"A1:XFD%d" % 2**20))
        parts[sheet] = parts[sheet].replace(b'ref="A1:D', b'ref="' + extent + b'" x="', 1)
        how += f", extent {extent!r}"
    elif kind == 1:
        name = _pick(rng, sorted(parts))
        parts[name], damage = spoilt_bytes(rng, parts[name])
        how += f", {name}: {damage}"
    elif kind == 2:
        name = _pick(rng, sorted(parts))
        del parts[name]
        how += f", without {name}"
    path = root / "people.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    if kind == 3:
        data, damage = spoilt_bytes(rng, path.read_bytes())
        path.write_bytes(data)
        how += f", {damage}"
    out = root / "out"
    arguments = [*_scored(root, path), "-o", out]
    return Job(how, arguments, lambda _: wrong_groups(per_case(out), xlsx_rows(path)))


DICTIONARY = {
    "default": "sex",
    "attributes": {
        "sex": {"type": "categorical", "levels": ["female", "male"], "reference": "male"},
        "age": {
            "type": "numeric", "unit": "years", "minimum": 0, "maximum": 120,
            "bins": {"edges": [None, 50, 55, None], "labels": ["young", "middle", "old"],
                     "closed": "left"},
        },
    },
}  # fmt: skip


def _dictionary(rng: np.random.Generator, root: Path) -> Job:
    text, how = spoilt_json(rng, DICTIONARY)
    with (root / "people.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(people())
    path = root / "people.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    out = root / "out"

    def check(_: str) -> list[str]:
        content = json.loads(path.read_text(encoding="utf-8"))["attributes"]
        problems = []
        rows = {row[0]: row for row in people()[1:]}
        for entry in per_case(out):
            row = rows[entry["case"]]
            if entry.get("sex") != row[2]:
                problems.append(f"{entry['case']}: sex {entry.get('sex')!r}, not {row[2]!r}")
            bins = content.get("age", {}).get("bins")
            if bins is None or "age" not in entry:
                continue
            age, edges, right = float(row[3]), bins["edges"], bins.get("closed") == "right"
            inner = [float(edge) for edge in edges[1:-1]]
            place = sum(age > edge if right else age >= edge for edge in inner)
            label = entry["age"].removeprefix("'")  # a protection against formulas
            shown = str(bins["labels"][place]) if "labels" in bins else label
            if label != shown.encode("utf-8", "backslashreplace").decode():
                problems.append(f"{entry['case']}: age {row[3]} is in {entry['age']!r}")
        return problems

    arguments = [*_scored(root, root / "people.csv"), "-o", out]
    return Job(how, arguments, check)


def _scores(rng: np.random.Generator, root: Path) -> Job:
    rows = people(dice=True)
    how = spoilt_rows(rng, rows, (0, 1, 2, 4, 4, 4, 5, 5))
    data, form, delimiter, encoding = as_csv(rng, rows)
    path = root / "scores.csv"
    path.write_bytes(data)
    out = root / "out"

    def check(_: str) -> list[str]:
        given = csv_rows(path, delimiter, encoding)
        problems = wrong_groups(per_case(out), [row[:3] for row in given])
        cells = {_plain(row[0]): row for row in given[1:] if row}
        for entry in per_case(out):
            row = cells.get(_plain(entry["case"]))
            if row is None:
                continue
            for column, low, high in (("dice", 0, 1), ("hd95_mm", 0, math.inf)):
                place = 4 if column == "dice" else 5
                text = row[place].strip() if len(row) > place else ""
                if column not in entry:
                    continue
                value = float(entry[column] or "nan")
                try:
                    other = float(text.replace(",", ".")) if _plain(text) not in UNKNOWN else None
                except ValueError:
                    other = -1.0
                if other is None:
                    if not math.isnan(value):
                        problems.append(f"{entry['case']}: {column} {value}, cell {text!r}")
                elif not (low <= other <= high) or not math.isclose(value, other, rel_tol=1e-9):
                    problems.append(f"{entry['case']}: {column} {value}, cell {text!r:.40}")
        return problems

    arguments = ["--from-csv", path, "-a", "sex", *_FAST, "-o", out]
    return Job(f"{how}; {form}", arguments, check)


def _summary(rng: np.random.Generator, root: Path) -> Job:
    cases = [
        {"prediction_file": f"/p/{row[0]}.nii.gz", "reference_file": f"/r/{row[0]}.nii.gz",
         "metrics": {"1": {"Dice": float(row[4]), "IoU": 0.5, "n_ref": 9, "n_pred": 8}}}
        for row in people(dice=True)[1:]
    ]  # fmt: skip
    text, how = spoilt_json(rng, {"metric_per_case": cases, "mean": {}})
    path, out = root / "summary.json", root / "out"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with (root / "people.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(people())

    def check(_: str) -> list[str]:
        given = json.loads(path.read_text(encoding="utf-8"))["metric_per_case"]
        expected = {
            (entry["prediction_file"].split("/")[-1].removesuffix(".nii.gz"), label): values["Dice"]
            for entry in given
            for label, values in entry["metrics"].items()
        }
        found = {(e["case"], e["label"]): float(e["dice"] or "nan") for e in per_case(out)}
        return [
            f"{key}: Dice {value}, expected {expected.get(key)}"
            for key, value in found.items()
            if key not in expected or not (0 <= value <= 1 and value == expected[key])
            if not (key in expected and math.isnan(value) and math.isnan(expected[key]))
        ]

    arguments = ["--from-summary", path, "--demographics", root / "people.csv", "-a", "sex",
                 *_FAST, "-o", out]  # fmt: skip
    return Job(how, arguments, check)


# ----------------------------------------------------------------------------------- masks


def _mask(number: int, shift: int, flat: bool) -> np.ndarray:
    labels = np.zeros((20, 22) if flat else (6, 20, 22), np.uint8)
    labels[..., 4 + number % 4 + shift : 14 + shift, 5:15] = 1
    labels[..., 8:10, 6 : 9 + number % 3] = 2
    return labels


def encoded(labels: np.ndarray, ending: str, compressed: bool) -> dict[str, bytes]:
    """Return the files of an image, by what they have behind the case; without SimpleITK."""
    if ending.startswith(".nii"):
        data = nibabel.Nifti1Image(labels.T, np.diag([1.0, 1, 2, 1])).to_bytes()
        return {ending: gzip.compress(data, mtime=0) if ending.endswith(".gz") else data}
    kinds = {"uint8": ("MET_UCHAR", "uint8"), "int16": ("MET_SHORT", "int16"),
             "float32": ("MET_FLOAT", "float")}  # fmt: skip
    lengths = " ".join(map(str, labels.shape[::-1]))
    raw = labels.tobytes()
    if ending in (".mha", ".mhd"):
        body = zlib.compress(raw) if compressed else raw
        lines = ["ObjectType = Image", f"NDims = {labels.ndim}", "BinaryData = True",
                 "BinaryDataByteOrderMSB = False", f"CompressedData = {compressed}",
                 *([f"CompressedDataSize = {len(body)}"] if compressed else []),
                 f"ElementSpacing = {' '.join(['1'] * labels.ndim)}", f"DimSize = {lengths}",
                 f"ElementType = {kinds[str(labels.dtype)][0]}"]  # fmt: skip
        if ending == ".mha":
            return {ending: "\n".join([*lines, "ElementDataFile = LOCAL\n"]).encode() + body}
        return {ending: "\n".join([*lines, "ElementDataFile = c00.raw\n"]).encode(), ".raw": body}
    if ending in (".nrrd", ".nhdr"):
        body = gzip.compress(raw, mtime=0) if compressed else raw
        directions = " ".join(
            "(" + ",".join("1" if i == j else "0" for j in range(labels.ndim)) + ")"
            for i in range(labels.ndim)
        )
        lines = ["NRRD0004", f"type: {kinds[str(labels.dtype)][1]}", f"dimension: {labels.ndim}",
                 f"space dimension: {labels.ndim}", f"sizes: {lengths}",
                 f"space directions: {directions}", "endian: little",
                 f"encoding: {'gzip' if compressed else 'raw'}"]  # fmt: skip
        if ending == ".nhdr":
            lines.append("data file: c00.raw")
            return {ending: ("\n".join(lines) + "\n\n").encode(), ".raw": body}
        return {ending: ("\n".join(lines) + "\n\n").encode() + body}
    stream = io.BytesIO()
    form = {".png": "PNG", ".bmp": "BMP", ".gif": "GIF", ".tif": "TIFF"}[ending]
    more = {"compression": "tiff_deflate"} if ending == ".tif" and compressed else {}
    Image.fromarray(labels).save(stream, form, **more)
    return {ending: stream.getvalue()}


_LINES = (
    "DimSize = -5 20 6", "DimSize = 99999 99999 99999", "ElementDataFile = /etc/passwd",
    "ElementDataFile = ../c01.mha", "ElementDataFile = LIST", "ElementType = MET_DOUBLE",
    "ElementSpacing = 0 0 0", "ElementSpacing = nan 1 1", "NDims = 0", "CompressedDataSize = 3",
    "HeaderSize = -1", "ElementNumberOfChannels = 3", "BinaryDataByteOrderMSB = True",
    "sizes: 5 5 5", "sizes: 99999999 99999 9999", "type: double", "type: block", "encoding: bzip2",
    "data file: /etc/passwd", "data file: LIST", "data file: x%d.raw 1 9 1", "byte skip: -1",
    "line skip: 3", "space directions: none", "dimension: 99", "endian: big", "spacings: nan 1 1",
)  # fmt: skip
#: Fields of a NIfTI header: position, struct's type, how many.
_FIELDS = (
    (0, "i", 1), (40, "h", 8), (70, "h", 1), (72, "h", 1), (76, "f", 8), (108, "f", 1),
    (112, "f", 2), (123, "B", 1), (252, "h", 2), (256, "f", 6), (280, "f", 12), (344, "B", 4),
)  # fmt: skip


def _spoilt_image(
    rng: np.random.Generator, files: dict[str, bytes], ending: str
) -> tuple[dict[str, bytes], str]:
    kind = rng.random()
    name = _pick(rng, sorted(files))
    if kind < 0.45 and ending.startswith(".nii"):
        at, form, n = _pick(rng, _FIELDS)
        number = _pick(rng, (0, 1, 2, 3, 4, 5, 16, 64, 255, 348, 352, 353, 1000, 30000, -1, -30000))
        value = float(number) if form == "f" else number % 256 if form == "B" else number
        if form == "f" and rng.random() < 0.3:
            value = float(_pick(rng, (math.nan, math.inf, 0.5, 1e30, -0.0, 1 / 255)))
        at += int(rng.integers(n)) * struct.calcsize(form)
        packed = ending.endswith(".gz")
        data = bytearray(gzip.decompress(files[ending]) if packed else files[ending])
        struct.pack_into(f"<{form}", data, at, value)
        files[ending] = gzip.compress(bytes(data), mtime=0) if packed else bytes(data)
        return files, f"byte {at} of the header = {value}"
    if kind < 0.45 and ending in (".mha", ".mhd", ".nrrd", ".nhdr"):
        line = _pick(rng, [line for line in _LINES if ("=" in line) == ending.startswith(".m")])
        key = line.split("=")[0] if "=" in line else line.split(":")[0] + ":"
        lines = files[ending].split(b"\n")
        for i, old in enumerate(lines[:14]):
            if old.startswith(key.encode()):
                lines[i] = line.encode()
                break
        else:
            lines.insert(3, line.encode())
        files[ending] = b"\n".join(lines)
        return files, line
    if kind < 0.55:
        others = (".nii.gz", ".png", ".mha", ".nrrd", ".tif")
        other = _pick(rng, others)
        flat = other in (".png", ".tif")
        files[ending] = encoded(_mask(0, 1, flat), other, True)[other]
        return files, f"content of {other}"
    files[name], how = spoilt_bytes(rng, files[name])
    return files, f"{name}: {how}"


def _odd_labels(rng: np.random.Generator, labels: np.ndarray, ending: str) -> tuple[Any, str]:
    """Return labels of another kind than they should be."""
    options: list[tuple[Callable[[], np.ndarray], str]] = [
        (lambda: labels * 0, "empty"), (lambda: labels * 127, "0, 127, 254"),
        (lambda: np.roll(labels, 3, -1), "moved"), (lambda: labels[..., :-1], "smaller"),
    ]  # fmt: skip
    if ending == ".png":
        opaque = np.full_like(labels, 255)
        left = np.where(np.arange(labels.shape[1]) < 9, 0, 255).astype(np.uint8) * (opaque > 0)
        options += [
            (lambda: np.dstack([labels, opaque]), "grey with alpha"),
            (lambda: np.dstack([labels] * 3 + [np.where(labels, 255, 0).astype(np.uint8)]), "RGBA"),
            (lambda: np.dstack([labels, left]), "erased in part"),
            (lambda: np.dstack([labels * 0, labels * 120]), "alpha alone"),
            (lambda: np.dstack([labels] * 3), "three channels"),
            (lambda: np.dstack([labels, labels, labels * 2]), "colours"),
            (lambda: labels.astype(np.uint16) * 300, "16 bits"),
        ]
    if ending not in (".png", ".bmp", ".gif", ".tif"):
        options += [
            (lambda: labels * np.float32(0.5), "halves"),
            (lambda: np.where(labels == 1, np.float32(np.nan), labels), "NaN"),
            (lambda: labels.astype(np.float32), "floats"),
            (lambda: labels.astype(np.int16) * -1, "negative"),
            (lambda: np.where(labels == 1, np.float32(3e9), labels), "huge"),
            (lambda: labels + np.float32(1e-6), "rounded"),
            (lambda: np.stack([labels, labels]), "over time"),
        ]
    make, how = _pick(rng, options)
    return make(), how


def _masks(rng: np.random.Generator, root: Path) -> Job:
    endings = (".nii.gz", ".nii.gz", ".nii", ".mha", ".mhd", ".nrrd", ".nhdr", ".png", ".png",
               ".tif", ".bmp", ".gif")  # fmt: skip
    ending = _pick(rng, endings)
    compressed = bool(rng.random() < 0.5)
    flat = ending in (".png", ".tif", ".bmp", ".gif")
    folders = {"gt": root / "gt", "pred": root / "pred"}
    side, how = _pick(rng, ("gt", "pred")), ""
    for name, folder in folders.items():
        folder.mkdir()
        for i in range(4):
            labels = _mask(i, int(name == "pred"), flat)
            spoils = i == 0 and name == side
            if spoils and rng.random() < 0.2:
                labels, how = _odd_labels(rng, labels, ending)
                spoils = False
            files = encoded(labels, ending, compressed)
            if spoils:
                files, how = _spoilt_image(rng, files, ending)
            for end, data in files.items():
                data = data.replace(b"c00.raw", f"c{i:02d}.raw".encode())
                (folder / f"c{i:02d}{end}").write_bytes(data)
    rows = ["case,patient,sex", *(f"c{i:02d},p{i},{'fm'[i % 2]}" for i in range(4))]
    (root / "people.csv").write_text("\n".join(rows) + "\n")
    out = root / "out"
    arguments = ["-gt", folders["gt"], "-pred", folders["pred"], "--demographics",
                 root / "people.csv", "-a", "sex", "--metrics", "dice", *_FAST, "-np", 1, "-o",
                 out]  # fmt: skip
    first, second = folders["gt"] / f"c00{ending}", folders["pred"] / f"c00{ending}"
    return Job(
        f"{ending}{' compressed' if compressed else ''}, {side}: {how}",
        arguments,
        lambda _: wrong_counts(per_case(out), "c00", first, second),
    )


def _dataset_json(rng: np.random.Generator, root: Path) -> Job:
    content = {
        "channel_names": {"0": "x"},
        "labels": _pick(rng, (
            {"background": 0, "disc": 1, "cup": 2},
            {"background": 0, "all": [1, 2], "cup": 2},
            {"background": 0, "disc": 1, "ignore": 2},
        )),
        "numTraining": 4, "file_ending": ".png", "regions_class_order": [1, 2],
    }  # fmt: skip
    if "all" not in content["labels"]:
        del content["regions_class_order"]
    text, how = spoilt_json(rng, content)
    for name in ("gt", "pred"):
        (root / name).mkdir()
        for i in range(4):
            labels = _mask(i, int(name == "pred"), True)
            if name == "pred" and "ignore" in content["labels"]:
                labels[labels == 2] = 1
            data = encoded(labels, ".png", True)[".png"]
            (root / name / f"c{i:02d}.png").write_bytes(data)
    rows = ["case,patient,sex", *(f"c{i:02d},p{i},{'fm'[i % 2]}" for i in range(4))]
    (root / "people.csv").write_text("\n".join(rows) + "\n")
    path, out = root / "dataset.json", root / "out"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))

    def check(_: str) -> list[str]:
        labels = json.loads(path.read_text(encoding="utf-8"))["labels"]
        problems = []
        rows = [entry for entry in per_case(out) if entry["label"] != "average"]
        for entry in rows:
            named = labels.get(entry["label"].removeprefix("'"))
            if named is None:
                problems.append(f"label {entry['label']!r} is not in the file")
                continue
            values = [int(v) for v in (named if isinstance(named, list) else [named])]
            mask = labels_of(root / "gt" / f"{entry['case']}.png")
            expected = int(np.isin(mask, values).sum())
            if int(entry["reference_voxels"]) != expected:
                problems.append(f"{entry['label']}: {entry['reference_voxels']} and {expected}")
        wanted = {name for name in labels if name not in ("background", "ignore")}
        named_ones = {entry["label"].removeprefix("'") for entry in rows}
        return problems + [f"{name!r} is left out" for name in sorted(wanted - named_ones)]

    arguments = ["-gt", root / "gt", "-pred", root / "pred", "--demographics", root / "people.csv",
                 "--dataset-json", path, "-a", "sex", "--metrics", "dice", *_FAST, "-np", 1, "-o",
                 out]  # fmt: skip
    return Job(how, arguments, check)


# ------------------------------------------------------------- datasets, studies, comparisons


def _raw_dataset(root: Path, n_test: int = 0) -> Path:
    folder = root / "raw" / "Dataset901_Tiny"
    rows = people()
    for i in range(n_test):
        rows.append([f"t{i}", f"q{i}", ("female", "male")[i % 2], "50"])
    for row in rows[1:]:
        part = "Ts" if row[0][0] == "t" else "Tr"
        labels = _mask(int(row[0][1:]), 0, True)
        for name, pixels in ((f"images{part}/{row[0]}_0000", labels * 90),
                             (f"labels{part}/{row[0]}", labels)):  # fmt: skip
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(folder / f"{name}.png")
    content = {"channel_names": {"0": "grey"}, "labels": {"background": 0, "disc": 1, "cup": 2},
               "numTraining": N, "file_ending": ".png"}  # fmt: skip
    (folder / "dataset.json").write_text(json.dumps(content))
    with (folder / "demographics.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    (folder / "demographics.json").write_text(json.dumps(DICTIONARY))
    return folder


def _splits(rng: np.random.Generator, root: Path) -> Job:
    _raw_dataset(root)
    patients = [row[:2] for row in people()[1:]]
    folds = []
    for fold in range(3):
        val = [case for case, patient in patients if int(patient[1:]) % 3 == fold]
        folds.append({"train": [c for c, _ in patients if c not in val], "val": val})
    if rng.random() < 0.25:
        moved = folds[0]["val"].pop()
        folds[0]["train"].append(moved)
        text, how = json.dumps(folds), "one case of a patient moved"
    else:
        text, how = spoilt_json(rng, folds)
    folder = root / "preprocessed" / "Dataset901_Tiny"
    folder.mkdir()
    path = folder / "splits_final.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))

    def check(output: str) -> list[str]:
        if any(word in output for word in ("WARNING", "Note:", "Warning")):
            return []  # it says something
        found = json.loads(path.read_text(encoding="utf-8"))
        person = dict(patients)
        problems = [] if isinstance(found, list) and found else ["no list of folds"]
        listed: set[str] = set()
        for fold in found:
            train, val = fold["train"], fold["val"]
            if set(fold) != {"train", "val"}:
                problems.append(f"entries {sorted(fold)}")
            for case in (*train, *val):
                if case not in person:
                    problems.append(f"{case!r:.40} is no case")
            if len(set(train)) < len(train) or len(set(val)) < len(val):
                problems.append("a case twice")
            if {person.get(c) for c in train} & {person.get(c) for c in val}:
                problems.append("a patient in both parts")
            listed |= {*train, *val}
            if not val or not train:
                problems.append("an empty part")
        return problems + ([] if listed == set(person) else ["cases in no fold"])

    return Job(how, ["-d", 901, "-a", "sex"], check)


STUDY = """\
title: Tiny
datasets:
  - id: 901
    configurations: [2d]
    folds: [0, 1]
    number_of_folds: 2
attributes: [sex, age]
trainers:
  - nnUNetTrainer
  - nnUNetTrainer_5epochs
baseline: nnUNetTrainer
evaluation:
  metrics: [dice]
  bootstrap: 100
resources:
  train: {gpus: 1, cpus: 8, memory: 32G, runtime: 1d}
"""
_YAML = ("x", "[]", "{}", "null", "!!python/object:os.system x", "*a", "&a [*a]", "-1", "1e999",
         "[[[[", "'", "yes", "0", "901", "[0, 0]", "../..", "\t", "<<: x", "2d", "nan")  # fmt: skip


def _study(rng: np.random.Generator, root: Path) -> Job:
    _raw_dataset(root, 4)
    lines = STUDY.splitlines()
    at, kind = int(rng.integers(len(lines))), rng.random()
    if kind < 0.6:
        key, sign, _ = lines[at].partition(":")
        value = _pick(rng, _YAML)
        lines[at] = f"{key}{sign} {value}" if sign else f"  - {value}"
        how = f"line {at + 1}: {lines[at]}"
    elif kind < 0.75:
        how = f"without line {at + 1}"
        del lines[at]
    elif kind < 0.9:
        lines.insert(at, lines[at])
        how = f"line {at + 1} twice"
    else:
        text, damage = spoilt_bytes(rng, STUDY.encode())
        lines, how = text.decode("utf-8", "replace").splitlines(), damage
    folder = root / "study"
    folder.mkdir()
    path = folder / "study.yaml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def check(output: str) -> list[str]:
        import yaml

        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        rows = {line.split()[0]: line.split()[1:] for line in output.splitlines() if line.strip()}
        trainings = len(content["trainers"]) * sum(
            len(d.get("folds", [0] * d.get("number_of_folds", 5))) * len(d["configurations"])
            for d in content["datasets"]
        )
        found = int(rows["train"][0])
        return [] if found == trainings else [f"{found} trainings, expected {trainings}"]

    return Job(how, [path, "--dry-run"], check)


_EVALUATE = "import sys; from nnunetv2_fair.cli.evaluate import main; sys.exit(main(sys.argv[1:]))"


def _compare(rng: np.random.Generator, root: Path) -> Job:
    folders = []
    for name, shift in (("one", 0.0), ("two", 0.05)):
        rows = people(dice=True)
        for row in rows[1:]:
            row[4] = f"{float(row[4]) + shift:.4f}"
        (root / f"{name}.csv").write_text("\n".join(",".join(row) for row in rows) + "\n")
        folders.append(root / name)
        cached = Path(root.parent) / f"{root.name}_cache_{name}"
        if not cached.is_dir():
            subprocess.run(
                [sys.executable, "-c", _EVALUATE, "--from-csv", root / f"{name}.csv", "-a", "sex",
                 "--bootstrap", "0", "-o", cached],
                check=True, capture_output=True,
            )  # fmt: skip
        shutil.copytree(cached, folders[-1])
    names = ("per_case.csv", "per_case.csv", "summary.json", "manifest.json")
    path = folders[1] / _pick(rng, [n for n in names if (folders[1] / n).is_file()])
    if path.suffix == ".csv":
        rows = list(csv.reader(io.StringIO(path.read_text(), newline="")))
        how = spoilt_rows(rng, rows, range(len(rows[0])))
        stream = io.StringIO()
        csv.writer(stream, lineterminator="\n").writerows(rows)
        path.write_text(stream.getvalue(), encoding="utf-8")
    else:
        text, how = spoilt_json(rng, json.loads(path.read_text()))
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
    out = root / "out"

    def check(_: str) -> list[str]:
        means = []
        for folder in folders:
            values = [float(e["dice"]) for e in per_case(folder) if e["dice"]]
            if any(not 0 <= value <= 1 for value in values):
                return ["a Dice out of its range"]
            means.append(sum(values) / len(values))
        found = json.loads((out / "comparison.json").read_text())
        text = json.dumps(found)
        difference = means[1] - means[0]
        numbers = []

        def walk(node: Any) -> None:
            if isinstance(node, dict | list):
                for value in node.values() if isinstance(node, dict) else node:
                    walk(value)
            elif isinstance(node, float):
                numbers.append(node)

        walk(found)
        near = any(abs(abs(n) - abs(difference)) < 1e-9 for n in numbers)
        return [] if near else [f"the mean difference {difference} is nowhere ({len(text)})"]

    return Job(f"{path.name}: {how}", [*folders, "-o", out, *_FAST], check)


def _boxes(rng: np.random.Generator, root: Path) -> Job:
    content = {"note": "x", "cases": {
        f"c{i:02d}": {"shape": [6, 20, 22], "slices": [1, 5], "rows": [2 + i, 15],
                      "columns": [3, 18]}
        for i in range(3)
    }}  # fmt: skip
    text, how = spoilt_json(rng, content)
    folder, path, out = root / "pred", root / "boxes.json", root / "out"
    folder.mkdir()
    for i in range(3):
        data = encoded(np.ones((6, 20, 22), np.uint8), ".nii.gz", True)[".nii.gz"]
        (folder / f"c{i:02d}.nii.gz").write_bytes(data)
    path.write_bytes(text.encode("utf-8", "surrogatepass"))

    def check(_: str) -> list[str]:
        cases = json.loads(path.read_text(encoding="utf-8"))["cases"]
        problems = []
        for i in range(3):
            name = f"c{i:02d}"
            found = labels_of(out / f"{name}.nii.gz")
            entry = cases[name]
            ends = [entry[axis] for axis in ("slices", "rows", "columns")]
            if any(type(n) is not int for pair in (*ends, entry["shape"]) for n in pair):
                problems.append(f"{name}: not whole numbers: {ends}, {entry['shape']}")
                continue
            expected = np.zeros((6, 20, 22), np.uint8)
            expected[tuple(slice(a, b) for a, b in ends)] = 1
            if not np.array_equal(found, expected):
                problems.append(f"{name}: {found.sum()} voxels, expected {expected.sum()}")
        return problems

    return Job(how, ["-i", folder, "-o", out, "--boxes", path], check)


# ------------------------------------------------------------------------------- downloads


def _dataset(out: Path) -> Path:
    return next(out.glob("Dataset*"))


def _converted(out: Path) -> dict[str, dict[str, str]]:
    with (_dataset(out) / "demographics.csv").open(encoding="utf-8", newline="") as stream:
        return {row["case"]: row for row in csv.DictReader(stream)}


def _written_mask(out: Path, case: str) -> np.ndarray:
    return labels_of(next(_dataset(out).glob(f"labels*/{case}.*")))


def _image_folder(rng: np.random.Generator, root: Path) -> Job:
    folder, out = root / "download", root / "out"
    ending = _pick(rng, (".png", ".png", ".tif", ".bmp", ".nii.gz", ".mha", ".nrrd"))
    flat = ending in (".png", ".tif", ".bmp")
    compressed = bool(rng.random() < 0.5)
    rows = people()
    how = "the table: "
    delimiter, encoding = ",", "utf-8"
    spoils_table = rng.random() < 0.35
    if spoils_table:
        how += spoilt_rows(rng, rows, (0, 1, 2, 3))
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
        for i in range(N):
            labels = _mask(i, 0, flat)
            files = encoded(labels * (90 if part == "images" else 1), ending, compressed)
            if i == 3 and part == "masks" and not spoils_table:
                files, damage = _spoilt_image(rng, files, ending)
                how = f"mask, {ending}: {damage}"
            for end, data in files.items():
                (folder / part / f"c{i:02d}{end}").write_bytes(data)
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([["image", *rows[0][1:]], *rows[1:]])
    (folder / "metadata.csv").write_text(stream.getvalue(), encoding="utf-8")

    def check(_: str) -> list[str]:
        found = _converted(out)
        given = csv_rows(folder / "metadata.csv", delimiter, encoding)
        problems = wrong_groups([{"case": c, "sex": r["sex"]} for c, r in found.items()], given)
        for i in range(N):
            case = f"c{i:02d}"
            if case not in found:
                problems.append(f"{case} is missing")
                continue
            original = np.rint(labels_of(folder / "masks" / f"{case}{ending}"))
            if not np.array_equal(_written_mask(out, case), original):
                problems.append(f"{case}: other labels than in the original")
        return problems

    arguments = ["-i", folder, "-d", 42, "-n", "Fuzz", "-a", "sex", "-a", "age", "--labels",
                 "disc=1", "cup=2", "-np", 1, "-o", out]  # fmt: skip
    return Job(how, arguments, check)


def _fairseg(rng: np.random.Generator, root: Path) -> Job:
    from tests.dataset_conversion.factories import fairseg as factory

    folder = factory.write_download(root / "download", range(1, 13))
    out = root / "out"
    paths = sorted(folder.rglob("*.npz"))
    path = _pick(rng, paths)
    if rng.random() < 0.5:
        data, how = spoilt_bytes(rng, path.read_bytes())
        path.write_bytes(data)
    else:
        with np.load(path) as archive:
            content = dict(archive)
        key = _pick(rng, sorted(content))
        value = _pick(rng, (0, -1, 7, 0.5, math.nan, 300, "x", [1, 2], None, -2.5))
        if content[key].ndim:
            content[key] = content[key].astype(float)
            content[key][3:6, 4:9] = value if isinstance(value, int | float) else math.inf
        else:
            content[key] = np.array(value)
        how = f"{key} = {value}"
        np.savez(path, **content)

    def check(_: str) -> list[str]:
        found, problems = _converted(out), []
        for original in paths:
            case = original.stem
            if case not in found:
                problems.append(f"{case} is missing")
                continue
            with np.load(original) as archive:
                labels = np.abs(archive["disc_cup_mask"])
                race = int(archive["race"])
            if not np.array_equal(_written_mask(out, case), labels):
                problems.append(f"{case}: other labels")
            names = {0: "Asian", 1: "Black", 2: "White"}
            if found[case]["race"] != names.get(race, ""):
                problems.append(f"{case}: race {found[case]['race']!r} of {race}")
        return problems

    arguments = ["-i", folder, "-d", 45, "-np", 1, "-o", out]
    return Job(f"{path.name}: {how}", arguments, check)


def _tusc(rng: np.random.Generator, root: Path) -> Job:
    import h5py

    from tests.dataset_conversion.factories import tusc as factory

    download = factory.Download(chunks=_pick(rng, (None, (1, 40, 52))))
    folder, out = root / "download", root / "out"
    arrays = download.arrays()
    kind = rng.random()
    changed: dict[str, Any] = {}
    if kind < 0.45:
        key = _pick(rng, ("image", "mask", "mask", "annot_id", "frame_num"))
        value = _pick(rng, (-1, 0.5, math.nan, 127, 255, 1, 7))
        array = np.array(arrays[key])
        if array.dtype.kind in "iuf" and array.size:
            array = array.astype(np.float64 if isinstance(value, float) else np.int64)
            array[2:4] = value
        how, changed = f"{key} = {value}", {key: array}
    download.write(folder, **changed)
    hdf5, metadata = folder / "dataset.hdf5", folder / "metadata.csv"
    if kind >= 0.75:
        data, how = spoilt_bytes(rng, hdf5.read_bytes())
        hdf5.write_bytes(data)
    elif kind >= 0.45:
        rows = list(csv.reader(io.StringIO(metadata.read_text(), newline="")))
        how = spoilt_rows(rng, rows, (0, 5, 6))
        stream = io.StringIO()
        csv.writer(stream, lineterminator="\n").writerows(rows)
        metadata.write_text(stream.getvalue())

    def check(output: str) -> list[str]:
        found, problems = _converted(out), []
        if "frame numbers repeat" in output:
            return []  # it says so, and numbers frames by their places
        with h5py.File(hdf5) as file:
            clips = [str(c[0] if isinstance(c, np.ndarray) else c) for c in file["annot_id"][:]]
            clips = [c.removeprefix("b'").rstrip("_'") for c in clips]
            mask, numbers = file["mask"][:], file["frame_num"][:]
        for i, clip in enumerate(clips):
            case = f"clip{int(float(clip)):03d}_frame{int(numbers[i]):03d}"
            if case in found:
                labels = mask[i].squeeze()
                if not set(np.unique(labels)) <= {0, 1} and not set(np.unique(labels)) <= {0, 255}:
                    problems.append(f"{case}: values {np.unique(labels)[:5]}")
                elif not np.array_equal(_written_mask(out, case), labels != 0):
                    problems.append(f"{case}: other labels")
        return problems

    return Job(how, ["-i", folder, "-d", 44, "--every", 1, "-np", 1, "-o", out], check)


def _mama_mia(rng: np.random.Generator, root: Path) -> Job:
    from tests.dataset_conversion.factories import mama_mia as factory

    download = factory.make_download(root / "download", 8)
    out = root / "out"
    patient = _pick(rng, sorted(download.patients))
    kind = rng.random()
    if kind < 0.5:
        path = download.expert(patient)
        files, how = _spoilt_image(rng, {".nii.gz": path.read_bytes()}, ".nii.gz")
        path.write_bytes(files[".nii.gz"])
        how = f"mask: {how}"
    elif kind < 0.75:
        path = download.info(patient)
        text, how = spoilt_json(rng, json.loads(path.read_text()))
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        how = f"info: {how}"
    else:
        column, cell = _pick(rng, ("patient_id", "age", "ethnicity")), _pick(rng, CELLS)
        cell = openpyxl.cell.cell.ILLEGAL_CHARACTERS_RE.sub("", cell)
        download.rows[patient][column] = cell
        download.write_table()
        how = f"{column} = {cell!r:.40}"

    def check(_: str) -> list[str]:
        found, problems = _converted(out), []
        for name in download.patients:
            if name not in found:
                continue
            original = labels_of(download.expert(name))
            counts = [int((labels != 0).sum()) for labels in (original, _written_mask(out, name))]
            if counts[0] != counts[1]:
                problems.append(f"{name}: {counts[1]} voxels, expected {counts[0]}")
        return problems

    arguments = ["-i", download.folder, "-d", 60, "-np", 1, "-o", out]
    return Job(f"{patient}, {how}", arguments, check)


def _ukbb_cmr(rng: np.random.Generator, root: Path) -> Job:
    from tests.dataset_conversion.factories import ukbb_cmr as factory

    persons = factory.people(6)
    images = factory.build(root / "download", persons)
    out = root / "out"
    labels = sorted(images.glob("*/label_sa_E?.nii.gz"))
    path = _pick(rng, labels)
    table_path = root / "download" / "table.csv"
    if rng.random() < 0.6:
        files, how = _spoilt_image(rng, {".nii.gz": path.read_bytes()}, ".nii.gz")
        path.write_bytes(files[".nii.gz"])
    else:
        rows = list(csv.reader(io.StringIO(table_path.read_text(), newline="")))
        how = "the table: " + spoilt_rows(rng, rows, range(len(rows[0])))
        stream = io.StringIO()
        csv.writer(stream, lineterminator="\n").writerows(rows)
        table_path.write_text(stream.getvalue(), encoding="utf-8")

    def check(_: str) -> list[str]:
        written = sorted(
            int((labels_of(p) != 0).sum()) for p in _dataset(out).glob("labels*/*.nii.gz")
        )
        given = sorted(int((labels_of(p) != 0).sum()) for p in labels)
        missing = list(given)
        for count in written:
            if count not in missing:
                return [f"a mask of {count} voxels, which no original has: {given}"]
            missing.remove(count)
        return []

    arguments = ["-i", images, "-d", 50, "--table", table_path, "--participant-map",
                 root / "map.csv", "-np", 1, "-o", out]  # fmt: skip
    return Job(how, arguments, check)


DOORS = {
    "table": Door("evaluate", 75, _table),
    "workbook": Door("evaluate", 55, _workbook),
    "dictionary": Door("evaluate", 60, _dictionary),
    "scores": Door("evaluate", 60, _scores),
    "summary": Door("evaluate", 40, _summary),
    "masks": Door("evaluate", 130, _masks),
    "dataset_json": Door("evaluate", 40, _dataset_json),
    "splits": Door("prepare", 40, _splits),
    "study": Door("study", 20, _study),
    "compare": Door("compare", 25, _compare),
    "boxes": Door("apply_breast_box", 30, _boxes),
    "image_folder": Door("convert_image_folder", 45, _image_folder),
    "fairseg": Door("convert_FairSeg", 25, _fairseg),
    "tusc": Door("convert_TUSC", 25, _tusc),
    "mama_mia": Door("convert_MAMA_MIA", 20, _mama_mia),
    "ukbb_cmr": Door("convert_UKBB_CMR", 20, _ukbb_cmr),
}
