"""The command's own messages; planning is tested with the studies'."""

import pytest

from nnunetv2_fair.cli import diagnose
from nnunetv2_fair.study.study_file.reading import read_settings
from tests.study.conftest import STUDY, asked_here, raw, study_root, write_study

__all__ = ["asked_here", "raw", "study_root", "write_study"]


def test_a_study_without_the_key_is_told_what_to_add(write_study, asked_here, capfd):
    path = write_study(STUDY)
    assert diagnose.main([str(path), "--dry-run"]) == 2
    told = capfd.readouterr().err
    assert "asks for no diagnosis. Add the key diagnose, such as diagnose: {}" in told


def test_the_example_is_valid(tmp_path):
    path = tmp_path / "study.yaml"
    assert diagnose.main([str(path), "--init"]) == 0
    settings, problems = read_settings(path)
    assert problems == []
    assert settings.diagnose is not None
    assert diagnose.main([str(path), "--init"]) == 2


@pytest.mark.parametrize("option", ["--jobs", "--cores"])
def test_numbers(option, tmp_path, capfd):
    assert diagnose.main([str(tmp_path / "s.yaml"), option, "0"]) == 2
    assert f"{option} 0: expected 1 or more." in capfd.readouterr().err
