"""A miniature of UK Biobank's heart MRI, from the download to the report."""

from pathlib import Path

import pytest

from nnunetv2_fair import registration
from nnunetv2_fair.cli.convert_UKBB_CMR import main as convert
from nnunetv2_fair.cli.evaluate import main as evaluate
from nnunetv2_fair.cli.prepare import main as prepare
from nnunetv2_fair.cli.trial import main as trial
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from tests.dataset_conversion.factories.ukbb_cmr import build, people
from tests.end_to_end.test_nnunet_commands import nnunet

pytestmark = pytest.mark.slow

TRAINER = "nnUNetTrainerOversampling_ethnicity_1epochs"


def test_from_download_to_report(
    nnunet_folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(registration.EXTERNAL_TRAINERS, raising=False)
    registration.register()
    persons = people(16, ("1001", "1001", "4001", "3001"))
    images = build(tmp_path / "download", persons)
    arguments = ["-i", images, "-d", 45, "-np", 1, "--table", images.parent / "table.csv",
                 "--participant-map", tmp_path / "map.csv", "--cohort",
                 "white=6,black=2,seed=1"]  # fmt: skip
    assert convert([str(argument) for argument in arguments]) == 0
    assert prepare(["-d", "45", "-a", "ethnicity", "--folds", "2"]) == 0
    out = nnunet(
        "nnUNetv2_plan_and_preprocess", "-d", 45, "-c", "2d", "-np", 1, "-npfp", 1,
        "--verify_dataset_integrity",
    )  # fmt: skip
    assert "verify_dataset_integrity Done" in out
    assert "mismatch" not in out.lower()
    sizes = ["--features", "4", "--batch-size", "4", "--patch", "32"]
    assert trial(["-d", "45", "-c", "2d", *sizes]) == 0
    out = nnunet("nnUNetv2_train", 45, "2d_trial", 0, "-tr", TRAINER, "-device", "cpu")
    assert "Loss per sample, training, by ethnicity: White" in out
    raw = nnunet_folders["nnUNet_raw"] / "Dataset045_UKBB_CMR"
    predictions = tmp_path / "predictions"
    nnunet("nnUNetv2_predict", "-d", 45, "-i", raw / "imagesTs", "-o", predictions, "-f", 0,
           "-npp", 1, "-nps", 1, "-c", "2d_trial", "-tr", TRAINER, "-device", "cpu")  # fmt: skip
    arguments = ["-gt", raw / "labelsTs", "-pred", predictions, "-a", "ethnicity", "sex", "-o",
                 tmp_path / "evaluation", "--min-patients", 1, "-np", 1,
                 "--bootstrap", 50]  # fmt: skip
    assert evaluate([str(argument) for argument in arguments]) == 0
    result = EvaluationResult.read(tmp_path / "evaluation")
    overall = result.comparison("ethnicity", "dice", "LV_cavity").overall
    assert (overall.n_cases, overall.n_patients) == (16, 8)  # both frames of eight people
    assert set(result.comparison("ethnicity", "dice", "RV_cavity").groups) >= {"White", "Asian"}
    # nothing that nnU-Net or the evaluation wrote knows who it is
    for folder in (*nnunet_folders.values(), tmp_path / "evaluation", predictions):
        for path in folder.rglob("*"):
            content = path.read_bytes() if path.is_file() else b""
            assert not any(p.eid.encode() in content or p.eid in path.name for p in persons), path
