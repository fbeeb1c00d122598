"""Reading weights: a folder of Hugging Face or an original file, and which family they are of.

Nothing is downloaded, and nothing that is read can run code: ``.pth`` files are read with
``weights_only``, folders through their ``.safetensors``.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from nnunetv2_fair.errors import ModelError, UsageError, counted, shorten
from nnunetv2_fair.files.fingerprints import files_hash
from nnunetv2_fair.files.formats.archives import damage_of
from nnunetv2_fair.files.json_files import read_json_object
from nnunetv2_fair.foundation.families import FAMILIES, LITEMEDSAM, MEDSAM, SAM, Family, Sizes
from nnunetv2_fair.foundation.key_map import ENCODER, POSITIONS, is_original, is_tiny, renamed

_EXPECTED = (
    "Expected a .pth file of SAM (ViT-B, L or H), MedSAM or LiteMedSAM, or a folder of "
    "transformers' SamModel with config.json and model.safetensors"
)
_TINY_IMAGE = 256
#: Names of the sizes of SAM's image encoder, by its channels.
_VIT = {768: "ViT-B", 1024: "ViT-L", 1280: "ViT-H"}
_SHARED = ("prompt_encoder.shared_embedding.positional_embedding", POSITIONS)


@dataclass(frozen=True)
class Weights:
    """Weights of a model as they were read.

    Attributes:
        path: File or folder.
        sha256: Hash of its bytes, 64 hex digits.
        family: Which it is of.
        reason: How that was found, in words.
        sizes: Of the model.
        parameters: Name in transformers -> float32 value.
    """

    path: Path
    sha256: str
    family: Family
    reason: str
    sizes: Sizes
    parameters: Mapping[str, torch.Tensor] = field(repr=False)

    @property
    def n_parameters(self) -> int:
        """How many numbers the weights hold, as the model uses them."""
        return sum(p.numel() for name, p in self.parameters.items() if name != POSITIONS)

    @property
    def encoder(self) -> str:
        """The image encoder, as people write it."""
        if self.family is LITEMEDSAM:
            return "TinyViT"
        return _VIT.get(self.sizes.width, f"ViT of {self.sizes.width} channels")


def read_weights(path: Path, family: str | None = None) -> Weights:
    """Read weights and find out what they are.

    SAM's and MedSAM's weights have the same names and shapes. Only a ViT-B can be MedSAM's; its
    family is taken from the name of the file or folder if that says ``medsam`` or ``sam_vit``.

    Args:
        path: ``.pth`` or ``.safetensors`` file, or a folder with such files and ``config.json``.
        family: Name of the family; None finds it.

    Raises:
        ModelError: If there is nothing, or it is damaged, or of a model that is not supported.
        UsageError: If the family has to be said, or cannot be the one that was said.
    """
    files = _files(path)
    found: dict[str, torch.Tensor] = {}
    for file in files:
        found |= _read_file(file)
    if is_original(found):
        found = renamed(found)
    for name, other in (_SHARED, _SHARED[::-1]):
        if name not in found and other in found:
            found[name] = found[other]
    sizes = _sizes(found, path)
    chosen, reason = _family(path, family, sizes, tiny=is_tiny(found))
    parameters = {name: value.float() for name, value in found.items()}
    return Weights(path, files_hash(files), chosen, reason, sizes, parameters)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise ModelError(f"{path} does not exist. {_EXPECTED}; nothing is downloaded.")
    content = read_json_object(path / "config.json", ModelError, f"{_EXPECTED}.")
    kind = content.get("model_type")
    if kind != "sam":
        raise ModelError(
            f"{path / 'config.json'} describes a model of the kind '{kind}', not 'sam'. "
            f"{_EXPECTED}."
        )
    files = sorted(path.glob("*.safetensors"))
    if not files:
        raise ModelError(
            f"{path} holds no .safetensors file. {_EXPECTED}; pytorch_model.bin is not read: "
            "download model.safetensors of the same model."
        )
    return files


def _read_file(path: Path) -> dict[str, torch.Tensor]:
    """Return all tensors of a file by name."""
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except (SafetensorError, OSError, ValueError) as error:
            raise ModelError(f"{path} is damaged ({error}). Copy or download it again.") from error
    damage = damage_of(path)
    if damage:
        raise ModelError(f"{path} {damage}. {_EXPECTED}. Copy or download it again.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises what its unpickler meets
        raise ModelError(
            f"{path} is not a file of weights alone ({type(error).__name__}). {_EXPECTED}. Files "
            "that hold other Python objects are not read: they can run code."
        ) from error
    for key in ("model", "state_dict"):  # as trainings save them
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not content:
        raise ModelError(f"{path} holds {type(content).__name__}, no weights by name. {_EXPECTED}.")
    if not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise ModelError(f"{path} holds more than weights by name. {_EXPECTED}.")
    return {str(name).removeprefix("module."): value for name, value in content.items()}


def _sizes(found: Mapping[str, torch.Tensor], path: Path) -> Sizes:
    """Return the sizes that follow from the shapes of the weights."""
    try:
        return _tiny_sizes(found) if is_tiny(found) else _vit_sizes(found)
    except (KeyError, IndexError, ValueError) as error:
        names = shorten(sorted(found), 3)
        raise ModelError(
            f"{path} holds weights of another model: {counted(len(found), 'tensor')} such as "
            f"{names}, and not {error}. {_EXPECTED}."
        ) from error


def _decoder_sizes(found: Mapping[str, torch.Tensor]) -> dict[str, int]:
    return {
        "mask_channels": found["prompt_encoder.mask_embed.conv3.weight"].shape[1],
        "decoder_mlp": found["mask_decoder.transformer.layers.0.mlp.lin1.weight"].shape[0],
        "decoder_hidden": found["mask_decoder.iou_prediction_head.proj_in.weight"].shape[0],
    }


def _vit_sizes(found: Mapping[str, torch.Tensor]) -> Sizes:
    width, _, patch, _ = found[f"{ENCODER}patch_embed.projection.weight"].shape
    grid = found[f"{ENCODER}pos_embed"].shape[1]
    sides: list[int] = []
    while f"{ENCODER}layers.{len(sides)}.attn.rel_pos_h" in found:
        distances, per_head = found[f"{ENCODER}layers.{len(sides)}.attn.rel_pos_h"].shape
        sides.append((distances + 1) // 2)
    if not sides:
        raise KeyError(f"{ENCODER}layers.0.attn.rel_pos_h")
    windows = {side for side in sides if side != grid}
    return Sizes(
        image=grid * patch,
        patch=patch,
        channels=found[f"{ENCODER}neck.conv2.weight"].shape[0],
        width=width,
        depth=len(sides),
        heads=width // per_head,
        window=max(windows, default=0),
        global_layers=tuple(i for i, side in enumerate(sides) if side == grid),
        mlp=found[f"{ENCODER}layers.0.mlp.lin1.weight"].shape[0],
        **_decoder_sizes(found),
    )


def _tiny_sizes(found: Mapping[str, torch.Tensor]) -> Sizes:
    # one bias for every distance within a window
    biases = found[f"{ENCODER}layers.1.blocks.0.attn.attention_biases"]
    return Sizes(
        image=_TINY_IMAGE,
        patch=4,
        channels=found[f"{ENCODER}neck.2.weight"].shape[0],
        width=found[f"{ENCODER}patch_embed.seq.2.c.weight"].shape[0],
        depth=len({name.split(".")[2] for name in found if name.startswith(f"{ENCODER}layers.")}),
        heads=0,
        window=math.isqrt(biases.shape[1]),
        global_layers=(),
        mlp=found[f"{ENCODER}layers.1.blocks.0.mlp.fc1.weight"].shape[0],
        **_decoder_sizes(found),
    )


def _family(path: Path, said: str | None, sizes: Sizes, *, tiny: bool) -> tuple[Family, str]:
    possible = [LITEMEDSAM] if tiny else [SAM, MEDSAM] if sizes.width <= 768 else [SAM]
    if said is not None:
        chosen = FAMILIES[said]
        if chosen not in possible:
            raise UsageError(
                f"--family {said}: the weights of {path} are of another family "
                f"({', '.join(family.name for family in possible)}). Leave --family out, or name "
                "other weights."
            )
        return chosen, "as --family says"
    if len(possible) == 1:
        return possible[0], "by the shapes of its weights"
    name = path.resolve().name.lower()
    if "medsam" in name:
        return MEDSAM, "by its name: pass --family sam if it is not MedSAM"
    if name.startswith(("sam_vit", "sam-vit")):
        return SAM, "by its name: pass --family medsam if it is not SAM"
    raise UsageError(
        f"{path} may be SAM or MedSAM, whose weights look alike but which expect different images. "
        "Pass --family sam or --family medsam."
    )


def described(weights: Weights) -> dict[str, Any]:
    """Return what files of results say about the weights."""
    return {
        "weights": weights.path.name,
        "sha256": weights.sha256,
        "family": weights.family.name,
        "encoder": weights.encoder,
        "image_size": weights.sizes.image,
    }
