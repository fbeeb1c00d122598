"""Miniatures of TUSC and FairSeg, from the download to the report, by nnU-Net's own commands."""

import json
from pathlib import Path

import pytest

from nnunetv2_fair import registration
from nnunetv2_fair.cli.convert_FairSeg import main as convert_fairseg
from nnunetv2_fair.cli.convert_TUSC import main as convert_tusc
from nnunetv2_fair.cli.evaluate import main as evaluate
from nnunetv2_fair.cli.prepare import main as prepare
from nnunetv2_fair.cli.trial import main as trial
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from tests.dataset_conversion.factories.fairseg import write_download, write_lists, write_pack
from tests.dataset_conversion.factories.tusc import Download
from tests.end_to_end.test_nnunet_commands import nnunet

pytestmark = pytest.mark.slow

SIZES = ("--features", "4", "--batch-size", "4", "--patch", "32")


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("nnUNet_n_proc_DA", "1")
    monkeypatch.delenv(registration.EXTERNAL_TRAINERS, raising=False)
    registration.register()


def train_and_evaluate(
    raw: Path, dataset: int, attribute: str, folder: Path
) -> tuple[str, EvaluationResult]:
    """Go from the converted dataset to the report; return what the training said as well."""
    assert prepare(["-d", str(dataset), "-a", attribute, "--folds", "2"]) == 0
    out = nnunet("nnUNetv2_plan_and_preprocess", "-d", dataset, "-c", "2d", "-np", 1, "-npfp", 1,
                 "--verify_dataset_integrity")  # fmt: skip
    assert "verify_dataset_integrity Done" in out
    assert "ismatch" not in out
    assert trial(["-d", str(dataset), "-c", "2d", *SIZES]) == 0
    model = ["-tr", f"nnUNetTrainerOversampling_{attribute}_1epochs", "-device", "cpu"]
    log = nnunet("nnUNetv2_train", dataset, "2d_trial", 0, *model)
    predictions = folder / "predictions"
    nnunet("nnUNetv2_predict", "-d", dataset, "-i", raw / "imagesTs", "-o", predictions, "-f", 0,
           "-c", "2d_trial", "-npp", 1, "-nps", 1, *model)  # fmt: skip
    arguments = ["-gt", raw / "labelsTs", "-pred", predictions, "-a", attribute, "age", "-o",
                 folder / "evaluation", "--min-patients", 1, "-np", 1,
                 "--bootstrap", 50]  # fmt: skip
    assert evaluate([str(argument) for argument in arguments]) == 0
    assert (folder / "evaluation" / "report.html").stat().st_size > 10_000
    return log, EvaluationResult.read(folder / "evaluation")


def test_tusc(nnunet_folders: dict[str, Path], tmp_path: Path) -> None:
    # enough men for every part and fold
    source = Download(lengths=(7, 12, 5, 1, 11, 10) * 4, shape=(52, 64)).write(tmp_path / "TUSC")
    assert convert_tusc(["-i", str(source), "-d", "44", "-np", "1", "--resize", "48", "56"]) == 0
    raw = nnunet_folders["nnUNet_raw"] / "Dataset044_TUSC"
    log, result = train_and_evaluate(raw, 44, "sex", tmp_path)
    assert "Loss per sample, training, by sex: female" in log
    assert set(result.comparison("sex", "dice", "nodule").groups) == {"female", "male"}
    assert len(result.per_case) == len(list((raw / "imagesTs").iterdir()))


def test_fairseg_with_synthetic_images_and_weights(
    nnunet_folders: dict[str, Path], tmp_path: Path
) -> None:
    source = write_download(tmp_path / "FairSeg", range(1, 25), "fairmedfm")
    packs = write_pack(tmp_path / "packs" / "race", "Black", range(3))
    real = [f"data_{n:06d}.npz" for n in range(1, 17)]
    lists = write_lists(
        tmp_path / "lists",
        train=[*real, *[real[0]] * 4, *[f"/x/race/Black/data/{n:06d}.npz" for n in (0, 1, 1)]],
        test=[f"data_{n:06d}.npz" for n in range(17, 25)],
    )
    flags = ["--split-lists", str(lists), "--synthetic", str(packs), "--regions"]
    assert convert_fairseg(["-i", str(source), "-d", "45", "-np", "1", *flags]) == 0
    raw = nnunet_folders["nnUNet_raw"] / "Dataset045_FairSeg"
    log, result = train_and_evaluate(raw, 45, "race", tmp_path)
    assert "Loss per sample, training, by race: Asian" in log
    for label in ("disc", "cup"):
        assert result.comparison("race", "dice", label).overall.n_cases == 8
    splits = nnunet_folders["nnUNet_preprocessed"] / raw.name / "splits_final.json"
    folds = json.loads(splits.read_text())
    # nnU-Net draws from this list, so a case of weight 5 is drawn five times as often
    assert sorted(fold["train"].count("data_00001") for fold in folds) == [0, 5]
    assert {fold["train"].count("synthetic_race_Black_000001") for fold in folds} == {2}
    assert not any(case.startswith("synthetic") for fold in folds for case in fold["val"])
