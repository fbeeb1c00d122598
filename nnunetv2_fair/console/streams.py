"""Standard output and error that a command can always write to, whoever has stopped reading."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from nnunetv2_fair.console.printable import printable


@contextmanager
def lasting_streams() -> Iterator[None]:
    """Let nothing that is written to the screen end the block.

    A pipe may be closed (``| head``), a disk full, the streams absent, the encoding too small for
    a name: what cannot be shown is dropped, or escaped, and the work goes on.
    """
    before = sys.stdout, sys.stderr
    sys.stderr = _lasting(sys.stderr, "standard error")
    sys.stdout = _lasting(sys.stdout, "standard output")
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        sys.stdout, sys.stderr = before


def _lasting(stream: Any, name: str) -> Any:
    if isinstance(stream, _Lasting):
        return stream
    return _Lasting(stream, name)


class _Lasting:
    """A stream whose writing never raises.

    Args:
        stream: Where to write; None where the process has none.
        name: Of the stream, for the message that it is lost.
    """

    def __init__(self, stream: Any, name: str) -> None:
        # not closed: the file stands for the stream until the process ends
        nowhere: Any = open(os.devnull, "w") if stream is None else None  # noqa: SIM115, PTH123
        self._stream = nowhere or stream
        self._name = name
        with suppress(AttributeError, OSError, ValueError):
            self._stream.reconfigure(errors="backslashreplace")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write a text, if anybody can read it."""
        try:
            try:
                self._stream.write(text)
            except UnicodeEncodeError:  # a stream that could not be told to escape
                self._stream.write(text.encode("ascii", "backslashreplace").decode())
        except (OSError, ValueError) as error:
            self._lost(error)
        return len(text)

    def flush(self) -> None:
        """Write what was held back, if anybody can read it."""
        try:
            self._stream.flush()
        except (OSError, ValueError) as error:
            self._lost(error)

    def _lost(self, error: Exception) -> None:
        """Write into nothing from now on; so does Python when it flushes the stream at the end."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        with suppress(AttributeError, OSError, ValueError):
            os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)
        self._stream = open(os.devnull, "w")  # noqa: SIM115, PTH123
        closed = isinstance(error, ValueError) or getattr(error, "errno", 0) in (
            errno.EPIPE, errno.EBADF,
        )  # fmt: skip
        if not closed and sys.stderr is not self:
            reason = getattr(error, "strerror", None) or error
            sys.stderr.write(printable(f"{self._name} is lost: {reason}. The work goes on.\n"))
