import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk  # noqa: N813
from PIL import Image

from nnunetv2_fair.cli.convert_image_folder import main as convert
from nnunetv2_fair.cli.phantoms import main
from nnunetv2_fair.phantoms.bias import plant
from nnunetv2_fair.phantoms.drawing import draw
from nnunetv2_fair.phantoms.rendering import render
from nnunetv2_fair.phantoms.spec import (
    DEFAULT_SHAPE_3D,
    DEFAULT_SPACING_MM_3D,
    MECHANISMS,
    PhantomSpec,
)
from nnunetv2_fair.subgroups.groups import group_cases
from nnunetv2_fair.subgroups.table import read_dataset_table

SMALL = ["--patients", "12", "--shape", "32", "48"]


def test_folder_with_every_option(tmp_path):
    folder = tmp_path / "phantom"
    options = ["--patients", "30", "--shape", "32", "48", "--images-per-patient", "2", "3"]
    options += ["--bias", "difficulty", "--strength", "0.7", "--group", "<50", "--seed", "5"]
    options += ["--minority-share", "0.2", "--test-share", "0.4", "--unknown-age-share", "0.1"]
    options += ["--contrast", "0.5", "0.9"]
    assert main(["-o", str(folder), *options]) == 0
    spec = PhantomSpec(
        n_patients=30,
        shape=(32, 48),
        images_per_patient=(2, 3),
        bias="difficulty",
        strength=0.7,
        group="<50",
        seed=5,
        minority_share=0.2,
        test_share=0.4,
        unknown_age_share=0.1,
        contrast=(0.5, 0.9),
    )
    told = json.loads((folder / "phantom.json").read_text(encoding="utf-8"))
    assert told["spec"] == json.loads(json.dumps(spec.to_dict()))
    drawing = draw(spec)[7]
    with Image.open(folder / "images" / f"{drawing.name}.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), render(plant(drawing, spec), spec).image)


def test_a_phantom_folder_is_what_the_converter_reads(tmp_path, nnunet_folders):
    folder = tmp_path / "phantom"
    assert main(["-o", str(folder), *SMALL, "--unknown-age-share", "0.2"]) == 0
    arguments = ["-i", str(folder), "-d", "900", "-n", "Phantom", "-np", "1"]
    arguments += ["-a", "sex", "-a", "age", "--bins", "age=50", "--labels", "nodule=1"]
    assert convert([*arguments, "--split-column", "split"]) == 0
    raw = nnunet_folders["nnUNet_raw"] / "Dataset900_Phantom"
    table = pd.read_csv(folder / "metadata.csv", dtype=str, keep_default_na=False)
    assert len(list((raw / "imagesTr").iterdir())) == (table["split"] == "train").sum()
    assert len(list((raw / "labelsTs").iterdir())) == (table["split"] == "test").sum()
    converted = read_dataset_table(raw)
    assert len(converted.frame) == len(table)
    assert set(converted.patients.values()) == set(table["patient"])


def test_picture_dataset(nnunet_folders):
    assert main(["-d", "901", "-n", "Phantom", *SMALL, "--bias", "label_erosion"]) == 0
    raw = nnunet_folders["nnUNet_raw"] / "Dataset901_Phantom"
    spec = PhantomSpec(n_patients=12, shape=(32, 48), bias="label_erosion")
    table = read_dataset_table(raw)
    groups = group_cases(table, "sex+age")
    for drawing in draw(spec):
        made = render(plant(drawing, spec), spec)
        part = "Tr" if drawing.patient.split == "train" else "Ts"
        with Image.open(raw / f"images{part}" / f"{drawing.name}_0000.png") as picture:
            np.testing.assert_array_equal(np.asarray(picture), made.image)
        with Image.open(raw / f"labels{part}" / f"{drawing.name}.png") as picture:
            np.testing.assert_array_equal(np.asarray(picture), made.mask)
        age = "<50" if drawing.patient.age < 50 else ">=50"
        assert groups.group_of[drawing.name] == f"{drawing.patient.sex}, {age}"
    described = json.loads((raw / "dataset.json").read_text(encoding="utf-8"))
    assert described["labels"] == {"background": 0, "nodule": 1}
    assert described["file_ending"] == ".png"
    assert "label_erosion" in described["description"]
    # made-up people train and validate like real ones; only added cases are "synthetic"
    assert not table.synthetic_cases


def test_volume_dataset_and_folder_at_once(tmp_path, nnunet_folders):
    folder = tmp_path / "phantom"
    arguments = ["-o", str(folder), "-d", "902", "-n", "Phantom3D", "--dimension", "3"]
    assert main([*arguments, "--patients", "4", "--images-per-patient", "1", "2"]) == 0
    raw = nnunet_folders["nnUNet_raw"] / "Dataset902_Phantom3D"
    spec = PhantomSpec(
        n_patients=4,
        images_per_patient=(1, 2),
        shape=DEFAULT_SHAPE_3D,
        spacing_mm=DEFAULT_SPACING_MM_3D,
    )
    for drawing in draw(spec):
        part = "Tr" if drawing.patient.split == "train" else "Ts"
        for path in (
            raw / f"images{part}" / f"{drawing.name}_0000.nii.gz",
            folder / "images" / f"{drawing.name}.nii.gz",
        ):
            volume = sitk.ReadImage(str(path))
            np.testing.assert_allclose(volume.GetSpacing(), (0.8, 0.8, 3.0), rtol=1e-6)
            np.testing.assert_array_equal(
                sitk.GetArrayFromImage(volume), render(drawing, spec).image
            )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "No output was named. Add -o FOLDER"),
        (["-d", "900"], "needs both -d ID and -n NAME"),
        (["-n", "Phantom"], "No output was named"),
        (["-o", "x", "-n", "Phantom"], "needs both -d ID and -n NAME"),
        (["-o", "x", "-np", "0"], "-np is 0, expected at least 1"),
        (["-o", "x", "--strength", "2"], "strength is 2, expected a number from 0 to 1"),
        (["-o", "x", "--shape", "9", "40", "40"], "--shape 9 40 40 has 3 numbers"),
        (["-o", "x", "--dimension", "3", "--shape", "40", "40"], "slices rows columns"),
        (["-o", "x", "--spacing", "1", "1", "1"], "pictures have no spacing"),
    ],
)
def test_bad_usage_exits_2_and_writes_nothing(
    tmp_path, monkeypatch, capsys, nnunet_folders, arguments, message
):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert main(arguments) == 2
    assert message in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


def test_unknown_bias_exits_2_and_lists_the_known(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["-o", "x", "--bias", "ageism"])
    assert caught.value.code == 2
    assert "representation" in capsys.readouterr().err


def test_an_existing_phantom_exits_1(tmp_path, capsys):
    arguments = ["-o", str(tmp_path / "phantom"), *SMALL]
    assert main(arguments) == 0
    assert main(arguments) == 1
    assert "already holds a phantom" in capsys.readouterr().err
    assert main([*arguments, "--overwrite"]) == 0


def test_nothing_is_written_if_the_dataset_cannot_be(tmp_path, nnunet_folders, capsys):
    (nnunet_folders["nnUNet_raw"] / "Dataset900_Other").mkdir()
    folder = tmp_path / "phantom"
    assert main(["-o", str(folder), "-d", "900", "-n", "Phantom", *SMALL]) == 1
    assert "dataset id 900 is taken by Dataset900_Other" in capsys.readouterr().err
    assert not folder.exists()


def test_help_explains_every_mechanism_and_imports_nothing_heavy():
    root = str(Path(__file__).parents[2])
    code = (
        "import sys\n"
        "from nnunetv2_fair.cli.phantoms import main\n"
        "try:\n"
        "    main(['--help'])\n"
        "finally:\n"
        "    heavy = {'numpy', 'pandas', 'scipy', 'torch'} & set(sys.modules)\n"
        "    assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": root},
    )
    assert done.returncode == 0, done.stderr
    for mechanism in MECHANISMS:
        assert f"\n  {mechanism}: " in done.stdout
    assert "example:" in done.stdout
