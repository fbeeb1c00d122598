import base64
import io
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from nnunetv2_fair.evaluation.results.case_picture import CasePicture
from nnunetv2_fair.report.of_evaluation.cases.drawings import figure, outline, png
from tests.report import factories
from tests.report.html_check import Page

MASKS = arrays(bool, st.tuples(st.integers(1, 7), st.integers(1, 9)))


def edges(path):
    """Expand a path into the set of unit edges it runs along."""
    found = set()
    for x, y, way, length in re.findall(r"M(\d+) (\d+)([hv])(\d+)", path):
        for i in range(int(length)):
            a, b = int(x) + i * (way == "h"), int(y) + i * (way == "v")
            found.add((a, b, way))
    return found


@given(MASKS)
def test_outline_is_every_edge_between_mask_and_outside(mask):
    expected = set()
    rows, columns = mask.shape
    inside = lambda r, c: 0 <= r < rows and 0 <= c < columns and mask[r, c]  # noqa: E731
    for r in range(rows + 1):
        for c in range(columns + 1):
            if inside(r - 1, c) != inside(r, c):
                expected.add((c, r, "h"))
            if inside(r, c - 1) != inside(r, c):
                expected.add((c, r, "v"))
    assert edges(outline(mask)) == expected


@pytest.mark.parametrize("shape", [(5, 7), (1, 3), (6, 4, 3)])
def test_png_is_read_back_by_another_library(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    read = np.asarray(Image.open(io.BytesIO(png(pixels))))
    np.testing.assert_array_equal(read, pixels)


def test_figure_has_image_both_outlines_and_true_shape():
    page = Page(figure(factories.picture(aspect=1.5)))
    assert page.having("path", "reference")
    assert page.having("path", "prediction")
    (svg,) = page.having("svg", "case")
    assert svg["viewbox"] == "0 0 110 108"  # 72 rows, each 1.5 times as high as wide
    assert "case_007" in page.text
    assert "Dice 0.612, female" in page.text


def test_without_image_the_ground_is_grey():
    drawn = figure(factories.picture(image=False))
    assert Page(drawn).having("path", "reference")


def test_intricate_masks_become_areas_of_bounded_size():
    random = np.random.default_rng(0)
    shape = (240, 256)  # the largest that an evaluation makes
    noise = random.random((2, *shape)) > 0.5
    drawn = figure(CasePicture("c", "l", "", random.random(shape), noise[0], noise[1]))
    page = Page(drawn)
    assert not page.having("path", "reference")
    assert len(drawn) < 500_000
    encoded = re.search(r"base64,([^\"]+)", drawn).group(1)
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded)))).astype(int)
    reference, prediction = noise
    assert pixels.shape == (*reference.shape, 3)
    only = (
        pixels[reference & ~prediction].mean(axis=0),
        pixels[prediction & ~reference].mean(axis=0),
    )
    assert only[0][2] > only[0][0] + 50  # bluish
    assert only[1][0] > only[1][2] + 50  # orange
    assert len(np.unique(pixels[~reference & ~prediction].std(axis=1))) == 1  # grey


def test_hostile_caption_and_nan_pixels():
    image = np.full((4, 6), np.nan)
    mask = np.zeros((4, 6), bool)
    page = Page(figure(CasePicture('"><script>', "<b>", "x" * 5000, image, mask, mask)))
    assert "script" not in {tag for tag, _ in page.tags}
    assert '"><script>' in page.text
