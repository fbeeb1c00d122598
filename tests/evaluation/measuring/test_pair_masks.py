"""Both masks of a case: what is ignored, and what cannot be read."""

import numpy as np
import pytest
from PIL import Image

from nnunetv2_fair.errors import EvaluationError
from nnunetv2_fair.evaluation.measuring.pair_masks import read_pair


def test_what_the_reference_ignores_is_background_in_both(tmp_path):
    reference = np.array([[0, 1, 2, 9], [1, 1, 2, 9]], np.uint8)
    prediction = np.array([[1, 1, 2, 1], [0, 1, 9, 2]], np.uint8)
    for name, labels in (("a.png", reference), ("b.png", prediction)):
        Image.fromarray(labels).save(tmp_path / name)
    found = read_pair(tmp_path / "a.png", tmp_path / "b.png", 9)
    first, second = found.of((1, 2))
    assert first.tolist() == [[False, True, True, False], [True, True, True, False]]
    assert second.tolist() == [[True, True, True, False], [False, True, False, False]]
    everything = read_pair(tmp_path / "a.png", tmp_path / "b.png", None)
    assert everything.of((9,))[0].sum() == 2
    assert everything.of((9,))[1].sum() == 1


def test_a_mask_that_cannot_be_read_is_named(tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"no picture")
    with pytest.raises(EvaluationError, match=r"a\.png or .*b\.png: "):
        read_pair(tmp_path / "a.png", tmp_path / "b.png", None)
