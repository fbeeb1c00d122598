"""How much do scheduling and sharding cost in a large study?

jobs: the plan of study_plan.py (three datasets, six attributes, twelve methods, five folds), with
every command replaced by ``true``, run by the local executor; seconds per job are the overhead.
shards: small cases evaluated in one go and in shards that are merged; the tables must be identical
byte for byte.

    python benchmarks/study_scale.py jobs --cores 2
    python benchmarks/study_scale.py shards --cases 10000 --shards 50
"""

import argparse
import contextlib
import io
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.study_plan import write_study
from nnunetv2_fair import registration
from nnunetv2_fair.cli.evaluate import main as evaluate
from nnunetv2_fair.study.plan.plan import plan_study
from nnunetv2_fair.study.run.run import run_study
from nnunetv2_fair.study.step import Plan, Resources

_SHAPE = (24, 17)


def jobs(args: argparse.Namespace, root: Path) -> None:
    """Run a large plan of commands that do nothing."""
    registration.register()
    plan = plan_study(write_study(root, 1), root)
    nothing = {
        name: replace(step, commands=(("true",),), outputs=(), resources=Resources(1, 0, 1, 1))
        for name, step in plan.steps.items()
    }
    Plan(plan.title, nothing).write(root)
    os.environ["PYTHONPATH"] = str(Path(__file__).resolve().parents[1])
    begun = time.perf_counter()
    code = run_study(root, cores=args.cores)
    seconds = time.perf_counter() - begun
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime
    begun = time.perf_counter()
    run_study(root, cores=args.cores)
    again = time.perf_counter() - begun
    print(f"{len(nothing)} jobs, {args.cores} cores, exit {code}: {seconds:.0f} s, "
          f"{seconds / len(nothing):.3f} s a job; CPU {cpu / len(nothing):.3f} s a job; "
          f"peak memory {used.ru_maxrss / 1024:.0f} MiB; a second call {again:.1f} s")  # fmt: skip


def shards(args: argparse.Namespace, root: Path) -> None:
    """Evaluate in one go and in shards, and compare what was written."""
    rng = np.random.default_rng(0)
    for folder in ("labels", "predictions"):
        (root / folder).mkdir()
        for case in range(args.cases):
            mask = (rng.random(_SHAPE) < 0.4).astype(np.uint8)
            Image.fromarray(mask).save(root / folder / f"c{case:05d}.png")
    (root / "dataset.json").write_text(
        '{"channel_names": {"0": "grey"}, "labels": {"background": 0, "disc": 1}, '
        '"numTraining": 0, "file_ending": ".png"}'
    )
    rows = [f"c{i:05d},p{i // 2},{'fm'[i // 2 % 2]}" for i in range(args.cases)]
    (root / "people.csv").write_text("\n".join(["case,patient,sex", *rows]) + "\n")
    common = ["-gt", root / "labels", "-pred", root / "predictions", "-a", "sex", "--name", "x",
              "--demographics", root / "people.csv", "--dataset-json", root / "dataset.json",
              "--tables", "csv", "md", "-np", "1"]  # fmt: skip
    whole, parts = root / "whole", root / "parts"
    print(f"in one go: {_timed(lambda: _quietly([*common, '-o', whole]))}")

    def all_shards() -> None:
        for number in range(1, args.shards + 1):
            _quietly([*common, "-o", parts, "--shard", f"{number}/{args.shards}"])

    print(f"{args.shards} shards: {_timed(all_shards)}")
    print(f"merging: {_timed(lambda: _quietly([*common, '-o', parts, '--merge']))}")
    # the page and the summary contain the date
    for path in sorted({*whole.rglob("*.csv"), *whole.rglob("*.md")}):
        same = path.read_bytes() == (parts / path.relative_to(whole)).read_bytes()
        print(f"{path.relative_to(whole)}: {'equal' if same else 'DIFFERS'}")
    summaries = [json.loads((place / "summary.json").read_text()) for place in (whole, parts)]
    for summary in summaries:
        del summary["created"]
    print(f"summary.json without its date: {summaries[0] == summaries[1]}")


def _quietly(arguments: Sequence[object]) -> None:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = evaluate([str(argument) for argument in arguments])
    if code:
        raise SystemExit(said.getvalue())


def _timed(action: Callable[[], None]) -> str:
    wall, cpu = time.perf_counter(), _cpu()
    action()
    return f"{time.perf_counter() - wall:.1f} s, CPU {_cpu() - cpu:.1f} s"


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("part", choices=("jobs", "shards"))
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--shards", type=int, default=50)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        {"jobs": jobs, "shards": shards}[args.part](args, Path(folder))


if __name__ == "__main__":
    main()
