import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nnunetv2_fair.dataset_conversion.parallel import map_unordered
from nnunetv2_fair.errors import ConversionError


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
    with pytest.raises(ConversionError, match=r"killed, probably for lack of memory.*-np 1"):
        list(map_unordered(_die, range(20), 2, "test"))


def test_errors_of_the_function_arrive() -> None:
    with pytest.raises(ConversionError, match="is bad"):
        list(map_unordered(_fail, range(20), 2, "test"))


_BEAT = """
import sys, time
from pathlib import Path
from nnunetv2_fair.dataset_conversion.parallel import map_unordered
from tests.files.test_pool_map import _beat
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
