import csv
import json
from pathlib import Path

import pytest

from nnunetv2_fair.cli.compare import main as compare
from nnunetv2_fair.cli.evaluate import main
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from tests.evaluation.factories import Dataset, make_dataset
from tests.report.html_check import check_page


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    made = make_dataset(tmp_path, n_patients=17, cases_per_patient=1)
    # three people of a third sex, one of unknown sex
    lines = made.table.read_text().splitlines()
    for row in (2, 5, 8):
        lines[row] = lines[row].replace(",male,", ",x,").replace(",female,", ",x,")
    lines[9] = lines[9].replace(",male,", ",,").replace(",female,", ",,")
    made.table.write_text("\n".join(lines) + "\n")
    return made


SHARED = ["figures", "manifest.json", "report.html", "summary.json", "tables"]


def test_writes_only_what_may_be_shared(dataset, capsys):
    arguments = ["-a", "sex", "age", "sex+age", "--bins", "age=60", "--shareable", "-np", "2"]
    assert main(dataset.arguments("shared", *arguments)) == 0
    out = dataset.root / "shared"
    assert sorted(path.name for path in out.iterdir()) == SHARED
    page = (out / "report.html").read_text(encoding="utf-8")
    written = [path for path in out.rglob("*") if path.suffix in (".json", ".svg", ".csv")]
    assert len(written) > 10
    text = page + "".join(path.read_text(encoding="utf-8") for path in written)
    text += capsys.readouterr().out
    for case in dataset.cases:
        assert case not in text
    assert str(dataset.root) not in page
    check_page(page)
    summary = json.loads((out / "summary.json").read_text())
    assert summary["shareable"] is True
    assert summary["settings"]["patients"] == 17
    told = {
        group: entry["n_patients"]
        for comparison in summary["comparisons"]
        if comparison["attribute"] == "sex"
        for group, entry in comparison["groups"].items()
    }
    assert told["x"] is None
    assert [told["female"], told["male"]].count(None) >= 1
    assert all(entry["overall"]["n_patients"] is None for entry in summary["comparisons"]
               if entry["attribute"] == "sex")  # fmt: skip
    assert EvaluationResult.read(out).shareable


def test_an_attribute_of_which_nothing_may_be_shown(tmp_path, capsys):
    made = make_dataset(tmp_path, n_patients=6, cases_per_patient=1)
    arguments = ["-a", "sex", "--shareable", "--min-patients", "3", "--paper"]
    assert main(made.arguments("shared", *arguments)) == 0
    said = capsys.readouterr().out
    assert "  - Nothing is shown of its groups." in said
    assert "Note: Nothing is shown of 'sex': too many of its groups have fewer than 5" in said
    page = (tmp_path / "shared" / "report.html").read_text(encoding="utf-8")
    assert "Nothing is shown of &#39;sex&#39;: too many of its groups" in page
    check_page(page)
    told = json.loads((tmp_path / "shared" / "summary.json").read_text())
    assert told["findings"] == []


def test_an_earlier_report_on_the_same_patients_is_allowed_for(dataset, capsys):
    shared = str(dataset.root / "shared")
    first = ["-a", "age", "--bins", "age=60"]
    assert main(dataset.arguments("shared", *first, "--shareable")) == 0
    against = ["--against", shared]
    # all groups of the earlier report, and more
    assert (
        main(dataset.arguments("again", "-a", "age", "sex", *first[2:], "--shareable", *against))
        == 0
    )
    page = (dataset.root / "again" / "report.html").read_text(encoding="utf-8")
    assert "Compared with earlier shareable reports" in page
    assert "can be subtracted from this one" in page
    capsys.readouterr()
    other = ["-a", "age", "--bins", "age=55", *against]
    for how in ("--shareable", "--paper"):
        assert main(dataset.arguments("other", *other, how)) == 1
        told = capsys.readouterr().err
        assert f"Beside {shared}, this report would reveal something about fewer than 5" in told
        assert "'age' has other groups there" in told
        assert not (dataset.root / "other" / "report.html").exists()
    assert main(dataset.arguments("private", "-a", "sex", *against)) == 2
    assert "pass --shareable or --paper too" in capsys.readouterr().err
    assert main(dataset.arguments("exact", "-a", "sex", "--paper", "exact", *against)) == 2


def test_tables_hide_what_the_page_hides(dataset):
    more = ["-a", "sex", "--shareable", "--tables", "csv", "md", "tex"]
    assert main(dataset.arguments("shared", *more)) == 0
    out = dataset.root / "shared"
    tables = [path for path in out.iterdir() if path.name.startswith("table_")]
    assert len(tables) >= 3
    for path in tables:
        text = path.read_text(encoding="utf-8")
        assert "None" not in text
        assert "nan" not in text
        for case in dataset.cases:
            assert case not in text
    rows = list(csv.DictReader((out / "table_groups.csv").open(encoding="utf-8", newline="")))
    of_x = [row for row in rows if "x" in row.values()]
    assert of_x
    summary = json.loads((out / "summary.json").read_text())
    known = {str(number) for number in _numbers(summary)}
    for row in of_x:
        assert not {cell for cell in row.values() if cell.isdecimal()} - known


def _numbers(value) -> list[int]:
    """All whole numbers of a summary."""
    if isinstance(value, dict):
        return [number for entry in value.values() for number in _numbers(entry)]
    if isinstance(value, list):
        return [number for entry in value for number in _numbers(entry)]
    return [value] if isinstance(value, int) else []


def test_results_of_other_tools_are_shared_too(dataset):
    assert main(dataset.arguments("out", "-a", "sex")) == 0
    arguments = [
        "--from-csv", str(dataset.root / "out" / "per_case.csv"), "--demographics",
        str(dataset.table), "-a", "sex", "-o", str(dataset.root / "shared"), "--shareable",
        "--bootstrap", "20",
    ]  # fmt: skip
    assert main(arguments) == 0
    names = sorted(path.name for path in (dataset.root / "shared").iterdir())
    assert names == SHARED
    told = EvaluationResult.read(dataset.root / "shared")
    assert told.comparison("sex", "dice", told.headline_label).groups["x"].n_patients is None


def test_a_folder_with_private_results_is_refused(dataset, capsys):
    assert main(dataset.arguments("out", "-a", "sex")) == 0
    before = (dataset.root / "out" / "summary.json").read_bytes()
    capsys.readouterr()
    assert main(dataset.arguments("out", "-a", "sex", "--shareable", "--overwrite")) == 2
    message = capsys.readouterr().err
    assert "holds per_case.csv, which may reveal individual patients" in message
    assert "Choose another -o for --shareable" in message
    assert (dataset.root / "out" / "summary.json").read_bytes() == before


def test_what_was_measured_is_never_in_the_folder_to_share(dataset, capsys):
    broken = dataset.predictions / f"{dataset.cases[4]}.png"
    good = broken.read_bytes()
    broken.write_bytes(good[:70])
    arguments = ["-a", "sex", "--shareable"]
    assert main(dataset.arguments("shared", *arguments)) == 1
    shared, kept = dataset.root / "shared", dataset.root / "shared_measured"
    assert not shared.exists()
    assert len((kept / "measured_cases.jsonl").read_text().splitlines()) == 16
    broken.write_bytes(good)
    capsys.readouterr()
    assert main(dataset.arguments("shared", *arguments)) == 0
    assert "16/17 " in capsys.readouterr().err  # the others were taken from there
    assert not kept.exists()
    assert sorted(path.name for path in shared.iterdir()) == SHARED


def test_shards_of_a_shareable_evaluation_are_put_together(dataset):
    arguments = ["-a", "sex", "--shareable"]
    for number in (1, 2):
        assert main(dataset.arguments("shared", *arguments, "--shard", f"{number}/2")) == 0
        assert not (dataset.root / "shared").exists()
    assert main(dataset.arguments("shared", *arguments, "--merge")) == 0
    assert not (dataset.root / "shared_measured").exists()
    assert EvaluationResult.read(dataset.root / "shared").shareable


def test_a_folder_with_measured_cases_is_refused(dataset, capsys):
    kept = dataset.root / "out" / "measured_cases.jsonl"
    kept.parent.mkdir()
    kept.write_text("{}\n")
    assert main(dataset.arguments("out", "-a", "sex", "--shareable")) == 2
    assert "holds measured_cases.jsonl, which may reveal individual" in capsys.readouterr().err
    assert kept.read_text() == "{}\n"


def test_too_few_patients_are_refused(tmp_path, capsys):
    few = make_dataset(tmp_path, n_patients=4, cases_per_patient=2)
    assert main(few.arguments("shared", "-a", "sex", "--shareable")) == 1
    message = capsys.readouterr().err
    assert "Only 4 patients were evaluated" in message
    assert not (tmp_path / "shared" / "summary.json").exists()


def test_shareable_evaluations_cannot_be_compared(dataset, capsys):
    assert main(dataset.arguments("shared", "-a", "sex", "--shareable")) == 0
    assert main(dataset.arguments("out", "-a", "sex", "--name", "private")) == 0
    capsys.readouterr()
    folders = [str(dataset.root / name) for name in ("out", "shared")]
    assert compare([*folders, "-o", str(dataset.root / "comparison")]) == 1
    message = capsys.readouterr().err
    assert "Made with --shareable" in message
    assert "predictions" in message
    assert not (dataset.root / "comparison").exists()
