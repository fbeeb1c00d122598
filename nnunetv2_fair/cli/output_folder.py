"""Output folders of commands: refuse early, and let all files appear together."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path

from nnunetv2_fair.errors import EvaluationError, UsageError, shorten


def check_output_folder(
    out: Path, names: Sequence[str], *, overwrite: bool, passed_over: str = ""
) -> None:
    """Refuse an output folder that cannot be used, before anything is computed.

    Args:
        out: Folder that ``-o`` names; it need not exist.
        names: Files that will be written into it.
        overwrite: Whether files in it may be replaced.
        passed_over: Pattern of names that do not count: what an interrupted run has left.

    Raises:
        UsageError: If it is a file, or not empty without ``overwrite``.
        EvaluationError: If it cannot be written.
    """
    if out.exists() and not out.is_dir():
        raise UsageError(f"-o {out} is a file; choose a folder.")
    others = [p for p in out.iterdir() if not fnmatch(p.name, passed_over)] if out.is_dir() else []
    if others and not overwrite:
        raise UsageError(
            f"{out} exists and is not empty. Choose another -o, or pass --overwrite to replace "
            f"{shorten(names)} in it."
        )
    existing = next(f for f in (out.absolute(), *out.absolute().parents) if f.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise EvaluationError(
            f"{out} cannot be written: {existing} is no folder with write permission. Choose "
            "another -o or change its permissions."
        )


@contextmanager
def filled_together(out: Path, names: Sequence[str]) -> Iterator[Path]:
    """Give a temporary folder whose files are moved into ``out`` if nothing fails.

    Args:
        out: Output folder; created if need be.
        names: Files that the body of the ``with`` writes.
    """
    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        out.mkdir(exist_ok=True)
        for name in names:
            (temporary / name).replace(out / name)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
