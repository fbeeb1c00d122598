"""The image model on tiny images: learns, continues where it was killed, refuses other data."""

import numpy as np
import pytest
import torch

from nnunetv2_fair.errors import ModelError, TrainingError, UsageError
from nnunetv2_fair.synthesis.images.network import (
    MaskToImage,
    NetworkPlan,
    default_plan,
    signal_shares,
)
from nnunetv2_fair.synthesis.images.sampling import sample
from nnunetv2_fair.synthesis.images.training import (
    TrainingCases,
    TrainingSettings,
    train,
)
from nnunetv2_fair.synthesis.learning import resumable as module
from nnunetv2_fair.synthesis.learning.resumable import CHECKPOINT, read_checkpoint
from tests.synthesis.one_thread import one_thread  # noqa: F401 - used by all

pytest.importorskip("diffusers")
CPU = torch.device("cpu")
PLAN = NetworkPlan(16, 1, 2, ("a", "b"), widths=(8, 16))


def _cases(n: int = 40) -> TrainingCases:
    """Squares, bright in the first group and dark in the second."""
    rng = np.random.default_rng(0)
    groups = np.arange(n) % 2
    labels = np.zeros((n, 16, 16), np.uint8)
    for label, (y, x) in zip(labels, rng.integers(2, 8, (n, 2)), strict=True):
        label[y : y + 6, x : x + 6] = 1
    sign = np.where(groups == 0, 0.8, -0.8)[:, None, None]
    return TrainingCases((labels * sign)[:, None].astype(np.float32), labels, groups)


def _same(first: MaskToImage, second: MaskToImage) -> bool:
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[MaskToImage, list[float]]:
    settings = TrainingSettings(steps=250, rate=4e-3)
    return train(_cases(), PLAN, settings, tmp_path_factory.mktemp("trained"), CPU)


def test_groups_and_masks_decide_what_images_show(trained):
    network, losses = trained
    assert np.mean(losses[-50:]) < 0.7 * np.mean(losses[40:60])
    labels, names = _cases(16).labels, [f"case{i}" for i in range(16)]
    for group, sign in ((0, 1), (1, -1)):
        made = sample(network, labels, np.full(16, group), names)[:, 0]
        inside = np.array(
            [x[y == 1].mean() - x[y == 0].mean() for x, y in zip(made, labels, strict=True)]
        )
        assert (inside * sign > 0.2).mean() >= 0.95


def test_the_noise_of_a_case_depends_on_seed_and_name_alone(trained):
    network, _ = trained
    labels, groups = _cases(4).labels, np.zeros(4, int)
    names = list("wxyz")
    first = sample(network, labels, groups, names, steps=3)
    backwards = sample(network, labels[::-1].copy(), groups, names[::-1], steps=3, batch=1)
    np.testing.assert_allclose(first, backwards[::-1], atol=1e-4)
    assert np.array_equal(first, sample(network, labels, groups, names, steps=3))
    assert not np.allclose(first, sample(network, labels, groups, names, steps=3, seed=1))


def test_guidance_of_one_is_none_and_more_changes_images(trained):
    network, _ = trained
    labels, groups, names = _cases(2).labels, np.array([0, 1]), ["x", "y"]
    plain = sample(network, labels, groups, names, steps=3)
    assert not np.allclose(plain, sample(network, labels, groups, names, steps=3, guidance=3))


def test_a_killed_training_continues_to_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "EPOCH", 4)
    settings = TrainingSettings(steps=10)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    expected, losses = train(_cases(), PLAN, settings, whole, CPU)

    def stop(progress) -> None:
        if progress.step == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(_cases(), PLAN, settings, killed, CPU, stop)
    found, again = train(_cases(), PLAN, settings, killed, CPU)
    assert again == losses
    assert _same(found, expected)
    kept = read_checkpoint(killed / CHECKPOINT, CPU, "an image model")["average"]
    assert all(torch.equal(kept[k], v) for k, v in expected.state_dict().items())
    assert [path.name for path in killed.iterdir()] == [CHECKPOINT]


def test_a_checkpoint_of_other_settings_or_a_damaged_one_is_refused(tmp_path):
    train(_cases(), PLAN, TrainingSettings(steps=1), tmp_path, CPU)
    path = tmp_path / CHECKPOINT
    before = path.read_bytes()
    with pytest.raises(ModelError, match="on other cases, groups or settings"):
        train(_cases(), PLAN, TrainingSettings(steps=2), tmp_path, CPU)
    assert path.read_bytes() == before
    path.write_bytes(before[:1000])
    with pytest.raises(ModelError, match="is not a checkpoint of an image model"):
        train(_cases(), PLAN, TrainingSettings(steps=1), tmp_path, CPU)
    torch.save({"state_dict": {}}, path)
    with pytest.raises(ModelError, match="it lacks parts"):
        read_checkpoint(path, CPU, "an image model")


def test_what_cannot_be_trained_is_refused(tmp_path):
    cases = _cases()
    alone = TrainingCases(cases.images, cases.labels, np.zeros(len(cases.groups), int))
    with pytest.raises(UsageError, match="No training case of group b"):
        train(alone, PLAN, TrainingSettings(steps=1), tmp_path, CPU)
    broken = TrainingCases(cases.images * np.nan, cases.labels, cases.groups)
    with pytest.raises(TrainingError, match="loss of step 0 is not a finite number"):
        train(broken, PLAN, TrainingSettings(steps=1), tmp_path, CPU)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UsageError, match="must be a multiple of 8"):
        default_plan(60, 1, 2, ["a"])
    with pytest.raises(UsageError, match="Expected at least one step"):
        TrainingSettings(steps=0)


def test_the_noise_schedule_is_that_of_diffusers():
    from diffusers import DDPMScheduler

    theirs = DDPMScheduler(1000, beta_schedule="squaredcos_cap_v2").alphas_cumprod
    torch.testing.assert_close(signal_shares(CPU), theirs, rtol=2e-3, atol=1e-6)


def test_sampling_is_that_of_diffusers(trained):
    from diffusers import DDIMScheduler

    from nnunetv2_fair.synthesis.images.sampling import _noise

    network, _ = trained
    labels, groups = _cases(2).labels, np.array([0, 1])
    theirs = DDIMScheduler(
        1000, beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction",
        clip_sample=True, timestep_spacing="trailing", rescale_betas_zero_snr=False,
    )  # fmt: skip
    theirs.set_timesteps(5)
    x = torch.from_numpy(np.stack([_noise(0, name, (1, 16, 16)) for name in "xy"]))
    with torch.no_grad():
        for t in theirs.timesteps:
            velocity = network(x, torch.from_numpy(labels), t.expand(2), torch.tensor(groups))
            x = theirs.step(velocity, t, x, use_clipped_model_output=True).prev_sample
    ours = sample(network, labels, groups, ["x", "y"], steps=5)
    np.testing.assert_allclose(ours, x.clamp(-1, 1).numpy(), atol=2e-3)
