"""Images from masks by Stable Diffusion 1.5 and ControlNet, from a folder on this computer.

Only the ControlNet is trained; nothing is downloaded, and no file that could run code is opened.

Source: Zhang et al. 2023 (ControlNet), Rombach et al. 2022, as FairDiff (Li et al. 2024) uses them.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from nnunetv2_fair.errors import ModelError, UsageError, shorten
from nnunetv2_fair.files.fingerprints import files_hash
from nnunetv2_fair.files.json_files import read_json_object
from nnunetv2_fair.synthesis.images.network import NOISE_STEPS, ImageNetwork, unet_class

#: Pixels of a side that the image coder makes one, and so does ControlNet's of masks.
_CODER = 8
PROMPT = "prompt_embedding.safetensors"
_WEIGHTS = "diffusion_pytorch_model.safetensors"
_CLASSES = {"unet": "UNet2DConditionModel", "vae": "AutoencoderKL"}
_EXPECTED = (
    "Expected a folder of Stable Diffusion 1.5 as diffusers saves it: unet and vae, each with "
    f"config.json and {_WEIGHTS}, and scheduler/scheduler_config.json."
)


@dataclass(frozen=True, eq=False)
class StableDiffusion:
    """The parts of Stable Diffusion that stay as they are.

    Attributes:
        unet: Predicts noise in coded images.
        vae: Codes images.
        shares: ``(1000,)`` shares of signal in the variance.
        predicts_noise: Whether the network predicts the noise; otherwise the velocity.
        prompt: ``(1, tokens, features)``, the same for every image.
        mark: Hash of all files.
    """

    unet: Any = field(repr=False)
    vae: Any = field(repr=False)
    shares: torch.Tensor = field(repr=False)
    predicts_noise: bool
    prompt: torch.Tensor = field(repr=False)
    mark: str

    @property
    def step(self) -> int:
        """Side of images must be a multiple of it."""
        return _CODER * 2 ** int(len(self.unet.config.block_out_channels) - 1)

    def plan(
        self, rows: int, columns: int, channels: int, classes: int, groups: Sequence[str]
    ) -> "ControlPlan":
        """Return how a network for images is built.

        Args:
            rows: Of the images.
            columns: Of the images.
            channels: Of the images.
            classes: Of the masks, with the background.
            groups: Names of the groups.

        Raises:
            UsageError: If images are neither grey nor in colour.
        """
        if channels not in (1, 3):
            raise UsageError(
                f"--from: Stable Diffusion makes images in colour, so that images of 1 or 3 "
                f"channels can be learnt; these have {channels}. Leave --from out."
            )
        size = -(-max(rows, columns) // self.step) * self.step
        return ControlPlan(size, channels, classes, tuple(groups), self)


@dataclass(frozen=True, eq=False)
class ControlPlan:
    """Sizes of a ControlNet.

    Attributes:
        size: Pixels of a side of the square images.
        channels: 1 or 3.
        classes: Classes of the masks with the background.
        groups: Names of the groups, which are drawn equally often and not told to the network.
        diffusion: What it controls.
    """

    size: int
    channels: int
    classes: int
    groups: tuple[str, ...]
    diffusion: StableDiffusion

    @property
    def no_group(self) -> int:
        """Index that stands for no group in particular."""
        return len(self.groups)

    def as_dict(self) -> dict[str, Any]:
        """Return the sizes as plain values."""
        return {
            "size": self.size, "channels": self.channels, "classes": self.classes,
            "groups": self.groups, "weights": self.diffusion.mark,
        }  # fmt: skip

    def build(self) -> nn.Module:
        """Return the ControlNet: a copy of the network's first half, and convolutions of zeros."""
        from diffusers import ControlNetModel

        control: nn.Module = ControlNetModel.from_unet(
            self.diffusion.unet, conditioning_channels=self.classes - 1
        )
        return control.train()

    def network(self, learnt: nn.Module) -> "ControlledDiffusion":
        """Return Stable Diffusion under the control of a network that :meth:`build` returned."""
        return ControlledDiffusion(self, learnt)


class ControlledDiffusion(ImageNetwork):
    """Stable Diffusion under the control of a mask.

    Args:
        plan: Sizes.
        control: What is trained.
    """

    plan: ControlPlan
    bounded = False

    def __init__(self, plan: ControlPlan, control: nn.Module) -> None:
        super().__init__()
        self.plan, self.control = plan, control
        device = next(control.parameters()).device
        self.unet = plan.diffusion.unet.to(device)
        self.vae = plan.diffusion.vae.to(device)
        self.predicts_noise = plan.diffusion.predicts_noise

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels and size of a coded image."""
        side = self.plan.size // _CODER
        return int(self.vae.config.latent_channels), side, side

    def shares(self, device: torch.device) -> torch.Tensor:
        """Return those of the folder's scheduler."""
        return self.plan.diffusion.shares.to(device)

    @torch.no_grad()
    def encoded(self, images: torch.Tensor) -> torch.Tensor:
        """Return coded images: the most likely code, scaled; grey ones as colour."""
        coloured = images.expand(-1, 3, -1, -1)
        found: torch.Tensor = self.vae.encode(coloured).latent_dist.mode()
        return found * self.vae.config.scaling_factor

    @torch.no_grad()
    def decoded(self, x: torch.Tensor) -> torch.Tensor:
        """Return images, one after the other, because a large one needs much memory."""
        scaled = x / self.vae.config.scaling_factor
        images = torch.cat([self.vae.decode(one[None]).sample for one in scaled])
        return images.mean(dim=1, keepdim=True) if self.plan.channels == 1 else images

    def forward(
        self, noisy: torch.Tensor, labels: torch.Tensor, steps: torch.Tensor, groups: torch.Tensor
    ) -> torch.Tensor:
        """Return what is predicted: noise or velocity.

        Args:
            noisy: ``(n, *shape)``.
            labels: ``(n, size, size)`` of class numbers.
            steps: ``(n,)`` of noise steps.
            groups: Not looked at.

        Returns:
            As ``noisy``.
        """
        structures = F.one_hot(labels.long(), self.plan.classes)[..., 1:].movedim(-1, 1)
        prompt = self.plan.diffusion.prompt.to(noisy).expand(len(noisy), -1, -1)
        down, middle = self.control(
            noisy, steps, prompt, controlnet_cond=structures.to(noisy.dtype), return_dict=False
        )
        found: torch.Tensor = self.unet(
            noisy,
            steps,
            prompt,
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
        ).sample
        return found


def read_stable_diffusion(folder: Path, prompt: Path | None = None) -> StableDiffusion:
    """Read Stable Diffusion part by part, so that neither text encoder nor tokenizer is needed.

    Args:
        folder: With subfolders unet, vae and scheduler.
        prompt: File with the embedding of a prompt; None: that of the folder.

    Raises:
        InstallationError: If diffusers is not installed.
        UsageError: If the folder is of another kind, or a file is missing.
        ModelError: If a file is damaged, or does not fit the others.
    """
    unet_class()
    _check_folder(folder)
    prompt = prompt or folder / PROMPT
    if not prompt.is_file():
        raise UsageError(
            f"{prompt} is not there. ControlNet needs the embedding of a prompt, the same for all "
            "images: make it once as docs/how-to/synthesize.md shows, or name it with --prompt."
        )
    from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel

    try:
        given: dict[str, Any] = {"local_files_only": True, "use_safetensors": True}
        given |= {"low_cpu_mem_usage": False}
        unet = UNet2DConditionModel.from_pretrained(folder, subfolder="unet", **given)
        vae = AutoencoderKL.from_pretrained(folder, subfolder="vae", **given)
        scheduler = DDPMScheduler.from_pretrained(
            folder, subfolder="scheduler", local_files_only=True
        )
    except Exception as error:  # diffusers, safetensors, torch: all that damaged files raise
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise ModelError(f"{folder} cannot be read ({reason}). Copy the folder again.") from error
    for part in (unet, vae):
        part.requires_grad_(False).eval()
    kind = scheduler.config.prediction_type
    if len(scheduler.alphas_cumprod) != NOISE_STEPS or kind not in ("epsilon", "v_prediction"):
        raise UsageError(
            f"{folder}/scheduler has {len(scheduler.alphas_cumprod)} steps and predicts '{kind}'; "
            f"expected {NOISE_STEPS} steps, and 'epsilon' or 'v_prediction'. {_EXPECTED}"
        )
    files = [folder / part / name for part in _CLASSES for name in ("config.json", _WEIGHTS)]
    files += [folder / "scheduler" / "scheduler_config.json", prompt]
    embedding = _read_prompt(prompt, int(unet.config.cross_attention_dim))
    return StableDiffusion(
        unet, vae, scheduler.alphas_cumprod, kind == "epsilon", embedding, files_hash(files)
    )


def _check_folder(folder: Path) -> None:
    """Refuse folders of other kinds, in words, before anything large is read."""
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "is not there"
        raise UsageError(f"--from {folder} {what}. {_EXPECTED}")
    configs = {}
    for part, expected in _CLASSES.items():
        path = folder / part / "config.json"
        if not path.is_file():
            found = shorten(sorted(p.name for p in folder.iterdir())) or "nothing"
            raise UsageError(
                f"--from {folder} has no {part}/config.json; found {found}. {_EXPECTED}"
            )
        configs[part] = read_json_object(path, ModelError, "Copy the folder again.")
        kind = configs[part].get("_class_name")
        if kind != expected:
            raise UsageError(
                f"--from {folder}: {part} is a {kind}, expected a {expected}. {_EXPECTED}"
            )
        if not (folder / part / _WEIGHTS).is_file():
            found = shorten(sorted(p.name for p in (folder / part).iterdir()))
            raise UsageError(
                f"--from {folder}: {part} has no {_WEIGHTS}; found {found}. Files of other kinds "
                "can run code when they are opened, and are not read: get the .safetensors of the "
                "same model, or save it so with diffusers."
            )
    if not (folder / "scheduler" / "scheduler_config.json").is_file():
        raise UsageError(f"--from {folder} has no scheduler/scheduler_config.json. {_EXPECTED}")
    unet, vae = configs["unet"], configs["vae"]
    if unet.get("addition_embed_type") is not None:
        raise UsageError(
            f"--from {folder} needs more than a prompt ({unet['addition_embed_type']}), as Stable "
            f"Diffusion XL does. {_EXPECTED}"
        )
    channels, coded = unet.get("in_channels", 4), vae.get("latent_channels", 4)
    if channels != coded:
        raise UsageError(
            f"--from {folder}: unet takes {channels} channels, vae makes {coded}, as in models "
            f"that fill in or enlarge images. {_EXPECTED}"
        )
    shrunk = 2 ** (len(vae.get("block_out_channels", ())) - 1)
    if shrunk != _CODER:
        raise UsageError(
            f"--from {folder}: vae makes {shrunk} x {shrunk} pixels one, expected {_CODER} x "
            f"{_CODER}. {_EXPECTED}"
        )


def _read_prompt(path: Path, features: int) -> torch.Tensor:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        found = list(load_file(path).values())
    except (SafetensorError, OSError, json.JSONDecodeError) as error:
        raise ModelError(
            f"{path} is not a file of safetensors ({error}). Make it again as "
            "docs/how-to/synthesize.md shows."
        ) from error
    shapes = [tuple(tensor.shape) for tensor in found]
    if len(found) != 1 or found[0].ndim not in (2, 3) or shapes[0][-1] != features:
        raise ModelError(
            f"{path} holds tensors of {shorten(map(str, shapes))}; expected one of (tokens, "
            f"{features}), the embedding of a prompt for this model. Make it again."
        )
    return found[0].float().reshape(-1, *shapes[0][-2:])[:1]
