from importlib.util import find_spec
from pathlib import Path

import pytest

from nnunetv2_fair.cli import study
from nnunetv2_fair.study.record import Record
from nnunetv2_fair.study.run import run
from nnunetv2_fair.study.step import read_plan
from nnunetv2_fair.study.study_file.reading import read_settings
from tests.nnunet_dataset import write_raw
from tests.study.conftest import STUDY, ask_here

#: nnU-Net's own trainers only, so that asking for them is all that a plan has to wait for.
PLAIN = STUDY.replace("  - nnUNetTrainerOversampling_{attribute}\n", "  - nnUNetTrainer_5epochs\n")


@pytest.fixture
def file(nnunet_folders, tmp_path, monkeypatch) -> Path:
    write_raw(nnunet_folders["nnUNet_raw"])
    path = tmp_path / "study" / "study.yaml"
    path.parent.mkdir()
    path.write_text(PLAIN)
    return path


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_dry_run_shows_everything_and_writes_nothing(file, capfd):
    before = files_in(file.parents[1])
    assert study.main([str(file), "--dry-run", "--cores", "3"]) == 0
    assert files_in(file.parents[1]) == before
    out = capfd.readouterr().out
    assert out.startswith(f"Checking {file}, its datasets and trainers (up to a minute) ...\n")
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.strip()}
    assert rows["Study"] == ["'Tiny'", "in", str(file.parent)]
    assert rows["train"] == ["4", "0", "0", "4", "192"]  # 2 trainers, 2 folds, 48 hours each
    assert rows["preprocess"] == ["3", "0", "0", "3"]
    assert rows["predict"] == ["2", "0", "0", "2", "12"]
    assert rows["all"] == ["14", "0", "0", "14", "204"]
    assert "nnUNetv2_fair_prepare -d Dataset901_Tiny --folds 2" in out
    assert "nnUNetv2_extract_fingerprint -d 901 --verify_dataset_integrity --clean -np 3" in out
    assert "... and 9 more steps" in out


def test_all_mistakes_in_one_message(file, capfd, monkeypatch):
    ask_here(monkeypatch)
    file.write_text(PLAIN.replace("[2d]", "[9d]") + "  - nnUNetTrainr\ndevices: cpu\n")
    assert study.main([str(file)]) == 1
    error = capfd.readouterr().err
    assert error.startswith(f"nnUNetv2_fair_study: {file}: 3 mistakes, nothing was done.\n")
    assert "  - line 3: Dataset901_Tiny has no configuration 9d" in error
    assert "  - line 11: there is no trainer 'nnUNetTrainr'" in error
    assert "  - line 12: there is no key 'devices'. Did you mean 'device'?" in error
    assert not (file.parent / ".study").exists()


def test_a_study_that_is_done(file, capfd, monkeypatch):
    """The plan is written and handed over, and there it turns out that nothing is left to do."""
    from nnunetv2_fair.study.plan.plan import plan_study

    ask_here(monkeypatch)
    # outcomes would be nnU-Net's files, which are not made here; tests/study/run looks at them
    monkeypatch.setattr(run, "forget_incomplete", lambda *_: [])
    out = file.parent / "elsewhere"
    plan = plan_study(file, out)
    for step in plan.steps.values():
        Record(step.name, step.kind, step.fingerprint, ()).write(out / step.record)
    code = study.main([str(file), "-o", str(out)])
    captured = capfd.readouterr()
    written = read_plan(out)
    assert {n: s.fingerprint for n, s in written.steps.items()} == {
        n: s.fingerprint for n, s in plan.steps.items()
    }
    assert written.source == "../study.yaml"
    assert " 14    14 " in captured.out
    if find_spec("snakemake"):
        assert code == 0
        assert "All 14 steps are done already" in captured.out
    else:  # no Snakemake 9 on Python 3.10
        assert code == 1
        assert "nnunetv2_fair[cluster]" in captured.err


@pytest.mark.parametrize("name", study.EXAMPLES)
def test_init_writes_an_example_over_nothing(name, tmp_path, capfd):
    path = tmp_path / "new" / "study.yaml"
    assert study.main([str(path), "--init", name]) == 0
    assert "--dry-run" in capfd.readouterr().out
    settings, problems = read_settings(path)
    assert problems == []
    assert settings.trainers
    text = path.read_text()
    assert study.main([str(path), "--init", name]) == 2
    assert f"{path} exists; name a file that does not" in capfd.readouterr().err
    assert path.read_text() == text


def test_init_without_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert study.main(["--init"]) == 0
    settings, _ = read_settings(tmp_path / "study.yaml")
    assert settings.title == "Which mitigation helps?"


def test_a_missing_file_names_the_way_to_one(tmp_path, capfd):
    assert study.main([str(tmp_path / "none.yaml"), "--dry-run"]) == 1
    assert "none.yaml --init" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--jobs", "0"], "--jobs 0: expected 1 or more"),
        (["--cores", "-1"], "--cores -1: expected 1 or more"),
        (["--gpus", "-1"], "--gpus -1: expected 0 or more"),
        (["--executor", "slurm", "--gpus", "1"], "under resources"),
    ],
)
def test_bad_usage(arguments, message, capfd):
    assert study.main(["study.yaml", *arguments]) == 2
    assert message in capfd.readouterr().err
