"""Three hundred inputs that a script has spoiled: each gives a clear message, or right values."""

import gzip
import re
import struct
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from PIL import Image

from nnunetv2_fair.cli.evaluate import main
from nnunetv2_fair.evaluation.measuring.one_case import CasePair, CaseTask, measure_case
from tests.evaluation.factories import blob, make_dataset, write_dataset_json, write_mask

SHAPE, SPACING = (5, 24, 31), (0.5, 0.8, 2.5)
LABELS = blob(SHAPE, (2, 12, 15), (2, 7, 9)).astype(np.uint8)
LABELS[blob(SHAPE, (2, 12, 15), (1, 3, 3))] = 2
TASK = CaseTask(
    ("dice", "iou", "hd", "hd95", "assd", "nsd", "norm_hd", "volume_error", "detection"),
    1.0, {"organ": (1,), "lesion": (2,)}, None, frozenset({0, 1, 2}), "dataset.json",
)  # fmt: skip
#: A spoiled file takes this long at most, on a machine that is busy with other things.
_SECONDS = 20
Spoil = Callable[[Path, np.random.Generator], None]


def rewrite(path: Path, change: Callable[[bytearray], object]) -> None:
    """Change the uncompressed bytes of a NIfTI file."""
    plain = bytearray(gzip.decompress(path.read_bytes()))
    change(plain)
    path.write_bytes(gzip.compress(bytes(plain)))


def truncated(path: Path, generator: np.random.Generator) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(generator.integers(0, len(data)))])


def truncated_inside(path: Path, generator: np.random.Generator) -> None:
    """The compressed data is whole, the voxels are not."""
    rewrite(path, lambda plain: plain.__delitem__(slice(int(generator.integers(400, 3800)), None)))


def flipped_bytes(path: Path, generator: np.random.Generator) -> None:
    data = bytearray(path.read_bytes())
    for place in generator.integers(0, len(data), 5):
        data[place] ^= int(generator.integers(1, 256))
    path.write_bytes(data)


def flipped_header_bytes(path: Path, generator: np.random.Generator) -> None:
    def change(plain: bytearray) -> None:
        for place in generator.integers(0, 348, 3):
            plain[place] ^= int(generator.integers(1, 256))

    rewrite(path, change)


def garbage(path: Path, generator: np.random.Generator) -> None:
    path.write_bytes(generator.bytes(int(generator.integers(0, 3000))))


def field(form: str, position: int, values: list) -> Spoil:
    def spoil(path: Path, generator: np.random.Generator) -> None:
        value = values[int(generator.integers(len(values)))]
        rewrite(path, lambda plain: struct.pack_into(form, plain, position, value))

    return spoil


def voxels(dtype: type, values: list) -> Spoil:
    def spoil(path: Path, generator: np.random.Generator) -> None:
        labels = LABELS.astype(dtype)
        place = tuple(int(generator.integers(n)) for n in SHAPE)
        labels[place] = values[int(generator.integers(len(values)))]
        write_mask(path, labels, SPACING)

    return spoil


def other_image(make: Callable[[np.random.Generator], sitk.Image]) -> Spoil:
    def spoil(path: Path, generator: np.random.Generator) -> None:
        sitk.WriteImage(make(generator), str(path))

    return spoil


def image(labels: np.ndarray = LABELS) -> sitk.Image:
    made = sitk.GetImageFromArray(labels)
    if made.GetDimension() == 3:
        made.SetSpacing(SPACING)
    return made


def turned(generator: np.random.Generator) -> sitk.Image:
    made = image()
    signs = [(-1, -1, 1), (-1, 1, 1), (1, -1, -1)][int(generator.integers(3))]
    made.SetDirection(np.diag(signs).ravel().astype(float).tolist())
    return made


def moved(generator: np.random.Generator) -> sitk.Image:
    made = image()
    made.SetOrigin([float(v) for v in generator.uniform(2, 90, 3)])
    return made


def four_dimensions(_: np.random.Generator) -> sitk.Image:
    return sitk.JoinSeries([image(), image()])


def colours(_: np.random.Generator) -> sitk.Image:
    return sitk.GetImageFromArray(np.repeat(LABELS[..., None], 3, axis=-1), isVector=True)


def cropped(generator: np.random.Generator) -> sitk.Image:
    return image(LABELS[:, : int(generator.integers(2, 23))])


def text(path: Path, _: np.random.Generator) -> None:
    path.write_text("case,dice\na,0.5\n")


def picture_inside(path: Path, _: np.random.Generator) -> None:
    Image.fromarray(LABELS[2]).save(path.with_suffix(".png"))
    path.with_suffix(".png").rename(path)


def huge(path: Path, _: np.random.Generator) -> None:
    rewrite(path, lambda plain: struct.pack_into("<3h", plain, 42, 32767, 32767, 32767))


def nothing(path: Path, _: np.random.Generator) -> None:
    write_mask(path, np.zeros(SHAPE, np.uint8), SPACING)


#: Spoiling -> whether it must be refused; otherwise values are allowed too, where the damage leaves
#: a file that means something.
SPOILERS: dict[str, tuple[Spoil, bool]] = {
    "truncated": (truncated, True),
    "truncated inside": (truncated_inside, True),
    "flipped bytes": (flipped_bytes, False),
    "flipped header bytes": (flipped_header_bytes, False),
    "garbage": (garbage, True),
    "text": (text, True),
    "a picture inside": (picture_inside, True),
    "number of dimensions": (field("<h", 40, [0, -1, 8, 99, 32767]), True),
    "a negative length": (field("<h", 42, [-1, -300]), True),
    "no length": (field("<h", 44, [0]), True),
    "a huge length": (field("<h", 46, [30000, 32767]), True),
    "huge lengths": (huge, True),
    "unknown type": (field("<h", 70, [0, 1, 3, 77, 1536]), False),
    "complex type": (field("<h", 70, [32, 1792]), False),
    "colour type": (field("<h", 70, [128, 2304]), False),
    "bits": (field("<h", 72, [0, 3, 16, -8, 64]), False),
    "negative spacing": (field("<f", 80, [-0.8, -5.0]), False),
    "no spacing": (field("<f", 80, [0.0]), True),
    "spacing that is no number": (field("<f", 84, [float("nan"), float("inf")]), True),
    "voxels elsewhere": (field("<f", 108, [1e9, -1e9, float("nan"), 3.0]), False),
    "scaled": (field("<f", 112, [0.3, -1.0, 1e30]), True),
    "slope that is no number": (field("<f", 112, [float("nan")]), False),
    "no header length": (field("<i", 0, [0, 349, -1]), False),
    "no magic": (field("<4s", 344, [b"xxxx"]), False),
    "NaN labels": (voxels(np.float32, [np.nan, np.inf, -np.inf]), True),
    "probabilities": (voxels(np.float64, [0.5, 1.25, 1e-9]), True),
    "negative labels": (voxels(np.int16, [-1, -1024]), True),
    "unknown labels": (voxels(np.uint16, [3, 255, 60000]), True),
    "large numbers": (voxels(np.int64, [2**31, 2**62]), True),
    "four dimensions": (other_image(four_dimensions), True),
    "colours": (other_image(colours), True),
    "other size": (other_image(cropped), True),
    "turned": (other_image(turned), True),
    "moved": (other_image(moved), True),
    "a plane": (other_image(lambda _: image(LABELS[2])), True),
    "nothing": (nothing, False),
}

INPUTS = [(name, number) for name in SPOILERS for number in range(9)]


def make_case(folder: Path, name: str, number: int) -> tuple[CasePair, Path]:
    """Return a case with one spoiled file, the prediction or (every third) the reference."""
    case = f"{name.replace(' ', '_')}_{number}"
    reference = write_mask(folder / "labelsTs" / f"{case}.nii.gz", LABELS, SPACING)
    prediction = write_mask(folder / "predictions" / f"{case}.nii.gz", LABELS, SPACING)
    spoiled = reference if number % 3 == 2 else prediction
    SPOILERS[name][0](spoiled, np.random.default_rng((number, len(name))))
    return CasePair(case, reference, prediction), spoiled


def test_there_are_three_hundred():
    assert len(INPUTS) >= 300


@pytest.mark.parametrize("name", list(SPOILERS))
def test_every_spoiled_file_gives_a_message_or_right_values(tmp_path: Path, name: str):
    for number in range(9):
        pair, spoiled = make_case(tmp_path, name, number)
        started = time.monotonic()
        found = measure_case(pair, TASK)
        assert time.monotonic() - started < _SECONDS
        if found.problems:
            (problem,) = found.problems
            assert str(spoiled) in problem
            assert len(problem) < 1500
            assert any(word in problem for word in ("mapped", "Copy", "Export", "Pass", "Map",
                       "Save", "Correct", "Predict again", "expected")), problem  # fmt: skip
            continue
        assert not SPOILERS[name][1], f"{spoiled} was accepted: {found}"
        assert pair.prediction is not None
        # then it means what SimpleITK makes of it
        arrays = [
            sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
            for path in (pair.reference, pair.prediction)
        ]
        for value, label in ((1, "organ"), (2, "lesion")):
            first, second = (int((array == value).sum()) for array in arrays)
            measured = found.labels[label]
            assert (measured.reference_voxels, measured.prediction_voxels) == (first, second)
            dice = measured.values[0]
            shared = int(((arrays[0] == value) & (arrays[1] == value)).sum())
            expected = 2 * shared / (first + second) if first + second else np.nan
            assert dice == pytest.approx(expected, nan_ok=True)


def test_a_folder_of_spoiled_files_names_every_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    make_dataset(tmp_path, n_patients=6, cases_per_patient=1, volumes=True)
    write_dataset_json(tmp_path, {"background": 0, "organ": 1, "lesion": 2})
    rows = (tmp_path / "demographics.csv").read_text().splitlines()
    left: dict[str, CasePair] = {}
    for name, number in INPUTS:
        pair, _ = make_case(tmp_path, name, number)
        left[pair.case] = pair
        rows.append(f"{pair.case},{pair.case},{'female' if number % 2 else 'male'},50")
    (tmp_path / "demographics.csv").write_text("\n".join(rows) + "\n")
    arguments = [
        "-gt", str(tmp_path / "labelsTs"), "-pred", str(tmp_path / "predictions"), "-a", "sex",
        "-o", str(tmp_path / "out"), "-np", "1", "--bootstrap", "20",
    ]  # fmt: skip
    reported: Counter[int] = Counter()
    # first what the headers show (twice: of a kind, not every name is listed), then what the
    # voxels show, then the rest is evaluated
    for attempt, code in enumerate((1, 1, 1, 0)):
        assert main(arguments) == code
        lines = capsys.readouterr().err.splitlines()
        bad = {
            case
            for line in lines
            if line.startswith(("  - ", "    ... and "))
            for case in left
            if re.search(rf"[/ ']{case}(\.nii\.gz|'|,|$)", line)
        }
        for case in bad:
            pair = left.pop(case)
            pair.reference.unlink()
            (tmp_path / "predictions" / pair.reference.name).unlink()
        reported[attempt] = len(bad)
    must_fail = sum(9 for _, refused in SPOILERS.values() if refused)
    assert reported[0] + reported[1] + reported[2] >= must_fail
    assert all(not SPOILERS[case.rsplit("_", 1)[0].replace("_", " ")][1] for case in left)
