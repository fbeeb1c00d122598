"""What CUDA trainings do to the losses: compiled Dice sums and half-precision outputs."""

import dataclasses
import itertools

import pytest
import torch

from nnunetv2_fair.losses.nnunet_form import LossForm, _dice_sums
from tests.losses.distributed_worker import build
from tests.losses.nnunet_losses import Form, tensors

every_target = pytest.mark.parametrize(
    "form",
    [Form(regions=r, ignore=i) for r, i in itertools.product([False, True], repeat=2)],
    ids=str,
)


@every_target
def test_the_sums_compile_in_one_piece(form):
    plain = LossForm.of(form.loss())
    compiled = dataclasses.replace(
        plain, _sums=torch.compile(_dice_sums, fullgraph=True, backend="aot_eager")
    )
    for output, target in zip(*form.batch(), strict=True):
        ours, expected = (one.dice_sums(output, target) for one in (compiled, plain))
        torch.testing.assert_close(ours, expected)
        gradients = [
            torch.autograd.grad(one.overlap.sum() + (one.predicted**2).sum(), output)[0]
            for one in (ours, expected)
        ]
        torch.testing.assert_close(*gradients)


@every_target
@pytest.mark.parametrize("method", ["weighted", "dro", "hardmax", "febs"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_outputs(form, method, dtype):
    """The loss is computed in single precision, whatever the network gives."""
    output, target = form.batch()
    halves = [one.detach().to(dtype).requires_grad_() for one in output]
    singles = [one.detach().float().requires_grad_() for one in halves]
    values = []
    for outputs, autocast in ((halves, True), (singles, False)):
        loss = build(method, form, ddp=False)
        loss.set_batch(torch.tensor([0, 1, 1, -1]), training=True)
        with torch.autocast("cpu", dtype=dtype, enabled=autocast):
            value = loss(outputs, target)
        value.backward()
        assert all(one.grad is None or torch.isfinite(one.grad).all() for one in tensors(outputs))
        assert value.dtype == torch.float32
        values.append(value.detach())
    torch.testing.assert_close(*values, atol=0.02, rtol=0.02)
