"""One function over many items, in a few processes, with a progress bar."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from tqdm import tqdm

from nnunetv2_fair.errors import ConversionError

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

#: Fewer items per process than this are not worth the start of a process (about a second).
_FEWEST_PER_PROCESS = 8


def default_processes() -> int:
    """Return how many processes a conversion uses unless told: at most 8, as in nnU-Net."""
    return max(1, min(8, os.cpu_count() or 1))


def map_unordered(
    function: Callable[[_Item], _Result],
    items: Sequence[_Item],
    processes: int,
    what: str,
) -> Iterator[tuple[_Item, _Result]]:
    """Yield every item with its result, as they finish.

    Args:
        function: Module-level function; it and its items travel to other processes.
        items: What to apply it to.
        processes: How many processes; with 1, or few items, the work is done in this one.
        what: Shown beside the progress bar.

    Raises:
        ConversionError: If a process was killed, which usually means too little memory.
        Exception: Whatever ``function`` raises; work that has not begun is then dropped.
    """
    processes = min(processes, -(-len(items) // _FEWEST_PER_PROCESS))
    with tqdm(total=len(items), desc=what, unit="case", disable=not items) as bar:
        if processes <= 1:
            for item in items:
                result = function(item)
                bar.update()
                yield item, result
            return
        for item, result in _in_processes(function, items, processes):
            bar.update()
            yield item, result


def _in_processes(
    function: Callable[[_Item], _Result], items: Sequence[_Item], processes: int
) -> Iterator[tuple[_Item, _Result]]:
    # spawn: the same on every system, and no threads or locks are inherited
    pool = ProcessPoolExecutor(
        processes, multiprocessing.get_context("spawn"), initializer=_end_with_parent
    )
    waiting = iter(items)
    running: dict[Future[_Result], _Item] = {}
    try:
        while True:
            # a short queue keeps memory flat however many items there are
            while len(running) < 4 * processes:
                item = next(waiting, None)
                if item is None:
                    break
                running[pool.submit(function, item)] = item
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                finished = running.pop(future)
                yield finished, future.result()
    except BrokenProcessPool as error:
        raise ConversionError(
            f"One of the {processes} processes was killed, probably for lack of memory. Run the "
            "same command again with a smaller -np (such as -np 1); it goes on where it stopped."
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _end_with_parent() -> None:
    """Make this worker end when the command is killed; it would wait for work for ever."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
