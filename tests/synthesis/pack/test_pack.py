"""The folder of synthetic cases: written and read back, and what is wrong with those of others."""

from pathlib import Path

import pytest

from nnunetv2_fair.errors import ConversionError
from nnunetv2_fair.synthesis.pack.pack import case_name, read_pack, write_about


def make(folder: Path, groups: dict[str, str], images: bool = False) -> Path:
    """Write a pack whose files are empty: it finds files and opens none."""
    (folder / "labels").mkdir(parents=True)
    (folder / "images").mkdir()
    for case in groups:
        (folder / "labels" / f"{case}.png").touch()
        if images:
            (folder / "images" / f"{case}_0000.png").touch()
    write_about(folder, "race", groups, {"model": "shape", "seed": 0})
    return folder


def test_a_pack_is_read_as_it_was_written(tmp_path):
    groups = {case_name(0): "Asian", case_name(1): "=Black, other", case_name(2): "Asian"}
    pack = read_pack(make(tmp_path / "pack", groups, images=True), "race", images=True)
    assert {case.case: case.group for case in pack.cases} == groups
    assert pack.made["model"] == "shape"
    assert pack.made["groups"] == ["Asian", "=Black, other"]
    assert [case.case for case in pack.groups["Asian"]] == ["synthetic_00000", "synthetic_00002"]
    assert pack.cases[0].images[0].name == "synthetic_00000_0000.png"
    assert pack.ending == ".png"


def test_groups_are_needed(tmp_path):
    folder = make(tmp_path / "pack", {"a": "Asian"})
    (folder / "groups.csv").unlink()
    with pytest.raises(ConversionError, match=r"has no groups.csv.*'case,race'"):
        read_pack(folder)
    (folder / "groups.csv").write_text("case,sex\na,female\n")
    with pytest.raises(ConversionError, match="columns case, sex; expected case and race"):
        read_pack(folder, "race")
    (folder / "groups.csv").write_text("case,race\na,\n")
    with pytest.raises(ConversionError, match="line 2: the race is empty"):
        read_pack(folder)


def test_everything_that_is_missing_is_said_at_once(tmp_path):
    folder = make(tmp_path / "pack", {"a": "Asian", "b": "Black"})
    (folder / "labels" / "b.png").unlink()
    (folder / "labels" / "c.png").touch()
    with pytest.raises(ConversionError) as caught:
        read_pack(folder, images=True)
    said = str(caught.value)
    assert "case 'b' of groups.csv has no" in said
    assert "case 'a' has no image images/a_0000.png" in said
    assert "1 label map without a row in groups.csv: c" in said
