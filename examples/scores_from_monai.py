"""Scores from another framework: MONAI measures, and the groups are compared by its numbers.

python examples/scores_from_monai.py out
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from phantom_predictions import make
from PIL import Image

from nnunetv2_fair.evaluation import evaluate_csv


def main(folder: Path) -> None:
    """Fill a table with what MONAI's metrics return for each case."""
    import torch
    from monai.metrics import compute_dice, compute_hausdorff_distance

    made = make(folder)
    rows = []
    for path in sorted(made.references.glob("*.png")):
        # MONAI wants (batch, channel, ...), one channel per label
        reference, prediction = (
            torch.from_numpy(np.asarray(Image.open(f / path.name)) > 0)[None, None].float()
            for f in (made.references, made.predictions)
        )
        hd95 = compute_hausdorff_distance(
            prediction, reference, include_background=True, percentile=95
        )
        dice = compute_dice(prediction, reference, include_background=True)
        # the image's diagonal stands in for an infinite distance, where a prediction is empty
        diagonal = float(np.hypot(*reference.shape[2:]))
        rows.append(
            {
                "case": path.stem,
                "dice": float(dice),
                "hd95_px": float(hd95),
                "diagonal_px": diagonal,
            }
        )
    pd.DataFrame(rows).to_csv(folder / "scores.csv", index=False)

    result = evaluate_csv(folder / "scores.csv", ["sex", "age"], demographics=made.table)
    for finding in result.findings[:4]:
        print(f"[{finding.verdict}] {finding.sentence}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
