"""A whole study through a real Slurm: killed, out of time, failing, and corrected."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from nnunetv2_fair.study.record import read_record
from nnunetv2_fair.study.run.attempts import read_attempts, read_marker
from nnunetv2_fair.study.step import Plan, Step, read_plan

pytestmark = pytest.mark.slurm
PROJECT = Path(__file__).parents[2]
SCRIPT = PROJECT / "scripts" / "slurm_single_node.sh"
#: Beginning of a trainer's name -> epochs, and seconds that each sleeps: beside Slurm's minute.
#: Long sleeps, because a slow machine does not make them longer: one that needs half of a minute
#: to begin still gets some epochs further in each job. Three jobs do on two busy cores; the study
#: allows seven, as every one of them is submitted for the training that fails by itself, too.
LENGTHS = {
    "nnUNetTrainerOversampling": (11, 6.0),
    "nnUNetTrainerAPPLE": (4, 0.0),
    "nnUNetTrainerReweighting": (2, 0.0),
    "nnUNetTrainer": (10, 1.0),
}
STUDY = """\
title: Study on Slurm
device: cpu
attempts: 7
datasets:
  - id: 42
    configurations: [2d_trial]
    folds: [0, 1]
    number_of_folds: 2
attributes: [sex]
trainers:
  - nnUNetTrainer
  - nnUNetTrainerOversampling_sex
  - nnUNetTrainerReweighting_sex
  - nnUNetTrainerAPPLE_sex
evaluation: {shards: 2}
resources:
  default: {cpus: 1, memory: 3G, runtime: 20m}
  train: {gpus: 1}
  trainers:
    nnUNetTrainerOversampling*: {partition: short, runtime: 1m}
"""


@pytest.fixture(scope="module")
def slurm():
    """Slurm on this machine for as long as the tests need it."""
    subprocess.run([SCRIPT, "start"], check=True)
    yield
    subprocess.run([SCRIPT, "stop"], check=True)


@pytest.fixture
def folder(slurm, tmp_path, monkeypatch) -> Path:
    """The study's folder; environment and phantoms are those that the jobs will see."""
    for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("nnUNet_n_proc_DA", "1")
    monkeypatch.setenv("QUICK_TRAININGS", json.dumps(LENGTHS))
    monkeypatch.setenv("PYTHONPATH", f"{PROJECT}:{Path(__file__).parent / 'quick'}")
    done = command(
        "phantoms",
        "-d",
        "42",
        "-n",
        "Phantoms",
        "--patients",
        "24",
        "--images-per-patient",
        "1",
        "1",
    )
    assert done.returncode == 0, done.stderr
    path = tmp_path / "study"
    path.mkdir()
    (path / "study.yaml").write_text(STUDY, encoding="utf-8")
    return path


def command(name: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a command of ours as its console script does."""
    code = f"import sys; from nnunetv2_fair.cli.{name} import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )


def training(trainer: str, fold: int) -> str:
    return f"train.d042.2d_trial.{trainer}.f{fold}"


def cancel_in_the_middle(folder: Path, results: Path) -> str:
    """Wait for the first fold's second checkpoint, cancel its job, and return the job's id."""
    checkpoint = results / "nnUNetTrainer__nnUNetPlans__2d_trial/fold_0/checkpoint_latest.pth"
    while not checkpoint.exists():
        time.sleep(0.3)
    step = read_plan(folder).steps[training("nnUNetTrainer", 0)]
    marker = read_marker(folder, step)
    assert marker is not None
    time.sleep(2)
    subprocess.run(["scancel", marker.job], check=True)
    return marker.job


def done(folder: Path, step: Step) -> bool:
    return (folder / step.record).exists()


def exits(folder: Path, plan: Plan, name: str) -> list[tuple[int, bool]]:
    """Return how each attempt of a step ended, and whether it went on from a checkpoint."""
    return [(a.exit_code, a.continued) for a in read_attempts(folder, plan.steps[name])]


def test_killed_out_of_time_failing_and_mended(folder):
    results = Path(os.environ["nnUNet_results"]) / "Dataset042_Phantoms"
    # a file where one training wants a folder
    blocked = results / "nnUNetTrainerReweighting_sex__nnUNetPlans__2d_trial" / "fold_1"
    blocked.parent.mkdir(parents=True)
    blocked.write_text("in the way")
    cancelled: list[str] = []
    watcher = threading.Thread(
        target=lambda: cancelled.append(cancel_in_the_middle(folder, results)), daemon=True
    )
    watcher.start()
    study = ["study", str(folder / "study.yaml"), "--executor", "slurm"]
    first = command(*study)
    print(first.stdout, first.stderr)  # noqa: T201 the summary, for who runs it
    plan = read_plan(folder)
    assert first.returncode == 1

    # killed by scancel in the middle: continued by another job
    killed = read_attempts(folder, plan.steps[training("nnUNetTrainer", 0)])
    assert [(a.exit_code, a.continued) for a in killed] == [(-signal.SIGTERM, False), (0, True)]
    assert killed[0].job == cancelled[0] != killed[1].job
    # ended by the partition's minute: continued, and only as far as was missing
    for fold in (0, 1):
        name = training("nnUNetTrainerOversampling_sex", fold)
        attempts = read_attempts(folder, plan.steps[name])
        assert len(attempts) > 1
        assert [a.exit_code for a in attempts] == [-signal.SIGTERM] * (len(attempts) - 1) + [0]
        assert [a.continued for a in attempts] == [False] + [True] * (len(attempts) - 1)
        assert 40 < attempts[0].seconds < 120
        log = (folder / plan.steps[name].log).read_text(encoding="utf-8")
        assert log.count("Epoch 0\n") == 1
        assert "Epoch 10\n" in log
    # failed by itself: once, and named
    failed = training("nnUNetTrainerReweighting_sex", 1)
    assert exits(folder, plan, failed) == [(1, False)]
    assert f"{failed}: exit code 1" in first.stdout
    assert f"--executor slurm --only {failed}" in first.stdout
    assert "fold_1" in first.stdout.split(f"{failed}: exit code 1")[1]
    # everything that does not need it is done, APPLE behind its base included
    waiting = {name for name, step in plan.steps.items() if not done(folder, step)}
    assert failed in waiting
    assert all("Reweighting" in name or name.startswith(("compare", "index")) for name in waiting)
    assert exits(folder, plan, training("nnUNetTrainerAPPLE_sex", 1)) == [(0, False)]
    for model in ("nnUNetTrainer", "nnUNetTrainerOversampling_sex", "nnUNetTrainerAPPLE_sex"):
        place = folder / "evaluations/Dataset042_Phantoms/2d_trial/internal" / model
        assert (place / "summary.json").is_file()
    assert (folder / "index.html").is_file()
    record = read_record(folder / plan.steps[training("nnUNetTrainerAPPLE_sex", 0)].record)
    assert record.attempts[0].job.isdecimal()
    assert record.attempts[0].gpus == 1
    assert record.attempts[0].peak_memory_mb > 100
    assert {"torch", "nnunetv2"} <= set(record.versions)

    # mended: the command that the summary names, then all that waited; nothing is done twice
    blocked.unlink()
    before = {name: exits(folder, plan, name) for name in plan.steps if name not in waiting}
    alone = command(*study, "--only", failed)
    assert alone.returncode == 0, alone.stdout + alone.stderr
    assert exits(folder, plan, failed) == [(1, False), (0, False)]
    second = command(*study)
    print(second.stdout, second.stderr)  # noqa: T201
    assert second.returncode == 0
    plan = read_plan(folder)
    assert all(done(folder, step) for step in plan.steps.values())
    assert {name: exits(folder, plan, name) for name in before} == before
    comparison = folder / "comparisons/Dataset042_Phantoms/2d_trial/internal/comparison.html"
    assert comparison.is_file()
    third = command(*study)
    assert third.returncode == 0
    assert "steps are done already" in third.stdout


def test_what_this_slurm_refuses_is_told_before(folder):
    text = STUDY.replace("partition: short", "partition: huge").replace(
        "train: {gpus: 1}", "train: {gpus: 3}\n  predict: {constraint: a100}"
    )
    (folder / "study.yaml").write_text(text, encoding="utf-8")
    refused = command("study", str(folder / "study.yaml"), "--executor", "slurm")
    assert refused.returncode == 1
    assert "there is no partition huge; there are main, short" in refused.stderr
    assert "Slurm refuses gpus 3" in refused.stderr
    assert "Invalid feature specification" in refused.stderr
    assert not list((folder / ".study").glob("attempts/*"))
