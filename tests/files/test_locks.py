"""Locks between real processes; output folders, studies and GPUs have tests of their own."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

import nnunetv2_fair
from nnunetv2_fair.errors import InUseError
from nnunetv2_fair.files import locks
from nnunetv2_fair.files.locks import INHERITED, holder, locked, temporary_locked

ROOT = Path(nnunetv2_fair.__file__).parents[1]


def holding(path, then="input()"):
    code = (
        "import sys\nfrom pathlib import Path\nfrom nnunetv2_fair.files.locks import locked\n"
        f"with locked(Path({str(path)!r})):\n    print(flush=True)\n    {then}\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    process.stdout.readline()
    return process


def test_one_process_at_a_time_however_the_other_ends(tmp_path):
    path = tmp_path / "a.lock"
    process = holding(path)
    with (
        pytest.raises(InUseError, match=f"is in use by process {process.pid} on .* since"),
        locked(path),
    ):
        pass
    assert holder(path).startswith(f"process {process.pid} on ")
    process.kill()
    process.wait()
    assert path.exists()
    assert holder(path) is None
    with locked(path):
        pass
    assert not path.exists()


def test_waiting_for_a_lock_whose_file_its_holder_removes(tmp_path):
    process = holding(tmp_path / "a.lock", "import time; time.sleep(0.5)")
    with locked(tmp_path / "a.lock", wait=True):
        assert process.wait(20) == 0
        # it is the file that others find, too
        with pytest.raises(InUseError), locked(tmp_path / "a.lock"):
            pass


def test_the_same_thread_may_hold_it_again_only_if_it_says_so(tmp_path):
    path = tmp_path / "a.lock"
    with locked(path) as first:
        with locked(path, again=True) as second:
            assert second == first
        assert path.exists()
        with pytest.raises(InUseError), locked(path):
            pass
    assert not path.exists()


def test_links_are_not_followed(tmp_path):
    (tmp_path / "theirs").write_text("theirs")
    (tmp_path / "a.lock").symlink_to(tmp_path / "theirs")
    with pytest.raises(OSError, match="symbolic links"), locked(tmp_path / "a.lock"):
        pass
    assert (tmp_path / "theirs").read_text() == "theirs"


@pytest.mark.parametrize("text", ["", "x y z", "1", "12 host \x1b[2J", "9" * 300])
def test_damaged_words_about_the_holder(tmp_path, text):
    path = tmp_path / "a.lock"
    with locked(path):
        path.write_text(text)
        said = holder(path)
        assert said.isprintable()
        assert "process" in said


def test_a_drive_without_locks(tmp_path, monkeypatch):
    def fail(descriptor, how):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(locks.fcntl, "flock", fail)
    with locked(tmp_path / "a.lock") as descriptor:
        assert descriptor is None
    with temporary_locked(tmp_path) as held:
        assert not held
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(locks, "fcntl", None)
    with locked(tmp_path / "a.lock") as descriptor:
        assert descriptor is None
    assert holder(tmp_path / "a.lock") is None


def test_a_folder_is_held_once(tmp_path):
    with temporary_locked(tmp_path) as first, temporary_locked(tmp_path) as second:
        assert (first, second) == (True, False)
    with temporary_locked(tmp_path / "absent") as absent:
        assert not absent


def test_forked_workers_do_not_hold_the_locks_of_their_parent(tmp_path):
    with locked(tmp_path / "a.lock") as descriptor:
        pid = os.fork()
        if pid == 0:
            try:
                os.fstat(descriptor)
            except OSError as error:
                os._exit(error.errno)
            finally:
                os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == errno.EBADF
        assert holder(tmp_path / "a.lock") is not None


def test_a_lock_that_was_inherited_is_not_taken_again(tmp_path, monkeypatch):
    path = tmp_path / "a.lock"
    code = (
        "import os, sys\nfrom pathlib import Path\n"
        "from nnunetv2_fair.files.locks import locked\n"
        f"with locked(Path({str(path)!r}), again={{again}}) as got:\n    print(got)\n"
    )
    for again, inherited, said in (
        (True, path, "None\n"), (True, tmp_path / "b.lock", ""), (False, path, ""),
    ):  # fmt: skip
        monkeypatch.setenv(INHERITED, f"/elsewhere{os.pathsep}{os.path.realpath(inherited)}")
        with locked(path) as descriptor:
            done = subprocess.run(
                [sys.executable, "-c", code.format(again=again)], pass_fds=[descriptor],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
        assert done.stdout == said
        assert ("InUseError" in done.stderr) == (not said)
