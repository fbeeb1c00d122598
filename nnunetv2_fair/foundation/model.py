"""A prompted model: an image becomes an embedding, an embedding and a box become a mask."""

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from nnunetv2_fair.errors import InstallationError, ModelError, counted, shorten
from nnunetv2_fair.foundation.families import LITEMEDSAM, Sizes
from nnunetv2_fair.foundation.tiny_vit import TinyVit
from nnunetv2_fair.foundation.weights import Weights

if TYPE_CHECKING:
    pass

_OLDEST_PYTHON = (3, 11)
_OLDEST_TRANSFORMERS = 5


class PromptedModel(nn.Module):
    """A frozen model that is prompted with boxes.

    It stays in evaluation mode and its parameters have no gradients; those of an embedding pass
    through the decoder.

    Args:
        weights: Of any family.

    Attributes:
        weights: Where its parameters come from; not the parameters themselves.

    Raises:
        InstallationError: If transformers is not installed, or too old.
        ModelError: If the weights are not those of the model whose shapes they have.
    """

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.family, self.sizes = weights.family, weights.sizes
        net = _network(weights)
        found = net.load_state_dict(dict(weights.parameters), strict=False, assign=True)
        problems = [f"{name} is missing" for name in found.missing_keys]
        problems += [f"{name} is unknown" for name in found.unexpected_keys]
        if problems:
            raise ModelError(
                f"{weights.path}: {counted(len(problems), 'weight')} of {weights.family.title} "
                f"{'does' if len(problems) == 1 else 'do'} not fit: {shorten(problems, 3)}. Copy "
                "or download the file again."
            )
        self._net = net.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> "PromptedModel":
        """Stay in evaluation mode."""
        return super().train(False)

    @torch.no_grad()
    def embed(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the embeddings of images.

        Args:
            pixels: ``(B, 3, S, S)`` as :func:`nnunetv2_fair.foundation.pictures.prepared` makes
                them.

        Returns:
            ``(B, C, S / patch, S / patch)``.
        """
        embedding: torch.Tensor = self._net.get_image_embeddings(pixels)
        return embedding

    def logits(self, embeddings: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
        """Return a mask for every box, differentiable in the embedding.

        Args:
            embeddings: ``(B, C, h, w)``.
            boxes: ``(B, N, 4)``: first column and row, last column and row, in pixels of the
                square that the model sees.

        Returns:
            ``(B, N, 4 h, 4 w)``, above 0 inside.
        """
        found = self._net(image_embeddings=embeddings, input_boxes=boxes, multimask_output=False)
        masks: torch.Tensor = found.pred_masks[:, :, 0]
        return masks


def _network(weights: Weights) -> Any:
    """Return transformers' model of these sizes, with parameters that hold nothing yet."""
    transformers = _transformers()
    sizes = weights.sizes
    tiny = weights.family is LITEMEDSAM
    vision = transformers.SamVisionConfig(
        **({} if tiny else _vision_sizes(sizes)),
        image_size=sizes.image,
        patch_size=sizes.patch,
        output_channels=sizes.channels,
        num_pos_feats=sizes.channels // 2,
    )
    prompts = transformers.SamPromptEncoderConfig(
        hidden_size=sizes.channels,
        image_size=sizes.image,
        patch_size=sizes.patch,
        mask_input_channels=sizes.mask_channels,
    )
    decoder = transformers.SamMaskDecoderConfig(
        hidden_size=sizes.channels,
        mlp_dim=sizes.decoder_mlp,
        iou_head_hidden_dim=sizes.decoder_hidden,
        # as in the original; transformers' own, 1e-6, changes real logits by up to 0.03
        layer_norm_eps=1e-5,
    )
    config = transformers.SamConfig(
        vision_config=vision, prompt_encoder_config=prompts, mask_decoder_config=decoder
    )
    if tiny:
        # transformers has no TinyViT: its encoder, of one small layer, gives way to ours
        config.vision_config.num_hidden_layers = 1
        config.vision_config.hidden_size = config.vision_config.num_attention_heads
        config.vision_config.global_attn_indexes = []
    net = transformers.SamModel(config)
    if tiny:
        net.vision_encoder = TinyVit(sizes.channels)
    return net


def _vision_sizes(sizes: Sizes) -> dict[str, Any]:
    return {
        "hidden_size": sizes.width,
        "num_hidden_layers": sizes.depth,
        "num_attention_heads": sizes.heads,
        "window_size": sizes.window,
        "global_attn_indexes": list(sizes.global_layers),
        "mlp_dim": sizes.mlp,
    }


def _transformers() -> Any:
    import sys

    version = ".".join(map(str, sys.version_info[:2]))
    install = "pip install 'nnunetv2_fair[sam]'"
    if sys.version_info < _OLDEST_PYTHON:
        # the extra asks for nothing here, so that installing it would not help
        install = f"make an environment with Python 3.11 or newer, and in it {install}"
    remedy = f"Models that are prompted with boxes need transformers 5: {install}"
    try:
        import transformers
    except ImportError as error:
        raise InstallationError(
            f"transformers is not installed (this is Python {version}). {remedy}"
        ) from error
    if int(transformers.__version__.partition(".")[0]) < _OLDEST_TRANSFORMERS:
        raise InstallationError(f"transformers {transformers.__version__} is too old. {remedy}")
    return transformers
