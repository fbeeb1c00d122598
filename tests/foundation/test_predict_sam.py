"""``nnUNetv2_fair_predict_SAM`` on a small random model: where masks go, what is refused."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import SimpleITK
import torch
from PIL import Image

from nnunetv2_fair.cli import evaluate, predict_SAM
from nnunetv2_fair.cropping.images import grid_of_file, read_mask
from nnunetv2_fair.foundation.model import PromptedModel
from nnunetv2_fair.foundation.perturbation import FINAL, Perturbation, generator_of
from nnunetv2_fair.foundation.weights import read_weights
from tests.foundation.tiny_models import CHANNELS, lite_medsam, write_tiny
from tests.nnunet_dataset import N_TEST, NAME, write_raw, write_raw_volumes


@pytest.fixture
def raw(nnunet_folders, tmp_path):
    import os
    from pathlib import Path

    folder = Path(os.environ["nnUNet_raw"])
    write_raw(folder)
    return folder / NAME


def predicted(raw, out, weights, *more, images="imagesTs", dataset="901"):
    return predict_SAM.main(
        ["-d", dataset, "-i", str(raw / images), "-o", str(out), "--weights", str(weights),
         "-device", "cpu", *map(str, more)]
    )  # fmt: skip


def test_masks_lie_beside_the_dice_of_their_boxes(raw, tmp_path, capsys):
    weights, out = write_tiny(tmp_path), tmp_path / "out"
    assert predicted(raw, out, weights, "--boxes", "references") == 0
    masks = sorted(out.glob("*.png"))
    assert len(masks) == N_TEST
    assert read_mask(masks[0]).shape == (40, 48)
    table = pd.read_csv(out / "prompts.csv")
    assert list(table) == ["case", "label", "boxes", "dice_filled_box", "dice_mask"]
    # a disc fills pi / 4 of its box
    assert table["dice_filled_box"].mean() == pytest.approx(2 * np.pi / (np.pi + 4), abs=0.03)
    truth, mask = (read_mask(f / masks[0].name) == 1 for f in (raw / "labelsTs", out))
    expected = 2 * (truth & mask).sum() / (truth.sum() + mask.sum())
    assert table["dice_mask"][0] == pytest.approx(expected)
    about = json.loads((out / "sam.json").read_text())
    assert (about["family"], about["boxes"], about["perturbation"]) == ("sam", "references", None)
    assert f"filled boxes alone {table['dice_filled_box'].mean():.3f}" in capsys.readouterr().out


def test_filled_boxes_are_masks_that_need_no_model(raw, tmp_path, capsys):
    out, boxes = tmp_path / "out", ("--boxes", "references", "-device", "cpu")
    given = ["-d", "901", "-i", str(raw / "imagesTs"), "-o", str(out), *boxes]
    assert predict_SAM.main(given) == 2
    assert "either --weights FILE or --filled-boxes" in capsys.readouterr().err
    assert predict_SAM.main([*given, "--filled-boxes", "--family", "sam"]) == 2
    assert "leave out --generator and --family" in capsys.readouterr().err
    assert predict_SAM.main([*given, "--filled-boxes"]) == 0
    table = pd.read_csv(out / "prompts.csv")
    assert (table["dice_mask"] == table["dice_filled_box"]).all()
    assert f"filled boxes {table['dice_mask'].mean():.3f}" in capsys.readouterr().out
    assert json.loads((out / "sam.json").read_text())["filled_boxes"] is True
    for path in sorted(out.glob("*.png")):
        truth, mask = (read_mask(f / path.name) for f in (raw / "labelsTs", out))
        rows, columns = np.nonzero(truth)
        expected = np.zeros_like(truth)
        expected[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] = 1
        assert (mask == expected).all()


def test_a_mask_is_what_the_model_says_inside_its_box(raw, tmp_path):
    from nnunetv2_fair.foundation.pictures import Fit, read_slices
    from nnunetv2_fair.foundation.prompts import boxes_around
    from nnunetv2_fair.foundation.task import read_task

    weights = read_weights(write_tiny(tmp_path))
    assert predicted(raw, tmp_path / "out", weights.path, "--boxes", "references") == 0
    case = sorted((tmp_path / "out").glob("*.png"))[0].stem
    picture = read_slices(raw / "imagesTs" / f"{case}_0000.png", is_ct=False)[0]
    fit, model = Fit((40, 48), weights.family, weights.sizes), PromptedModel(weights)
    labels = read_mask(raw / "labelsTs" / f"{case}.png")
    (box,) = boxes_around(labels, read_task(raw).targets).values()
    logits = model.logits(model.embed(fit.prepared(picture)[None]), fit.boxes([box])[None])
    expected = fit.on_slice(logits[0])[0] > 0
    assert 0 < expected.sum() < expected.numel()
    assert (read_mask(tmp_path / "out" / f"{case}.png") == expected.numpy()).all()


def test_a_new_generator_changes_nothing_and_a_trained_one_does(raw, tmp_path):
    weights = read_weights(write_tiny(tmp_path))
    generator = generator_of(CHANNELS)
    Perturbation(weights.sha256, {"beta": 1.0}, 0, generator.state_dict()).write(tmp_path / FINAL)
    boxes = ("--boxes", "references")
    assert predicted(raw, tmp_path / "a", weights.path, *boxes) == 0
    assert predicted(raw, tmp_path / "b", weights.path, *boxes, "--generator", tmp_path) == 0
    for path in (tmp_path / "a").glob("*.png"):
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    torch.nn.init.normal_(generator.layers[-1].weight, std=3)
    Perturbation(weights.sha256, {"beta": 1.0}, 4, generator.state_dict()).write(tmp_path / FINAL)
    assert predicted(raw, tmp_path / "c", weights.path, *boxes, "--generator", tmp_path) == 0
    names = [path.name for path in (tmp_path / "a").glob("*.png")]
    assert any(
        (read_mask(tmp_path / "a" / n) != read_mask(tmp_path / "c" / n)).any() for n in names
    )
    about = json.loads((tmp_path / "c" / "sam.json").read_text())
    assert about["perturbation"] == {"beta": 1.0, "epochs_done": 4}


def test_slices_of_volumes_regions_and_their_order(nnunet_folders, tmp_path, capsys):
    import os
    from pathlib import Path

    folder = Path(os.environ["nnUNet_raw"])
    write_raw_volumes(folder)
    raw, out = folder / "Dataset902_Volumes", tmp_path / "out"
    for path in [*(raw / "imagesTr").iterdir(), *(raw / "labelsTr").iterdir()]:
        if "v0" not in path.name and "v1" not in path.name:
            path.unlink()
    empty = SimpleITK.ReadImage(str(raw / "labelsTr" / "v1.nii.gz")) * 0
    SimpleITK.WriteImage(empty, str(raw / "labelsTr" / "v1.nii.gz"))
    arguments = ("--boxes", "references", "--jitter", "0.05")
    assert (
        predicted(raw, out, write_tiny(tmp_path), *arguments, images="imagesTr", dataset="902") == 0
    )
    labels, reference = (read_mask(f / "v0.nii.gz") for f in (out, raw / "labelsTr"))
    assert labels.shape == reference.shape
    assert set(np.unique(labels)) <= {0, 1, 2}
    shown = np.isin(reference, (1, 2)).any(axis=(1, 2))
    assert labels.any()
    assert not labels[~shown].any()
    one, other = (grid_of_file(f) for f in (out / "v0.nii.gz", raw / "imagesTr/v0_0000.nii.gz"))
    assert one.geometry.spacing_mm == pytest.approx(other.geometry.spacing_mm)
    assert not read_mask(out / "v1.nii.gz").any()
    told = capsys.readouterr()
    assert "1 case has no box of 'core', so their masks do not hold it: v1" in told.out + told.err


def test_boxes_of_predictions_and_of_a_table(raw, tmp_path, capsys):
    weights = write_tiny(tmp_path)
    assert predicted(raw, tmp_path / "a", weights, "--boxes", "references") == 0
    assert predicted(raw, tmp_path / "b", weights, "--boxes", raw / "labelsTs") == 0
    rows = ["case,label,x_start,x_end,y_start,y_end"]
    for path in sorted((raw / "labelsTs").iterdir()):
        y, x = np.nonzero(read_mask(path))
        rows.append(f"{path.stem},disc,{x.min()},{x.max() + 1},{y.min()},{y.max() + 1}")
    (tmp_path / "boxes.csv").write_text("\n".join(rows))
    shutil.copytree(raw / "imagesTs", tmp_path / "elsewhere")
    capsys.readouterr()
    assert predicted(
        tmp_path, tmp_path / "c", weights, "--boxes", tmp_path / "boxes.csv", images="elsewhere"
    ) == 0  # fmt: skip
    assert "name the references with -gt" in capsys.readouterr().out
    for path in (tmp_path / "a").glob("*.png"):
        for other in "bc":
            assert (tmp_path / other / path.name).read_bytes() == path.read_bytes()


def test_an_interrupted_run_continues(raw, tmp_path, monkeypatch, capsys):
    weights, out = write_tiny(tmp_path), tmp_path / "out"
    embed, calls = PromptedModel.embed, []

    def stops(self, pixels):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return embed(self, pixels)

    monkeypatch.setattr(PromptedModel, "embed", stops)
    assert predicted(raw, out, weights, "--boxes", "references") != 0
    assert not list(out.glob("*.png"))
    capsys.readouterr()
    assert predicted(raw, out, weights, "--boxes", "references") == 0
    assert len(calls) == 3 + N_TEST - 2
    assert "Kept 2 masks" in capsys.readouterr().out
    assert not (out / ".sam").exists()


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (("--boxes", "references", "--jitter", "0.7"), 2, "--jitter 0.7: expected a share"),
        (("--boxes", "nowhere"), 2, "--boxes nowhere: expected the word references"),
        (("--boxes", "references", "--channel", "1"), 2, "has the channels 0"),
        (("--boxes", "references", "-gt", "."), 1, "lacks label maps of 6 of 6 images"),
        (("--boxes", "references", "--generator", "."), 1, "checkpoint_final.pth does not exist"),
    ],
)
def test_wrong_arguments_are_refused(raw, tmp_path, capsys, options, code, told):
    assert predicted(raw, tmp_path / "out", write_tiny(tmp_path), *options) == code
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_reference_on_another_grid_is_refused(raw, tmp_path, capsys):
    path = sorted((raw / "labelsTs").iterdir())[0]
    Image.fromarray(np.ones((8, 8), np.uint8)).save(path)
    assert predicted(raw, tmp_path / "out", write_tiny(tmp_path), "--boxes", "references") == 1
    assert "must lie on the grids of their images" in capsys.readouterr().err


def test_a_generator_of_other_weights_is_refused(raw, tmp_path, capsys):
    weights = write_tiny(tmp_path)
    Perturbation("0" * 64, {}, 1, generator_of(CHANNELS).state_dict()).write(tmp_path / FINAL)
    options = ("--boxes", "references", "--generator", tmp_path)
    assert predicted(raw, tmp_path / "out", weights, *options) == 1
    assert "was trained on other weights (SHA-256 000000000000...)" in capsys.readouterr().err


@pytest.mark.slow
def test_real_weights_segment_discs_and_are_evaluated(raw, tmp_path):
    out = tmp_path / "out"
    assert predicted(raw, out, lite_medsam(), "--boxes", "references", "--jitter", "0.05") == 0
    table = pd.read_csv(out / "prompts.csv")
    assert table["dice_mask"].mean() > 0.75
    code = evaluate.main(["-pred", str(out), "-gt", str(raw / "labelsTs"), "-o",
                          str(tmp_path / "evaluation"), "-a", "sex"])  # fmt: skip
    assert code == 0
