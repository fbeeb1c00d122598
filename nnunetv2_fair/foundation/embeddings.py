"""Embeddings of a dataset's images on disk: made once per model, read a batch at a time.

FOLDER/CASE.json           what the files were made of, written last
FOLDER/CASE__0007.npy      embedding of a slice, half precision
FOLDER/CASE__0007_m.npy    masks of its targets on the grid of the model's masks
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from nnunetv2_fair.cropping.box import Box
from nnunetv2_fair.cropping.images import grid_difference, grid_of_file, read_mask
from nnunetv2_fair.errors import ConversionError, DatasetError, shorten_lines
from nnunetv2_fair.files.atomic import replacing, write_text
from nnunetv2_fair.files.fingerprints import content_mark
from nnunetv2_fair.files.nifti import quiet_itk
from nnunetv2_fair.foundation.model import PromptedModel
from nnunetv2_fair.foundation.pictures import Fit, read_slices
from nnunetv2_fair.foundation.prompts import Place, boxes_around, in_slices
from nnunetv2_fair.foundation.task import Task
from nnunetv2_fair.networks.perturbation import PerturbationGenerator


@dataclass(frozen=True)
class Sample:
    """A slice that shows at least one target.

    Attributes:
        case: Name of the case.
        number: Of the slice.
        shape: Rows and columns of the slice.
        boxes: The box of each target that it shows, by position.
    """

    case: str
    number: int
    shape: tuple[int, int]
    boxes: Mapping[int, Box]

    @property
    def name(self) -> str:
        """Of its files."""
        return f"{self.case}__{self.number:04d}"


class EmbeddingCache:
    """The embeddings of one dataset and one model.

    Args:
        folder: Where the files are; created if need be.
        task: What is segmented.
        model: The model.
    """

    def __init__(self, folder: Path, task: Task, model: PromptedModel) -> None:
        self._folder, self._task, self._model = folder, task, model

    @quiet_itk()
    def samples(self, images: Mapping[str, Path], masks: Mapping[str, Path]) -> list[Sample]:
        """Return the slices of cases that show a target, by their references.

        Args:
            images: Of each case.
            masks: Of each case.

        Raises:
            ConversionError: If files are damaged or not on one grid; all at once.
            DatasetError: If no slice shows a target.
        """
        problems, found = [], []
        for case, path in images.items():
            grid = grid_of_file(path)
            try:
                if difference := grid_difference(grid, grid_of_file(masks[case])):
                    raise ConversionError(difference)
                prompts = boxes_around(read_mask(masks[case]), self._task.targets)
            except ConversionError as error:
                problems.append(f"case '{case}': {error}")
                continue
            shape = (grid.shape[-2], grid.shape[-1])
            for number in sorted({place.slice for place in prompts}):
                own = {p.target: box for p, box in prompts.items() if p == Place(number, p.target)}
                found.append(Sample(case, number, shape, own))
        if problems:
            raise ConversionError(f"Cases cannot be trained on:\n{shorten_lines(problems)}")
        if not found:
            raise DatasetError(
                f"{self._task.dataset}: no reference of the fold shows anything, so that there is "
                "nothing to learn. Look at labelsTr."
            )
        return found

    def fill(
        self, samples: Sequence[Sample], images: Mapping[str, Path], masks: Mapping[str, Path]
    ) -> None:
        """Make the files that are missing, or were made of other images or masks.

        Args:
            samples: What :meth:`samples` returned for the same cases.
            images: Of each case.
            masks: Of each case.
        """
        by_case: dict[str, list[Sample]] = {}
        for sample in samples:
            by_case.setdefault(sample.case, []).append(sample)
        marks = {c: [content_mark(images[c]), content_mark(masks[c])] for c in by_case}
        todo = {case: own for case, own in by_case.items() if not self._is_made(case, marks[case])}
        if not todo:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        for case, own in tqdm(todo.items(), desc="Embedding", unit="case"):
            self._make(own, images[case], masks[case])
            write_text(self._folder / f"{case}.json", json.dumps(marks[case]))

    def _is_made(self, case: str, marks: list[str]) -> bool:
        try:
            made = json.loads((self._folder / f"{case}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return bool(made == marks)

    @quiet_itk()
    def _make(self, samples: Sequence[Sample], image: Path, mask: Path) -> None:
        slices = read_slices(image, is_ct=self._task.is_ct)
        labels = in_slices(read_mask(mask))
        device = next(self._model.parameters()).device
        for sample in samples:
            fit = self.fit(sample)
            pixels = fit.prepared(slices[sample.number])[None].to(device)
            embedding = self._model.embed(pixels)[0].half().cpu().numpy()
            truth = np.stack([np.isin(labels[sample.number], t.values) for t in self._task.targets])
            self._save(f"{sample.name}.npy", embedding)
            self._save(f"{sample.name}_m.npy", fit.as_masks(truth))

    def _save(self, name: str, array: NDArray[np.generic]) -> None:
        # what a killed run leaves is made again: the case's mark is written last
        with replacing(self._folder / name, durable=False) as temporary:
            np.save(temporary, array)

    def fit(self, sample: Sample) -> Fit:
        """Return how a slice fits into the model's square."""
        return Fit(sample.shape, self._model.family, self._model.sizes)

    def load(self, samples: Sequence[Sample]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return embeddings and masks of a batch.

        Returns:
            ``(B, C, h, w)`` float32 and ``(B, T, m, m)`` float32 of 0 and 1, T targets.
        """
        arrays = [np.load(self._folder / f"{sample.name}.npy") for sample in samples]
        masks = [np.load(self._folder / f"{sample.name}_m.npy") for sample in samples]
        return torch.from_numpy(np.stack(arrays)).float(), torch.from_numpy(np.stack(masks)).float()


@torch.no_grad()
@quiet_itk()
def pooled_embeddings(
    images: Mapping[str, Path],
    task: Task,
    model: PromptedModel,
    generators: Mapping[str, PerturbationGenerator | None],
) -> dict[str, NDArray[np.float64]]:
    """Return each case's image embedding, averaged over its positions and the case's slices.

    Args:
        images: Of each case.
        task: Which channel of images is shown, and how.
        model: The model, on the device.
        generators: Name -> what perturbs the embedding; None: nothing does.

    Returns:
        Name -> ``(cases, C)`` in the order of ``images``, C the channels of the embedding.
    """
    device = next(model.parameters()).device
    found: dict[str, list[NDArray[np.float64]]] = {name: [] for name in generators}
    for path in tqdm(images.values(), desc="Embedding", unit="case"):
        slices = read_slices(path, is_ct=task.is_ct)
        fit = Fit((slices.shape[1], slices.shape[2]), model.family, model.sizes)
        of_slices: dict[str, list[torch.Tensor]] = {name: [] for name in generators}
        for pixels in slices:
            embedding = model.embed(fit.prepared(pixels)[None].to(device))
            for name, generator in generators.items():
                seen = embedding if generator is None else embedding + generator(embedding)
                of_slices[name].append(seen.mean(dim=(0, 2, 3)).double().cpu())
        for name, pooled in of_slices.items():
            found[name].append(torch.stack(pooled).mean(dim=0).numpy())
    return {name: np.stack(rows) for name, rows in found.items()}
