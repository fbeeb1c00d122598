"""Two folders of masks and a table become findings, numbers and a page.

python examples/evaluate_from_python.py out
"""

import sys
from pathlib import Path

from phantom_predictions import make

from nnunetv2_fair.evaluation import EvaluationSettings, TableSettings, evaluate
from nnunetv2_fair.report import write_evaluation


def main(folder: Path) -> None:
    """Evaluate, and show what there is to read."""
    made = make(folder)
    result = evaluate(
        made.references,
        made.predictions,
        made.table,
        ["sex", "age"],
        settings=EvaluationSettings(metrics=("dice", "hd95"), margins={"dice": 0.05}),
        table=TableSettings(bins={"age": (50, 65)}),
        reference_groups={"sex": "male"},
        label_names={"nodule": 1},
    )

    # what can be said, most important first, in words ...
    for finding in result.findings[:4]:
        print(f"[{finding.verdict}] {finding.sentence}")

    # ... and the numbers behind it
    comparison = result.comparison("sex", "dice", "nodule")
    for name, group in comparison.groups.items():
        around = group.median_interval
        print(f"{name}: median {group.median:.3f} ({around.low:.3f} to {around.high:.3f})")
    print(result.per_case.head(3).to_string())

    for path in write_evaluation(result, [], folder / "evaluation"):
        print("wrote", path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
