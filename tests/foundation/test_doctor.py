import pytest

from nnunetv2_fair.cli import doctor
from tests.foundation.tiny_models import lite_medsam, write_tiny


def test_weights_are_named(tmp_path, capsys):
    assert doctor.main(["--sam", str(write_tiny(tmp_path, "medsam_vit_tiny.pth"))]) == 0
    told = capsys.readouterr().out
    assert "MedSAM (by its name: pass --family sam if it is not MedSAM)" in told
    assert "64 x 64 pixels" in told
    assert "32 x 8 x 8" in told


def test_weights_that_may_be_two_families_are_named_as_such(tmp_path, capsys):
    assert doctor.main(["--sam", str(write_tiny(tmp_path, "mine.pth"))]) == 0
    assert "SAM or MedSAM, which look alike" in capsys.readouterr().out


def test_a_damaged_file_is_refused(tmp_path, capsys):
    path = write_tiny(tmp_path)
    path.write_bytes(path.read_bytes()[:200])
    assert doctor.main(["--sam", str(path)]) == 1
    assert "is cut off or otherwise damaged" in capsys.readouterr().err


@pytest.mark.slow
def test_real_weights_are_named(capsys):
    assert doctor.main(["--sam", str(lite_medsam())]) == 0
    told = capsys.readouterr().out
    assert "LiteMedSAM (by the shapes of its weights)" in told
    assert "TinyViT, 9.8 million parameters" in told
    assert "256 x 64 x 64" in told
