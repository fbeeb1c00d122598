"""Tables of the log, those of an earlier version included."""

from pathlib import Path

import numpy as np
import pytest

from nnunetv2_fair.training_log import columns
from nnunetv2_fair.training_log.table import read_log, write_log

#: As version 1 wrote it.
EARLIER = """epoch,group,train_loss,pseudo_dice,pseudo_dice_disc
0,'=a,0.5,0.2,0.2
0,b,0.25,,
1,'=a,0.125,0.7,0.7
1,b,-0.5,0.4,0.4
"""


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    path = tmp_path / "subgroup_log.csv"
    path.write_text(EARLIER)
    return path


def test_an_earlier_log_keeps_every_value_under_todays_names(earlier: Path):
    found = read_log(earlier)
    assert found.columns.tolist() == [*columns.ALWAYS, "pseudo_dice_disc"]
    assert found["group"].tolist() == ["=a", "b", "=a", "b"]
    assert found["train_loss_per_sample"].tolist() == [0.5, 0.25, 0.125, -0.5]
    np.testing.assert_array_equal(found["pseudo_dice"], [0.2, np.nan, 0.7, 0.4])
    np.testing.assert_array_equal(found["pseudo_dice_disc"], found["pseudo_dice"])
    # what follows from it is added, what was not written stays empty
    np.testing.assert_allclose(found["ema_pseudo_dice"], [0.2, np.nan, 0.25, 0.4])
    np.testing.assert_allclose(found["gap_pseudo_dice"], [np.nan, np.nan, 0.3, 0.3])
    np.testing.assert_allclose(found["gap_ema_pseudo_dice"], [np.nan, np.nan, 0.15, 0.15])
    for empty in ("train_cases", "val_cases", "drawn_share", "val_loss_per_sample"):
        assert found[empty].isna().all()


def test_writing_and_reading_again_changes_nothing(earlier: Path):
    first = read_log(earlier)
    write_log(earlier, first)
    text = earlier.read_text()
    write_log(earlier, read_log(earlier))
    assert earlier.read_text() == text
    assert "'=a" in text


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("epoch,group,pseudo_dice\n0,a,1\n", id="no-loss"),
        pytest.param(EARLIER.replace("0.25", "quarter"), id="no-number"),
        pytest.param(EARLIER.replace("group,", "group,train_loss_per_sample,"), id="twice"),
        pytest.param("", id="empty"),
        pytest.param("\0\1\2", id="binary"),
    ],
)
def test_what_is_no_log_is_not_read(tmp_path: Path, text: str):
    path = tmp_path / "subgroup_log.csv"
    path.write_text(text)
    assert read_log(path) is None
