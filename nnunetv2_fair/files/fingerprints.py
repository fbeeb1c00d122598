"""All hashes: of files, of texts, and of several things together. All are SHA-256."""

import hashlib
import os
import zipfile
from collections.abc import Iterable
from pathlib import Path

_GZIP = b"\x1f\x8b"
#: Checksum and length of what is compressed, at the end of a gzip file.
_GZIP_TRAILER = 8
#: Bytes of a file that are read together.
_BLOCK = 1 << 20


def hash_of(*parts: bytes) -> str:
    """Return the hash of all parts, one after the other, as 64 hex digits.

    No separator is added: callers that join parts of variable length must terminate each part.

    Args:
        parts: What to hash.
    """
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def text_hash(text: str) -> str:
    """Return the hash of a text in UTF-8, as 64 hex digits."""
    return hash_of(text.encode("utf-8", "surrogatepass"))  # names of files need not be UTF-8


def file_hash(path: Path) -> str:
    """Return the hash of a file's bytes, as 64 hex digits.

    Raises:
        OSError: If the file cannot be read.
    """
    return files_hash((path,))


def files_hash(paths: Iterable[Path]) -> str:
    """Return the hash of the bytes of several files, one after the other, as 64 hex digits.

    Raises:
        OSError: If a file cannot be read.
    """
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    return digest.hexdigest()


def content_mark(path: Path) -> str:
    """Return a text that changes with a file's content, whatever clocks say about it.

    Little is read where the format has checksums of its own (gzip, ZIP: ``.nii.gz``, ``.npz``);
    they make the text, together with the file's size. Of all other files it is the hash.

    Args:
        path: The file.

    Raises:
        OSError: If it cannot be read.
    """
    with path.open("rb") as file:
        begin = file.read(len(_GZIP))
        size = file.seek(0, os.SEEK_END)
        if begin == _GZIP and size > _GZIP_TRAILER:
            file.seek(-_GZIP_TRAILER, os.SEEK_END)
            return f"{size}:{file.read().hex()}"
    try:
        with zipfile.ZipFile(path) as archive:
            parts = [(part.filename, part.CRC, part.file_size) for part in archive.infolist()]
    except (zipfile.BadZipFile, NotImplementedError, ValueError):
        return file_hash(path)
    return f"{size}:{text_hash(repr(parts))}"
