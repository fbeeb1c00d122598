"""Which file the work was about when something failed."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields, is_dataclass
from pathlib import Path
from traceback import walk_tb
from types import TracebackType
from typing import Any

_PACKAGE = Path(__file__).parent.parent


class AtWorkError(Exception):
    """Where in a worker process a function failed.

    Args:
        trace: The traceback there.
        path: The file that it worked on; None if there is none.
    """

    def __init__(self, trace: str, path: Path | None) -> None:
        super().__init__(trace, path)
        self.path = path

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def file_at_work(trace: TracebackType | None) -> Path | None:
    """Return the file that the innermost function of this package was about; None if none was.

    Args:
        trace: Of an error.
    """
    frames = [frame for frame, _ in walk_tb(trace)]
    for frame in reversed(frames):
        if Path(frame.f_code.co_filename).is_relative_to(_PACKAGE):
            for value in reversed(list(frame.f_locals.values())):
                for path in paths_in(value):
                    with suppress(OSError, ValueError):
                        if path.is_file():
                            return path
    return None


def paths_in(value: Any) -> Iterator[Path]:
    """Yield a path, or the paths that an object of named parts holds."""
    if isinstance(value, Path):
        yield value
    elif is_dataclass(value) and not isinstance(value, type):
        for name in fields(value):
            inner = getattr(value, name.name, None)
            if isinstance(inner, Path):
                yield inner
