"""What is made of Slurm's answers, and of none: programs of Slurm's names on the PATH."""

import importlib.util
import logging
import os
from pathlib import Path

import pytest

import nnunetv2_fair
from nnunetv2_fair.errors import StudyError
from nnunetv2_fair.study.run import run, slurm
from nnunetv2_fair.study.run.outcome import SNAKEMAKE_LOG, failures
from nnunetv2_fair.study.run.run import run_study
from nnunetv2_fair.study.run.slurm import job_prefix, path_with_stand_ins, status_options
from nnunetv2_fair.study.step import Resources
from tests.study.stub_plans import record_of, stub, write_plan

REFUSES = 'echo "sacctmgr: error: permission denied" >&2; exit 1'
AGE = "echo 'MinJobAge               = {} sec'"


def test_jobs_of_two_studies_have_different_names(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert job_prefix(tmp_path / "a") == job_prefix(tmp_path / "b" / ".." / "a")
    assert job_prefix(tmp_path / "a") != job_prefix(tmp_path / "b")
    # the plugin takes no more than these characters, and 50 of them
    assert job_prefix(tmp_path).replace("_", "").isalnum()
    assert len(job_prefix(tmp_path)) <= 50


def test_without_slurms_commands(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    write_plan(tmp_path, stub("a"))
    with pytest.raises(StudyError, match=r"sbatch, squeue, scancel, sinfo not found on the PATH\. "
                       r".*--executor local"):  # fmt: skip
        run_study(tmp_path, executor="slurm")


def fake_slurm(tmp_path, monkeypatch, **scripts):
    """Put programs of Slurm's names on the PATH: this is about what is made of their answers."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sbatch", "squeue", "scancel", "sinfo"):
        (folder / name).write_text(f"#!/bin/sh\n{scripts.get(name, 'true')}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_a_partition_that_is_not_there(tmp_path, monkeypatch):
    fake_slurm(tmp_path, monkeypatch, sinfo="echo main; echo long")
    folder = tmp_path / "study"
    write_plan(folder, stub("train.x", resources=Resources(partition="gpus")), stub("train.y"))
    with pytest.raises(StudyError) as error:
        run_study(folder, executor="slurm")
    message = str(error.value)
    assert "train.x: there is no partition gpus; there are long, main." in message
    assert "train.y" not in message


def test_what_slurm_refuses_is_told_before_anything_is_submitted(tmp_path, monkeypatch):
    fake_slurm(
        tmp_path,
        monkeypatch,
        sinfo="echo main",
        sbatch=('echo "$@" >> submitted; echo "allocation failure: Invalid account" >&2; exit 1'),
    )
    folder = tmp_path / "study"
    ask = Resources(account="lab", gpus=1, constraint="a100", runtime_min=90)
    write_plan(folder, stub("train.x", resources=ask))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StudyError) as error:
        run_study(folder, executor="slurm")
    assert (
        "Slurm refuses account lab, constraint a100, gpus 1, cpus 1, memory 4000 MB, runtime 90 "
        "min: allocation failure: Invalid account." in str(error.value)
    )
    (call,) = (tmp_path / "submitted").read_text().splitlines()
    assert call == ("--test-only --account=lab --constraint=a100 --gpus=1 --cpus-per-task=1 "
                    "--mem=4000 --time=90 --wrap=true")  # fmt: skip


def test_jobs_that_a_dead_run_has_left_in_the_queue(tmp_path, monkeypatch):
    folder = tmp_path / "study"
    write_plan(folder, stub("a"))
    prefix = job_prefix(folder)
    fake_slurm(
        tmp_path, monkeypatch, sinfo="echo main",
        squeue=f"echo 11 {prefix}_uuid; echo 12 someone_elses; echo 13 {prefix}_uuid",
    )  # fmt: skip
    with pytest.raises(StudyError, match=r"2 Slurm jobs of an earlier run.*scancel 11 13$"):
        run_study(folder, executor="slurm")


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """Only the named commands are on the PATH, with the lines that they run."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))  # this machine may have a real Slurm

    def write(**scripts):
        for name, script in scripts.items():
            (folder / name).write_text(f"#!/bin/sh\n{script}\n")
            (folder / name).chmod(0o755)

    return write


@pytest.mark.parametrize(
    ("scripts", "command", "warning"),
    [
        ({"sacct": "echo '12|COMPLETED'", "scontrol": AGE.format(5)}, "sacct", ""),
        # silent, as where it is not set up, or for who has had no job yet
        ({"sacct": "true", "scontrol": AGE.format(300)}, "squeue", ""),
        ({"sacct": "exit 1", "scontrol": AGE.format(300)}, "squeue", ""),
        ({"scontrol": AGE.format(300)}, "squeue", ""),
        ({"sacct": "true"}, "squeue", ""),
        ({"sacct": "true", "scontrol": AGE.format(60)}, "sacct", "lists no job of yours yet. This"),
        (
            {"sacct": "echo disabled >&2; exit 1", "scontrol": AGE.format(60)},
            "squeue",
            "forgets jobs 60 s after their end (MinJobAge), and its accounting does not answer (di",
        ),
        ({"scontrol": AGE.format(60)}, "squeue", "does not answer (sacct: No such file"),
    ],
)
def test_who_is_asked_for_the_state_of_jobs(commands, caplog, scripts, command, warning):
    commands(**scripts)
    assert status_options() == ["--slurm-status-command", command]
    assert warning in caplog.text if warning else "WARNING" not in caplog.text


@pytest.mark.parametrize(
    ("scripts", "account", "stand_ins"),
    [
        ({"sacctmgr": "echo lab", "sshare": REFUSES, "sacct": "true"}, "lab", []),
        ({"sacctmgr": "echo Lab; echo other", "sacct": "true"}, "lab", []),
        ({"sacctmgr": "true", "sshare": "true", "sacct": "true"}, "lab", []),
        ({"sacctmgr": REFUSES, "sshare": "echo lab", "sacct": "true"}, "lab", []),
        ({"sacctmgr": REFUSES, "sshare": REFUSES, "sacct": "true"}, "lab", ["sacctmgr", "sshare"]),
        ({"sacctmgr": REFUSES, "sshare": REFUSES, "sacct": "true"}, "", ["sacctmgr", "sshare"]),
        ({"sacctmgr": "echo other", "sacct": "true"}, "lab", ["sacctmgr", "sshare"]),
        ({"sshare": "echo lab", "sacct": "true"}, "lab", ["sacctmgr", "sshare"]),
        ({"sacctmgr": "echo lab"}, "lab", ["sacct"]),
        ({}, "lab", ["sacct", "sacctmgr", "sshare"]),
    ],
)
def test_who_cannot_verify_accounts_is_not_asked(commands, tmp_path, scripts, account, stand_ins):
    commands(**scripts)
    plan = write_plan(tmp_path, stub("a", resources=Resources(account=account)))
    path = path_with_stand_ins(tmp_path, plan)
    found = sorted(p.name for p in (tmp_path / ".study/slurm").glob("*"))
    assert found == stand_ins
    own = f"{tmp_path / '.study/slurm'}:" if stand_ins else ""
    assert path == own + os.environ["PATH"]
    # as a later run finds it, where the cluster answers again
    commands(sacctmgr="echo lab", sacct="true")
    assert path_with_stand_ins(tmp_path, plan) == os.environ["PATH"]


def test_without_accounting_the_queue_answers_for_it(commands, tmp_path, monkeypatch):
    commands(squeue='echo "$@"')
    plan = write_plan(tmp_path, stub("a"))
    monkeypatch.setenv("PATH", path_with_stand_ins(tmp_path, plan))
    asked = slurm._call("sacct", "-X", "--clusters", "all", "--name", "study_1")
    assert asked.stdout == "--format=%i|%T --states=all --noheader --name study_1\n"
    assert slurm._call("sacct", "-nu", "me").returncode == 1


def test_why_jobs_wait_is_told_when_it_changes(commands, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    prefix = job_prefix(tmp_path)
    waiting = slurm.Waiting(tmp_path)
    commands(squeue=f"echo '{prefix}_u|Priority'; echo '{prefix}_u|Priority'; echo 'other|None'")
    waiting.tell()
    waiting.tell()
    assert caplog.text.count("in Slurm's queue") == 1
    assert "2 jobs wait in Slurm's queue: Priority (2)" in caplog.text
    commands(squeue=f"echo '{prefix}_u|ReqNodeNotAvail, UnavailableNodes:n1'")
    waiting.tell()
    assert "1 job waits in Slurm's queue: ReqNodeNotAvail, UnavailableNodes:n1 (1)" in caplog.text
    commands(squeue="exit 1")
    waiting.tell()
    assert caplog.text.count("in Slurm's queue") == 2


LOG = """Error in rule train_1:
    message: {message}For further error details see the cluster/cloud log and the log files of \
the involved rule(s).
    jobid: 1
    output: {record}
    shell: x
"""


def test_why_a_job_was_not_started_or_was_ended_is_shown(tmp_path):
    step, other, killed = stub("train.x"), stub("train.y"), stub("train.z")
    plan = write_plan(tmp_path, step, other, killed)
    log = tmp_path / SNAKEMAKE_LOG
    log.parent.mkdir()
    refusal = "Job submission failed: 'sbatch: error:\nQOSMaxSubmitJobPerUserLimit'."
    state = "SLURM-job '7' failed, SLURM status is: 'OUT_OF_MEMORY'. "
    log.write_text(
        LOG.format(message="of an earlier run", record=other.record)
        + (begin := LOG.format(message=refusal, record=step.record))
        + LOG.format(message=state, record=killed.record)
        + f"Error in rule train_1:\n    message: None\n    jobid: 2\n    output: {other.record}\n"
    )
    from nnunetv2_fair.study.record import Attempt
    from nnunetv2_fair.study.run.attempts import append_attempt

    append_attempt(tmp_path, killed, Attempt("2026", 1.0, -9, "h"))
    start = log.read_text().index(begin)
    found = {f.step.name: f.how for f in failures(tmp_path, plan, plan.steps.values(), start)}
    assert found == {
        "train.x": "could not be started: Job submission failed: 'sbatch: error: "
        "QOSMaxSubmitJobPerUserLimit'.",
        "train.y": "could not be started",
        "train.z": "ended by SIGKILL (Slurm: OUT_OF_MEMORY)",
    }


#: Runs what is submitted at once, and remembers how it ended.
SBATCH = """
case "$*" in *--test-only*) exit 0;; esac
for argument; do case "$argument" in --wrap=*) wrapped="${argument#--wrap=}";; esac; done
while [ $# -gt 0 ]; do case "$1" in --wrap) wrapped=$2;; -D|--chdir) cd "$2";; esac; shift; done
(SLURM_JOB_ID=101 sh -c "$wrapped" > /dev/null 2>&1; echo "101|COMPLETED" > "$STATE") &
echo 101
"""


@pytest.mark.slow
def test_where_accounts_cannot_be_verified_a_study_runs(commands, tmp_path, monkeypatch):
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        pytest.skip("needs Python 3.11")
    commands(
        sinfo="echo main", scancel="true", sacct="exit 1", sacctmgr=REFUSES, sshare=REFUSES,
        scontrol=AGE.format(300), sbatch=SBATCH, srun='while [ "${1#-}" != "$1" ]; do shift; done; '
        'exec "$@"', squeue='case "$*" in *%T*) cat "$STATE" 2>/dev/null;; esac; exit 0',
    )  # fmt: skip
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:/usr/bin:/bin")
    monkeypatch.setenv("STATE", str(tmp_path / "state"))
    monkeypatch.setenv("PYTHONPATH", str(Path(nnunetv2_fair.__file__).parents[1]))
    monkeypatch.setattr(run, "_SECONDS_BEFORE_STATUS", 2)
    folder = tmp_path / "study"
    step = stub("prepare.x", "touch done", kind="prepare", resources=Resources(account="lab"))
    write_plan(folder, step)
    assert run_study(folder, executor="slurm") == 0
    assert (folder / "done").exists()
    assert record_of(folder, step).attempts[0].job == "101"
