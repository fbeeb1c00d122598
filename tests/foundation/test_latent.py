"""``nnUNetv2_fair_inspect_latent --weights``: the embedding of a prompted model, by group."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from nnunetv2_fair.cli import inspect_latent
from nnunetv2_fair.foundation.embeddings import pooled_embeddings
from nnunetv2_fair.foundation.model import PromptedModel
from nnunetv2_fair.foundation.perturbation import FINAL, Perturbation, generator_of
from nnunetv2_fair.foundation.pictures import Fit, read_slices
from nnunetv2_fair.foundation.task import read_task
from nnunetv2_fair.foundation.weights import read_weights
from tests.foundation.tiny_models import CHANNELS, write_tiny
from tests.nnunet_dataset import NAME, write_raw


@pytest.fixture
def raw(nnunet_folders):
    write_raw(Path(os.environ["nnUNet_raw"]))
    return Path(os.environ["nnUNet_raw"]) / NAME


def test_the_embedding_is_probed_as_it_is_and_perturbed(raw, tmp_path, capsys):
    weights = read_weights(write_tiny(tmp_path))
    generator = generator_of(CHANNELS)
    torch.nn.init.normal_(generator.layers[-1].weight, std=1)
    folder = tmp_path / "SAM_APPLE_sex__sam" / "fold_0"
    folder.mkdir(parents=True)
    Perturbation(weights.sha256, {}, 1, generator.state_dict()).write(folder / FINAL)
    given = ["-d", "901", "-a", "sex", "--weights", str(weights.path), "-device", "cpu",
             "-o", str(tmp_path / "out"), "-i", str(raw / "imagesTr"), "--min-patients", "2",
             "--folds", "2", "--bootstrap", "0"]  # fmt: skip
    assert inspect_latent.main([*given, "-f", "1"]) == 2
    assert "leave out -c, -tr, -p, -f and -chk" in capsys.readouterr().err
    assert inspect_latent.main(["-d", "901", "-o", str(tmp_path / "out"), "--channel", "1"]) == 2
    assert "need --weights FILE" in capsys.readouterr().err
    assert inspect_latent.main([*given, "--generator", str(folder)]) == 0
    found = json.loads((tmp_path / "out" / "latent.json").read_text())
    assert found["models"] == ["SAM", "SAM_APPLE_sex__sam"]
    assert found["settings"]["weights"] == weights.path.name

    task, model = read_task(raw), PromptedModel(weights)
    (case, path), *_ = task.images(raw / "imagesTr").items()
    pooled = pooled_embeddings({case: path}, task, model, {"as it is": None, "learnt": generator})
    pixels = Fit((40, 48), model.family, model.sizes).prepared(read_slices(path, is_ct=False)[0])
    embedding = model.embed(pixels[None])
    with torch.no_grad():
        perturbed = embedding + generator(embedding)
    for name, expected in (("as it is", embedding), ("learnt", perturbed)):
        assert pooled[name].shape == (1, CHANNELS)
        np.testing.assert_allclose(pooled[name][0], expected.mean((0, 2, 3)), rtol=1e-4, atol=1e-5)
    assert not np.allclose(pooled["as it is"], pooled["learnt"])
