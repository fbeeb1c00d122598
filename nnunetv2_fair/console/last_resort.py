"""What a command says about an error that nobody foresaw: what, where, and how to report it.

The traceback goes into a file that only its owner can read, in the folder for temporary files
(``TMPDIR``) and never beside results: it may name patients.
"""

import os
import platform
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import nnunetv2_fair
from nnunetv2_fair.console.printable import printable
from nnunetv2_fair.files.at_work import AtWorkError, file_at_work

_PACKAGE = Path(nnunetv2_fair.__file__).parent
#: Characters of an error's own words that are shown.
_MOST_WORDS = 400


def last_words(prog: str, argv: Sequence[str], error: BaseException) -> str:
    """Save the traceback of an error, and return what to say, with a line end.

    Args:
        prog: The command.
        argv: Its arguments.
        error: What was raised.
    """
    parts = [f"{prog}: {_what(error)}"]
    with suppress(Exception):  # where memory is short, the rest may fail, too
        file = _file(error)
        if file is not None:
            parts.append(
                f"The file at work was {file}. If only this one fails, it is probably damaged: "
                "replace it, or leave it out."
            )
    parts.append(_remedy(error))
    parts.append(_kept(prog, argv, error))
    return printable("\n".join(parts)) + "\n"


def _what(error: BaseException) -> str:
    words = (str(error).strip().splitlines() or [""])[0][:_MOST_WORDS]
    told = f": {words}" if words else ""
    if _lacks_memory(error):
        return f"the memory is used up{told}"
    return f"stopped by an error that was not foreseen: {type(error).__name__}{told}{_place(error)}"


def _remedy(error: BaseException) -> str:
    if _lacks_memory(error):
        return (
            "Close other programs, start fewer processes (-np 1), or use a machine with more "
            "memory. If that does not help, please report it as a mistake of this program."
        )
    return (
        f"This is a mistake in nnunetv2_fair {nnunetv2_fair.__version__}. Please report it to "
        "whoever you have it from, with this message and the command."
    )


def _lacks_memory(error: BaseException) -> bool:
    """Return whether memory ran out, also that of a GPU; torch, which says so, is not imported."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "DefaultCPUAllocator: can't allocate memory" in str(error)
    )


def _place(error: BaseException) -> str:
    """Return the innermost line of this package that was at work."""
    found = ""
    for frame, line in traceback.walk_tb(error.__traceback__):
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(_PACKAGE):
            found = f" ({path.relative_to(_PACKAGE.parent).as_posix()}, line {line})"
    return found


def _file(error: BaseException) -> Path | None:
    """Return the file that the work was about, in this process or in a worker."""
    for raised in _chain(error):
        if isinstance(raised, AtWorkError):
            return raised.path
    for raised in _chain(error):
        found = file_at_work(raised.__traceback__)
        if found is not None:
            return found
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _kept(prog: str, argv: Sequence[str], error: BaseException) -> str:
    """Save the traceback, and return where it is."""
    try:
        trace = "".join(traceback.format_exception(error))
        text = (
            f"{prog} {' '.join(argv)}\nnnunetv2_fair {nnunetv2_fair.__version__}, Python "
            f"{platform.python_version()}, {platform.platform()}\n\n{trace}"
        )
        # readable only for the owner from the moment it is created
        number, name = tempfile.mkstemp(prefix="nnUNetv2_fair-error-", suffix=".txt")
        with os.fdopen(number, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except Exception as reason:  # a full disk, or no memory
        return f"Its details could not be kept: {reason}"
    return (
        f"The details are in {name}, which only you can read. They may name files, patients and "
        "values: look before you pass them on."
    )
