"""What one job does, with real processes and real signals."""

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

import nnunetv2_fair
from nnunetv2_fair.errors import InUseError, StudyError
from nnunetv2_fair.files.locks import holder, locked
from nnunetv2_fair.study.record import Attempt, Record
from nnunetv2_fair.study.run import execute as module
from nnunetv2_fair.study.run.attempts import (
    append_attempt,
    marker_file,
    read_marker,
    told,
    write_marker,
)
from nnunetv2_fair.study.run.execute import execute, main, wrapped
from nnunetv2_fair.study.run.gpu_reservations import reserved_gpus
from nnunetv2_fair.study.run.process import held_megabytes
from nnunetv2_fair.study.run.retries import was_interrupted
from nnunetv2_fair.study.step import Plan, Resources
from tests.study.stub_plans import attempts_of, record_of, stub, wait_for, write_plan

ROOT = Path(nnunetv2_fair.__file__).parents[1]


def log_of(folder, step):
    return (folder / step.log).read_text()


def heed_signals():
    """Undo what the tests were started with: nohup and a script's background ignore some."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def start(folder, step, *options):
    """Start a job as Snakemake's shell does."""
    return subprocess.Popen(
        [sys.executable, "-m", "nnunetv2_fair.study.run.execute", str(folder), step.name, *options],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, text=True,
        preexec_fn=heed_signals,
    )  # fmt: skip


def test_commands_run_one_after_the_other_in_the_studys_folder(tmp_path):
    step = stub("train.a")
    step = type(step)(**vars(step) | {
        "commands": (("bash", "-c", "echo one; echo 1 > first"), ("bash", "-c", "cat first")),
        "outputs": ("first",),
        "facts": {"fold": "0"},
    })  # fmt: skip
    write_plan(tmp_path, step)
    assert execute(tmp_path, step.name, run="r") == 0
    log = log_of(tmp_path, step)
    assert log.index("\none\n") < log.index("cat first") < log.index("\n1\n")
    record = record_of(tmp_path, step)
    assert record.facts == {"fold": "0"}
    assert not record.taken_over
    assert record.versions["python"] == ".".join(map(str, sys.version_info[:3]))
    assert {"nnunetv2", "torch", "nnunetv2_fair"} <= set(record.versions)
    (attempt,) = record.attempts
    assert (attempt.exit_code, attempt.run, attempt.fingerprint) == (0, "r", step.fingerprint)
    assert not attempt.continued
    assert not marker_file(tmp_path, step).exists()
    assert [what for _, what, _ in told(tmp_path)] == ["started", "finished"]


def test_a_second_time_nothing_runs(tmp_path):
    step = stub("a", "echo x >> count")
    write_plan(tmp_path, step)
    assert execute(tmp_path, "a") == execute(tmp_path, "a") == 0
    assert (tmp_path / "count").read_text() == "x\n"


def test_the_first_failing_command_ends_the_step(tmp_path):
    step = stub("a", "exit 7")
    step = type(step)(**vars(step) | {"commands": (*step.commands, ("touch", "after"))})
    write_plan(tmp_path, step)
    assert execute(tmp_path, "a") == 1
    assert not (tmp_path / "after").exists()
    assert not (tmp_path / step.record).exists()
    assert [a.exit_code for a in attempts_of(tmp_path, step)] == [7]
    assert "ended with exit code 7" in log_of(tmp_path, step)


def test_a_program_that_is_not_there_is_named(tmp_path):
    step = stub("a")
    step = type(step)(**vars(step) | {"commands": (("no-such-program", "x"),)})
    write_plan(tmp_path, step)
    assert execute(tmp_path, "a") == 1
    assert "no-such-program cannot be started" in log_of(tmp_path, step)


def test_missing_outputs_are_a_failure(tmp_path):
    step = stub("a", "true", outputs=("here", "there/file"))
    write_plan(tmp_path, step)
    (tmp_path / "here").write_text("x")
    assert execute(tmp_path, "a") == 1
    assert "did not write there/file" in log_of(tmp_path, step)
    assert [a.exit_code for a in attempts_of(tmp_path, step)] == [1]


def test_what_fails_by_itself_is_tried_again_only_by_another_call(tmp_path, capsys):
    step = stub("a", "echo x >> count; false")
    write_plan(tmp_path, step)
    assert execute(tmp_path, "a", run="first") == 1
    assert execute(tmp_path, "a", run="first") == 1
    assert "will not be retried" in capsys.readouterr().err
    assert (tmp_path / "count").read_text() == "x\n"
    assert execute(tmp_path, "a", run="second") == 1
    assert (tmp_path / "count").read_text() == "x\nx\n"


def test_started_as_often_as_said_and_no_more(tmp_path, capsys):
    step = stub("a", "echo x >> count; kill -TERM $$", attempts=2)
    write_plan(tmp_path, step)
    assert [execute(tmp_path, "a", run="r") for _ in range(3)] == [1, 1, 1]
    assert (tmp_path / "count").read_text() == "x\nx\n"
    assert "was started 2 times" in capsys.readouterr().err
    assert execute(tmp_path, "a", run="another") == 1
    assert (tmp_path / "count").read_text() == "x\n" * 3


TRAINING = """
if [ "$1" = --c ]; then echo 1 > {0}/final; exit; fi
trap 'echo saved; exit 9' TERM; echo $$ > {0}/pid; echo 1 > {0}/latest; sleep 30 & wait
"""


def training(folder, attempts=2):
    """Return a step that writes a checkpoint, waits to be ended, and goes on with ``--c``."""
    step = stub("train.x", attempts=attempts)
    return type(step)(**vars(step) | {
        "commands": (("bash", "-c", TRAINING.format(folder), "train"),),
        "outputs": (f"{folder}/final",), "resume": ("--c",),
        "checkpoints": (f"{folder}/latest",), "finished": f"{folder}/final",
    })  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_ended_from_outside_and_continued(tmp_path, number):
    step = training(tmp_path)
    write_plan(tmp_path, step)
    job = start(tmp_path, step, "--run=r")
    wait_for(tmp_path / "latest")
    job.send_signal(number)
    assert job.wait(20) == 128 + number
    (attempt,) = attempts_of(tmp_path, step)
    assert attempt.exit_code == -number
    assert was_interrupted(attempt)
    assert "saved" in log_of(tmp_path, step)
    assert f"ended by signal {int(number)}" in log_of(tmp_path, step)
    assert not marker_file(tmp_path, step).exists()
    assert [what for _, what, _ in told(tmp_path)] == ["started", "interrupted"]
    assert execute(tmp_path, step.name, run="r") == 0
    first, second = record_of(tmp_path, step).attempts
    assert (first.continued, second.continued) == (False, True)
    assert "resumed from the checkpoint" in log_of(tmp_path, step)


def test_a_command_that_will_not_end_is_killed(tmp_path):
    step = stub("a", "trap '' TERM; touch begun; sleep 60 & wait; wait")
    write_plan(tmp_path, step)
    code = (
        "import sys; from nnunetv2_fair.study.run import process; process._GRACE_SECONDS = 0.5;"
        "process._SAMPLE_SECONDS = 0.2; from nnunetv2_fair.study.run.execute import main;"
        f"sys.exit(main([{str(tmp_path)!r}, 'a']))"
    )
    job = subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    wait_for(tmp_path / "begun")
    job.terminate()
    assert job.wait(20) == 128 + signal.SIGTERM
    assert [a.exit_code for a in attempts_of(tmp_path, step)] == [-signal.SIGTERM]


def test_no_second_copy_starts_beside_a_command_whose_wrapper_was_killed(tmp_path):
    step = stub("a", "echo $$ >> pids; touch begun; sleep 1.5; touch made")
    write_plan(tmp_path, step)
    job = start(tmp_path, step, "--run=r")
    wait_for(tmp_path / "begun")
    job.kill()
    job.wait(20)
    begun = time.monotonic()
    execute(tmp_path, step.name, run="r2")
    assert time.monotonic() - begun > 1  # it has waited for the first copy, then run its own
    assert len((tmp_path / "pids").read_text().split()) == 2
    lost, second = record_of(tmp_path, step).attempts
    assert (lost.exit_code, second.exit_code) == (-signal.SIGKILL, 0)


def test_killed_without_warning_is_noted_by_the_next(tmp_path):
    step = training(tmp_path)
    write_plan(tmp_path, step)
    job = start(tmp_path, step, "--run=r")
    wait_for(tmp_path / "latest")
    job.kill()
    job.wait(20)
    assert attempts_of(tmp_path, step) == []
    marker = read_marker(tmp_path, step)
    assert marker is not None
    # Slurm ends all of a job's processes, here the command is left
    os.killpg(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    assert execute(tmp_path, step.name, run="r") == 0
    lost, second = record_of(tmp_path, step).attempts
    assert (lost.exit_code, lost.started, lost.run) == (-signal.SIGKILL, marker.started, "r")
    assert second.continued
    assert "killed without warning" in log_of(tmp_path, step)


def test_a_command_killed_for_memory_is_told_so_and_not_tried_again(tmp_path):
    step = stub("a", "kill -KILL $$", resources=Resources(memory_mb=123))
    write_plan(tmp_path, step)
    assert execute(tmp_path, "a", run="r") == 1
    assert "memory ran out (it had asked for 123 MB)" in log_of(tmp_path, step)
    assert execute(tmp_path, "a", run="r") == 1
    assert [a.exit_code for a in attempts_of(tmp_path, step)] == [-9]


def test_finished_before_the_study_is_taken_over(tmp_path):
    step = stub("a", "echo wrong > final", outputs=("final",), finished="final")
    write_plan(tmp_path, step)
    (tmp_path / "final").write_text("theirs")
    assert execute(tmp_path, "a") == 0
    assert (tmp_path / "final").read_text() == "theirs"
    record = record_of(tmp_path, step)
    assert record.taken_over
    assert record.attempts == ()
    assert [what for _, what, _ in told(tmp_path)] == ["taken-over"]


def test_an_unfinished_training_of_others_is_continued(tmp_path):
    step = training(tmp_path)
    write_plan(tmp_path, step)
    (tmp_path / "latest").write_text("x")
    assert execute(tmp_path, step.name) == 0
    assert record_of(tmp_path, step).attempts[0].continued


@pytest.mark.parametrize("file", ["final", "latest"])
def test_nothing_of_other_settings_is_overwritten(tmp_path, file, capsys):
    step = training(tmp_path)
    changed = type(step)(**vars(step) | {"fingerprint": "changed"})
    write_plan(tmp_path, changed)
    append_attempt(tmp_path, step, Attempt("2026", 1.0, -15, "h", fingerprint=step.fingerprint))
    (tmp_path / file).write_text("kept")
    with pytest.raises(StudyError, match=f"{file} was made by this study under other") as error:
        execute(tmp_path, step.name)
    assert f"mv {tmp_path} {tmp_path}.old" in str(error.value)
    assert main([str(tmp_path), step.name]) == 1
    assert "nothing is overwritten" in capsys.readouterr().err
    assert (tmp_path / file).read_text() == "kept"
    assert "nothing is overwritten" in log_of(tmp_path, step)


def test_a_record_of_other_settings_protects_too(tmp_path):
    step = stub("a", finished="final", outputs=("final",))
    Record("a", "train", "earlier", (), taken_over=True).write(tmp_path / ".study/done/a/e.json")
    write_plan(tmp_path, step)
    (tmp_path / "final").write_text("x")
    with pytest.raises(StudyError, match="other settings"):
        execute(tmp_path, "a")


def test_trainings_with_a_former_table_are_kept_if_the_user_says_so(tmp_path):
    step = stub("a", "echo wrong > final", finished="final", fingerprint="now")
    write_plan(tmp_path, step, environment={"nnUNet_fair_allow_changed_table": "1"})
    append_attempt(tmp_path, step, Attempt("2026", 1.0, 0, "h", fingerprint="former"))
    (tmp_path / "final").write_text("kept")
    assert execute(tmp_path, "a") == 0
    assert (tmp_path / "final").read_text() == "kept"
    assert record_of(tmp_path, step).taken_over


def test_validation_that_was_cut_off_is_done_again(tmp_path):
    step = training(tmp_path)
    write_plan(tmp_path, step)
    (tmp_path / "final").write_text("x")
    append_attempt(tmp_path, step, Attempt("2026", 1.0, -15, "h", fingerprint=step.fingerprint))
    assert execute(tmp_path, step.name) == 0
    assert [a.continued for a in record_of(tmp_path, step).attempts] == [False, True]


@pytest.mark.parametrize("damaged", ["final", "latest"])
def test_damaged_checkpoints_are_set_aside(tmp_path, damaged):
    step = training(tmp_path)
    paths = {name: tmp_path / f"{name}.pth" for name in ("final", "latest", "best")}
    step = type(step)(**vars(step) | {
        "finished": str(paths["final"]),
        "checkpoints": (str(paths["latest"]), str(paths["best"])),
    })  # fmt: skip
    write_plan(tmp_path, step)
    with zipfile.ZipFile(paths["best"], "w") as archive:
        archive.writestr("weights", "1")
    paths[damaged].write_bytes(paths["best"].read_bytes()[:-20])
    assert execute(tmp_path, step.name) == 0
    assert record_of(tmp_path, step).attempts[0].continued
    assert not paths[damaged].exists()
    assert (tmp_path / f"{damaged}.pth.damaged").exists()
    assert paths["best"].exists()
    expected = (
        f"{paths[damaged]} is cut off or otherwise damaged: it is now called {damaged}.pth.da"
    )
    assert expected in log_of(tmp_path, step)


def test_a_lost_record_is_written_again(tmp_path):
    step = stub("a", "echo x >> count; echo 1 > final", finished="final")
    write_plan(tmp_path, step)
    execute(tmp_path, "a")
    (tmp_path / step.record).unlink()
    assert execute(tmp_path, "a") == 0
    assert (tmp_path / "count").read_text() == "x\n"
    record = record_of(tmp_path, step)
    assert not record.taken_over
    assert len(record.attempts) == 1


def test_two_jobs_of_one_step_wait_for_each_other(tmp_path):
    step = stub("a", "echo x >> count; sleep 0.6")
    write_plan(tmp_path, step)
    jobs = [start(tmp_path, step), start(tmp_path, step)]
    assert [job.wait(20) for job in jobs] == [0, 0]
    assert (tmp_path / "count").read_text() == "x\n"


def test_setup_environment_and_container(tmp_path):
    step = stub("a", 'echo "$FROM_SETUP $FROM_PLAN $INSIDE" > said')
    write_plan(
        tmp_path, step, setup=("export FROM_SETUP=1", "false || true"),
        environment={"FROM_PLAN": "2"}, container=("env", "INSIDE=3"),
    )  # fmt: skip
    assert execute(tmp_path, "a") == 0
    assert (tmp_path / "said").read_text() == "1 2 3\n"


@pytest.mark.parametrize("given", ["", "active"])
def test_threads_of_steps_wait_idly_unless_told_otherwise(given, tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    if given:
        monkeypatch.setenv("OMP_WAIT_POLICY", given)
    write_plan(tmp_path, stub("a", 'echo "$OMP_WAIT_POLICY" > said'))
    assert execute(tmp_path, "a") == 0
    assert (tmp_path / "said").read_text().strip() == (given or "passive")


def test_a_failing_setup_is_a_failure(tmp_path):
    step = stub("a", "touch ran")
    write_plan(tmp_path, step, setup=("no-such-module load x",))
    assert execute(tmp_path, "a") == 1
    assert not (tmp_path / "ran").exists()
    assert "no-such-module" in log_of(tmp_path, step)


def test_arguments_reach_commands_as_they_are():
    plan = Plan("t", {}, setup=("true",))
    odd = ["printf", "%s|", "a b", "$HOME", "'\"", "", "*"]
    done = subprocess.run(wrapped(plan, odd), capture_output=True, text=True, check=True)
    assert done.stdout == "a b|$HOME|'\"||*|"


def test_versions_are_those_of_the_commands_interpreter(tmp_path):
    step = stub("a")
    step = type(step)(**vars(step) | {"commands": (("python-of-somebody", "x"),)})
    script = tmp_path / "bin" / "python-of-somebody"
    script.parent.mkdir()
    script.write_text('#!/bin/sh\n[ "$1" = x ] || echo \'{"python": "9.9", "torch": "8"}\'\n')
    script.chmod(0o755)
    write_plan(tmp_path, step, setup=(f"PATH={script.parent}:$PATH",))
    assert execute(tmp_path, "a") == 0
    versions = record_of(tmp_path, step).versions
    assert (versions["python"], versions["torch"]) == ("9.9", "8")
    assert "numpy" not in versions


BIG = "b = bytearray({}_000_000); import time; time.sleep(2.5)"


def test_peak_memory_is_that_of_all_processes_together(tmp_path):
    code = f"""
import subprocess, sys
two = [subprocess.Popen([sys.executable, "-c", {BIG.format(150)!r}]) for _ in range(2)]
[one.wait() for one in two]
"""
    step = stub("a")
    step = type(step)(**vars(step) | {"commands": ((sys.executable, "-c", code),)})
    write_plan(tmp_path, step)
    # by itself: the kernel counts memory of the process that starts one, and this one's is large
    command = [
        sys.executable,
        "-m",
        "nnunetv2_fair.study.run.execute",
        str(tmp_path),
        "a",
        "--run=r",
    ]
    subprocess.run(command, check=True, timeout=60)
    (attempt,) = attempts_of(tmp_path, step)
    assert 300 < attempt.peak_memory_mb < 420
    assert 2.4 < attempt.seconds < 20


def test_held_memory_of_nobody_is_nothing():
    ended = subprocess.Popen(["true"])
    ended.wait()
    assert held_megabytes(ended.pid) == 0.0


def test_slurms_job_is_noted(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    step = stub("a")
    write_plan(tmp_path, step)
    assert execute(tmp_path, "a") == 0
    assert attempts_of(tmp_path, step)[0].job == "77"
    assert "Slurm job 77" in log_of(tmp_path, step)


def test_gpus_are_named_and_counted(tmp_path, monkeypatch):
    fake = tmp_path / "bin" / "nvidia-smi"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\nprintf '0, GPU-a, NVIDIA H200\\n1, GPU-b, NVIDIA A100\\n'\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    step = stub("a", 'echo "$CUDA_VISIBLE_DEVICES" > said', resources=Resources(gpus=1))
    write_plan(tmp_path, step)
    with reserved_gpus(tmp_path, ["0", "1"], 1) as first:
        assert [*first] == ["0"]
        assert execute(tmp_path, "a", devices=["0", "1"]) == 0
    assert (tmp_path / "said").read_text() == "1\n"
    (attempt,) = attempts_of(tmp_path, step)
    assert (attempt.gpu, attempt.gpus) == ("NVIDIA A100", 1)


def test_a_step_without_gpus_sees_none(tmp_path):
    step = stub("a", 'echo "<$CUDA_VISIBLE_DEVICES>" > said')
    write_plan(tmp_path, step)
    assert execute(tmp_path, "a", devices=["0"]) == 0
    assert (tmp_path / "said").read_text() == "<>\n"


def test_a_command_holds_its_gpu_when_its_wrapper_is_killed(tmp_path):
    script = "touch began; while [ ! -e done ]; do sleep 0.05; done"
    step = stub("a", script, resources=Resources(gpus=1))
    write_plan(tmp_path, step)
    wrapper = start(tmp_path, step, "--devices", "0")
    wait_for(tmp_path / "began")
    wrapper.kill()
    wrapper.wait()
    with pytest.raises(InUseError, match="what was started by process"):
        locked(tmp_path / ".study" / "gpus" / "0.lock").__enter__()
    (tmp_path / "done").touch()
    with reserved_gpus(tmp_path, ["0"], 1) as got:
        assert [*got] == ["0"]


def shared_training(results, script, **fields):
    """Return a training in a folder that several studies share."""
    final = results / "fold_0" / "final"
    return stub(
        "train.a", script, finished=str(final), outputs=(str(final),),
        checkpoints=(str(final.with_name("latest")),), resume=("--c",), **fields,
    )  # fmt: skip


def test_two_studies_do_not_continue_each_others_training(tmp_path, capsys):
    results = tmp_path / "results"
    script = (
        "mkdir -p {0}; touch {0}/latest; echo $NNUNETV2_FAIR_LOCKS > {0}/held;"
        "for i in $(seq 400); do [ -e {1}/done ] && break; sleep 0.05; done; echo 1 > {0}/final"
    ).format(results / "fold_0", tmp_path)
    step = shared_training(results, script)
    for name in ("one", "two"):
        write_plan(tmp_path / name, step)
    first = start(tmp_path / "one", step)
    wait_for(results / "fold_0" / "held")
    first.kill()  # its training goes on
    first.wait()
    assert main([str(tmp_path / "two"), step.name]) == 1
    said = capsys.readouterr().err
    assert f"{results / 'fold_0'} is in use by what was started by process {first.pid}" in said
    assert "in use by" in log_of(tmp_path / "two", step)
    (tmp_path / "done").touch()
    lock = results / "fold_0" / ".in_use.lock"
    assert (results / "fold_0" / "held").read_text() == f"{lock}\n"
    wait_for(results / "fold_0" / "final")
    while holder(lock):
        time.sleep(0.02)
    assert main([str(tmp_path / "two"), step.name]) == 0
    assert record_of(tmp_path / "two", step).taken_over
    assert not lock.exists()


def test_data_are_not_preprocessed_by_two_studies_at_once(tmp_path, capsys):
    facts = {"dataset": "Dataset001_A"}
    step = stub("preprocess.a", "true", kind="preprocess", facts=facts)
    environment = {"nnUNet_preprocessed": str(tmp_path / "preprocessed")}
    write_plan(tmp_path / "study", step, environment=environment)
    lock = tmp_path / "preprocessed" / "Dataset001_A" / ".preprocess.a.in_use.lock"
    lock.parent.mkdir(parents=True)
    with locked(lock):
        assert main([str(tmp_path / "study"), step.name]) == 1
    assert "Dataset001_A is in use by process" in capsys.readouterr().err
    assert main([str(tmp_path / "study"), step.name]) == 0
    assert not list(lock.parent.iterdir())


def test_an_empty_record_is_none(tmp_path):
    step = stub("a", "echo done >> said")
    write_plan(tmp_path, step)
    (tmp_path / step.record).parent.mkdir(parents=True)
    (tmp_path / step.record).touch()
    assert execute(tmp_path, "a") == 0
    assert (tmp_path / "said").read_text() == "done\n"
    assert record_of(tmp_path, step).step == "a"


def test_an_empty_outcome_is_none(tmp_path):
    step = stub("a", "touch out.csv", outputs=("out.csv",))
    write_plan(tmp_path, step)
    assert execute(tmp_path, "a") == 1
    assert "did not write out.csv" in log_of(tmp_path, step)


def test_killed_right_after_the_record_nothing_says_that_it_still_runs(tmp_path):
    step = stub("a")
    write_plan(tmp_path, step)
    assert execute(tmp_path, "a") == 0
    write_marker(tmp_path, step, attempts_of(tmp_path, step)[0])
    assert execute(tmp_path, "a") == 0
    assert read_marker(tmp_path, step) is None


def test_an_unknown_step_is_refused(tmp_path, capsys):
    write_plan(tmp_path, stub("a"))
    assert main([str(tmp_path), "b"]) == 1
    message = capsys.readouterr().err
    assert "has no step 'b'" in message
    assert "Run nnUNetv2_fair_study again" in message


def test_the_marker_is_kept_up_to_date(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_MARKER_SECONDS", 0.0)
    step = stub("a", "sleep 1.5; cp .study/running/a.json seen")
    write_plan(tmp_path, step)
    assert execute(tmp_path, "a") == 0
    seen = Attempt(**json.loads((tmp_path / "seen").read_text()))
    assert seen.seconds > 0.9
    write_marker(tmp_path, step, seen)
    assert read_marker(tmp_path, step) == seen


def test_a_job_starts_without_what_only_planning_needs():
    code = (
        "import sys, nnunetv2_fair.study.run.execute, nnunetv2_fair.study.run.snakemake_rules\n"
        "slow = {'pydantic', 'yaml', 'pandas', 'numpy'} & set(sys.modules)\n"
        "assert not slow, slow\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
