from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK
from numpy.typing import NDArray
from PIL import Image

from nnunetv2_fair.dataset_conversion.shared.pictures import (
    Color,
    MaskRules,
    PictureCase,
    read_mask,
    read_picture,
    resize_linear,
    resize_nearest,
    survey_pair,
    to_color,
)
from nnunetv2_fair.errors import ConversionError
from tests.dataset_conversion.folders import image_of, mask_of, save

COLOR = np.random.default_rng(0).integers(0, 256, (20, 28, 3), dtype=np.uint8)
DEEP = np.random.default_rng(1).integers(0, 65536, (20, 28), dtype=np.uint16)


@pytest.mark.parametrize("ending", [".png", ".bmp", ".tif", ".TIFF"])
@pytest.mark.parametrize("pixels", [image_of(0), COLOR], ids=["grey", "colour"])
def test_lossless_types_give_the_pixels(
    tmp_path: Path, ending: str, pixels: NDArray[np.uint8]
) -> None:
    path = tmp_path / f"a{ending}"
    save(path, pixels)
    assert np.array_equal(read_picture(path), pixels)


def test_jpeg_is_read_as_it_is_shown(tmp_path: Path) -> None:
    smooth = np.tile(np.arange(0, 224, 8, dtype=np.uint8), (20, 1))
    save(tmp_path / "a.jpg", smooth, quality=95)
    assert np.abs(read_picture(tmp_path / "a.jpg").astype(int) - smooth).max() < 6


def test_a_stored_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees clockwise to show
    save(tmp_path / "a.png", image_of(0), exif=exif)
    assert np.array_equal(read_picture(tmp_path / "a.png"), np.rot90(image_of(0), -1))


@pytest.mark.parametrize("ending", [".png", ".tif"])
def test_16_bits_survive(tmp_path: Path, ending: str) -> None:
    save(tmp_path / f"a{ending}", DEEP)
    assert np.array_equal(read_picture(tmp_path / f"a{ending}"), DEEP)
    assert read_picture(tmp_path / f"a{ending}").dtype == np.uint16


def test_big_endian_tiff(tmp_path: Path) -> None:
    Image.fromarray(DEEP.astype(">u2")).save(tmp_path / "a.tif")
    assert np.array_equal(read_picture(tmp_path / "a.tif"), DEEP)


def test_transparency_is_dropped_and_palettes_are_resolved(tmp_path: Path) -> None:
    alpha = np.dstack([COLOR, np.full((20, 28), 128, np.uint8)])
    save(tmp_path / "alpha.png", alpha)
    assert np.array_equal(read_picture(tmp_path / "alpha.png"), COLOR)
    indexed = Image.fromarray(mask_of(0, 2)).convert("P")
    indexed.putpalette([0, 0, 0, 9, 9, 9, 200, 10, 30])
    indexed.save(tmp_path / "indexed.png")
    assert set(map(tuple, read_picture(tmp_path / "indexed.png").reshape(-1, 3))) == {
        (0, 0, 0),
        (200, 10, 30),
    }


def test_an_indexed_mask_gives_its_indices(tmp_path: Path) -> None:
    indexed = Image.fromarray(mask_of(3, 2)).convert("P")
    indexed.putpalette([0, 0, 0, 9, 9, 9, 200, 10, 30])
    indexed.save(tmp_path / "a.png")
    assert np.array_equal(read_mask(tmp_path / "a.png"), mask_of(3, 2))


def test_a_one_bit_mask_is_0_and_1(tmp_path: Path) -> None:
    Image.fromarray(mask_of(3, 255)).convert("1").save(tmp_path / "a.png")
    assert np.array_equal(read_mask(tmp_path / "a.png"), mask_of(3, 1))


def test_a_grey_mask_stored_as_rgb_is_accepted_a_coloured_one_is_not(tmp_path: Path) -> None:
    save(tmp_path / "grey.png", np.dstack([mask_of(1)] * 3))
    assert np.array_equal(read_mask(tmp_path / "grey.png"), mask_of(1))
    save(tmp_path / "red.png", np.dstack([mask_of(1), 0 * mask_of(1), 0 * mask_of(1)]))
    with pytest.raises(ConversionError, match=r"red\.png has colours \(mode RGB\).*indexed PNG"):
        read_mask(tmp_path / "red.png")


def test_colour_with_16_bits_is_refused_not_cut(tmp_path: Path) -> None:
    deep = np.dstack([DEEP] * 3)
    SimpleITK.WriteImage(
        SimpleITK.GetImageFromArray(deep, isVector=True), str(tmp_path / "deep.png")
    )
    with pytest.raises(ConversionError, match=r"deep\.png has 16 bits per colour.*8 bits"):
        read_picture(tmp_path / "deep.png")


def test_several_pages_are_refused(tmp_path: Path) -> None:
    pages = [Image.fromarray(image_of(i)) for i in range(3)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(ConversionError, match=r"a\.tif has 3 pages.*of its own"):
        read_picture(tmp_path / "a.tif")


@pytest.mark.parametrize("bad", [-1.0, 0.5, 70000.0, float("nan")])
def test_numbers_that_png_cannot_hold_are_refused(tmp_path: Path, bad: float) -> None:
    pixels = np.zeros((5, 7), np.float32)
    pixels[1, 2] = bad
    save(tmp_path / "a.tif", pixels)
    with pytest.raises(ConversionError, match=r"a\.tif holds numbers.*0 to 65535"):
        read_picture(tmp_path / "a.tif")


def test_whole_floats_become_16_bits(tmp_path: Path) -> None:
    save(tmp_path / "a.tif", DEEP.astype(np.float32))
    assert np.array_equal(read_picture(tmp_path / "a.tif"), DEEP)


@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.9])
def test_a_truncated_png_is_named(tmp_path: Path, keep: float) -> None:
    path = tmp_path / "a.png"
    save(path, image_of(0))
    data = path.read_bytes()
    path.write_bytes(data[: int(keep if keep > 1 else keep * len(data))])
    with pytest.raises(ConversionError, match=r"a\.png cannot be read.*again"):
        read_picture(path)


def test_damaged_bytes_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    save(path, image_of(0))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))
    with pytest.raises(ConversionError, match="cannot be read"):
        read_picture(path)


def test_no_flipped_bit_of_a_png_gives_other_labels(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    labels = mask_of(24, 32)
    Image.fromarray(labels).save(path)
    whole = path.read_bytes()
    for at in range(8, len(whole)):
        flipped = bytearray(whole)
        flipped[at] ^= 1 << at % 8
        path.write_bytes(flipped)
        with pytest.raises(ConversionError, match=r"mask\.png cannot be read as a picture"):
            read_mask(path)


def test_colour_where_grey_was_promised_is_refused() -> None:
    with pytest.raises(ConversionError, match=r"x/a\.png is in colour.*--color rgb.*--color to-g"):
        to_color(COLOR, "grey", Path("x/a.png"))


def test_grey_stored_as_rgb_is_grey() -> None:
    assert np.array_equal(to_color(np.dstack([image_of(0)] * 3), "grey", Path("a")), image_of(0))


def test_luminance_follows_rec_601() -> None:
    expected = COLOR @ np.array([0.299, 0.587, 0.114])
    assert np.abs(to_color(COLOR, "to-grey", Path("a")) - expected).max() < 1


def test_grey_among_colour_is_repeated() -> None:
    assert np.array_equal(to_color(image_of(0), "rgb", Path("a")), np.dstack([image_of(0)] * 3))
    with pytest.raises(ConversionError, match="16 bits"):
        to_color(DEEP, "rgb", Path("a"))


def _triangle(old: int, new: int) -> NDArray[np.float64]:
    """Weights of linear interpolation, the triangle widened when shrinking."""
    scale = old / new
    support = max(scale, 1.0)
    centres = (np.arange(new)[:, None] + 0.5) * scale
    distance = np.abs(np.arange(old)[None] + 0.5 - centres) / support
    weights = np.clip(1 - distance, 0, None)
    return weights / weights.sum(1, keepdims=True)


@pytest.mark.parametrize("pixels", [image_of(2), DEEP], ids=["8 bits", "16 bits"])
@pytest.mark.parametrize("size", [(40, 70), (9, 13), (20, 28), (33, 11)])
def test_linear_resizing_equals_the_formula(pixels: NDArray[Any], size: tuple[int, int]) -> None:
    expected = _triangle(20, size[0]) @ pixels @ _triangle(28, size[1]).T
    found = resize_linear(pixels, size)
    assert found.dtype == pixels.dtype
    assert found.shape == size
    tolerance = 0.51 if pixels.dtype == np.uint8 else 0.6  # float32 inside
    assert np.abs(found - expected).max() <= tolerance


def test_colours_are_resized_one_by_one() -> None:
    found = resize_linear(COLOR, (9, 13))
    assert np.array_equal(found[..., 1], resize_linear(COLOR[..., 1], (9, 13)))


@pytest.mark.parametrize("size", [(40, 70), (9, 13), (20, 28), (33, 11)])
def test_nearest_resizing_equals_pillow(size: tuple[int, int]) -> None:
    labels = image_of(5) % 4
    expected = Image.fromarray(labels).resize((size[1], size[0]), Image.Resampling.NEAREST)
    # where a new centre lies exactly between two old pixels, Pillow takes either of them
    clear = [
        [Fraction((2 * i + 1) * old, 2 * new).denominator > 1 for i in range(new)]
        for old, new in zip(labels.shape, size, strict=True)
    ]
    found = resize_nearest(labels, size)
    assert found.shape == size
    assert sum(clear[1]) >= size[1] // 2
    assert np.array_equal(found[np.ix_(*clear)], np.asarray(expected)[np.ix_(*clear)])


def test_thresholds_of_jpeg_and_other_masks() -> None:
    values = np.array([[0, 1, 127, 128, 255]])
    both = MaskRules(threshold=0, jpeg_threshold=127)
    assert both.apply(values, Path("a.png")).tolist() == [[0, 1, 1, 1, 1]]
    assert both.apply(values, Path("a.JPG")).tolist() == [[0, 0, 0, 1, 1]]
    only_jpeg = MaskRules(jpeg_threshold=127)
    assert only_jpeg.apply(values, Path("a.png")).tolist() == values.tolist()
    assert MaskRules(threshold=127).apply(values, Path("a.jpeg")).tolist() == [[0, 0, 0, 1, 1]]


def test_label_map_swaps_without_chaining() -> None:
    values = np.array([[0, 1, 2, 3]])
    rules = MaskRules(((1, 2), (2, 1), (3, 0)))
    assert rules.apply(values, Path("a.png")).tolist() == [[0, 2, 1, 0]]


@pytest.mark.parametrize(("color", "n"), [("grey", 1), ("rgb", 3), ("to-grey", 1)])
def test_survey_and_case_agree(tmp_path: Path, color: Color, n: int) -> None:
    save(tmp_path / "i.png", image_of(0))
    save(tmp_path / "m.png", mask_of(0, 7))
    case = PictureCase(
        (tmp_path / "i.png",), tmp_path / "m.png", color, (10, 15), MaskRules(((7, 1),))
    )
    facts = survey_pair(case)
    assert facts.problems == ()
    assert (facts.shape, facts.n_bytes, facts.values) == ((20, 28), 10 * 15 * (n + 1), (0, 7))
    data = case()
    assert data.channels[0].shape[:2] == data.mask.shape == (10, 15)
    assert set(np.unique(data.mask)) == {0, 1}


def test_survey_finds_what_is_wrong_with_both_files(tmp_path: Path) -> None:
    (tmp_path / "i.png").write_bytes(b"no picture")
    save(tmp_path / "m.jpg", mask_of(0))
    problems = survey_pair(PictureCase((tmp_path / "i.png",), tmp_path / "m.jpg")).problems
    assert len(problems) == 2
    assert "i.png cannot be read" in problems[0]
    assert "m.jpg is a JPEG" in problems[1]
    assert "--threshold 127" in problems[1]


def test_survey_compares_sizes_and_content(tmp_path: Path) -> None:
    save(tmp_path / "i.png", image_of(0))
    save(tmp_path / "m.png", mask_of(0).T)
    (problem,) = survey_pair(PictureCase((tmp_path / "i.png",), tmp_path / "m.png")).problems
    assert "i.png has 20 rows and 28 columns" in problem
    assert "m.png has 28 and 20" in problem
    assert "Export the mask again" in problem
    save(tmp_path / "m.png", mask_of(0))
    first = survey_pair(PictureCase((tmp_path / "i.png",), tmp_path / "m.png")).content
    save(tmp_path / "m.png", mask_of(1))
    assert survey_pair(PictureCase((tmp_path / "i.png",), tmp_path / "m.png")).content != first
