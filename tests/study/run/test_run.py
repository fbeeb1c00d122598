"""Whole runs by real Snakemake on this machine, of steps that are shell commands."""

import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

import nnunetv2_fair
from nnunetv2_fair.errors import StudyError
from nnunetv2_fair.study.record import Attempt
from nnunetv2_fair.study.run import preflight
from nnunetv2_fair.study.run.attempts import append_attempt, read_attempts, tell
from nnunetv2_fair.study.run.outcome import last_lines
from nnunetv2_fair.study.run.progress_lines import News, duration
from nnunetv2_fair.study.run.run import run_study
from nnunetv2_fair.study.step import Resources
from tests.study.stub_plans import attempts_of, record_of, stub, write_plan

ROOT = Path(nnunetv2_fair.__file__).parents[1]


@pytest.fixture(autouse=True)
def this_package(monkeypatch):
    """Jobs start interpreters of their own, elsewhere."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.fixture
def said(caplog):
    caplog.set_level(logging.INFO, logger="nnunetv2_fair")
    return lambda: "\n".join(record.getMessage() for record in caplog.records)


def study():
    """Return a diamond with a failing side, and a step behind each side."""
    root = stub("prepare.r", "echo root >> order", kind="prepare")
    good = stub("train.good", "echo good >> order", needs=("prepare.r",))
    bad = stub("train.bad", "echo why it failed; exit 3", needs=("prepare.r",), attempts=3)
    after = stub("predict.good", "echo after >> order", kind="predict", needs=("train.good",))
    behind = stub("predict.bad", "echo never >> order", kind="predict", needs=("train.bad",))
    return root, good, bad, after, behind


def lines(path):
    return path.read_text().split()


def test_a_failure_stops_only_what_needs_it_and_is_named(tmp_path, said):
    steps = study()
    index = stub("index", "date > index.html; echo run >> indexed", kind="index",
                 needs=tuple(step.name for step in steps), outputs=("index.html",))  # fmt: skip
    write_plan(tmp_path, *steps, index)
    assert run_study(tmp_path) == 1
    root, good, bad, after, behind = steps
    assert lines(tmp_path / "order") == ["root", "good", "after"]
    # once: what fails by itself would fail again
    assert [a.exit_code for a in attempts_of(tmp_path, bad)] == [3]
    assert attempts_of(tmp_path, behind) == []
    text = said()
    assert "3 of 6 steps are done, 1 failed or did not start, 2 wait for these." in text
    assert "train.bad: exit code 3" in text
    assert "    | why it failed" in text
    assert "--executor local --only train.bad" in text
    assert "train.good: finished" in text
    assert "train.bad: failed" in text
    # the page of a study with failures is written all the same, and named last
    assert text.endswith(f"\nWhat was found: {tmp_path / 'index.html'}")
    assert lines(tmp_path / "indexed") == ["run"]

    # the second call runs the failed one alone, and mended it runs what waited
    mended = replace(bad, commands=(("bash", "-c", "echo bad >> order"),))
    write_plan(tmp_path, root, good, mended, after, behind, index)
    assert run_study(tmp_path) == 0
    assert lines(tmp_path / "order") == ["root", "good", "after", "bad", "never"]
    assert [a.exit_code for a in record_of(tmp_path, mended).attempts] == [3, 0]
    assert run_study(tmp_path) == 0
    assert said().endswith(
        f"All 6 steps are done already.\nWhat was found: {tmp_path / 'index.html'}"
    )
    assert len(lines(tmp_path / "order")) == 5


def test_a_changed_fingerprint_runs_exactly_what_depends_on_it(tmp_path):
    root, good, _, after, _ = study()
    other = stub("train.other", "echo other >> order", needs=("prepare.r",))
    write_plan(tmp_path, root, good, after, other)
    assert run_study(tmp_path) == 0
    (tmp_path / "order").unlink()
    # a step's fingerprint is part of that of the steps behind it; the planner sees to that
    good, after = (
        replace(step, fingerprint=f"{step.fingerprint}-changed") for step in (good, after)
    )
    write_plan(tmp_path, root, good, after, other)
    assert run_study(tmp_path) == 0
    assert lines(tmp_path / "order") == ["good", "after"]


def test_a_record_that_is_written_again_runs_nothing_behind_it(tmp_path):
    root, good, _, after, _ = study()
    write_plan(tmp_path, root, good, after)
    assert run_study(tmp_path) == 0
    (tmp_path / root.record).unlink()
    assert run_study(tmp_path) == 0
    assert lines(tmp_path / "order") == ["root", "good", "after", "root"]


def test_only_runs_a_step_with_what_it_needs(tmp_path):
    write_plan(tmp_path, *study())
    assert run_study(tmp_path, only=["train.good"]) == 0
    assert lines(tmp_path / "order") == ["root", "good"]
    with pytest.raises(StudyError, match=r"no step train.none\. .*--dry-run"):
        run_study(tmp_path, only=["train.none"])


def test_interrupted_steps_are_started_again_as_often_as_said(tmp_path, said):
    step = stub("train.x", "echo x >> count; kill -TERM $$", attempts=3)
    write_plan(tmp_path, step)
    assert run_study(tmp_path) == 1
    assert lines(tmp_path / "count") == ["x"] * 3
    assert [a.exit_code for a in attempts_of(tmp_path, step)] == [-15] * 3
    assert "train.x: ended by SIGTERM, 3 attempts so far" in said()


def test_a_step_that_is_told_twice_counts_once(tmp_path, said):
    one, two = stub("a"), stub("b")
    news = News(tmp_path, [one, two])
    for step, what in ((one, "started"), (one, "finished"), (one, "taken-over"), (two, "failed")):
        tell(tmp_path, step, what)
    news.tell()
    assert said().splitlines() == [
        "[0 of 2] a: started",
        "[1 of 2] a: finished",
        "[1 of 2] a: already there",
        "[1 of 2] b: failed, see logs/b.log",
    ]
    news.tell()
    assert len(said().splitlines()) == 4


def start(folder, sigint=signal.SIG_DFL):
    code = (
        "import sys; from pathlib import Path; from nnunetv2_fair.study.run.run import run_study;"
        f"sys.exit(run_study(Path({str(folder)!r})))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code], stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, sigint),
    )  # fmt: skip


def wait_for(path, seconds=30):
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not appear"
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("number", "sigint"),
    # a script's background jobs are born with SIGINT ignored
    [(signal.SIGINT, signal.SIG_DFL), (signal.SIGTERM, signal.SIG_IGN)],
)
def test_stopping_a_run_stops_its_jobs_and_keeps_checkpoints(tmp_path, number, sigint):
    step = stub("train.x", '[ "$1" = --c ] && exit; echo 1 > latest; sleep 60', attempts=3)
    commands = ((*step.commands[0], "x"),)
    step = replace(step, commands=commands, resume=("--c",), checkpoints=("none", "latest"))
    write_plan(tmp_path, step)
    run = start(tmp_path, sigint)
    wait_for(tmp_path / "latest")
    run.send_signal(number)
    assert run.wait(30) == 130
    # not tried again although attempts are left: the user wants an end
    assert [a.exit_code for a in attempts_of(tmp_path, step)] == [-signal.SIGINT]
    assert run_study(tmp_path) == 0
    assert [a.continued for a in record_of(tmp_path, step).attempts] == [False, True]


def test_two_runs_at_once_are_refused_and_a_dead_ones_lock_is_free(tmp_path):
    step = stub("train.x", "touch begun; sleep 3")
    write_plan(tmp_path, step)
    run = start(tmp_path)
    wait_for(tmp_path / "begun")
    with pytest.raises(StudyError, match=f"already being run, by process {run.pid} on") as error:
        run_study(tmp_path)
    assert "Wait for it to end" in str(error.value)
    # killed by force, its Snakemake goes on, and the lock with it
    run.kill()
    run.wait()
    with pytest.raises(StudyError, match="already being run"):
        run_study(tmp_path)
    end = time.monotonic() + 30
    while True:
        try:
            assert run_study(tmp_path) == 0
            break
        except StudyError:
            assert time.monotonic() < end
            time.sleep(0.2)
    assert len(attempts_of(tmp_path, step)) == 1


def test_no_snakemake_lock_is_left_by_a_killed_snakemake(tmp_path):
    step = stub("train.x", "[ -e begun ] && exit; touch begun; echo $PPID > parent; sleep 60")
    write_plan(tmp_path, step)
    run = start(tmp_path)
    wait_for(tmp_path / "parent")
    snakemake = int(subprocess.run(["ps", "-o", "ppid=", (tmp_path / "parent").read_text().strip()],
                                   capture_output=True, text=True, check=True).stdout)  # fmt: skip
    os.killpg(snakemake, signal.SIGKILL)
    assert run.wait(30) == 1
    # the step's command is in a session of its own
    assert run_study(tmp_path) == 0
    assert [a.exit_code for a in record_of(tmp_path, step).attempts] == [-9, 0]


def test_cores_and_jobs_are_honoured(tmp_path):
    script = "echo b >> both; sleep 0.3; echo e >> both"
    steps = [stub(f"train.{i}", f"{script} # {i}") for i in range(3)]
    write_plan(tmp_path, *steps)
    assert run_study(tmp_path, jobs=1) == 0
    assert lines(tmp_path / "both") == ["b", "e"] * 3
    (tmp_path / "both").unlink()
    # more cores and memory than there are: all there is
    big = Resources(cpus=10_000, memory_mb=10**9)
    steps = [replace(step, fingerprint="again", resources=big) for step in steps]
    write_plan(tmp_path, *steps)
    assert run_study(tmp_path) == 0
    assert lines(tmp_path / "both") == ["b", "e"] * 3


def test_cards_are_given_one_by_one(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    ask = Resources(gpus=1)
    steps = [
        stub(f"train.{i}", f"echo $CUDA_VISIBLE_DEVICES >> on; sleep 0.5 # {i}", resources=ask)
        for i in range(2)
    ]
    write_plan(tmp_path, *steps)
    assert run_study(tmp_path, cores=2) == 0
    assert sorted(lines(tmp_path / "on")) == ["4", "7"]
    assert [attempts_of(tmp_path, step)[0].gpus for step in steps] == [1, 1]
    write_plan(tmp_path, *(replace(step, fingerprint="again") for step in steps))
    with pytest.raises(StudyError, match=r"--gpus 3: this machine has 2"):
        run_study(tmp_path, gpus=3)


def test_more_cards_than_there_are_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    write_plan(tmp_path, stub("train.x", "touch ran", resources=Resources(gpus=2)))
    with pytest.raises(StudyError) as error:
        run_study(tmp_path)
    assert "train.x: up to 2 GPUs are requested, this machine has none." in str(error.value)
    assert "device: cpu" in str(error.value)
    assert not (tmp_path / "ran").exists()


def test_a_full_drive_is_told_before(tmp_path, monkeypatch):
    monkeypatch.setattr(preflight, "_LEAST_FREE_BYTES", 2**70)
    write_plan(tmp_path, stub("a"), environment={"nnUNet_results": str(tmp_path / "to/come")})
    with pytest.raises(StudyError, match="at least 1 GiB is needed") as error:
        run_study(tmp_path)
    assert f"{tmp_path / 'to/come'}: " in str(error.value)


def test_a_folder_without_a_plan(tmp_path):
    with pytest.raises(StudyError, match=r"holds no plan of a study.* nnUNetv2_fair_study"):
        run_study(tmp_path)


def test_the_clock_of_a_record_does_not_matter(tmp_path, said):
    """A node or a network drive whose clock is ahead writes records of the future."""
    first = stub("prepare.r", "echo first >> order", kind="prepare")
    second = stub("train.x", "echo second >> order", needs=("prepare.r",))
    write_plan(tmp_path, first, second)
    assert run_study(tmp_path, only=["prepare.r"]) == 0
    ahead = time.time() + 3600
    os.utime(tmp_path / first.record, (ahead, ahead))
    assert run_study(tmp_path) == 0
    assert lines(tmp_path / "order") == ["first", "second"]
    assert len(attempts_of(tmp_path, second)) == 1


def test_what_could_not_be_started_is_named(tmp_path, said):
    """Jobs that never begin leave no attempt; Snakemake's own words are all there is."""
    step = stub("train.x")
    write_plan(tmp_path, step)
    (tmp_path / ".study" / "done").write_text("in the way")
    assert run_study(tmp_path) == 1
    assert "train.x: could not be started" in said() or "train.x: exit code" in said()
    assert "logs/snakemake.log" in said()


def test_odd_names_of_folders(tmp_path):
    folder = tmp_path / "my {study} of 'two' $words"
    step = stub("train.nnUNetTrainerInD_sex=female+age.f0", "touch here")
    write_plan(folder, step)
    assert run_study(folder) == 0
    assert (folder / "here").exists()


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (61, "1 min"), (3600 * 3 + 125, "3 h 2 min")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_last_lines_show_what_a_terminal_would(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"old\n" * 50 + b"\n10%\r50%\r100%\n" + b"x" * 500 + b"\n\xff\n")
    shown = last_lines(path)
    assert shown[-3:] == ("100%", "x" * 300, "�")
    assert shown[:-3] == ("old",) * 9
    assert last_lines(path, path.stat().st_size) == ()
    assert last_lines(tmp_path / "none") == ()


def test_half_a_line_of_attempts_is_passed_over(tmp_path):
    step = stub("a")
    append_attempt(tmp_path, step, Attempt("2026", 1.0, 1, "h"))
    with (tmp_path / ".study/attempts/a.jsonl").open("a") as file:
        file.write('{"started": "20')
    assert [a.exit_code for a in read_attempts(tmp_path, step)] == [1]
