"""Stable Diffusion with few, random weights, saved by diffusers as a folder."""

from pathlib import Path

import torch
from safetensors.torch import save_file


def write_tiny_diffusion(folder: Path) -> Path:
    """Write unet, vae, scheduler and the embedding of a prompt."""
    from diffusers import AutoencoderKL, PNDMScheduler, UNet2DConditionModel

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        UNet2DConditionModel(
            sample_size=8, in_channels=4, out_channels=4, block_out_channels=(8, 16),
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
            layers_per_block=1, norm_num_groups=4, cross_attention_dim=6, attention_head_dim=4,
        ).save_pretrained(folder / "unet")  # fmt: skip
        AutoencoderKL(
            block_out_channels=(4, 4, 4, 4), norm_num_groups=2, latent_channels=4,
            down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        ).save_pretrained(folder / "vae")  # fmt: skip
        prompt = torch.randn(3, 6)
    PNDMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", skip_prk_steps=True,
        steps_offset=1,
    ).save_pretrained(folder / "scheduler")  # fmt: skip
    save_file({"prompt": prompt}, folder / "prompt_embedding.safetensors")
    return folder
