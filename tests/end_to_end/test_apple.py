"""The commands of docs/how-to/apple.md as they stand there: base, APPLE, comparison."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from tests.end_to_end.test_jsrt import JSRT, PROJECT, WITH_RADIOGRAPHS, tutorial

PHANTOMS = """
export nnUNet_raw=$PWD/nnUNet_raw nnUNet_preprocessed=$PWD/nnUNet_preprocessed
export nnUNet_results=$PWD/nnUNet_results OMP_WAIT_POLICY=passive
mkdir -p $nnUNet_raw $nnUNet_preprocessed $nnUNet_results
nnUNetv2_fair_phantoms -d 42 -n JSRT --bias difficulty --patients 40
nnUNetv2_fair_prepare -d 42
nnUNetv2_plan_and_preprocess -d 42 -c 2d -np 1 -npfp 1
nnUNetv2_fair_trial -d 42
"""


def how_to() -> str:
    """Return the commands from base to comparison."""
    page = (PROJECT / "docs/how-to/apple.md").read_text(encoding="utf-8")
    section = page.split("## From base to comparison")[1].split("\n## ")[0]
    return "\n".join(re.findall(r"```bash\n(.*?)```", section, flags=re.DOTALL))


def test_the_page_names_every_stage():
    for command in ("train", "predict", "fair_evaluate", "fair_compare"):
        assert f"nnUNetv2_{command}" in how_to()


@pytest.mark.slow
@pytest.mark.parametrize(
    "dataset", ["phantoms", pytest.param(JSRT, marks=WITH_RADIOGRAPHS)], ids=["phantoms", "jsrt"]
)
def test_from_base_to_comparison(dataset, tmp_path):
    environment = {**os.environ, "nnUNet_n_proc_DA": "1", "JSRT": str(dataset)}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    before = tutorial().split("for TRAINER")[0] if dataset != "phantoms" else PHANTOMS
    # one epoch; nnU-Net's own trainer of one epoch has no plural s
    commands = before + how_to().replace("5epochs", "1epoch")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands], cwd=tmp_path, env=environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "APPLE: L_D" in done.stdout
    for name in ("base", "apple"):
        result = EvaluationResult.read(tmp_path / f"evaluation_{name}")
        assert set(result.comparison("sex", "dice", result.labels[0]).groups) == {"female", "male"}
    assert (tmp_path / "comparison" / "comparison.html").is_file()
