"""Thresholds as they are given, and what does not fit together."""

import pytest

from nnunetv2_fair.errors import UsageError
from nnunetv2_fair.evaluation.downstream.settings import (
    DownstreamSettings,
    Threshold,
    parse_thresholds,
)


def test_thresholds_as_text():
    found = parse_thresholds(["ef=50", "ef=40", "lesion: volume = 2.5"])
    assert found == (Threshold("ef", 50), Threshold("ef", 40), Threshold("volume", 2.5, "lesion"))
    assert parse_thresholds([str(one) for one in found]) == found


@pytest.mark.parametrize("text", ["ef", "ef=", "=50", "ef=high", "ef=nan", "ef=inf", ":ef=50"])
def test_malformed_thresholds(text):
    with pytest.raises(UsageError, match=r"expected MEASURE=NUMBER or LABEL:MEASURE=NUMBER"):
        parse_thresholds([text])


def test_a_threshold_twice():
    with pytest.raises(UsageError, match=r"--threshold ef=50.0: ef=50.0 is given twice; give"):
        parse_thresholds(["ef=50", "ef=50.0"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            DownstreamSettings(("cardiac",), thresholds=(Threshold("evf", 50),)),
            r"'evf' is not measured. Did you mean '\w*ef'\? Measures: lvedv, lvesv",
        ),
        (
            DownstreamSettings(("tumour",), thresholds=(Threshold("ef", 50),)),
            r"'ef' is not measured. Measures: volume, diameter",
        ),
        (
            DownstreamSettings(("tumour",), thresholds=(Threshold("volume", 5, "liver"),)),
            r"there is no label 'liver' \(labels: tumour\)",
        ),
        (
            DownstreamSettings(("tumour",), frames="phase"),
            r"--frames says which frames of the heart make a pair; it needs --downstream cardiac",
        ),
    ],
)
def test_what_does_not_fit(settings, message):
    with pytest.raises(UsageError, match=message):
        settings.check(["tumour"])
