"""The training loop on a network of one number."""

import numpy as np
import pytest
import torch
from torch import nn

from nnunetv2_fair.errors import ModelError, TrainingError, UsageError
from nnunetv2_fair.synthesis.learning import resumable
from nnunetv2_fair.synthesis.learning.resumable import CHECKPOINT, Settings, Subject, train
from tests.synthesis.one_thread import one_thread  # noqa: F401 - used by all

CPU = torch.device("cpu")


class Number(nn.Module):
    """A number that begins at random."""

    def __init__(self):
        super().__init__()
        self.value = nn.Parameter(torch.randn(1))


def subject(target=3.0, mark="one"):
    def loss(network, generator):
        return (network.value - target - torch.randn(1, generator=generator) / 10).square().mean()

    return Subject(Number, loss, mark, {"target": target}, "a number")


def test_it_learns_and_the_average_lags_behind(tmp_path):
    told, steps = [], []
    settings = Settings(steps=600, rate=0.05)
    network, losses = train(subject(), settings, tmp_path, CPU, told.append, steps.append)
    assert abs(network.value.item() - 3) < 0.1
    assert np.mean(losses[-50:]) < 0.02
    assert [progress.step for progress in told] == [250, 500, 600]
    assert told[-1].seconds_left == 0
    assert steps == list(range(601))
    kept = resumable.read_checkpoint(tmp_path / CHECKPOINT, CPU, "a number")
    assert kept["about"] == {"target": 3.0}
    assert kept["average"]["value"] == network.value
    assert kept["network"]["value"] != network.value
    # a finished training is only read
    before = (tmp_path / CHECKPOINT).stat().st_mtime_ns
    again, _ = train(subject(), settings, tmp_path, CPU)
    assert torch.equal(again.value, network.value)
    assert (tmp_path / CHECKPOINT).stat().st_mtime_ns == before


def test_the_rest_of_the_program_neither_sees_nor_changes_its_chance(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    torch.manual_seed(1)
    first, _ = train(subject(), Settings(steps=20), tmp_path / "one", CPU)
    after = torch.randn(1)
    torch.manual_seed(1)
    assert torch.equal(torch.randn(1), after)
    second, _ = train(subject(), Settings(steps=20), tmp_path / "other", CPU)
    assert torch.equal(first.value, second.value)


def test_what_is_refused(tmp_path):
    train(subject(), Settings(steps=2), tmp_path, CPU)
    with pytest.raises(ModelError, match="is of a training on other cases, groups or settings"):
        train(subject(mark="other"), Settings(steps=2), tmp_path, CPU)
    (tmp_path / CHECKPOINT).write_bytes(b"no checkpoint")
    with pytest.raises(ModelError, match=r"is not a checkpoint of a number .*Remove it to train"):
        train(subject(), Settings(steps=2), tmp_path, CPU)
    (tmp_path / CHECKPOINT).unlink()
    with pytest.raises(TrainingError, match="The loss of step 0 is not a finite number"):
        train(subject(float("nan")), Settings(steps=2), tmp_path, CPU)
    assert not (tmp_path / CHECKPOINT).exists()
    for wrong in ({"steps": 0}, {"batch": 0}, {"rate": 1.0}):
        with pytest.raises(UsageError, match="Expected at least one step of one case"):
            Settings(**wrong)
