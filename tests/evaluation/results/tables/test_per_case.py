"""What is refused in a per-case table that is read back."""

import pytest

from nnunetv2_fair.errors import EvaluationError
from nnunetv2_fair.evaluation.results.tables.per_case import read_per_case
from nnunetv2_fair.evaluation.results.values import MetricInfo

DICE = MetricInfo("dice", "Dice", "", "higher", "overlap", lowest=0.0, highest=1.0)
OWN = MetricInfo("own", "Own", "", "higher", "anything")


def table(tmp_path, dice, own="-7"):
    path = tmp_path / "per_case.csv"
    path.write_text(
        f"case,patient,label,flags,sex,dice,own\na,p,disc,,F,1,2\nb,q,disc,,M,{dice},{own}\n"
    )
    return path


@pytest.mark.parametrize("dice", ["1.7", "-0.1", "inf"])
def test_values_that_a_metric_cannot_have(tmp_path, dice):
    with pytest.raises(EvaluationError, match=r"dice is outside 0 to 1 in 1 row \(b\)"):
        read_per_case(table(tmp_path, dice), ["sex"], [DICE, OWN])


def test_limits_and_missing_values_are_read(tmp_path):
    frame = read_per_case(table(tmp_path, ""), ["sex"], [DICE, OWN])
    assert frame["dice"].isna().tolist() == [False, True]
    assert frame["own"].tolist() == [2, -7]


@pytest.mark.parametrize("dice", ["0_5", "\u0661", "x"])
def test_what_is_no_number(tmp_path, dice):
    with pytest.raises(EvaluationError, match="is damaged"):
        read_per_case(table(tmp_path, dice), ["sex"], [DICE, OWN])
