"""Two real processes (gloo, CPU) against one process on the joined batch."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.losses.distributed_worker import FORMS, METHODS, train

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.losses.distributed_worker", str(rank), str(folder)],
            cwd=ROOT, stderr=subprocess.PIPE, text=True,
        )
        for rank in (0, 1)
    ]  # fmt: skip
    try:
        messages = [process.communicate(timeout=300)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], "\n".join(messages)
    return [torch.load(folder / f"{rank}.pt") for rank in (0, 1)]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("method", METHODS)
def test_both_ranks_train_as_one_process(ranks, method, form):
    first, second = (found[method, form] for found in ranks)
    assert torch.equal(first["network"], second["network"])
    one = train(method, FORMS[form], list(range(6)), ddp=False)
    if method == "divergence":
        assert torch.equal(first["weights"], second["weights"]), "equal to the bit"
    if method in ("dro", "hardmax", "tail"):
        assert torch.equal(first["q"], second["q"]), "q must be equal to the bit"
        torch.testing.assert_close(first["q"], one["q"], atol=1e-7, rtol=1e-6)
        assert torch.equal(first["values"], second["values"])
        torch.testing.assert_close(first["values"], one["values"], atol=2e-6, rtol=1e-6)
        if method == "dro":
            assert one["q"][3] == 0.25, "absent all the time"
            assert (one["q"][:3] - 0.25).abs().max() > 0.01
    elif "ignore" in form:
        return  # nnU-Net averages each process's cross-entropy over its own valid voxels
    else:
        mean = (first["values"] + second["values"]) / 2
        torch.testing.assert_close(mean, one["values"], atol=2e-6, rtol=1e-6)
    if method == "divergence":
        torch.testing.assert_close(first["weights"], one["weights"], atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(first["network"], one["network"], atol=1e-6, rtol=1e-5)
