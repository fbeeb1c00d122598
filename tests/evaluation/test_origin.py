import json

from nnunetv2_fair.evaluation.origin import name_of_scores, origin


def test_folders_of_nnunet_tell(tmp_path):
    model = tmp_path / "Dataset042_Lungs" / "nnUNetTrainerOversampling_sex__nnUNetPlans__2d"
    found = origin(tmp_path / "labelsTs", model / "fold_0" / "validation")
    assert found == {
        "dataset": "Dataset042_Lungs",
        "trainer": "nnUNetTrainerOversampling_sex",
        "configuration": "2d",
    }


def test_files_tell_where_folders_do_not(tmp_path):
    labels, predictions = tmp_path / "labelsTs", tmp_path / "predictions"
    labels.mkdir()
    predictions.mkdir()
    nothing = {"dataset": "", "trainer": "", "configuration": ""}
    assert origin(labels, predictions) == nothing
    (predictions / "plans.json").write_text("no JSON")
    assert origin(labels, predictions) == nothing
    (tmp_path / "dataset.json").write_text(json.dumps({"name": "Lungs"}))
    assert origin(labels, predictions)["dataset"] == "Lungs"


def test_crops_and_cascades_are_noticed(tmp_path):
    labels, predictions = tmp_path / "labelsTs", tmp_path / "predictions"
    labels.mkdir()
    predictions.mkdir()
    assert "cropped" not in origin(labels, predictions)
    # nnU-Net copies the dataset.json of a dataset of crops beside predictions
    (predictions / "dataset.json").write_text(json.dumps({"cropped": {"size": [64, 64]}}))
    assert origin(labels, predictions)["cropped"] == "crops"
    (predictions / "cascade.json").write_text("{}")
    assert origin(labels, predictions)["cropped"] == "cascade"


def test_scores_are_not_called_per_case(tmp_path):
    assert name_of_scores(tmp_path / "my_model" / "per_case.csv") == "my_model"
    assert name_of_scores(tmp_path / "my_model" / "monai.csv") == "monai"
