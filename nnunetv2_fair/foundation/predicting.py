"""Masks of a prompted model, with or without APPLE's perturbation.

    OUT/.sam/       while it works: masks done so far; an interrupted run continues from here

Masks appear together or not at all.
"""

import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from nnunetv2_fair.cropping.images import grid_difference, grid_of_file, read_mask, write_image
from nnunetv2_fair.errors import ConversionError, UsageError, shorten_lines
from nnunetv2_fair.files.atomic import replacing, write_text
from nnunetv2_fair.files.fingerprints import content_mark, text_hash
from nnunetv2_fair.files.nifti import quiet_itk
from nnunetv2_fair.files.outputs import one_unit, output_folder
from nnunetv2_fair.foundation.model import PromptedModel
from nnunetv2_fair.foundation.perturbation import Perturbation, generator_of
from nnunetv2_fair.foundation.pictures import Fit, read_slices
from nnunetv2_fair.foundation.prompts import (
    Prompts,
    boxes_around,
    filled,
    in_slices,
    jittered,
    read_boxes,
)
from nnunetv2_fair.foundation.task import Task
from nnunetv2_fair.foundation.weights import Weights, described
from nnunetv2_fair.losses.monitor import dice_of_counts
from nnunetv2_fair.networks.perturbation import PerturbationGenerator
from nnunetv2_fair.paths import DATASET_JSON

logger = logging.getLogger(__name__)

COMMAND = "nnUNetv2_fair_predict_SAM"
#: Beside the masks: the Dice of the filled boxes and of the masks; how the masks were made.
PROMPTS_CSV, SAM_JSON = "prompts.csv", "sam.json"
_WORK, _STATE = ".sam", "settings.json"
REFERENCES = "references"


@dataclass(frozen=True)
class PredictionRequest:
    """What to predict, and from which boxes.

    Attributes:
        raw: The dataset's folder in ``nnUNet_raw``.
        images: Folder of images.
        out: Folder for the masks.
        boxes: ``references``, a folder of label maps, or a table of boxes.
        references: Folder of references, to measure filled boxes and masks; None takes those
            beside the images (``labelsTs`` beside ``imagesTs``), if there are any.
        jitter: The most that a side of a box is moved, as a share of the box's length.
        seed: Of the jitter.
        device: Torch's name.
    """

    raw: Path
    images: Path
    out: Path
    boxes: str
    references: Path | None = None
    jitter: float = 0.0
    seed: int = 0
    device: str = "cpu"


@dataclass(frozen=True)
class PredictionResult:
    """What :func:`predict` did.

    Attributes:
        n_cases: Masks written.
        dice_of_boxes: Mean Dice of the filled boxes; None without references.
        dice_of_masks: Mean Dice of the masks; None likewise.
        without_box: Name of a target -> cases in which it has no box, so that it is not in their
            masks.
    """

    n_cases: int
    dice_of_boxes: float | None
    dice_of_masks: float | None
    without_box: Mapping[str, list[str]]


def predict(
    request: PredictionRequest,
    task: Task,
    weights: Weights | None,
    found: Perturbation | None = None,
    *,
    overwrite: bool = False,
) -> PredictionResult:
    """Predict images; everything that can be checked is, before the first is embedded.

    Args:
        request: What to predict.
        task: What is segmented.
        weights: Of the model; None fills the boxes, without a model.
        found: A perturbation of its embedding; None for the model as it is.
        overwrite: Whether the output folder may hold masks already.

    Raises:
        UsageError: If arguments contradict each other.
        DatasetError: If images, references or boxes are missing or wrong.
        ConversionError: If a file is damaged, or label maps do not lie on their images' grids.
        InstallationError: If transformers is missing.
        ModelError: If the weights cannot be used.
    """
    if request.out.resolve() == request.images.resolve():
        raise UsageError(f"-o {request.out} is the folder of the images; choose another one.")
    if not 0 <= request.jitter < 0.5:
        raise UsageError(f"--jitter {request.jitter:g}: expected a share from 0 to below 0.5.")
    names = ["masks of the same name", PROMPTS_CSV]
    with (
        output_folder(request.out, COMMAND, names, overwrite=overwrite, passed_over=_WORK),
        quiet_itk(),
    ):
        return _Run(request, task, weights, found).run()


class _Run:
    """One run in a folder that nobody else uses."""

    def __init__(
        self,
        request: PredictionRequest,
        task: Task,
        weights: Weights | None,
        found: Perturbation | None,
    ) -> None:
        self.request, self.task, self.weights, self.found = request, task, weights, found
        self.work = request.out / _WORK
        self.images = task.images(request.images)
        self.references = self._references()
        self.prompts = self._prompts()
        self.model: PromptedModel | None = None
        self.generator: PerturbationGenerator | None = None
        if weights is not None:
            self.model = PromptedModel(weights).to(request.device)
        if weights is not None and found is not None:
            made = generator_of(weights.sizes.channels, found)
            self.generator = made.to(request.device).eval()

    def _beside(self) -> Path | None:
        """Return the references' folder: the one that was named, or the one beside the images."""
        given = self.request.references
        if given is not None:
            return given
        name = self.request.images.name
        beside = self.request.images.with_name(f"labels{name.removeprefix('images')}")
        return beside if name.startswith("images") and beside.is_dir() else None

    def _references(self) -> dict[str, Path]:
        folder = self._beside()
        if folder is None and self.request.boxes == REFERENCES:
            raise UsageError(
                f"--boxes references: there is no folder of references beside "
                f"{self.request.images}. Name it with -gt FOLDER, or take boxes from predictions: "
                "--boxes FOLDER."
            )
        if folder is None:
            return {}
        return self.task.masks(folder, list(self.images), "-gt")

    def _prompts(self) -> dict[str, Prompts]:
        """Return the boxes of each case, having checked that all label maps can be used."""
        boxes, cases = self.request.boxes, list(self.images)
        grids = {case: grid_of_file(path) for case, path in self.images.items()}
        shapes = {case: (1, *grid.shape)[-3:] for case, grid in grids.items()}
        sources: dict[str, Path] | None = self.references
        if boxes != REFERENCES:
            place = Path(boxes)
            if not place.exists():
                raise UsageError(
                    f"--boxes {boxes}: expected the word references, a folder of label maps (such "
                    "as a prediction), or a table of boxes."
                )
            sources = self.task.masks(place, cases, "--boxes") if place.is_dir() else None
        problems = [
            difference
            for maps in (self.references, sources or {})
            for case, path in maps.items()
            if (difference := grid_difference(grids[case], grid_of_file(path)))
        ]
        if problems:
            raise ConversionError(
                f"Label maps must lie on the grids of their images:\n{shorten_lines(problems)}"
            )
        if sources is None:
            found = read_boxes(Path(boxes), self.task.targets, shapes)
        else:
            found = {
                case: boxes_around(read_mask(path), self.task.targets)
                for case, path in sources.items()
            }
        request = self.request
        return {
            case: jittered(found[case], request.jitter, shapes[case][1:], request.seed, case)
            for case in cases
        }

    def run(self) -> PredictionResult:
        """Predict what an interrupted run has not, and put everything into place."""
        self._resume()
        todo = {case: path for case, path in self.images.items() if not self._done(case).is_file()}
        n_done = len(self.images) - len(todo)
        if n_done:
            logger.info("Kept %d masks of an interrupted run.", n_done)
        progress = tqdm(todo.items(), desc="Predicting", unit="case", initial=n_done,
                        total=len(self.images))  # fmt: skip
        for case, path in progress:
            labels = self._predicted(path, self.prompts[case])
            with replacing(self._done(case), durable=False) as temporary:
                write_image(temporary, labels, grid_of_file(path).geometry)
        rows = self._scores()
        with one_unit(self.request.out, COMMAND, once_moved=self._clean_up) as unit:
            for case in self.images:
                shutil.copyfile(self._done(case), unit / self._done(case).name)
            write_text(unit / PROMPTS_CSV, rows.to_csv(index=False, lineterminator="\n"))
            write_text(unit / SAM_JSON, json.dumps(self._description(), indent=2) + "\n")
            # as nnUNetv2_predict does: it names the labels
            shutil.copyfile(self.request.raw / DATASET_JSON, unit / DATASET_JSON)
        known = bool(self.references)
        return PredictionResult(
            len(self.images),
            float(rows["dice_filled_box"].mean()) if known else None,
            float(rows["dice_mask"].mean()) if known else None,
            self._without_box(),
        )

    def _done(self, case: str) -> Path:
        return self.work / f"{case}{self.task.ending}"

    def _resume(self) -> None:
        """Keep what an interrupted run of the same has left, else remove it."""
        marks = [(case, content_mark(path)) for case, path in self.images.items()]
        prompts = {case: sorted(map(repr, found.items())) for case, found in self.prompts.items()}
        changed = None if self.found is None else self.found.generator
        sums = [] if changed is None else [float(v.double().sum()) for v in changed.values()]
        state = text_hash(repr((self._description(), marks, prompts, sums)))
        try:
            same = (self.work / _STATE).read_text(encoding="utf-8") == state
        except OSError:
            same = False
        if not same:
            shutil.rmtree(self.work, ignore_errors=True)
            self.work.mkdir(parents=True)
            write_text(self.work / _STATE, state)

    def _clean_up(self) -> None:
        shutil.rmtree(self.work, ignore_errors=True)
        if self.work.exists():
            logger.warning("%s is no longer needed and could not be removed.", self.work)

    @torch.no_grad()
    def _predicted(self, path: Path, prompts: Prompts) -> NDArray[np.uint8]:
        """Return the label map of an image."""
        grid = grid_of_file(path)
        if not prompts:
            return np.zeros(grid.shape, np.uint8)
        if self.model is None:
            return self._filled(prompts, grid.shape)
        slices = read_slices(path, is_ct=self.task.is_ct)
        labels = np.zeros(slices.shape[:3], np.uint8)
        fit = Fit((slices.shape[1], slices.shape[2]), self.model.family, self.model.sizes)
        for number in sorted({place.slice for place in prompts}):
            own = {place.target: box for place, box in prompts.items() if place.slice == number}
            chosen = sorted(own)
            pixels = fit.prepared(slices[number])[None].to(self.request.device)
            embedding = self.model.embed(pixels)
            if self.generator is not None:
                embedding = embedding + self.generator(embedding)
            boxes = fit.boxes([own[i] for i in chosen])[None].to(self.request.device)
            logits = fit.on_slice(self.model.logits(embedding, boxes)[0]).cpu().numpy()
            labels[number] = self._merged(logits, chosen)
        return labels.reshape(grid.shape)

    def _filled(self, prompts: Prompts, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Return the label map of the boxes themselves; later targets lie over earlier ones."""
        labels = np.zeros((1, *shape)[-3:], np.uint8)
        for i, target in enumerate(self.task.targets):
            labels[filled(prompts, i, labels.shape)] = target.written
        return labels.reshape(shape)

    def _merged(self, logits: NDArray[np.float32], chosen: list[int]) -> NDArray[np.uint8]:
        """Return one label map of the masks of several targets.

        Regions lie over each other in nnU-Net's order; where labels overlap, the mask of which the
        model is surer wins.
        """
        values = np.array([self.task.targets[i].written for i in chosen], np.uint8)
        if not self.task.overlapping:
            best = logits.argmax(axis=0)
            inside: NDArray[np.bool_] = logits.max(axis=0) > 0
            merged: NDArray[np.uint8] = np.where(inside, values[best], 0).astype(np.uint8)
            return merged
        merged = np.zeros(logits.shape[1:], np.uint8)
        for value, mask in zip(values, logits, strict=True):
            merged[mask > 0] = value
        return merged

    def _scores(self) -> pd.DataFrame:
        """Return a row per case and target: its boxes, and how well they and its mask fit."""
        rows = []
        for case in self.images:
            prompts = self.prompts[case]
            mask = in_slices(read_mask(self._done(case)))
            reference = in_slices(read_mask(self.references[case])) if self.references else None
            for i, target in enumerate(self.task.targets):
                row: dict[str, Any] = {
                    "case": case, "label": target.name,
                    "boxes": sum(place.target == i for place in prompts),
                }  # fmt: skip
                if reference is not None:
                    truth = np.isin(reference, target.values)
                    row["dice_filled_box"] = _dice(filled(prompts, i, mask.shape), truth)
                    row["dice_mask"] = _dice(np.isin(mask, target.values), truth)
                rows.append(row)
        return pd.DataFrame(rows)

    def _without_box(self) -> dict[str, list[str]]:
        found = {
            target.name: [
                case
                for case, prompts in self.prompts.items()
                if not any(place.target == i for place in prompts)
            ]
            for i, target in enumerate(self.task.targets)
        }
        return {name: cases for name, cases in found.items() if cases}

    def _description(self) -> dict[str, Any]:
        request = self.request
        return {
            **({"filled_boxes": True} if self.weights is None else described(self.weights)),
            "dataset": self.task.dataset,
            "channel": self.task.channel,
            "boxes": REFERENCES if request.boxes == REFERENCES else Path(request.boxes).name,
            "jitter": request.jitter,
            "seed": request.seed,
            "perturbation": None
            if self.found is None
            else {**self.found.settings, "epochs_done": self.found.epoch},
        }


def _dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Return the Dice of two masks, NaN if both are empty."""
    counts = [[(one & other).sum()], [(one & ~other).sum()], [(other & ~one).sum()]]
    return float(dice_of_counts(np.array(counts))[0])
