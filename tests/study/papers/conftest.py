"""A study whose methods were evaluated on made-up scores, by the real command."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nnunetv2_fair.cli import evaluate
from nnunetv2_fair.study.asked import Asked, Place
from nnunetv2_fair.study.papers.write import write_papers
from tests.study.finished_study import DATASET, StudyFolder, add_evaluation, attempt

PLACE = Place(DATASET, "2d", "nnUNetPlans", "internal")
BASELINE = "nnUNetTrainer"
HALF = "nnUNetTrainerOversampling_ethnicity_level0.5"
FULL = "nnUNetTrainerOversampling_ethnicity"
#: Trainer -> by how much the group Black is segmented worse.
DROPS = {BASELINE: 0.06, HALF: 0.03, FULL: 0.0}
SIZES = {"White": 60, "Black": 45, "Other": 3}


def scores(drop: float, seed: int) -> pd.DataFrame:
    """Two labels of every person, one image each."""
    rng = np.random.default_rng(seed)
    rows = []
    for number, group in enumerate(g for g, n in SIZES.items() for _ in range(n)):
        about = (f"case_{number:03d}", f"p{number:03d}", group, "female" if number % 2 else "male")
        for label in ("left", "right"):
            dice = float(np.clip(0.88 - drop * (group == "Black") + rng.normal(0, 0.03), 0, 1))
            rows.append((*about, label, dice, 5 + 40 * (0.9 - dice)))
    columns = ["case", "patient", "ethnicity", "sex", "label", "dice", "hd_mm"]
    return pd.DataFrame(rows, columns=columns)


def evaluated(study: StudyFolder, trainer: str, frame: pd.DataFrame, *options: str) -> None:
    source = study.root / f"{trainer}.csv"
    frame.to_csv(source, index=False)
    out = study.root / "evaluations" / DATASET / "2d" / "internal" / trainer
    arguments = ["--from-csv", source, "-o", out, "--name", trainer, "-a", "ethnicity", "sex",
                 "ethnicity+sex", "--reference", "ethnicity=White", "--bootstrap", "60",
                 *options]  # fmt: skip
    assert evaluate.main([str(argument) for argument in arguments]) == 0
    study.done(add_evaluation(study, trainer), attempt(1))


@pytest.fixture(scope="session")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a study with three methods."""
    root = tmp_path_factory.mktemp("scored")
    study = StudyFolder(root)
    for seed, (trainer, drop) in enumerate(DROPS.items()):
        evaluated(study, trainer, scores(drop, seed))
    return root


@pytest.fixture
def ask() -> Callable[..., Asked]:
    """What is asked for, of two of the methods by ethnicity, with one that is missing."""
    usual = Asked(
        True,
        "it",
        places=(PLACE,),
        methods={"Plain": BASELINE, "Balanced": FULL},
        missing={"Cropped": "crops"},
        by="ethnicity",
        baseline=BASELINE,
    )

    def make(kind: str, **fields: object) -> Asked:
        return replace(usual, kind=kind, **fields)

    return make


@pytest.fixture
def write(scored: Path) -> Callable[[Sequence[Asked]], dict[str, str]]:
    """Write what is asked for; return the text files by path."""

    def run(asked: Sequence[Asked]) -> dict[str, str]:
        write_papers(scored, asked)
        files = [p for name in ("paper", "paper_exact") for p in (scored / name).iterdir()]
        return {
            p.relative_to(scored).as_posix(): p.read_text() for p in files if p.suffix != ".png"
        }

    return run
