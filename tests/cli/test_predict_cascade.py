"""``nnUNetv2_fair_predict_cascade``: boxes, crops, fallback, pasting, resuming, refusals.

nnU-Net is replaced by functions of files here; it predicts itself in
tests/end_to_end/test_cascade.py.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nnunetv2_fair.cli import crop, evaluate, predict_cascade
from nnunetv2_fair.cropping.images import read_channel, read_mask
from nnunetv2_fair.errors import ModelError
from nnunetv2_fair.nnunet import predict_cascade as cascade
from tests.dataset_conversion.cropped.full_dataset import (
    N_TRAIN,
    ORGANS,
    case_name,
    save,
    volume,
    write_full,
)

TESTS = range(N_TRAIN, len(ORGANS))
MODELS = ["--localizer", "-d", "42", "-c", "2d", "-f", "0", "--segmenter", "-d", "43", "-c", "2d",
          "-f", "0"]  # fmt: skip


class FakeNnunet:
    """Predicts in a moment: the first model from masks, the second from grey values.

    Attributes:
        first: Prediction of the first model, by case; the reference where there is none.
        calls: Dataset and images of every call.
        fails_at: Name of a dataset whose model fails after its first image.
    """

    def __init__(self, ending):
        self.ending = ending
        self.first = {}
        self.calls = []
        self.fails_at = None

    def __call__(self, command, predictions, ending, progress, lock):
        dataset = command[command.index("-d") + 1]
        images = Path(command[command.index("-i") + 1])
        files = sorted(images.iterdir())
        self.calls.append((dataset, [path.name.rpartition("_")[0] for path in files]))
        for path in files:
            case = path.name.rpartition("_")[0]
            i = int(case[1:])
            if dataset == "42":
                labels = self.first.get(case, volume(i, self.ending)[1])
                save(predictions / f"{case}{ending}", labels, i)
            else:
                labels = segmented(read_channel(path))
                self.write_like(path, labels, predictions / f"{case}{ending}")
            if dataset == self.fails_at:
                raise ModelError("nnUNetv2_predict stopped with exit code 1; nothing was written.")

    @staticmethod
    def write_like(image, labels, target):
        from nnunetv2_fair.cropping.images import grid_of_file, write_image

        write_image(target, labels, grid_of_file(image).geometry)


def segmented(voxels):
    """What the second model makes of grey values: any function of single voxels."""
    return (np.floor(voxels).astype(int) % 3).astype(np.uint8)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Both datasets as files of either kind, and models, made once."""
    roots = {}
    for ending in (".nii.gz", ".png"):
        roots[ending] = root = tmp_path_factory.mktemp("cascade")
        with pytest.MonkeyPatch.context() as patch:
            for variable in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
                patch.setenv(variable, str(root / variable))
                (root / variable).mkdir()
            write_full(root / "nnUNet_raw", ending)
            assert crop.main(["-d", "42", "-o", "43", "-np", "1"]) == 0
        for name in ("Dataset042_Heart", "Dataset043_HeartCropped"):
            model = root / "nnUNet_results" / name / "nnUNetTrainer__nnUNetPlans__2d"
            (model / "fold_0").mkdir(parents=True)
            (model / "fold_0" / "checkpoint_final.pth").write_text(name)
            shutil.copyfile(root / "nnUNet_raw" / name / "dataset.json", model / "dataset.json")
    return roots


def world_of(root, ending, tmp_path, monkeypatch):
    """A copy that a test may change."""
    shutil.copytree(root, tmp_path / "nnunet")
    for variable in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        monkeypatch.setenv(variable, str(tmp_path / "nnunet" / variable))
    fake = FakeNnunet(ending)
    monkeypatch.setattr(cascade, "run_nnunet", fake)
    raw = tmp_path / "nnunet" / "nnUNet_raw"
    return {"raw": raw, "full": raw / "Dataset042_Heart", "fake": fake, "ending": ending,
            "results": tmp_path / "nnunet" / "nnUNet_results"}  # fmt: skip


@pytest.fixture(params=[".nii.gz", ".png"])
def world(request, built, tmp_path, monkeypatch):
    return world_of(built[request.param], request.param, tmp_path, monkeypatch)


@pytest.fixture
def volumes(built, tmp_path, monkeypatch):
    return world_of(built[".nii.gz"], ".nii.gz", tmp_path, monkeypatch)


def run(world, out, *more, models=MODELS):
    images = world["full"] / "imagesTs"
    return predict_cascade.main(
        ["-i", str(images), "-o", str(out), *models, "-device", "cpu", *more]
    )


def names(world):
    return sorted(f"{case_name(i)}{world['ending']}" for i in TESTS)


def test_a_perfect_first_model_leads_to_the_crops_of_the_references(world, tmp_path):
    out, bound = tmp_path / "out", tmp_path / "bound"
    gt = str(world["full"] / "labelsTs")
    assert run(world, out, "--keep", "-gt", gt) == 0
    assert run(world, bound, "--upper-bound", "-gt", gt, models=MODELS[7:]) == 0
    cropped = world["raw"] / "Dataset043_HeartCropped"
    crops = json.loads((cropped / "crops.json").read_text())["cases"]
    for name in names(world):
        case = name.partition(".")[0]
        image = volume(int(case[1:]), world["ending"])[0]
        kept = out / "crops" / f"{case}_0000{world['ending']}"
        assert kept.read_bytes() == (cropped / "imagesTs" / kept.name).read_bytes()
        expected = np.zeros(image.shape, np.uint8)
        place = tuple(
            slice(a, a + n) for a, n in zip(crops[case]["start"], crops[case]["size"], strict=True)
        )
        expected[place] = segmented(image)[place]
        assert np.array_equal(read_mask(out / name), expected)
        assert (bound / name).read_bytes() == (out / name).read_bytes()
        assert (out / "localizer" / name).is_file()
    assert (out / "segmenter").is_dir()
    assert not (bound / "crops").exists()
    assert sorted(p.name for p in bound.iterdir()) == [
        "boxes.csv", *names(world), "cascade.json", "dataset.json", "manifest.json",
    ]  # fmt: skip
    content = json.loads((bound / "cascade.json").read_text())
    assert content["localizer"] == "the references: an upper bound"
    assert content["fallback"] == {}
    table = pd.read_csv(out / "boxes.csv")
    assert (table["fallback"] == 0).all()
    errors = table[[column for column in table if "error" in column or "shift" in column]]
    assert (errors == 0).all(axis=None)
    shares = [1 - crops[case]["cut_share"] for case in table["case"]]
    assert table["covered_share"].tolist() == pytest.approx(shares)
    assert ("x_size_error_mm" in table) == (world["ending"] != ".png")


def test_errors_of_the_box(volumes, tmp_path):
    """Two columns more at the left, one row less at the top; spacing is 1.37 mm."""
    labels = volume(8, "")[1].copy()
    rows, columns = (np.flatnonzero(labels.any(axis=axes)) for axes in ((0, 2), (0, 1)))
    labels[:, :, columns[0] - 2 : columns[0]] = labels[:, :, columns[0] : columns[0] + 1]
    labels[:, rows[0]] = 0
    volumes["fake"].first["c08"] = labels
    out = tmp_path / "out"
    assert run(volumes, out, "-gt", str(volumes["full"] / "labelsTs")) == 0
    row = pd.read_csv(out / "boxes.csv").set_index("case").loc["c08"]
    assert row["x_start"] == columns[0] - 2
    assert row["x_end"] == columns[-1] + 1
    assert row["x_size_error_px"] == 2
    assert row["x_size_error_mm"] == pytest.approx(2 * 1.37, abs=1e-6)
    assert row["y_size_error_px"] == -1
    assert row["y_abs_size_error_mm"] == pytest.approx(1.37, abs=1e-6)
    assert row["x_shift_px"] == -1
    assert row["y_shift_px"] == 0.5
    assert row["covered_share"] == 1
    assert row["crop_x_end"] - row["crop_x_start"] == 22


def test_empty_and_implausible_first_predictions_fall_back(volumes, tmp_path, capsys):
    out = tmp_path / "out"
    empty, blob = np.zeros((5, 36, 40), np.uint8), np.zeros((5, 36, 40), np.uint8)
    blob[:, 3:34, 2:38] = 1
    besides = volume(8, "")[1].copy()
    besides[:, 0:3, 0:40] = 1
    volumes["fake"].first |= {"c06": empty, "c09": blob, "c08": besides}
    assert run(volumes, out, "-gt", str(volumes["full"] / "labelsTs")) == 0
    assert (
        "2 cases have no plausible box; the first model's prediction was taken: c06 (empty), "
        "c09 (implausible: 31 x 36 voxels, training 5-9 x 7-12)" in capsys.readouterr().out
    )
    assert not read_mask(out / "c06.nii.gz").any()
    assert np.array_equal(read_mask(out / "c09.nii.gz"), blob)
    assert volumes["fake"].calls[1] == ("43", ["c07", "c08"])
    table = pd.read_csv(out / "boxes.csv").set_index("case")
    assert table["fallback"].to_dict() == {"c06": 1, "c07": 0, "c08": 0, "c09": 1}
    assert table.loc["c06", "reason"] == "empty"
    text = (out / "boxes.csv").read_text().splitlines()
    assert text[0].startswith("case,fallback,reason,x_start,x_end,crop_x_start,crop_x_end,")
    assert text[3].startswith("c08,0,,9,17,2,24,"), "whole numbers beside empty cells"
    assert np.isnan(table.loc["c06", "covered_share"])
    assert table.loc["c08", "x_size_error_px"] == 0
    fallback = json.loads((out / "cascade.json").read_text())["fallback"]
    assert sorted(fallback) == ["c06", "c09"]


def test_nothing_plausible_at_all_needs_no_second_model(volumes, tmp_path):
    empty = np.zeros((5, 36, 40), np.uint8)
    volumes["fake"].first = {case_name(i): empty for i in TESTS}
    assert run(volumes, tmp_path / "out") == 0
    assert [dataset for dataset, _ in volumes["fake"].calls] == ["42"]


def test_groups_can_be_compared_by_the_table(volumes, tmp_path, capsys):
    """Table S4: the errors of the boxes by group."""
    out = tmp_path / "out"
    assert run(volumes, out, "-gt", str(volumes["full"] / "labelsTs")) == 0
    options = [
        "--score",
        "covered_share=higher",
        "--score",
        "x_abs_size_error_mm=lower",
        "--score",
        "fallback=lower",
    ]
    options += ["--demographics", str(volumes["full"] / "demographics.csv"), "-a", "sex"]
    code = evaluate.main(
        ["--from-csv", str(out / "boxes.csv"), "-o", str(tmp_path / "e"), *options]
    )
    assert code == 0, capsys.readouterr().err
    summary = json.loads((tmp_path / "e" / "summary.json").read_text())
    assert {"covered_share", "x_abs_size_error_mm"} <= set(json.dumps(summary).split('"'))


@pytest.mark.parametrize("stage", ["42", "43"])
def test_an_interrupted_run_is_continued(volumes, tmp_path, capsys, stage):
    out, whole = tmp_path / "out", tmp_path / "whole"
    assert run(volumes, whole) == 0
    fake = volumes["fake"]
    fake.calls.clear()
    fake.fails_at = stage
    assert run(volumes, out) == 1
    assert [path.name for path in out.iterdir()] == [".cascade"]
    if stage == "43":  # killed in the middle of a file
        left = out / ".cascade" / "localizer" / "c06.nii.gz"
        left.write_bytes(left.read_bytes()[:-20])
    fake.fails_at = None
    fake.calls.clear()
    assert run(volumes, out) == 0
    assert "of an interrupted run kept" in capsys.readouterr().out
    expected = {
        "42": [("42", ["c07", "c08", "c09"]), ("43", ["c06", "c07", "c08", "c09"])],
        "43": [("42", ["c06"]), ("43", ["c07", "c08", "c09"])],
    }
    assert fake.calls == expected[stage]
    files = {p.name: p.read_bytes() for p in out.iterdir()}
    assert files == {p.name: p.read_bytes() for p in whole.iterdir()}


def test_another_model_starts_from_scratch(volumes, tmp_path):
    fake = volumes["fake"]
    fake.fails_at = "43"
    assert run(volumes, tmp_path / "out") == 1
    for path in volumes["results"].rglob("checkpoint_final.pth"):
        path.write_text("trained again")
    fake.fails_at = None
    fake.calls.clear()
    assert run(volumes, tmp_path / "out") == 0
    assert [len(cases) for _, cases in fake.calls] == [4, 4]


def test_earlier_predictions_are_kept(volumes, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "c06.nii.gz").write_bytes(b"mine")
    assert run(volumes, out) == 2
    assert "pass --overwrite" in capsys.readouterr().err
    assert run(volumes, out, "--overwrite") == 0
    assert read_mask(out / "c06.nii.gz").any()


def test_options_belong_to_the_word_before_them():
    given = ["-i", "a", "--localizer", "-d", "42", "-device", "cpu", "-f", "0", "1", "--keep",
             "--segmenter", "-f", "all", "-o", "b", "-d", "43", "-np", "2"]  # fmt: skip
    rest, models = predict_cascade._parted(given)
    assert rest == ["-i", "a", "-device", "cpu", "--keep", "-o", "b", "-np", "2"]
    assert models == {
        "--localizer": ["-d", "42", "-f", "0", "1"], "--segmenter": ["-f", "all", "-d", "43"],
    }  # fmt: skip


LOCALIZER, SEGMENTER = MODELS[:7], MODELS[7:]


@pytest.mark.parametrize(
    ("models", "more", "code", "message"),
    [
        (LOCALIZER, [], 2, "Name the second model: --segmenter"),
        (SEGMENTER, [], 2, "Name the first model with --localizer -d ID -c CONFIGURATION, or"),
        (MODELS, ["--upper-bound"], 2, "one of the two"),
        (SEGMENTER, ["--upper-bound"], 2, "name their folder with -gt"),
        (MODELS, ["--factor", "0.5"], 2, "--factor 0.5: expected a number, 1 or more"),
        (MODELS, ["--factor", "nan"], 2, "--factor nan: expected a number, 1 or more"),
        (MODELS, ["--factor", "inf"], 2, "--factor inf: expected a number, 1 or more"),
        (MODELS, ["-np", "0"], 2, "-np 0: expected 1 or more"),
        (MODELS, ["-gt", "nowhere"], 1, "-gt nowhere does not exist"),
        (["--localizer", "-d", "43", *MODELS[3:]], [], 1,
         "is a cropped dataset; its model knows crops only"),
        ([*LOCALIZER, "--segmenter", "-d", "42", "-c", "2d", "-f", "0"], [], 1,
         "Dataset042_Heart is not a dataset of nnUNetv2_fair_crop"),
        ([*LOCALIZER, "--segmenter", "-d", "43", "-c", "2d"], [], 1,
         "Train it: nnUNetv2_train 43 2d 1 -tr nnUNetTrainer"),
        ([*LOCALIZER, "--segmenter", "-d", "77", "-c", "2d"], [], 1, "No dataset '77'"),
    ],
)  # fmt: skip
def test_what_is_refused(volumes, tmp_path, capsys, models, more, code, message):
    assert run(volumes, tmp_path / "out", *more, models=models) == code
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_model_without_a_dataset(volumes, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        run(volumes, tmp_path / "out", models=[*LOCALIZER, "--segmenter", "-c", "2d"])
    assert ended.value.code == 2
    assert "predict_cascade --segmenter: error: the following arguments are required: -d" in (
        capsys.readouterr().err
    )


def test_models_that_do_not_belong_together(volumes, tmp_path, capsys):
    path = next((volumes["results"] / "Dataset042_Heart").rglob("dataset.json"))
    content = json.loads(path.read_text())
    content["labels"]["fat"] = 3
    path.write_text(json.dumps(content))
    assert run(volumes, tmp_path / "out") == 1
    assert "The two models have different labels" in capsys.readouterr().err


def test_references_that_are_missing_empty_or_elsewhere(volumes, tmp_path, capsys):
    gt = volumes["full"] / "labelsTs"
    save(gt / "c07.nii.gz", 0 * volume(7, "")[1], 7)
    bound = ["--upper-bound", "-gt", str(gt)]
    assert run(volumes, tmp_path / "out", *bound, models=SEGMENTER) == 1
    assert "1 reference is empty, so that there is no box: c07" in capsys.readouterr().err
    save(gt / "c07.nii.gz", volume(7, "")[1], 3)
    assert run(volumes, tmp_path / "out", "-gt", str(gt)) == 1
    assert "c07_0000.nii.gz and c07.nii.gz differ in position" in capsys.readouterr().err
    (gt / "c07.nii.gz").unlink()
    assert run(volumes, tmp_path / "out2", "-gt", str(gt)) == 1
    assert "has no reference <case>.nii.gz of 1 case: c07" in capsys.readouterr().err
