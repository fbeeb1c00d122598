"""An nnU-Net dataset with a table as people keep it becomes one with demographics."""

import json
import shlex
from pathlib import Path

import pandas as pd
import pytest
from openpyxl import Workbook

from nnunetv2_fair.cli.doctor import main as doctor
from nnunetv2_fair.cli.prepare import main
from tests.nnunet_dataset import N_TEST, N_TRAIN, NAME, write_raw

N = N_TRAIN + N_TEST


@pytest.fixture
def raw(nnunet_folders: dict[str, Path]) -> Path:
    write_raw(nnunet_folders["nnUNet_raw"])
    folder = nnunet_folders["nnUNet_raw"] / NAME
    for name in ("demographics.csv", "demographics.json"):
        (folder / name).unlink()
    return folder


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    code = main(["-d", "901", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def messy_rows() -> list[list[str]]:
    rows = [["Datei", "Pat.-Nr.", "Geschlecht", "Alter (Jahre)", "BMI", "Bemerkung"]]
    for i in range(N):
        case = (f"case_{i:03d}", f"CASE_{i:03d}", f"case_{i:03d}.png", f"Case {i:03d}")[i % 4]
        sex = ("w", "m", "Frau", "M", "unbekannt" if i > 5 else "k.A.")[i % 5]
        age = (f"{30 + i}", f"{30 + i} J.", "")[i % 3]
        rows.append([case, f"P{i // 2}", sex, age, f"{20 + i},5", f"text {i}"])
    rows.append(["case_099", "P99", "w", "50", "22,0", ""])
    return rows


def write_xlsx(path: Path, rows: list[list[str]]) -> None:
    book = Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)


def test_a_messy_spreadsheet_becomes_a_dataset_in_two_commands(raw: Path, capsys):
    write_xlsx(raw / "Liste.xlsx", messy_rows())
    code, _, err = run(capsys)
    assert code == 1
    assert err.rstrip().endswith("then run: nnUNetv2_fair_prepare -d 901 --describe")
    arguments = ["--describe", "-a", "Geschlecht", "Alter", "BMI"]
    code, _, err = run(capsys, *arguments)
    assert code == 1
    assert not (raw / "demographics.json").exists()
    assert "'Geschlecht' has the same level in several spellings" in err
    arguments += shlex.split(err.split("add to the command: ")[1])
    code, out, err = run(capsys, *arguments)
    assert (code, err) == (0, "")
    assert "column 'Datei' is taken for the case: it holds the names of 30 of 30" in out
    assert "column 'Pat.-Nr.' is taken for the patient" in out
    assert f"{N} of {N + 1} rows are cases of the dataset" in out
    assert "left out, no such case: case_099" in out
    assert "15 patients" in out
    assert "Geschlecht: column 'Geschlecht', 2 levels: female 12, male 12; unknown 6" in out
    assert "Alter: column 'Alter (Jahre)', numbers from 30 to 58 years, cut into" in out
    assert "decimal commas are read as points" in out
    assert "'Geschlecht' differs between cases of the same patient" in out
    schema = json.loads((raw / "demographics.json").read_text())
    assert schema["default"] == "Geschlecht"
    assert schema["attributes"]["Geschlecht"]["levels"] == ["female", "male"]
    assert list(schema["attributes"]) == ["Geschlecht", "Alter", "BMI"]
    table = pd.read_csv(raw / "demographics.csv", dtype=str, keep_default_na=False)
    assert list(table["case"]) == [f"case_{i:03d}" for i in range(N)]
    assert list(table.columns) == ["case", "patient", "Geschlecht", "Alter", "BMI"]
    assert list(table["BMI"][:2]) == ["20.5", "21.5"]
    assert sorted(p.name for p in raw.iterdir() if p.is_file()) == [
        "Liste.xlsx", "dataset.json", "demographics.csv", "demographics.json",
    ]  # fmt: skip
    code, out, err = run(capsys, "--folds", "3")
    assert (code, err) == (0, "")
    assert "24 training and 6 test cases of 15 patients" in out


def test_a_draft_puts_spellings_together_and_says_so(raw: Path, capsys):
    rows = messy_rows()
    for row in rows:
        row[2] = row[2].replace("k.A.", "unbekannt")
    write_xlsx(raw / "Liste.xlsx", rows)
    code, out, err = run(capsys, "--describe")
    assert (code, err) == (0, "")
    assert "spellings of 'Geschlecht' were put together: 'Frau', 'w' as female; 'M', 'm' as" in out
    assert "'Alter': ages with a unit were read as years" in out
    table = pd.read_csv(raw / "demographics.csv", dtype=str, keep_default_na=False)
    assert set(table["Geschlecht"]) == {"female", "male", ""}
    line = next(line for line in out.splitlines() if "spellings of" in line)
    command = shlex.split(line.split("not the same: ")[1])
    assert main(command[1:]) == 0
    table = pd.read_csv(raw / "demographics.csv", dtype=str, keep_default_na=False)
    assert set(table["Geschlecht"]) == {"w", "m", "Frau", "M", ""}


def test_spellings_of_which_one_is_right_can_be_taken_apart_again(raw: Path, capsys):
    rows = [f"case_{i:03d},{('White', 'white', 'Black')[i % 3]}" for i in range(N)]
    (raw / "a.csv").write_text("\n".join(["case,race", *rows]))
    code, out, _ = run(capsys, "--describe")
    assert code == 0
    line = next(line for line in out.splitlines() if "spellings of" in line)
    assert "put together: 'White', 'white' as White. If" in line
    assert main(shlex.split(line.split("not the same: ")[1])[1:]) == 0
    table = pd.read_csv(raw / "demographics.csv")
    assert dict(table["race"].value_counts()) == {"White": 10, "white": 10, "Black": 10}


def test_what_to_check_can_be_pasted(raw: Path, capsys):
    rows = [["case", "smoker", "age"]]
    rows += [[f"case_{i:03d}", "011"[i % 3] if i else "2", str(40 + i)] for i in range(N)]
    (raw / "my people.csv").write_text("\n".join(map(",".join, rows)))
    code, out, _ = run(capsys, "--describe")
    assert code == 0
    assert "every case is its own patient" in out
    lines = [line for line in out.splitlines() if line.startswith("  - ")]
    assert lines[0].endswith("--columns patient=<column>")
    assert "'smoker': 2 (1) has fewer than 5 patients, too few for gaps and tests" in out
    codes = next(line for line in lines if "codes for levels" in line).split("names: ")[1]
    command = shlex.split(codes.replace("<level>", "a level"))
    assert command[:3] == ["nnUNetv2_fair_prepare", "-d", "901"]
    assert main(command[1:]) == 0
    cuts = next(line for line in lines if "quartiles" in line).split("elsewhere: ")[1]
    assert main(shlex.split(cuts)[1:]) == 0
    schema = json.loads((raw / "demographics.json").read_text())
    assert schema["attributes"]["age"]["bins"]["edges"][1:-1] == [47, 54, 62]


def test_a_plain_table_stays_as_it_is(raw: Path, capsys):
    rows = [["case", "patient", "sex", "free text"]]
    rows += [[f"case_{i:03d}", f"p{i}", "fm"[i % 2], f"t{i}"] for i in range(N)]
    path = raw / "demographics.csv"
    path.write_text("\n".join(map(",".join, rows)))
    before = path.read_bytes()
    code, _, err = run(capsys)
    assert code == 1
    assert err.rstrip().endswith("To write it: nnUNetv2_fair_prepare -d 901 --describe")
    assert doctor([]) == 1
    assert "To write it: nnUNetv2_fair_prepare -d 901 --describe" in capsys.readouterr().err
    code, out, _ = run(capsys, "--describe")
    assert code == 0
    assert path.read_bytes() == before
    assert f"Wrote {raw}: demographics.json\n" in out
    assert not (raw / "demographics_original.csv").exists()
    assert main(["-d", "901"]) == 0


def test_a_table_that_has_to_be_written_again_is_kept(raw: Path, capsys):
    rows = [["case", "sex"]] + [[f"case_{i:03d}.png", "fm"[i % 2]] for i in range(N)]
    path, original = raw / "demographics.csv", raw / "demographics_original.csv"
    path.write_text("\n".join(map(",".join, rows)))
    before = path.read_bytes()
    assert run(capsys, "--describe")[0] == 0
    assert original.read_bytes() == before
    assert path.read_text().splitlines()[1] == "case_000,case_000,f"
    # a second run reads the original again
    assert run(capsys, "--describe")[0] == 2
    options = ["--overwrite", "--values", "sex", "f=female", "m=male"]
    assert run(capsys, "--describe", *options)[0] == 0
    assert original.read_bytes() == before
    assert path.read_text().splitlines()[1] == "case_000,case_000,female"
    # one that was edited since then may be meant
    path.write_text("\n".join(map(",".join, rows)))
    assert run(capsys, "--describe", "--overwrite", "--demographics", "demographics.csv")[0] == 0


def write_tables(raw: Path, *names: str) -> None:
    rows = ["case,sex"] + [f"case_{i:03d},{'fm'[i % 2]}" for i in range(N)]
    for name in names:
        (raw / name).write_text("\n".join(rows))


@pytest.mark.parametrize(
    ("tables", "arguments", "code", "message"),
    [
        ((), (), 1, "holds no table. Put one there"),
        (("a.csv", "b.tsv"), (), 2, "holds 2 tables: a.csv, b.tsv. Name the right one: "
         "--demographics a.csv"),
        (("a.csv",), ("--demographics", "c.csv"), 1, "There is no table c.csv in"),
        (("a.csv", "demographics.csv"), ("--demographics", "a.csv"), 2,
         "demographics.csv exists in"),
        (("a.csv",), ("-a", "age"), 1, "no column 'age'"),
        (("a.csv",), ("--bins", "age=50"), 2, "--bins names the attribute 'age'"),
    ],
)  # fmt: skip
def test_refusals_write_nothing(raw: Path, capsys, tables, arguments, code, message):
    write_tables(raw, *tables)
    before = {path.name: path.read_bytes() for path in raw.iterdir() if path.is_file()}
    found, _, err = run(capsys, "--describe", *arguments)
    assert found == code
    assert message in err
    assert {p.name: p.read_bytes() for p in raw.iterdir() if p.is_file()} == before


def test_cases_without_a_row_are_refused(raw: Path, capsys):
    write_tables(raw, "a.csv")
    path = raw / "a.csv"
    path.write_text(path.read_text().replace("case_007", "case_o07"))
    code, _, err = run(capsys, "--describe")
    assert code == 1
    assert "no row for 1 case of" in err
    assert ": case_007" in err
    assert not (raw / "demographics.json").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-a", "sex", "age"), "join the attributes: -a sex+age"),
        (("--demographics", "x.csv"), "--demographics belongs to --describe"),
        (("--range", "age=0,99"), "--range belongs to --describe"),
    ],
)
def test_options_of_describe_alone(raw: Path, capsys, arguments, message):
    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert message in err


def test_training_cases_that_lie_elsewhere_are_found(raw: Path, capsys):
    path = raw / "dataset.json"
    content = json.loads(path.read_text())
    content["dataset"] = {
        f"case_{i:03d}": {"images": [f"/far/{i}_0000.png"], "label": f"/far/{i}.png"}
        for i in range(N_TRAIN)
    }
    path.write_text(json.dumps(content))
    for image in (raw / "imagesTr").iterdir():
        image.unlink()
    write_tables(raw, "a.csv")
    assert run(capsys, "--describe")[0] == 0
    assert "24 training and 6 test cases" in run(capsys)[1]
