"""Small U-Nets as nnU-Net builds them."""

import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet, ResidualEncoderUNet
from torch import nn

CHANNELS = (4, 8, 16)


def unet(dimension=2, residual=False, deep_supervision=True, norm=None, channels=CHANNELS):
    """Return a U-Net of three stages with random weights, in evaluation mode."""
    torch.manual_seed(1)
    conv = {2: nn.Conv2d, 3: nn.Conv3d}[dimension]
    norm = norm or {2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}[dimension]
    blocks = {"n_blocks_per_stage" if residual else "n_conv_per_stage": 1}
    network = (ResidualEncoderUNet if residual else PlainConvUNet)(
        input_channels=1, n_stages=3, features_per_stage=channels, conv_op=conv, kernel_sizes=3,
        strides=(1, 2, 2), num_classes=3, n_conv_per_stage_decoder=1, conv_bias=True, norm_op=norm,
        norm_op_kwargs={"eps": 1e-5, "affine": True}, nonlin=nn.LeakyReLU,
        nonlin_kwargs={"inplace": True}, deep_supervision=deep_supervision, **blocks,
    )  # fmt: skip
    return network.eval()


def images(dimension=2, batch=3):
    """Return anisotropic noise that the U-Nets take."""
    shape = {2: (16, 24), 3: (4, 16, 24)}[dimension]
    return torch.randn((batch, 1, *shape), generator=torch.Generator().manual_seed(2))
