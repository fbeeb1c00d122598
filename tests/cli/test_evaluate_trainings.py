"""``nnUNetv2_fair_evaluate --trainings``: folders in, folders out, resumed and in shards."""

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from nnunetv2_fair.cli.evaluate import main
from nnunetv2_fair.evaluation import evaluate
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.run import EvaluationSettings
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings
from tests.evaluation.factories import Dataset, make_dataset, write_mask


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Predictions of three trainings in ``runs``, each of which misses other voxels."""
    made = make_dataset(tmp_path_factory.mktemp("trainings"), n_patients=10)
    rng = np.random.default_rng(0)
    for number in range(3):
        for path in sorted(made.predictions.glob("*.png")):
            labels = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
            organ = np.flatnonzero(labels == 1)
            labels.flat[rng.choice(organ, len(organ) // 20 * (number + 1), replace=False)] = 0
            write_mask(made.root / "runs" / f"fold_{number}" / path.name, labels)
    return made


def arguments(dataset: Dataset, out: Path, *more: str) -> list[str]:
    return [
        "-gt", str(dataset.references), "-a", "sex", "-o", str(out), "-np", "1", "--metrics",
        "dice", "--bootstrap", "50", "--min-patients", "3", *more,
    ]  # fmt: skip


def files_in(folder: Path) -> set[str]:
    """Return the files of a folder without figures and tables, of which every page has some."""
    files = {p.relative_to(folder) for p in folder.rglob("*") if p.is_file()}
    return {p.as_posix() for p in files if p.parent.name not in ("figures", "tables")}


NORMAL = {"manifest.json", "per_case.csv", "summary.json", "report.html"}


def test_every_training_is_an_evaluation_of_its_own(dataset, tmp_path, caplog):
    out, runs = tmp_path / "out", dataset.root / "runs"
    assert main([*arguments(dataset, out), "-pred", str(runs), "--trainings", "repeats"]) == 0
    names = [f"fold_{number}" for number in range(3)]
    expected = NORMAL | {f"trainings/{name}/{file}" for name in names for file in NORMAL}
    assert files_in(out) == expected
    found = EvaluationResult.read(out)
    assert found.name == "runs"
    for name in names:
        single = EvaluationResult.read(out / "trainings" / name)
        alone = evaluate(
            dataset.references, runs / name, dataset.table, ["sex"],
            settings=EvaluationSettings(
                ("dice",), statistics=StatisticsSettings(n_bootstrap=50, min_patients=3)
            ),
        )  # fmt: skip
        assert repr(single.comparisons) == repr(alone.comparisons)
        page = (out / "trainings" / name / "report.html").read_text()
        assert "Does this trained model segment" in page
        assert '<section id="cases">' in page
    page = (out / "report.html").read_text()
    assert "Does the method (3 trainings) segment" in page
    assert "this trained model" not in page
    assert '<section id="trainings">' in page
    assert '<section id="cases">' not in page  # pictures are those of each training
    function = evaluate(
        dataset.references, [runs / name for name in names], dataset.table, ["sex"],
        trainings="repeats", settings=EvaluationSettings(
            ("dice",), statistics=StatisticsSettings(n_bootstrap=50, min_patients=3)
        ),
    )  # fmt: skip
    assert repr(function.comparisons) == repr(found.comparisons)
    # another selection replaces them, and nothing of the third stays
    two = [str(runs / name) for name in names[:2]]
    options = ["--trainings", "folds", "--overwrite", "--tables", "csv"]
    assert main([*arguments(dataset, out), "-pred", *two, *options]) == 0
    assert {path.name for path in (out / "trainings").iterdir()} == {"fold_0", "fold_1"}
    assert "fold_0,fold_1,Mean,SD" in (out / "table_trainings.csv").read_text()
    assert main([*arguments(dataset, out), "-pred", two[0], "--overwrite"]) == 0
    assert not (out / "trainings").exists()


def test_shards_and_interrupted_runs(dataset, tmp_path, monkeypatch):
    out, options = tmp_path / "out", ["-pred", str(dataset.root / "runs"), "--trainings", "folds"]
    for part in ("1/2", "2/2"):
        assert main([*arguments(dataset, out), *options, "--shard", part]) == 0
    assert main([*arguments(dataset, out), *options, "--merge"]) == 0
    assert not list(out.glob("measured_cases*"))
    other = tmp_path / "other"

    def fail(*_args, **_named):
        raise OSError("no space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("nnunetv2_fair.report.of_evaluation.page.put_files", fail)
        assert main([*arguments(dataset, other), *options]) == 1
    assert files_in(other) == {"measured_cases.jsonl"}  # all or nothing
    lines = (other / "measured_cases.jsonl").read_text().splitlines()
    assert len(list(filter(None, lines))) == 3 * len(dataset.cases)
    assert main([*arguments(dataset, other), *options]) == 0
    for name in ("summary.json", "trainings/fold_2/summary.json"):
        one, two = (json.loads((folder / name).read_text()) for folder in (out, other))
        assert one["comparisons"] == two["comparisons"]


def test_shareable_folder_has_no_trainings(dataset, tmp_path, capsys):
    runs = ["-pred", str(dataset.root / "runs"), "--trainings", "repeats"]
    out = tmp_path / "shared"
    assert main([*arguments(dataset, out), *runs, "--shareable"]) == 0
    assert files_in(out) == {"manifest.json", "summary.json", "report.html"}
    for name in ("summary.json", "report.html"):
        text = (out / name).read_text()
        assert "the method (3 trainings)" in text
        assert "fold_1" not in text
        assert not any(case in text for case in dataset.cases)
    (tmp_path / "private" / "trainings").mkdir(parents=True)
    private = arguments(dataset, tmp_path / "private")
    assert main([*private, *runs, "--shareable", "--overwrite"]) == 2
    assert "holds trainings, which may reveal individual patients" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-pred", "runs/fold_0", "runs/fold_1"], "-pred names 2 folders: pass --trainings"),
        (["-pred", "runs/fold_0", "--trainings", "repeats"], "needs the predictions of two or"),
        (["-pred", "runs/fold_0", "runs/fold_0", "--trainings", "folds"], "fold_0 is given twice"),
        (["-pred", "runs/fold_0", "labelsTs", "labelsTs/..", "--trainings", "folds"],
         "has no predicted masks"),
    ],
)  # fmt: skip
def test_refusals(dataset, tmp_path, capsys, monkeypatch, options, message):
    monkeypatch.chdir(dataset.root)
    assert main([*arguments(dataset, tmp_path / "out"), *options]) in (1, 2)
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_summary_of_nnunet_holds_one_training(tmp_path, capsys):
    options = [
        "--from-summary",
        "summary.json",
        "-o",
        str(tmp_path / "out"),
        "--trainings",
        "folds",
    ]
    assert main(options) == 2
    assert "not to --from-summary" in capsys.readouterr().err
