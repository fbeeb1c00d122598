"""Presets, discovery, tables and scores of other tools on the command line."""

import csv
import json
from pathlib import Path

import pytest

from nnunetv2_fair.cli import compare
from nnunetv2_fair.cli.evaluate import main
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from tests.evaluation.factories import Dataset, make_dataset


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("sources"), n_patients=12, cases_per_patient=1)


def test_everything_at_once(dataset, capsys):
    more = ("-a", "sex", "--preset", "lee", "--discover", "--tables", "csv", "tex", "md")
    assert main(dataset.arguments("all", *more)) == 0
    printed = capsys.readouterr()
    assert "Median DSC" in printed.out + printed.err
    assert "Subgroups by Dice of all labels, averaged" in printed.out + printed.err
    out = dataset.root / "all"
    tables = {path.name for path in out.glob("table_*")}
    names = (
        "groups", "gaps", "tests", "pairs", "failures", "adjusted", "subgroups", "lee_1", "lee_2",
        "lee_3",
    )  # fmt: skip
    assert tables == {f"table_{name}.{end}" for name in names for end in ("csv", "tex", "md")}
    found = EvaluationResult.read(out)
    assert found.discovery.subgroups[0].items == {"sex": "female"}
    with (out / "table_groups.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * 2 * 3  # labels, metrics, groups with the overall one
    row = next(r for r in rows if r["Label"] == "average" and r["Group"] == "female")
    mean = found.comparison("sex", "dice", "average").groups["female"].mean
    assert float(row["Mean"]) == pytest.approx(mean, abs=5.1e-5)
    assert row["Mean 95% interval"].startswith("[")


def test_scores_are_read_back_and_compared(dataset, capsys):
    assert main(dataset.arguments("masks", "-a", "sex")) == 0
    scores = str(dataset.root / "masks" / "per_case.csv")
    out = dataset.root / "scores"
    assert main(["--from-csv", scores, "-a", "sex", "-o", str(out), "--bootstrap", "50"]) == 0
    first, second = (EvaluationResult.read(dataset.root / name) for name in ("masks", "scores"))
    assert repr(first.comparisons) == repr(second.comparisons)
    assert (out / "report.html").is_file()
    both = [str(dataset.root / "masks"), str(out), "--names", "a", "b"]
    arguments = [*both, "-o", str(dataset.root / "compared"), "--bootstrap", "20"]
    code = compare.main([*arguments, "--tables", "csv"])
    message = capsys.readouterr().err
    # tolerance and regions are not known of a table
    assert code == 1
    assert "different settings" in message
    third = dataset.root / "again"
    assert main(["--from-csv", scores, "-a", "sex", "-o", str(third), "--bootstrap", "50"]) == 0
    arguments[0] = str(third)
    assert compare.main([*arguments, "--tables", "csv"]) == 0
    written = {path.name for path in (dataset.root / "compared").glob("table_*")}
    assert written == {
        "table_models.csv", "table_model_gaps.csv", "table_differences.csv"
    }  # fmt: skip
    with (dataset.root / "compared" / "table_differences.csv").open(encoding="utf-8") as file:
        assert {float(r["Difference"]) for r in csv.DictReader(file)} == {0.0}


def test_nnunets_own_summary(dataset):
    cases = [
        {
            "prediction_file": str(dataset.predictions / f"{case}.png"),
            "reference_file": str(dataset.references / f"{case}.png"),
            "metrics": {"1": {"Dice": 0.5 + i / 50, "IoU": 0.4, "n_ref": 9, "n_pred": 8}},
        }
        for i, case in enumerate(dataset.cases)
    ]
    path = dataset.root / "nnunet_summary.json"
    path.write_text(json.dumps({"metric_per_case": cases}))
    out = dataset.root / "summary"
    arguments = ["--from-summary", str(path), "--demographics", str(dataset.table), "-a", "sex"]
    assert main([*arguments, "-o", str(out), "--bootstrap", "20"]) == 0
    found = EvaluationResult.read(out)
    assert [metric.name for metric in found.metrics] == ["dice", "iou"]
    assert found.comparison("sex", "dice", "1").overall.n_cases == 12


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Evaluate one thing: found nothing"),
        (["-gt", "a"], "-pred is missing"),
        (["--from-csv", "a", "-gt", "b"], "found -gt and -pred, --from-csv"),
        (["--from-csv", "a", "--metrics", "dice"], "--metrics applies to masks"),
        (["--from-csv", "a", "--shard", "1/2"], "--shard applies to masks"),
        (["--from-csv", "a", "--preset", "mama-mia"], "measures masks itself"),
        (["--from-csv", "a", "--score", "x=up"], "expected higher or lower"),
        (["--from-summary", "a", "--score", "x=lower"], "--score applies only to the columns"),
        (["--from-csv", "a", "--discover", "--min-support", "0"], "expected a share above 0"),
        (["--from-csv", "a", "--discover", "--permutations", "9"], "fewer than 20; expected 999"),
        (["--from-csv", "a", "--confirm"], "--confirm tests what --discover finds"),
        (["-gt", "a", "-pred", "b", "--shareable", "--discover"], "--shareable writes neither"),
    ],
)
def test_what_cannot_be_meant(arguments, message, capsys, tmp_path: Path):
    assert main([*arguments, "-o", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_shared_folder_holds_no_table_of_an_earlier_run(dataset, capsys):
    folder = dataset.root / "was_private"
    folder.mkdir()
    (folder / "table_groups.csv").write_text("private")
    assert main(dataset.arguments("was_private", "--shareable", "--overwrite")) == 2
    assert "holds table_groups.csv, which may reveal individual patients" in capsys.readouterr().err
