"""Masks that are arrays, not files: measure them where they are, for example in a validation loop.

python examples/arrays_in_memory.py out
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from nnunetv2_fair.evaluation import evaluate_csv, measure_masks

SPACING_MM = (3.0, 0.8, 0.8)


def main(folder: Path) -> None:
    """Measure balls and what a model that shrinks them makes of them."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    grid = np.indices((12, 40, 44)) * np.reshape(SPACING_MM, (3, 1, 1, 1))
    rows = []
    for i in range(60):
        sex = "female" if i % 2 else "male"
        centre, radius = rng.uniform(14, 18, (3, 1, 1, 1)), rng.uniform(8, 12)
        shrunken = radius - rng.uniform(0, 2.5 if sex == "female" else 1.5)
        distance = np.sqrt(((grid - centre) ** 2).sum(axis=0))
        values = measure_masks(
            distance < radius, distance < shrunken, SPACING_MM, metrics=("dice", "nsd", "hd95")
        )
        # a distance has its unit in its column's name
        values["hd95_mm"] = values.pop("hd95")
        rows.append({"case": f"ball{i:02d}", "patient": f"p{i:02d}", "sex": sex, **values})
    pd.DataFrame(rows).to_csv(folder / "scores.csv", index=False)

    result = evaluate_csv(folder / "scores.csv", ["sex"])
    for finding in result.findings:
        if finding.claims:
            print(f"[{finding.verdict}] {finding.sentence}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
