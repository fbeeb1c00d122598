"""``nnUNetv2_fair_synthesize quality --features``: what each sees, and what is refused."""

import argparse
import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from nnunetv2_fair.cli import synthesize
from nnunetv2_fair.cli.synthesis.features import add_features, chosen_features
from nnunetv2_fair.errors import ConversionError, ModelError
from nnunetv2_fair.synthesis.quality.inception_features import Inception
from nnunetv2_fair.synthesis.training_cases.pictures import read_pictures
from tests.synthesis.one_thread import one_thread  # noqa: F401 - used by all
from tests.trained_models import write_model
from tests.trainers.test_trainers import registered  # noqa: F401


def chosen(*given):
    parser = argparse.ArgumentParser()
    add_features(parser)
    return chosen_features(parser.parse_args(given, argparse.Namespace(d="901", seed=0)))


def test_the_bottleneck_is_blind_to_contrast_and_random_features_are_not(tiny_nnunet, tmp_path):
    write_model(tiny_nnunet, "nnUNetTrainer")
    files = [[path] for path in sorted((tiny_nnunet["raw"] / "imagesTr").glob("*.png"))[:2]]
    pale = []
    for (path,) in files:
        pale.append([tmp_path / path.name])
        pixels = np.asarray(Image.open(path)).astype(float)
        half = np.rint(pixels / 2 + 60).astype(np.uint8)
        Image.fromarray(half).save(pale[-1][0])
    cases = {str(i): own for i, own in enumerate([*files, *pale])}
    images, _ = read_pictures(cases)
    bottleneck = chosen("--features", "bottleneck", "-c", "2d_trial", "-device", "cpu")
    assert bottleneck.name == "bottleneck of nnUNetTrainer__nnUNetPlans__2d_trial, fold 0"
    for features, least, most in ((bottleneck, 0, 0.2), (chosen(), 0.5, np.inf)):
        found = features.of(images, list(cases.values()))
        between = np.linalg.norm(found[0] - found[1])
        for own, paler in zip(found[:2], found[2:], strict=True):
            assert least <= np.linalg.norm(own - paler) / between <= most


def test_options_that_do_not_fit(nnunet_folders, tmp_path, capsys):
    (nnunet_folders["nnUNet_raw"] / "Dataset042_Eyes").mkdir()
    for given, said in (
        (("-c", "2d"), "-c is for --features bottleneck, which was not chosen"),
        (("--features", "bottleneck"), "--features bottleneck needs a trained model: -c"),
        (("--features", "inception"), "--features inception needs --weights FILE; none is no file"),
    ):
        command = ["quality", "-d", "42", "--pack", str(tmp_path), *given]
        assert synthesize.main(command) == 2
        assert said in capsys.readouterr().err


def test_other_files_than_inceptions_weights_are_refused_and_run_no_code(tmp_path):
    pytest.importorskip("torch_fidelity")
    path = tmp_path / "weights.pth"
    torch.save({"conv.weight": torch.zeros(1)}, path)
    with pytest.raises(ModelError, match=r"cannot be used .*Expected the weights that torch-fid"):
        Inception(path)
    path.write_bytes(pickle.dumps(_Harmful(tmp_path / "ran"), protocol=2))
    with pytest.raises(ModelError, match="cannot be used"):
        Inception(path)
    assert not (tmp_path / "ran").exists()


class _Harmful:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (self.path.touch, ())


@pytest.mark.slow
def test_inception_from_a_local_file(tmp_path):
    module = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")

    class Untrained(module.FeatureExtractorInceptionV3):
        def load_state_dict(self, *_):
            """Keep random weights: nothing can be downloaded."""

    path = tmp_path / "weights.pth"
    torch.save({}, path)
    torch.manual_seed(0)
    theirs = Untrained("inception", ["2048"], feature_extractor_weights_path=path)
    torch.save(theirs.state_dict(), path)
    images = np.random.default_rng(0).uniform(-1, 1, (2, 1, 40, 32)).astype(np.float32)
    found = Inception(path).features(images)
    pixels = torch.from_numpy(np.rint((images + 1) * 127.5).astype(np.uint8)).repeat(1, 3, 1, 1)
    np.testing.assert_allclose(found, theirs(pixels)[0].numpy(), rtol=1e-6)
    assert found.shape == (2, 2048)
    with pytest.raises(ConversionError, match="1 or 3 channels, these have 2"):
        Inception(path).features(images.repeat(2, axis=1))
