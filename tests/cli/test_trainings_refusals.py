"""Folders, tables and evaluations that are not trainings of one method: nothing is written."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk  # noqa: N813
from PIL import Image

from nnunetv2_fair.cli import compare, evaluate
from tests.evaluation.factories import Dataset, make_dataset, write_mask

MODEL = "nnUNetTrainer__nnUNetPlans__2d"
#: A repeat of the same trainer, and another trainer.
REPEAT, OTHER = "nnUNetTrainer_run2__nnUNetPlans__2d", "nnUNetTrainerGroupDRO_sex__nnUNetPlans__2d"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Predictions of three trainings, two of which nnU-Net's own folders say are repeats."""
    made = make_dataset(tmp_path_factory.mktemp("refused"), n_patients=10, cases_per_patient=1)
    rng = np.random.default_rng(0)
    for model in (MODEL, REPEAT, OTHER):
        for path in sorted(made.predictions.glob("*.png")):
            labels = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
            organ = np.flatnonzero(labels == 1)
            labels.flat[rng.choice(organ, len(organ) // 9, replace=False)] = 0
            write_mask(made.root / model / "pred" / path.name, labels)
    return made


def run(dataset: Dataset, out: Path, *predictions: Path, trainings: str = "repeats") -> int:
    arguments = [
        "-gt", str(dataset.references), "-a", "sex", "-o", str(out), "-np", "1", "--metrics",
        "dice", "--bootstrap", "20", "--min-patients", "3", "-pred", *map(str, predictions),
    ]  # fmt: skip
    return evaluate.main([*arguments, *(["--trainings", trainings] if trainings else [])])


def refused(capsys, code: int, out: Path, *words: str) -> None:
    message = capsys.readouterr().err
    assert code in (1, 2)
    for word in words:
        assert word in message, message
    assert "Traceback" not in message
    assert not out.exists()


def test_a_repeat_is_the_same_method_and_another_trainer_is_not(dataset, tmp_path, capsys):
    pred = {model: dataset.root / model / "pred" for model in (MODEL, REPEAT, OTHER)}
    assert run(dataset, tmp_path / "fine", pred[MODEL], pred[REPEAT]) == 0
    capsys.readouterr()
    out = tmp_path / "out"
    code = run(dataset, out, pred[MODEL], pred[OTHER])
    told = f"they come from different models of nnU-Net: '{MODEL}_pred' {MODEL}; '{OTHER}_pred'"
    refused(capsys, code, out, "These are not trainings of one method:", told)


def test_one_training_twice(dataset, tmp_path, capsys):
    out, once = tmp_path / "out", dataset.root / MODEL / "pred"
    refused(capsys, run(dataset, out, once, once), out, f"{once} is given twice")
    link = tmp_path / "link"
    link.symlink_to(once)
    refused(capsys, run(dataset, out, once, link), out, f"{link} is given twice")
    shutil.copytree(once, tmp_path / "copy")
    told = "'pred' and 'copy' hold the same predictions, byte for byte: one training is given twice"
    refused(capsys, run(dataset, out, once, tmp_path / "copy"), out, told)


def test_one_training_twice_in_other_files(dataset, tmp_path, capsys):
    """The same masks, compressed otherwise: seen only when they have been measured."""
    out, once, again = tmp_path / "out", dataset.root / MODEL / "pred", tmp_path / "again"
    again.mkdir()
    for path in once.glob("*.png"):
        with Image.open(path) as image:
            image.save(again / path.name, compress_level=0)
    assert run(dataset, out, once, again) == 1
    told = "'pred' and 'again' have the same values in all cases: one training is given twice"
    assert told in capsys.readouterr().err
    # what took the time is kept for a command that is corrected
    assert [path.name for path in out.iterdir()] == ["measured_cases.jsonl"]


def test_other_cases(dataset, tmp_path, capsys):
    out, once, fewer = tmp_path / "out", dataset.root / MODEL / "pred", tmp_path / "fewer"
    shutil.copytree(dataset.root / REPEAT / "pred", fewer)
    gone = sorted(fewer.iterdir())[0]
    gone.unlink()
    told = (
        "'pred' and 'fewer' have predictions of different cases: 1 only in the first "
        f"({gone.stem}), 0 only in the second (none)"
    )
    refused(capsys, run(dataset, out, once, fewer), out, told)


def scores(tmp_path: Path, change: str) -> Path:
    """Write a table of two trainings that has something wrong."""
    rng = np.random.default_rng(1)
    one = pd.DataFrame(
        {
            "training": "run_1",
            "case": [f"c{i}" for i in range(20)],
            "sex": ["f", "m"] * 10,
            "dice": rng.beta(9, 2, 20).round(4),
            "reference_voxels": rng.integers(50, 90, 20),
        }
    )
    two = one.assign(training="run_2", dice=rng.beta(9, 2, 20).round(4))
    if change == "twice":
        two["dice"] = one["dice"]
    elif change == "cases":
        two.loc[3, "case"] = "c20"
    elif change == "sizes":
        two.loc[3, "reference_voxels"] += 1
    elif change == "groups":
        two.loc[3, "sex"] = "f"
    elif change == "name":
        two["training"] = "../run_2"
    elif change == "empty":
        two.loc[3, "training"] = ""
    path = tmp_path / "scores.csv"
    both = one if change == "alone" else pd.concat([one, two])
    if change == "column":
        both = both[both["training"] == "run_1"].drop(columns="training")
    both.to_csv(path, index=False)
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("twice", "'run_1' and 'run_2' have the same values in all cases: one training is given"),
        ("cases", "have different cases: 1 only in the first (c3), 1 only in the second (c20)"),
        ("sizes", "'run_1' and 'run_2' have different references in 1 case: c3"),
        ("groups", "'run_1' and 'run_2' have different values of 'sex' in 1 case: c3"),
        ("name", "Names of trainings become folders; these cannot: '../run_2'"),
        ("empty", "names no training on 1 line: 25. Fill the column 'training'"),
        ("alone", "Several trainings are needed to see how they vary, found 1: run_1"),
        ("column", "has no column 'training' that names the training of each row"),
    ],
)
def test_tables(tmp_path, capsys, change, message):
    path, out = scores(tmp_path, change), tmp_path / "out"
    options = ["--from-csv", str(path), "-a", "sex", "-o", str(out), "--bootstrap", "20"]
    refused(capsys, evaluate.main([*options, "--trainings", "folds"]), out, message)


def test_a_table_of_several_trainings_is_not_taken_for_one(tmp_path, capsys):
    path, out = scores(tmp_path, "none"), tmp_path / "out"
    code = evaluate.main(["--from-csv", str(path), "-a", "sex", "-o", str(out)])
    refused(capsys, code, out, "several rows of a case: pass --trainings repeats or --trainings")


@pytest.fixture(scope="module")
def evaluations(dataset, tmp_path_factory) -> Path:
    """Evaluations of each training, one folder each."""
    folder = tmp_path_factory.mktemp("evaluations")
    for name, model in (("run_1", MODEL), ("run_2", REPEAT), ("other", OTHER)):
        assert run(dataset, folder / name, dataset.root / model / "pred", trainings="") == 0
    return folder


def gathered(evaluations: Path, folder: Path, **names: str) -> Path:
    """Return a folder that holds some evaluations under other names."""
    for new, old in names.items():
        shutil.copytree(evaluations / old, folder / new)
    return folder


def test_evaluations_of_one_training_twice_or_of_other_methods(evaluations, tmp_path, capsys):
    fine = gathered(evaluations, tmp_path / "fine", a="run_1", b="run_2")
    out, base = tmp_path / "out", str(evaluations / "other")
    options = ["-o", str(out), "--trainings", "repeats"]
    twice = gathered(evaluations, tmp_path / "twice", a="run_1", b="run_1")
    told = "'a' and 'b' have the same values in all cases: one training is given twice"
    refused(capsys, compare.main([base, str(twice), *options]), out, told)
    mixed = gathered(evaluations, tmp_path / "mixed", a="run_1", b="other")
    told = f"they come from different models of nnU-Net: 'a' {MODEL}; 'b' {OTHER}"
    refused(capsys, compare.main([base, str(mixed), *options]), out, told)
    assert compare.main([base, str(fine), *options]) == 0


def test_evaluations_of_other_cases(dataset, evaluations, tmp_path, capsys):
    table = pd.read_csv(dataset.table)
    fewer = tmp_path / "few"
    shutil.copytree(dataset.root / REPEAT / "pred", fewer)
    (fewer / f"{table['case'][0]}.png").unlink()
    folder = gathered(evaluations, tmp_path / "runs", a="run_1")
    arguments = [
        "-gt", str(dataset.references), "-pred", str(fewer), "-a", "sex", "-o", str(folder / "b"),
        "-np", "1", "--metrics", "dice", "--bootstrap", "20", "--min-patients", "3",
    ]  # fmt: skip
    assert evaluate.main([*arguments, "--allow-missing"]) == 0
    out, base = tmp_path / "out", str(evaluations / "other")
    code = compare.main([base, str(folder), "-o", str(out), "--trainings", "repeats"])
    refused(capsys, code, out, "'a' and 'b' have different cases: 1 only in the first")
