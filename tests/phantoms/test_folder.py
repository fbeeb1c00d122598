import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk  # noqa: N813
from PIL import Image

from nnunetv2_fair.errors import DatasetError
from nnunetv2_fair.phantoms.bias import plant
from nnunetv2_fair.phantoms.drawing import draw
from nnunetv2_fair.phantoms.folder import generate
from nnunetv2_fair.phantoms.rendering import render
from nnunetv2_fair.phantoms.spec import PhantomSpec

FLAT = PhantomSpec(n_patients=20, shape=(32, 48), seed=3)
SOLID = PhantomSpec(n_patients=4, shape=(12, 32, 40), spacing_mm=(3.0, 0.9, 0.7), seed=3)


def _bytes(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _table(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "metadata.csv", dtype=str, keep_default_na=False)


def test_layout_and_table_are_a_users(tmp_path):
    folder = generate(replace(FLAT, unknown_age_share=0.1), tmp_path / "made" / "phantom")
    assert folder == tmp_path / "made" / "phantom"
    assert {p.name for p in folder.iterdir()} == {
        "images", "masks", "metadata.csv", "phantom.json",
    }  # fmt: skip
    assert [p.name for p in folder.parent.iterdir()] == ["phantom"]
    table = _table(folder)
    assert list(table.columns) == ["image", "patient", "sex", "age", "split"]
    assert sorted(table["image"]) == sorted(p.name for p in (folder / "images").iterdir())
    assert sorted(table["image"]) == sorted(p.name for p in (folder / "masks").iterdir())
    assert set(table["sex"]) == {"female", "male"}
    assert set(table["split"]) == {"train", "test"}
    people = table.drop_duplicates("patient")
    assert len(people) == 20
    assert (people["age"] == "").sum() == 2
    assert people["age"].replace("", "50").astype(int).between(18, 90).all()


def test_files_hold_what_was_rendered(tmp_path):
    spec = replace(FLAT, bias="label_shift")
    folder = generate(spec, tmp_path / "phantom")
    for drawing in draw(spec):
        made = render(plant(drawing, spec), spec)
        name = f"{drawing.name}.png"
        for part, array in (
            ("images", made.image), ("masks", made.mask), ("masks_clean", made.clean_mask),
        ):  # fmt: skip
            with Image.open(folder / part / name) as picture:
                assert picture.mode == "L"
                np.testing.assert_array_equal(np.asarray(picture), array)


def test_volumes_carry_their_geometry(tmp_path):
    folder = generate(SOLID, tmp_path / "phantom")
    for drawing in draw(SOLID):
        made = render(drawing, SOLID)
        for part, array in (("images", made.image), ("masks", made.mask)):
            volume = sitk.ReadImage(str(folder / part / f"{drawing.name}.nii.gz"))
            np.testing.assert_allclose(volume.GetSpacing(), (0.7, 0.9, 3.0), rtol=1e-6)
            np.testing.assert_array_equal(sitk.GetArrayFromImage(volume), array)


def test_clean_masks_are_those_of_an_unbiased_phantom(tmp_path):
    plain = _bytes(generate(replace(FLAT, minority_share=0.3), tmp_path / "plain"))
    biased = _bytes(
        generate(replace(FLAT, minority_share=0.3, bias="label_erosion"), tmp_path / "biased")
    )
    for name, content in plain.items():
        if name.startswith("masks/"):
            assert biased[name.replace("masks/", "masks_clean/")] == content
        if name.startswith("images/"):
            assert biased[name] == content
    assert biased["metadata.csv"] == plain["metadata.csv"]
    assert any(biased[name] != plain[name] for name in plain if name.startswith("masks/"))


@pytest.mark.parametrize("spec", [FLAT, SOLID], ids=["2d", "3d"])
def test_same_seed_same_bytes_other_seed_other_bytes(tmp_path, spec):
    first = _bytes(generate(spec, tmp_path / "first"))
    assert _bytes(generate(spec, tmp_path / "again")) == first
    other = _bytes(generate(replace(spec, seed=4), tmp_path / "other"))
    common = [name for name in first.keys() & other.keys() if name.startswith("images/")]
    assert common
    assert all(first[name] != other[name] for name in common)


def test_bytes_do_not_depend_on_the_number_of_processes(tmp_path):
    spec = replace(FLAT, n_patients=30, images_per_patient=(3, 3), bias="representation")
    alone = _bytes(generate(spec, tmp_path / "alone"))
    assert sum(name.startswith("images/") for name in alone) == 90
    assert _bytes(generate(spec, tmp_path / "shared", processes=2)) == alone


def test_phantom_json_tells_what_was_planted(tmp_path):
    spec = replace(FLAT, bias="representation", strength=0.5, n_patients=100)
    folder = generate(spec, tmp_path / "phantom")
    told = json.loads((folder / "phantom.json").read_text(encoding="utf-8"))
    assert "brighter than the organ" in told["planted"]
    assert told["biased_group"] == "female"
    assert told["spec"]["strength"] == 0.5
    assert told["spec"]["minority_share"] == 0.05
    assert told["labels"] == {"background": 0, "nodule": 1}
    table = _table(folder)
    for split in ("train", "test"):
        for sex, key in (("female", "female"), ("male", "not female")):
            rows = table[(table["split"] == split) & (table["sex"] == sex)]
            assert told["counts"][split][key] == {
                "patients": rows["patient"].nunique(), "images": len(rows),
            }  # fmt: skip
    assert told["counts"]["train"]["female"]["patients"] == 4  # 5 % of 70, rounded


def test_a_users_folder_is_left_alone(tmp_path):
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "precious.png").write_bytes(b"x")
    for overwrite in (False, True):
        with pytest.raises(DatasetError, match=r"scans is not empty and has no phantom\.json"):
            generate(FLAT, tmp_path / "scans", overwrite=overwrite)
    assert _bytes(tmp_path) == {"scans/precious.png": b"x"}


def test_a_phantom_is_replaced_only_when_asked(tmp_path):
    folder = generate(FLAT, tmp_path / "phantom")
    before = _bytes(tmp_path)
    with pytest.raises(DatasetError, match=r"phantom already holds a phantom.*--overwrite"):
        generate(replace(FLAT, n_patients=5), folder)
    assert _bytes(tmp_path) == before
    generate(replace(FLAT, n_patients=5), folder, overwrite=True)
    assert _table(folder)["patient"].nunique() == 5
    assert len(list((folder / "images").iterdir())) == len(_table(folder))


def test_an_empty_folder_is_used_and_a_file_is_not(tmp_path):
    (tmp_path / "empty").mkdir()
    assert len(_table(generate(FLAT, tmp_path / "empty")))
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(DatasetError, match="file is a file, expected a new folder"):
        generate(FLAT, tmp_path / "file")


def test_a_stranger_under_the_temporary_name_is_left_alone(tmp_path):
    stranger = tmp_path / ".phantom.partial"
    stranger.mkdir()
    (stranger / "mine.txt").write_text("x", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"\.phantom\.partial is in the way"):
        generate(FLAT, tmp_path / "phantom")
    assert _bytes(tmp_path) == {".phantom.partial/mine.txt": b"x"}


def test_killed_and_run_again(tmp_path):
    spec = replace(FLAT, n_patients=80, images_per_patient=(2, 2), shape=(120, 160))
    code = (
        "from pathlib import Path\n"
        "from nnunetv2_fair.phantoms.folder import generate\n"
        "from nnunetv2_fair.phantoms.spec import PhantomSpec\n"
        f"generate({spec!r}, Path({str(tmp_path / 'phantom')!r}))\n"
    )
    root = str(Path(__file__).parents[2])
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": root},
    )
    written = tmp_path / ".phantom.partial" / "dataset" / "masks"
    deadline = time.monotonic() + 60
    while not (written.is_dir() and any(written.iterdir())):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "phantom").exists(), "killed too late to tell anything"
    generate(spec, tmp_path / "phantom")
    assert [p.name for p in tmp_path.iterdir()] == ["phantom"]
    assert len(list((tmp_path / "phantom" / "images").iterdir())) == 160
