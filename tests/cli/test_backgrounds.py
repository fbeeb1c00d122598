"""The command that edits backgrounds: three folders of images, and what it refuses."""

import csv

import numpy as np
import pytest
from PIL import Image

from nnunetv2_fair.cli import backgrounds


@pytest.fixture
def folder(tmp_path):
    """12 pictures of 12 patients: a disc, and a background of the group."""
    rng = np.random.default_rng(0)
    rows = ["case,patient,sex"]
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    for i in range(12):
        y, x = np.mgrid[:40, :40]
        disc = (y - 20) ** 2 + (x - 18) ** 2 < 49
        female = i % 2
        image = np.where(disc, 200, (120 if female else 40) + rng.integers(-20, 20, (40, 40)))
        Image.fromarray(image.astype(np.uint8)).save(tmp_path / "images" / f"c{i:02d}_0000.png")
        Image.fromarray(disc.astype(np.uint8)).save(tmp_path / "labels" / f"c{i:02d}.png")
        rows.append(f"c{i:02d},p{i},{'female' if female else 'male'}")
    (tmp_path / "demographics.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def edit(folder, *more):
    return backgrounds.main(
        ["-i", str(folder / "images"), "-organ", str(folder / "labels"), "-a", "sex", "-o",
         str(folder / "out"), "-np", "1", *more]
    )  # fmt: skip


def outside(folder, name, case):
    image = np.asarray(Image.open(folder / name / f"{case}_0000.png")).astype(float)
    return image[:6].mean()


def test_three_edits(folder):
    assert edit(folder) == 0
    out = folder / "out"
    for name in ("neutralised", "exchanged", "control"):
        assert len(list((out / name).iterdir())) == 12
        for i in range(12):
            before = np.asarray(Image.open(folder / "images" / f"c{i:02d}_0000.png"))
            after = np.asarray(Image.open(out / name / f"c{i:02d}_0000.png"))
            organ = np.asarray(Image.open(folder / "labels" / f"c{i:02d}.png")) > 0
            assert (before[organ] == after[organ]).all()
    for case, own, other in (("c00", 40, 120), ("c01", 120, 40)):
        assert abs(outside(out, "exchanged", case) - other) < 15
        assert abs(outside(out, "control", case) - own) < 15
    plain = np.asarray(Image.open(out / "neutralised" / "c00_0000.png"))[:6]
    assert len(np.unique(plain)) == 1
    rows = list(csv.DictReader((out / "backgrounds.csv").open()))
    assert len(rows) == 12
    assert all(float(row["strength_exchanged"]) > 0 for row in rows)
    # who was whose partner would tell who is in one group with whom
    assert set(rows[0]) == {"case", "strength_neutralised", "strength_exchanged",
                            "strength_control", "not_done_because"}  # fmt: skip
    first = (out / "exchanged" / "c00_0000.png").read_bytes()
    assert edit(folder, "--overwrite") == 0
    assert (out / "exchanged" / "c00_0000.png").read_bytes() == first


def test_cases_that_cannot_be_edited_are_left_out(folder, capfd):
    Image.new("L", (40, 40)).save(folder / "labels" / "c03.png")
    text = (folder / "demographics.csv").read_text().replace("c05,p5,female", "c05,p5,")
    (folder / "demographics.csv").write_text(text)
    assert edit(folder) == 0
    told = "".join(capfd.readouterr())
    assert "Note: 1 case left out: there is no organ" in told
    assert "Note: 1 case left out: its group is not known" in told
    assert not (folder / "out" / "neutralised" / "c03_0000.png").exists()
    assert (folder / "out" / "neutralised" / "c05_0000.png").exists()
    assert not (folder / "out" / "control" / "c05_0000.png").exists()


def test_refusals_write_nothing(folder, capfd):
    def refused(*more):
        assert edit(folder, *more) in (1, 2)
        assert not list((folder / "out").glob("*")) if (folder / "out").exists() else True
        return capfd.readouterr().err

    assert "--margin -1: expected a number above 0." in refused("--margin", "-1")
    assert "is the folder of -i" in refused("-o", str(folder / "images"))
    assert "organ and margin fill 100% of the image" in refused("--margin", "90")
    (folder / "labels" / "c04.png").unlink()
    assert "1 images of" in (told := refused())
    assert "have no mask in" in told
    Image.new("L", (30, 40)).save(folder / "labels" / "c04.png")
    assert "differ in size: 40 x 40 and 40 x 30 pixels; resample both to one grid" in refused()
    (folder / "labels" / "c04.png").write_bytes(b"no picture")
    assert "c04.png cannot be read as a picture" in refused()
    (folder / "demographics.csv").unlink()
    assert "pass the table that says who the cases are from with --demographics" in refused()
