import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from nnunetv2_fair.cli.convert_TUSC import main
from nnunetv2_fair.dataset_conversion.tusc.frames import FrameCase, normal_id, read_contents
from nnunetv2_fair.subgroups.groups import group_cases
from nnunetv2_fair.subgroups.table import read_dataset_table
from tests.dataset_conversion.factories.tusc import Download
from tests.dataset_conversion.folders import environment, json_of, pixels_of

NAME = "Dataset044_TUSC"


@pytest.fixture
def raw(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    return environment(monkeypatch, tmp_path)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "TUSC"


def convert(source: Path, *more: str) -> int:
    return main(["-i", str(source), "-d", "44", "-np", "1", *more])


def frames_by_hand(download: Download, every: int) -> dict[str, int]:
    """Position in the file of every case, counted with nothing but a loop."""
    cases = {}
    seen: Counter[int] = Counter()
    for index, clip in enumerate(download.clips):
        if seen[clip] % every == 0:
            cases[f"clip{clip:03d}_frame{seen[clip]:03d}"] = index
        seen[clip] += 1
    return cases


def files_of(target: Path) -> dict[str, Path]:
    return {p.name.removesuffix("_0000.png"): p for p in target.glob("images*/*.png")}


@pytest.mark.parametrize("every", [5, 1, 4])
def test_every_nth_frame_begins_anew_in_each_clip(source: Path, raw: Path, every: int) -> None:
    download = Download()
    download.write(source)
    assert convert(source, "--every", str(every)) == 0
    files = files_of(raw / NAME)
    expected = frames_by_hand(download, every)
    assert set(files) == set(expected)
    for case, index in expected.items():
        assert np.array_equal(pixels_of(files[case]), download.image(index))
        label = files[case].parent.parent / files[case].parent.name.replace("images", "labels")
        assert np.array_equal(pixels_of(label / f"{case}.png"), download.nodule(index))
    assert json_of(raw / NAME / "dataset.json")["labels"] == {"background": 0, "nodule": 1}


def test_frames_are_ordered_by_their_number_and_clips_may_be_mixed(source: Path, raw: Path) -> None:
    download = Download(lengths=(6, 5, 6))
    order = np.random.default_rng(0).permutation(17)
    arrays = {name: array[order] for name, array in download.arrays().items()}
    arrays["frame_num"] = np.array([b"%d_" % (n + 3) for n in arrays["frame_num"]])[:, None]
    download.write(source, **arrays)
    assert convert(source, "--test-ratio", "0") == 0
    files = files_of(raw / NAME)
    expected = frames_by_hand(download, 5)
    assert set(files) == set(expected)
    for case, index in expected.items():
        assert np.array_equal(pixels_of(files[case]), download.image(index))
    renamed = json_of(raw / NAME / "conversion_log.json")["renamed"]
    position = list(order).index(expected["clip001_frame005"])
    assert renamed[f"dataset.hdf5, frame {position}"] == "clip001_frame005"


@pytest.mark.parametrize(
    ("numbers", "note"), [(None, "no 'frame_num'"), (0, "frame numbers repeat in 11 clips")]
)
def test_without_usable_frame_numbers_the_order_of_the_file_counts(
    source: Path, raw: Path, numbers: int | None, note: str
) -> None:
    download = Download()
    given = None if numbers is None else np.zeros(len(download.clips), int)
    download.write(source, frame_num=given)
    assert convert(source) == 0
    assert set(files_of(raw / NAME)) == set(frames_by_hand(download, 5))
    assert note in " ".join(json_of(raw / NAME / "conversion_log.json")["notes"])


def test_demographics_reach_every_frame_and_empty_stays_unknown(source: Path, raw: Path) -> None:
    Download().write(source)
    assert convert(source) == 0
    table = read_dataset_table(raw / NAME)
    assert table.schema.default == "sex"
    row = table.frame.loc["clip002_frame010"]
    assert (row["patient"], row["sex"], row["age"]) == ("clip002", "female", "38")
    assert (row["tirads_level"], row["histopathology"]) == ("TR5", "malignant")
    assert table.frame.loc["clip003_frame000", "sex"] == ""  # never male by default
    assert table.frame.loc["clip006_frame005", "age"] == ""
    assert set(table.frame.loc["clip009_frame000"].drop(["patient", "synthetic",
               "sampling_weight"])) == {""}  # fmt: skip
    ages = group_cases(table, "age").group_of
    assert (ages["clip002_frame000"], ages["clip005_frame000"]) == ("<50", ">=50")
    log = json_of(raw / NAME / "conversion_log.json")
    assert log["groups"]["sex"]["train"]["unknown"] + log["groups"]["sex"]["test"]["unknown"] == 3
    assert "nodules, not patients" in " ".join(log["notes"])
    assert log["counts"] == {
        "frames found": 91, "clips found": 12, "rows in the table": 12, "frames converted": 23,
        "clips converted": 12,
    }  # fmt: skip


def test_seven_to_three_by_clip_with_every_group_in_its_share(source: Path, raw: Path) -> None:
    ages = {clip: {"age": "30" if clip % 2 else "70", "sex": ("Female", "Male")[clip % 3 == 0]}
            for clip in range(1, 62)}  # fmt: skip
    Download(lengths=(3,) * 60, shape=(8, 9), rows=ages).write(source)
    assert convert(source, "--every", "1") == 0
    target = raw / NAME
    test = {p.name[:7] for p in target.glob("imagesTs/*.png")}
    train = {p.name[:7] for p in target.glob("imagesTr/*.png")}
    assert not test & train
    assert (len(train), len(test)) == (42, 18)
    table = read_dataset_table(target)
    for group, cases in group_cases(table, "sex+age").members(table.cases).items():
        clips = {case[:7] for case in cases}
        assert len(clips & test) == pytest.approx(0.3 * len(clips), abs=1), group
    again = raw.parent / "again"
    assert convert(source, "--every", "1", "-o", str(again), "--seed", "1", "-n", "Other") == 0
    assert {p.name[:7] for p in again.glob("*/imagesTs/*.png")} != test


def test_resized_as_in_the_paper(source: Path, raw: Path) -> None:
    Download().write(source)
    assert convert(source, "--resize", "24", "30") == 0
    for path in (raw / NAME).glob("*/*.png"):
        assert pixels_of(path).shape == (24, 30)
        if path.parent.name.startswith("labels"):
            assert set(np.unique(pixels_of(path))) == {0, 1}


@pytest.mark.parametrize(
    ("shape", "high", "columnar"), [((40, 52, 3), 255, True), ((40, 52, 1), 1, False)]
)
def test_variants_of_the_arrays(
    source: Path, raw: Path, shape: tuple[int, int, int], high: int, columnar: bool
) -> None:
    download = Download(high=high, columnar_ids=columnar)
    image = np.repeat(download.arrays()["image"][..., None], shape[2], axis=-1)
    download.write(source, image=image)
    assert convert(source) == 0
    path = files_of(raw / NAME)["clip002_frame005"]
    assert np.array_equal(pixels_of(path), download.image(7 + 5))


def test_a_frame_without_nodule_stays_empty(source: Path, raw: Path) -> None:
    masks = Download().arrays()["mask"]
    masks[7] = 0
    Download().write(source, mask=masks)
    assert convert(source, "--test-ratio", "0") == 0
    assert not pixels_of(raw / NAME / "labelsTr/clip002_frame000.png").any()
    assert "1 mask is empty (nothing but background): clip002_frame000" in " ".join(
        json_of(raw / NAME / "conversion_log.json")["notes"]
    )


@pytest.mark.parametrize("value", [b"12_", "12_", np.int64(12), 12.0, " 12_ ", np.bytes_(b"12_")])
def test_identifiers_are_recognised_in_every_form(value: Any) -> None:
    assert normal_id(value) == "12"


def test_more_processes_write_the_same(source: Path, raw: Path, tmp_path: Path) -> None:
    Download(chunks=(16, 20, 26)).write(source)
    assert convert(source) == 0
    assert main(["-i", str(source), "-d", "44", "-np", "2", "-o", str(tmp_path / "two")]) == 0
    one, two = ({p.relative_to(f).as_posix(): p.read_bytes() for p in f.rglob("*.*")}
                for f in (raw / NAME, tmp_path / "two" / NAME))  # fmt: skip
    assert one == two


def test_frames_stored_together_are_decoded_once(source: Path) -> None:
    download = Download(lengths=(40,), chunks=(10, 20, 26))
    download.write(source)
    path = source / "dataset.hdf5"
    contents = read_contents(path)
    # four chunks of 10 x 20 x 26 lie across a frame
    assert contents.cache_bytes >= 4 * 10 * 20 * 26
    for index in (39, 0, 11):
        data = FrameCase(path, index, contents.cache_bytes)()
        assert np.array_equal(data.channels[0], download.image(index))
        assert np.array_equal(data.mask, download.nodule(index))


# not getrusage: it remembers the memory of the process that started this one
_MEASURE = """
import pathlib, sys
from nnunetv2_fair.cli.convert_TUSC import main
assert main(sys.argv[1:]) == 0
status = pathlib.Path("/proc/self/status").read_text()
sys.stderr.write("PEAK " + status.split("VmHWM:")[1].split()[0])
"""


@pytest.mark.parametrize("chunks", [None, (64, 101, 132)], ids=["frame-by-frame", "gzip-blocks"])
def test_memory_does_not_grow_with_the_file(
    source: Path, raw: Path, tmp_path: Path, chunks: tuple[int, int, int] | None
) -> None:
    """29 GB of pixels, nearly all of them never written: the file is small, its arrays are not."""
    n, rows, columns = 17_412, 802, 1054
    download = Download(lengths=(n // 12,) * 12)
    download.write(source)
    ids, numbers = download.clips, download.numbers
    with h5py.File(source / "dataset.hdf5", "w") as file:
        options: dict[str, Any] = {"chunks": chunks or (1, rows, columns)}
        if chunks:
            options["compression"] = "gzip"
        for name in ("image", "mask"):
            file.create_dataset(name, (len(ids), rows, columns), np.uint8, **options)
        file["mask"][0, 300:400, 500:600] = 255
        for clip in range(12):  # the frames that are converted
            for index in range(clip * n // 12, (clip + 1) * n // 12, 500):
                file["image"][index, 0, 0] = 1
        file["annot_id"] = np.array([b"%d_" % clip for clip in ids])[:, None]
        file["frame_num"] = numbers
    assert (source / "dataset.hdf5").stat().st_size < 32 * 2**20
    assert len(ids) * rows * columns * 2 > 29e9
    command = [sys.executable, "-c", _MEASURE, "-i", str(source), "-d", "44", "-np", "1",
               "--every", "500"]  # fmt: skip
    project = Path(__file__).parents[3]
    done = subprocess.run(command, capture_output=True, text=True, cwd=project, check=False)
    assert done.returncode == 0, done.stderr
    assert len(files_of(raw / NAME)) == 36
    peak_kib = int(done.stderr.rsplit("PEAK ", 1)[1])
    assert peak_kib < 0.5 * 2**20


def elsewhere(path: Path, images: Any, how: str) -> None:
    """Add images that are not in the file itself."""
    other = path.parent.parent / "other.hdf5"
    with h5py.File(other, "w") as file:
        file["image"] = images
    raw = path.parent.parent / "other.raw"
    raw.write_bytes(images.tobytes())
    with h5py.File(path, "a") as file:
        if how == "external link":
            file["image"] = h5py.ExternalLink(str(other), "/image")
        elif how == "soft link":
            file["hidden"] = h5py.ExternalLink(str(other), "/image")
            file["image"] = h5py.SoftLink("/hidden")
        elif how == "external storage":
            file.create_dataset("image", images.shape, np.uint8, external=str(raw))
        else:
            layout = h5py.VirtualLayout(images.shape, np.uint8)
            layout[:] = h5py.VirtualSource(str(other), "image", images.shape)
            file.create_virtual_dataset("image", layout)


def damaged(tmp_path: Path, name: str) -> tuple[Path, str]:
    """A download with one thing wrong, and what the message has to say."""
    source = tmp_path / "TUSC"
    download = Download()
    file = source / "dataset.hdf5"
    if name == "wrong folder":
        source.mkdir()
        (source / "data.zip").write_text("")
        return source, r"has no dataset\.hdf5 and no metadata\.csv. Found there: data\.zip"
    if name == "no folder":
        return source, "does not exist or is not a folder"
    if name == "truncated":
        download.write(source)
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        return source, r"dataset\.hdf5 cannot be read as HDF5 \(\d+ bytes\).*download it again"
    if name == "other file":
        download.write(source)
        file.write_bytes(b"<html>log in first</html>")
        return source, "cannot be read as HDF5"
    if name == "other keys":
        download.write(source, mask=None, annot_id=None)
        return source, r"has no 'mask', 'annot_id'\. Found: frame_num, image"
    if name == "lengths":
        download.write(source, annot_id=np.array([b"1_"] * 80))
        return source, r"not equally long.*image 91, mask 91, annot_id 80"
    if name == "sizes":
        download.write(source, mask=np.zeros((91, 52, 40), np.uint8))
        return source, r"shape \(91, 40, 52\), 'mask' \(91, 52, 40\)"
    if name == "type":
        download.write(source, image=download.arrays()["image"] / 255)
        return source, "'image' is float64, expected uint8"
    if name == "frame numbers":
        download.write(source, frame_num=np.array([b"x"] * 91))
        return source, "'frame_num' of frame 0 is b'x', expected a number"
    if name == "empty masks":
        download.write(source, mask=np.zeros((91, 40, 52), np.uint8))
        return source, "masks of all 23 chosen frames hold nothing but 0"
    if name == "blurred masks":
        masks = download.arrays()["mask"]
        masks[0, 5, 5] = 77
        download.write(source, mask=masks)
        return source, r"clip001_frame000.*frame 0\): the mask holds 0, 77, 255; expected 0 and 255"
    if name in ("-1", "0.5", "nan"):
        masks = np.where(download.arrays()["mask"] == 255, float(name), 0)
        download.write(source, mask=masks.astype(np.int8 if name == "-1" else np.float32))
        return source, rf"the mask holds .*{re.escape(name)}.*; expected 0 and 255"
    if name == "underscore":
        download.write(source, frame_num=np.array([b"5_4"] * 91))
        return source, "'frame_num' of frame 0 is b'5_4', expected a number"
    if name in ("external link", "soft link", "external storage", "virtual"):
        images = download.arrays()["image"]
        download.write(source, image=None)
        elsewhere(file, images, name)
        return source, r"dataset\.hdf5: 'image' is .*, which is not read\. Use the original file"
    if name == "never written":
        download.write(source, image=None)
        with h5py.File(file, "a") as target:
            target.create_dataset("image", (91, 40, 52), np.uint8, chunks=(1, 40, 52))
        return source, "'image' was never written: all frames would be black"
    if name == "frame never written":
        images = download.arrays()["image"]
        download.write(source, image=None)
        with h5py.File(file, "a") as target:
            target.create_dataset("image", (91, 40, 52), np.uint8, chunks=(1, 40, 52))
            target["image"][1:] = images[1:]
        return source, r"clip001_frame000.*: the frame was never written"
    if name == "no row":
        Download(without_row=(2, 5)).write(source)
        return source, r"clip without a row in the table: 2, 5\. .*--unpaired skip"
    if name == "no frames":
        download.write(source)
        with (source / "metadata.csv").open("a") as table:
            table.write("99_" + "," * 13 + "\n")
        return source, r"row in the table without frames: 99\. .*--unpaired skip"
    if name == "two rows":
        download.write(source)
        with (source / "metadata.csv").open("a") as table:
            table.write("2" + "," * 13 + "\n")
        return source, r"line 14: nodule '2' already appears on line 3 as '2_'"
    if name == "columns":
        download.write(source)
        table = source / "metadata.csv"
        table.write_text(table.read_text().replace("annot_id", "id").replace("age", "years"))
        return (
            source,
            r"metadata\.csv has no column 'annot_id', 'age'\. Columns found: id, .*--table",
        )
    if name == "sex code":
        Download(rows={2: {"sex": "1"}}).write(source)
        return source, r"'2_': '1' is not a level of 'sex'.*--values sex"
    if name == "age":
        Download(rows={2: {"age": "450"}}).write(source)
        return source, r"'450' is outside the plausible range of 'age'"
    raise AssertionError(name)


DAMAGES = ["wrong folder", "no folder", "truncated", "other file", "other keys", "lengths", "sizes",
           "type", "frame numbers", "-1", "0.5", "nan", "underscore", "external link", "soft link",
           "external storage", "virtual", "never written", "frame never written",
           "empty masks", "blurred masks", "no row", "no frames",
           "two rows", "columns", "sex code", "age"]  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_bad_input_is_said_and_nothing_is_written(
    tmp_path: Path, raw: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    source, message = damaged(tmp_path, name)
    assert convert(source) == 1
    error = capsys.readouterr().err.replace("\n", " ")
    assert re.search(message, error), error
    assert not (raw / NAME).exists()


def test_all_problems_are_listed_at_once(
    source: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (raw / "Dataset044_Other").mkdir(parents=True)
    Download(without_row=(2,), rows={5: {"sex": "??"}, 6: {"age": "x"}}).write(source)
    assert convert(source, "--dry-run") == 1
    error = capsys.readouterr().err
    for piece in ("without a row in the table: 2", "'??' is not a level", "'x' is not a number",
                  "id 44 is taken by Dataset044_Other"):  # fmt: skip
        assert piece in error
    assert sorted(path.name for path in raw.iterdir()) == ["Dataset044_Other"]


@pytest.mark.parametrize("damage", ["truncated", "other keys"])
def test_a_damaged_file_does_not_hide_what_is_wrong_with_the_table(
    tmp_path: Path, raw: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    source, message = damaged(tmp_path, damage)
    table = source / "metadata.csv"
    table.write_text(table.read_text().replace("Female", "??", 1))
    assert convert(source) == 1
    error = capsys.readouterr().err.replace("\n", " ")
    assert re.search(message, error), error
    assert "'??' is not a level of 'sex'" in error


def test_no_echogenic_foci_are_a_level_of_tirads(
    source: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    foci = {1: "none", 2: "punctate", 5: "none"}
    rows = {clip: {"ti-rads_echogenicfoci": text} for clip, text in foci.items()}
    Download(rows=rows).write(source)
    assert convert(source, "--test-ratio", "0") == 0
    table = read_dataset_table(raw / NAME)
    assert table.schema["tirads_echogenicfoci"].levels == ("none", "punctate")
    column = table.frame["tirads_echogenicfoci"]
    assert [column[f"clip{clip:03d}_frame000"] for clip in (1, 2, 5, 6)] == [*foci.values(), ""]
    # in other columns the word may mean that nothing is known
    other = Download(rows={1: {"ti-rads_shape": "none"}}).write(source.parent / "other")
    assert convert(other, "--overwrite") == 1
    assert "'tirads_shape' is 'none', which may mean unknown" in capsys.readouterr().err


def test_clips_left_out_are_counted_by_group(source: Path, raw: Path) -> None:
    Download(without_row=(2,)).write(source)
    with (source / "metadata.csv").open("a") as table:
        table.write("99_,,,,,71,Male" + "," * 7 + "\n")
    assert convert(source, "--unpaired", "skip") == 0
    log = json_of(raw / NAME / "conversion_log.json")
    left_out = log["skipped_by_group"]["row in the table without frames"]
    assert (left_out["sex"], left_out["age"]) == ({"male": 1}, {">=50": 1})
    assert {"item": "clip 2", "reason": "clip without a row in the table"} in log["skipped"]
    assert not any("clip002" in name for name in files_of(raw / NAME))


def test_words_that_mean_unknown_and_other_codes_have_flags(source: Path, raw: Path) -> None:
    Download(rows={2: {"sex": "w"}, 5: {"sex": "?"}, 7: {"age": "041Y"}}).write(source)
    assert convert(source, "--values", "sex", "w=female", "--unknown", "?") == 0
    frame = read_dataset_table(raw / NAME).frame
    assert frame.loc["clip002_frame000", "sex"] == "female"
    assert frame.loc["clip005_frame000", "sex"] == ""
    assert frame.loc["clip007_frame005", "age"] == "41"


def test_columns_with_other_names_and_other_bins(source: Path, raw: Path, capsys) -> None:
    Download().write(source)
    table = source / "metadata.csv"
    header, rest = table.read_text().split("\n", 1)
    renamed = header.replace("annot_id", "nodule").replace("age", "Age in years")
    table.write_text(f"{renamed.replace('sex', 'Gender')}\n{rest}")
    assert convert(source) == 1
    assert "no column 'annot_id', 'sex', 'age'" in capsys.readouterr().err
    named = ("--columns", "patient=nodule", "sex=gender", "age=Age in years")
    assert convert(source, *named, "--bins", "age=45") == 0
    assert read_dataset_table(raw / NAME).schema["age"].groups == ("<45", ">=45")


@pytest.mark.parametrize(
    "flags",
    [("--every", "0"), ("--test-ratio", "1"), ("--resize", "0", "9"), ("-np", "0"),
     ("--values", "colour", "a=b")],
)  # fmt: skip
def test_bad_usage(source: Path, raw: Path, flags: tuple[str, ...]) -> None:
    Download().write(source)
    assert convert(source, *flags) == 2
    assert not raw.exists()
