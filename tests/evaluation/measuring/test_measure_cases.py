import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from multiprocessing import active_children
from pathlib import Path

import numpy as np
import pytest

from nnunetv2_fair.evaluation.measuring.all_cases import measure_cases
from nnunetv2_fair.evaluation.measuring.one_case import CasePair, CaseTask, measure_case
from tests.evaluation.factories import write_mask

TASK = CaseTask(("dice", "hd"), 1.0, {"lesion": (1,)})


def make_pairs(folder: Path, number: int) -> list[CasePair]:
    pairs = []
    for index in range(number):
        labels = np.zeros((9, 14), dtype=np.uint8)
        labels[2:7, 3 : 5 + index] = 1
        paths = [
            write_mask(folder / f"{name}_{index}.png", np.roll(labels, shift, 0))
            for name, shift in (("reference", 0), ("prediction", 1))
        ]
        pairs.append(CasePair(f"case_{index}", paths[0], paths[1]))
    return pairs


def blocked(folder: Path, name: str) -> CasePair:
    """Return a case whose measuring never ends: nobody writes into its file."""
    path = folder / f"{name}.png"
    os.mkfifo(path)
    return CasePair(name, path, path)


def kill_whoever_opens(*paths: Path) -> None:
    """End, from another thread, each process that comes to one of these pipes."""

    def reader_of(path: Path) -> int:
        while True:
            for entry in Path("/proc").glob("[0-9]*/fd/*"):
                pid = int(entry.parts[2])
                if pid != os.getpid():
                    with suppress(OSError):
                        if entry.readlink() == path:
                            return pid
            time.sleep(0.02)

    def watch() -> None:
        for path in paths:
            while True:
                try:  # works as soon as somebody waits to read
                    end = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
                    break
                except OSError:
                    time.sleep(0.02)
            os.kill(reader_of(path), signal.SIGKILL)
            os.close(end)

    threading.Thread(target=watch, daemon=True).start()


def test_all_cases_are_measured_in_any_number_of_processes(tmp_path: Path):
    pairs = make_pairs(tmp_path, 7)
    expected = {pair.case: measure_case(pair, TASK) for pair in pairs}
    for processes in (1, 3):
        found = {case.case: case for case in measure_cases(pairs, TASK, processes)}
        assert found == expected
    assert not active_children()
    assert list(measure_cases([], TASK, 2)) == []


def test_a_killed_worker_costs_its_case_alone(tmp_path: Path):
    pairs = make_pairs(tmp_path, 6)
    pairs.insert(1, blocked(tmp_path, "heavy"))
    kill_whoever_opens(tmp_path / "heavy.png")
    found = {case.case: case for case in measure_cases(pairs, TASK, 2)}
    assert len(found) == 7
    (problem,) = found.pop("heavy").problems
    assert "case 'heavy': the process that measured" in problem
    assert str(tmp_path / "heavy.png") in problem
    assert "signal SIGKILL" in problem
    assert "-np 1" in problem
    assert not any(case.problems for case in found.values())
    assert not active_children()


def test_cases_that_were_waiting_for_a_killed_worker_are_measured(tmp_path: Path):
    pairs = [blocked(tmp_path, "first"), blocked(tmp_path, "second"), *make_pairs(tmp_path, 5)]
    kill_whoever_opens(tmp_path / "first.png", tmp_path / "second.png")
    found = {case.case: case for case in measure_cases(pairs, TASK, 2)}
    assert len(found) == 7
    assert {name for name, case in found.items() if case.problems} == {"first", "second"}


def test_leaving_early_ends_the_workers(tmp_path: Path):
    cases = measure_cases(make_pairs(tmp_path, 12), TASK, 2)
    next(cases)
    cases.close()
    assert not active_children()


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_workers_are_forks_of_one_process_that_is_none_of_ours(tmp_path: Path):
    cases = measure_cases(make_pairs(tmp_path, 12), TASK, 2)
    next(cases)
    parents = {parent_of(worker.pid or 0) for worker in active_children()}
    cases.close()
    (parent,) = parents
    assert parent != os.getpid()
    assert parent_of(parent) == os.getpid()


def test_script_without_main_guard_is_told_so(tmp_path: Path):
    make_pairs(tmp_path, 3)
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\n"
        "from nnunetv2_fair.evaluation.measuring.one_case import CasePair, CaseTask\n"
        "from nnunetv2_fair.evaluation.measuring.all_cases import measure_cases\n"
        "here = Path(__file__).parent\n"
        "pairs = [CasePair(str(i), here / f'reference_{i}.png', here / f'prediction_{i}.png')\n"
        "         for i in range(3)]\n"
        "list(measure_cases(pairs, CaseTask(('dice',), 1.0, None), 2))\n"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root)}, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1
    assert "if __name__ == '__main__'" in done.stderr


@pytest.mark.parametrize("processes", [1, 2])
def test_bad_files_are_problems_of_their_case(tmp_path: Path, processes: int):
    pairs = make_pairs(tmp_path, 3)
    pairs[1].reference.write_text("no picture")
    found = {case.case: case for case in measure_cases(pairs, TASK, processes)}
    assert "cannot be read as an image" in found["case_1"].problems[0]
    assert not found["case_0"].problems
