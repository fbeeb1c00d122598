"""Checkpoints of torch, whole and damaged as a killed writer or a bad disk leaves them."""

import pytest
import torch

from nnunetv2_fair.files.formats.archives import damage_of


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "checkpoint_latest.pth"
    torch.manual_seed(0)
    torch.save({"weights": torch.rand(5000), "epoch": 3, "name": "x"}, path)
    return path


def test_what_torch_writes_is_whole(checkpoint):
    assert damage_of(checkpoint) == ""


@pytest.mark.parametrize("kept", [0, 1, 50, 5000, -1])
def test_cut_off(checkpoint, kept):
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content[:kept])
    assert damage_of(checkpoint) == ("is cut off or otherwise damaged" if kept else "is empty")


def test_every_flipped_bit_in_weights_is_seen(checkpoint, rng):
    content = checkpoint.read_bytes()
    at = content.index(torch.load(checkpoint)["weights"].numpy().tobytes())
    for place in rng.integers(at, at + 20_000, 20):
        flipped = bytearray(content)
        flipped[place] ^= 1 << rng.integers(8)
        checkpoint.write_bytes(flipped)
        assert damage_of(checkpoint).endswith("data/0 is wrong")


def test_what_is_no_archive(checkpoint):
    checkpoint.write_text("weights")
    assert damage_of(checkpoint) == "is cut off or otherwise damaged"
    checkpoint.unlink()
    with pytest.raises(FileNotFoundError):
        damage_of(checkpoint)
