"""How long do commands take to start, compared with an empty Python?

Runs each command several times, alternating with an interpreter that does nothing, and prints
medians of the wall time of the whole process.

    python benchmarks/startup.py
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=7)
    args = parser.parse_args()
    binaries = Path(sys.executable).parent
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "python -m nnunetv2_fair": [sys.executable, "-m", "nnunetv2_fair"],
    }
    for program in sorted(binaries.glob("nnUNetv2_fair_*")):
        commands[f"{program.name} --help"] = [str(program), "--help"]
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for run in range(args.runs + 1):
        for name, command in commands.items():
            begun = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            if run:  # the first round fills the disk cache
                seconds[name].append(time.perf_counter() - begun)
    print(f"median of {args.runs} runs, seconds")
    for name, values in seconds.items():
        print(f"{name:<46} {statistics.median(values):.3f}  (max {max(values):.3f})")


if __name__ == "__main__":
    main()
