"""What a command writes is as private as the tables of people that it has read.

A table that others cannot open, because of its own permissions or those of a folder above it, must
not become readable as a copy, or as scores of the cases in it, somewhere else.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class _Permissions:
    """Permissions that the process gave to new files before the command; None outside of one."""

    usual: int | None = None


@contextmanager
def as_private_as_sources() -> Iterator[None]:
    """Within the block, nobody can read what is written who cannot read what has been read.

    New files and folders get no permission that one of the tables read so far (see
    :func:`note_source`) withholds from the group, or from others.
    """
    if _Permissions.usual is not None:  # a command within another
        yield
        return
    _Permissions.usual = os.umask(0o077)
    os.umask(_Permissions.usual)
    try:
        yield
    finally:
        os.umask(_Permissions.usual)
        _Permissions.usual = None


def note_source(path: Path) -> None:
    """Withhold from new files what a file of people withholds; does nothing outside of a command.

    Args:
        path: The file, which is about to be read.
    """
    if _Permissions.usual is not None:
        with suppress(OSError):  # its reader will say so
            bits = withheld(path)
            os.umask(os.umask(0o077) | bits)


@contextmanager
def meant_to_be_shared() -> Iterator[None]:
    """Within the block, new files get the usual permissions: nothing in them is about a person."""
    if _Permissions.usual is None:
        yield
        return
    private = os.umask(_Permissions.usual)
    try:
        yield
    finally:
        os.umask(private)


def withheld(path: Path) -> int:
    """Return the permissions of group and others that a file or a folder above it withholds.

    Args:
        path: An existing file.

    Returns:
        Bits as :func:`os.umask` takes them: 0o070, 0o007, both or none.

    Raises:
        OSError: If the file does not exist.
    """
    place = path.resolve()
    modes = [place.stat().st_mode]
    # a folder lets pass who may search it, whether or not they may list it
    modes += [folder.stat().st_mode << 2 for folder in place.parents]
    bits = 0
    if not all(mode & stat.S_IRGRP for mode in modes):
        bits |= stat.S_IRWXG
    if not all(mode & stat.S_IROTH for mode in modes):
        bits |= stat.S_IRWXO
    return bits
