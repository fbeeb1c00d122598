"""A tiny dataset that real nnU-Net has planned and preprocessed, made once per test run."""

import copy
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from tests.conftest import SEX_AND_AGE

NAME = "Dataset901_Tiny"
#: A word of the dictionary that appears nowhere else.
CANARY = "canarymeaning"
N_TRAIN, N_TEST = 24, 6


def write_raw(raw: Path) -> None:
    """Write bright discs on noise: 24 training and 6 test cases of 15 patients."""
    folder = raw / NAME
    for part in ("imagesTr", "labelsTr", "imagesTs", "labelsTs"):
        (folder / part).mkdir(parents=True)
    rng = np.random.default_rng(0)
    rows = ["case,patient,sex,age"]
    for i in range(N_TRAIN + N_TEST):
        y, x = np.mgrid[:40, :48]
        cy, cx, radius = rng.uniform(14, 26), rng.uniform(16, 32), rng.uniform(6, 10)
        disc = (y - cy) ** 2 + (x - cx) ** 2 < radius**2
        image = (rng.normal(100, 20, disc.shape) + 60 * disc).clip(0, 255).astype(np.uint8)
        case, part = f"case_{i:03d}", "Tr" if i < N_TRAIN else "Ts"
        Image.fromarray(image).save(folder / f"images{part}" / f"{case}_0000.png")
        Image.fromarray(disc.astype(np.uint8)).save(folder / f"labels{part}" / f"{case}.png")
        patient = i // 2
        sex = "" if patient in (5, 7) else "female" if patient % 3 == 0 else "male"
        rows.append(f"{case},secretpatient{patient},{sex},{30 + 5 * patient}")
    content = {
        "channel_names": {"0": "grey"},
        "labels": {"background": 0, "disc": 1},
        "numTraining": N_TRAIN,
        "file_ending": ".png",
    }
    (folder / "dataset.json").write_text(json.dumps(content))
    (folder / "demographics.csv").write_text("\n".join(rows) + "\n")
    described = copy.deepcopy(SEX_AND_AGE)
    described["attributes"]["sex"]["meaning"] = CANARY
    (folder / "demographics.json").write_text(json.dumps(described))


def write_raw_volumes(raw: Path) -> None:
    """Write 10 anisotropic volumes with overlapping regions and an ignore label."""
    import SimpleITK

    folder = raw / "Dataset902_Volumes"
    for part in ("imagesTr", "labelsTr"):
        (folder / part).mkdir(parents=True)
    rng = np.random.default_rng(0)
    rows = ["case,patient,sex,age"]
    for i in range(10):
        z, y, x = np.mgrid[:12, :36, :40]
        centre = rng.uniform([5, 14, 16], [7, 22, 24])
        distance = np.sqrt((3 * (z - centre[0])) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2)
        labels = (distance < 10).astype(np.uint8) + (distance < 5)
        image = (rng.normal(100, 20, labels.shape) + 40 * labels).astype(np.float32)
        labels[:, :3] = 3  # nobody has looked at this corner
        for array, name in (
            (image, f"imagesTr/v{i}_0000.nii.gz"),
            (labels, f"labelsTr/v{i}.nii.gz"),
        ):
            volume = SimpleITK.GetImageFromArray(array)
            volume.SetSpacing((0.8, 0.8, 2.4))
            SimpleITK.WriteImage(volume, str(folder / name))
        rows.append(f"v{i},p{i},{'female' if i % 3 == 0 else 'male'},{40 + 3 * i}")
    content = {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, "whole": [1, 2], "core": 2, "ignore": 3},
        "regions_class_order": [1, 2],
        "numTraining": 10,
        "file_ending": ".nii.gz",
    }
    (folder / "dataset.json").write_text(json.dumps(content))
    (folder / "demographics.csv").write_text("\n".join(rows) + "\n")
    (folder / "demographics.json").write_text(json.dumps(SEX_AND_AGE))


def build(
    root: Path,
    write: Callable[[Path], None] = write_raw,
    dataset: str = "901",
    configuration: str = "2d",
) -> dict[str, str]:
    """Write, prepare, plan, preprocess and shrink; return the environment to use it with."""
    from nnunetv2_fair.cli.prepare import main as prepare
    from nnunetv2_fair.cli.trial import main as trial

    environment = {
        variable: str(root / variable)
        for variable in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")
    }
    for folder in environment.values():
        Path(folder).mkdir(parents=True)
    write(Path(environment["nnUNet_raw"]))
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        assert prepare(["-d", dataset, "-a", "sex", "--folds", "2"]) == 0
        code = (
            "from nnunetv2.experiment_planning.plan_and_preprocess_entrypoints import "
            "plan_and_preprocess_entry as main; main()"
        )
        options = ["-d", dataset, "-c", configuration, "-np", "1", "-npfp", "1"]
        subprocess.run(
            [sys.executable, "-c", code, *options], check=True, capture_output=True, text=True
        )
        sizes = ["--features", "4", "--batch-size", "6", "--patch", "32"]
        assert trial(["-d", dataset, "-c", configuration, *sizes]) == 0
    finally:
        os.environ.clear()
        os.environ.update(before)
    return environment
