"""A tiny dataset that real nnU-Net has planned and preprocessed, made once per test run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from tests.conftest import SEX_AND_AGE

NAME = "Dataset901_Tiny"
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
        sex = "" if patient == 5 else "female" if patient % 3 == 0 else "male"
        rows.append(f"{case},secretpatient{patient},{sex},{30 + 5 * patient}")
    content = {
        "channel_names": {"0": "grey"},
        "labels": {"background": 0, "disc": 1},
        "numTraining": N_TRAIN,
        "file_ending": ".png",
    }
    (folder / "dataset.json").write_text(json.dumps(content))
    (folder / "demographics.csv").write_text("\n".join(rows) + "\n")
    (folder / "demographics.json").write_text(json.dumps(SEX_AND_AGE))


def build(root: Path) -> dict[str, str]:
    """Write, prepare, plan, preprocess and shrink; return the environment to use it with."""
    from nnunetv2_fair.cli.prepare import main as prepare
    from nnunetv2_fair.cli.trial import main as trial

    environment = {
        variable: str(root / variable)
        for variable in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")
    }
    for folder in environment.values():
        Path(folder).mkdir(parents=True)
    write_raw(Path(environment["nnUNet_raw"]))
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        assert prepare(["-d", "901", "-a", "sex", "--folds", "2"]) == 0
        code = (
            "from nnunetv2.experiment_planning.plan_and_preprocess_entrypoints import "
            "plan_and_preprocess_entry as main; main()"
        )
        command = [sys.executable, "-c", code, "-d", "901", "-c", "2d",
                   "-np", "1", "-npfp", "1"]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True, text=True)
        arguments = ["-d", "901", "--features", "4", "--batch-size", "6", "--patch", "32"]
        assert trial(arguments) == 0
    finally:
        os.environ.clear()
        os.environ.update(before)
    return environment
