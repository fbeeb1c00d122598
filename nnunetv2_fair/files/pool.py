"""Cases measured in several processes; one that dies costs its case, not the evaluation."""

import multiprocessing
import signal
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait

from nnunetv2_fair.errors import EvaluationError
from nnunetv2_fair.evaluation.measuring.one_case import (
    CaseMeasures,
    CasePair,
    CaseTask,
    measure_case,
)

#: Cases that a worker holds: the one it measures and the next, so that it never waits.
_AHEAD = 2
# No fork of this process, as one with threads (tqdm, SimpleITK) may hang. Where forks are safe, one
# process without threads of ours imports what a worker needs, and every worker is a fork of that.
if sys.platform == "linux":
    _CONTEXT = multiprocessing.get_context("forkserver")
else:
    _CONTEXT = multiprocessing.get_context("spawn")


def prepare_workers(processes: int) -> None:
    """Begin, in the background, what the start of workers takes; returns at once.

    Args:
        processes: How many will be asked for; nothing is done for 1.
    """
    if processes > 1 and sys.platform == "linux":
        forkserver.set_forkserver_preload([__name__])
        forkserver.ensure_running()


def measure_cases(
    pairs: Sequence[CasePair], task: CaseTask, processes: int
) -> Iterator[CaseMeasures]:
    """Yield the measures of every case, in the order in which they are done.

    Args:
        pairs: Cases to measure.
        task: What to measure.
        processes: Number of worker processes; 1 measures in this process.

    Raises:
        EvaluationError: If workers cannot be started.
    """
    processes = min(processes, len(pairs))
    if processes <= 1:
        for pair in pairs:
            yield measure_case(pair, task)
        return
    prepare_workers(processes)
    waiting = deque(pairs)
    workers = {_Worker(task) for _ in range(processes)}
    try:
        while workers:
            ready = wait([worker.connection for worker in workers])
            for worker in [w for w in workers if w.connection in ready]:
                try:
                    done = worker.receive()
                except (EOFError, OSError):
                    workers.remove(worker)
                    lost, rest = worker.bury()
                    waiting.extendleft(reversed(rest))
                    if lost is not None:
                        yield lost
                    if waiting:
                        workers.add(_Worker(task))
                    continue
                worker.give(waiting)
                if worker.is_idle:
                    workers.remove(worker)
                    worker.dismiss()
                if done is not None:
                    yield done
    finally:
        for worker in workers:
            worker.dismiss()


class _Worker:
    """A process, and the cases it has been given and not yet measured.

    Attributes:
        connection: Where its answers come from.
    """

    def __init__(self, task: CaseTask) -> None:
        self.connection, theirs = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(target=_work, args=(theirs, task), daemon=True)
        self._process.start()
        theirs.close()  # else its end would go unnoticed
        self._given: deque[CasePair] = deque()
        self._started = False

    @property
    def is_idle(self) -> bool:
        """Whether it has nothing left to measure."""
        return not self._given

    def give(self, waiting: deque[CasePair]) -> None:
        """Give it cases, so that it has enough for a while."""
        while waiting and len(self._given) < _AHEAD:
            self.connection.send(waiting[0])
            self._given.append(waiting.popleft())

    def receive(self) -> CaseMeasures | None:
        """Return what it has measured; None if it says that it is ready.

        Raises:
            EOFError: If the process has ended.
            OSError: As EOFError.
        """
        measured: CaseMeasures | None = self.connection.recv()
        if measured is None:
            self._started = True
        else:
            self._given.popleft()
        return measured

    def bury(self) -> tuple[CaseMeasures | None, list[CasePair]]:
        """Return, after its end, the case that it died of, and those it had not begun.

        Raises:
            EvaluationError: If it had not even started.
        """
        self.connection.close()
        self._process.join()
        code = self._process.exitcode
        if not self._started:
            raise EvaluationError(
                f"A worker process ended before it could start (exit code {code}). Run again with "
                "-np 1. (A script of your own must call this below: if __name__ == '__main__'.)"
            )
        if not self._given:
            return None, []
        pair = self._given.popleft()
        files = " and ".join(str(f) for f in (pair.reference, pair.prediction) if f is not None)
        problem = (
            f"case '{pair.case}': the process that measured {files} was ended from outside "
            f"({_ending(code)}), most likely for lack of memory. Run the command again with fewer "
            "processes, for example -np 1; cases already measured are not measured again"
        )
        return CaseMeasures(pair.case, problems=(problem,)), list(self._given)

    def dismiss(self) -> None:
        """End the process."""
        self.connection.close()
        if self._given:
            self._process.terminate()
        self._process.join()


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"exit code {code}"


def _work(connection: Connection, task: CaseTask) -> None:
    """Measure case after case; the main function of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the parent, which ends us
    try:
        connection.send(None)
        while True:
            connection.send(measure_case(connection.recv(), task))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the parent is done or gone
