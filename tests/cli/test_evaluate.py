import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk  # noqa: N813

from nnunetv2_fair.cli.evaluate import main
from tests.evaluation.factories import (
    SPACING_3D,
    Dataset,
    make_dataset,
    write_dataset_json,
    write_mask,
)

ROOT = Path(__file__).parents[2]


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return make_dataset(tmp_path, n_patients=6, cases_per_patient=2)


def results(root: Path) -> set[Path]:
    """Return all files but those of measured cases, which a failed evaluation keeps."""
    return {p for p in root.rglob("*") if p.is_file() and not p.match("measured_cases*.jsonl")}


def fails(
    capsys: pytest.CaptureFixture[str], dataset: Dataset, *more: str, code: int = 1, out="out"
) -> str:
    """Run the command, check that it wrote nothing, and return its message."""
    before = results(dataset.root)
    assert main(dataset.arguments(out, *more)) == code
    assert results(dataset.root) == before
    message = capsys.readouterr().err
    # progress bars go to the same stream
    return message[message.index("nnUNetv2_fair_evaluate: ") :]


def test_writes_everything_and_shows_the_table(
    dataset: Dataset, capsys: pytest.CaptureFixture[str]
):
    arguments = dataset.arguments(
        "deep/out", "-a", "sex", "-a", "sex+age", "--bins", "age=46", "--min-patients", "3",
        "--reference", "sex=female", "--name", "my model",
    )  # fmt: skip
    assert main(arguments) == 0
    out = dataset.root / "deep" / "out"
    assert sorted(p.name for p in out.iterdir()) == [
        "figures", "manifest.json", "per_case.csv", "report.html", "summary.json", "tables",
    ]  # fmt: skip
    assert [p.name for p in out.parent.iterdir()] == ["out"]
    frame = pd.read_csv(out / "per_case.csv")
    assert list(frame.columns) == [
        "case", "patient", "sex", "sex+age", "label", "dice", "iou", "hd_px", "hd95_px",
        "diagonal_px", "reference_voxels", "prediction_voxels", "flags",
    ]  # fmt: skip
    assert len(frame) == 12 * 3
    summary = json.loads((out / "summary.json").read_text())
    assert summary["name"] == "my model"
    assert summary["settings"]["reference_groups"]["sex"] == "female"
    assert "my model" in (out / "report.html").read_text(encoding="utf-8")
    shown = capsys.readouterr().out
    for text in ("female", "male", "fairness gap", "SER", str(out / "report.html")):
        assert text in shown
    # nobody's demographics appear in the log
    assert not any(case in shown for case in dataset.cases)


def test_volumes_with_defaults(tmp_path: Path):
    dataset = make_dataset(tmp_path, n_patients=4, cases_per_patient=1, volumes=True)
    (dataset.predictions / "plans.json").write_text("{}")
    # table and attribute are found, several processes are used
    arguments = ["-gt", str(dataset.references), "-pred", str(dataset.predictions),
                 "-o", str(tmp_path / "out"), "--bootstrap", "20", "-np", "2"]  # fmt: skip
    assert main(arguments) == 0
    assert "hd95_mm" in (tmp_path / "out" / "per_case.csv").read_text()


def test_the_column_of_cases_is_found_by_what_it_holds(
    dataset: Dataset, capsys: pytest.CaptureFixture[str]
):
    dataset.table.write_text(dataset.table.read_text().replace("case,", "Fall-Nr.,", 1))
    assert main(dataset.arguments()) == 0
    assert "column 'Fall-Nr.' is taken for the case: it holds the names of 12 of 12" in (
        capsys.readouterr().out
    )


def test_overwrite(dataset: Dataset, capsys: pytest.CaptureFixture[str]):
    assert main(dataset.arguments()) == 0
    own = dataset.root / "out" / "notes.txt"
    own.write_text("mine")
    before = (dataset.root / "out" / "summary.json").read_bytes()
    message = fails(capsys, dataset, code=2)
    assert "out exists and is not empty" in message
    assert "report.html, its figures and tables in it" in message
    assert "--overwrite" in message
    assert (dataset.root / "out" / "summary.json").read_bytes() == before
    assert main(dataset.arguments("out", "--overwrite", "--name", "again")) == 0
    assert json.loads((dataset.root / "out" / "summary.json").read_text())["name"] == "again"
    assert own.read_text() == "mine"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--bins", "age"], r"--bins age: expected a form such as --bins age=50,65"),
        (["--bins", "age=old"], "--bins age=old: expected different numbers"),
        (["--bins", "age=50,50"], "--bins age=50,50: expected different numbers"),
        (["--bins", "age=nan"], "--bins age=nan: expected different numbers"),
        (["--bins", "age=50", "--bins", "age=60"], "--bins names 'age' twice"),
        (["--reference", "male"], "--reference male: expected a form such as"),
        (["--reference", "sex=man"], "there is no group 'man'. Groups of 'sex': female; male."),
        (["--min-patients", "0"], "--min-patients 0: expected 1 or more."),
        (["--confidence", "95"], "--confidence 95.0: expected a share such as 0.95."),
        (["--bootstrap", "-1"], "--bootstrap -1: expected 0"),
        (["--seed", "-1"], "--seed -1: expected 0 or more."),
        (["--tolerance", "-1"], "--tolerance -1.0: expected 0 or more."),
        (["-np", "0"], "-np 0: expected 1 or more."),
        (["--metrics", "dice", "volume"], "Metrics: found dice, volume; expected one or more"),
    ],
)
def test_bad_usage(
    dataset: Dataset, capsys: pytest.CaptureFixture[str], options: list[str], message: str
):
    assert message in fails(capsys, dataset, *options, code=2)


def test_output_that_cannot_be_used(dataset: Dataset, capsys: pytest.CaptureFixture[str]):
    (dataset.root / "file").touch()
    assert "file is a file; choose a folder" in fails(capsys, dataset, code=2, out="file")
    message = fails(capsys, dataset, out="file/out")
    assert "out cannot be written" in message
    assert "is not a folder with write permission" in message
    message = fails(capsys, dataset, code=2, out="labelsTs")
    assert "is the folder of -gt; choose another one" in message


def test_unknown_attribute_lists_the_known_ones(
    dataset: Dataset, capsys: pytest.CaptureFixture[str]
):
    message = fails(capsys, dataset, "-a", "ethnicity")
    assert "has no column 'ethnicity' for the attribute 'ethnicity'" in message


def test_table_problems(dataset: Dataset, capsys: pytest.CaptureFixture[str]):
    text = dataset.table.read_text()
    dataset.table.write_text(text.replace("case_02_1,p2,male,46\n", ""))
    message = fails(capsys, dataset)
    assert "no row for 1 reference" in message
    assert "case_02_1. Add a row for each" in message
    dataset.table.write_text(text + "case_02_1,p2,female,46\n")
    assert "line 14: case 'case_02_1' already appears on line 7" in fails(capsys, dataset)
    dataset.table.write_bytes(text.replace("male", "männlich").encode("windows-1252"))
    assert "is not UTF-8" in fails(capsys, dataset)
    dataset.table.unlink()
    assert "demographics.csv does not exist" in fails(capsys, dataset)
    arguments = dataset.arguments()
    at = arguments.index("--demographics")
    assert main(arguments[:at] + arguments[at + 2 :]) == 2
    assert "pass the table" in capsys.readouterr().err


def test_table_with_bom_and_semicolons(dataset: Dataset):
    text = dataset.table.read_text().replace(",", ";")
    dataset.table.write_text("\ufeff" + text, encoding="utf-8")
    assert main(dataset.arguments()) == 0


def test_no_overlap_of_table_and_files(dataset: Dataset, capsys: pytest.CaptureFixture[str]):
    dataset.table.write_text(dataset.table.read_text().replace("case_", "patient-"))
    message = fails(capsys, dataset)
    assert "none of the 12 references" in message
    assert "files are named like case_00_0, case_00_1 and 10 more" in message
    assert "rows like patient-00_0" in message


def test_folder_of_images_instead_of_masks(dataset: Dataset, capsys: pytest.CaptureFixture[str]):
    for path in dataset.references.iterdir():
        path.rename(path.with_name(path.stem + "_0000.png"))
    assert "The files end like images (_0000): pass the folder of the masks." in fails(
        capsys, dataset
    )


def test_missing_predictions(dataset: Dataset, capsys: pytest.CaptureFixture[str]):
    gone = dataset.cases[3]
    (dataset.predictions / f"{gone}.png").unlink()
    message = fails(capsys, dataset)
    assert f"1 of 12 predictions are missing in {dataset.predictions}: {gone}." in message
    assert "--allow-missing" in message
    assert main(dataset.arguments("out", "--allow-missing")) == 0
    summary = json.loads((dataset.root / "out" / "summary.json").read_text())
    assert summary["exclusions"][0]["cases"] == [gone]
    assert summary["exclusions"][0]["by_group"] == {"sex": {"female": 1}}
    frame = pd.read_csv(dataset.root / "out" / "per_case.csv")
    flagged = frame[frame["flags"] == "missing_prediction"]
    assert set(flagged["case"]) == {gone}
    assert flagged["dice"].isna().all()
    assert "Left out (cases: 1): The prediction is missing" in capsys.readouterr().out


def test_predictions_of_other_cases(dataset: Dataset, capsys: pytest.CaptureFixture[str]):
    for path in dataset.predictions.iterdir():
        path.rename(path.with_name("x" + path.name))
    message = fails(capsys, dataset, "--allow-missing")
    assert "no prediction in" in message
    assert "references are named like case_00_0" in message
    assert "predictions like xcase_00_0" in message


def test_prediction_on_another_grid(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    dataset = make_dataset(tmp_path, n_patients=4, cases_per_patient=1, volumes=True)
    size, spacing = dataset.cases[:2]
    write_mask(dataset.predictions / f"{size}.nii.gz", np.zeros((7, 24, 30), np.uint8), SPACING_3D)
    write_mask(
        dataset.predictions / f"{spacing}.nii.gz", np.zeros((7, 24, 31), np.uint8), (1, 1, 1)
    )
    message = fails(capsys, dataset)
    # both problems at once, before anything was measured
    assert f"case '{size}'" in message
    assert "differ in size: the reference has 7 x 24 x 31 voxels of 2.5 x 0.8 x 0.5 mm" in message
    assert "the prediction 7 x 24 x 30 voxels" in message
    assert f"case '{spacing}'" in message
    assert "differ in spacing" in message
    assert str(dataset.predictions / f"{spacing}.nii.gz") in message
    assert "resample the prediction onto the reference's grid" in message


def test_labels_that_dataset_json_does_not_know(
    dataset: Dataset, capsys: pytest.CaptureFixture[str]
):
    first, second = dataset.cases[1], dataset.cases[5]
    wrong = np.zeros((40, 57), np.uint8)
    wrong[3:9, 3:9] = 7
    write_mask(dataset.predictions / f"{first}.png", wrong)
    picture = np.zeros((40, 57), np.uint8)
    picture[3:9, 3:9] = 255
    write_mask(dataset.references / f"{second}.png", picture)
    message = fails(capsys, dataset)
    assert f"{dataset.predictions / first}.png holds the label values 7" in message
    assert "dataset.json does not know (known: 0, 1, 2)" in message
    assert f"{dataset.references / second}.png holds the label values 255" in message
    assert "A mask of 0 and 255 has to be mapped to 0 and 1 first" in message


def test_a_label_that_the_options_do_not_name(dataset: Dataset, capsys: pytest.CaptureFixture[str]):
    for folder in (dataset.root, dataset.references, dataset.predictions):
        (folder / "dataset.json").unlink(missing_ok=True)
    message = fails(capsys, dataset, "--labels", "organ=1")
    assert "label values 2, which --labels does not know (known: 0, 1). Add it, such as " in message
    assert "--labels NAME=2" in message


def test_dataset_json_given(dataset: Dataset, capsys: pytest.CaptureFixture[str]):
    folder = dataset.root / "elsewhere"
    folder.mkdir()
    regions = write_dataset_json(folder, {"background": 0, "all": [1, 2]})
    assert main(dataset.arguments("out", "--dataset-json", str(regions))) == 0
    assert set(pd.read_csv(dataset.root / "out" / "per_case.csv")["label"]) == {"all"}
    message = fails(capsys, dataset, "--dataset-json", str(folder / "none.json"), out="other")
    assert "none.json does not exist; --dataset-json expects" in message


def test_corrupt_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    dataset = make_dataset(tmp_path, n_patients=4, cases_per_patient=1, volumes=True)
    truncated = dataset.predictions / f"{dataset.cases[1]}.nii.gz"
    truncated.write_bytes(truncated.read_bytes()[:-40])
    probabilities = dataset.predictions / f"{dataset.cases[2]}.nii.gz"
    write_mask(probabilities, np.full((7, 24, 31), 0.4, np.float32), SPACING_3D)
    message = fails(capsys, dataset)
    assert f"{truncated} is damaged" in message
    assert f"{probabilities} holds values that are not label numbers, such as 0.4" in message
    assert "No results were written" in message
    truncated.write_bytes(b"")
    assert f"{truncated} cannot be read as an image" in fails(capsys, dataset)


def test_two_files_of_one_case(dataset: Dataset, capsys: pytest.CaptureFixture[str]):
    write_mask(dataset.references / f"{dataset.cases[0]}.nii.gz", np.zeros((40, 57), np.uint8))
    message = fails(capsys, dataset)
    assert f"{dataset.cases[0]} ({dataset.cases[0]}.nii.gz, {dataset.cases[0]}.png)" in message


def test_millimetres_and_pixels_are_not_mixed(dataset: Dataset, capsys: pytest.CaptureFixture[str]):
    case = dataset.cases[0]
    for folder in (dataset.references, dataset.predictions):
        (folder / f"{case}.png").unlink()
        write_mask(folder / f"{case}.nii.gz", np.zeros((40, 57), np.uint8), (0.5, 0.5))
    message = fails(capsys, dataset)
    assert f"mixes references with spacing in millimetres ({case})" in message


def test_folders_that_do_not_exist(dataset: Dataset, capsys: pytest.CaptureFixture[str]):
    arguments = dataset.arguments()
    arguments[arguments.index("-pred") + 1] = str(dataset.root / "nowhere")
    assert main(arguments) == 1
    assert "nowhere does not exist or is not a folder" in capsys.readouterr().err
    assert "nowhere does not exist" in fails(
        capsys, dataset, "--images", str(dataset.root / "nowhere")
    )


def test_all_zero_predictions_and_empty_references(dataset: Dataset):
    for case in dataset.cases:
        write_mask(dataset.predictions / f"{case}.png", np.zeros((40, 57), np.uint8))
    write_mask(dataset.references / f"{dataset.cases[0]}.png", np.zeros((40, 57), np.uint8))
    assert main(dataset.arguments()) == 0
    frame = pd.read_csv(dataset.root / "out" / "per_case.csv", keep_default_na=False)
    assert set(frame.loc[frame["case"] == dataset.cases[0], "flags"]) == {"both_empty"}
    assert set(frame.loc[frame["case"] != dataset.cases[0], "flags"]) == {"empty_prediction"}
    assert set(frame.loc[frame["case"] != dataset.cases[0], "hd_px"]) == {"inf"}
    summary = json.loads((dataset.root / "out" / "summary.json").read_text())
    notes = " ".join(summary["notes"])
    assert "12 predictions without any foreground." in notes


def test_formats_may_differ_between_folders(dataset: Dataset):
    for path in list(dataset.predictions.iterdir()):
        labels = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
        write_mask(path.with_suffix(".nii.gz"), labels[None], (1, 1, 999))
        path.unlink()
    assert main(dataset.arguments()) == 0
    assert "hd_px" in (dataset.root / "out" / "per_case.csv").read_text()


def test_interrupted_run_leaves_measured_cases_alone(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("nnunetv2_fair.report.of_evaluation.page.put_files", interrupt)
    before = {*dataset.root.rglob("*")}
    assert main(dataset.arguments()) == 130
    kept = dataset.root / "out" / "measured_cases.jsonl"
    assert {*dataset.root.rglob("*")} - before == {kept.parent, kept}


def run_python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_help_starts_fast_and_evaluating_needs_neither_torch_nor_nnunetv2(dataset: Dataset):
    started = time.perf_counter()
    shown = run_python(
        "import sys\n"
        "from nnunetv2_fair.cli.evaluate import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print([m for m in ('numpy', 'pandas', 'torch') if m in sys.modules])"
    )
    assert time.perf_counter() - started < 5  # far less on a machine that does nothing else
    assert "nnUNetv2_fair_evaluate -gt labelsTs -pred predictions" in shown
    assert shown.endswith("[]\n")
    shown = run_python(
        "import sys\n"
        "from nnunetv2_fair.cli.evaluate import main\n"
        f"assert main({dataset.arguments()!r}) == 0\n"
        "print([m for m in ('torch', 'nnunetv2', 'batchgenerators') if m in sys.modules])"
    )
    assert shown.endswith("[]\n")


def test_workers_import_no_pandas():
    shown = run_python(
        "import sys\n"
        "import nnunetv2_fair.evaluation.measuring.one_case\n"
        "print([m for m in ('pandas', 'torch', 'matplotlib') if m in sys.modules])"
    )
    assert shown == "[]\n"


def test_interrupted_run_goes_on(dataset: Dataset, capsys: pytest.CaptureFixture[str]):
    broken = dataset.predictions / f"{dataset.cases[4]}.png"
    good = broken.read_bytes()
    broken.write_bytes(good[:70])
    assert main(dataset.arguments()) == 1
    kept = dataset.root / "out" / "measured_cases.jsonl"
    assert len(kept.read_text().splitlines()) == len(dataset.cases) - 1
    broken.write_bytes(good)
    capsys.readouterr()
    assert main(dataset.arguments()) == 0
    assert f"{len(dataset.cases) - 1}/{len(dataset.cases)} " in capsys.readouterr().err
    assert main(dataset.arguments("whole")) == 0
    out, whole = dataset.root / "out", dataset.root / "whole"
    assert (out / "per_case.csv").read_bytes() == (whole / "per_case.csv").read_bytes()
    assert sorted(path.name for path in out.iterdir()) == [
        "figures", "manifest.json", "per_case.csv", "report.html", "summary.json", "tables",
    ]  # fmt: skip


@pytest.mark.parametrize("with_json", [True, False])
def test_merged_shards_equal_one_run(dataset: Dataset, with_json: bool):
    if not with_json:
        (dataset.root / "dataset.json").unlink()
    options = ["--metrics", "dice", "iou", "hd", "hd95", "assd", "nsd", "norm_hd", "volume_error"]
    for number in (2, 1, 3):
        assert main(dataset.arguments("sharded", *options, "--shard", f"{number}/3")) == 0
    assert main(dataset.arguments("sharded", *options, "--merge")) == 0
    assert main(dataset.arguments("whole", *options)) == 0
    sharded, whole = dataset.root / "sharded", dataset.root / "whole"
    assert (sharded / "per_case.csv").read_bytes() == (whole / "per_case.csv").read_bytes()
    summaries = [json.loads((f / "summary.json").read_text()) for f in (sharded, whole)]
    for summary in summaries:
        del summary["created"]
    assert summaries[0] == summaries[1]
    assert not list(sharded.glob("measured_cases*"))


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "a/b", "1/0", "-1/3", "1/3/5", ""])
def test_shards_that_do_not_exist(dataset: Dataset, capsys: pytest.CaptureFixture[str], text: str):
    message = fails(capsys, dataset, f"--shard={text}", code=2)
    assert f"--shard {text}: expected a part and their number, such as 2/8." in message


def test_shard_and_merge_exclude_each_other(dataset: Dataset, capsys: pytest.CaptureFixture[str]):
    assert "choose one" in fails(capsys, dataset, "--shard", "1/2", "--merge", code=2)
