"""FairDiff's model of masks: its equations, and four shapes learnt by heart."""

import numpy as np
import pytest
import torch

from nnunetv2_fair.errors import ModelError
from nnunetv2_fair.synthesis.learning.resumable import Settings
from nnunetv2_fair.synthesis.masks.outlines import outlines, regions_of
from nnunetv2_fair.synthesis.masks.point_model import PointModel
from nnunetv2_fair.synthesis.masks.point_network import (
    NOISE_STEPS,
    PointNetwork,
    PointPlan,
    noise_levels,
    one_step_back,
    with_noise,
)
from tests.synthesis.masks.eyes import SHAPE
from tests.synthesis.masks.test_outlines import dice
from tests.synthesis.one_thread import one_thread  # noqa: F401 - used by all

SMALL = PointPlan(points=128, code=8, widths=(64, 128, 64), encoder=(32, 64), couplings=4)


def test_noise_is_added_and_taken_away_as_diffusers_does():
    diffusers = pytest.importorskip("diffusers")
    theirs = diffusers.DDPMScheduler(200, beta_start=1e-4, beta_end=0.05, clip_sample=False)
    source = torch.Generator().manual_seed(0)
    x, noise = torch.randn(2, 5, 7, 3, generator=source, dtype=torch.float64)
    steps = torch.tensor([0, 1, 50, 198, 199])
    torch.testing.assert_close(noise_levels().float(), theirs.betas)
    expected = theirs.add_noise(x, noise, steps)
    torch.testing.assert_close(with_noise(x, noise, steps), expected, rtol=1e-4, atol=1e-5)
    theirs.set_timesteps(NOISE_STEPS)
    for step in (199, 50, 1, 0):
        back = theirs.step(noise, step, x, generator=torch.Generator().manual_seed(1))
        fresh = torch.randn(x.shape, generator=torch.Generator().manual_seed(1), dtype=x.dtype)
        ours = one_step_back(x, noise, step, fresh)
        torch.testing.assert_close(ours, back.prev_sample, rtol=1e-4, atol=1e-4)


def test_codes_go_to_noise_and_back_and_stretch_as_autograd_says():
    torch.manual_seed(0)
    network = PointNetwork(PointPlan(code=5, widths=(4,), encoder=(4,), couplings=3)).double()
    for parameter in network.couplings.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    code = torch.randn(4, 5, dtype=torch.float64)

    def to_noise(x):
        stretched = 0
        for coupling in network.couplings:
            x, more = coupling.to_noise(x)
            stretched = stretched + more
        return x, stretched

    noise, stretched = to_noise(code)
    for i, own in enumerate(code):
        slopes = torch.autograd.functional.jacobian(lambda x: to_noise(x[None])[0][0], own)
        torch.testing.assert_close(torch.linalg.slogdet(slopes)[1], stretched[i])
    for coupling in reversed(network.couplings):
        noise = coupling.to_code(noise)
    torch.testing.assert_close(noise, code)


def four() -> list[np.ndarray]:
    """Return four discs with cups, unlike each other, 48 x 48."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    found = []
    for row, column, disc, cup in (
        (24, 24, 18, 6),
        (20, 22, 13, 10),
        (28, 25, 12, 4),
        (23, 27, 17, 14),
    ):
        away = np.hypot(rows - row, columns - column)
        found.append((away < disc).astype(np.uint8) + (away < cup))
    return found


@pytest.mark.slow
def test_four_shapes_are_learnt_by_heart_and_a_training_is_used_again(tmp_path):
    known = np.stack([outlines(mask, (1, 2), 128)[0] for mask in four()])
    settings = Settings(steps=2000, batch=8, rate=4e-3)
    given = ({"White": known}, ["White"], settings, tmp_path, "cpu", SMALL)
    model = PointModel(*given)
    clouds = model.draw("White", 24, 1)
    drawn = [model.mask_of(cloud, (1, 2), SHAPE, np.uint8) for cloud in clouds]
    # the four are less like each other
    alike = [likeness(mask, four()) for mask, why in drawn if why is None]
    assert max(likeness(four()[i], four()[:i] + four()[i + 1 :]) for i in range(4)) < 0.65
    assert len(alike) >= 16
    assert np.median(alike) > 0.75
    before = (tmp_path / "0" / "checkpoint.pth").stat().st_mtime_ns
    assert np.array_equal(PointModel(*given).draw("White", 24, 1), clouds)
    assert (tmp_path / "0" / "checkpoint.pth").stat().st_mtime_ns == before
    with pytest.raises(ModelError, match="on other cases, groups or settings"):
        PointModel({"White": known * [1, 1.5]}, *given[1:])


def likeness(mask: np.ndarray, others: list[np.ndarray]) -> float:
    """Return the smaller Dice of both structures to the most similar of other masks."""
    own = regions_of(mask, (1, 2))
    return max(min(map(dice, own, regions_of(other, (1, 2)))) for other in others)
