"""Embeddings against nnU-Net's encoder run by hand over the patches."""

import itertools
import json

import numpy as np
import pytest
import torch
from torch import nn

from nnunetv2_fair.errors import ModelError, TrainingError
from nnunetv2_fair.inspection.embeddings import LatentModel, _PooledBottleneck, embed_cases
from nnunetv2_fair.networks.perturbation import PerturbedNetwork
from tests.networks.unets import CHANNELS, images, unet
from tests.trained_models import write_model
from tests.trainers.test_trainers import registered  # noqa: F401

CHECKPOINT = "checkpoint_final.pth"


def files_of(folders, n=3):
    return {f.name[:-9]: [f] for f in sorted((folders["raw"] / "imagesTs").iterdir())[:n]}


def test_mean_over_positions_and_patches(tiny_nnunet):
    model = LatentModel(write_model(tiny_nnunet, "nnUNetTrainer"), "0", CHECKPOINT, "cpu")
    cases = files_of(tiny_nnunet)
    found = embed_cases([model], cases)["nnUNetTrainer"]
    encoder = model.predictor.network.network.encoder
    assert found.shape == (3, encoder.output_channels[-1])
    for row, files in zip(found, cases.values(), strict=True):
        image = model.preprocess(files)
        assert image.shape == (1, 1, 40, 48)
        # a window of 32 covers 40 and 48 in two steps each
        pooled = []
        for y, x in itertools.product((0, 8), (0, 16)):
            patch = image[:, 0, y : y + 32, x : x + 32][None]
            with torch.no_grad():
                pooled.append(encoder(patch)[-1].mean((0, 2, 3)).numpy())
        np.testing.assert_allclose(row, np.mean(pooled, 0), rtol=1e-5, atol=1e-6)


def test_cases_do_not_mix_and_models_are_told_apart(tiny_nnunet):
    names = ("nnUNetTrainer", "nnUNetTrainer_5epochs")
    folders = [write_model(tiny_nnunet, name) for name in names]
    content = torch.load(folders[1] / "fold_0" / CHECKPOINT, weights_only=False)
    for key, value in content["network_weights"].items():
        if key.startswith("encoder.") and value.is_floating_point():
            value.mul_(1.1)
    torch.save(content, folders[1] / "fold_0" / CHECKPOINT)
    models = [LatentModel(folder, "0", CHECKPOINT, "cpu") for folder in folders]
    cases = files_of(tiny_nnunet)
    both = embed_cases(models, cases)
    assert list(both) == list(names)
    assert not np.allclose(both[names[0]], both[names[1]])
    last = dict([list(cases.items())[-1]])
    alone = embed_cases(models[:1], last)[names[0]]
    np.testing.assert_array_equal(alone[0], both[names[0]][-1])


def test_volumes_and_perturbed_embeddings():
    base = unet(3, deep_supervision=False)
    network = PerturbedNetwork(base)
    nn.init.constant_(network.generators[0].layers[-1].bias, 2.5)
    network.eval()
    pooled = _PooledBottleneck(network, 3)
    patches = images(3, batch=2)
    with torch.inference_mode():
        for patch in patches:
            logits = pooled(patch[None])
            assert logits.shape == (1, 3, 4, 16, 24)
            assert not logits.any()
        expected = base.encoder(patches)[-1].mean((0, 2, 3, 4)) + 2.5
    found = pooled.take()
    assert found.shape == (CHANNELS[-1],)
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-5)


def test_networks_without_bottleneck_are_refused():
    with pytest.raises(TrainingError, match="cannot be split at a bottleneck"):
        _PooledBottleneck(nn.Conv2d(1, 2, 3), 2)


def test_models_of_other_plans_are_refused(tiny_nnunet):
    folders = [write_model(tiny_nnunet, n) for n in ("nnUNetTrainer", "nnUNetTrainer_5epochs")]
    plans = folders[1] / "plans.json"
    plans.write_text(plans.read_text().replace('"ZScoreNormalization"', '"NoNormalization"'))
    models = [LatentModel(folder, "0", CHECKPOINT, "cpu") for folder in folders]
    with pytest.raises(ModelError) as error:
        embed_cases(models, files_of(tiny_nnunet))
    assert str(error.value).startswith(
        "nnUNetTrainer_5epochs and nnUNetTrainer were trained with different plans "
        "(normalization_schemes)"
    )


def test_a_damaged_checkpoint_is_named(tiny_nnunet):
    folder = write_model(tiny_nnunet, "nnUNetTrainer")
    checkpoint = folder / "fold_0" / CHECKPOINT
    checkpoint.write_bytes(checkpoint.read_bytes()[:5000])
    with pytest.raises(ModelError) as error:
        LatentModel(folder, "0", CHECKPOINT, "cpu")
    assert f"{folder}, fold 0, {CHECKPOINT}: the model cannot be loaded" in str(error.value)
    assert "train it again" in str(error.value)


def test_the_second_stage_of_a_cascade_is_refused(tiny_nnunet):
    plans = tiny_nnunet["preprocessed"] / "nnUNetPlans.json"
    content = json.loads(plans.read_text())
    content["configurations"]["2d_trial"]["previous_stage"] = "2d"
    plans.write_text(json.dumps(content))
    folder = write_model(tiny_nnunet, "nnUNetTrainer")
    with pytest.raises(ModelError, match="is the second stage of a cascade"):
        LatentModel(folder, "0", CHECKPOINT, "cpu")
