"""Names of parameters: those of the original files, and those of transformers' ``SamModel``.

Source: the modules of ``segment-anything`` (the original) and of transformers 5.
"""

import re
from collections.abc import Mapping
from typing import TypeVar

_Value = TypeVar("_Value")

#: Begin of the names of all parameters of the image encoder, there and here.
ORIGINAL_ENCODER, ENCODER = "image_encoder.", "vision_encoder."
#: The random directions that positions are encoded with: one matrix, which transformers has twice.
POSITIONS = "shared_image_embedding.positional_embedding"
_POSITIONS_OF_PROMPTS = "prompt_encoder.shared_embedding.positional_embedding"
#: Constants that SAM keeps beside its parameters.
_CONSTANTS = ("pixel_mean", "pixel_std")

#: Applied in this order.
_OF_VIT = (
    ("neck.0.", "neck.conv1."), ("neck.1.", "neck.layer_norm1."),
    ("neck.2.", "neck.conv2."), ("neck.3.", "neck.layer_norm2."),
    ("patch_embed.proj.", "patch_embed.projection."),
    (".norm1.", ".layer_norm1."), (".norm2.", ".layer_norm2."), (".blocks.", ".layers."),
)  # fmt: skip
_OF_DECODER = (
    ("iou_prediction_head.layers.0.", "iou_prediction_head.proj_in."),
    ("iou_prediction_head.layers.1.", "iou_prediction_head.layers.0."),
    ("iou_prediction_head.layers.2.", "iou_prediction_head.proj_out."),
    ("output_upscaling.0.", "upscale_conv1."), ("output_upscaling.1.", "upscale_layer_norm."),
    ("output_upscaling.3.", "upscale_conv2."),
    (".norm_final_attn.", ".layer_norm_final_attn."),
    *((f".norm{i}.", f".layer_norm{i}.") for i in (1, 2, 3, 4)),
)  # fmt: skip
_OF_PROMPTS = (
    ("mask_downscaling.0.", "mask_embed.conv1."),
    ("mask_downscaling.1.", "mask_embed.layer_norm1."),
    ("mask_downscaling.3.", "mask_embed.conv2."),
    ("mask_downscaling.4.", "mask_embed.layer_norm2."),
    ("mask_downscaling.6.", "mask_embed.conv3."), ("point_embeddings.", "point_embed."),
    ("pe_layer.positional_encoding_gaussian_matrix", "shared_embedding.positional_embedding"),
)  # fmt: skip
_HYPERNETWORK = re.compile(r"(mask_decoder\.output_hypernetworks_mlps\.\d+\.)layers\.([012])(\..*)")
_HYPERNETWORK_LAYERS = {"0": "proj_in", "1": "layers.0", "2": "proj_out"}


def is_original(names: Mapping[str, object]) -> bool:
    """Return whether parameters have the names of the original files."""
    return any(name.startswith(ORIGINAL_ENCODER) for name in names)


def renamed(parameters: Mapping[str, _Value]) -> dict[str, _Value]:
    """Return parameters of an original file under transformers' names.

    The names of a TinyViT stay as they are behind the begin: :mod:`.tiny_vit` has the same.

    Args:
        parameters: Original name -> value; names that it should not have are kept.
    """
    new = {
        _renamed(name, tiny=is_tiny(parameters)): value
        for name, value in parameters.items()
        if name not in _CONSTANTS
    }
    if _POSITIONS_OF_PROMPTS in new:
        new[POSITIONS] = new[_POSITIONS_OF_PROMPTS]
    return new


def is_tiny(names: Mapping[str, object]) -> bool:
    """Return whether the image encoder is a TinyViT."""
    return any(name.endswith("patch_embed.seq.0.c.weight") for name in names)


def _renamed(name: str, *, tiny: bool) -> str:
    if name.startswith(ORIGINAL_ENCODER):
        name = ENCODER + name.removeprefix(ORIGINAL_ENCODER)
        pairs: tuple[tuple[str, str], ...] = () if tiny else _OF_VIT
    elif name.startswith("mask_decoder."):
        pairs = _OF_DECODER
    else:
        pairs = _OF_PROMPTS
    for old, new in pairs:
        name = name.replace(old, new)
    found = _HYPERNETWORK.fullmatch(name)
    return f"{found[1]}{_HYPERNETWORK_LAYERS[found[2]]}{found[3]}" if found else name
