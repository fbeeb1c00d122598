"""Evaluations of several trainings in one folder, read as one method."""

import dataclasses

import pytest

from nnunetv2_fair.cli.compare import main as compare
from nnunetv2_fair.errors import EvaluationError, UsageError
from nnunetv2_fair.evaluation.results.comparison import ModelComparison
from nnunetv2_fair.evaluation.trainings.method import method_of
from nnunetv2_fair.evaluation.trainings.reading import read_models
from tests.evaluation.trainings.factories import evaluated, scores_of_trainings


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Return a method as one output, and another as a folder of evaluations."""
    root = tmp_path_factory.mktemp("compared")
    for seed, name in enumerate(("one", "other")):
        evaluated(scores_of_trainings(seed), root, name=name).write(_made(root / name))
    other = root / "other"
    return root / "one", (other / "trainings").rename(root / "runs")


def _made(folder):
    folder.mkdir()
    return folder


def test_a_folder_of_evaluations_is_a_method(folders):
    one, runs = read_models(folders, "repeats")
    assert one.settings["trainings"]["number"] == runs.settings["trainings"]["number"] == 3
    assert runs.name == "runs"
    assert [training.name for training in runs.trainings] == ["run_0", "run_1", "run_2"]
    again = method_of({t.name: t for t in runs.trainings}, "repeats", "runs")
    assert repr(again.comparisons) == repr(runs.comparisons)


def test_the_command_compares_them(folders, tmp_path, capsys):
    paths = list(map(str, folders))
    assert compare([*paths, "--trainings", "repeats", "-o", str(tmp_path / "out")]) == 0
    found = ModelComparison.read(tmp_path / "out")
    assert found.settings["trainings"] == {"one": 3, "runs": 3}
    page = (tmp_path / "out" / "comparison.html").read_text()
    assert "Each model is a method of 3 trainings" in page
    assert "this trained model" not in page
    shared = str(tmp_path / "shared")
    assert compare([*paths, "--trainings", "repeats", "-o", shared, "--shareable"]) == 0
    page = (tmp_path / "shared" / "comparison.html").read_text()
    assert "Each model is a method of 3 trainings" in page
    assert not (tmp_path / "shared" / "trainings").exists()
    run = str(folders[1] / "run_0")
    assert compare([paths[0], run, "-o", str(tmp_path / "mixed")]) == 0
    page = (tmp_path / "mixed" / "comparison.html").read_text()
    assert "A model is a method of 3 trainings" in page
    run = [run, str(folders[1] / "run_1")]
    assert compare([*run, "-o", str(tmp_path / "single")]) == 0
    assert "Each model is one training" in (tmp_path / "single" / "comparison.html").read_text()
    assert compare([*paths, "-o", str(tmp_path / "none")]) == 2
    assert "runs holds 3 evaluations (run_0, run_1, run_2): pass" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_folders_that_do_not_fit(folders, tmp_path):
    with pytest.raises(UsageError, match="--trainings applies to a folder that holds"):
        read_models([folders[0]], "folds")
    with pytest.raises(EvaluationError, match=r"has no summary\.json"):
        read_models([tmp_path])
    (folders[1] / "fold_3").mkdir()
    try:
        with pytest.raises(UsageError, match=r"runs: fold_3 holds no evaluation \(summary\.json\)"):
            read_models(folders, "repeats")
    finally:
        (folders[1] / "fold_3").rmdir()


def test_trainers_of_nnunet_that_differ(folders):
    one, two = read_models(sorted(folders[1].iterdir())[:2])
    named = [
        dataclasses.replace(
            result,
            settings={**result.settings, "predictions": f"/r/{trainer}__nnUNetPlans__2d/fold_0/p"},
        )
        for result, trainer in ((one, "nnUNetTrainer"), (two, "nnUNetTrainerGroupDRO_sex"))
    ]
    with pytest.raises(EvaluationError, match="different models of nnU-Net: 'a' nnUNetTrainer__"):
        method_of(dict(zip("ab", named, strict=True)), "repeats")
