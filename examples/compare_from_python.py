"""Two models on the same cases: is the gap smaller, and who gains or loses?

python examples/compare_from_python.py out
"""

import sys
from pathlib import Path

from phantom_predictions import make

from nnunetv2_fair.evaluation import compare_models, evaluate
from nnunetv2_fair.report import write_comparison


def main(folder: Path) -> None:
    """Evaluate both models, then compare them patient by patient."""
    made = make(folder)
    models = {"baseline": made.predictions, "mitigated": made.better_predictions}
    results = [
        evaluate(made.references, predictions, made.table, ["sex"], label_names={"nodule": 1})
        for predictions in models.values()
    ]
    comparison = compare_models(results, list(models))
    for finding in comparison.findings:
        if finding.metric == "dice" and finding.claims:
            print(f"[{finding.verdict}] {finding.sentence}")
    comparison.write(folder)
    write_comparison(comparison, folder / "comparison.html")
    print("wrote", folder / "comparison.html")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
