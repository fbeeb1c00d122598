"""The tutorial, run as it is written, on the real radiographs where they exist."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult

PROJECT = Path(__file__).parents[2]
JSRT = Path(os.environ.get("JSRT", PROJECT.parent / "shared" / "data" / "jsrt"))

WITH_RADIOGRAPHS = pytest.mark.skipif(
    not (JSRT / "metadata.csv").is_file(),
    reason="the radiographs are not part of the project: set JSRT to their folder",
)


def tutorial() -> str:
    """Return the commands of the tutorial, from where the radiographs are arranged."""
    page = (PROJECT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    steps = page.split("## 2. Convert")[1]
    return "\n".join(re.findall(r"```bash\n(.*?)```", steps, flags=re.DOTALL))


def test_the_tutorial_names_every_stage():
    commands = tutorial()
    stages = ["fair_convert_image_folder", "fair_prepare", "plan_and_preprocess", "fair_trial"]
    for command in [*stages, "train", "predict", "fair_evaluate", "fair_compare"]:
        assert f"nnUNetv2_{command}" in commands
    assert "--shareable" in commands


@pytest.mark.slow
@WITH_RADIOGRAPHS
def test_tutorial(tmp_path):
    # fewer epochs and workers than a reader would use; everything else is as written
    # (nnU-Net's own trainer of one epoch has no plural s)
    commands = tutorial().replace("_5epochs", "_1epoch")
    binaries = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "JSRT": str(JSRT), "PATH": binaries, "nnUNet_n_proc_DA": "1"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands], cwd=tmp_path, env=environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

    raw = tmp_path / "nnUNet_raw" / "Dataset042_JSRT"
    table = pd.read_csv(raw / "demographics.csv", keep_default_na=False)
    assert len(table) == 124
    assert (table["age"] == "").sum() == 1
    assert set(table["sex"]) == {"female", "male"}
    result = EvaluationResult.read(tmp_path / "evaluation_oversampling")
    assert result.attributes == ("sex", "age", "sex+age")
    assert result.labels == ("lungs", "heart", "clavicles", "average")
    comparison = result.comparison("sex", "dice", "lungs")
    assert set(comparison.groups) == {"female", "male"}
    n_test = len(list((raw / "labelsTs").iterdir()))
    assert sum(group.n_cases for group in comparison.groups.values()) == n_test
    assert comparison.overall.mean > 0.5, "one epoch finds lungs"
    for report in (
        "evaluation_baseline/report.html", "comparison/comparison.html", "shared/report.html",
    ):  # fmt: skip
        assert (tmp_path / report).is_file()
