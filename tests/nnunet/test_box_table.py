"""The table of boxes, worked out by hand."""

import io

import pandas as pd
import pytest

from nnunetv2_fair.cropping.box import Box, Window
from nnunetv2_fair.cropping.by_prediction import BoxOfCase
from nnunetv2_fair.nnunet.box_table import box_table

WINDOW = Window((0, 4, 6), (3, 20, 22), (3, 40, 40))
#: 1 slice of 10 x 12, and a reference of 2 slices of 8 x 13.
FOUND = BoxOfCase("b", Box((0, 10, 8), (1, 20, 20)), WINDOW, "", (9.0, 2.0, 1.5),
                  Box((0, 9, 9), (2, 17, 22)), 0.75)  # fmt: skip
LOST = BoxOfCase("a", None, None, "empty", (9.0, 2.0, 1.5))


def read(boxes, n_axes, *, with_reference):
    text = box_table(boxes, n_axes, with_reference=with_reference)
    return pd.read_csv(io.StringIO(text), keep_default_na=False, na_values=[""])


def test_errors_of_every_axis():
    table = read([FOUND, LOST], 3, with_reference=True)
    assert table["case"].tolist() == ["a", "b"]
    assert table["fallback"].tolist() == [1, 0]
    row = table.iloc[1]
    expected = {
        "x_start": 8, "x_end": 20, "crop_x_start": 6, "crop_x_end": 28,
        "x_size_error_px": -1, "x_abs_size_error_px": 1, "x_size_error_mm": -1.5,
        "x_shift_px": -1.5, "x_abs_shift_px": 1.5, "x_shift_mm": -2.25,
        "y_size_error_px": 2, "y_size_error_mm": 4, "y_shift_px": 2, "y_abs_shift_mm": 4,
        "z_size_error_px": -1, "z_abs_size_error_mm": 9, "z_shift_mm": -4.5,
        "covered_share": 0.75,
    }  # fmt: skip
    for column, value in expected.items():
        assert row[column] == pytest.approx(value), column
    lost = table.iloc[0]
    assert lost["reason"] == "empty"
    assert lost.drop(["case", "fallback", "reason"]).isna().all()


def test_without_references_and_of_pictures():
    table = read([FOUND], 2, with_reference=False)
    assert not [column for column in table if "error" in column or column.startswith("z")]
    picture = BoxOfCase("p", Box((1, 2), (3, 5)), Window((0, 0), (4, 6), (9, 9)), "", None,
                        Box((1, 2), (3, 5)), 1.0)  # fmt: skip
    table = read([picture], 2, with_reference=True)
    assert not [column for column in table if column.endswith("_mm")]
    assert table["x_size_error_px"].tolist() == [0]
