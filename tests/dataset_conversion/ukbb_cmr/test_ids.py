import os
import stat
from pathlib import Path

import pytest

from nnunetv2_fair.dataset_conversion.ukbb_cmr.ids import (
    map_problems,
    number_participants,
    read_map,
    without_identifiers,
    write_map,
)
from nnunetv2_fair.errors import ConversionError
from tests.dataset_conversion.folders import environment


def test_the_map_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "map.csv"
    before = os.umask(0)
    try:
        write_map(path, {"9000023": "p00002", "9000017": "p00001"})
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == "participant,patient\n9000017,p00001\n9000023,p00002\n"
    path.chmod(0o644)  # a map that others could read is closed when it is written again
    write_map(path, read_map(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["map.csv"]


def test_numbers_tell_nothing_and_are_kept() -> None:
    people = [str(9_000_000 + i) for i in range(300)]
    first = number_participants(people, {})
    assert sorted(first.values()) == [f"p{i:05d}" for i in range(1, 301)]
    in_order = [first[person] for person in people]
    assert in_order != sorted(in_order)
    assert number_participants(people, {}) != first
    again = number_participants(["9999999", *people[5:]], {p: first[p] for p in people})
    assert {p: again[p] for p in people[5:]} == {p: first[p] for p in people[5:]}
    assert again["9999999"] == "p00301"


@pytest.mark.parametrize(
    "text",
    [
        "case,patient\na,b\n",
        "",
        "participant,patient\n9000017\n",
        "participant,patient\n9000017,lung_1\n",
        "participant,patient\n9000017,p00001\n9000017,p00002\n",
        "participant,patient\n9000017,p00001\n9000018,p00001\n",
    ],
)
def test_other_files_are_never_replaced(tmp_path: Path, text: str) -> None:
    path = tmp_path / "map.csv"
    path.write_text(text)
    with pytest.raises(ConversionError, match=r"is not a map .*unchanged.*--participant-map") as e:
        read_map(path)
    assert "9000017" not in str(e.value)
    assert path.read_text() == text
    assert read_map(tmp_path / "none.csv") == {}


def test_binary_files_are_no_maps(tmp_path: Path) -> None:
    path = tmp_path / "map.csv"
    path.write_bytes(b"\xff\xfe9000017")
    with pytest.raises(ConversionError, match="UnicodeDecodeError") as caught:
        read_map(path)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_the_map_must_be_outside_of_all_datasets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = environment(monkeypatch, tmp_path)
    (raw / "Dataset001_X").mkdir(parents=True)
    results = tmp_path / "nnUNet_results"
    results.mkdir()
    (tmp_path / "link").symlink_to(raw / "Dataset001_X")
    for place in (raw / "m.csv", raw / "Dataset001_X" / "m.csv", tmp_path / "link" / "m.csv",
                  results / "m.csv", raw / "Dataset001_X" / ".." / "m.csv"):  # fmt: skip
        (problem,) = map_problems(place, raw)
        assert "--participant-map) is inside" in problem
        assert "name a file elsewhere" in problem
    other = tmp_path / "other"
    (other / "Dataset001_X").mkdir(parents=True)
    assert "inside the folder of the datasets" in map_problems(other / "m.csv", other)[0]
    assert map_problems(tmp_path / "m.csv", raw) == []
    assert "is a folder" in map_problems(tmp_path, raw)[0]
    assert "does not exist" in map_problems(tmp_path / "none" / "m.csv", raw)[0]


def test_identifiers_are_hidden() -> None:
    text = "/data/9000017/sa.nii.gz and 12 of STH_7: 19000017x, 90000171"
    assert without_identifiers(text, ["STH_7"]) == (
        "/data/<participant>/sa.nii.gz and 12 of <participant>: 19000017x, 90000171"
    )
    assert without_identifiers("1 of 12 in 1_sa_ED", ["1"]) == (
        "<participant> of 12 in <participant>_sa_ED"
    )
