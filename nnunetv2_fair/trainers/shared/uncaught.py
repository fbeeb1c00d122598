"""How an error of ours that nnU-Net's commands do not catch reaches the screen."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from nnunetv2_fair.console.printable import printable
from nnunetv2_fair.errors import FairError


def print_our_errors_without_traceback(explain: Callable[[BaseException], str]) -> None:
    """Let the interpreter print an uncaught error of ours as one message, the last on the screen.

    All other errors are printed as before. The exit status stays 1.

    Args:
        explain: Returns the message of an error that is not ours but can be explained, else an
            empty text.
    """
    earlier = sys.excepthook
    if isinstance(earlier, _Hook):
        return
    sys.excepthook = _Hook(earlier, explain)


_ExceptHook = Callable[[type[BaseException], BaseException, TracebackType | None], object]


class _Hook:
    def __init__(self, earlier: _ExceptHook, explain: Callable[[BaseException], str]) -> None:
        self._earlier = earlier
        self._explain = explain

    def __call__(
        self, kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> None:
        message = str(error) if isinstance(error, FairError) else self._explain(error)
        if not message:
            self._earlier(kind, error, traceback)
            return
        sys.stdout.flush()  # where both go into one file, the message stays the last
        sys.stderr.write(printable(f"\n{Path(sys.argv[0]).name}: {message}\n"))
