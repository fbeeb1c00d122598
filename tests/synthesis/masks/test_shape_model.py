"""Outlines drawn by diffusion differ no more from their mean than the training masks do."""

import numpy as np
import pytest

from nnunetv2_fair.synthesis.masks.shape_model import ShapeModel
from tests.synthesis.masks.eyes import eye

pytest.importorskip("diffusers")


def test_no_outline_is_far_beyond_all_training_masks():
    from nnunetv2_fair.synthesis.masks.outlines import outlines

    rng = np.random.default_rng(0)
    known = np.stack([outlines(eye(rng, 0.5), (1, 2), 64)[0] for _ in range(60)])
    # after so few steps the predicted noise is poor, and its errors are multiplied
    model = ShapeModel({"White": known}, diffusion=True, steps=150, seed=0)
    of_training = model.components.whitened(known)
    drawn = model.components.whitened(model.draw("White", 400, 0))
    assert np.abs(drawn).max() < 1.1 * np.abs(of_training).max()
    assert drawn.std() > 0.5
