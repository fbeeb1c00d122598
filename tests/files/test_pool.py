import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from functools import partial
from multiprocessing import active_children
from pathlib import Path

import pytest

from nnunetv2_fair.errors import ConversionError, WorkerError
from nnunetv2_fair.files import pool
from nnunetv2_fair.files.atomic import replacing
from nnunetv2_fair.files.pool import LONGEST_TEMPORARY, map_unordered


def _square(number: int) -> int:
    return number * number


def _process(number: int) -> int:
    return os.getpid()


def _die(number: int) -> int:
    os._exit(9)


def _fail(number: int) -> int:
    raise ConversionError(f"case {number} is bad")


@pytest.mark.parametrize("processes", [1, 2])
def test_every_item_comes_back_once_with_its_result(processes: int) -> None:
    found = list(map_unordered(_square, range(20), processes, "test"))
    assert sorted(found) == [(i, i * i) for i in range(20)]


def test_work_is_done_elsewhere_only_if_there_is_enough_of_it() -> None:
    assert {pid for _, pid in map_unordered(_process, range(8), 4, "test")} == {os.getpid()}
    others = {pid for _, pid in map_unordered(_process, range(20), 4, "test")}
    assert os.getpid() not in others
    assert len(others) <= 3


def test_nothing_to_do() -> None:
    assert list(map_unordered(_square, [], 4, "test")) == []


def test_a_killed_process_is_explained() -> None:
    with pytest.raises(
        ConversionError,
        match=r"exit code 9\), most likely for lack of memory.*-np 1\. The same command resumes",
    ):
        list(map_unordered(_die, range(20), 2, "test"))


def _shown(word: str) -> list[str]:
    """Return what a list of processes shows of any process that holds a word."""
    shown = []
    for process in Path("/proc").glob("[0-9]*"):
        for what in ("cmdline", "environ"):
            with suppress(OSError):  # it has ended, or is somebody else's
                content = (process / what).read_bytes()
                if word.encode() in content:
                    shown.append(f"{process.name} {what}")
    return shown


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="processes are seen in /proc")
def test_no_list_of_processes_shows_what_workers_are_given() -> None:
    found = map_unordered(_shown, [f"canaryitem{i}" for i in range(20)], 2, "test")
    assert [shown for _, shown in found if shown] == []


def _crash(path: Path) -> int:
    os.kill(os.getpid(), signal.SIGSEGV)
    return 0


def test_a_crash_is_no_lack_of_memory(tmp_path: Path) -> None:
    files = [tmp_path / str(i) for i in range(20)]
    with pytest.raises(
        ConversionError,
        match=r"One of the 2 processes \(it worked on .*\d\) crashed \(signal SIGSEGV\) in a "
        r"library .* a file is damaged: replace it, or leave it out\. The same command",
    ):
        list(map_unordered(_crash, files, 2, "test"))


def test_errors_of_the_function_arrive() -> None:
    with pytest.raises(ConversionError, match="is bad"):
        list(map_unordered(_fail, range(20), 2, "test"))


_BEAT = """
import sys, time
from pathlib import Path
from nnunetv2_fair.files.pool import map_unordered
from tests.files.test_pool import _beat
if __name__ == "__main__":
    list(map_unordered(_beat, [sys.argv[1]] * 20, 2, "test"))
"""


def _beat(path: str) -> None:
    for _ in range(1000):
        with Path(path).open("a") as stream:
            stream.write(".")
        time.sleep(0.01)


def test_workers_end_when_the_command_is_killed(tmp_path: Path) -> None:
    script, heart = tmp_path / "beat.py", tmp_path / "heart"
    script.write_text(_BEAT)
    root = str(Path(__file__).parents[2])
    process = subprocess.Popen(
        [sys.executable, str(script), str(heart)],
        env={**os.environ, "PYTHONPATH": root},
        stderr=subprocess.DEVNULL,
    )
    end = time.monotonic() + 60
    while not heart.exists() and time.monotonic() < end:
        time.sleep(0.02)
    process.kill()
    process.wait()
    time.sleep(1)
    beats = heart.stat().st_size
    assert beats > 0
    time.sleep(0.5)
    assert heart.stat().st_size == beats


def test_preparing_one_process_starts_none(tmp_path: Path):
    script = (
        "import os, pathlib\n"
        "from nnunetv2_fair.files.pool import prepare_workers\n"
        "def children():\n"
        "    stats = pathlib.Path('/proc').glob('[0-9]*/stat')\n"
        "    parents = [s.read_text().rpartition(')')[2].split()[1] for s in stats]\n"
        "    return parents.count(str(os.getpid()))\n"
        "prepare_workers(1, 'json')\n"
        "print(children())\n"
        "prepare_workers(2, 'json')\n"
        "print(children() > 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}, timeout=60,
    )  # fmt: skip
    assert done.stdout.split() == ["0", "True"], done.stderr


def _unlike(number: int) -> str:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return str(number)


KILLED = (
    "was ended from outside (signal SIGKILL), most likely for lack of memory. Run the command "
    "again with fewer processes, for example -np 1"
)


def test_a_killed_process_costs_only_its_item() -> None:
    found = dict(map_unordered(_unlike, range(20), 2, lost=lambda item, how: f"{item} {how}"))
    assert found == {i: str(i) for i in range(20)} | {3: f"3 {KILLED}"}


class _StubbornError(Exception):
    def __init__(self, first: str, second: str) -> None:
        super().__init__(first)


def _stubborn(number: int) -> int:
    raise _StubbornError("one", "two")


def _with_lock(number: int) -> object:
    return threading.Lock()


def test_errors_say_where_they_happened_and_any_error_arrives() -> None:
    with pytest.raises(ConversionError) as error:
        list(map_unordered(_fail, range(20), 2))
    assert "in _fail" in str(error.value.__cause__)
    with pytest.raises(RuntimeError, match="_StubbornError"):
        list(map_unordered(_stubborn, range(20), 2))
    with pytest.raises(TypeError, match="pickle"):
        list(map_unordered(_with_lock, range(20), 2))


def _echo(data: bytes) -> bytes:
    return data


def test_items_and_results_larger_than_a_pipe_do_not_block() -> None:
    items = [bytes([i]) * 3_000_000 for i in range(8)]
    found = list(map_unordered(_echo, items, 2, fewest_per_process=1))
    assert sorted(result for _, result in found) == items
    assert all(item == result for item, result in found)


def _slow(folder: str, number: int) -> int:
    if number:
        with replacing(Path(folder) / f"{number}.txt"):
            time.sleep(30)
    return number


def test_stopping_early_leaves_no_temporary_files(tmp_path: Path) -> None:
    running = map_unordered(partial(_slow, str(tmp_path)), range(2), 2, fewest_per_process=1)
    next(running)
    end = time.monotonic() + 20
    while not list(tmp_path.iterdir()) and time.monotonic() < end:
        time.sleep(0.02)
    begin = time.monotonic()
    running.close()
    assert time.monotonic() - begin < 10
    assert list(tmp_path.iterdir()) == []
    assert not active_children()


_LONG_FOLDER = """
import multiprocessing, os, stat, sys, tempfile
from multiprocessing import util
from nnunetv2_fair.files.pool import map_unordered

if __name__ == "__main__":
    assert len(list(map_unordered(abs, range(20), 2))) == 20
    # as nnU-Net does when it predicts
    manager = multiprocessing.get_context("spawn").Manager()
    assert list(manager.list([1])) == [1]
    folder = util.get_temp_dir()
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    assert tempfile.gettempdir() == os.environ["TMPDIR"]
    print(folder)
"""


def _run_with_temporary_folder(tmp_path: Path, length: int) -> str:
    """Run the script above; return the folder it used, or the end of what went wrong."""
    folder = tmp_path
    while len(str(folder)) < length - 1:
        folder /= "x" * min(50, length - len(str(folder)) - 1)
    folder.mkdir(parents=True, exist_ok=True)
    script = tmp_path / "script.py"
    script.write_text(_LONG_FOLDER)
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False,
        env={**os.environ, "TMPDIR": str(folder), "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [path.name for path in folder.iterdir() if path != script] == []
    used = Path(done.stdout.strip())
    assert not used.exists(), "removed at the end"
    return str(used.parent) if str(used.parent) != str(folder) else ""


@pytest.mark.skipif(os.name != "posix", reason="pipes are used instead of sockets")
def test_a_temporary_folder_with_a_long_path(tmp_path: Path) -> None:
    assert _run_with_temporary_folder(tmp_path, 200) == "/tmp"


@pytest.mark.skipif(sys.platform != "linux", reason="the longest path is that of Linux")
@pytest.mark.parametrize(("more", "elsewhere"), [(0, ""), (1, "/tmp")])
def test_only_where_the_path_is_too_long(more: int, elsewhere: str) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        assert _run_with_temporary_folder(Path(folder), LONGEST_TEMPORARY + more) == elsewhere


def test_folders_in_which_others_could_move_ours_are_not_used(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    assert not pool._is_safe(str(tmp_path))
    tmp_path.chmod(0o1777)
    assert pool._is_safe(str(tmp_path))
    tmp_path.chmod(0o700)
    assert pool._is_safe(str(tmp_path))
    assert not pool._is_safe(str(tmp_path / "nowhere"))


@pytest.mark.skipif(sys.platform != "linux", reason="only there processes start through a socket")
def test_no_folder_for_sockets_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError("AF_UNIX path too long")

    monkeypatch.setattr(pool.forkserver, "ensure_running", fail)
    with pytest.raises(
        WorkerError, match=r"cannot be started \(AF_UNIX path too long\).*most 75 char.*-np 1"
    ):
        list(map_unordered(_square, range(20), 2))
