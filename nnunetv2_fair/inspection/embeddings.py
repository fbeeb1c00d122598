"""Bottleneck embeddings of cases, from nnU-Net's own preprocessing and sliding window."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from torch import nn
from tqdm import tqdm

from nnunetv2_fair.errors import FairError, ModelError, shorten
from nnunetv2_fair.networks.bottleneck import split_at_bottleneck

#: What two models must share so that one preprocessing works for both.
_SHARED = ("data_identifier", "preprocessor_name", "spacing", "patch_size", "normalization_schemes")


class _PooledBottleneck(nn.Module):
    """Replaces a network: records each patch's pooled bottleneck and predicts nothing.

    Args:
        network: The network to look into; its decoder does not run.
        n_outputs: Output channels of the network.
    """

    def __init__(self, network: nn.Module, n_outputs: int) -> None:
        super().__init__()
        self.network = network
        self._halves = split_at_bottleneck(network)
        self._n_outputs = n_outputs
        self._noted: list[np.ndarray] = []

    def forward(self, patch: torch.Tensor) -> torch.Tensor:
        """Record the bottleneck of one patch.

        Args:
            patch: ``(1, channels, ...)``.

        Returns:
            Zeros in the shape of logits.
        """
        bottleneck = self._halves.encode(patch)[-1].float()
        pooled = bottleneck.mean(dim=tuple(range(2, bottleneck.ndim)))
        self._noted.append(pooled[0].cpu().numpy())
        return patch.new_zeros((len(patch), self._n_outputs, *patch.shape[2:]))

    def take(self) -> np.ndarray:
        """Return the ``(C,)`` mean over the patches recorded since the last call."""
        noted, self._noted = self._noted, []
        return np.stack(noted).mean(axis=0, dtype=np.float64)


class LatentModel:
    """One fold of a trained model, ready to embed preprocessed cases.

    Args:
        folder: Model folder: ``<trainer>__<plans>__<configuration>``.
        fold: Fold to load. Folds have different latent spaces, so only one is used.
        checkpoint: Name of the checkpoint file.
        device: ``cuda``, ``cpu`` or ``mps``.

    Raises:
        ModelError: If it cannot be loaded, or needs a previous stage's predictions.
        TrainingError: If the network has no bottleneck.
    """

    def __init__(self, folder: Path, fold: str, checkpoint: str, device: str) -> None:
        self.predictor = nnUNetPredictor(
            # patches side by side: with overlap the middle of an image would count more
            tile_step_size=1.0,
            use_gaussian=False,
            use_mirroring=False,
            # elsewhere nnU-Net repeats a case that did not fit, and patches would count twice
            perform_everything_on_device=False,
            device=torch.device(device),
            allow_tqdm=False,
        )
        try:
            self.predictor.initialize_from_trained_model_folder(str(folder), (fold,), checkpoint)
        except FairError:
            raise
        except Exception as error:  # torch, zip, JSON: all that a damaged model makes them raise
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ModelError(
                f"{folder}, fold {fold}, {checkpoint}: the model cannot be loaded "
                f"({reason[:200]}). Copy its folder again from where it came, or train it again."
            ) from error
        self.name = str(self.predictor.trainer_name)
        if self.predictor.configuration_manager.previous_stage_name is not None:
            raise ModelError(
                f"{folder} is the second stage of a cascade: it needs predictions of the first "
                "stage, which this command does not make. Inspect the first stage "
                "(-c 3d_lowres) or 3d_fullres."
            )
        n_outputs = self.predictor.label_manager.num_segmentation_heads
        self._pooled = _PooledBottleneck(self.predictor.network, n_outputs)
        self.predictor.network = self._pooled

    @property
    def preprocessing(self) -> Mapping[str, Any]:
        """What must be equal for two models to see the same input."""
        configuration = self.predictor.configuration_manager.configuration
        return {key: configuration.get(key) for key in _SHARED}

    def preprocess(self, files: Sequence[Path]) -> torch.Tensor:
        """Return one case as the network sees it, ``(channels, z, y, x)`` float32.

        Args:
            files: Files of its channels in order.
        """
        predictor = self.predictor
        preprocessor = predictor.configuration_manager.preprocessor_class(verbose=False)
        data, _, _ = preprocessor.run_case(
            [str(file) for file in files], None, predictor.plans_manager,
            predictor.configuration_manager, predictor.dataset_json,
        )  # fmt: skip
        return torch.from_numpy(np.asarray(data))

    def embed(self, data: torch.Tensor) -> np.ndarray:
        """Return a case's embedding: the bottleneck averaged over space and patches.

        Args:
            data: A preprocessed case (:meth:`preprocess`).

        Returns:
            ``(C,)`` float64, C the channels of the bottleneck.
        """
        self.predictor.predict_sliding_window_return_logits(data)
        return self._pooled.take()


def embed_cases(
    models: Sequence[LatentModel], cases: Mapping[str, Sequence[Path]]
) -> dict[str, np.ndarray]:
    """Embed every case with every model; each case is preprocessed once.

    Args:
        models: Models of different names.
        cases: Case -> files of its channels in order.

    Returns:
        Model name -> ``(cases, C)`` embeddings in the order of ``cases``.

    Raises:
        ModelError: If the models' plans make different inputs of the same image.
    """
    first = models[0]
    for model in models[1:]:
        different = [
            key for key, value in model.preprocessing.items() if value != first.preprocessing[key]
        ]
        if different:
            raise ModelError(
                f"{model.name} and {first.name} were trained with different plans "
                f"({shorten(different)}), so they do not see the same images. Train them again "
                "with the same plans, or inspect them one by one."
            )
    rows: dict[str, list[np.ndarray]] = {model.name: [] for model in models}
    for files in tqdm(cases.values(), desc="Embedding", unit="case"):
        data = first.preprocess(files)
        for model in models:
            rows[model.name].append(model.embed(data))
    return {name: np.stack(embedded) for name, embedded in rows.items()}
