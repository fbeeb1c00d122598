"""Small folders of masks: automated ones of the young are two pixels too small."""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.evaluation.factories import blob, write_dataset_json, write_mask

SHAPE = (40, 57)
#: Groups of the table, by which the automated masks differ; "site" is what they do not differ by.
YOUNG, OLD = "young", "old"


@dataclass(frozen=True)
class Audited:
    root: Path
    cases: tuple[str, ...]

    def folder(self, name: str) -> Path:
        return self.root / name

    @property
    def table(self) -> Path:
        return self.root / "demographics.csv"

    def options(self, *more: str) -> list[str]:
        return [
            "-expert", str(self.folder("expert")), "-automated", str(self.folder("automated")),
            "-np", "1", "--bootstrap", "50", "--metrics", "dice", *more,
        ]  # fmt: skip


def disc(radius: float, centre: tuple[float, float] = (20, 28)) -> np.ndarray:
    return blob(SHAPE, centre, (radius, 1.2 * radius)).astype(np.uint8)


def make_masks(root: Path, n: int = 40, n_expert: int | None = None, names=(OLD, YOUNG)) -> Audited:
    """Write expert, automated and further masks of n patients, half of them young.

    ``pred`` is equally good for everybody; ``learned`` (trained on automated masks) is as small as
    these, ``taught`` (trained on expert masks) is not; ``second`` is moved by one pixel.
    """
    rng = np.random.default_rng(3)
    rows, cases = ["case,patient,age,site"], []
    for number in range(n):
        case = f"case_{number:03d}"
        small = 2.0 * (number % 2)
        site = "AB"[number // 2 % 2]
        rows.append(f'{case},p{number},"{names[number % 2]}",{site}')
        cases.append(case)
        radius = 11 + rng.normal(0, 0.7)
        noise = rng.normal(0, 0.3, 4)
        expert = disc(radius)
        masks = {
            "automated": disc(radius - small + noise[0]),
            "pred/run_0": disc(radius + noise[1]),
            "pred/run_1": disc(radius + noise[2]),
            "learned/run_0": disc(radius - small + noise[2]),
            "learned/run_1": disc(radius - small + noise[3]),
            "taught/run_0": disc(radius + noise[1]),
            "taught/run_1": disc(radius + noise[3]),
            "second": np.roll(expert, 1, axis=1),
        }
        if n_expert is None or number < n_expert:
            masks["expert"] = expert
        for folder, mask in masks.items():
            write_mask(root / folder / f"{case}.png", mask)
    (root / "demographics.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    write_dataset_json(root, {"background": 0, "organ": 1})
    return Audited(root, tuple(cases))


if __name__ == "__main__":  # python -m tests.audit.factories FOLDER: masks to try the command on
    make_masks(Path(sys.argv[1]), 80, 40)
