"""The output folder of a command is one unit: all of its files belong to one run.

A command holds its folder from its first check to its last file, so that two cannot mix what they
write. It writes into a temporary folder inside; when everything is there, a journal with the hash
of each file is written, the files are moved, what an earlier run left is removed, and the journal
is renamed to ``manifest.json``. A folder with a journal was interrupted in between: no reader
takes it, and the same command writes it anew without ``--overwrite``.

Datasets are made beside their place instead, and appear whole::

    .NAME.partial/           held by the process that works in it
        dataset/             becomes NAME at the very end
        ...                  what a killed run needs to continue
"""

import json
import logging
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from os import W_OK, X_OK, access
from os.path import lexists
from pathlib import Path
from typing import Any

from nnunetv2_fair.errors import EvaluationError, InUseError, UsageError, shorten
from nnunetv2_fair.files.atomic import (
    UNFINISHED,
    existing,
    files_in,
    is_replaced,
    make_ready,
    move_together,
    nearest_existing,
    publish_file,
    publish_folder,
    temporary_folder,
    undo_replacing,
    write_text,
)
from nnunetv2_fair.files.fingerprints import file_hash
from nnunetv2_fair.files.locks import LOCK, holder, locked

logger = logging.getLogger(__name__)

#: Which files belong together, with their hashes.
MANIFEST = "manifest.json"
_JOURNAL = f"{UNFINISHED}{MANIFEST}"
_FORMAT = 1
#: What becomes the folder, inside the one that is worked in.
CONTENT = "dataset"


@dataclass(frozen=True)
class _Content:
    """What a manifest says.

    Attributes:
        command: Command that wrote the files.
        files: Relative path -> SHA-256.
    """

    command: str
    files: dict[str, str]


@contextmanager
def output_folder(
    out: Path,
    command: str,
    names: Sequence[str],
    *,
    overwrite: bool,
    passed_over: str = "",
    shared: bool = False,
) -> Iterator[int | None]:
    """Hold an output folder while a command works, having refused one that cannot be used.

    Args:
        out: Folder that ``-o`` names; created if need be, and removed if it stays empty.
        command: The command.
        names: Files that it will write, for messages.
        overwrite: Whether files in it may be replaced.
        passed_over: Pattern of files to ignore that an interrupted run keeps to continue.
        shared: Whether others may hold it that share it, too: parts of one run.

    Yields:
        Descriptor of the lock, for children that write into the folder; None without locks.

    Raises:
        UsageError: If it is a file or a broken link, in use, or not empty without ``overwrite``.
        EvaluationError: If it cannot be written.
    """
    _check_place(out)
    check_writable(out)
    ours = (LOCK, f"{UNFINISHED}*", passed_over)
    with existing(out), ExitStack() as stack:
        descriptor = stack.enter_context(_held(out, shared=shared))
        if not shared:
            _remove_leftovers(out)
        _check_empty(out, command, names, overwrite=overwrite, ours=ours)
        yield descriptor


@contextmanager
def one_unit(
    out: Path, command: str, *, once_moved: Callable[[], None] | None = None
) -> Iterator[Path]:
    """Yield a temporary folder whose files become the content of ``out`` if nothing fails.

    They replace what an earlier run wrote there, all of it; other files stay. If the block fails,
    everything is as before.

    Args:
        out: Output folder; created if need be.
        command: Command that writes it, for the manifest.
        once_moved: Called when the files are in place, to remove what was kept for continuing.

    Raises:
        UsageError: If another process works in the folder.
        OSError: If a file cannot be written, or a folder or link is in its way.
    """
    with existing(out), _held(out), temporary_folder(out) as temporary:
        yield temporary
        files = files_in(temporary)
        make_ready(temporary, out, files)
        earlier, interrupted = _listed(out, MANIFEST), _listed(out, _JOURNAL)
        # this journal would no longer tell whose they are
        _remove(out, interrupted - earlier - {*files})
        write_manifest(temporary, command, out / _JOURNAL)
        move_together(temporary, out, files)
        _remove(out, earlier - {*files})
        if once_moved is not None:
            once_moved()
        shutil.rmtree(temporary, ignore_errors=True)
        publish_file(out / _JOURNAL, out / MANIFEST)


def write_manifest(folder: Path, command: str, path: Path | None = None) -> None:
    """Write which files a folder holds, and the hash of each.

    Args:
        folder: The folder; all files in it are listed.
        command: Command that wrote them.
        path: Where to; by default ``manifest.json`` in the folder.
    """
    files = {name: file_hash(folder / name) for name in files_in(folder)}
    content = {"format": _FORMAT, "command": command, "files": files}
    write_text(path or folder / MANIFEST, json.dumps(content, indent=1, ensure_ascii=True) + "\n")


@contextmanager
def read_as_one(folder: Path, again: str) -> Iterator[list[str]]:
    """Check that the files read within the block belong to one run.

    Of a folder without manifest this is not known, and a warning says so.

    Args:
        folder: Output folder of a command.
        again: What makes the folder anew, such as ``Evaluate again``.

    Yields:
        List to which the block adds the names of the files that it reads.

    Raises:
        EvaluationError: If the folder is being written, its writing was interrupted, or a file is
            not the one that was written with the others.
    """
    refuse_unfinished(folder)
    before = _bytes_of(folder)
    names: list[str] = []
    yield names
    if before is None:
        logger.warning(
            "Note: %s has no %s: an earlier version wrote it, or its files were copied. Whether "
            "they belong to one run cannot be checked. %s to be sure.", folder, MANIFEST, again,
        )  # fmt: skip
        return
    refuse_unfinished(folder)
    content = _parsed(before, folder / MANIFEST, again)
    if _bytes_of(folder) != before:
        raise EvaluationError(
            f"{folder} was written anew while it was read. Run the command again."
        )
    wrong = [n for n in names if content.files.get(n) != _hash_of_file(folder / n)]
    if wrong:
        verb = "is not the file" if len(wrong) == 1 else "are not the files"
        raise EvaluationError(
            f"{folder}: {shorten(wrong)} {verb} that {content.command} wrote ({MANIFEST} has "
            "another checksum): changed, damaged, or copied from another folder, so that the "
            f"folder may mix two runs. {again}, or put the original back."
        )


def refuse_unfinished(folder: Path) -> None:
    """Refuse a folder whose files are being replaced, or whose replacement was interrupted.

    Args:
        folder: A folder that is read.

    Raises:
        EvaluationError: If its files may be of two runs.
    """
    if not (folder / _JOURNAL).exists():
        return
    writer = holder(folder / LOCK)
    if writer is not None:
        raise EvaluationError(
            f"{folder} is being written by {writer}. Wait until it is done, then run the command "
            "again."
        )
    raise EvaluationError(
        f"{folder} holds files of two runs: writing it was interrupted. Run the same command that "
        f"wrote it once more, which needs no --overwrite, then this one."
    )


@contextmanager
def _held(out: Path, *, shared: bool = False) -> Iterator[int | None]:
    try:
        with locked(out / LOCK, shared=shared, again=True) as descriptor:
            yield descriptor
    except InUseError as error:
        if error.path != out / LOCK:
            raise
        raise UsageError(
            f"{out} is in use by {error.holder}. Wait until it is done, stop it, or choose another "
            "-o."
        ) from error


def _check_place(out: Path) -> None:
    if lexists(out) and not out.is_dir():
        what = "is a link that leads nowhere" if out.is_symlink() else "is a file"
        raise UsageError(f"-o {out} {what}; choose a folder.")


def check_writable(out: Path) -> None:
    """Refuse a folder in which no files can be made; it need not exist.

    Raises:
        EvaluationError: If its nearest existing parent is no folder with write permission.
    """
    place = nearest_existing(out)
    if not place.is_dir() or not access(place, W_OK | X_OK):
        raise EvaluationError(
            f"{out} cannot be written: {place} is not a folder with write permission. Choose "
            "another -o or change its permissions."
        )


def _check_empty(
    out: Path, command: str, names: Sequence[str], *, overwrite: bool, ours: Collection[str]
) -> None:
    if overwrite:
        return
    interrupted = _read(out / _JOURNAL)
    known: set[str] = set()
    if interrupted is not None and interrupted.command == command:
        known = {MANIFEST, *interrupted.files, *_listed(out, MANIFEST)}
    found = [
        name
        for name in files_in(out)
        if name not in known and not any(fnmatch(name.partition("/")[0], one) for one in ours)
    ]
    empty = [] if known else [p for p in out.iterdir() if p.is_dir() and not p.is_symlink()]
    if found or any(not any(fnmatch(path.name, one) for one in ours) for path in empty):
        raise UsageError(
            f"{out} exists and is not empty. Choose another -o, or pass --overwrite to replace "
            f"{shorten(names)} in it."
        )


def _remove_leftovers(out: Path) -> None:
    """Remove temporary files of killed runs: nobody else writes here now."""
    for path in out.glob(f"{UNFINISHED}*"):
        if path.name != _JOURNAL and not path.is_dir():
            with suppress(OSError):
                path.unlink()
    with temporary_folder(out):
        pass  # removes folders that no process holds


def _remove(out: Path, names: Collection[str]) -> None:
    """Remove files of an earlier run, and folders that this leaves empty."""
    for name in sorted(names):
        if not any((out / folder).is_symlink() for folder in Path(name).parents[:-1]):
            (out / name).unlink(missing_ok=True)
    folders = {folder for name in names for folder in Path(name).parents[:-1]}
    for folder in sorted(folders, key=lambda path: len(path.parts), reverse=True):
        with suppress(OSError):
            (out / folder).rmdir()


def _listed(out: Path, name: str) -> set[str]:
    content = _read(out / name)
    return set() if content is None else set(content.files)


def _read(path: Path) -> _Content | None:
    """Return what a manifest says; None if there is none or it is damaged."""
    try:
        return _parsed(path.read_bytes(), path, "")
    except (OSError, EvaluationError):
        return None


def _bytes_of(folder: Path) -> bytes | None:
    try:
        return (folder / MANIFEST).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _parsed(data: bytes, path: Path, again: str) -> _Content:
    try:
        found: Any = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise EvaluationError(f"{path} is damaged: it is not JSON ({error}). {again}.") from error
    files = found.get("files") if isinstance(found, dict) else None
    command = found.get("command") if isinstance(found, dict) else None
    if not isinstance(command, str) or not isinstance(files, dict) or not all(map(_inside, files)):
        raise EvaluationError(f"{path} is damaged: it lists no files of a command. {again}.")
    if found.get("format") != _FORMAT:
        raise EvaluationError(
            f"{path} has format {found.get('format')!r}, expected {_FORMAT}. {again} with this "
            "version of nnunetv2_fair."
        )
    return _Content(command, files)


def _inside(name: str) -> bool:
    """Whether a path stays in its folder: a manifest from elsewhere must not name other files."""
    path = Path(name)
    return bool(name) and not path.is_absolute() and ".." not in path.parts


def _hash_of_file(path: Path) -> str | None:
    try:
        return file_hash(path)
    except OSError:
        return None


def workplace(target: Path) -> Path:
    """Return the folder in which a folder is made."""
    return target.with_name(f".{target.name}.partial")


@contextmanager
def made_beside(target: Path) -> Iterator[Path]:
    """Hold the workplace of a folder; it stays if the block fails, unless it is empty.

    Two at once would publish a mixture of both.

    Args:
        target: The folder to be made.

    Raises:
        InUseError: If another process makes the same folder.
        OSError: If the workplace cannot be made.
    """
    work = workplace(target)
    with existing(work), locked(work / LOCK):
        undo_replacing(target)
        yield work


def publish(target: Path) -> None:
    """Give the content of a held workplace its place, and remove the workplace.

    Args:
        target: The folder; one that exists is replaced.

    Raises:
        OSError: If it cannot be renamed; an older folder is then where it was.
    """
    work = workplace(target)
    publish_folder(work / CONTENT, target)
    shutil.rmtree(work, ignore_errors=True)


def clean_up(target: Path) -> None:
    """Finish what a run left that was killed between its renames, or right after them.

    Nothing else tells them from the beginning of a run, so call it before a folder is refused
    because it exists. Nothing happens while another process works there.

    Args:
        target: A folder that may exist.
    """
    work = workplace(target)
    published = target.is_dir() and work.is_dir() and not (work / CONTENT).exists()
    if not (published or is_replaced(target)):
        return
    with suppress(InUseError), existing(work), locked(work / LOCK) as lock:
        if lock is None:  # another process may work here after all
            return
        undo_replacing(target)
        if published and not (work / CONTENT).exists():
            shutil.rmtree(work, ignore_errors=True)
