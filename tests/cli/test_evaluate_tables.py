"""Messy tables through the command: what is refused can be mended with what the message says."""

import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nnunetv2_fair.cli.evaluate import main
from nnunetv2_fair.evaluation.disclosure.of_evaluation import shareable
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult

GENDERS = ("F", "f", "Female", "M", "m", "Male", "unknown", "Female")
N = 24


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Masks whose names end in _mask and _seg, and a table of a hospital."""
    rows = ["Filename;PatID;Gender;Age [years];Born"]
    for part in ("gt", "pred"):
        (tmp_path / part).mkdir()
    for i in range(N):
        mask = np.zeros((20, 24), np.uint8)
        mask[4:12, 5 : 14 + i % 3] = 1
        Image.fromarray(mask).save(tmp_path / "gt" / f"{i:03d}_mask.png")
        Image.fromarray(np.roll(mask, i % 3, 0)).save(tmp_path / "pred" / f"{i:03d}_seg.png")
        age = (f"{40 + i}", f"{40 + i} y", f"0{40 + i}Y", "n/a")[i % 4]
        rows.append(f"{i};{i};{GENDERS[i % 8]};{age};0{1 + i % 9}.03.1960")
    (tmp_path / "people.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def run(folder: Path, *options: str) -> int:
    return main(
        ["-gt", str(folder / "gt"), "-pred", str(folder / "pred"), "--demographics",
         str(folder / "people.csv"), "-a", "sex", "age", "-o", str(folder / "out"), "-np", "1",
         "--bootstrap", "20", *options]
    )  # fmt: skip


def offered(message: str, begin: str) -> list[str]:
    """The options that stand behind some words of a message, as a shell would split them."""
    return shlex.split(message.split(begin)[1].strip().split("\n")[0].removesuffix("."))


def test_each_refusal_offers_options_that_work(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert run(folder) == 1
    message = capsys.readouterr().err
    assert "Name them: --columns case=Filename sex=Gender" in message
    assert "'sex' has the same level in several spellings" in message
    assert "'41 y' is not a number, but 'age' is numeric" in message
    options = offered(message, "add to the command: ")
    assert options[:3] == ["--columns", "case=Filename", "sex=Gender"]
    assert run(folder, *options) == 1
    message = capsys.readouterr().err
    assert "Nothing was evaluated" in message
    assert not (folder / "out").exists()
    options += ["--suffix-gt", "_mask", "--suffix-pred", "_seg", "--labels", "disc=1"]
    assert run(folder, *options) == 0
    printed = capsys.readouterr().out
    assert "Groups of sex, disc" in printed
    assert "leading zeros that the table has lost are restored (0 -> 000, 1 -> 001" in printed
    assert "'sex' is 'unknown' in 3 rows: read as unknown" in printed
    groups = {line.split()[0] for line in printed.splitlines() if line.startswith("  ")}
    assert {"female", "male"} <= groups
    assert not groups & {"F", "f", "M", "m", "Male", "Female", "unknown", "n/a"}


def test_suffixes_are_offered(folder: Path, capsys: pytest.CaptureFixture[str]):
    table = folder / "people.csv"
    table.write_text("case,sex,age\n" + "".join(f"{i:03d},{'fm'[i % 2]},40\n" for i in range(N)))
    assert run(folder) == 1
    message = capsys.readouterr().err
    assert "The files end in '_mask': --suffix-gt _mask" in message
    assert run(folder, "--suffix-gt", "_mask") == 1
    assert "The predictions end in '_seg': --suffix-pred _seg" in capsys.readouterr().err
    assert run(folder, "--suffix-gt", "_mask", "--suffix-pred", "_seg") == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--labels", "a=0"), "'a' is 0, the background"),
        (("--labels", "a=1", "b=1"), "1 has several names"),
        (("--labels", "a"), "expected a form such as --labels lungs=1"),
        (("--labels", "a=1", "--dataset-json", "x.json"), "both name the labels"),
        (("--bins", "age=50,50"), "expected different numbers separated by commas"),
        (("--range", "age=9,1"), "expected lowest and highest"),
        (("--values", "sex"), "expected an attribute and pairs"),
        (("--values", "sex", "F=female", "--values", "sex", "F=male"), "is 'female' and that it"),
        (("--columns", "nowhere.json"), "or a JSON file"),
        (("--sheet", "one"), "applies to XLSX files"),
    ],
)
def test_wrong_options(folder: Path, capsys, options, message: str):
    table = folder / "people.csv"
    table.write_text(
        "case,sex,age\n" + "".join(f"{i:03d},{'fm'[i % 2]},{40 + i}\n" for i in range(N))
    )
    assert run(folder, "--suffix-gt", "_mask", "--suffix-pred", "_seg", *options) in (1, 2)
    assert message in capsys.readouterr().err
    assert not (folder / "out").exists()


def test_columns_that_nobody_asked_for_may_be_messy(folder: Path):
    table = folder / "people.csv"
    rows = "".join(f"{i:03d},{'fm'[i % 2]},{40 + i},{('x', 'X', 'NA')[i % 3]}\n" for i in range(N))
    table.write_text("case,sex,age,stage\n" + rows)
    assert run(folder, "--suffix-gt", "_mask", "--suffix-pred", "_seg") == 0


def test_scores_of_other_tools_have_the_same_checks(tmp_path: Path, capsys):
    scores = tmp_path / "scores.csv"
    rows = "".join(f"c{i},0.{50 + i},{GENDERS[i % 8]}\n" for i in range(N))
    scores.write_text("case,dice,Gender\n" + rows)
    arguments = ["--from-csv", str(scores), "-a", "sex", "-o", str(tmp_path / "out"),
                 "--bootstrap", "20"]  # fmt: skip
    assert main(arguments) == 1
    options = offered(capsys.readouterr().err, "Name it: ")
    assert main([*arguments, *options]) == 1
    options += offered(capsys.readouterr().err, "add to the command: ")
    assert main([*arguments, *options]) == 0
    assert "between female and male" in " ".join(capsys.readouterr().out.split())


def test_what_was_decided_is_told_once_and_kept_in_the_private_result(
    folder: Path, capsys: pytest.CaptureFixture[str]
):
    options = (
        "--columns", "case=Filename", "sex=Gender", "patient=PatID", "age=Age [years]",
        "--values", "sex", "F=female", "f=female", "Female=female", "M=male", "m=male",
        "Male=male", "--dicom-age", "age", "--suffix-gt", "_mask", "--suffix-pred", "_seg",
        "--labels", "disc=1", "--bins", "age=50",
    )  # fmt: skip
    assert run(folder, *options) == 0
    printed = capsys.readouterr().out
    result = EvaluationResult.read(folder / "out")
    notes = [note for note in result.notes if note.startswith("people.csv: ")]
    assert notes
    for note in notes:
        assert printed.count(f"Note: {note}") == 1
    assert not any(note.startswith("people.csv") for note in shareable(result).notes)
