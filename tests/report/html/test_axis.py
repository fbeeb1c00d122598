import math

from hypothesis import given
from hypothesis import strategies as st

from nnunetv2_fair.report.html.axis import axis

FLOATS = st.floats(-1e6, 1e6, allow_nan=False)


@given(st.lists(FLOATS | st.sampled_from([math.nan, math.inf, -math.inf]), max_size=8))
def test_axis_holds_all_finite_values_between_round_ticks(values):
    scale = axis(values)
    assert scale.low < scale.high
    assert 3 <= len(scale.ticks) <= 12
    slack = 1e-6 * (scale.high - scale.low)
    for value in values:
        if math.isfinite(value):
            assert scale.low - slack <= value <= scale.high + slack
    assert len({scale.tick_text(tick) for tick in scale.ticks}) == len(scale.ticks)
    positions = [scale.position(tick) for tick in scale.ticks]
    assert positions == sorted(positions)
    assert positions[0] == 0
    assert positions[-1] == 1


def test_axis_of_dice():
    scale = axis([0.62, 0.93])
    assert scale.ticks == (0.6, 0.7, 0.8, 0.9, 1.0)
    assert scale.tick_text(0.7) == "0.7"
    assert axis([-0.03, 0.08]).tick_text(-0.05) == "\N{MINUS SIGN}0.05"
    assert axis([2.0, 5.0], include=[0.0]).low == 0
