"""The one process pool: one function over many items; if a process dies, only its item is lost."""

import multiprocessing
import multiprocessing.util
import os
import signal
import stat
import sys
import tempfile
import threading
import traceback
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from functools import partial
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from types import FrameType
from typing import Any, Generic, NoReturn, TypeVar

from tqdm import tqdm

from nnunetv2_fair.errors import ConversionError, WorkerError
from nnunetv2_fair.files.at_work import AtWorkError, file_at_work, paths_in

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

#: Fewer items per process than this are not worth starting a process.
_FEWEST_PER_PROCESS = 8
#: Items that a worker holds: the one it works on and the next, so that it never waits.
_AHEAD = 2
#: Bytes of an item that certainly fit into a pipe whose other end is busy writing.
_FITS_INTO_PIPE = 1 << 14
#: How long a worker that is told to stop may take to clean up.
_GRACE_SECONDS = 5.0
# Never fork this process: forks of one with threads (tqdm, SimpleITK) may hang. Where forks are
# safe, a process without threads imports what a worker needs, and every worker is forked from it.
_FORKSERVER = sys.platform == "linux"
_CONTEXT: Any = multiprocessing.get_context("forkserver" if _FORKSERVER else "spawn")

#: Longest path of a socket in bytes; a longer one is "AF_UNIX path too long".
_SOCKET_PATH = 107 if sys.platform == "linux" else 103
#: What multiprocessing adds to the temporary folder: a folder of its own, and the socket in it.
_OWN_FOLDER, _SOCKET = len("/pymp-12345678"), len("/listener-12345678")
#: Longest temporary folder in bytes in which there is room for both.
LONGEST_TEMPORARY = _SOCKET_PATH - _OWN_FOLDER - _SOCKET
#: Where sockets go instead. Not the folder of a session: it goes away when its user logs out.
_SHORT_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")

#: Signals that a process gets for a mistake of its own.
_CRASHES = {
    getattr(signal, name)
    for name in ("SIGSEGV", "SIGBUS", "SIGABRT", "SIGILL", "SIGFPE")
    if hasattr(signal, name)
}

#: A worker's messages: it is ready, has a result, or the function has raised.
_READY, _RESULT, _ERROR = "ready", "result", "error"


def default_processes() -> int:
    """Return the default number of processes: at most 8, as in nnU-Net."""
    return max(1, min(8, os.cpu_count() or 1))


def make_room_for_sockets() -> None:
    """Have multiprocessing keep its sockets in a short folder if the temporary one is too long.

    Python starts and connects processes through sockets in the temporary folder (``TMPDIR``), and
    their paths may have about 100 bytes. This process and all that it starts through
    multiprocessing then use a folder that only its user may enter, and that is removed when the
    process ends; other temporary files stay where they are. Where no short folder can be written
    to, nothing is done.
    """
    config = multiprocessing.current_process()._config  # type: ignore[attr-defined]
    chosen = config.get("tempdir")
    length = len(os.fsencode(chosen or tempfile.gettempdir())) + (0 if chosen else _OWN_FOLDER)
    if os.name != "posix" or length + _SOCKET <= _SOCKET_PATH:
        return
    usual = tempfile.tempdir
    try:
        for folder in filter(_is_safe, _SHORT_FOLDERS):
            config["tempdir"], tempfile.tempdir = None, folder
            with suppress(OSError):
                multiprocessing.util.get_temp_dir()  # makes it, and sees to its removal
                return
        config["tempdir"] = chosen
    finally:
        tempfile.tempdir = usual


def _is_safe(folder: str) -> bool:
    """Return whether nobody else can move away what this user keeps in a folder."""
    try:
        mode = Path(folder).stat().st_mode
    except OSError:
        return False
    return bool(mode & stat.S_ISVTX) or not mode & (stat.S_IWOTH | stat.S_IWGRP)


def prepare_workers(processes: int, module: str) -> None:
    """Prepare the start of workers in the background; returns at once.

    Args:
        processes: How many will be asked for; nothing is done for 1.
        module: Full name of the module whose function they will run.

    Raises:
        WorkerError: If processes cannot be started.
    """
    if processes > 1 and _FORKSERVER:
        make_room_for_sockets()
        forkserver.set_forkserver_preload([module])
        try:
            forkserver.ensure_running()
        except OSError as error:
            raise WorkerError(
                f"Worker processes cannot be started ({error}): they need a temporary folder that "
                f"can be written to, whose path has at most {LONGEST_TEMPORARY} characters; it is "
                f"{tempfile.gettempdir()}. Set TMPDIR to another folder, or use one process (-np "
                "1)."
            ) from error


def map_unordered(
    function: Callable[[_Item], _Result],
    items: Sequence[_Item],
    processes: int,
    what: str = "",
    *,
    unit: str = "case",
    lost: Callable[[_Item, str], _Result] | None = None,
    fewest_per_process: int = _FEWEST_PER_PROCESS,
) -> Generator[tuple[_Item, _Result], None, None]:
    """Yield every item with its result, as they finish.

    Args:
        function: Module-level function, or a ``partial`` of one; it and its items travel to other
            processes.
        items: What to apply it to.
        processes: How many processes; with 1, or few items, the work is done in this one.
        what: Shown next to the progress bar; no bar if empty.
        unit: What an item is, for the progress bar.
        lost: Receives an item whose process died, and how and what to do, as the end of a
            sentence that begins with the process; returns what the result is, or raises. All
            other items are still processed. By default ConversionError is raised.
        fewest_per_process: With fewer items per process than this, fewer processes are used.

    Raises:
        WorkerError: If processes cannot be started.
        ConversionError: If a process died and ``lost`` is not given.
        Exception: Anything that ``function`` raises; items not yet begun are then dropped.
    """
    processes = min(processes, -(-len(items) // fewest_per_process))
    if processes <= 1:
        results = ((item, function(item)) for item in items)
    else:
        results = _in_processes(function, items, processes, lost or partial(_killed, processes))
    with tqdm(total=len(items), desc=what, unit=unit, disable=not (what and items)) as bar:
        try:
            for item, result in results:
                bar.update()
                yield item, result
        finally:
            results.close()


def _killed(processes: int, item: object, ending: str) -> NoReturn:
    files = " and ".join(map(str, paths_in(item)))
    raise ConversionError(
        f"One of the {processes} processes{files and f' (it worked on {files})'} {ending}. The "
        "same command resumes where it stopped."
    )


def _in_processes(
    function: Callable[[_Item], _Result],
    items: Sequence[_Item],
    processes: int,
    lost: Callable[[_Item, str], _Result],
) -> Generator[tuple[_Item, _Result], None, None]:
    target = function.func if isinstance(function, partial) else function
    prepare_workers(processes, target.__module__)
    waiting = deque(items)
    workers = [_Worker(function) for _ in range(processes)]
    try:
        while workers:
            ready = wait([worker.connection for worker in workers])
            for worker in [w for w in workers if w.connection in ready]:
                try:
                    done = worker.receive()
                except (EOFError, OSError):
                    workers.remove(worker)
                    ending, died, rest = worker.bury()
                    waiting.extendleft(reversed(rest))
                    if waiting:
                        workers.append(_Worker(function))
                    for item in died:
                        yield item, lost(item, ending)
                    continue
                worker.give(waiting)
                if worker.is_idle and not waiting:
                    workers.remove(worker)
                    worker.dismiss()
                yield from done
    finally:
        for worker in workers:
            worker.stop()
        for worker in workers:
            worker.dismiss()


class _Worker(Generic[_Item, _Result]):
    """A process, and the items it has been given and has not finished.

    Attributes:
        connection: Where its answers come from.
    """

    def __init__(self, function: Callable[[_Item], _Result]) -> None:
        self.connection, theirs = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(target=_work, args=(theirs, function), daemon=True)
        self._process.start()
        theirs.close()  # otherwise its end would go unnoticed
        self._given: deque[_Item] = deque()
        self._started = False

    @property
    def is_idle(self) -> bool:
        """Whether it has nothing left to do."""
        return not self._given

    def give(self, waiting: deque[_Item]) -> None:
        """Give it items, so that it has enough for a while."""
        while waiting and len(self._given) < _AHEAD:
            data = ForkingPickler.dumps(waiting[0])
            # while it works it reads nothing: with both ends writing, neither would ever be done
            if self._given and len(data) > _FITS_INTO_PIPE:
                return
            try:
                self.connection.send_bytes(data)
            except OSError:
                return  # it has ended; the next read from its connection shows that
            self._given.append(waiting.popleft())

    def receive(self) -> list[tuple[_Item, _Result]]:
        """Return the item it has finished, with the result; nothing if it reports that it is ready.

        Raises:
            EOFError: If the process has ended.
            OSError: As EOFError.
            Exception: What the function raised.
        """
        kind, content = self.connection.recv()
        if kind == _READY:
            self._started = True
            return []
        item = self._given.popleft()
        if kind == _ERROR:
            error, trace, path = content
            raise error from AtWorkError(trace, path)
        return [(item, content)]

    def bury(self) -> tuple[str, list[_Item], list[_Item]]:
        """Return, after its end, how it ended, the item it was working on, and those not begun.

        Raises:
            WorkerError: If it had not even started.
        """
        self.connection.close()
        self._process.join()
        ending = _ending(self._process.exitcode)
        if not self._started:
            raise WorkerError(
                f"A worker process {ending}. It had not even begun. (A script of your own must "
                "call this below: if __name__ == '__main__'.)"
            )
        given = list(self._given)
        return ending, given[:1], given[1:]

    def stop(self) -> None:
        """Tell the process to end, no matter what it is doing."""
        self.connection.close()
        self._process.terminate()

    def dismiss(self) -> None:
        """Wait until the process has ended."""
        self.connection.close()
        self._process.join(_GRACE_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _ending(code: int | None) -> str:
    """Return how a process ended, why that may be, and what to do: the end of a sentence."""
    if code is None or code >= 0:
        how = f"exit code {code}"
    elif -code in signal.valid_signals():
        how = f"signal {signal.Signals(-code).name}"
    else:
        how = f"signal {-code}"
    if code is not None and -code in _CRASHES:
        return (
            f"crashed ({how}) in a library that reads or computes. Most likely a file is damaged: "
            "replace it, or leave it out"
        )
    return (
        f"was ended from outside ({how}), most likely for lack of memory. Run the command again "
        "with fewer processes, for example -np 1"
    )


def _work(connection: Connection, function: Callable[[Any], Any]) -> None:
    """Work on item after item; the main function of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl+C and ends us
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # so it does when the terminal is closed
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        connection.send((_READY, None))
        while True:
            connection.send_bytes(_answer(function, connection.recv_bytes()))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the parent is done or gone


def _answer(function: Callable[[Any], Any], data: bytes) -> Any:
    try:
        return ForkingPickler.dumps((_RESULT, function(ForkingPickler.loads(data))))
    except Exception as error:  # of any kind: it is raised again in the parent
        trace, path = traceback.format_exc(), file_at_work(error.__traceback__)
        try:
            answer = ForkingPickler.dumps((_ERROR, (error, trace, path)))
            ForkingPickler.loads(answer)
        except Exception:  # some errors can be pickled but not unpickled
            answer = ForkingPickler.dumps((_ERROR, (RuntimeError(repr(error)), trace, path)))
        return answer


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    """End in an orderly way, so that temporary files are removed."""
    sys.exit(0)


def _end_with_parent() -> None:
    """End this process when the command is killed; it would finish its item first, or wait."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
