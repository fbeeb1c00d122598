"""The check for GPUs, without one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).parents[2] / "scripts" / "gpu_check.sh"


def gpu_check(*options, **variables):
    return subprocess.run(
        [str(SCRIPT), *map(str, options)],
        env={**os.environ, "PYTHON": sys.executable, **variables},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_without_a_gpu_it_says_so_and_writes_nothing(tmp_path):
    done = gpu_check("-o", tmp_path / "table.md", CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 1
    assert f"gpu_check: torch {torch.__version__} finds no GPU" in done.stderr
    assert "scripts/gpu_check.sh --device cpu --tiny" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_same_code_runs_on_a_cpu(tmp_path):
    table = tmp_path / "table.md"
    done = gpu_check(
        "--device", "cpu", "--tiny", "--steps", 2, "--warmup", 0, "-o", table,
        "--configurations", "2d", "--minutes", 20,
        "--trainers", "nnUNetTrainerDecoder", "nnUNetTrainerDecoder_levels",
    )  # fmt: skip
    assert done.returncode == 1, done.stderr[-2000:]
    text = table.read_text()
    assert text in done.stdout
    lines = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("| `")]
    names = [cells[0].strip(" `") for cells in lines]
    assert names == ["nnUNetTrainer", "nnUNetTrainerDecoder", "nnUNetTrainerDecoder_levels"]
    assert [cells[-1].strip() for cells in lines[:2]] == ["yes", "yes"]
    assert float(lines[1][4]) < 1, "less memory than the baseline"
    assert "is not an option of nnUNetTrainerDecoder" in lines[2][-1] or "attribute" in lines[2][-1]
