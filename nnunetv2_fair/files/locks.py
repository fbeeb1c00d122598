"""Which process may use something at a time: locks that end with the processes that hold them.

All are flocks on files. A lock is free as soon as every process that has its descriptor is gone,
however it ended. A child process that inherits the descriptor (``pass_fds``) holds the lock too:
it goes on working if its parent is killed alone. Forked workers do not: they may outlive a killed
parent without working for anybody.
"""

import errno
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path

from nnunetv2_fair.errors import InUseError

try:
    import fcntl
except ImportError:  # Windows has none
    fcntl = None  # type: ignore[assignment]

#: File of the lock of a folder that a command works in.
LOCK = ".in_use.lock"
#: Environment variable: locks, by ``os.pathsep``, whose descriptors a process has inherited.
INHERITED = "NNUNETV2_FAIR_LOCKS"
#: Errors of drives that have no such locks.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
#: How often a lock is taken again whose file its last holder has just removed.
_TRIES = 100
#: Longest text about a holder.
_LONGEST = 400
#: Locks that this process holds: (file, thread) -> descriptor.
_OURS: dict[tuple[str, int], int] = {}


@contextmanager
def locked(
    path: Path, *, shared: bool = False, wait: bool = False, again: bool = False
) -> Iterator[int | None]:
    """Hold a lock while the block runs; yield its descriptor, None on a drive without locks.

    Links are not followed. The file says who holds it, and is removed by the last who does.

    Args:
        path: File of the lock, made if need be; its folder must exist.
        shared: Whether others may hold it who share it, too.
        wait: Wait until it is free, instead of raising.
        again: Whether this thread may hold it already, or have inherited it (:data:`INHERITED`);
            then nothing happens.

    Raises:
        InUseError: If somebody else holds it.
        OSError: If the file cannot be made.
    """
    key = (os.path.realpath(path), threading.get_ident())
    if again and key in _OURS:
        yield _OURS[key]
        return
    try:
        descriptor = _taken(path, shared=shared, wait=wait)
    except InUseError:
        if not again or key[0] not in os.environ.get(INHERITED, "").split(os.pathsep):
            raise
        descriptor = None
    if descriptor is None:
        yield None
        return
    _OURS[key] = descriptor
    try:
        yield descriptor
    finally:
        if _OURS.pop(key, None) is not None:
            _release(path, descriptor)


@contextmanager
def temporary_locked(path: Path) -> Iterator[bool]:
    """Hold a temporary file or folder while the block runs, so that others see it is in use.

    Args:
        path: The file or folder, of a name that nobody else uses.

    Yields:
        Whether it is held: False if another process holds it, it is gone, or the drive has no such
        locks.
    """
    descriptor = None
    # an exclusive lock of a file on a network drive needs the right to write
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR
    with suppress(OSError):
        descriptor = os.open(path, flags | getattr(os, "O_NOFOLLOW", 0))
    if descriptor is None:
        yield False
        return
    try:
        yield lock_descriptor(descriptor) is True
    finally:
        os.close(descriptor)


def lock_descriptor(descriptor: int) -> bool | None:
    """Lock an open file or folder until it is closed; False if another process has locked it.

    Returns:
        None if the drive has no such locks.
    """
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def holder(path: Path) -> str | None:
    """Return who holds a lock, in words; None if it is free or cannot be told."""
    if fcntl is None:
        return None
    try:
        descriptor = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _holder(descriptor)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return None


def _taken(path: Path, *, shared: bool, wait: bool) -> int | None:
    if fcntl is None:
        return None
    how = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
    for _ in range(_TRIES):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        try:
            fcntl.flock(descriptor, how)
            if _is(descriptor, path):
                _sign(descriptor)
                return descriptor
        except BlockingIOError as error:
            held_by = _holder(descriptor)
            os.close(descriptor)
            raise InUseError(path, held_by) from error
        except OSError as error:
            os.close(descriptor)
            if error.errno in _NO_LOCKS:
                path.unlink(missing_ok=True)
                return None
            raise
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # of a file that was removed meanwhile
    raise InUseError(path, "processes that start and end all the time")


def _is(descriptor: int, path: Path) -> bool:
    """Whether a file still has its name."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _sign(descriptor: int) -> None:
    now = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
    with suppress(OSError):  # on a full drive nobody is told who holds it
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()} {socket.gethostname()} {now}\n".encode(), 0)


def _holder(descriptor: int) -> str:
    text = os.pread(descriptor, _LONGEST, 0).decode("utf-8", "replace")
    pid, _, rest = text.strip().partition(" ")
    host, _, since = rest.partition(" ")
    if not (pid.isdecimal() and host.isprintable() and since.isprintable()):
        return "another process"
    started = "" if host != socket.gethostname() or _runs(int(pid)) else "what was started by "
    return f"{started}process {pid} on {host} since {since}"


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return True


def _release(path: Path, descriptor: int) -> None:
    """Remove the file if nobody shares the lock, and close it.

    Not unlocked: that would take the lock from children that hold the same descriptor.
    """
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is(descriptor, path):
            path.unlink()
    os.close(descriptor)


def _let_go() -> None:
    """Close the locks of the parent in a process that it has forked."""
    for descriptor in _OURS.values():
        with suppress(OSError):
            os.close(descriptor)
    _OURS.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)
