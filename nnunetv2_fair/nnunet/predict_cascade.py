"""Two models in a row: the first finds the organ, the second segments the crop around it.

    OUT/.cascade/            while it works; an interrupted run continues from here
        localizer/           predictions of the first model
        crops/               crops around them
        segmenter/           predictions of the second model

Source: Lee et al., MELBA 2025, section 4.7 and figure 1.
"""

import json
import logging
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from nnunetv2_fair import registration
from nnunetv2_fair.cropping.by_prediction import (
    BoxOfCase,
    CropOrder,
    PasteOrder,
    crop_by_mask,
    damaged,
    paste_back,
)
from nnunetv2_fair.cropping.organs import CropRule
from nnunetv2_fair.errors import (
    ConversionError,
    DatasetError,
    ModelError,
    UsageError,
    counted,
    shorten,
    shorten_lines,
)
from nnunetv2_fair.files.atomic import write_text
from nnunetv2_fair.files.fingerprints import content_mark, text_hash
from nnunetv2_fair.files.json_files import read_json_object
from nnunetv2_fair.files.outputs import one_unit, output_folder
from nnunetv2_fair.files.pool import map_unordered
from nnunetv2_fair.nnunet.box_table import BOXES_CSV, box_table
from nnunetv2_fair.nnunet.nnunet_predict import (
    PredictionSettings,
    check_complete,
    link_images,
    prediction_command,
    run_nnunet,
)
from nnunetv2_fair.nnunet.trained_models import (
    check_trained,
    find_cases,
    image_format,
    model_folder,
)
from nnunetv2_fair.paths import CASCADE_JSON, DATASET_JSON

logger = logging.getLogger(__name__)

_COMMAND = "nnUNetv2_fair_predict_cascade"
_WORK = ".cascade"
_STATE = "settings.json"
_STAGES = ("localizer", "crops", "segmenter")
_REMEDY = "Copy it from the dataset's folder in nnUNet_preprocessed, or train again."


@dataclass(frozen=True)
class CascadeModel:
    """A trained model.

    Attributes:
        dataset: Id or name of the dataset that it was trained on.
        settings: Which of its models, and how it predicts.
    """

    dataset: str
    settings: PredictionSettings

    @property
    def folder(self) -> Path:
        """Where it is.

        Raises:
            DatasetError: If ``nnUNet_results`` is not set or knows no such dataset.
        """
        chosen = self.settings
        return model_folder(self.dataset, chosen.trainer, chosen.plans, chosen.configuration)


@dataclass(frozen=True)
class CascadeSettings:
    """How a cascade predicts.

    Attributes:
        factor: How many times longer or shorter than those of training cases a box of a first
            prediction may be, at least 1.
        references: Folder of references, to measure the errors of the boxes; None: there are none.
        keep: Whether to keep what both models predicted, and the crops.
        processes: How many processes crop and paste.
    """

    factor: float = 1.5
    references: Path | None = None
    keep: bool = False
    processes: int = 1


@dataclass(frozen=True)
class CascadeResult:
    """What :func:`predict_cascade` did.

    Attributes:
        boxes: Where the organ was found, by case.
        fallback: Cases whose full-image prediction was taken -> why.
    """

    boxes: Mapping[str, BoxOfCase]
    fallback: Mapping[str, str]


def predict_cascade(
    images: Path,
    out: Path,
    localizer: CascadeModel | None,
    segmenter: CascadeModel,
    settings: CascadeSettings,
    *,
    overwrite: bool = False,
) -> CascadeResult:
    """Predict images with a cascade; masks appear together or not at all.

    Where the first prediction is empty, or nothing in it is as large as a training case's organ,
    it is taken as it is.

    Args:
        images: Folder of images as nnU-Net names them.
        out: Folder for the masks.
        localizer: The first model. None takes the boxes of the references instead, which nobody has
            when a model is used: an upper bound.
        segmenter: The second model, trained on a cropped dataset.
        settings: How.
        overwrite: Whether ``out`` may hold masks already.

    Raises:
        UsageError: If the arguments contradict each other.
        DatasetError: If the images are not what the models take.
        ModelError: If models are missing or do not belong together, or nnU-Net fails.
        ConversionError: If images, predictions or references are damaged or do not match.
    """
    if out.resolve() == images.resolve():
        raise UsageError(f"-o {out} is the folder of the images; choose another one.")
    if not 1 <= settings.factor < math.inf:
        raise UsageError(f"--factor {settings.factor:g}: expected a number, 1 or more.")
    if localizer is None and settings.references is None:
        raise UsageError("--upper-bound takes boxes from references; name their folder with -gt.")
    names = ["masks of the same name", BOXES_CSV]
    with output_folder(out, _COMMAND, names, overwrite=overwrite, passed_over=_WORK) as lock:
        cascade = _Cascade(images, out, localizer, segmenter, settings, lock)
        return cascade.run()


class _Cascade:
    """One run in a folder that nobody else uses; nnU-Net holds it, too, while it predicts."""

    def __init__(
        self,
        images: Path,
        out: Path,
        localizer: CascadeModel | None,
        segmenter: CascadeModel,
        settings: CascadeSettings,
        lock: int | None,
    ) -> None:
        self.out, self.work, self.lock = out, out / _WORK, lock
        self.localizer, self.segmenter, self.settings = localizer, segmenter, settings
        models = [model for model in (localizer, segmenter) if model is not None]
        for model in models:
            check_trained([model.folder], model.settings.folds, model.settings.checkpoint)
        self.rule = _rule_of(segmenter)
        self.ending, n_channels = image_format(segmenter.folder)
        if localizer is not None:
            _check_pair(localizer, segmenter)
        self.cases = find_cases(images, self.ending, n_channels)
        self.references = _references(settings.references, self.cases, self.ending)
        self.state = self._state(models)

    def run(self) -> CascadeResult:
        registration.register()
        self._resume()
        for name in _STAGES:
            (self.work / name).mkdir(parents=True, exist_ok=True)
        if self.localizer is not None:
            self._predict(self.localizer, self.cases, "localizer")
        boxes = self._crop()
        cropped = [case for case in self.cases if boxes[case].window is not None]
        crops = {
            case: [self.work / "crops" / path.name for path in self.cases[case]] for case in cropped
        }
        self._predict(self.segmenter, crops, "segmenter")
        fallback = {c: boxes[c].reason for c in self.cases if boxes[c].window is None}
        with one_unit(self.out, _COMMAND, once_moved=self._clean_up) as unit:
            self._paste(boxes, unit)
            self._describe(boxes, fallback, unit)
        return CascadeResult(boxes, fallback)

    def _state(self, models: Sequence[CascadeModel]) -> str:
        """Return what the intermediate results depend on, as text."""
        marks = []
        for model in models:
            chosen = model.settings
            checkpoints = [
                content_mark(model.folder / f"fold_{fold}" / chosen.checkpoint)
                for fold in chosen.folds
            ]
            how = (chosen.step_size, chosen.mirroring)
            marks.append(repr((str(model.folder), chosen.folds, checkpoints, how)))
        files = [(path.name, content_mark(path)) for paths in self.cases.values() for path in paths]
        return text_hash("\n".join([*marks, repr(files)]))

    def _resume(self) -> None:
        """Keep what an interrupted run with the same models and images has left, else remove it."""
        state = self.work / _STATE
        try:
            same = state.read_text(encoding="utf-8") == self.state
        except OSError:
            same = False
        if not same:
            shutil.rmtree(self.work, ignore_errors=True)
            self.work.mkdir()
            write_text(state, self.state)

    def _predict(
        self, model: CascadeModel, images: Mapping[str, Sequence[Path]], stage: str
    ) -> None:
        """Predict the images that have no prediction yet."""
        folder = self.work / stage
        left = list(folder.glob(f"*{self.ending}"))
        for path, broken in map_unordered(damaged, left, self.settings.processes):
            if broken:
                path.unlink()
        missing = [case for case in images if not (folder / f"{case}{self.ending}").is_file()]
        done = len(images) - len(missing)
        if done:
            logger.info("%s: %s of an interrupted run kept.", stage, counted(done, "prediction"))
        if missing:
            links = self.work / f"images_of_{stage}"
            shutil.rmtree(links, ignore_errors=True)
            link_images([path for case in missing for path in images[case]], links)
            command = prediction_command(
                model.dataset, model.settings.trainer, model.settings, links, folder
            )
            with tqdm(total=len(images), initial=done, desc=stage, unit="case") as progress:
                run_nnunet(command, folder, self.ending, progress, self.lock)
        check_complete(folder, self.ending, list(images))

    def _crop(self) -> dict[str, BoxOfCase]:
        first = self.references
        if self.localizer is not None:
            first = {c: self.work / "localizer" / f"{c}{self.ending}" for c in self.cases}
        orders = [
            CropOrder(
                case,
                tuple(paths),
                first[case],
                self.references.get(case),
                self.rule,
                None if self.localizer is None else self.settings.factor,
                self.work / "crops",
            )
            for case, paths in self.cases.items()
        ]
        found = [
            result
            for _, result in map_unordered(crop_by_mask, orders, self.settings.processes, "crops")
        ]
        _refuse(self.out, [result for result in found if isinstance(result, str)])
        boxes = {result.case: result for result in found if isinstance(result, BoxOfCase)}
        if self.localizer is None:
            empty = sorted(case for case, box in boxes.items() if box.window is None)
            if empty:
                raise ConversionError(
                    f"{counted(len(empty), 'reference is', 'references are')} empty, so that there "
                    f"is no box: {shorten(empty)}. Take these images out of the folder."
                )
        return boxes

    def _paste(self, boxes: Mapping[str, BoxOfCase], unit: Path) -> None:
        orders = []
        for case, paths in self.cases.items():
            name = f"{case}{self.ending}"
            window = boxes[case].window
            if window is None:
                shutil.copyfile(self.work / "localizer" / name, unit / name)
            else:
                crop = self.work / "segmenter" / name
                orders.append(PasteOrder(case, paths[0], crop, window, unit / name))
        found = map_unordered(paste_back, orders, self.settings.processes, "pasting back")
        _refuse(self.out, [problem for _, problem in found if problem is not None])

    def _describe(
        self, boxes: Mapping[str, BoxOfCase], fallback: Mapping[str, str], unit: Path
    ) -> None:
        table = box_table(
            list(boxes.values()), len(self.rule.size), with_reference=bool(self.references)
        )
        write_text(unit / BOXES_CSV, table)
        content = {
            "localizer": "the references: an upper bound" if self.localizer is None
            else _described(self.localizer),
            "segmenter": _described(self.segmenter),
            "factor": self.settings.factor,
            "rule": self.rule.to_dict(),
            "fallback": dict(sorted(fallback.items())),
        }  # fmt: skip
        write_text(unit / CASCADE_JSON, json.dumps(content, indent=2) + "\n")
        # as nnUNetv2_predict does: it names the labels
        shutil.copyfile(self.segmenter.folder / DATASET_JSON, unit / DATASET_JSON)
        if self.settings.keep:
            for name in _STAGES:
                shutil.copytree(self.work / name, unit / name)

    def _clean_up(self) -> None:
        shutil.rmtree(self.work, ignore_errors=True)
        if self.work.exists():  # a network drive that failed for a moment
            shutil.rmtree(self.work, ignore_errors=True)
        if self.work.exists():
            logger.warning("%s is no longer needed and could not be removed.", self.work)


def _described(model: CascadeModel) -> dict[str, Any]:
    chosen = model.settings
    return {
        "dataset": model.folder.parent.name, "trainer": chosen.trainer, "plans": chosen.plans,
        "configuration": chosen.configuration, "folds": list(chosen.folds),
        "checkpoint": chosen.checkpoint,
    }  # fmt: skip


def _refuse(out: Path, problems: Sequence[str]) -> None:
    if problems:
        raise ConversionError(f"{out} was not written:\n{shorten_lines(sorted(problems))}")


def _rule_of(segmenter: CascadeModel) -> CropRule:
    """Return how the second model's training images were cropped."""
    path = segmenter.folder / DATASET_JSON
    content = read_json_object(path, ModelError, _REMEDY)
    if "cropped" not in content:
        raise ModelError(
            f"--segmenter: {segmenter.folder.parent.name} is not a dataset of nnUNetv2_fair_crop: "
            f'{path} has no "cropped". Train the second model on a cropped dataset.'
        )
    try:
        return CropRule.from_dict(content["cropped"])
    except ConversionError as error:
        raise ModelError(f"{path}: {error}. {_REMEDY}") from error


def _check_pair(localizer: CascadeModel, segmenter: CascadeModel) -> None:
    """Raise unless two models take the same images and know the same labels."""
    first, second = (
        read_json_object(model.folder / DATASET_JSON, ModelError, _REMEDY)
        for model in (localizer, segmenter)
    )
    if "cropped" in first:
        raise ModelError(
            f"--localizer: {localizer.folder.parent.name} is a cropped dataset; its model knows "
            "crops only, and would be shown full images. Name a model that was trained on "
            f"{second['cropped'].get('source', 'the full images')}."
        )
    for key, what in (
        ("file_ending", "file endings"),
        ("channel_names", "channels"),
        ("labels", "labels"),
    ):
        if first.get(key) != second.get(key):
            raise ModelError(
                f"The two models have different {what}: {localizer.folder.parent.name} "
                f"{json.dumps(first.get(key))}, {segmenter.folder.parent.name} "
                f"{json.dumps(second.get(key))}. Name models of one dataset and its crops."
            )


def _references(
    folder: Path | None, cases: Mapping[str, Sequence[Path]], ending: str
) -> dict[str, Path]:
    """Return the reference of every case; none without a folder."""
    if folder is None:
        return {}
    if not folder.is_dir():
        raise DatasetError(f"-gt {folder} does not exist or is not a folder.")
    found = {case: folder / f"{case}{ending}" for case in cases}
    missing = [case for case, path in found.items() if not path.is_file()]
    if missing:
        raise DatasetError(
            f"-gt {folder} has no reference <case>{ending} of "
            f"{counted(len(missing), 'case')}: {shorten(missing)}. Add the files, or leave out -gt."
        )
    return found
