"""Whether a ZIP archive is whole; torch writes checkpoints as such."""

import zipfile
import zlib
from pathlib import Path


def damage_of(path: Path) -> str:
    """Return what is wrong with an archive, such as ``is empty``; an empty text if it is whole.

    All of it is read, and the checksum of every part compared; nothing in it is run.

    Args:
        path: The archive.

    Raises:
        OSError: If it cannot be read.
    """
    if not path.stat().st_size:
        return "is empty"
    try:
        with zipfile.ZipFile(path) as archive:
            part = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError):
        return "is cut off or otherwise damaged"
    return "" if part is None else f"is damaged: the checksum of {part} is wrong"
