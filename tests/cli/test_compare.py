"""``nnUNetv2_fair_compare`` on evaluations made by ``nnUNetv2_fair_evaluate`` from masks."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK

from nnunetv2_fair.cli import compare, evaluate
from nnunetv2_fair.evaluation.results.comparison import ModelComparison
from tests.report.html_check import check_page

SHAPE = (22, 30)


def ellipse(height: float, width: float) -> np.ndarray:
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return (((y - 10.5) / height) ** 2 + ((x - 14) / width) ** 2 < 1).astype(np.uint8)


def write_mask(mask: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = SimpleITK.GetImageFromArray(mask)
    image.SetSpacing((0.8, 1.5))
    SimpleITK.WriteImage(image, str(path))


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Twelve people; the baseline cuts women's masks, the other model cuts all a little."""
    folder = tmp_path_factory.mktemp("models")
    random = np.random.default_rng(4)
    rows = ["case,patient,sex"]
    for i in range(12):
        sex = "12"[i % 2]
        rows.append(f"case_{i:02d},p{i},{sex}")
        size = random.uniform(0.9, 1.1)
        write_mask(ellipse(8 * size, 11 * size), folder / "labelsTs" / f"case_{i:02d}.nii.gz")
        for model, share in (("first", {"1": 0.7, "2": 0.95}), ("second", {"1": 0.9, "2": 0.93})):
            mask = ellipse(8 * size * share[sex], 11 * size)
            write_mask(mask, folder / model / f"case_{i:02d}.nii.gz")
    (folder / "demographics.csv").write_text("\n".join(rows) + "\n")
    for model in ("first", "second"):
        assert run_evaluate(folder, model, folder / f"evaluation_{model}") == 0
    return folder


def run_evaluate(folder: Path, model: str, out: Path, *more: str) -> int:
    return evaluate.main(
        [
            "-gt", str(folder / "labelsTs"), "-pred", str(folder / model), "-o", str(out),
            "--demographics", str(folder / "demographics.csv"), "-a", "sex",
            "--bootstrap", "50", "-np", "1", *more,
        ]
    )  # fmt: skip


def run_compare(data: Path, out: Path, *more: str) -> int:
    folders = [str(data / "evaluation_first"), str(data / "evaluation_second")]
    return compare.main([*folders, "-o", str(out), "--bootstrap", "100", *more])


def test_writes_numbers_page_and_table(data, tmp_path, capsys):
    out = tmp_path / "new" / "comparison"
    assert run_compare(data, out, "--names", "plain", "balanced") == 0
    written = sorted(p.name for p in out.iterdir())
    assert written == [
        "comparison.html", "comparison.json", "figures", "manifest.json", "tables",
    ]  # fmt: skip
    assert [p.name for p in out.parent.iterdir()] == ["comparison"]
    result = ModelComparison.read(out)
    assert result.models == ("plain", "balanced")

    # paired differences, worked out from the per-case tables
    tables = [
        pd.read_csv(data / f"evaluation_{m}" / "per_case.csv", dtype={"sex": str})
        for m in ("first", "second")
    ]
    before, after = (table.set_index("case") for table in tables)
    found = result.entry("sex", "dice", "1").differences["balanced"]
    change = after["dice"] - before["dice"]
    assert found.overall.value == pytest.approx(change.mean())
    assert found.groups["1"].value == pytest.approx(change[before["sex"] == "1"].mean())
    assert found.groups["2"].value == pytest.approx(change[before["sex"] == "2"].mean())

    page = check_page((out / "comparison.html").read_text(encoding="utf-8"))
    assert "With balanced, the gap in Dice between the groups of sex is smaller" in page.text
    logged = capsys.readouterr().out
    assert "Dice by sex, 1" in logged
    assert "balanced" in logged
    assert f"Wrote {out / 'comparison.html'}" in logged


def test_names_default_to_the_prediction_folders_and_the_seed_repeats(data, tmp_path):
    assert run_compare(data, tmp_path / "a", "--seed", "3") == 0
    assert run_compare(data, tmp_path / "b", "--seed", "3") == 0
    assert run_compare(data, tmp_path / "c", "--seed", "4") == 0
    texts = [
        json.loads((tmp_path / name / "comparison.json").read_text(encoding="utf-8"))
        for name in "abc"
    ]
    assert texts[0]["models"] == ["first", "second"]
    assert texts[0]["entries"] == texts[1]["entries"]
    assert texts[0]["entries"] != texts[2]["entries"]


def refuse(capsys, code: int, expected: int, *words: str) -> None:
    assert code == expected
    message = capsys.readouterr().err
    for word in words:
        assert word in message, message
    assert "Traceback" not in message


def test_existing_output_needs_overwrite(data, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    refuse(capsys, run_compare(data, tmp_path), 2, str(tmp_path), "not empty", "--overwrite")
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]
    assert run_compare(data, tmp_path, "--overwrite") == 0
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_output_that_is_a_file_or_an_evaluation(data, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    refuse(capsys, run_compare(data, tmp_path / "file"), 2, "is a file", "choose a folder")
    code = run_compare(data, data / "evaluation_second", "--overwrite")
    refuse(capsys, code, 2, "is one of the evaluations", "another folder")
    assert not (data / "evaluation_second" / "comparison.json").exists()


def test_output_below_a_file(data, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    refuse(capsys, run_compare(data, tmp_path / "file" / "out"), 1, "cannot be written", "file")


def test_one_evaluation_is_not_enough(data, tmp_path, capsys):
    code = compare.main([str(data / "evaluation_first"), "-o", str(tmp_path / "o")])
    refuse(capsys, code, 2, "two or more", "baseline first")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--names", "only"], ("--names has 1 name for 2",)),
        (["--names", "same", "same"], ("same name", "--names")),
        (["--bootstrap", "-1"], ("--bootstrap -1", "0 or more")),
        (["--seed", "-2"], ("--seed -2",)),
    ],
)
def test_bad_usage(data, tmp_path, capsys, more, words):
    refuse(capsys, run_compare(data, tmp_path / "o", *more), 2, *words)
    assert not (tmp_path / "o").exists()


def test_folder_that_is_no_evaluation(data, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    code = compare.main(
        [str(data / "evaluation_first"), str(tmp_path / "empty"), "-o", str(tmp_path / "o")]
    )
    refuse(capsys, code, 1, str(tmp_path / "empty"), "summary.json", "nnUNetv2_fair_evaluate")


def test_damaged_evaluation(data, tmp_path, capsys):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "summary.json").write_text('{"format": 1')
    (broken / "per_case.csv").write_text("case\n")
    code = compare.main([str(data / "evaluation_first"), str(broken), "-o", str(tmp_path / "o")])
    refuse(capsys, code, 1, "summary.json", "is not JSON: it ends", "Evaluate again")


def test_different_cases_are_refused_or_reduced_to_the_common_ones(data, tmp_path, capsys):
    fewer = tmp_path / "fewer"
    fewer.mkdir()
    for path in sorted((data / "second").iterdir())[:-1]:
        os.link(path, fewer / path.name)
    out = tmp_path / "evaluation_fewer"
    assert run_evaluate(data, str(fewer), out, "--allow-missing") == 0
    capsys.readouterr()
    arguments = [str(data / "evaluation_first"), str(out), "-o", str(tmp_path / "o")]
    refuse(capsys, compare.main(arguments), 1, "case_11", "--common-cases")
    assert not (tmp_path / "o").exists()
    assert compare.main([*arguments, "--common-cases", "--bootstrap", "20"]) == 0
    assert ModelComparison.read(tmp_path / "o").entries[0].n_cases == 11
    assert "11 cases that all models have" in capsys.readouterr().out


def test_help_is_quick_and_imports_nothing_heavy():
    code = (
        "import sys\n"
        "from nnunetv2_fair.cli import compare\n"
        "try:\n    compare.main(['--help'])\n"
        "except SystemExit as stop:\n    assert stop.code == 0\n"
        "heavy = {'torch', 'nnunetv2', 'pandas', 'numpy', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--common-cases" in done.stdout
    assert "example:" in done.stdout


def test_shareable_pages_are_written_without_counts_of_few(data, tmp_path, capsys):
    rows = (data / "demographics.csv").read_text().splitlines()
    few = tmp_path / "demographics.csv"
    few.write_text("\n".join([row[:-1] + "3" if i in (2, 5) else row
                              for i, row in enumerate(rows)]) + "\n")  # fmt: skip
    folders = []
    for model in ("first", "second"):
        folders.append(str(tmp_path / model))
        assert run_evaluate(data, model, tmp_path / model, "--demographics", str(few)) == 0
    capsys.readouterr()
    out = tmp_path / "shared"
    assert compare.main([*folders, "-o", str(out), "--bootstrap", "50", "--shareable",
                         "--tables", "csv"]) == 0  # fmt: skip
    printed = capsys.readouterr().out
    page = (out / "comparison.html").read_text(encoding="utf-8")
    check_page(page)
    assert ModelComparison.read(out).shareable
    files = [path for path in out.rglob("*") if path.is_file() and path.suffix != ".png"]
    assert {path.suffix for path in files} >= {".svg", ".csv", ".html", ".json"}
    texts = [path.read_text(encoding="utf-8") for path in files]
    for text in (*texts, printed):
        assert "case_" not in text
        assert str(data) not in text
        assert "2 patients" not in text.replace("12 patients", "")


def test_shareable_pages_are_not_put_next_to_private_tables(data, tmp_path, capsys):
    out = tmp_path / "c"
    assert run_compare(data, out, "--tables", "csv") == 0
    capsys.readouterr()
    assert run_compare(data, out, "--shareable", "--overwrite") == 2
    message = capsys.readouterr().err
    assert "holds table_differences.csv, which may reveal individual patients" in message
    assert not ModelComparison.read(out).shareable


def test_shareable_pages_have_no_latent_space(data, tmp_path, capsys):
    assert run_compare(data, tmp_path / "c", "--shareable", "--latent", str(data)) == 2
    assert "Leave out --latent or --shareable" in capsys.readouterr().err
