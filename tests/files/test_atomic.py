import errno
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunetv2_fair.files import atomic
from nnunetv2_fair.files.atomic import (
    UNFINISHED,
    filled_together,
    is_replaced,
    nearest_existing,
    publish_folder,
    replacing,
    undo_replacing,
    write_bytes,
    write_text,
)
from nnunetv2_fair.files.locks import lock_descriptor


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_text_and_bytes_are_written_as_they_are(tmp_path: Path):
    write_text(tmp_path / "a.txt", "ä\r\nb\n")
    assert (tmp_path / "a.txt").read_bytes() == b"\xc3\xa4\r\nb\n"
    write_bytes(tmp_path / "a.txt", b"\x00\xff")
    assert (tmp_path / "a.txt").read_bytes() == b"\x00\xff"
    assert names(tmp_path) == ["a.txt"]


def test_what_utf8_cannot_hold(tmp_path: Path):
    content = {"name of bytes": os.fsdecode(b"caf\xe9"), "half": "\ud800", "whole": "caf\xe9"}
    write_text(tmp_path / "a.txt", json.dumps(content, ensure_ascii=False))
    assert "caf\\udce9" in (tmp_path / "a.txt").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "a.txt").read_text(encoding="utf-8")) == content


@given(old=st.binary(max_size=50), half=st.binary(max_size=50))
@settings(max_examples=25, deadline=None)
def test_a_failure_leaves_the_old_file(tmp_path_factory, old: bytes, half: bytes):
    folder = tmp_path_factory.mktemp("failing")
    path = folder / "file.bin"
    path.write_bytes(old)
    with pytest.raises(RuntimeError), replacing(path) as temporary:  # noqa: PT012
        temporary.write_bytes(half)
        assert path.read_bytes() == old
        raise RuntimeError
    assert path.read_bytes() == old
    assert names(folder) == ["file.bin"]


def test_the_temporary_file_is_next_to_it_keeps_the_ending_and_cannot_be_guessed(tmp_path: Path):
    found = []
    for _ in range(2):
        with replacing(tmp_path / "mask.nii.gz") as temporary:
            assert temporary.parent == tmp_path
            assert temporary.name.endswith("mask.nii.gz")
            assert temporary.read_bytes() == b""
            found.append(temporary.name)
    assert found[0] != found[1]
    long_name = "é" * 120 + ".nii.gz"  # 247 bytes: as long as names may be
    write_bytes(tmp_path / long_name, b"1")
    assert (tmp_path / long_name).read_bytes() == b"1"


def test_links_are_replaced_not_followed(tmp_path: Path):
    (tmp_path / "precious").write_text("keep")
    (tmp_path / "out.txt").symlink_to(tmp_path / "precious")
    write_text(tmp_path / "out.txt", "new")
    assert (tmp_path / "precious").read_text() == "keep"
    assert (tmp_path / "out.txt").read_text() == "new"
    assert not (tmp_path / "out.txt").is_symlink()


def test_a_link_under_the_temporary_name_is_not_followed(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(os, "urandom", lambda n: b"\0" * n)
    (tmp_path / "precious").write_text("keep")
    (tmp_path / f"{UNFINISHED}{'00' * 8}-out.txt").symlink_to(tmp_path / "precious")
    with pytest.raises(FileExistsError):
        write_text(tmp_path / "out.txt", "new")
    assert (tmp_path / "precious").read_text() == "keep"


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path):
    path = tmp_path / f"{'long' * 12}.json"
    code = (
        "import os, signal\nfrom pathlib import Path\n"
        "from nnunetv2_fair.files.atomic import replacing\n"
        f"with replacing(Path({str(path)!r})):\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    (left,) = tmp_path.iterdir()
    others = [f"a{path.name}", f"{'LONG' * 12}.json", "a.json"]
    for name in others:
        (tmp_path / f"{UNFINISHED}manifest{name}").touch()
        with replacing(path.with_name(name)) as temporary:
            assert left.exists()
            with replacing(path.with_name(name)):
                assert temporary.exists()  # in use
    write_text(path, "x")
    assert not left.exists()
    assert names(tmp_path) == sorted(
        [path.name, *others, *(f".unfinished-manifest{n}" for n in others)]
    )


def test_a_temporary_file_that_another_process_takes_for_abandoned(tmp_path, monkeypatch):
    """It may do so between the creation of the file and its lock."""
    tries = []

    def lock(descriptor):
        (temporary,) = (path for path in tmp_path.iterdir() if path.name != "a.txt")
        tries.append(temporary.name)
        temporary.unlink()
        return len(tries) == 1

    with monkeypatch.context() as patched:
        patched.setattr(
            atomic,
            "lock_descriptor",
            lambda fd: lock(fd) if len(tries) < 2 else lock_descriptor(fd),
        )
        write_text(tmp_path / "a.txt", "x", private=True)
    assert len(set(tries)) == 2
    assert names(tmp_path) == ["a.txt"]
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o600


def test_private_files_are_never_readable_by_others(tmp_path: Path):
    with replacing(tmp_path / "map.csv", private=True) as temporary:
        assert stat.S_IMODE(temporary.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "map.csv").stat().st_mode) == 0o600


def test_files_are_flushed_before_they_get_their_name(tmp_path: Path, monkeypatch):
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: flushed.append(names(tmp_path)))
    write_text(tmp_path / "a.txt", "x", durable=False)
    assert not flushed
    (tmp_path / "a.txt").unlink()
    write_text(tmp_path / "a.txt", "x")
    ((only,),) = flushed
    assert only.startswith(UNFINISHED)


def test_a_full_disk_names_the_file(tmp_path):
    # write() says nothing about which file it was
    with pytest.raises(OSError, match="No space left") as error, replacing(tmp_path / "a.json"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert error.value.filename == str(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("code", "raises"), [(errno.EINVAL, False), (errno.EIO, True), (errno.ENOSPC, True)]
)
def test_drives_without_flush_are_fine_and_full_ones_are_not(tmp_path, monkeypatch, code, raises):
    def fail(descriptor):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fail)
    (tmp_path / "a.txt").write_text("old")
    if raises:
        with pytest.raises(OSError, match=os.strerror(code)):
            write_text(tmp_path / "a.txt", "new")
    else:
        write_text(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == ("old" if raises else "new")
    assert names(tmp_path) == ["a.txt"]


def test_errors_name_the_file_that_was_meant(tmp_path: Path):
    with pytest.raises(FileNotFoundError) as error:
        write_text(tmp_path / "gone" / "a.txt", "x")
    assert error.value.filename == str(tmp_path / "gone" / "a.txt")
    (tmp_path / "b.txt").mkdir()
    with pytest.raises(OSError, match=r"b\.txt"):
        write_text(tmp_path / "b.txt", "x")
    assert names(tmp_path) == ["b.txt"]


def test_files_appear_together(tmp_path: Path):
    out = tmp_path / "deep" / "out"
    with filled_together(out, ("a", "b")) as folder:
        assert folder.parent == out  # so that a drive's root can be an output folder
        (folder / "a").write_text("1")
        (folder / "b").write_text("2")
        (folder / "scratch").write_text("3")
        assert not (out / "a").exists()
    assert names(out) == ["a", "b"]
    with filled_together(out) as folder:
        (folder / "b").write_text("new")
        (folder / "c").write_text("3")
    assert names(out) == ["a", "b", "c"]
    assert (out / "b").read_text() == "new"


@pytest.mark.parametrize("exists", [False, True])
def test_a_failure_leaves_the_output_folder_as_it_was(tmp_path: Path, exists: bool):
    out = tmp_path / "deep" / "out"
    if exists:
        out.mkdir(parents=True)
        (out / "a").write_text("old")
    with pytest.raises(RuntimeError), filled_together(out, ("a",)) as folder:  # noqa: PT012
        (folder / "a").write_text("new")
        raise RuntimeError
    assert (names(out) if exists else names(tmp_path)) == (["a"] if exists else [])
    if exists:
        assert (out / "a").read_text() == "old"


def test_a_missing_file_or_a_folder_in_the_way_leaves_all_files(tmp_path: Path):
    (tmp_path / "a").write_text("old")
    with pytest.raises(FileNotFoundError), filled_together(tmp_path, ("a", "b")) as folder:
        (folder / "a").write_text("new")
    (tmp_path / "b").mkdir()

    def fill() -> None:
        with filled_together(tmp_path, ("a", "b")) as folder:
            (folder / "a").write_text("new")
            (folder / "b").write_text("new")

    with pytest.raises(IsADirectoryError, match="b"):
        fill()
    assert (tmp_path / "a").read_text() == "old"
    assert names(tmp_path) == ["a", "b"]


def test_what_a_killed_run_left_is_removed_and_what_another_run_holds_is_not(tmp_path: Path):
    code = (
        "import os, signal\nfrom pathlib import Path\n"
        "from nnunetv2_fair.files.atomic import filled_together\n"
        f"with filled_together(Path({str(tmp_path)!r}), ('a',)) as folder:\n"
        "    (folder / 'per_case.csv').write_text('persons')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    (left,) = tmp_path.iterdir()
    with filled_together(tmp_path, ("a",)) as first:
        assert not left.exists()
        (first / "a").write_text("1")
        with filled_together(tmp_path, ("b",)) as second:
            (second / "b").write_text("2")
        assert first.exists()
    assert names(tmp_path) == ["a", "b"]


def test_a_folder_is_published_and_the_old_one_goes(tmp_path: Path):
    for name, text in (("target", "old"), ("unfinished", "new"), (".target.replaced", "older")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(text)
    publish_folder(tmp_path / "unfinished", tmp_path / "target")
    assert names(tmp_path) == ["target"]
    assert (tmp_path / "target" / "file").read_text() == "new"


def test_a_folder_that_cannot_be_published_leaves_the_old_one(tmp_path: Path):
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "file").write_text("old")
    with pytest.raises(FileNotFoundError):
        publish_folder(tmp_path / "absent", tmp_path / "target")
    assert (tmp_path / "target" / "file").read_text() == "old"
    assert names(tmp_path) == ["target"]


def test_a_replacement_that_was_interrupted_is_undone(tmp_path: Path):
    old, target = tmp_path / ".target.replaced", tmp_path / "target"
    undo_replacing(target)
    assert not is_replaced(target)
    old.mkdir()
    (old / "file").write_text("old")
    assert is_replaced(target)
    undo_replacing(target)  # killed between the two renames
    assert names(tmp_path) == ["target"]
    assert (target / "file").read_text() == "old"
    old.mkdir()
    undo_replacing(target)  # killed before the old one was removed
    assert names(tmp_path) == ["target"]
    assert (target / "file").read_text() == "old"


def test_the_nearest_folder_that_exists(tmp_path, monkeypatch):
    assert nearest_existing(tmp_path) == tmp_path
    assert nearest_existing(tmp_path / "a" / "b") == tmp_path
    monkeypatch.chdir(tmp_path)
    assert nearest_existing(Path("a/b")) == tmp_path
