"""ControlNet on a tiny Stable Diffusion: starts without effect, trains, refuses other folders."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from nnunetv2_fair.errors import ModelError, UsageError
from nnunetv2_fair.synthesis.images.sampling import sample
from nnunetv2_fair.synthesis.images.stable_diffusion import read_stable_diffusion
from nnunetv2_fair.synthesis.images.training import TrainingCases, TrainingSettings, train
from nnunetv2_fair.synthesis.learning import resumable
from tests.synthesis.images.tiny_diffusion import write_tiny_diffusion
from tests.synthesis.one_thread import one_thread  # noqa: F401 - used by all

pytest.importorskip("diffusers")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return write_tiny_diffusion(tmp_path_factory.mktemp("sd"))


@pytest.fixture
def folder(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "sd")


def _labels(n: int) -> np.ndarray:
    labels = np.zeros((n, 32, 32), np.uint8)
    labels[:, 8:20, 6:24] = 1
    labels[:, 10:14, 8:12] = 2
    return labels


def test_a_mask_has_no_effect_before_the_first_step(folder):
    torch.manual_seed(0)
    diffusion = read_stable_diffusion(folder)
    plan = diffusion.plan(30, 20, 1, 3, ("a", "b"))
    assert plan.size == 32
    network = plan.network(plan.build())
    x, labels = torch.randn(2, *network.shape), torch.from_numpy(_labels(2))
    steps, groups = torch.tensor([3, 900]), torch.tensor([0, 1])
    with torch.no_grad():
        ours = network(x, labels, steps, groups)
        prompt = diffusion.prompt.expand(2, -1, -1)
        assert torch.equal(ours, diffusion.unet(x, steps, prompt).sample)
        # the copy is one of the network's first half
        pairs = zip(
            network.control.down_blocks.state_dict().values(),
            diffusion.unet.down_blocks.state_dict().values(),
            strict=True,
        )
        assert all(torch.equal(a, b) for a, b in pairs)
        for zeros in (
            *network.control.controlnet_down_blocks,
            network.control.controlnet_mid_block,
        ):
            assert not zeros.weight.any()
            torch.nn.init.normal_(zeros.weight, std=0.1)
        told = network(x, labels, steps, groups)
        assert not torch.allclose(ours, told, atol=1e-5)
        last = network.control.controlnet_cond_embedding.conv_out
        assert not last.weight.any()
        torch.nn.init.normal_(last.weight)
        assert not torch.allclose(told, network(x, labels, steps, groups), atol=1e-5)
        assert not torch.allclose(
            network(x, labels, steps, groups), network(x, labels.flip(1), steps, groups), atol=1e-5
        )


def test_images_are_coded_and_noise_is_as_diffusers_has_it(folder):
    from diffusers import PNDMScheduler

    diffusion = read_stable_diffusion(folder)
    network = diffusion.plan(32, 32, 1, 3, ("a",)).network(
        diffusion.plan(32, 32, 1, 3, ("a",)).build()
    )
    theirs = PNDMScheduler.from_pretrained(folder, subfolder="scheduler")
    torch.testing.assert_close(network.shares(torch.device("cpu")), theirs.alphas_cumprod)
    images = torch.rand(2, 1, 32, 32) * 2 - 1
    coded = network.encoded(images)
    mean = diffusion.vae.encode(images.repeat(1, 3, 1, 1)).latent_dist.mean
    torch.testing.assert_close(coded, mean * 0.18215)
    decoded = diffusion.vae.decode(mean).sample.mean(1, keepdim=True)
    torch.testing.assert_close(network.decoded(coded), decoded)


def test_only_the_control_is_trained_and_a_killed_training_continues(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(resumable, "EPOCH", 2)
    diffusion = read_stable_diffusion(folder)
    before = {k: v.clone() for k, v in diffusion.unet.state_dict().items()}
    plan = diffusion.plan(32, 32, 3, 3, ("a", "b"))
    images = np.random.default_rng(0).uniform(-1, 1, (4, 3, 32, 32)).astype(np.float32)
    cases = TrainingCases(images, _labels(4), np.array([0, 1, 0, 1]))
    settings = TrainingSettings(steps=3, batch=2, rate=1e-3)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    network, losses = train(cases, plan, settings, whole, "cpu")

    def stop(progress):
        if progress.step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(cases, plan, settings, killed, "cpu", stop)
    again, same = train(cases, plan, settings, killed, "cpu")
    assert same == losses
    for a, b in zip(network.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)
    assert all(torch.equal(v, before[k]) for k, v in diffusion.unet.state_dict().items())
    assert network.control.controlnet_mid_block.weight.any()
    saved = resumable.read_checkpoint(whole / resumable.CHECKPOINT, "cpu", "an image model")
    assert set(saved["network"]) == set(network.control.state_dict())
    made = sample(network, _labels(2), np.array([0, 1]), ["x", "y"], steps=2)
    assert made.shape == (2, 3, 32, 32)
    # other weights are another training
    save_file({"prompt": torch.zeros(3, 6)}, folder / "prompt_embedding.safetensors")
    other = read_stable_diffusion(folder).plan(32, 32, 3, 3, ("a", "b"))
    with pytest.raises(ModelError, match="on other cases, groups or settings"):
        train(cases, other, settings, whole, "cpu")


def _edited(path, **more):
    path.write_text(json.dumps(json.loads(path.read_text()) | more))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: shutil.rmtree(f), "is not there. Expected a folder of Stable Diffusion 1.5"),
        (lambda f: shutil.rmtree(f / "unet"), "has no unet/config.json; found prompt_embedding"),
        (
            lambda f: _edited(f / "unet/config.json", _class_name="SD3Transformer2DModel"),
            "unet is a SD3Transformer2DModel, expected a UNet2DConditionModel",
        ),
        (
            lambda f: _edited(f / "unet/config.json", addition_embed_type="text_time"),
            "as Stable Diffusion XL does",
        ),
        (lambda f: _edited(f / "unet/config.json", in_channels=9), "unet takes 9 channels, vae ma"),
        (
            lambda f: _edited(f / "vae/config.json", block_out_channels=[4, 4]),
            "vae makes 2 x 2 pixels one, expected 8 x 8",
        ),
        (
            lambda f: (f / "vae/diffusion_pytorch_model.safetensors").rename(
                f / "vae/diffusion_pytorch_model.bin"
            ),
            "found config.json, diffusion_pytorch_model.bin. Files of other kinds can run code",
        ),
        (lambda f: shutil.rmtree(f / "scheduler"), "has no scheduler/scheduler_config.json"),
        (
            lambda f: _edited(f / "scheduler/scheduler_config.json", prediction_type="sample"),
            "predicts 'sample'; expected 1000 steps",
        ),
        (
            lambda f: (f / "prompt_embedding.safetensors").unlink(),
            "prompt_embedding.safetensors is not there. ControlNet needs the embedding",
        ),
    ],
)
def test_folders_of_another_kind_are_refused(folder, change, said):
    change(folder)
    with pytest.raises(UsageError, match="(?s)" + said.replace(".", r"\.")):
        read_stable_diffusion(folder)


def test_damaged_files_are_refused(folder):
    with pytest.raises(UsageError, match="images of 1 or 3 channels can be learnt; these have 2"):
        read_stable_diffusion(folder).plan(32, 32, 2, 2, ("a",))
    save_file({"prompt": torch.zeros(3, 7)}, folder / "prompt_embedding.safetensors")
    with pytest.raises(ModelError, match=r"holds tensors of \(3, 7\); expected one of \(tokens, 6"):
        read_stable_diffusion(folder)
    (folder / "prompt_embedding.safetensors").write_bytes(b"no")
    with pytest.raises(ModelError, match="is not a file of safetensors"):
        read_stable_diffusion(folder)
    path = folder / "unet/diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ModelError, match=r"cannot be read .*Copy the folder again"):
        read_stable_diffusion(folder)
