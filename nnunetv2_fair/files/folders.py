"""Folders that appear whole: made beside their place, by one process at a time.

.NAME.partial/           held by the process that works in it
    dataset/             becomes NAME at the very end
    ...                  what a killed run needs to continue
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nnunetv2_fair.errors import InUseError
from nnunetv2_fair.files.atomic import existing, is_replaced, publish_folder, undo_replacing
from nnunetv2_fair.files.locks import LOCK, locked

#: What becomes the folder, inside the one that is worked in.
CONTENT = "dataset"


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
