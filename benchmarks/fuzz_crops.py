"""More doors of ``fuzz.py``: datasets to crop, cascades, measures that clinicians take from masks.

nnU-Net's own prediction is played by functions of grey values, so that what comes out is known.
"""

import csv
import gzip
import importlib
import json
import math
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from fuzz_doors import (
    CELLS,
    Door,
    Job,
    _odd_labels,
    _pick,
    _spoilt_image,
    encoded,
    labels_of,
    spoilt_json,
    spoilt_rows,
)
from PIL import Image

_ENDINGS = (".nii.gz", ".nii.gz", ".png")
_N, _N_TEST = 4, 2


def _spoil_file(rng: np.random.Generator, path: Path, ending: str) -> str:
    """Damage an image or mask in place, or exchange its labels; return how."""
    if rng.random() < 0.35:
        labels = labels_of(path).astype(np.uint8)
        odd, how = _odd_labels(rng, labels, ending)
        if not isinstance(odd, np.ndarray):
            path.write_bytes(odd)
        elif ending != ".png":
            data = nibabel.Nifti1Image(odd.T, np.diag([1.0, 1, 2, 1])).to_bytes()
            path.write_bytes(gzip.compress(data, mtime=0))
        else:
            try:
                Image.fromarray(odd).save(path)
            except (TypeError, OSError, ValueError):
                path.write_bytes(b"")
        return f"{path.parent.name}/{path.name}: {how}"
    files, how = _spoilt_image(rng, {ending: path.read_bytes()}, ending)
    path.write_bytes(files[ending])
    return f"{path.parent.name}/{path.name}: {how}"


def _spoil_text(rng: np.random.Generator, path: Path) -> str:
    text, how = spoilt_json(rng, json.loads(path.read_text()))
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    return f"{path.name}: {how}"


def _place(folder: Path, case: str, ending: str) -> np.ndarray:
    """Return where the first voxel of a file is, and the axes, as nibabel reads them."""
    if ending == ".png":
        return np.zeros((4, 4))
    return nibabel.load(folder / f"{case}{ending}").affine


def _full(raw: Path, ending: str) -> Path:
    from tests.dataset_conversion.cropped import full_dataset

    return full_dataset.write_full(raw, ending)


def _crop(rng: np.random.Generator, root: Path) -> Job:
    ending = _pick(rng, _ENDINGS)
    raw = root / "raw"
    full = _full(raw, ending)
    more: list[Any] = []
    kind = rng.random()
    if kind < 0.55:
        folder = _pick(rng, ("imagesTr", "imagesTs", "labelsTr", "labelsTr", "labelsTs"))
        path = _pick(rng, sorted((full / folder).iterdir()))
        how = _spoil_file(rng, path, ending)
    elif kind < 0.7:
        how = _spoil_text(rng, full / _pick(rng, ("dataset.json", "demographics.json")))
    elif kind < 0.8:
        table = full / "demographics.csv"
        rows = list(csv.reader(table.read_text().splitlines()))
        how = spoilt_rows(rng, rows, (0, 1, 2, 3))
        with table.open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows(rows)
    elif kind < 0.9:
        boxes = root / "boxes"
        boxes.mkdir()
        for path in (full / "labelsTs").iterdir():
            (boxes / path.name).write_bytes(path.read_bytes())
        path = _pick(rng, sorted(boxes.iterdir()))
        how = "boxes, " + _spoil_file(rng, path, ending)
        more = ["--boxes", boxes]
    else:
        more = _pick(rng, (
            ["--size", 1, 1], ["--size", 300, 2], ["--margin", 0], ["--margin", 10**9],
            ["--size", 10**7, 10**7], ["--labels", "blood", "blood"], ["--labels", ""],
            ["--axes", "xyz"], ["--jitter", 10**12], ["--jitter", 5, "--seed", -1],
            ["-n", _pick(rng, CELLS)], ["-o", 0], ["-o", 42, "-n", "Heart", "--overwrite"],
            ["--boxes", full], ["--size", 5, 5, 5, "--axes", "xyz"],
        ))  # fmt: skip
        how = " ".join(map(str, more))[:80]

    def check(_: str) -> list[str]:
        out = next(path for path in raw.iterdir() if path.name.startswith("Dataset043"))
        crops = json.loads((out / "crops.json").read_text())["cases"]
        problems = []
        for case, entry in crops.items():
            part = "Tr" if entry["part"] == "train" else "Ts"
            for kind_of, name in (("images", f"{case}_0000"), ("labels", case)):
                before, after = full / f"{kind_of}{part}", out / f"{kind_of}{part}"
                old, new = (labels_of(at / f"{name}{ending}") for at in (before, after))
                start, size = entry["start"], entry["size"]
                if list(new.shape[: len(size)]) != size:
                    problems.append(f"{name}: {new.shape}, crops.json says {size}")
                    continue
                # what the image and the crop share, in the indices of either
                low = [max(0, first) for first in start]
                high = [min(a + n, m) for a, n, m in zip(start, size, old.shape, strict=False)]
                there = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
                here = tuple(
                    slice(a - first, b - first)
                    for a, b, first in zip(low, high, start, strict=True)
                )
                if not np.array_equal(old[there], new[here]):
                    problems.append(f"{name}: other values")
                one, other = (_place(at, name, ending) for at in (before, after))
                moved = one @ np.array([*start[::-1], *[0] * (3 - len(start)), 1.0])
                if ending != ".png" and not np.allclose(moved[:3], other[:3, 3], atol=1e-3):
                    problems.append(f"{name}: at {other[:3, 3]}, expected {moved[:3]}")
        return problems

    return Job(f"{ending}, {how}", ["-d", 42, "-o", 43, "-np", 1, *more], check)


def segmented(voxels: np.ndarray) -> np.ndarray:
    """What the second model makes of grey values."""
    return (np.floor(voxels).astype(np.int64) % 3).astype(np.uint8)


def _cascade(rng: np.random.Generator, root: Path) -> Job:
    from nnunetv2_fair.cli import crop

    ending = _pick(rng, _ENDINGS)
    raw, results = root / "raw", root / "results"
    full = _full(raw, ending)
    if crop.main(["-d", "42", "-o", "43", "-np", "1"]):
        raise SystemExit("The dataset could not be cropped.")
    models = {}
    for name in ("Dataset042_Heart", "Dataset043_HeartCropped"):
        models[name] = results / name / "nnUNetTrainer__nnUNetPlans__2d"
        (models[name] / "fold_0").mkdir(parents=True)
        (models[name] / "fold_0" / "checkpoint_final.pth").write_text(name)
        text = (raw / name / "dataset.json").read_text()
        (models[name] / "dataset.json").write_text(text)
    first = root / "first"
    first.mkdir()
    cases = sorted(path.name.removesuffix(ending) for path in (full / "labelsTs").iterdir())
    for case in cases:
        (first / f"{case}{ending}").write_bytes(
            (full / "labelsTs" / f"{case}{ending}").read_bytes()
        )
    more: list[Any] = []
    kind = rng.random()
    if kind < 0.35:
        how = "first, " + _spoil_file(rng, first / f"{_pick(rng, cases)}{ending}", ending)
    elif kind < 0.55:
        how = _spoil_file(rng, full / "imagesTs" / f"{_pick(rng, cases)}_0000{ending}", ending)
    elif kind < 0.65:
        how = _spoil_file(rng, full / "labelsTs" / f"{_pick(rng, cases)}{ending}", ending)
        more = ["-gt", full / "labelsTs"]
    elif kind < 0.9:
        path = models[_pick(rng, sorted(models))] / "dataset.json"
        how = f"{path.parts[-3]}, {_spoil_text(rng, path)}"
    else:
        more = _pick(rng, (
            ["--factor", "nan"], ["--factor", "inf"], ["--factor", 1], ["--factor", 1e308],
            ["-np", 10**6], ["-step_size", 0], ["-gt", first], ["--upper-bound", "-gt", first],
            ["-o", full / "imagesTs"],
        ))  # fmt: skip
        how = " ".join(map(str, more))[-80:]
    out = root / "out"
    _play_nnunet(first, ending)

    def check(_: str) -> list[str]:
        with (out / "boxes.csv").open(newline="") as stream:
            boxes = {row["case"]: row for row in csv.DictReader(stream)}
        problems = [] if sorted(boxes) == cases else [f"cases {sorted(boxes)}"]
        for case, row in boxes.items():
            found = labels_of(out / f"{case}{ending}")
            image = labels_of(full / "imagesTs" / f"{case}_0000{ending}")
            expected = np.zeros(image.shape, np.uint8)
            if row["fallback"] == "1":
                expected = labels_of(first / f"{case}{ending}")
            else:
                y, x = (
                    slice(max(0, int(row[f"crop_{a}_start"])), int(row[f"crop_{a}_end"]))
                    for a in "yx"
                )
                expected[..., y, x] = segmented(image[..., y, x])
            if not np.array_equal(found, expected):
                problems.append(f"{case}: other labels ({row['reason'] or 'cropped'})")
        return problems

    chosen = [] if "--upper-bound" in more else ["--localizer", "-d", 42, "-c", "2d", "-f", 0]
    arguments = ["-i", full / "imagesTs", "-o", out, *chosen, "--segmenter", "-d", 43, "-c", "2d",
                 "-f", 0, "-device", "cpu", *more]  # fmt: skip
    return Job(f"{ending}, {how}", arguments, check)


def _play_nnunet(first: Path, ending: str) -> None:
    """Let functions of files predict, in the process that runs the command."""
    from nnunetv2_fair.cropping.images import grid_of_file, read_channel, write_image
    from nnunetv2_fair.nnunet import predict_cascade

    importlib.import_module("torch")

    def predict(command: list[str], predictions: Path, *_: Any) -> None:
        for path in sorted(Path(command[command.index("-i") + 1]).iterdir()):
            case = path.name.rpartition("_")[0]
            target = predictions / f"{case}{ending}"
            if command[command.index("-d") + 1] == "42":
                target.write_bytes((first / target.name).read_bytes())
            else:
                write_image(target, segmented(read_channel(path)), grid_of_file(path).geometry)

    predict_cascade.run_nnunet = predict


_HEART = {"background": 0, "LV_cavity": 1, "LV_myocardium": 2, "RV_cavity": 3}
_TUMOUR = {"background": 0, "tumour": 1}


def _downstream(rng: np.random.Generator, root: Path) -> Job:
    hearts = rng.random() < 0.6
    names = [f"P{i:02d}_{phase}" for i in range(_N) for phase in ("ED", "ES")]
    names = names if hearts else [f"c{i:02d}" for i in range(2 * _N)]
    gt, pred, images, out = (root / name for name in ("gt", "pred", "images", "out"))
    for folder in (gt, pred, images):
        folder.mkdir()
    rows = [["case", "patient", "sex"]]
    for number, name in enumerate(names):
        rows.append([name, f"p{number // 2}", ("female", "male")[number // 2 % 2]])
        for folder, shift in ((gt, 0), (pred, 1)):
            labels = np.zeros((6, 20, 22), np.uint8)
            labels[1:5, 4 + shift : 15 - number % 2 * 4, 3:9] = 1
            if hearts:
                labels[1:5, 15:18, 3:9], labels[1:5, 4:12, 12:16] = 2, 3
            (folder / f"{name}.nii.gz").write_bytes(encoded(labels, ".nii.gz", True)[".nii.gz"])
        grey = rng.integers(0, 255, (6, 20, 22)).astype(np.float32)
        data = encoded(grey, ".nii.gz", True)[".nii.gz"]
        (images / f"{name}_0000.nii.gz").write_bytes(data)
    content = {"labels": _HEART if hearts else _TUMOUR, "file_ending": ".nii.gz"}
    (root / "dataset.json").write_text(json.dumps(content))
    more: list[Any] = ["--downstream", "cardiac" if hearts else "tumour"]
    if rng.random() < 0.4:
        more = [*more, "radiomics", "--images", images]
    kind = rng.random()
    if kind < 0.5:
        path = _pick(rng, sorted(_pick(rng, (gt, pred, images)).iterdir()))
        how = _spoil_file(rng, path, ".nii.gz")
    elif kind < 0.65:
        how = _spoil_text(rng, root / "dataset.json")
    elif kind < 0.8:
        rows[0].append("phase")
        for number, row in enumerate(rows[1:]):
            row.append(("ED", "ES")[number % 2])
        how = spoilt_rows(rng, rows, (0, 1, 3, 3, 3))
        more += ["--frames", "phase"] if hearts else []
    else:
        text = _pick(rng, ("ef=50", "ef=1e400", "ef=nan", "LV_cavity:ef=50", "x:ef=50", "volume=0",
                           "ef=50=60", ":=", "lvedv=-1e9", "tumour:volume=1", "ef", "")) \
            if rng.random() < 0.7 else _pick(rng, CELLS)  # fmt: skip
        more += ["--threshold", text]
        how = f"--threshold {text!r:.40}"
    with (root / "people.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows)

    def check(_: str) -> list[str]:
        with (out / "downstream.csv").open(newline="", encoding="utf-8") as stream:
            found = list(csv.DictReader(stream))
        problems = []
        for row in found:
            if row["measure"] not in ("volume", "lvedv", "lvesv", "rvedv", "rvesv"):
                continue
            case = row["case"]
            if row["measure"] != "volume" and "--frames" not in more:
                case += f"_{row['measure'][2:4].upper()}"
            if "--frames" in more:
                continue
            value = {**_HEART, **_TUMOUR}.get(row["label"], -1)
            for folder, column in ((gt, "reference"), (pred, "prediction")):
                image = nibabel.load(folder / f"{case}.nii.gz")
                spacing = float(np.prod(image.header.get_zooms()[:3]))
                labels = np.rint(labels_of(folder / f"{case}.nii.gz"))
                volume = float((labels == value).sum()) * spacing / 1000
                written = float(row[column] or "nan")
                if not math.isclose(written, volume, rel_tol=1e-5, abs_tol=1e-9):
                    problems.append(f"{case} {row['measure']}: {written}, expected {volume}")
        return problems

    arguments = ["-gt", gt, "-pred", pred, "--demographics", root / "people.csv", "-a", "sex",
                 "--dataset-json", root / "dataset.json", "-o", out, "-np", 1, "--bootstrap", 0,
                 "--metrics", "dice", *more]  # fmt: skip
    return Job(how, arguments, check)


DOORS = {
    "crop": Door("crop", 60, _crop),
    "cascade": Door("predict_cascade", 60, _cascade),
    "downstream": Door("evaluate", 60, _downstream),
}
