"""The step that makes a dataset by cropping another one."""

from collections.abc import Mapping
from typing import Any

from nnunetv2_fair import paths
from nnunetv2_fair.errors import DatasetError
from nnunetv2_fair.files.json_files import read_json_object
from nnunetv2_fair.study.plan.datasets import Dataset
from nnunetv2_fair.study.plan.steps.commands import Command
from nnunetv2_fair.study.plan.steps.step_builder import StepBuilder
from nnunetv2_fair.study.plan.steps.step_names import crop_step, prepare_step
from nnunetv2_fair.study.plan.steps.task import Earlier, Task
from nnunetv2_fair.study.plan.study_dataset import StudyDataset
from nnunetv2_fair.study.step import Kind, Step
from nnunetv2_fair.study.study_file.crops import CropOptions
from nnunetv2_fair.study.study_file.problems import Problem

_KIND: Kind = "preprocess"
_COMMAND = "nnUNetv2_fair_crop"
#: What the command does where the file says nothing.
_USUAL: Mapping[str, Any] = {
    "labels": [], "margin": 5, "axes": "xy", "size": None, "boxes": None, "jitter": 0, "seed": 0,
}  # fmt: skip


def add_crop(builder: StepBuilder, on: StudyDataset) -> Step:
    """Add the step, after that which makes the folds of the source."""
    dataset, options = on.dataset, on.entry.crop
    source = dataset.cropped_from
    assert options is not None
    assert source is not None
    name = crop_step(dataset)
    arguments = _arguments(options, builder.settings.seed)
    crops = dataset.raw / paths.CROPS_JSON
    taken_over = any(record.taken_over for record in builder.records(name))
    # of a dataset that was there before the study nothing is replaced
    ours = builder.is_known(name) and not taken_over
    what = ("-d", source.name, "-o", str(dataset.number), "-n", dataset.name[11:], *arguments)
    how = ("-np", builder.cpus(_KIND), *(("--overwrite",) if ours else ()))
    found = crops.is_file() and not ours
    step = builder.add(
        Task(
            name,
            _KIND,
            (Command(_COMMAND, what, how),),
            {"dataset": dataset.name},
            needs=(prepare_step(source),),
            inputs=(source.images, source.table),
            outputs=(str(crops),),
            earlier=Earlier(finished=str(crops)) if found else Earlier(),
        )
    )
    if found:
        other = _differing(dataset, options, builder.settings.seed)
        if other or builder.was_done_otherwise(step):
            why = f"with other settings ({other})" if other else f"before {source.name} changed"
            builder.problems.append(
                Problem(
                    on.entry.line("crop"),
                    f"{dataset.name} was cropped before this study, {why}. Choose another id, or "
                    f"delete {dataset.raw} and {dataset.preprocessed}, so that the study crops",
                )
            )
    return step


def _arguments(options: CropOptions, seed: int | None) -> list[str]:
    arguments = []
    for key in ("labels", "margin", "axes", "size", "jitter"):
        given = getattr(options, key)
        if given not in (None, ()):
            listed = given if isinstance(given, tuple) else (given,)
            arguments += [f"--{key}", *map(str, listed)]
    seed = _seed(options, seed)
    return [*arguments, "--seed", str(seed)] if seed is not None else arguments


def _seed(options: CropOptions, seed: int | None) -> int | None:
    """Return the seed, where one matters."""
    return (options.seed if options.seed is not None else seed) if options.jitter else None


def _differing(dataset: Dataset, options: CropOptions, seed: int | None) -> str:
    """Return the settings with which a dataset was cropped that are not the study's, in words.

    Raises:
        DatasetError: If its log cannot be read.
    """
    path = dataset.raw / paths.CONVERSION_LOG_JSON
    remedy = f"Delete {dataset.raw}, so that the study crops."
    log = read_json_object(path, DatasetError, remedy).get("settings", {})
    asked = {key: getattr(options, key, None) for key in _USUAL} | {"seed": _seed(options, seed)}
    wanted = {
        key: usual if asked[key] in (None, ()) else asked[key] for key, usual in _USUAL.items()
    }
    if not wanted["jitter"]:
        wanted["seed"] = log.get("seed", 0)
    plain = {key: list(v) if isinstance(v, tuple) else v for key, v in wanted.items()}
    return ", ".join(
        f"{key} {log.get(key)} there, {value} here"
        for key, value in plain.items()
        if log.get(key) != value
    )
