import pytest
import torch
import torch.distributed as dist
from dynamic_network_architectures.architectures.primus import Primus
from torch import nn

from nnunetv2_fair.errors import TrainingError
from nnunetv2_fair.networks.frozen import RetrainedPart
from tests.networks.unets import images, unet


def batch_norm(dimension):
    return {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}[dimension]


def loss_of(network, x):
    return sum(level.square().mean() for level in network(x))


def names_of(network, heads):
    learns = "decoder.seg_layers." if heads else "decoder."
    return {
        name
        for name, _ in network.named_parameters(remove_duplicate=False)
        if name.startswith(learns) and not name.startswith("decoder.encoder.")
    }


@pytest.mark.parametrize("heads", [False, True])
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("dimension", [2, 3])
def test_only_the_part_learns_and_statistics_of_the_rest_stay(dimension, residual, heads):
    network = unet(dimension, residual, norm=batch_norm(dimension))
    part = RetrainedPart(network, heads=heads)
    learns = names_of(network, heads)
    assert set(part.parameters()) == {n for n, _ in network.named_parameters() if n in learns}
    before = {name: value.clone() for name, value in network.state_dict().items()}
    optimizer = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9, weight_decay=0.1)
    for _ in range(2):
        network.train()
        part.train()
        optimizer.zero_grad()
        loss_of(network, images(dimension)).backward()
        optimizer.step()
    assert all((p.grad is not None) == (n in learns) for n, p in network.named_parameters())
    for name, value in network.state_dict().items():
        own = name.startswith("decoder.") and not name.startswith("decoder.encoder.")
        moves = name in learns or (own and not heads and "running" in name)
        if not (own and "num_batches" in name):
            assert torch.equal(value, before[name]) != moves, name


def kept_for_backward(network, x):
    """Return how many bytes a forward pass keeps besides the weights, each storage once."""
    weights = {p.untyped_storage().data_ptr() for p in network.parameters()}
    sizes = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = loss_of(network, x)
    kept = sum(sizes.values())
    del loss
    return kept


@pytest.mark.parametrize("residual", [False, True])
def test_the_encoder_keeps_nothing_for_the_backward_pass(residual):
    network, x = unet(residual=residual), images()
    everything = kept_for_backward(network, x)
    outputs = []
    network.encoder.register_forward_hook(lambda _, __, skips: outputs.extend(skips))
    RetrainedPart(network)
    decoder = kept_for_backward(network, x)
    RetrainedPart(network, heads=True)
    heads = kept_for_backward(network, x)
    assert outputs
    assert not any(skip.requires_grad for skip in outputs)
    assert heads < decoder < 0.8 * everything
    if residual:
        assert decoder < 0.6 * everything


def test_weights_are_put_back():
    network = unet()
    part = RetrainedPart(network)
    kept = part.copy_weights()
    for p in network.parameters():
        nn.init.constant_(p, 7.0)
    part.set_weights(kept)
    for name, value in network.named_parameters():
        assert torch.equal(value, kept.get(name, torch.full_like(value, 7.0))), name


def test_distributed_training_finds_all_gradients(tmp_path):
    dist.init_process_group("gloo", f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        network = unet()
        RetrainedPart(network, heads=True)
        wrapped = nn.parallel.DistributedDataParallel(network)
        for _ in range(2):  # the second step is where a gradient that is waited for is missed
            loss_of(wrapped, images()).backward()
    finally:
        dist.destroy_process_group()
    assert network.decoder.seg_layers[0].weight.grad is not None


def test_mixed_precision():
    network = unet()
    RetrainedPart(network)
    with torch.autocast("cpu", torch.bfloat16):
        loss_of(network, images()).backward()
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    assert gradients
    assert all(torch.isfinite(g).all() for g in gradients)
    assert all(p.dtype == torch.float32 for p in network.parameters())


def without_heads():
    network = unet()
    network.decoder.seg_layers = None
    return network


def primus():
    return Primus(1, 24, (4, 4, 4), 2, eva_depth=1, eva_numheads=2, input_shape=(8, 8, 8))


@pytest.mark.parametrize(
    ("build", "heads", "reason"),
    [
        (primus, False, "The network Primus cannot be retrained in part: looked for encoder, "
         "decoder, and it has no encoder and no decoder."),
        (without_heads, True, "looked for encoder, decoder, decoder.seg_layers, and it has no "
         "decoder.seg_layers."),
    ],
)  # fmt: skip
def test_other_architectures_are_refused_with_what_was_looked_for(build, heads, reason):
    with pytest.raises(TrainingError) as caught:
        RetrainedPart(build(), heads=heads)
    assert reason in str(caught.value)
    assert "such as -p nnUNetPlans or -p nnUNetResEncUNetMPlans" in str(caught.value)
