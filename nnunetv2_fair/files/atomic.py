"""The one way to write files: a file, or several together, appears whole or not at all."""

import errno
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fnmatch import fnmatch
from pathlib import Path

from nnunetv2_fair.errors import EvaluationError, UsageError, shorten

#: Prefix of the names of unfinished files and folders.
UNFINISHED = ".unfinished-"
#: Characters of a file's name that its temporary name keeps: its ending, which implies a format.
_KEPT = 40
#: Errors of drives that cannot flush individual files.
_NO_FLUSH = (errno.EINVAL, errno.ENOTSUP, errno.EROFS)


@contextmanager
def replacing(path: Path, *, durable: bool = True, private: bool = False) -> Iterator[Path]:
    """Yield a temporary path, which replaces ``path`` if nothing fails.

    The temporary file is in the same folder, exists, is empty, and has the same ending. Nobody
    can guess its name and put a link there. It is removed if anything fails.

    Args:
        path: File to write; an existing one stays until the new one is complete.
        durable: Flush the file to the disk before it is renamed, so that not even a power failure
            leaves half of it. Not needed where files are read back and checked.
        private: Let only the owner read it, from the moment it is created.

    Raises:
        OSError: If the folder is missing, read-only or full, or ``path`` is a folder.
    """
    temporary = path.with_name(_unfinished_name(path.name[-_KEPT:]))
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    try:
        os.close(os.open(temporary, flags, 0o600 if private else 0o666))
        try:
            yield temporary
            if durable:
                _flush(temporary)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        # the temporary name means nothing to people, and a full disk names none
        if error.errno and error.filename in (None, str(temporary)):
            error.filename = str(path)
        raise


def write_bytes(path: Path, data: bytes, *, durable: bool = True, private: bool = False) -> None:
    """Write a file of bytes, whole or not at all.

    Args:
        path: Where to.
        data: Its content.
        durable: As in :func:`replacing`.
        private: As in :func:`replacing`.

    Raises:
        OSError: As :func:`replacing`.
    """
    with replacing(path, durable=durable, private=private) as temporary:
        temporary.write_bytes(data)


def write_text(
    path: Path, text: str, *, errors: str = "strict", durable: bool = True, private: bool = False
) -> None:
    """Write a file of text in UTF-8, whole or not at all; line endings stay as they are.

    Args:
        path: Where to.
        text: Its content.
        errors: What to do with characters that UTF-8 cannot encode (file names may have some):
            ``strict`` raises, ``replace`` writes a question mark.
        durable: As in :func:`replacing`.
        private: As in :func:`replacing`.

    Raises:
        OSError: As :func:`replacing`.
        UnicodeEncodeError: If ``errors`` is ``strict`` and the text cannot be encoded.
    """
    write_bytes(path, text.encode("utf-8", errors), durable=durable, private=private)


def nearest_existing(folder: Path) -> Path:
    """Return the folder as an absolute path, or its nearest parent that exists."""
    return next(f for f in (folder.absolute(), *folder.absolute().parents) if f.exists())


def check_output_folder(
    out: Path, names: Sequence[str], *, overwrite: bool, passed_over: str = ""
) -> None:
    """Refuse an output folder that cannot be used, before anything is computed.

    Args:
        out: Folder that ``-o`` names; it need not exist.
        names: Files that will be written into it.
        overwrite: Whether files in it may be replaced.
        passed_over: Pattern of names to ignore: files that an interrupted run has left.

    Raises:
        UsageError: If it is a file or a broken link, or not empty without ``overwrite``.
        EvaluationError: If it cannot be written.
    """
    if os.path.lexists(out) and not out.is_dir():
        what = "is a link that leads nowhere" if out.is_symlink() else "is a file"
        raise UsageError(f"-o {out} {what}; choose a folder.")
    ignored = (passed_over, f"{UNFINISHED}*")
    inside = [path.name for path in out.iterdir()] if out.is_dir() else []
    if not overwrite and any(
        not any(fnmatch(name, pattern) for pattern in ignored) for name in inside
    ):
        raise UsageError(
            f"{out} exists and is not empty. Choose another -o, or pass --overwrite to replace "
            f"{shorten(names)} in it."
        )
    existing = nearest_existing(out)
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise EvaluationError(
            f"{out} cannot be written: {existing} is not a folder with write permission. Choose "
            "another -o or change its permissions."
        )


@contextmanager
def filled_together(out: Path, names: Sequence[str] | None = None) -> Iterator[Path]:
    """Yield a temporary folder whose files are moved into ``out`` if nothing fails.

    The temporary folder lies inside ``out``, so that ``out`` may be a drive's root or a folder
    whose parent is read-only. If the block fails, the files of ``out`` are as before, and an
    ``out`` that this created is removed. So is what a killed run left in ``out``.

    Args:
        out: Output folder; created if need be.
        names: Files that the block writes, perhaps in folders; None moves all that it wrote.

    Raises:
        OSError: If a file cannot be written, or one of ``names`` is a folder in ``out``.
    """
    made = _make(out)
    temporary = out / _unfinished_name("")
    try:
        temporary.mkdir(0o700)
        with _held(temporary):
            _remove_abandoned(out)
            yield temporary
            _move(temporary, out, names)
            made = []
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        for folder in made:
            with suppress(OSError):
                folder.rmdir()


def publish_folder(unfinished: Path, target: Path) -> None:
    """Give a finished folder its name; an older one of that name is removed only after that.

    Args:
        unfinished: The finished folder, on the drive of ``target``.
        target: Its name from now on.

    Raises:
        OSError: If it cannot be renamed; the older folder is then where it was.
    """
    old = target.with_name(f".{target.name}.replaced")
    replaced = os.path.lexists(target)
    if replaced:
        _remove_tree(old)
        target.rename(old)
    try:
        unfinished.rename(target)
    except OSError:
        if replaced:
            old.rename(target)
        raise
    with suppress(OSError):
        _remove_tree(old)


def _unfinished_name(ending: str) -> str:
    return f"{UNFINISHED}{os.urandom(8).hex()}{'-' if ending else ''}{ending}"


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        try:
            os.fsync(file.fileno())
        except OSError as error:
            if error.errno not in _NO_FLUSH:
                raise


def _make(folder: Path) -> list[Path]:
    """Create a folder; return it and those above it that did not exist, innermost first."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing


def _move(source: Path, target: Path, names: Sequence[str] | None) -> None:
    """Move files, having checked and flushed all of them first."""
    moved = sorted(path.name for path in source.iterdir()) if names is None else names
    for name in moved:
        if (target / name).is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target / name))
        if stat.S_ISREG((source / name).lstat().st_mode):
            _flush(source / name)
    for name in moved:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).replace(target / name)


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Lock a folder while the block runs; the lock ends with the process, however that ends."""
    lock = _locked(folder)
    try:
        yield
    finally:
        if lock is not None:
            os.close(lock)


def _locked(folder: Path) -> int | None:
    """Lock a folder; None if another process holds it or the drive has no such locks."""
    try:
        import fcntl

        descriptor = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _remove_abandoned(out: Path) -> None:
    """Remove temporary folders that no process holds: they may reveal individual patients."""
    for path in out.glob(f"{UNFINISHED}*"):
        if path.is_dir() and not path.is_symlink() and (lock := _locked(path)) is not None:
            shutil.rmtree(path, ignore_errors=True)
            os.close(lock)


def _remove_tree(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)
