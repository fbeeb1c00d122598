import pytest

from nnunetv2_fair.study.study_file.values import megabytes, minutes


@pytest.mark.parametrize(
    ("text", "expected"), [("90m", 90), ("48h", 2880), ("1d12h", 2160), ("2d1h5m", 2945)]
)
def test_minutes(text, expected):
    assert minutes(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("500M", 500), ("32G", 32_000), ("32 GB", 32_000), ("1T", 10**6)]
)
def test_megabytes(text, expected):
    assert megabytes(text) == expected
