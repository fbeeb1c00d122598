"""What commands make of damaged and hostile files: a short version of ``benchmarks/fuzz.py``."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "fuzz.py"
#: The study's own door is left out: it asks for trainers in a new process each time.
DOORS = (
    "table", "workbook", "dictionary", "scores", "summary", "masks", "dataset_json", "splits",
    "compare", "boxes", "image_folder", "fairseg", "tusc", "mama_mia", "ukbb_cmr",
    "crop", "cascade", "downstream",
)  # fmt: skip


def test_nothing_happens_that_must_not(tmp_path: Path):
    results = tmp_path / "fuzz.jsonl"
    command = [sys.executable, SCRIPT, "--inputs", "70", "--seed", "1", "--doors", *DOORS]
    done = subprocess.run([*command, "-o", results], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    records = [json.loads(line) for line in results.read_text().splitlines()]
    assert len(records) >= 55
    assert {record["door"] for record in records} == set(DOORS)
    outcomes = [record["outcome"] for record in records]
    assert outcomes.count("accepted") > 5
    assert outcomes.count("refused") > 20
