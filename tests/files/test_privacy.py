"""Nobody can read what a command writes who could not read the tables it has read."""

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from nnunetv2_fair.files.atomic import publish_folder, write_text
from nnunetv2_fair.files.privacy import as_private_as_sources, meant_to_be_shared, note_source


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter: pytest's own are private."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        Path(name).chmod(0o755)
        before = os.umask(0o022)
        yield Path(name)
        os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    ("table", "folder", "file_mode", "folder_mode"),
    [
        (0o644, 0o755, 0o644, 0o755),
        (0o640, 0o755, 0o640, 0o750),
        (0o600, 0o755, 0o600, 0o700),
        (0o400, 0o755, 0o600, 0o700),
        (0o644, 0o750, 0o640, 0o750),
        (0o644, 0o700, 0o600, 0o700),
        (0o644, 0o711, 0o644, 0o755),  # others may open it by its name
        (0o666, 0o777, 0o644, 0o755),  # the usual permissions stay a limit
    ],
)
def test_files_and_folders_are_as_private_as_the_table(
    open_folder: Path, table: int, folder: int, file_mode: int, folder_mode: int
):
    source = open_folder / "people" / "more" / "table.csv"
    source.parent.mkdir(parents=True)
    source.touch()
    source.chmod(table)
    source.parents[1].chmod(folder)
    with as_private_as_sources():
        write_text(open_folder / "before", "x")
        note_source(source)
        write_text(open_folder / "file", "x")
        (open_folder / "new").mkdir()
        with meant_to_be_shared():
            write_text(open_folder / "shared", "x")
        with as_private_as_sources():  # a command within it
            write_text(open_folder / "inner", "x")
    write_text(open_folder / "after", "x")
    assert mode(open_folder / "file") == mode(open_folder / "inner") == file_mode
    assert mode(open_folder / "new") == folder_mode
    for name in ("before", "shared", "after"):
        assert mode(open_folder / name) == 0o644


def test_the_most_private_of_several_tables_counts(open_folder: Path):
    for name, permissions in (("a", 0o640), ("b", 0o604), ("c", 0o644)):
        (open_folder / name).touch()
        (open_folder / name).chmod(permissions)
    with as_private_as_sources():
        for name in "abc":
            note_source(open_folder / name)
        write_text(open_folder / "file", "x")
    assert mode(open_folder / "file") == 0o600


def test_a_library_changes_no_permissions_of_the_process(open_folder: Path):
    (open_folder / "a").touch(mode=0o600)
    note_source(open_folder / "a")
    with meant_to_be_shared():
        write_text(open_folder / "file", "x")
    assert mode(open_folder / "file") == 0o644


def test_what_was_made_private_by_hand_stays_so(open_folder: Path):
    file, folder = open_folder / "file", open_folder / "folder"
    write_text(file, "old")
    file.chmod(0o600)
    write_text(file, "new")
    assert (file.read_text(), mode(file)) == ("new", 0o600)
    folder.mkdir(mode=0o700)
    (open_folder / "unfinished").mkdir()
    publish_folder(open_folder / "unfinished", folder)
    assert mode(folder) == 0o700
