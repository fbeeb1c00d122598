"""Cases with ``synthetic`` 1 are in no number of an evaluation, of masks or of scores."""

import json

import pandas as pd
import pytest

from nnunetv2_fair.cli.evaluate import main
from tests.evaluation.factories import make_dataset

NOTE = "3 synthetic cases (synthetic = 1 in the table) left out"


def marked(dataset, cases):
    table = pd.read_csv(dataset.table, dtype=str)
    table["synthetic"] = [str(int(case in cases)) for case in table["case"]]
    dataset.write_table(table.to_dict("records"))


def groups_of(out):
    return json.loads((out / "summary.json").read_text())["comparisons"]


@pytest.fixture
def dataset(tmp_path):
    return make_dataset(tmp_path, n_patients=8, cases_per_patient=1)


def test_masks_of_synthetic_cases_are_left_out(dataset, capsys):
    synthetic = dataset.cases[-3:]
    marked(dataset, synthetic)
    # one of them has no prediction: nobody has to predict it
    (dataset.predictions / f"{synthetic[0]}.png").unlink()
    assert main(dataset.arguments("out", "-a", "sex")) == 0
    rows = pd.read_csv(dataset.root / "out" / "per_case.csv")
    assert set(rows["case"]) == set(dataset.cases[:-3])
    summary = (dataset.root / "out" / "summary.json").read_text()
    assert NOTE in summary
    # the same numbers as where the files do not exist
    for case in synthetic:
        (dataset.references / f"{case}.png").unlink()
        (dataset.predictions / f"{case}.png").unlink(missing_ok=True)
    assert main(dataset.arguments("without", "-a", "sex")) == 0
    assert groups_of(dataset.root / "without") == groups_of(dataset.root / "out")


def test_scores_of_synthetic_cases_are_left_out(dataset):
    assert main(dataset.arguments("all", "-a", "sex")) == 0
    synthetic = dataset.cases[-3:]
    marked(dataset, synthetic)
    scores = dataset.root / "all" / "per_case.csv"
    arguments = [
        "--from-csv", str(scores), "--demographics", str(dataset.table), "-a", "sex",
        "--bootstrap", "50", "-o", str(dataset.root / "out"),
    ]  # fmt: skip
    assert main(arguments) == 0
    rows = pd.read_csv(dataset.root / "out" / "per_case.csv")
    assert set(rows["case"]) == set(dataset.cases[:-3])
    assert NOTE in (dataset.root / "out" / "summary.json").read_text()


def test_nothing_but_synthetic_cases_is_refused(dataset, capsys):
    assert main(dataset.arguments("all", "-a", "sex")) == 0
    scores = dataset.root / "all" / "per_case.csv"
    marked(dataset, dataset.cases)
    expected = "have synthetic = 1 in"
    assert main(dataset.arguments("out", "-a", "sex")) == 1
    assert expected in capsys.readouterr().err
    arguments = ["--from-csv", str(scores), "--demographics", str(dataset.table), "-a", "sex"]
    assert main([*arguments, "-o", str(dataset.root / "out")]) == 1
    assert expected in capsys.readouterr().err
    assert not (dataset.root / "out" / "summary.json").exists()
