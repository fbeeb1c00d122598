"""How long does it take to plan a large study?

Three small datasets with six attributes, twelve of our methods for each attribute, five folds and
the requested number of configurations are planned as ``nnUNetv2_fair_study --dry-run`` does it,
and the plan is written. Prints seconds and memory of this process and of the one that is asked what
the trainers' names mean (most of it is importing torch).

    python benchmarks/study_plan.py --configurations 1
"""

import argparse
import json
import resource
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from nnunetv2_fair import registration
from nnunetv2_fair.study.plan.overview import overview
from nnunetv2_fair.study.plan.plan import plan_study

ATTRIBUTES = ("sex", "race", "language", "site", "scanner", "centre")
METHODS = (
    "Oversampling_{attribute}",
    "Oversampling_{attribute}_level0.5",
    "Reweighting_{attribute}",
    "GroupDRO_{attribute}",
    "OversamplingGroupDRO_{attribute}",
    "ReweightingGroupDRO_{attribute}",
    "OversamplingReweighting_{attribute}",
    "FEBS_{attribute}",
    "FairMedSeg_{attribute}",
    "APPLE_{attribute}",
    "APPLE_{attribute}_beta10",
    "ADV_{attribute}",
)
CONFIGURATIONS = ("2d", "3d_fullres", "3d_lowres")


def write_dataset(folder: Path) -> None:
    """Write a dataset of four training and two test cases."""
    for part, cases in (("Tr", range(4)), ("Ts", range(4, 6))):
        for kind, ending in (("images", "_0000.png"), ("labels", ".png")):
            (folder / f"{kind}{part}").mkdir(parents=True)
            for case in cases:
                picture = Image.fromarray(np.zeros((8, 9), np.uint8))
                picture.save(folder / f"{kind}{part}" / f"case_{case}{ending}")
    labels = {"background": 0, "disc": 1}
    content = {"channel_names": {"0": "grey"}, "labels": labels, "file_ending": ".png"}
    (folder / "dataset.json").write_text(json.dumps({**content, "numTraining": 4}))
    described = {name: {"type": "categorical", "levels": ["a", "b"]} for name in ATTRIBUTES}
    schema = {"default": ATTRIBUTES[0], "attributes": described}
    (folder / "demographics.json").write_text(json.dumps(schema))
    rows = [",".join(["case", *ATTRIBUTES])]
    rows += [",".join([f"case_{i}", *("ab"[i % 2] for _ in ATTRIBUTES)]) for i in range(6)]
    (folder / "demographics.csv").write_text("\n".join(rows) + "\n")


def write_study(root: Path, n_configurations: int) -> Path:
    """Write three datasets and the study's file."""
    chosen = ", ".join(CONFIGURATIONS[:n_configurations])
    lines = ["title: Scale", "datasets:"]
    for number in (901, 902, 903):
        write_dataset(root / "nnUNet_raw" / f"Dataset{number}_Small")
        lines.append(f"  - {{id: {number}, configurations: [{chosen}]}}")
    lines += [f"attributes: [{', '.join(ATTRIBUTES)}]", "trainers:", "  - nnUNetTrainer"]
    lines += [f"  - nnUNetTrainer{method}" for method in METHODS]
    folders = ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")
    lines += ["environment:", *(f"  {folder}: {folder}" for folder in folders)]
    path = root / "study.yaml"
    path.write_text("\n".join(lines) + "\n")
    return path


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--configurations", type=int, default=1, choices=(1, 2, 3))
    args = parser.parse_args()
    root = Path(tempfile.mkdtemp())
    try:
        path = write_study(root, args.configurations)
        registration.register()
        begun = time.perf_counter()
        plan = plan_study(path, root)
        overview(plan, root)
        plan.write(root)
        seconds = time.perf_counter() - begun
        here, asked = (
            resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        )
        trainings = sum(step.kind == "train" for step in plan.steps.values())
        size = (root / ".study" / "plan.json").stat().st_size / 1e6
        print(f"{trainings} trainings, {len(plan.steps)} steps, plan.json {size:.1f} MB")
        print(f"wall {seconds:.1f} s")
        for name, usage in (("this process", here), ("asking the trainers", asked)):
            cpu = usage.ru_utime + usage.ru_stime
            print(f"{name}: CPU {cpu:.1f} s, peak memory {usage.ru_maxrss / 1024:.0f} MiB")
    finally:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
