import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nnunetv2_fair.cli.convert_FairSeg import main
from nnunetv2_fair.dataset_conversion.fairseg.files import NpzCase, rim_and_cup
from nnunetv2_fair.errors import ConversionError
from nnunetv2_fair.subgroups.groups import group_cases
from nnunetv2_fair.subgroups.table import DemographicsTable, read_dataset_table
from tests.dataset_conversion.factories.fairseg import (
    RACES,
    RELEASES,
    arrays,
    image,
    labels,
    person,
    write_download,
    write_lists,
    write_npz,
    write_pack,
    write_summary,
)
from tests.dataset_conversion.folders import environment, json_of, pixels_of

NAME = "Dataset045_FairSeg"
SHAPE = (44, 58)
LEVELS = {
    "gender": ("female", "male"),
    "ethnicity": ("non-Hispanic", "Hispanic", ""),
    "language": ("English", "Spanish", "other", ""),
    "maritalstatus": ("married or partnered", "single", "divorced", "widowed",
                      "legally separated", ""),
}  # fmt: skip


@pytest.fixture
def raw(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    return environment(monkeypatch, tmp_path)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "FairSeg"


def convert(source: Path, *more: object) -> int:
    return main(["-i", str(source), "-d", "45", "-np", "1", *map(str, more)])


def table_of(raw: Path) -> DemographicsTable:
    return read_dataset_table(raw / NAME)


def log_of(raw: Path) -> Any:
    return json_of(raw / NAME / "conversion_log.json")


def cases_of(raw: Path, part: str) -> set[str]:
    return {p.name.removesuffix(".png") for p in (raw / NAME / f"labels{part}").glob("*.png")}


@pytest.mark.parametrize("release", RELEASES)
def test_every_release_gives_the_same_dataset(source: Path, raw: Path, release: str) -> None:
    write_download(source, range(1, 15), release)
    assert convert(source) == 0
    table = table_of(raw)
    for number in range(1, 15):
        case, codes = f"data_{number:05d}", person(number)
        row = table.frame.loc[case]
        assert row["patient"] == case
        assert row["race"] == RACES[codes["race"]]
        for name, words in LEVELS.items():
            assert row[name] == words[codes[name]], name
        assert float(row["age"]) == pytest.approx(codes["age"], abs=0.05)
        part = "Ts" if case in cases_of(raw, "Ts") else "Tr"
        written = pixels_of(raw / NAME / f"images{part}" / f"{case}_0000.png")
        assert np.array_equal(written, image(number, SHAPE))
        mask = pixels_of(raw / NAME / f"labels{part}" / f"{case}.png")
        assert np.array_equal(mask, labels(number, SHAPE))
    assert json_of(raw / NAME / "dataset.json")["labels"] == {"background": 0, "rim": 1, "cup": 2}
    assert table.schema.default == "race"
    ages = group_cases(table, "age").group_of
    assert all(ages[case] == ("<60" if float(table.frame.loc[case, "age"]) < 60 else ">=60")
               for case in table.cases)  # fmt: skip


def test_disc_and_cup_as_regions(source: Path, raw: Path) -> None:
    write_download(source, range(1, 9))
    assert convert(source, "--regions") == 0
    content = json_of(raw / NAME / "dataset.json")
    assert content["labels"] == {"background": 0, "disc": [1, 2], "cup": [2]}
    assert content["regions_class_order"] == [1, 2]
    assert "NC-ND" in content["licence"]
    settings = log_of(raw)["settings"]
    assert settings == {"folder": "FairSeg", "dataset_id": 45, "name": "FairSeg", "seed": 0,
                        "regions": True, "unpaired": "error"}  # fmt: skip


def test_crop_and_resize(source: Path, raw: Path) -> None:
    write_download(source, range(1, 7), shape=(45, 58))
    assert convert(source, "--center-crop", 20, 31, "--test-ratio", 0) == 0
    # as crop_center of the FairSeg code, with its rounding
    top, left = 45 // 2 - 20 // 2, 58 // 2 - 31 // 2
    for number in range(1, 7):
        expected = labels(number, (45, 58))[top : top + 20, left : left + 31]
        assert np.array_equal(pixels_of(raw / NAME / f"labelsTr/data_{number:05d}.png"), expected)
    again = ("--center-crop", 40, 40, "--resize", 24, 20, "--overwrite", "--test-ratio", 0)
    assert convert(source, *again) == 0
    assert pixels_of(raw / NAME / "imagesTr/data_00003_0000.png").shape == (24, 20)
    assert convert(source, *again[3:], "--center-crop", 45, 59) == 1


@pytest.mark.parametrize("digits", [5, 6])
def test_official_lists_compare_numbers_and_keep_their_order_out(
    source: Path, raw: Path, tmp_path: Path, digits: int
) -> None:
    write_download(source, range(1, 21), "fairmedfm")
    names = [f"data_{n:0{digits}d}.npz" for n in (7, 3, 20, 11, 2, 19, 5, 1)]
    lists = write_lists(tmp_path / "FairSeg_final", train=names[:6], test=["", *names[6:]])
    assert convert(source, "--split-lists", lists) == 0
    assert cases_of(raw, "Tr") == {f"data_{n:05d}" for n in (7, 3, 20, 11, 2, 19)}
    assert cases_of(raw, "Ts") == {"data_00005", "data_00001"}
    log = log_of(raw)
    assert sum(log["skipped_by_group"]["in no list"]["race"].values()) == 12
    assert log["renamed"]["data/data_000007.npz"] == "data_00007"
    assert "sampling_weight" not in (raw / NAME / "demographics.csv").read_text()


def test_data_summary_tells_the_parts(source: Path, raw: Path) -> None:
    write_download(source, range(1, 13))
    write_summary(source / "ReadMe" / "data_summary.csv", range(1, 13), 8)
    assert convert(source) == 0
    assert cases_of(raw, "Ts") == {f"data_{n:05d}" for n in range(9, 13)}
    assert convert(source, "--test-ratio", 0.5, "--overwrite") == 0
    assert len(cases_of(raw, "Ts")) == 6


def test_folders_tell_the_parts_where_nothing_else_does(source: Path, raw: Path) -> None:
    for number in range(1, 13):
        folder = source / "slo" / ("Test" if number in (2, 5, 11) else "Training")
        write_npz(folder / f"data_{number:05d}.npz", arrays(number, RELEASES["readme"], SHAPE))
    assert convert(source) == 0
    assert cases_of(raw, "Ts") == {"data_00002", "data_00005", "data_00011"}
    assert "as in the folders of these names" in " ".join(log_of(raw)["notes"])
    assert convert(source, "--test-ratio", 0.5, "--overwrite") == 0
    assert len(cases_of(raw, "Ts")) == 6
    write_summary(source / "data_summary.csv", range(1, 13), 8)
    assert convert(source, "--overwrite") == 0
    assert cases_of(raw, "Ts") == {f"data_{n:05d}" for n in range(9, 13)}
    (source / "data_summary.csv").unlink()
    # one file in neither folder: a part of its own choice would be a guess
    (source / "slo/Test/data_00002.npz").rename(source / "data_00002.npz")
    assert convert(source, "--overwrite") == 0
    assert "chosen by person" in " ".join(log_of(raw)["notes"])


def test_races_in_other_words_are_not_compared(source: Path, raw: Path) -> None:
    write_download(source, range(1, 7))
    words = ("asian", "black or african american", "White")
    rows = "".join(f"data_{n:05d}.npz,{words[person(n)['race']]},1\n" for n in range(1, 7))
    (source / "data_summary.csv").write_text(HEAD + rows)
    assert convert(source) == 0
    notes = " ".join(log_of(raw)["notes"])
    assert "words that were not compared with the files: black or african american" in notes


def test_levels_in_the_words_of_the_readme(source: Path, raw: Path) -> None:
    write_download(source, range(1, 4))
    for number, word in enumerate(("Others", "other languages", "Unavailable"), start=1):
        edit(source, number, language=word, maritalstatus="Married or Partnered")
    assert convert(source, "--test-ratio", 0) == 0
    frame = table_of(raw).frame
    assert list(frame["language"]) == ["other", "other", ""]
    assert set(frame["maritalstatus"]) == {"married or partnered"}


def test_altered_summary_with_use_column(source: Path, raw: Path) -> None:
    write_download(source, range(1, 7))
    rows = "\n".join(f"data_{n:05d},{'training' if n < 4 else 'test'}" for n in range(1, 7))
    (source / "data_summary.csv").write_text(f"filename,use\n{rows}\n")
    assert convert(source) == 0
    assert cases_of(raw, "Ts") == {f"data_{n:05d}" for n in range(4, 7)}


def test_own_split_keeps_groups_and_people_together(source: Path, raw: Path) -> None:
    form = RELEASES["code"]
    for number in range(1, 61):
        content = arrays(number, form, (20, 26)) | {"pid": number // 2}
        write_npz(source / f"data_{number:05d}.npz", content)
    assert convert(source, "--test-ratio", 0.3, "--seed", 4) == 0
    table = table_of(raw)
    assert table.patients["data_00007"] == table.patients["data_00006"] == "data_00006"
    assert "pid" not in " ".join(table.frame.columns)
    test = cases_of(raw, "Ts")
    people = {table.patients[case] for case in test}
    assert not people & {table.patients[case] for case in cases_of(raw, "Tr")}
    assert len(people) == pytest.approx(0.3 * len(set(table.patients.values())), abs=1)
    assert {table.frame.loc[case, "race"] for case in test} == set(RACES)


def test_unknown_pids_are_no_person(source: Path, raw: Path) -> None:
    for number, pid in enumerate((-1, -1, "unknown", 8, 7, 7, "", np.nan), start=1):
        content = arrays(number, RELEASES["code"], (20, 26)) | {"pid": pid}
        write_npz(source / f"data_{number:05d}.npz", content)
    assert convert(source) == 0
    patients = table_of(raw).patients
    assert patients["data_00006"] == "data_00005"
    assert len(set(patients.values())) == 7


def test_one_pid_for_all_is_no_person(source: Path, raw: Path) -> None:
    for number in range(1, 7):
        content = arrays(number, RELEASES["code"], (20, 26)) | {"pid": 0}
        write_npz(source / f"data_{number:05d}.npz", content)
    assert convert(source) == 0
    assert len(set(table_of(raw).patients.values())) == 6
    assert "pid is the same in all files" in " ".join(log_of(raw)["notes"])


@pytest.fixture
def fairdiff(source: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Packs of two races whose numbers overlap, and a list with repeats and foreign folders."""
    write_download(source, range(1, 13), "fairmedfm")
    packs = tmp_path / "synthetic-image" / "race"
    write_pack(packs, "Asian", range(4))
    write_pack(packs, "Black", range(3))
    write_pack(packs, "Unindentified", range(1))
    root = "/path/to/your/datasets/MedicalImage"
    lists = write_lists(
        tmp_path / "total_8000",
        train=[
            *[f"{root}/data/data_{n:06d}.npz" for n in (1, 2, 2, 3, 3, 3, 4)],
            *[f"{root}/synthetic-image-transfered/race/Black/data/{n:06d}.npz" for n in (0, 2, 2)],
            f"{root}/synthetic-image/race/Asian/data/000002.npz",
            f"{root}/synthetic-image/race/Unindentified/data/000000.npz",
        ],
    )
    write_lists(tmp_path / "FairSeg_final", train=["data_00012.npz"], test=["data_00009.npz"])
    return packs, lists


def test_fairdiff_lists_become_sampling_weights(
    source: Path, raw: Path, fairdiff: tuple[Path, Path]
) -> None:
    packs, lists = fairdiff
    final = lists.parent / "FairSeg_final"
    assert convert(source, "--synthetic", packs, "--split-lists", lists, final) == 0
    table = table_of(raw)
    expected = {f"data_{n:05d}": k for n, k in ((1, 1), (2, 2), (3, 3), (4, 1), (9, 1))}
    expected |= {"synthetic_race_Black_000000": 1, "synthetic_race_Black_000002": 2,
                 "synthetic_race_Asian_000002": 1, "synthetic_Unindentified_000000": 1}  # fmt: skip
    assert table.sampling_weights == expected
    assert table.synthetic_cases == {case for case in expected if case.startswith("synthetic")}
    assert cases_of(raw, "Ts") == {"data_00009"}
    black = table.frame.loc["synthetic_race_Black_000002"]
    assert (black["race"], black["age"], black["gender"]) == ("Black", "", "")
    assert table.frame.loc["synthetic_Unindentified_000000", "race"] == ""
    written = pixels_of(raw / NAME / "labelsTr/synthetic_race_Black_000002.png")
    assert np.array_equal(written, labels(502, SHAPE))
    notes = " ".join(log_of(raw)["notes"])
    assert "4 of the lines in train.txt repeat a file" not in notes  # 3 real ones do
    assert "3 of the lines in train.txt repeat a file" in notes
    assert "4 synthetic files are in no list" in notes


def test_synthetic_images_without_lists_are_all_for_training(
    source: Path,
    raw: Path,
    fairdiff: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert convert(source, "--synthetic", fairdiff[0]) == 0
    table = table_of(raw)
    assert len(table.synthetic_cases) == 8
    assert table.synthetic_cases <= cases_of(raw, "Tr")
    people = len(cases_of(raw, "Tr")) - 8
    assert log_of(raw)["cases"]["train"] == {
        "cases": people + 8, "patients": people, "synthetic": 8
    }  # fmt: skip
    line = f"train: {people + 8} cases of {people} patients (8 of the cases are synthetic)"
    assert line in capsys.readouterr().out
    assert line in (raw / NAME / "conversion_log.txt").read_text()
    assert "test: 3 cases of 3 patients\n" in (raw / NAME / "conversion_log.txt").read_text()


@pytest.mark.parametrize(
    ("group", "code", "level"),
    [("Others", 2, "other"), ("Spanish", 1, "Spanish"), ("Unindentified", -1, "")],
)
def test_packs_of_other_attributes(
    source: Path, raw: Path, tmp_path: Path, group: str, code: int, level: str
) -> None:
    write_download(source, range(1, 7), "fairmedfm")
    pack = {"fundus": image(1, SHAPE), "disc_cup_borders": -labels(1, SHAPE).astype(float)}
    path = tmp_path / "language" / group / "data" / "000000.npz"
    write_npz(path, pack | {"language": code})
    assert convert(source, "--synthetic", tmp_path / "language") == 0
    case = f"synthetic_language_{group}_000000"
    assert table_of(raw).frame.loc[case, "language"] == level


def test_synthetic_packs_inside_the_download_are_no_people(source: Path, raw: Path) -> None:
    write_download(source, range(1, 9))
    packs = write_pack(source / "synthetic-image" / "race", "Asian", range(2))
    assert convert(source) == 0
    assert Counter(e["reason"] for e in log_of(raw)["skipped"]) == {"npz file of another name": 2}
    assert convert(source, "--synthetic", packs, "--overwrite") == 0
    assert len(table_of(raw).synthetic_cases) == 2


@pytest.mark.parametrize(
    "mask",
    [
        np.array([[0, -1], [-2, 0]], np.float64),
        np.array([[0, -1], [-2, 0]], np.int8),
        np.array([[0, 255], [254, 0]], np.uint8),
        np.array([[0, 1], [2, 0]], np.uint8),
        np.array([[[0, -1], [-2, 0]]], np.int16),
        np.asfortranarray(np.array([[0, 255], [254, 0]], np.uint8)),
        np.array([[0, -1], [-2, 0]]).astype(np.uint16),
        np.array([[0, -1], [-2, 0]]).astype(">u4"),
    ],
)
def test_masks_of_every_type(mask: np.ndarray) -> None:
    result = rim_and_cup(mask, "disc_cup")
    assert result.dtype == np.uint8
    assert result.tolist() == [[0, 1], [2, 0]]


@pytest.mark.parametrize(
    "mask", [[[0, 3]], [[0, -3]], [[-1, 1]], [[0, 0.5]], [[0, -1.5]], [[0, np.nan]], [[0, 127]]]
)
def test_other_masks_are_refused_with_their_values(mask: list[list[float]]) -> None:
    with pytest.raises(ConversionError, match=r"'m' holds .*expected 0 \(background\), -1 \(rim\)"):
        rim_and_cup(np.array(mask), "m")


def edit(source: Path, number: int, **changes: Any) -> None:
    """Replace arrays of a file; None drops them."""
    path = source / "data" / f"data_{number:05d}.npz"
    content = arrays(number, RELEASES["readme"], SHAPE) | changes
    write_npz(path, {key: value for key, value in content.items() if value is not None})


def race(source: Path, *codes: float) -> None:
    for number, code in enumerate(codes, start=1):
        edit(source, number, race=code)


def stored(source: Path, number: int) -> Path:
    """Write a file again without compression, so that its bytes can be changed one by one."""
    path = source / "data" / f"data_{number:05d}.npz"
    with np.load(path) as found:
        content = dict(found)
    np.savez(path, **content)
    return path


def renamed(source: Path, number: int, old: bytes, new: bytes) -> None:
    path = stored(source, number)
    content = path.read_bytes()
    at = content.rindex(old)  # in the list of members at the end
    path.write_bytes(content[:at] + new + content[at + len(old) :])


def changed_value(source: Path, number: int) -> None:
    path = stored(source, number)
    content = bytearray(path.read_bytes())
    begin = content.index(b"race.npy")
    at = content.index(b"\n", content.index(b"NUMPY", begin)) + 1
    content[at] ^= 1
    path.write_bytes(content)


def encrypted(source: Path, number: int) -> None:
    path = stored(source, number)
    content = bytearray(path.read_bytes())
    for begin, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = content.find(begin)
        while at >= 0:
            content[at + flags] |= 1
            at = content.find(begin, at + 1)
    path.write_bytes(content)


def truncate(source: Path) -> None:
    path = source / "data" / "data_00003.npz"
    path.write_bytes(path.read_bytes()[:-200])


def break_inside(source: Path) -> None:
    """Damage pixels behind the headers, which are all that is read before writing."""
    shape = (200, 300)
    edit(source, 3, slo_fundus=image(3, shape), disc_cup_mask=np.zeros(shape))
    path = source / "data" / "data_00003.npz"
    content = bytearray(path.read_bytes())
    middle = content.index(b"slo_fundus.npy") + 40_000
    content[middle : middle + 8] = bytes(255 - byte for byte in content[middle : middle + 8])
    path.write_bytes(bytes(content))


def all_masks_zero(source: Path) -> None:
    for number in range(1, 9):
        edit(source, number, disc_cup_mask=np.zeros(SHAPE))


def objects(source: Path) -> None:
    edit(source, 2, language=np.array({"a": 1}, dtype=object))
    edit(source, 3, slo_fundus=np.array([[None, 1]], dtype=object))


def same_number(source: Path) -> None:
    (source / "data_000004.npz").write_bytes((source / "data/data_00004.npz").read_bytes())


def summary(text: str) -> Callable[[Path], None]:
    def write(source: Path) -> None:
        (source / "data_summary.csv").write_text(text)

    return write


ROWS = "".join(f"data_{n:05d}.npz,{RACES[person(n)['race']]},1\n" for n in range(1, 8))
HEAD = "filename,race,train\n"
DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "truncated": (truncate, r"data/data_00003\.npz cannot be read as npz \(\d+ bytes\).*download"),
    "broken inside": (
        break_inside,
        r"1 case failed.*case 'data_00003' \(data/data_00003\.npz\): it cannot be read",
    ),
    "no npz": (
        lambda s: (s / "data/data_00002.npz").write_text("<html>"),
        r"data_00002\.npz cannot be read as npz \(6 bytes\)",
    ),
    "objects": (
        objects,
        r"data_00002.npz: 'language' is an array of Python objects.*runs code.*"
        r"data_00003.npz: 'slo_fundus' is an array of Python objects",
    ),
    "no image": (
        lambda s: edit(s, 5, slo_fundus=None),
        r"data_00005.npz has no image: expected one of slo_fundus.*oct_fundus.*--image-key",
    ),
    "no mask": (lambda s: edit(s, 5, disc_cup_mask=None), r"has no mask: .*--mask-key"),
    "sizes": (
        lambda s: edit(s, 5, disc_cup_mask=np.zeros((58, 44))),
        r"'slo_fundus' has 44 rows and 58 columns, 'disc_cup_mask' has 58 and 44",
    ),
    "grey levels": (
        lambda s: edit(s, 5, slo_fundus=np.full(SHAPE, 0.5)),
        r"data_00005.*'slo_fundus' holds numbers from 0\.5 to 0\.5 \(float64\)",
    ),
    "mask values": (
        lambda s: edit(s, 5, disc_cup_mask=np.full(SHAPE, 255.0)),
        r"'disc_cup_mask' holds 255\.0; expected 0",
    ),
    "all masks zero": (all_masks_zero, r"all 8 masks hold nothing but 0.*nothing to learn"),
    "two race schemes": (
        lambda s: race(s, 0, 1, 2, 3, 7),
        r"race is coded in two ways: data_00001, data_00002 has 0 or 1.*data_00004, data_00005",
    ),
    "only 2": (
        lambda s: race(s, *[2] * 8),
        r"race is 2 wherever it is known.*--race-codes 012 or --race-codes 237",
    ),
    "unknown code": (
        lambda s: edit(s, 5, gender=4),
        r"gender is 4, expected 0 female, 1 male or -1 \(unknown\): data_00005",
    ),
    "array for a code": (lambda s: edit(s, 5, age=[1, 2]), r"'age' has shape \(2,\), expected a"),
    "endless text": (
        lambda s: edit(s, 5, race=np.zeros(1, "S99999999")),
        r"'race' has shape \(1,\) of 99999999 bytes each, expected a single value",
    ),
    "huge picture": (
        lambda s: edit(s, 5, slo_fundus=np.zeros((20_000, 20_000), np.uint8)),
        r"'slo_fundus' has shape \(20000, 20000\), more than 256 MiB; expected one picture",
    ),
    "name beside the data": (
        lambda s: renamed(s, 5, b"race", b"rbce"), r"data_00005\.npz cannot be read as npz.*differ"
    ),
    "checksum of a value": (
        lambda s: changed_value(s, 5), r"data_00005\.npz cannot be read as npz.*CRC-32"
    ),
    "encrypted": (lambda s: encrypted(s, 5), r"data_00005\.npz cannot be read as npz.*encrypted"),
    "old": (lambda s: edit(s, 5, age=140), r"data_00005: '140' is outside the plausible range"),
    "same number": (same_number, r"data_000004.npz have the same number; keep one"),
    "summary without name": (summary("race,train\nWhite,1\n"), r"no column 'filename'.*race, tr"),
    "summary of others": (
        summary(HEAD + ROWS + "data_00099.npz,White,0\n"),
        r"names 1 file that is not there: data_00099\.npz.*--unpaired skip",
    ),
    "file without row": (
        summary(HEAD + ROWS),
        r"1 file has no row in .*data_summary\.csv: data_00008.*--unpaired skip",
    ),
    "two rows": (
        summary(HEAD + ROWS + "data_00001.npz,White,0\n"),
        r"line 9: 'data_00001\.npz' already appears on line 2 with other values",
    ),
    "split word": (summary(HEAD + "data_00001.npz,Black,maybe\n"), r"'train' is 'maybe', expected"),
    "other races": (
        summary(HEAD + ROWS.replace("White", "Asian")),
        r"data_summary\.csv give different races: 3 are White by the files and Asian by",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_bad_input_is_said_and_nothing_is_left(
    source: Path, raw: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    damage, message = DAMAGES[name]
    write_download(source, range(1, 9))
    damage(source)
    assert convert(source) == 1
    error = capsys.readouterr().err.replace("\n", " ")
    assert re.search(message, error), error
    assert not (raw / NAME).exists()


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        (["data_00001.npz", "data_00050.npz"], ["data_00002.npz"], r"1 file that is not there"),
        (["data_00001.npz"], ["data_1.npz"], r"share 1 file: data_00001"),
        (["data_00001.npz", "hello"], ["data_00002.npz"], r"train\.txt, line 2: 'hello': expected"),
        (["x/race/Black/data/000001.npz"], ["data_00002.npz"], r"names no original file"),
        (
            ["data_00001.npz", "x/race/Black/data/000001.npz"],
            ["data_00002.npz"],
            r"Black/data/000001\.npz\. The list has 1 synthetic files: .*--synthetic",
        ),
    ],
)
def test_bad_lists_are_refused(
    source: Path,
    raw: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    train: list[str],
    test: list[str],
    message: str,
) -> None:
    write_download(source, range(1, 9))
    lists = write_lists(tmp_path / "lists", train=train, test=test)
    assert convert(source, "--split-lists", lists) == 1
    error = capsys.readouterr().err.replace("\n", " ")
    assert re.search(message, error), error


def test_lists_are_checked_together_with_the_files(
    source: Path, raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_download(source, range(1, 9))
    truncate(source)
    edit(source, 5, gender=4)
    lists = write_lists(
        tmp_path / "lists",
        train=["data_00001.npz", "data_00050.npz"],
        test=["data_00001.npz", "hello"],
    )
    assert convert(source, "--split-lists", lists) == 1
    error = capsys.readouterr().err
    for piece in ("data_00003.npz cannot be read as npz", "gender is 4", "1 file that is not",
                  "share 1 file", "line 2: 'hello'"):  # fmt: skip
        assert piece in error


def test_partial_downloads_may_go_on(source: Path, raw: Path, tmp_path: Path) -> None:
    write_download(source, range(1, 9))
    lists = write_lists(
        tmp_path / "lists",
        train=["data_00001.npz", "data_00050.npz", "data_00003.npz"],
        test=["data_00002.npz"],
    )
    assert convert(source, "--split-lists", lists, "--unpaired", "skip") == 0
    assert cases_of(raw, "Tr") == {"data_00001", "data_00003"}
    reason = "named in a list or table, but not there"
    assert {"item": "data_00050.npz", "reason": reason} in log_of(raw)["skipped"]


@pytest.mark.parametrize(
    ("codes", "flag", "levels"),
    [
        ((2, 2, -1), "012", ["White", "White", ""]),
        ((2, 2, -1), "237", ["Asian", "Asian", ""]),
        ((0, 2, np.nan), None, ["Asian", "White", ""]),
        ((2, 3, 7), None, ["Asian", "Black", "White"]),
        ((2, 7, 7), None, ["Asian", "White", "White"]),
        (("White", b"black", "unknown"), None, ["White", "Black", ""]),
        ((1, "asian", -1.0), None, ["Black", "Asian", ""]),
    ],
)
def test_race_codes_are_decided_once(
    source: Path, raw: Path, codes: tuple[Any, ...], flag: str | None, levels: list[str]
) -> None:
    write_download(source, range(1, 4))
    race(source, *codes)
    flags = () if flag is None else ("--race-codes", flag)
    assert convert(source, "--test-ratio", 0, *flags) == 0
    assert list(table_of(raw).frame["race"]) == levels


def test_a_pack_must_agree_with_its_folder(
    source: Path, raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_download(source, range(1, 9))
    packs = write_pack(tmp_path / "race", "Black", range(2))
    (packs / "Black").rename(packs / "White")
    assert convert(source, "--synthetic", packs) == 1
    error = capsys.readouterr().err
    assert "race means 'Black' in folder 'White'" in error
    assert "Move the files to the folder of their group" in error
    write_pack(tmp_path / "both" / "race", "Asian", [1])
    write_pack(tmp_path / "both" / "gender", "Asian", [1])
    assert convert(source, "--synthetic", tmp_path / "both") == 1
    assert "share group and number" in capsys.readouterr().err


def test_wrong_folders_say_what_was_found(
    source: Path, raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source.mkdir()
    (source / "FairSeg.zip").write_text("")
    assert convert(source) == 1
    assert "no file named data_<number>.npz. Found there: FairSeg.zip" in capsys.readouterr().err
    write_pack(source, "Black", range(2))
    assert convert(source) == 1
    assert "Other npz files found: Black/data/000000.npz" in capsys.readouterr().err
    assert convert(tmp_path / "nowhere") == 1
    assert "does not exist" in capsys.readouterr().err
    write_download(source, range(1, 4))
    (tmp_path / "empty").mkdir()
    assert convert(source, "--synthetic", tmp_path / "empty") == 1
    assert "holds no file named <group>/data/<number>.npz" in capsys.readouterr().err
    assert convert(source, "--split-lists", tmp_path / "empty") == 2
    assert "there is no train.txt and no test.txt" in capsys.readouterr().err


@pytest.mark.parametrize(
    "flags",
    [("--test-ratio", 1), ("--center-crop", 0, 5), ("--resize", 4, -1), ("-np", 0),
     ("--split-lists", ".", "--test-ratio", 0.1)],
)  # fmt: skip
def test_bad_usage(source: Path, raw: Path, flags: tuple[object, ...]) -> None:
    write_download(source, range(1, 4))
    assert convert(source, *flags) == 2
    assert not raw.exists()


def test_other_images_only_when_asked(source: Path, raw: Path) -> None:
    write_download(source, range(1, 5))
    assert convert(source, "--image-key", "oct_fundus", "--test-ratio", 0) == 0
    assert set(np.unique(pixels_of(raw / NAME / "imagesTr/data_00001_0000.png"))) == {7}


def test_attributes_that_no_file_tells_are_not_in_the_table(source: Path, raw: Path) -> None:
    write_download(source, range(1, 9))
    for number in range(1, 9):
        edit(source, number, race=None, language=-1, ethnicity=None)
    assert convert(source) == 0
    table = table_of(raw)
    assert set(table.schema.attributes) == {"gender", "maritalstatus", "age"}
    assert table.schema.default == "gender"
    notes = " ".join(log_of(raw)["notes"])
    assert "no file gives race, ethnicity: not in the table" in notes
    for number in range(1, 9):
        edit(source, number, **dict.fromkeys(person(number)))
    assert convert(source, "--overwrite") == 1


def test_colour_becomes_grey(source: Path, raw: Path) -> None:
    write_download(source, range(1, 4))
    colour = np.stack([image(k, SHAPE) for k in (1, 2, 3)], axis=-1)
    edit(source, 1, slo_fundus=colour)
    assert convert(source, "--test-ratio", 0) == 0
    written = pixels_of(raw / NAME / "imagesTr/data_00001_0000.png")
    assert np.abs(written - colour @ [0.299, 0.587, 0.114]).max() < 1


def test_nothing_is_unpickled(source: Path, raw: Path, tmp_path: Path) -> None:
    """A file that would create another one if it were unpickled."""

    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "executed",)

    write_download(source, range(1, 4))
    for key in ("slo_fundus", "disc_cup_mask", "race", "pid"):
        edit(source, 2, **{key: np.array(Trap(), dtype=object)})
        assert convert(source, "--test-ratio", 0, "--overwrite") == (0 if key == "pid" else 1)
    # the survey has refused these files; what reads the pixels must not rely on that
    trap = write_npz(tmp_path / "trap.npz", {"m": np.zeros((2, 2)), "i": np.array(Trap(), object)})
    with pytest.raises(ConversionError, match="cannot be read: Object arrays cannot be loaded"):
        NpzCase(trap, "i", "m")()
    assert not (tmp_path / "executed").exists()


def test_rerun_converts_only_what_changed(source: Path, raw: Path) -> None:
    write_download(source, range(1, 9))
    edit(source, 5, disc_cup_mask=np.full(SHAPE, 9.0))
    assert convert(source, "--test-ratio", 0) == 1
    work = raw / f".{NAME}.partial" / "dataset" / "labelsTr"
    before = {p.name: p.stat().st_mtime_ns for p in work.iterdir()}
    assert len(before) == 7
    edit(source, 5)
    edit(source, 6, disc_cup_mask=-labels(70, SHAPE).astype(float))
    assert convert(source, "--test-ratio", 0) == 0
    after = {p.name: p.stat().st_mtime_ns for p in (raw / NAME / "labelsTr").iterdir()}
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {"data_00005.png", "data_00006.png"}


def test_more_processes_write_the_same(source: Path, raw: Path, tmp_path: Path) -> None:
    write_download(source, range(1, 25))
    assert convert(source) == 0
    assert main(["-i", str(source), "-d", "45", "-np", "2", "-o", str(tmp_path / "two")]) == 0
    one, two = ({p.relative_to(f).as_posix(): p.read_bytes() for p in f.rglob("*.*")}
                for f in (raw / NAME, tmp_path / "two" / NAME))  # fmt: skip
    assert one == two


def test_dry_run_reads_every_mask_and_writes_nothing(
    source: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_download(source, range(1, 9))
    for number in (3, 6):
        edit(source, number, disc_cup_mask=np.full(SHAPE, 9.0))
    assert convert(source, "--dry-run") == 1
    error = capsys.readouterr().err
    assert "data_00003" in error
    assert "data_00006" in error
    assert not raw.exists()


def test_table_is_read_back_by_pandas(source: Path, raw: Path) -> None:
    write_download(source, range(1, 9))
    assert convert(source) == 0
    frame = pd.read_csv(raw / NAME / "demographics.csv", keep_default_na=False)
    assert list(frame.columns) == ["case", "patient", "race", "gender", "ethnicity", "language",
                                   "maritalstatus", "age"]  # fmt: skip
