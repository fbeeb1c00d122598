"""The blocks against timm's, which come with nnU-Net; all of it with LiteMedSAM's weights."""

import pytest
import torch
from segment_anything.modeling import MaskDecoder, PromptEncoder, TwoWayTransformer
from timm.layers import LayerNorm2d
from timm.models.tiny_vit import ConvLayer, PatchMerging, TinyVitBlock
from torch import nn

from nnunetv2_fair.foundation.model import PromptedModel
from nnunetv2_fair.foundation.tiny_vit import TinyVit
from nnunetv2_fair.foundation.weights import read_weights
from tests.foundation.test_weights import reference_logits
from tests.foundation.tiny_models import lite_medsam


class ReferenceEncoder(nn.Module):
    """LiteMedSAM's encoder of timm's parts; sizes as its weights have them."""

    def __init__(self, channels: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        from timm.models.tiny_vit import ConvNorm

        self.first, self.second = ConvNorm(3, widths[0] // 2), ConvNorm(widths[0] // 2, widths[0])
        self.convolutions = ConvLayer(widths[0], 2, nn.GELU)
        self.blocks, self.merging = nn.ModuleList(), nn.ModuleList()
        for i, (depth, heads, window) in enumerate([(2, 4, 7), (6, 5, 14), (2, 10, 7)], start=1):
            self.blocks.append(
                nn.Sequential(*(TinyVitBlock(widths[i], heads, window) for _ in range(depth)))
            )
            self.merging.append(PatchMerging(widths[i - 1], widths[i], nn.GELU))
        self.merging[-1].conv2.conv.stride = (1, 1)
        self.neck = nn.Sequential(
            nn.Conv2d(widths[-1], channels, 1, bias=False),
            LayerNorm2d(channels, eps=1e-6),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            LayerNorm2d(channels, eps=1e-6),
        )

    def load(self, ours: dict[str, torch.Tensor]) -> None:
        named = {}
        for name, value in ours.items():
            new = name.replace(".c.", ".conv.")
            new = new.replace("patch_embed.seq.0", "first").replace("patch_embed.seq.2", "second")
            parts = new.split(".")
            if parts[0] == "layers":
                stage = int(parts[1])
                if parts[2] == "downsample":
                    parts = ["merging", str(stage), *parts[3:]]
                elif stage:
                    parts = ["blocks", str(stage - 1), *parts[3:]]
                else:
                    parts = ["convolutions", "blocks", *parts[3:]]
            named[".".join(parts)] = value
        self.load_state_dict(named, strict=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.convolutions(self.second(nn.functional.gelu(self.first(x))))
        for blocks, merging in zip(self.blocks, self.merging, strict=True):
            x = blocks(merging(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return self.neck(x)


@torch.no_grad()
def test_the_encoder_is_that_of_timm_s_parts():
    torch.manual_seed(0)
    widths = (8, 16, 20, 40)
    encoder, reference = TinyVit(12, widths), ReferenceEncoder(12, widths)
    for value in encoder.state_dict().values():
        if value.is_floating_point():
            value.uniform_(0.1, 0.6)
    for parameter in encoder.parameters():
        nn.init.normal_(parameter, std=0.3)
    reference.load(encoder.state_dict())
    # 36 is no multiple of a window of 7 or 14, so windows are padded
    pixels = torch.randn(2, 3, 36, 36)
    expected = reference.eval()(pixels)
    found = encoder.eval()(pixels)[0]
    assert found.shape == (2, 12, 9, 9)
    assert expected.std() > 0.05
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@torch.no_grad()
def test_real_weights_give_the_logits_of_the_reference():
    path = lite_medsam()
    model = PromptedModel(read_weights(path))
    original = torch.load(path, map_location="cpu", weights_only=True)

    def part(name: str) -> dict[str, torch.Tensor]:
        return {k.removeprefix(name): v for k, v in original.items() if k.startswith(name)}

    encoder = ReferenceEncoder(256, (64, 128, 160, 320)).eval()
    encoder.load(part("image_encoder."))
    sam = nn.Module()
    sam.prompt_encoder = PromptEncoder(256, (64, 64), (256, 256), 16)
    sam.mask_decoder = MaskDecoder(
        transformer_dim=256,
        transformer=TwoWayTransformer(depth=2, embedding_dim=256, mlp_dim=2048, num_heads=8),
    )
    sam.prompt_encoder.load_state_dict(part("prompt_encoder."))
    sam.mask_decoder.load_state_dict(part("mask_decoder."))
    # a bright disc on a grey ramp
    rows, columns = torch.meshgrid(torch.arange(256.0), torch.arange(256.0), indexing="ij")
    disc = ((rows - 120) ** 2 + (columns - 140) ** 2 < 45**2).float()
    pixels = (0.3 * columns / 256 + 0.6 * disc).expand(1, 3, -1, -1)
    box = torch.tensor([95.0, 75, 185, 165])
    expected = encoder(pixels)
    embedding = model.embed(pixels)
    torch.testing.assert_close(embedding, expected, rtol=0, atol=1e-4)
    masks = model.logits(embedding, box[None, None])[0, 0]
    reference = reference_logits(sam, expected[0], box)
    assert (masks - reference).abs().max() < 1e-3
    inside = masks > 0
    dice = 2 * (inside & (disc > 0)).sum() / (inside.sum() + disc.sum())
    assert dice > 0.95
