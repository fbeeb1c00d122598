"""A miniature of MAMA-MIA, from the download to the report, through nnU-Net's own commands."""

from pathlib import Path

import pytest
import SimpleITK

from nnunetv2_fair import registration
from nnunetv2_fair.cli.apply_breast_box import main as apply_breast_box
from nnunetv2_fair.cli.convert_MAMA_MIA import main as convert
from nnunetv2_fair.cli.evaluate import main as evaluate
from nnunetv2_fair.cli.prepare import main as prepare
from nnunetv2_fair.cli.trial import main as trial
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from tests.dataset_conversion.factories.mama_mia import make_download
from tests.end_to_end.test_nnunet_commands import nnunet

pytestmark = pytest.mark.slow

TRAINER = "nnUNetTrainerOversampling_menopausal_status_1epochs"


@pytest.mark.parametrize("options", [(), ("--isotropic", "--pooled-zscore")], ids=["as-is", "1mm"])
def test_from_download_to_report(
    nnunet_folders: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
) -> None:
    monkeypatch.delenv(registration.EXTERNAL_TRAINERS, raising=False)
    registration.register()
    download = make_download(tmp_path / "MAMA-MIA", n=16, shape=(12, 30, 36))
    assert convert(["-i", str(download.folder), "-d", "60", "-np", "1", *options]) == 0
    assert prepare(["-d", "60", "-a", "menopausal_status", "--folds", "2"]) == 0
    out = nnunet(
        "nnUNetv2_plan_and_preprocess", "-d", 60, "-c", "3d_fullres", "-np", 1, "-npfp", 1,
        "--verify_dataset_integrity",
    )  # fmt: skip
    assert "verify_dataset_integrity Done" in out
    assert "Mismatch" not in out
    assert "mismatch" not in out
    sizes = ["--features", "4", "--batch-size", "2", "--patch", "24"]
    assert trial(["-d", "60", "-c", "3d_fullres", *sizes]) == 0
    model = ["-c", "3d_fullres_trial", "-tr", TRAINER, "-device", "cpu"]
    out = nnunet("nnUNetv2_train", 60, "3d_fullres_trial", 0, "-tr", TRAINER, "-device", "cpu")
    assert "Loss per sample, training, by menopausal_status: pre" in out
    raw = nnunet_folders["nnUNet_raw"] / "Dataset060_MAMA_MIA"
    predictions, boxed = tmp_path / "predictions", tmp_path / "boxed"
    nnunet("nnUNetv2_predict", "-d", 60, "-i", raw / "imagesTs", "-o", predictions, "-f", 0,
           "-npp", 1, "-nps", 1, *model)  # fmt: skip
    assert apply_breast_box(["-d", "60", "-i", str(predictions), "-o", str(boxed)]) == 0
    boxes = sorted(boxed.glob("*.nii.gz"))
    assert [path.name for path in boxes] == sorted(p.name for p in (raw / "labelsTs").iterdir())
    for path in boxes:
        reference = SimpleITK.ReadImage(str(raw / "labelsTs" / path.name))
        assert SimpleITK.ReadImage(str(path)).GetSize() == reference.GetSize()

    def report(reference: Path, prediction: Path, name: str) -> EvaluationResult:
        arguments = ["-gt", reference, "-pred", prediction, "-a", "menopausal_status", "age",
                     "-o", tmp_path / name, "--min-patients", "1", "-np", "1",
                     "--bootstrap", "50"]  # fmt: skip
        assert evaluate([str(argument) for argument in arguments]) == 0
        return EvaluationResult.read(tmp_path / name)

    result = report(raw / "labelsTs", boxed, "evaluation")
    assert result.comparison("age", "dice", "tumour").overall.n_cases == 4
    # the automatic masks are there for an audit, as if a model had drawn them
    audit = report(raw / "labelsTr", raw / "automaticTr", "audit")
    assert 0.3 < audit.comparison("age", "dice", "tumour").overall.mean < 1
