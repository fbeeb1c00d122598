"""A test set that is large enough to be diagnosed."""

import shutil

import pytest

from tests.study.conftest import STUDY

DIAGNOSED = STUDY.replace("attributes: [sex, age]", "attributes: [sex]").replace(
    "  - nnUNetTrainerOversampling_{attribute}\n", ""
)


@pytest.fixture
def raw(raw):
    """Add 12 test cases, one of each patient."""
    rows = (raw / "demographics.csv").read_text().rstrip("\n")
    for number in range(12):
        case = f"more_{number:02d}"
        shutil.copy(raw / "imagesTs" / "case_024_0000.png", raw / "imagesTs" / f"{case}_0000.png")
        shutil.copy(raw / "labelsTs" / "case_024.png", raw / "labelsTs" / f"{case}.png")
        rows += f"\n{case},another{number},{'female' if number % 2 else 'male'},{40 + number}"
    (raw / "demographics.csv").write_text(rows + "\n")
    return raw
