import numpy as np
import pytest
import torch
from PIL import Image

from nnunetv2_fair.cropping.box import Box
from nnunetv2_fair.foundation.families import IMAGENET, LITEMEDSAM, MEDSAM, SAM, Sizes
from nnunetv2_fair.foundation.pictures import Fit, read_slices

SIZES = Sizes(64, 8, 32, 24, 2, 2, 3, (1,), 96, 16, 64, 32)


def grey(rows=30, columns=60):
    return np.random.default_rng(0).uniform(20, 200, (rows, columns, 1)).astype(np.float32)


def test_sam_s_colours_are_standardised_and_its_padding_is_zero():
    fit = Fit((30, 60), SAM, SIZES)
    assert fit.resized == (32, 64)
    pixels = fit.prepared(np.full((30, 60, 1), 150, np.float32))
    mean, deviation = map(np.array, IMAGENET)
    np.testing.assert_allclose(pixels[:, 10, 10], (150 - mean) / deviation, rtol=1e-5)
    assert (pixels[:, 32:] == 0).all()


def test_medsam_s_square_is_stretched_from_0_to_1():
    fit = Fit((30, 60), MEDSAM, SIZES)
    pixels = fit.prepared(grey())
    assert pixels.shape == (3, 64, 64)
    assert (float(pixels.min()), float(pixels.max())) == (0.0, 1.0)
    assert fit.boxes([Box((0, 0), (30, 30))]).tolist() == [[0.0, 0.0, 32.0, 64.0]]


def test_litemedsam_s_picture_keeps_its_proportions():
    fit = Fit((60, 30), LITEMEDSAM, SIZES)
    pixels = fit.prepared(grey(60, 30))
    assert float(pixels[:, :, :32].max()) == 1.0
    assert (pixels[:, :, 32:] == 0).all()
    assert fit.boxes([Box((6, 3), (60, 30))])[0].tolist() == pytest.approx([3.2, 6.4, 32, 64])


@pytest.mark.parametrize("family", [SAM, MEDSAM, LITEMEDSAM])
@pytest.mark.parametrize("shape", [(48, 80), (80, 48), (64, 64)])
def test_a_mask_comes_back_to_where_it_was(family, shape):
    fit = Fit(shape, family, SIZES)
    mask = np.zeros((1, *shape), np.uint8)
    mask[:, 8:36, 20:40] = 1
    small = fit.as_masks(mask)
    assert small.shape == (1, 32, 32)
    back = fit.on_slice(torch.from_numpy(small).float() * 2 - 1).numpy() > 0
    dice = 2 * (back & (mask > 0)).sum() / (back.sum() + mask.sum())
    assert dice > 0.93


def test_pictures_of_8_bits_and_colours_are_taken_as_they_are(tmp_path):
    colours = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3)
    Image.fromarray(colours).save(tmp_path / "a.png")
    assert (read_slices(tmp_path / "a.png", is_ct=False)[0] == colours).all()
    Image.fromarray(colours[..., 0]).save(tmp_path / "b.png")
    assert read_slices(tmp_path / "b.png", is_ct=False).shape == (1, 5, 4, 1)


def test_16_bits_are_scaled_by_percentiles(tmp_path):
    values = np.zeros((50, 40), np.uint16)
    values[10:] = np.arange(40 * 40, dtype=np.uint16).reshape(40, 40) * 20 + 1
    Image.fromarray(values).save(tmp_path / "a.png")
    found = read_slices(tmp_path / "a.png", is_ct=False)[0, ..., 0]
    low, high = np.percentile(values[values != 0], (0.5, 99.5))
    expected = (values.clip(low, high) - low) / (high - low) * 255
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_of_ct_soft_tissue_fills_the_range(tmp_path):
    import SimpleITK

    values = np.array([[[-1000, -160], [40, 240]], [[1000, 0], [40, 40]]], np.int16)
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(values), str(tmp_path / "a.nii.gz"))
    found = read_slices(tmp_path / "a.nii.gz", is_ct=True)
    assert found.shape == (2, 2, 2, 1)
    assert found[0, ..., 0].tolist() == [[0, 0], [127.5, 255]]
    assert found[1, 0, 0, 0] == 255
