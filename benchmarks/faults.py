"""What is left when the disk fails or a command is killed, and whether running it again mends it.

At each of the first and the last file-system calls that a command makes in its output (a file
opened for writing, written, flushed, renamed, removed; a folder made, removed) one thing goes
wrong:

- ``kill``: the process is killed (SIGKILL) right before the call;
- ``full``: from this call on, all that needs space fails with ENOSPC;
- ``error``: this call fails with EIO;
- ``gone``: from this call on, all calls fail with ESTALE, as on a network drive that went away.

Then the same command runs again, undisturbed. Claims in docs/benchmarks.md: it ends well, or says
that all is done; all files have the bytes of an undisturbed run, without exception (the clock
stands still in both); no temporary file, lock or folder is left.

The commands are real, and run in forked processes. Of a training only what this package writes is
there (log of the groups, checkpoints, lock); what nnU-Net writes is its own. Of a step of a study
it is what the wrapper writes: attempts and events are its history and may differ, and so may the
attempts in its record.

Needs Linux and a C compiler. Every fault is a line in the file of results; a second call with the
same file goes on where the first one stopped.

Usage: python benchmarks/faults.py RESULTS.jsonl [--commands evaluate step] [--kinds kill full]
       [--calls 60] [--last 20] [--minutes 30] [--seed 0]
"""

import argparse
import contextlib
import ctypes
import errno
import io
import json
import logging
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

_LIBRARY = "NNUNETV2_FAIR_FAULTS"
_NONE, _KILL, _FULL, _ONCE, _GONE = range(5)
#: Kind of fault -> how the library calls it, and the error.
KINDS = {
    "kill": (_KILL, 0),
    "full": (_FULL, errno.ENOSPC),
    "error": (_ONCE, errno.EIO),
    "gone": (_GONE, errno.ESTALE),
}
_EPOCHS = 2


def _nothing(given: Path) -> None:
    """Write nothing."""


@dataclass(frozen=True)
class Command:
    """Something to disturb.

    Attributes:
        prepare: Writes what it reads into a folder.
        run: Runs it; gets that folder and the one to write into; returns its exit code.
        begin: Writes what must be in the latter before.
        history: Files that tell what happened, and may differ: a pattern of relative paths.
        differs: What may differ in the other files.
        tracebacks: Whether errors may end in one: nnU-Net's commands show them.
    """

    prepare: Callable[[Path], None]
    run: Callable[[Path, Path], int]
    begin: Callable[[Path], None] = _nothing
    history: str = r"$^"
    differs: str = r"$^"
    tracebacks: bool = False


def _convert_inputs(given: Path) -> None:
    from tests.dataset_conversion.folders import make_folder

    make_folder(given / "data", n=6)


def _convert(given: Path, out: Path) -> int:
    from nnunetv2_fair.cli.convert_image_folder import main

    data, raw = str(given / "data"), str(out / "raw")
    return main(["-i", data, "-d", "42", "-n", "Tiny", "-np", "1", "-o", raw, "--test-ratio", "0"])


def _prepare_inputs(given: Path) -> None:
    from tests.nnunet_dataset import write_raw

    write_raw(given / "raw")


def _prepare(given: Path, out: Path) -> int:
    from nnunetv2_fair.cli.prepare import main

    os.environ["nnUNet_raw"] = str(given / "raw")
    os.environ["nnUNet_preprocessed"] = str(out / "preprocessed")
    return main(["-d", "901", "-a", "sex", "--folds", "3"])


def _evaluate_inputs(given: Path) -> None:
    from tests.evaluation.factories import make_dataset

    make_dataset(given / "data", n_patients=4, cases_per_patient=1)


def _evaluate(given: Path, out: Path) -> int:
    from nnunetv2_fair.cli.evaluate import main

    data = given / "data"
    return main([
        "-gt", str(data / "labelsTs"), "-pred", str(data / "predictions"), "--demographics",
        str(data / "demographics.csv"), "-o", str(out / "evaluation"), "-a", "sex", "-np", "1",
        "--min-patients", "2", "--bootstrap", "0", "--metrics", "dice",
    ])  # fmt: skip


def _compare_inputs(given: Path) -> None:
    _evaluate_inputs(given)
    for name in ("one", "two"):
        if _evaluate(given, given / name):
            raise SystemExit("The evaluations to compare could not be made.")


def _compare(given: Path, out: Path) -> int:
    from nnunetv2_fair.cli.compare import main

    models = [str(given / name / "evaluation") for name in ("one", "two")]
    where = ["-o", str(out / "comparison"), "--names", "one", "two"]
    return main([*models, *where, "--bootstrap", "0"])


def _downstream_inputs(given: Path) -> None:
    from tests.evaluation.downstream.hearts import make_hearts

    make_hearts(given / "data", n_patients=6)


def _downstream(given: Path, out: Path) -> int:
    from nnunetv2_fair.cli.evaluate import main

    data = given / "data"
    return main([
        "-gt", str(data / "labelsTs"), "-pred", str(data / "predictions"), "--demographics",
        str(data / "demographics.csv"), "-o", str(out / "evaluation"), "-a", "sex", "-np", "1",
        "--min-patients", "2", "--bootstrap", "0", "--metrics", "dice", "--downstream", "cardiac",
        "--threshold", "ef=50",
    ])  # fmt: skip


def _crop_inputs(given: Path) -> None:
    from tests.dataset_conversion.cropped.full_dataset import write_full

    write_full(given / "raw", ".png")


def _crop(given: Path, out: Path) -> int:
    from nnunetv2_fair.cli.crop import main

    # the cropped dataset goes beside the full one, which is only read
    raw = out / "raw"
    raw.mkdir(exist_ok=True)
    if not (raw / "Dataset042_Heart").exists():
        (raw / "Dataset042_Heart").symlink_to(given / "raw" / "Dataset042_Heart")
    os.environ["nnUNet_raw"] = str(raw)
    os.environ["nnUNet_preprocessed"] = str(out / "preprocessed")
    return main(["-d", "42", "-o", "43", "-np", "1"])


def _cascade_inputs(given: Path) -> None:
    _crop_inputs(given)
    os.environ["nnUNet_raw"] = str(given / "raw")
    os.environ["nnUNet_results"] = str(given / "results")
    from nnunetv2_fair.cli.crop import main

    if main(["-d", "42", "-o", "43", "-np", "1"]):
        raise SystemExit("The dataset for the cascade could not be cropped.")
    for name in ("Dataset042_Heart", "Dataset043_HeartCropped"):
        model = given / "results" / name / "nnUNetTrainer__nnUNetPlans__2d"
        (model / "fold_0").mkdir(parents=True)
        (model / "fold_0" / "checkpoint_final.pth").write_text(name)
        shutil.copyfile(given / "raw" / name / "dataset.json", model / "dataset.json")


def _cascade(given: Path, out: Path) -> int:
    """Run a cascade whose models copy files: nnU-Net's writing is its own."""
    from nnunetv2_fair.cli.predict_cascade import main
    from nnunetv2_fair.nnunet import predict_cascade

    os.environ["nnUNet_raw"] = str(given / "raw")
    os.environ["nnUNet_results"] = str(given / "results")

    def predict(command: list[str], predictions: Path, ending: str, *_: object) -> None:
        for path in sorted(Path(command[command.index("-i") + 1]).iterdir()):
            case = path.name.rpartition("_")[0]
            full = command[command.index("-d") + 1] == "42"
            name = "Dataset042_Heart" if full else "Dataset043_HeartCropped"
            labels = given / "raw" / name / "labelsTs" / f"{case}{ending}"
            shutil.copyfile(labels, predictions / labels.name)

    predict_cascade.run_nnunet = predict
    images = given / "raw" / "Dataset042_Heart" / "imagesTs"
    models = [w for word, d in (("--localizer", "42"), ("--segmenter", "43"))
              for w in (word, "-d", d, "-c", "2d", "-f", "0")]  # fmt: skip
    return main(["-i", str(images), "-o", str(out / "cascade"), *models, "-device", "cpu"])


def _begin_step(out: Path) -> None:
    from nnunetv2_fair.study.step import Plan, Step

    script = 'printf result > outcome.tmp; mv outcome.tmp outcome.txt; "$0" --version'
    step = Step(
        "evaluate.a", "evaluate", (("bash", "-c", script, sys.executable),),
        outputs=("outcome.txt",), fingerprint="f",
    )  # fmt: skip
    Plan("faults", {step.name: step}).write(out)


def _step(given: Path, out: Path) -> int:
    from nnunetv2_fair.study.run.execute import main

    return main([str(out), "evaluate.a"])


def _training(given: Path, out: Path) -> int:
    """Do what :class:`SubgroupTrainer` does with files, without a network."""
    import numpy as np
    import torch

    from nnunetv2_fair.losses.monitor import EpochSummary
    from nnunetv2_fair.trainers.group_log.subgroup_log import SubgroupLog
    from nnunetv2_fair.trainers.group_log.visible import Visible
    from nnunetv2_fair.trainers.shared.checkpoint import FairnessCheckpoint, write_checkpoint
    from nnunetv2_fair.trainers.shared.fold_lock import fold_held
    from nnunetv2_fair.trainers.shared.introduction import GroupSize

    fold = out / "fold_0"
    fold.mkdir(parents=True, exist_ok=True)
    latest, final = fold / "checkpoint_latest.pth", fold / "checkpoint_final.pth"
    groups = ["female", "male"]
    sizes = dict.fromkeys(groups, GroupSize(9, 9))
    visible = Visible({"train": sizes, "val": sizes})
    table, plot = fold / "subgroup_log.csv", fold / "subgroup_log.png"
    log = SubgroupLog(table, plot, "training", "sex", groups, visible, ["organ"])
    with fold_held(fold):
        first = torch.load(latest, weights_only=False)["epoch"] + 1 if latest.exists() else 0
        log.forget_from(first)
        for epoch in range(first, _EPOCHS):
            losses, dice = np.array([0.5, 0.4]) / (1 + epoch), np.array([[0.8], [0.9]])
            counts = np.full((2, 3, 1), 9)
            log.add(epoch, EpochSummary(losses, losses, np.full(2, 0.5), dice, counts))
            weights = torch.ones(2) * epoch
            ours = FairnessCheckpoint("sex", "vocabulary", "table", {"weights": weights})
            # the final one first, as nnU-Net does after its last epoch
            for path in ([final] if epoch == _EPOCHS - 1 else []) + [latest]:
                saved = {"epoch": epoch, "network_weights": weights}
                write_checkpoint(path, lambda name, saved=saved: torch.save(saved, name), ours)
    return 0


COMMANDS = {
    "convert": Command(_convert_inputs, _convert),
    "prepare": Command(_prepare_inputs, _prepare),
    "evaluate": Command(_evaluate_inputs, _evaluate),
    "compare": Command(_compare_inputs, _compare),
    "downstream": Command(_downstream_inputs, _downstream),
    "crop": Command(_crop_inputs, _crop),
    "cascade": Command(_cascade_inputs, _cascade),
    "step": Command(
        _nothing,
        _step,
        _begin_step,
        r"\.study/(attempts|events)/.*|logs/.*",
        r'"attempts": \[.*?\n \],|"peak_memory_mb": [0-9.]+',
    ),
    "training": Command(_nothing, _training, tracebacks=True),
}


@dataclass(frozen=True)
class Ended:
    """How a process ended.

    Attributes:
        code: Exit code, negative for a signal.
        calls: How many calls it made that count.
        said: What it wrote to standard error.
    """

    code: int
    calls: int
    said: str


class Disturber:
    """Runs commands in forked processes in which the file system fails.

    Args:
        folder: Folder for everything; must be empty.
        library: What makes calls fail.
    """

    def __init__(self, folder: Path, library: ctypes.CDLL) -> None:
        self.given, self.out, self.temporary = folder / "given", folder / "out", folder / "tmp"
        self.temporary.mkdir(parents=True)
        self._said = folder / "said.txt"
        self._library = library
        tempfile.tempdir = str(self.temporary)

    def run(self, command: Command, kind: str | None = None, at: int = 0) -> Ended:
        """Run a command into ``out``, with a fault at a call if a kind is given."""
        what, error = KINDS[kind] if kind else (_NONE, 0)
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            code = 99
            try:
                said = os.open(self._said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
                os.dup2(said, 2)
                os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
                self._library.fault_arm(str(self.out).encode(), what, at, error)
                code = command.run(self.given, self.out)
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else 1
            except BaseException:
                with contextlib.suppress(OSError):
                    sys.stderr.write(traceback.format_exc())
                    sys.stderr.flush()
            finally:
                os.write(writing, str(self._library.fault_count()).encode())
                os._exit(code)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            calls = pipe.read()
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        said = self._said.read_text(errors="replace")
        return Ended(code, int(calls or 0), said)

    def start(self, command: Command) -> None:
        """Write what a command reads."""
        with contextlib.redirect_stdout(io.StringIO()):
            self.given.mkdir()
            command.prepare(self.given)
            self.clear(command)
            # imports what it needs once instead of in every forked process
            code = command.run(self.given, self.out)
        if code:
            raise SystemExit(f"The command fails undisturbed with exit code {code}.")

    def clear(self, command: Command) -> None:
        """Remove what a command wrote."""
        for folder in (self.out, self.temporary):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        command.begin(self.out)

    def content(self, command: Command) -> dict[str, bytes]:
        """Return all files and empty folders that a command has left, but its history."""
        found = {}
        for folder in (self.out, self.temporary):
            for path in sorted(folder.rglob("*")):
                name = f"{folder.name}/{path.relative_to(folder).as_posix()}"
                if re.fullmatch(command.history, path.relative_to(folder).as_posix()):
                    continue
                if path.is_symlink() or path.is_file():
                    link = path.is_symlink()
                    data = str(path.readlink()).encode() if link else path.read_bytes()
                    found[name] = re.sub(command.differs.encode(), b"", data, flags=re.DOTALL)
                elif not any(path.iterdir()):
                    found[f"{name}/"] = b""
        return found


def one_fault(
    disturber: Disturber, command: Command, kind: str, at: int, expected: dict[str, bytes]
) -> dict[str, object]:
    """Return what became of one fault; ``wrong`` is empty if all is well."""
    disturber.clear(command)
    first = disturber.run(command, kind, at)
    again = disturber.run(command)
    found = disturber.content(command)
    wrong = []
    if kind == "kill" and first.code != -signal.SIGKILL:
        wrong.append(f"not killed: exit code {first.code}")
    unforeseen = "Traceback" in first.said or "This is a mistake in" in first.said
    if unforeseen and not command.tracebacks:
        wrong.append("unforeseen: " + first.said.strip()[-300:])
    # refused, because all had been done
    if again.code and not (again.code in (1, 2) and found == expected):
        wrong.append(f"again: exit code {again.code}: {again.said.strip()[-300:]}")
    wrong += [f"left over: {name}" for name in sorted(found.keys() - expected)]
    wrong += [f"missing: {name}" for name in sorted(expected.keys() - found)]
    shared = found.keys() & expected
    wrong += [f"other bytes: {name}" for name in sorted(shared) if found[name] != expected[name]]
    return {"code": first.code, "said": first.said.strip()[-300:], "wrong": wrong}


def disturb(
    library: ctypes.CDLL,
    commands: Sequence[str],
    kinds: Sequence[str],
    calls: int,
    last: int = 0,
    *,
    seed: int = 0,
    results: Path | None = None,
    most: int | None = None,
    minutes: float = float("inf"),
) -> list[dict[str, object]]:
    """Disturb commands; return one entry per fault, those of ``results`` included.

    Args:
        library: What makes calls fail.
        commands: Names in :data:`COMMANDS`.
        kinds: Names in :data:`KINDS`.
        calls: At how many calls from the first on.
        last: At how many calls up to the last.
        seed: Of the order of faults, which matters if not all are reached.
        results: File to continue and to append to.
        most: How many faults per command.
        minutes: When to stop.
    """
    logging.disable(logging.CRITICAL)
    end = time.monotonic() + 60 * minutes
    lines = results.read_text().splitlines() if results and results.exists() else []
    done = {(e["command"], e["kind"], e["call"]): e for e in map(json.loads, lines)}
    for name in commands:
        command = COMMANDS[name]
        with tempfile.TemporaryDirectory() as folder:
            disturber = Disturber(Path(os.path.realpath(folder)), library)
            disturber.start(command)
            disturber.clear(command)
            undisturbed = disturber.run(command)
            expected = disturber.content(command)
            disturber.clear(command)
            if disturber.run(command).code or disturber.content(command) != expected:
                raise SystemExit(f"{name} writes other bytes when it runs again.")
            total = undisturbed.calls
            at_calls = {
                *range(1, min(calls, total) + 1),
                *range(max(total - last, 0) + 1, total + 1),
            }
            faults = [(kind, at) for at in sorted(at_calls) for kind in kinds]
            random.Random(seed).shuffle(faults)
            for kind, at in faults[:most]:
                if (name, kind, at) in done or time.monotonic() > end:
                    continue
                entry = {"command": name, "kind": kind, "call": at, "of": total}
                entry |= one_fault(disturber, command, kind, at, expected)
                done[name, kind, at] = entry
                if results:
                    with results.open("a") as file:
                        file.write(json.dumps(entry) + "\n")
        tempfile.tempdir = None
    return [entry for (name, _, _), entry in done.items() if name in commands]


def preloaded() -> ctypes.CDLL:
    """Return the library that makes calls fail; start this program again if it is not there."""
    if _LIBRARY in os.environ:
        path = os.environ.pop(_LIBRARY)
        del os.environ["LD_PRELOAD"]  # programs that commands start are left alone
        library = ctypes.CDLL(path)
        shutil.rmtree(Path(path).parent)
        return library
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not sys.platform.startswith("linux"):
        raise SystemExit("This needs Linux and a C compiler (cc).")
    path = str(Path(tempfile.mkdtemp()) / "faults.so")
    source = str(Path(__file__).with_suffix(".c"))
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", path, source], check=True)
    environment = {**os.environ, _LIBRARY: path, "LD_PRELOAD": path}
    os.execve(sys.executable, [sys.executable, *sys.argv], environment)


def main() -> int:
    """Disturb, print a table and what went wrong; 1 if anything did."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("--commands", nargs="+", choices=COMMANDS, default=[*COMMANDS])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=[*KINDS])
    parser.add_argument("--calls", type=int, default=60)
    parser.add_argument("--last", type=int, default=20)
    parser.add_argument("--most", type=int, help="faults per command (default: all)")
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    entries = disturb(
        preloaded(), args.commands, args.kinds, args.calls, args.last,
        seed=args.seed, results=args.results, most=args.most, minutes=args.minutes,
    )  # fmt: skip
    for name in args.commands:
        ours = [entry for entry in entries if entry["command"] == name]
        wrong = Counter(str(entry["kind"]) for entry in ours if entry["wrong"])
        counts = Counter(str(entry["kind"]) for entry in ours)
        of = max((entry["of"] for entry in ours), default=0)  # type: ignore[type-var]
        cells = ", ".join(f"{kind} {wrong[kind]} of {counts[kind]}" for kind in args.kinds)
        print(f"{name:9} ({of} calls): wrong: {cells}")
    kept = SimpleNamespace(shown=0)
    for entry in entries:
        if entry["wrong"] and kept.shown < 20:
            kept.shown += 1
            print(f"{entry['command']} {entry['kind']} {entry['call']}: {entry['wrong']}")
    return int(any(entry["wrong"] for entry in entries))


if __name__ == "__main__":
    sys.exit(main())
