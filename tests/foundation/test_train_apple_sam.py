"""``nnUNetv2_fair_train_APPLE_SAM`` on a small random model: what is learnt, kept and refused."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from nnunetv2_fair.cli import predict_SAM, prepare, train_APPLE_SAM
from nnunetv2_fair.foundation import dataset_training, embeddings, training
from nnunetv2_fair.foundation.model import PromptedModel
from nnunetv2_fair.foundation.perturbation import FINAL, LATEST, Perturbation, read_perturbation
from nnunetv2_fair.foundation.training import segmentation_loss
from nnunetv2_fair.foundation.weights import read_weights
from nnunetv2_fair.trainers.adversarial.adversary import Adversary
from tests.foundation.tiny_models import lite_medsam, write_tiny
from tests.nnunet_dataset import NAME, write_raw


@pytest.fixture
def weights(nnunet_folders, tmp_path, capsys):
    write_raw(Path(os.environ["nnUNet_raw"]))
    (Path(os.environ["nnUNet_preprocessed"]) / NAME).mkdir()
    assert prepare.main(["-d", "901", "-a", "sex", "--folds", "2"]) == 0
    capsys.readouterr()
    return write_tiny(tmp_path)


def trained(weights, out, *more, epochs="2"):
    return train_APPLE_SAM.main(
        ["-d", "901", "-a", "sex", "--weights", str(weights), "-o", str(out), "-device", "cpu",
         "--epochs", epochs, "--steps", "3", *map(str, more)]
    )  # fmt: skip


def generator(out, weights):
    return read_perturbation(out, read_weights(weights)).generator


def test_the_generator_learns_and_the_model_stays(weights, tmp_path, monkeypatch):
    kept = []

    class Watched(PromptedModel):
        def __init__(self, found):
            super().__init__(found)
            kept.append((self, {k: v.clone() for k, v in self.state_dict().items()}))

    monkeypatch.setattr(dataset_training, "PromptedModel", Watched)
    out = tmp_path / "out"
    assert trained(weights, out) == 0
    ((model, before),) = kept
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    found = read_perturbation(out, read_weights(weights))
    name = list(found.generator)[-2]  # of the last convolution, which began at zero
    assert found.generator[name].abs().max() > 0
    assert (found.epoch, found.state, found.settings["beta"]) == (2, {}, 1.0)
    assert not (out / LATEST).exists()
    log = pd.read_csv(out / "subgroup_log.csv")
    assert list(log["epoch"]) == [0, 0, 1, 1]
    assert set(log["group"]) == {"female", "male"}
    for column in ("train_loss_per_sample", "val_loss_per_sample", "pseudo_dice"):
        assert log[column].notna().all()
    assert "discriminator_balanced_accuracy" in log
    assert (out / "subgroup_log.png").is_file()


def test_the_result_is_in_a_folder_that_its_settings_name(weights, tmp_path):
    code = train_APPLE_SAM.main(
        ["-d", "901", "-a", "sex", "--weights", str(weights), "-device", "cpu", "--epochs", "1",
         "--steps", "1", "--beta", "2", "--fairness", "0"]
    )  # fmt: skip
    assert code == 0
    folder = Path(os.environ["nnUNet_results"]) / NAME
    name = "APPLE_SAM_sex_beta2_fairness0_epochs1_steps1__sam"
    assert (folder / name / "fold_0" / FINAL).is_file()
    images = Path(os.environ["nnUNet_raw"]) / NAME / "imagesTs"
    code = predict_SAM.main(
        ["-d", "901", "-i", str(images), "-o", str(tmp_path / "masks"), "--weights", str(weights),
         "--boxes", "references", "--generator", str(folder / name / "fold_0"), "-device", "cpu"]
    )  # fmt: skip
    assert code == 0


def test_a_continued_training_is_the_one_that_was_not_interrupted(weights, tmp_path, monkeypatch):
    assert trained(weights, tmp_path / "whole") == 0
    write = Perturbation.write

    def stops(self, path):
        write(self, path)
        if self.epoch == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(Perturbation, "write", stops)
    assert trained(weights, tmp_path / "parts") != 0
    monkeypatch.setattr(Perturbation, "write", write)
    made = []
    monkeypatch.setattr(PromptedModel, "embed", lambda *_: made.append(1))
    assert trained(weights, tmp_path / "parts", "--c") == 0
    assert not made  # embeddings are kept
    one, other = (generator(tmp_path / name, weights) for name in ("whole", "parts"))
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    logs = [pd.read_csv(tmp_path / name / "subgroup_log.csv") for name in ("whole", "parts")]
    pd.testing.assert_frame_equal(*logs)


def test_without_the_fairness_term_the_attribute_does_not_matter(weights, tmp_path):
    assert trained(weights, tmp_path / "sex", "--fairness", "0", epochs="1") == 0
    table = Path(os.environ["nnUNet_preprocessed"]) / NAME / "demographics.csv"
    swapped = table.read_text().replace(",female", ",x").replace(",male", ",female")
    table.write_text(swapped.replace(",x", ",male"))
    assert trained(weights, tmp_path / "other", "--fairness", "0", epochs="1") == 0
    assert trained(weights, tmp_path / "fair", epochs="1") == 0
    one, other, fair = (generator(tmp_path / n, weights) for n in ("sex", "other", "fair"))
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    assert not all(torch.equal(value, fair[name]) for name, value in one.items())


def test_the_discriminator_can_count_rare_groups_as_much(weights, tmp_path, monkeypatch):
    kept = []

    class Watched(Adversary):
        def __init__(self, *args, weights, **rest):
            super().__init__(*args, weights=weights, **rest)
            kept.append(weights)

    monkeypatch.setattr(training, "Adversary", Watched)
    folder = Path(os.environ["nnUNet_preprocessed"]) / NAME
    people = pd.read_csv(folder / "demographics.csv").set_index("case")["sex"]
    by_sex = [list(people.index[people == sex]) for sex in ("female", "male")]
    fold = {"train": [*by_sex[0][:3], by_sex[1][0]], "val": [by_sex[0][3], by_sex[1][1]]}
    (folder / "splits_final.json").write_text(json.dumps([fold]))
    assert trained(weights, tmp_path / "rare", "--dloss", "balanced", epochs="1") == 0
    # 3 of 4 samples are of women; the mean over the samples is 1
    assert kept[0].tolist() == pytest.approx([2 / 3, 2])
    assert read_perturbation(tmp_path / "rare", read_weights(weights)).settings["balanced"] is True


def test_embeddings_alone_are_made_once(weights, tmp_path, capsys, monkeypatch):
    given = ["-d", "901", "--weights", str(weights), "-device", "cpu"]
    assert train_APPLE_SAM.main(given) == 2
    assert "Pass -a with the attribute" in capsys.readouterr().err
    assert train_APPLE_SAM.main([*given, "--only-embeddings"]) == 0
    assert "Embeddings of" in capsys.readouterr().out
    made = []
    monkeypatch.setattr(PromptedModel, "embed", lambda *_: made.append(1))
    assert trained(weights, tmp_path / "out", epochs="1") == 0
    assert not made


def test_the_segmentation_loss_is_half_of_both_terms():
    logits = torch.tensor([[[2.0, -1.0], [0.5, -3.0]]])
    truth = torch.tensor([[[1.0, 0.0], [0.0, 0.0]]])
    p = 1 / (1 + np.exp(-logits.numpy()))
    t = truth.numpy()
    entropy = -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean()
    dice = 1 - (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1)
    assert segmentation_loss(logits, truth).item() == pytest.approx((entropy + dice) / 2, rel=1e-5)


def test_embeddings_are_made_anew_for_changed_images(weights, tmp_path, monkeypatch):
    assert trained(weights, tmp_path / "a", epochs="1") == 0
    made, make = [], embeddings.EmbeddingCache._make
    monkeypatch.setattr(
        embeddings.EmbeddingCache, "_make", lambda *a: (made.append(1), make(*a))[1]
    )
    raw = Path(os.environ["nnUNet_raw"]) / NAME / "imagesTr"
    (raw / "case_003_0000.png").write_bytes((raw / "case_004_0000.png").read_bytes())
    assert trained(weights, tmp_path / "b", epochs="1") == 0
    assert len(made) == 1
    files = list((Path(os.environ["nnUNet_preprocessed"]) / NAME).rglob("case_003__0000.npy"))
    assert len(files) == 1
    assert np.load(files[0]).dtype == np.float16


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (("--beta", "-1"), 2, "--beta -1.0: expected 0 or more"),
        (("--beta", "0", "--fairness", "0"), 2, "nothing would be learnt"),
        (("--c",), 1, "there is nothing to continue. Leave out --c"),
        (("-f", "7"), 1, "fold"),
        (("-a", "handedness"), 1, "handedness"),
    ],
)
def test_wrong_arguments_are_refused(weights, tmp_path, capsys, options, code, told):
    assert trained(weights, tmp_path / "out", *options) == code
    assert told in capsys.readouterr().err


def test_a_finished_training_and_other_settings_are_refused(weights, tmp_path, capsys):
    assert trained(weights, tmp_path / "out", epochs="1") == 0
    assert trained(weights, tmp_path / "out", epochs="1") == 1
    assert "this training is finished" in capsys.readouterr().err
    (tmp_path / "out" / FINAL).rename(tmp_path / "out" / LATEST)
    assert trained(weights, tmp_path / "out", "--c", "--beta", "3", epochs="1") == 1
    assert "other settings: beta 1.0, now 3.0" in capsys.readouterr().err


@pytest.mark.slow
def test_real_weights_are_trained_on(weights, tmp_path):
    out = tmp_path / "out"
    # two patients of each sex in either part: what is told of one would be told of a patient
    parts = {"train": (0, 6, 2, 4), "val": (12, 18, 8, 16)}
    fold = {part: [f"case_{i:03d}" for i in numbers] for part, numbers in parts.items()}
    folds = Path(os.environ["nnUNet_preprocessed"]) / NAME / "splits_final.json"
    folds.write_text(json.dumps([fold]))
    assert trained(lite_medsam(), out, "--steps", "2", epochs="2") == 0
    log = pd.read_csv(out / "subgroup_log.csv")
    assert log["pseudo_dice"].iloc[-1] > 0.7
