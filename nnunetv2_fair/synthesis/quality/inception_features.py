"""Features of images by Inception, with weights from a file on this computer."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nnunetv2_fair.errors import ConversionError, InstallationError, ModelError

_BATCH = 16
_EXPECTED = (
    "Expected the weights that torch-fidelity uses, weights-inception-2015-12-05-6726825d.pth"
)


class Inception:
    """The network that Frechet distances of papers are measured with; 2048 features.

    Args:
        weights: File with a state dict, as torch-fidelity names its entries.

    Raises:
        InstallationError: If torch-fidelity is not installed.
        ModelError: If the file cannot be read, or is of another network.

    Source:
        Heusel et al. 2017; torch-fidelity's network, which has TensorFlow's weights.
    """

    def __init__(self, weights: Path) -> None:
        try:
            from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
        except ImportError as error:
            raise InstallationError(
                "--features inception needs torch-fidelity: pip install torch-fidelity."
            ) from error
        try:
            state = torch.load(weights, map_location="cpu", weights_only=True)
            # torch-fidelity would unpickle the user's file: it gets what was read from it instead
            copy = io.BytesIO()
            torch.save(dict(state), copy)
            copy.seek(0)
            self._network: Any = FeatureExtractorInceptionV3(
                "inception", ["2048"], feature_extractor_weights_path=copy
            )
        except Exception as error:  # torch, zip, pickle: all that a wrong file makes them raise
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            raise ModelError(f"{weights} cannot be used ({reason}). {_EXPECTED}.") from error

    @torch.no_grad()
    def features(self, images: np.ndarray) -> np.ndarray:
        """Return features of images, ``(n, 2048)`` float64.

        Args:
            images: ``(n, channels, y, x)``, -1 to 1, of 1 or 3 channels.

        Raises:
            ConversionError: If images have another number of channels.
        """
        if images.shape[1] not in (1, 3):
            raise ConversionError(
                f"--features inception takes images of 1 or 3 channels, these have "
                f"{images.shape[1]}. Choose other features."
            )
        found = []
        for start in range(0, len(images), _BATCH):
            pixels = np.rint((np.clip(images[start : start + _BATCH], -1, 1) + 1) * 127.5)
            batch = torch.from_numpy(pixels.astype(np.uint8)).expand(-1, 3, -1, -1)
            found.append(self._network(batch)[0].double())
        return np.asarray(torch.cat(found).numpy())
