"""How often sentences are wrong: a short version of ``benchmarks/calibration.py``."""

import importlib.util
import math
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

#: Cells of every kind, chosen because what was said before failed there.
CELLS = (
    "group: Dice, 3% zeros; 2 x 50",
    "group: beta Dice; 12 x 20",
    "group: Dice, 3% zeros; 5 to 200",
    "group: beta Dice; 1 against 5 images, rho 0.2",
    "coverage: Dice, 3% zeros; 10 + 10, worse by 0.05",
    "coverage: HD95, 3% capped; 20 + 20, worse by 0.05",
    "models: 2 models, one with half the SD, 8 x 20",
    "models: 12 equal models, 2 x 50",
    "trainings: 3 + 3, 2 x 50, large",
    "discovery: Dice, 3% zeros; 200 patients, 1 images",
    "discovery: detection; 200 patients, 5 images",
    "discovery: planted, 26 of 1,000 worse by 0.10",
)
STUDIES = 36
#: Monte-Carlo errors that a short run may be off by: one of some eighty claims may be by chance.
ERRORS = 3.5


@pytest.fixture(scope="module")
def calibration():
    path = Path(__file__).parents[2] / "benchmarks" / "calibration.py"
    spec = importlib.util.spec_from_file_location("calibration", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["calibration"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["calibration"]


def test_no_sentence_is_wrong_more_often_than_it_may_be(calibration, tmp_path: Path):
    cells = [cell for cell in calibration.all_cells() if cell.name in CELLS]
    assert len(cells) == len(CELLS)
    file = tmp_path / "studies.jsonl"
    calibration.run(cells, STUDIES, file, 2)
    found = calibration.read(file)
    broken = []
    for cell, claim, n, rate, error, limit, _ in calibration.rows(cells, found):
        at_least = next(c.limits[claim][1] for c in cells if c.name == cell)
        beyond = limit - rate if at_least else rate - limit
        if beyond > ERRORS * error + 1 / n:
            broken.append(f"{cell}: {claim} {rate:.3f}, limit {limit:g} ({n} studies)")
    assert not broken, "\n".join(broken)
    told = {claim for studies in found.values() for study in studies.values() for claim in study}
    for kind in ("group_difference", "failure_rate", "subgroup", "model_change", "rank"):
        assert any(claim.startswith(kind) for claim in told), f"nothing is said about {kind}"


def test_a_run_is_continued_where_it_was_stopped(calibration, tmp_path: Path):
    cells = [cell for cell in calibration.all_cells() if cell.name == CELLS[0]]
    file = tmp_path / "studies.jsonl"
    calibration.run(cells, 3, file, 1)
    first = file.read_text()
    file.write_text(first + '{"cell": "gro')  # the process was killed while it wrote
    calibration.run(cells, 5, file, 1)
    found = calibration.read(file)[CELLS[0]]
    assert sorted(found) == [0, 1, 2, 3, 4]
    assert all(math.isfinite(value) for study in found.values() for value in study.values())


def test_a_broken_rule_is_seen(calibration):
    cell = next(c for c in calibration.all_cells() if c.name == CELLS[0])
    always = {cell.name: {i: {"group_difference shown": 1.0} for i in range(20)}}
    assert [row[-1] for row in calibration.rows([cell], always)] == [False]
