"""What happens to commands that are given damaged, odd or hostile files?

Makes inputs for every door of the package (tables, workbooks, dictionaries, images of all formats,
``dataset.json``, folds, scores, summaries, studies, downloads, boxes,
crops, cascades, measures taken from masks), runs the real command on
each in a process of its own, and counts what must not happen: tracebacks and messages of the last
resort, crashes, commands that take longer than a minute, and accepted inputs in which an
independent reading (``csv``, ``json``, openpyxl, nibabel, Pillow, SimpleITK, h5py, NumPy; never our
own readers) finds other values than the command. Inputs depend on the seed alone. Results are kept
line by line, and a run that was interrupted goes on where it stopped. Unix only.

    python benchmarks/fuzz.py                                  # all of them
    python benchmarks/fuzz.py --inputs 60 -o short.jsonl       # some of every door
    python benchmarks/fuzz.py --only masks:17                  # one again, with what it printed
"""

import argparse
import importlib
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

import fuzz_crops  # noqa: E402
import fuzz_doors  # noqa: E402

DOORS = {**fuzz_doors.DOORS, **fuzz_crops.DOORS}

#: What never may happen.
FAULTS = ("traceback", "crash", "hang", "silent", "wrong")
#: Bytes of address space of a command.
_MEMORY = 8 << 30
_LAST_WORDS = ("Traceback (most recent call last)", "This is a mistake in nnunetv2_fair")


def main() -> int:
    """Make inputs, run commands, print counts by door; 1 if anything happened that must not."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--inputs", type=int, help="about how many; by default all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=60, help="after which a command hangs")
    parser.add_argument("--doors", nargs="+", choices=list(DOORS))
    parser.add_argument("--only", metavar="DOOR:NUMBER", help="one input, and what it prints")
    parser.add_argument("-o", type=Path, default=Path("fuzz.jsonl"), help="results so far")
    args = parser.parse_args()
    doors = args.doors or list(DOORS)
    total = sum(door.inputs for door in DOORS.values())
    share = 1.0 if args.inputs is None else args.inputs / total
    orders = [
        (name, number)
        for name in doors
        for number in range(max(1, round(DOORS[name].inputs * share)))
    ]
    if args.only:
        name, _, number = args.only.partition(":")
        orders = [(name, int(number))]
    done = {} if args.only else _read(args.o, args.seed)
    for name in dict.fromkeys(DOORS[name].module for name, _ in orders):
        importlib.import_module(f"nnunetv2_fair.cli.{name}")
    fuzz_doors.import_everything()
    with tempfile.TemporaryDirectory(prefix="fuzz") as folder:
        root = Path(folder) / "work"
        os.environ.update({f"nnUNet_{part}": str(root / part) for part in
                           ("raw", "preprocessed", "results")})  # fmt: skip
        for name, number in orders:
            if (name, number) in done:
                continue
            record = _run(name, number, args, root)
            done[name, number] = record
            if args.only:
                print(json.dumps({k: v for k, v in record.items() if k != "output"}, indent=1))
                print(record["output"])
            else:
                with args.o.open("a", encoding="utf-8") as stream:
                    stream.write(json.dumps(record) + "\n")
    return _report([done[order] for order in orders], doors)


def _read(path: Path, seed: int) -> dict[tuple[str, int], dict[str, Any]]:
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines if line.endswith("}")]
    return {(r["door"], r["number"]): r for r in records if r["seed"] == seed}


def _run(name: str, number: int, args: argparse.Namespace, root: Path) -> dict[str, Any]:
    """Run one command on one input, and compare what it wrote with an independent reading."""
    door = DOORS[name]
    shutil.rmtree(root, ignore_errors=True)
    for part in ("raw", "preprocessed", "results"):
        (root / part).mkdir(parents=True)
    seed = [args.seed, list(DOORS).index(name), number]
    job = door.make(np.random.default_rng(seed), root)
    command = importlib.import_module(f"nnunetv2_fair.cli.{door.module}").main
    arguments = [str(argument) for argument in job.arguments]
    output = root / "output.txt"
    status, seconds, memory = _in_a_child(lambda: command(arguments), output, args.seconds)
    text = output.read_text(encoding="utf-8", errors="replace")
    outcome, about = _judge(status, text), ""
    if outcome == "accepted":
        checked = root / "checked.txt"

        def check() -> int:
            print("\n".join(job.check(text)))
            return 0

        code, _, _ = _in_a_child(check, checked, args.seconds)
        about = checked.read_text(encoding="utf-8", errors="replace").strip()
        if code != 0:  # the other reader fails where ours does not
            about, outcome = f"other reader: {about[-300:] or code}", "accepted, unchecked"
        elif about:
            outcome = "wrong"
    return {
        "door": name, "number": number, "seed": args.seed, "input": job.what, "outcome": outcome,
        "about": about, "seconds": round(seconds, 2), "mib": round(memory),
        "output": text[-3000:],
    }  # fmt: skip


def _in_a_child(
    work: Callable[[], int], output: Path, seconds: float
) -> tuple[int | None, float, float]:
    """Return exit status (None: ended after too long), seconds and MiB of a forked child."""
    begun = time.monotonic()
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            os.setsid()
            resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(file, 1)
            os.dup2(file, 2)
            for number, name in ((1, "stdout"), (2, "stderr")):
                stream = os.fdopen(number, "w", buffering=1, encoding="utf-8", errors="replace")
                setattr(sys, name, stream)
            code = _exit_code(work)
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)
    while True:
        ended, status, used = os.wait4(pid, os.WNOHANG)
        if ended:
            taken = time.monotonic() - begun
            return os.waitstatus_to_exitcode(status), taken, used.ru_maxrss / 1024
        if time.monotonic() - begun > seconds:
            os.killpg(pid, signal.SIGKILL)
            _, _, used = os.wait4(pid, 0)
            return None, time.monotonic() - begun, used.ru_maxrss / 1024
        time.sleep(0.005)


def _exit_code(work: Callable[[], int]) -> int:
    try:
        return work() or 0
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
        return 99


def _judge(status: int | None, text: str) -> str:
    if status is None:
        return "hang"
    if status < 0:
        return "crash"
    if status == 99 or any(words in text for words in _LAST_WORDS):
        return "traceback"
    if status == 0:
        return "accepted"
    words = [line for line in text.replace("\r", "\n").splitlines() if "nnUNetv2_fair_" in line]
    return "refused" if words else "silent"


def _report(records: list[dict[str, Any]], doors: list[str]) -> int:
    outcomes = ("refused", "accepted", "accepted, unchecked", *FAULTS)
    print(f"{'door':<14}{'inputs':>8}" + "".join(f"{outcome:>12.12}" for outcome in outcomes))
    for door in [*doors, "all"]:
        ours = [r for r in records if door in ("all", r["door"])]
        counts = Counter(r["outcome"] for r in ours)
        print(f"{door:<14}{len(ours):>8}" + "".join(f"{counts[o]:>12}" for o in outcomes))
    slowest = max(records, key=lambda r: r["seconds"])
    largest = max(records, key=lambda r: r["mib"])
    print(f"slowest: {slowest['seconds']} s ({slowest['door']}:{slowest['number']}), largest: "
          f"{largest['mib']} MiB ({largest['door']}:{largest['number']})")  # fmt: skip
    bad = [r for r in records if r["outcome"] in FAULTS]
    for r in bad:
        last = [line for line in r["output"].splitlines() if line.strip()][-1:]
        print(f"{r['outcome']}: {r['door']}:{r['number']} ({r['input']}): {r['about'] or last}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
