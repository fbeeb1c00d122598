"""How long does the search for divergent subgroups take, and how much memory?

Patients with attributes of two to six groups, which are correlated as in real tables; every
subgroup of at least 1% is searched, and tested by 999 permutations.

    python benchmarks/discovery.py                              # 10,000 patients, ten attributes
    python benchmarks/discovery.py --cases 1000 --attributes 6
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from nnunetv2_fair.evaluation.discovery.search import discover
from nnunetv2_fair.evaluation.discovery.settings import DiscoverySettings
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings
from nnunetv2_fair.subgroups.table import read_table

GROUPS = (2, 2, 3, 3, 3, 4, 4, 5, 5, 6)


def main() -> None:
    """Search and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--attributes", type=int, default=len(GROUPS))
    parser.add_argument("--min-support", type=float, default=0.01)
    parser.add_argument("--confirm", action="store_true")
    args = parser.parse_args()
    groups = GROUPS[: args.attributes]
    rng = np.random.default_rng(0)
    hidden = rng.random(args.cases)
    codes = np.stack(
        [np.floor((0.5 * hidden + 0.5 * rng.random(args.cases)) * n) for n in groups], axis=1
    ).astype(int)
    frame = pd.DataFrame(codes, columns=[f"attribute{i}" for i in range(len(groups))])
    frame = frame.map(lambda code: f"group {code}")
    frame.insert(0, "case", [f"case_{i}" for i in range(args.cases)])
    planted = (codes[:, 0] == 1) & (codes[:, 5] == 2)
    per_case = pd.DataFrame(
        {
            "case": frame["case"], "patient": frame["case"], "label": "organ", "flags": "",
            "dice": rng.beta(18, 2, args.cases) - 0.1 * planted,
        }
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "demographics.csv"
        frame.to_csv(path, index=False)
        table = read_table(path)
    begun, computed = time.perf_counter(), time.process_time()
    found = discover(
        per_case, table, MetricInfo("dice", "Dice", "", "higher", "", True), ("organ",), "diagonal",
        StatisticsSettings(),
        DiscoverySettings(min_support=args.min_support, confirm=args.confirm),
    )  # fmt: skip
    seconds, computed = time.perf_counter() - begun, time.process_time() - computed
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{args.cases} cases x {len(groups)} attributes, {found.n_searched} subgroups: "
        f"{seconds:.1f} s ({computed:.1f} s of CPU time), peak memory {memory:.0f} MiB"
    )
    for subgroup in found.subgroups[:3]:
        print(f"{subgroup.name}: z {subgroup.z:+.1f}, divergence {subgroup.divergence:+.3f}")


if __name__ == "__main__":
    main()
