import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunetv2_fair.evaluation.discovery.shrinkage import signal_shares


def test_noise_is_drawn_to_zero(rng):
    z = rng.normal(size=500)
    assert np.abs(signal_shares(z) * z).max() < 0.5


def test_of_normal_effects_the_share_is_that_of_their_variance(rng):
    # the posterior mean of N(0, 9) effects with N(0, 1) noise is 0.9 of what is seen
    z = 3 * rng.normal(size=4000) + rng.normal(size=4000)
    assert signal_shares(z).mean() == pytest.approx(0.9, abs=0.03)


def test_one_that_stands_far_out_keeps_its_size(rng):
    z = np.concatenate([rng.normal(size=600), [-9.0]])
    shares = signal_shares(z)
    assert shares[-1] > 0.8
    assert np.median(shares[:-1]) < 0.2


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-40, 40) | st.just(float("nan")), max_size=30))
def test_shares_are_shares(z):
    shares = signal_shares(np.array(z))
    assert (np.isnan(shares) == np.isnan(np.array(z))).all()
    known = shares[~np.isnan(shares)]
    assert ((known >= 0) & (known <= 1)).all()
