"""How an error of ours that nnU-Net's commands do not catch reaches the screen."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from nnunetv2_fair.console.printable import printable
from nnunetv2_fair.errors import FairError


def print_our_errors_without_traceback() -> None:
    """Let the interpreter print an uncaught error of ours as one message, the last on the screen.

    All other errors are printed as before. The exit status stays 1.
    """
    earlier = sys.excepthook
    if isinstance(earlier, _Hook):
        return
    sys.excepthook = _Hook(earlier)


_ExceptHook = Callable[[type[BaseException], BaseException, TracebackType | None], object]


class _Hook:
    def __init__(self, earlier: _ExceptHook) -> None:
        self._earlier = earlier

    def __call__(
        self, kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> None:
        if not isinstance(error, FairError):
            self._earlier(kind, error, traceback)
            return
        sys.stdout.flush()  # where both go into one file, the message stays the last
        sys.stderr.write(printable(f"\n{Path(sys.argv[0]).name}: {error}\n"))
