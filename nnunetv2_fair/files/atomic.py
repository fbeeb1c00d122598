"""The one way to write files: a file, or several together, appears whole or not at all.

Output folders of commands are one unit: see :mod:`nnunetv2_fair.files.outputs`.
"""

import errno
import os
import shutil
import stat
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from nnunetv2_fair.files.locks import lock_descriptor, temporary_locked

#: Prefix of the names of unfinished files and folders.
UNFINISHED = ".unfinished-"
#: Characters of a file's name that its temporary name keeps: its ending, which implies a format.
_KEPT = 40
#: Bytes of chance in the names of temporary files and folders.
_CHANCE = 8
#: Errors of drives that cannot flush individual files.
_NO_FLUSH = (errno.EINVAL, errno.ENOTSUP, errno.EROFS)


@contextmanager
def replacing(path: Path, *, durable: bool = True, private: bool = False) -> Iterator[Path]:
    """Yield a temporary path, which replaces ``path`` if nothing fails.

    The temporary file is in the same folder, exists, is empty, and has the same ending. Nobody
    can guess its name and put a link there, or read it who could not read the file that it
    replaces. It is removed if anything fails; the next call for the same path removes what a killed
    process left.

    Args:
        path: File to write; an existing one stays until the new one is complete.
        durable: Flush the file to the disk before it is renamed, so that not even a power failure
            leaves half of it. Not needed where files are read back and checked, and what killed
            processes left is removed otherwise.
        private: Let only the owner read it, from the moment it is created.

    Raises:
        OSError: If the folder is missing, read-only or full, or ``path`` is a folder.
    """
    try:
        with ExitStack() as stack:
            temporary, descriptor = _reserved(path, private=private)
            stack.callback(os.close, descriptor)
            try:
                _as_private_as(path, temporary)
                if durable:
                    _remove_left(path)
                yield temporary
                if durable:
                    _flush(temporary)
                if os.name == "nt":  # which renames no open files
                    stack.close()
                temporary.replace(path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
    except OSError as error:
        # the temporary name means nothing to people, and a full disk names none
        if error.errno and (error.filename is None or _is_temporary(error.filename, path)):
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


def write_text(path: Path, text: str, *, durable: bool = True, private: bool = False) -> None:
    r"""Write a file of text in UTF-8, whole or not at all; line endings stay as they are.

    What UTF-8 cannot encode (names of files may hold any bytes, JSON halves of characters) is
    written as an escape such as ``\udcff``, which JSON reads as what it was.

    Args:
        path: Where to.
        text: Its content.
        durable: As in :func:`replacing`.
        private: As in :func:`replacing`.

    Raises:
        OSError: As :func:`replacing`.
    """
    write_bytes(path, text.encode("utf-8", "backslashreplace"), durable=durable, private=private)


def set_aside(path: Path) -> Path:
    """Give a damaged file a name that no program looks for, and return it.

    Args:
        path: Such as ``checkpoint_latest.pth``, which becomes ``checkpoint_latest.pth.damaged``.

    Raises:
        OSError: If it cannot be renamed.
    """
    return path.replace(path.with_name(f"{path.name}.damaged"))


def nearest_existing(folder: Path) -> Path:
    """Return the folder as an absolute path, or its nearest parent that exists."""
    return next(f for f in (folder.absolute(), *folder.absolute().parents) if f.exists())


@contextmanager
def filled_together(out: Path, names: Sequence[str] | None = None) -> Iterator[Path]:
    """Yield a temporary folder whose files are moved into ``out`` if nothing fails.

    If the block fails, the files of ``out`` are as before. For the whole output of a command
    there is :func:`nnunetv2_fair.files.outputs.one_unit`.

    Args:
        out: Output folder; created if need be.
        names: Files that the block writes, perhaps in folders; None moves all that it wrote.

    Raises:
        OSError: If a file cannot be written, or one of ``names`` is a folder in ``out``.
    """
    with temporary_folder(out) as temporary:
        yield temporary
        moved = files_in(temporary) if names is None else names
        make_ready(temporary, out, moved)
        move_together(temporary, out, moved)


@contextmanager
def temporary_folder(out: Path) -> Iterator[Path]:
    """Yield a temporary folder inside ``out``, which is removed at the end.

    So ``out`` may be a drive's root or a folder whose parent is read-only. What a killed run left
    is removed, and so is an ``out`` that this created if it is still empty.

    Args:
        out: The folder; created if need be.
    """
    with existing(out):
        temporary = out / _unfinished_name()
        try:
            temporary.mkdir(0o700)
            with temporary_locked(temporary):
                _remove_abandoned(out)
                yield temporary
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def remove_unfinished(folder: Path) -> None:
    """Remove temporary folders whose removal failed, before their folder is published.

    Args:
        folder: That nobody else writes into.

    Raises:
        OSError: If one cannot be removed now, either.
    """
    for temporary in folder.glob(f"{UNFINISHED}*"):
        shutil.rmtree(temporary)


@contextmanager
def existing(folder: Path) -> Iterator[None]:
    """Create a folder if need be, and remove what this created at the end if it is empty."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        for made in missing:
            with suppress(OSError):
                made.rmdir()


def files_in(folder: Path) -> list[str]:
    """Return all files in a folder and in those within it, as sorted relative paths."""
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_symlink() or not path.is_dir()
    )


def make_ready(source: Path, target: Path, names: Sequence[str]) -> None:
    """Check that files can be moved, and write them to the disk, before the first one is moved.

    Args:
        source: Folder that they are in.
        target: Folder that they are to be moved into.
        names: Relative paths of the files.

    Raises:
        OSError: If one is missing or cannot be written to the disk, or a folder is in its way or a
            link, which may lead elsewhere, in the way to it.
    """
    for name in names:
        if (target / name).is_dir() and not (target / name).is_symlink():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target / name))
        for folder in Path(name).parents[:-1]:
            if (target / folder).is_symlink():
                raise NotADirectoryError(errno.ENOTDIR, "It is a link", str(target / folder))
        if stat.S_ISREG((source / name).lstat().st_mode):
            _as_private_as(target / name, source / name)
            _flush(source / name)


def move_together(source: Path, target: Path, names: Sequence[str]) -> None:
    """Move files that :func:`make_ready` has checked, on one drive (arguments as there)."""
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).replace(target / name)
    for folder in {(target / name).parent for name in names}:
        _flush_folder(folder)


def publish_file(unfinished: Path, target: Path) -> None:
    """Give a finished file its name, in the same folder, and write that to the disk.

    Args:
        unfinished: The finished file.
        target: Its name from now on.

    Raises:
        OSError: If it cannot be renamed.
    """
    unfinished.replace(target)
    _flush_folder(target.parent)


def _flush_folder(folder: Path) -> None:
    """Write the names in a folder to the disk, where the drive can do so."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def publish_folder(unfinished: Path, target: Path) -> None:
    """Give a finished folder its name; an older one of that name is removed only after that.

    Args:
        unfinished: The finished folder, on the drive of ``target``.
        target: Its name from now on.

    Raises:
        OSError: If it cannot be renamed; the older folder is then where it was.
    """
    old = _replaced(target)
    replaced = os.path.lexists(target)
    if replaced:
        _as_private_as(target, unfinished)
        _remove_tree(old)
        target.rename(old)
    try:
        unfinished.rename(target)
    except OSError:
        if replaced:
            old.rename(target)
        raise
    _flush_folder(target.parent)
    with suppress(OSError):
        _remove_tree(old)


def _as_private_as(old: Path, new: Path) -> None:
    """Take from a new file or folder what the one that it replaces withholds from others."""
    with suppress(FileNotFoundError):
        allowed = stat.S_IMODE(old.stat().st_mode) | stat.S_IRWXU
        mode = stat.S_IMODE(new.stat().st_mode)
        if mode & ~allowed:
            new.chmod(mode & allowed)


def is_replaced(target: Path) -> bool:
    """Whether :func:`publish_folder` was interrupted, so that an older folder is left."""
    return os.path.lexists(_replaced(target))


def undo_replacing(target: Path) -> None:
    """Put an older folder back that :func:`publish_folder` left, or remove it if it has a heir.

    Args:
        target: The folder that was to be replaced.

    Raises:
        OSError: If the older folder cannot be renamed or removed.
    """
    if os.path.lexists(target):
        _remove_tree(_replaced(target))
    elif is_replaced(target):
        _replaced(target).rename(target)


def _replaced(target: Path) -> Path:
    return target.with_name(f".{target.name}.replaced")


def _unfinished_name(ending: str = "") -> str:
    return f"{UNFINISHED}{os.urandom(_CHANCE).hex()}{ending}"


def _ending(path: Path) -> str:
    """Return how the names of all temporary files of a file end: in its name, if that is short."""
    name = path.name
    tag = f"-{zlib.crc32(name.encode('utf-8', 'surrogateescape')):08x}" if name[_KEPT:] else ""
    return f"{tag}-{name[-_KEPT:]}"


def _is_temporary(found: str, path: Path) -> bool:
    """Whether a path or name is that of a temporary file of a file."""
    name = Path(found).name
    start, rest = name[: len(UNFINISHED)], name[len(UNFINISHED) + 2 * _CHANCE :]
    return start == UNFINISHED and rest == _ending(path)


def _reserved(path: Path, *, private: bool) -> tuple[Path, int]:
    """Create a temporary file, and lock it as long as its descriptor is open."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    while True:
        temporary = path.with_name(_unfinished_name(_ending(path)))
        descriptor = os.open(temporary, flags, 0o600 if private else 0o666)
        # another process may take it for abandoned before it is locked
        if lock_descriptor(descriptor) is not False and temporary.exists():
            return temporary, descriptor
        os.close(descriptor)


def _remove_left(path: Path) -> None:
    """Remove temporary files of a file that no process holds."""
    with suppress(OSError), os.scandir(path.parent) as entries:
        for entry in entries:
            if _is_temporary(entry.name, path):
                with temporary_locked(Path(entry.path)) as abandoned:
                    if abandoned:
                        Path(entry.path).unlink(missing_ok=True)


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        try:
            os.fsync(file.fileno())
        except OSError as error:
            if error.errno not in _NO_FLUSH:
                raise


def _remove_abandoned(out: Path) -> None:
    """Remove temporary folders that no process holds: they may reveal individual patients."""
    for path in out.glob(f"{UNFINISHED}*"):
        if path.is_dir() and not path.is_symlink():
            with temporary_locked(path) as abandoned:
                if abandoned:
                    shutil.rmtree(path, ignore_errors=True)


def _remove_tree(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)
