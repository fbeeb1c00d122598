"""Words that must not appear, searched in every byte of what was written."""

import gzip
import io
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil


def contents(data: bytes, name: str) -> Iterator[tuple[str, bytes]]:
    """Yield some bytes and everything that is packed in them, however deep, with its name."""
    yield name, data
    if data.startswith(b"PK") and zipfile.is_zipfile(io.BytesIO(data)):  # also .npz and .pth
        with zipfile.ZipFile(io.BytesIO(data)) as members:
            for member in members.infolist():
                yield f"{name}/{member.filename}", member.filename.encode()
                yield from contents(members.read(member), f"{name}/{member.filename}")
    elif data.startswith(b"\x1f\x8b"):
        inflated = b""
        with suppress(gzip.BadGzipFile, EOFError, zlib.error):  # weights may begin so by chance
            inflated = gzip.decompress(data)
        yield from contents(inflated, f"{name}/inflated")
    elif data.startswith(b"\x89PNG"):
        at = 8
        while at < len(data):
            size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
            if kind in (b"zTXt", b"iTXt"):
                packed = data[at + 8 : at + 8 + size].split(b"\0", 2)[-1]
                yield f"{name}/{kind.decode()}", zlib.decompressobj().decompress(packed[-size:])
            at += size + 12


def sightings(root: Path, words: Iterable[str]) -> set[tuple[str, str]]:
    """Return where each word is found in a file, or in all files of a folder and their names."""
    words = list(words)
    files = [root] if root.is_file() else [path for path in root.rglob("*") if path.is_file()]
    found = set()
    for file in files:
        inside = file.name if file == root else file.relative_to(root).as_posix()
        packed = [(inside, inside.encode()), *contents(file.read_bytes(), inside)]
        for name, data in packed:
            for word in words:
                if any(word.encode(code) in data for code in ("utf-8", "utf-16-le")):
                    found.add((name, word))
    return found


def shown_of(process: int, words: Iterable[str]) -> set[str]:
    """Return which words a list of processes shows of one and of all that it has started."""
    shown = ""
    with suppress(psutil.Error):
        for one in [psutil.Process(process), *psutil.Process(process).children(recursive=True)]:
            with suppress(psutil.Error):
                shown += f"{one.cmdline()} {one.environ()}"
    return {word for word in words if word in shown}
