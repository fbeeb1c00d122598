"""A metric of your own: measure each case yourself, and let the groups be compared by it.

Here: the share of the structure that the prediction misses.

python examples/own_metric.py out
"""

import csv
import sys
from pathlib import Path

import numpy as np
from phantom_predictions import make
from PIL import Image

from nnunetv2_fair.evaluation import evaluate_csv


def main(folder: Path) -> None:
    """Write a table with a row per case, and evaluate it."""
    made = make(folder)
    scores = folder / "scores.csv"
    with scores.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["case", "missed"])
        for path in sorted(made.predictions.glob("*.png")):
            prediction, reference = (
                np.asarray(Image.open(folder / path.name)) > 0
                for folder in (made.predictions, made.references)
            )
            table.writerow([path.stem, 1 - (reference & prediction).sum() / reference.sum()])

    # `better` says that the column is a metric, and which way round it is to be read
    result = evaluate_csv(scores, ["sex"], demographics=made.table, better={"missed": "lower"})
    for finding in result.findings:
        print(f"[{finding.verdict}] {finding.sentence}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
