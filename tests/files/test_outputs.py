"""Output folders as one unit: kills at every change, mixtures, locks, links."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import nnunetv2_fair
from nnunetv2_fair.errors import EvaluationError, UsageError
from nnunetv2_fair.files.locks import LOCK
from nnunetv2_fair.files.outputs import (
    MANIFEST,
    one_unit,
    output_folder,
    read_as_one,
    refuse_unfinished,
    write_manifest,
)
from tests.killing import content, killed_everywhere

ROOT = Path(nnunetv2_fair.__file__).parents[1]
JOURNAL = ".unfinished-manifest.json"
OLD = {"a.csv": "old", "b.json": "old", "figures/old.svg": "old"}
NEW = {"a.csv": "new", "b.json": "new", "tables/new.csv": "new"}


def write(out, files=NEW, command="prog", **more):
    with one_unit(out, command, **more) as folder:
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)


def run(out, files=NEW, *, overwrite=False, command="prog"):
    """Do what a command does: hold the folder, measure into it, write, and tidy up."""
    with output_folder(out, command, ("a.csv",), overwrite=overwrite, passed_over="measured*"):
        (out / "measured.jsonl").write_text("a case\n")
        write(out, files, command, once_moved=(out / "measured.jsonl").unlink)


def read(out, *names):
    with read_as_one(out, "Evaluate again") as found:
        found.extend(names or ("a.csv", "b.json"))
        return {name: (out / name).read_text() for name in found}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_files_appear_together_with_their_hashes(tmp_path):
    out = tmp_path / "deep" / "out"
    run(out)
    assert names(out) == ["a.csv", "b.json", MANIFEST, "tables"]
    manifest = json.loads((out / MANIFEST).read_text())
    # sha256sum of "new"
    digest = "11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437"
    assert manifest == {"format": 1, "command": "prog", "files": dict.fromkeys(NEW, digest)}
    assert read(out) == {"a.csv": "new", "b.json": "new"}


def test_all_that_an_earlier_run_wrote_is_replaced_and_nothing_else(tmp_path):
    run(tmp_path, OLD)
    (tmp_path / "notes.txt").write_text("mine")
    run(tmp_path, overwrite=True)
    assert names(tmp_path) == ["a.csv", "b.json", MANIFEST, "notes.txt", "tables"]
    assert read(tmp_path) == {"a.csv": "new", "b.json": "new"}


@pytest.mark.parametrize("earlier", [None, OLD])
def test_killed_anywhere_the_same_command_just_works(tmp_path, earlier):
    count = 0
    states = set()

    def prepare():
        nonlocal count
        count += 1
        out = tmp_path / str(count) / "out"
        out.parent.mkdir()
        if earlier:
            run(out, earlier)
        return out.parent

    def out():
        return tmp_path / str(count) / "out"

    def again():
        states.add(state := outcome(out()))
        if state == "new" and not earlier:
            with pytest.raises(UsageError, match="not empty"):  # it is done
                run(out())
        else:
            run(out(), overwrite=bool(earlier))
        assert content(out()) == expected

    reference = prepare() / "out"
    run(reference, overwrite=bool(earlier))
    expected = content(reference)
    kills = killed_everywhere(prepare, lambda: run(out(), overwrite=bool(earlier)), again)
    assert kills > 12
    assert states == {"old" if earlier else "nothing", "refused", "new"}


def outcome(out):
    """Return what a reader makes of a folder: never a mixture."""
    if (out / JOURNAL).exists():
        with pytest.raises(EvaluationError, match="holds files of two runs"):
            read(out)
        return "refused"
    if not (out / "a.csv").exists():
        return "nothing"
    (text,) = {*read(out).values()}
    return text


def test_an_interrupted_run_does_not_let_another_command_overwrite(tmp_path):
    (tmp_path / JOURNAL).write_text(
        json.dumps({"format": 1, "command": "prog", "files": {"a.csv": "0", "c.csv": "0"}})
    )
    for name in ("a.csv", "c.csv"):
        (tmp_path / name).write_text("half")
    with pytest.raises(UsageError, match="exists and is not empty"):
        run(tmp_path, command="other")
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="exists and is not empty"):
        run(tmp_path)
    (tmp_path / "mine.txt").unlink()
    run(tmp_path)
    assert read(tmp_path)["a.csv"] == "new"
    assert names(tmp_path) == ["a.csv", "b.json", MANIFEST, "tables"]


def test_a_failure_leaves_the_folder_as_it_was(tmp_path):
    run(tmp_path, OLD)
    before = content(tmp_path)
    with pytest.raises(RuntimeError), one_unit(tmp_path, "prog") as folder:  # noqa: PT012
        (folder / "a.csv").write_text("new")
        raise RuntimeError
    assert content(tmp_path) == before
    (tmp_path / "c.csv").mkdir()
    with pytest.raises(IsADirectoryError):
        write(tmp_path, {"a.csv": "new", "c.csv": "new"})
    (tmp_path / "c.csv").rmdir()
    assert content(tmp_path) == before


def test_a_link_in_the_way_is_not_followed(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a.csv").write_text("theirs")
    out = tmp_path / "out"
    out.mkdir()
    (out / "tables").symlink_to(elsewhere)
    (out / "a.csv").symlink_to(elsewhere / "a.csv")
    with pytest.raises(NotADirectoryError, match="It is a link") as error:
        write(out)
    assert error.value.filename == str(out / "tables")
    (out / "tables").unlink()
    write(out)
    assert content(elsewhere) == {"a.csv": b"theirs"}
    assert not (out / "a.csv").is_symlink()
    # nor when the files of an earlier run are removed
    (out / "tables" / "new.csv").unlink()
    (out / "tables").rmdir()
    (out / "tables").symlink_to(elsewhere)
    (elsewhere / "new.csv").write_text("theirs")
    write(out, {"a.csv": "new"})
    assert (elsewhere / "new.csv").exists()


@pytest.mark.parametrize("change", ["edit", "copy", "remove"])
def test_a_mixture_is_refused(tmp_path, change):
    run(tmp_path / "one", OLD)
    run(tmp_path / "two")
    target = tmp_path / "one" / "b.json"
    if change == "copy":
        target.write_bytes((tmp_path / "two" / "b.json").read_bytes())
    elif change == "edit":
        target.write_text("edited")
    else:
        (tmp_path / "one" / MANIFEST).write_bytes((tmp_path / "two" / MANIFEST).read_bytes())
    wrong = "a.csv, b.json are not the files" if change == "remove" else "b.json is not the file"
    with pytest.raises(EvaluationError, match=f"{wrong} that prog wrote") as error:
        read(tmp_path / "one")
    assert "Evaluate again, or put the original back" in str(error.value)
    # what nobody reads may be edited: a manuscript is meant to be
    if change == "edit":
        assert read(tmp_path / "one", "a.csv") == {"a.csv": "old"}


def test_a_folder_written_anew_while_it_is_read_is_refused(tmp_path):
    run(tmp_path, OLD)
    reading = read_as_one(tmp_path, "Evaluate again")
    reading.__enter__().append("a.csv")
    run(tmp_path, overwrite=True)
    with pytest.raises(EvaluationError, match="written anew while it was read"):
        reading.__exit__(None, None, None)


def test_a_folder_without_manifest_is_read_with_a_note(tmp_path, caplog):
    (tmp_path / "a.csv").write_text("old")
    assert read(tmp_path, "a.csv") == {"a.csv": "old"}
    assert "has no manifest.json: an earlier version wrote it" in caplog.text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is not JSON"),
        ("[]", "it lists no files"),
        ('{"format": 1, "command": "p", "files": {"../a": "0"}}', "it lists no files"),
        ('{"format": 1, "command": "p", "files": {"/etc/passwd": "0"}}', "it lists no files"),
        ('{"format": 2, "command": "p", "files": {}}', "has format 2, expected 1"),
        ("[" * 100_000, "it is not JSON"),
    ],
)
def test_a_damaged_manifest_is_refused_and_replaced(tmp_path, text, said):
    run(tmp_path, OLD)
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(EvaluationError, match=said):
        read(tmp_path)
    run(tmp_path, overwrite=True)
    assert read(tmp_path)["a.csv"] == "new"


def test_leftovers_of_killed_runs_are_removed(tmp_path):
    left = tmp_path / ".unfinished-0123456789abcdef"
    left.mkdir()
    (left / "per_case.csv").write_text("persons")
    (tmp_path / ".unfinished-0123-a.csv").write_text("half")
    (tmp_path / LOCK).write_text("1 elsewhere 2020\n")
    (tmp_path / "measured.jsonl").write_text("to continue from")
    with output_folder(tmp_path, "prog", (), overwrite=False, passed_over="measured*"):
        assert names(tmp_path) == [LOCK, "measured.jsonl"]
    assert names(tmp_path) == ["measured.jsonl"]


def test_output_folders_are_refused_early(tmp_path):
    def check(out, *, overwrite=False, passed_over=""):
        with output_folder(out, "prog", ("a",), overwrite=overwrite, passed_over=passed_over):
            pass

    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        check(tmp_path / "file", overwrite=True)
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="broken is a link that leads nowhere; choose a folder"):
        check(tmp_path / "broken", overwrite=True)
    (tmp_path / "broken").unlink()
    with pytest.raises(UsageError, match="not empty"):
        check(tmp_path)
    check(tmp_path, passed_over="fi*")
    check(tmp_path, overwrite=True)
    check(tmp_path / "new" / "out")
    with pytest.raises(EvaluationError, match="cannot be written"):
        check(tmp_path / "file" / "out")
    assert names(tmp_path) == ["file"]  # folders that stay empty are removed
    (tmp_path / "out" / "empty").mkdir(parents=True)
    with pytest.raises(UsageError, match="not empty"):
        check(tmp_path / "out")


def holding(out, shared=False):
    """Start a process that holds an output folder, and whose child goes on without it."""
    code = (
        "import subprocess, sys\nfrom pathlib import Path\n"
        "from nnunetv2_fair.files.outputs import output_folder\n"
        f"with output_folder(Path({str(out)!r}), 'prog', (), overwrite=True,"
        f" shared={shared}) as lock:\n"
        "    child = subprocess.Popen([sys.executable, '-c', 'input()'], pass_fds=[lock],"
        " stdin=sys.stdin)\n"
        "    print(child.pid, flush=True)\n"
        "    child.wait()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    process.stdout.readline()
    return process


def test_the_second_comer_is_told_who_works_there(tmp_path):
    out = tmp_path / "out"
    process = holding(out)
    words = rf"out is in use by process {process.pid} on \S+ since \d{{4}}-\d\d-\d\d .* UTC\. Wait"
    with pytest.raises(UsageError, match=words):
        run(out, overwrite=True)
    with pytest.raises(UsageError, match="in use"):  # nor through the Python API
        write(out)
    with (
        pytest.raises(UsageError, match="in use"),
        output_folder(out, "prog", (), overwrite=True, shared=True),
    ):
        pass
    (out / JOURNAL).write_text("")
    with pytest.raises(EvaluationError, match=f"is being written by process {process.pid}"):
        refuse_unfinished(out)
    process.kill()
    process.wait()
    # its child still works
    with pytest.raises(UsageError, match=f"in use by what was started by process {process.pid}"):
        run(out, overwrite=True)
    process.stdin.close()
    process.stdout.read()  # until the child has ended
    with pytest.raises(EvaluationError, match="writing it was interrupted"):
        refuse_unfinished(out)
    run(out)
    assert names(out) == ["a.csv", "b.json", MANIFEST, "tables"]


def test_parts_of_one_run_share_a_folder_and_the_whole_waits_for_them(tmp_path):
    process = holding(tmp_path, shared=True)
    with output_folder(tmp_path, "prog", (), overwrite=True, shared=True):
        pass
    with pytest.raises(UsageError, match="in use"):
        run(tmp_path, overwrite=True)
    process.communicate("\n")
    assert names(tmp_path) == []


def test_a_manifest_of_a_folder_that_others_filled(tmp_path):
    (tmp_path / "a.csv").write_text("new")
    write_manifest(tmp_path, "prog")
    assert read(tmp_path, "a.csv") == {"a.csv": "new"}
