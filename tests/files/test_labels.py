import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from nnunetv2_fair.dataset_conversion.shared.pictures import read_mask
from nnunetv2_fair.errors import ConversionError, EvaluationError
from nnunetv2_fair.evaluation.masks.label_maps import read_label_map
from nnunetv2_fair.evaluation.masks.picture_files import read_picture
from nnunetv2_fair.files.labels import label_channel, whole_labels

LABELS = np.zeros((6, 9), np.uint8)
LABELS[2:4, 3:7] = 2


def masked(alpha: np.ndarray, grey: np.ndarray = LABELS, mode: str = "LA") -> Image.Image:
    channels = [Image.fromarray(grey)] * (1 if mode == "LA" else 3)
    return Image.merge(mode, (*channels, Image.fromarray(alpha)))


OPAQUE = np.full_like(LABELS, 255)
DRAWN = np.where(LABELS > 0, 255, 0).astype(np.uint8)
ERASED = np.where(np.arange(9) < 5, 0, 255).astype(np.uint8) * np.ones((6, 1), np.uint8)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
@pytest.mark.parametrize("alpha", [OPAQUE, DRAWN, OPAQUE // 2])
def test_both_readers_take_the_grey_of_a_mask_with_alpha(tmp_path: Path, mode: str, alpha: Any):
    path = tmp_path / "case.png"
    masked(alpha, mode=mode).save(path)
    assert np.array_equal(read_mask(path), LABELS)
    assert np.array_equal(read_picture(path)[0].whole, LABELS)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
@pytest.mark.parametrize(
    ("alpha", "grey", "found"),
    [
        (ERASED, LABELS, "has 4 transparent pixels that hold labels; expected one"),
        (DRAWN, 0 * LABELS, "has a mask drawn in its transparency alone; expected one"),
    ],
)
def test_both_readers_refuse_labels_that_alpha_contradicts(
    tmp_path: Path, mode: str, alpha: Any, grey: Any, found: str
):
    path = tmp_path / "case.png"
    masked(alpha, grey, mode).save(path)
    with pytest.raises(ConversionError, match=found):
        read_mask(path)
    with pytest.raises(EvaluationError, match=found):
        read_picture(path)


def test_an_empty_mask_without_transparency_is_empty():
    channel, fault = label_channel(masked(OPAQUE, 0 * LABELS))
    assert fault is None
    assert not np.asarray(channel).any()


def test_what_repeats_is_one_channel_and_colours_are_named():
    grey = Image.fromarray(LABELS)
    channel, fault = label_channel(grey.convert("RGB"))
    assert fault is None
    assert np.array_equal(np.asarray(channel), LABELS)
    assert label_channel(grey) == (grey, None)
    red = Image.merge("RGB", (grey, Image.new("L", grey.size), grey))
    assert label_channel(red) == (red, "colours (mode RGB)")


@given(
    st.integers(1, 255),
    st.sampled_from([1 / 255, 0.1, 0.5, 3.0, 1e-3]),
    st.sampled_from([0, -1024, 7]),
)
def test_labels_that_were_stored_with_a_scale_come_out_whole(label: int, slope: float, zero: int):
    # as NIfTI stores them: whole numbers, a scale and an intercept of 32 bits
    stored = np.rint((np.array([0, label]) - zero) / slope)
    back = stored.astype(np.float32) * np.float32(slope) + np.float32(zero)
    exact = stored * slope + zero
    if np.abs(exact - [0, label]).max() > 1e-9 or np.abs(stored).max() > 32767:
        return  # not a label in that scale, or not in 16 bits
    whole, fault = whole_labels(back)
    assert fault is None
    assert whole.tolist() == [0, label]
    assert whole.dtype == np.int32


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ([0, 0.999], "values that are not label numbers, such as 0.999"),
        ([0, 1e-9, 1], "values that are not label numbers, such as 1e-09"),
        ([0, 1, 1.00001], "values that are not label numbers, such as 1"),
        ([0, 1.0002], "these look like probabilities or an interpolated mask"),
        ([0, np.nan], "1 NaN or infinite values; expected whole label numbers"),
        ([0, np.inf], "1 NaN or infinite"),
        ([0, 3e9], r"values up to 3e\+09; expected small whole label numbers"),
    ],
)
def test_other_numbers_are_no_labels(values: list[float], fault: str):
    _, found = whole_labels(np.array(values))
    assert found is not None
    assert re.search(fault, found)


def test_integers_are_returned_as_they_are():
    values = np.array([0, 2], np.uint16)
    assert whole_labels(values)[0] is values
    assert whole_labels(np.array([True]))[0].dtype == np.uint8


def refused_by_both(path: Path, found: str, of_converter: str | None = None) -> None:
    with pytest.raises(EvaluationError, match=found):
        read_label_map(path)
    with pytest.raises(ConversionError, match=of_converter or found):
        read_mask(path)


@pytest.mark.parametrize("kind", [np.uint8, np.bool_])
def test_both_readers_refuse_masks_in_which_0_is_white(tmp_path: Path, kind: type):
    path = tmp_path / "case.tif"
    tifffile.imwrite(path, LABELS.astype(kind), photometric="miniswhite")
    refused_by_both(path, "says that 0 is white, so that some programs turn its numbers round")


def test_both_readers_take_palettes_grey_with_alpha_and_bits_of_tiff(tmp_path: Path):
    path = tmp_path / "case.tif"
    colours = np.arange(768, dtype=np.uint16).reshape(3, 256)
    alpha = np.dstack([LABELS, np.full_like(LABELS, 255)])
    for pixels, options in (
        (LABELS, {"photometric": "palette", "colormap": colours}),
        (alpha, {"photometric": "minisblack", "extrasamples": ["unassalpha"]}),
        (np.dstack([LABELS] * 3), {"photometric": "rgb"}),
        (LABELS.astype(np.uint16), {"byteorder": ">"}),
        (LABELS.astype(np.float32), {}),
        (LABELS, {"compression": "zlib", "predictor": 2}),
    ):
        tifffile.imwrite(path, pixels, **options)
        assert np.array_equal(read_mask(path), LABELS)
        assert np.array_equal(read_label_map(path).labels, LABELS)
    tifffile.imwrite(path, LABELS > 0, photometric="minisblack")
    assert np.array_equal(read_mask(path), LABELS > 0)
    assert np.array_equal(read_label_map(path).labels, LABELS > 0)
    tifffile.imwrite(path, -LABELS.astype(np.int8))
    assert np.array_equal(read_label_map(path).labels, -LABELS.astype(np.int8))


@pytest.mark.parametrize("ending", [".gif", ".png"])
def test_both_readers_refuse_several_pages(tmp_path: Path, ending: str):
    path = tmp_path / f"case{ending}"
    other = Image.fromarray(0 * LABELS)
    Image.fromarray(LABELS).save(path, save_all=True, append_images=[other])
    refused_by_both(path, "has 2 pages[;,] expected one picture per file")


@pytest.mark.parametrize("ending", [".png", ".tif", ".jpg"])
def test_a_turned_mask_is_refused_where_nothing_turns_its_partner(tmp_path: Path, ending: str):
    path = tmp_path / f"case{ending}"
    exif = Image.Exif()
    exif[274] = 3
    Image.fromarray(LABELS).save(path, exif=exif)
    with pytest.raises(EvaluationError, match="says that it is to be shown turned or mirrored"):
        read_label_map(path)
