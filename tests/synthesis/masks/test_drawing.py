"""Masks that resemble one patient are dropped and counted, and so are those of another size."""

from dataclasses import replace

import numpy as np
import pytest

from nnunetv2_fair.errors import DatasetError
from nnunetv2_fair.synthesis.masks.drawing import AREA, draw_masks
from nnunetv2_fair.synthesis.masks.shape_model import ShapeModel
from nnunetv2_fair.synthesis.masks.training_masks import TrainingMasks, read_training_masks
from nnunetv2_fair.synthesis.quality.memorisation import TOO_NEAR
from tests.synthesis.masks.eyes import write_eyes


@pytest.fixture
def known(tmp_path) -> TrainingMasks:
    return read_training_masks(write_eyes(tmp_path), "race", ["Black"], leave_out=False)


def model_of(known: TrainingMasks, copied: float) -> ShapeModel:
    """Return a model of Black that moves one training case about, by pixels."""
    rng = np.random.default_rng(0)
    case = known.groups["Black"].outlines[7]
    outlines = case + rng.normal(0, copied, (40, 1, 1, 2))
    return ShapeModel({"Black": outlines}, diffusion=False, steps=0, seed=0)


def test_copies_of_a_patient_are_all_dropped(known):
    with pytest.raises(DatasetError, match=f"Of 2.. masks drawn of Black, 0 could .* {TOO_NEAR} 2"):
        draw_masks(model_of(known, 0.05), known, 5, 0)


def test_new_masks_are_kept(known):
    drawn = draw_masks(model_of(known, 3), known, 20, 0)
    assert len(drawn.masks["Black"]) == 20
    assert drawn.dropped["Black"].get(TOO_NEAR, 0) < 10


def test_areas_beyond_the_training_masks_are_dropped(known):
    black = replace(known.groups["Black"], areas=known.groups["Black"].areas * 2)
    with pytest.raises(DatasetError, match=AREA):
        draw_masks(model_of(known, 3), replace(known, groups={"Black": black}), 5, 0)
