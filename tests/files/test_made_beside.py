"""Folders that are made beside their place: killed anywhere, refused while held."""

import shutil
from pathlib import Path

import pytest

from nnunetv2_fair.errors import InUseError
from nnunetv2_fair.files.locks import LOCK, locked
from nnunetv2_fair.files.outputs import CONTENT, clean_up, made_beside, publish, workplace
from tests.killing import CHANGES, content, killed_everywhere


def make(target: Path, text: str) -> None:
    clean_up(target)
    if target.exists() and (target / "a").read_text() == text:
        return  # refused: it exists
    with made_beside(target) as work:
        shutil.rmtree(work / CONTENT, ignore_errors=True)
        (work / CONTENT / "b").mkdir(parents=True)
        (work / CONTENT / "a").write_text(text)
        (work / CONTENT / "b" / "c").write_text(text)
        publish(target)


@pytest.mark.parametrize("replaced", [False, True])
def test_killed_anywhere_the_same_command_just_works(tmp_path, replaced):
    root = tmp_path / "root"
    target = root / "target"

    def prepare():
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir()
        if replaced:
            make(target, "old")
        return root

    def again():
        before = target / "a"
        assert not before.exists() or before.read_text() in ("old", "new")
        make(target, "new")
        assert content(root) == {"target/a": b"new", "target/b/c": b"new"}

    prepare()
    kills = killed_everywhere(prepare, lambda: make(target, "new"), again, CHANGES)
    assert kills >= 8


def test_one_at_a_time(tmp_path):
    target = tmp_path / "target"
    with made_beside(target), pytest.raises(InUseError, match="in use by process"):
        make(target, "x")
    assert not list(tmp_path.iterdir())


def test_what_another_process_makes_is_not_cleaned_up(tmp_path):
    target = tmp_path / "target"
    make(target, "old")
    work = workplace(target)
    work.mkdir()
    with locked(work / LOCK):
        clean_up(target)
        assert work.is_dir()
    clean_up(target)
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_without_locks_nothing_is_cleaned_up(tmp_path, monkeypatch):
    """Whether another process works there cannot be told."""
    target = tmp_path / "target"
    make(target, "old")
    (workplace(target) / "records").mkdir(parents=True)
    with monkeypatch.context() as patched:
        patched.setattr("nnunetv2_fair.files.locks.fcntl", None)
        clean_up(target)
    assert (workplace(target) / "records").is_dir()
    clean_up(target)
    assert not workplace(target).exists()


def test_without_locks_a_folder_that_was_being_replaced_comes_back(tmp_path, monkeypatch):
    target = tmp_path / "target"
    make(target, "old")
    target.rename(tmp_path / ".target.replaced")
    monkeypatch.setattr("nnunetv2_fair.files.locks.fcntl", None)
    with made_beside(target):
        pass  # nothing to write after all
    assert content(tmp_path) == {"target/a": b"old", "target/b/c": b"old"}


def test_a_failed_run_keeps_what_it_had(tmp_path):
    target = tmp_path / "target"

    def failing():
        with made_beside(target) as work:
            (work / CONTENT).mkdir()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        failing()
    assert (workplace(target) / CONTENT).is_dir()
    assert not (workplace(target) / LOCK).exists()
