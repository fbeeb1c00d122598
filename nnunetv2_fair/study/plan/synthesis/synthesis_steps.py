"""The steps that make synthetic cases of a dataset, and another dataset of both."""

from collections.abc import Sequence

from nnunetv2_fair import paths
from nnunetv2_fair.study.plan.fingerprints import digest, listing_fingerprint
from nnunetv2_fair.study.plan.steps.commands import Command
from nnunetv2_fair.study.plan.steps.evaluation_arguments import seed_arguments
from nnunetv2_fair.study.plan.steps.step_builder import StepBuilder
from nnunetv2_fair.study.plan.steps.step_names import (
    equal_scale_step,
    images_step,
    masks_step,
    prepare_step,
    quality_step,
)
from nnunetv2_fair.study.plan.steps.task import Task
from nnunetv2_fair.study.plan.study_dataset import StudyDataset
from nnunetv2_fair.study.plan.synthesis.filling import Filling
from nnunetv2_fair.study.step import Kind, Step
from nnunetv2_fair.study.study_file.problems import Problem
from nnunetv2_fair.study.study_file.synthesis import SynthesisOptions

_ON_CPU: Kind = "preprocess"
_COMMAND = "nnUNetv2_fair_synthesize"
#: Files that the commands write last.
_PACK_JSON, _QUALITY_CSV = "pack.json", "quality.csv"
#: Digits that tell trainings from each other.
_MARK = 8


def add_synthesis(builder: StepBuilder, on: StudyDataset) -> Step:
    """Add the steps; return that which makes the dataset."""
    dataset, options, filling = on.dataset, on.entry.synthesis, on.dataset.filling
    assert options is not None
    assert filling is not None
    source = dataset.origin
    seed = seed_arguments(options.seed if options.seed is not None else builder.settings.seed)
    needs = [prepare_step(source)]
    inputs = [source.images, source.table]
    if options.pack is None:
        pack = _add_pack(builder, on, options, filling, seed)
        needs.append(images_step(dataset))
    else:
        pack = str(options.pack)
        inputs.append(filling.pack)
    name = equal_scale_step(dataset)
    written = dataset.raw / paths.DATASET_JSON
    if written.is_file() and not builder.is_known(name):
        builder.problems.append(
            Problem(
                on.entry.line("id"),
                f"{dataset.name} was made before this study, which cannot tell of which synthetic "
                f"cases. Choose another id; or delete {dataset.raw} and {dataset.preprocessed}, so "
                "that the study makes it",
            )
        )
    what = [
        "-d", source.name, "-a", filling.attribute, "-o", str(dataset.number),
        "-n", dataset.name[11:], "--target", options.target, "--synthetic", pack,
    ]  # fmt: skip
    what += ["--subsample"] if options.subsample else []
    what += ["--as-published"] if options.as_published else []
    how = ["-np", builder.cpus(_ON_CPU)]
    # what is there is the study's own
    how += ["--overwrite"] if written.is_file() else []
    return builder.add(
        Task(
            name,
            _ON_CPU,
            (Command("nnUNetv2_fair_equal_scale", (*what, *seed), tuple(how)),),
            {"dataset": dataset.name},
            needs=tuple(needs),
            inputs=tuple(inputs),
            outputs=(str(written),),
        )
    )


def _add_pack(
    builder: StepBuilder,
    on: StudyDataset,
    options: SynthesisOptions,
    filling: Filling,
    seed: Sequence[str],
) -> str:
    """Add the steps that make and measure synthetic cases; return their folder."""
    dataset = on.dataset
    source = dataset.origin
    folder = f"synthesis/{dataset.name}"
    masks, pack = f"{folder}/masks", f"{folder}/pack"
    of = ("-d", source.name, "-a", filling.attribute)
    groups = ("--group", *filling.groups)
    facts = {"dataset": dataset.name, "source": source.name, "attribute": filling.attribute}
    inputs = (source.images, source.table)
    drawn = _options(options.masks, ("model", "steps", "unusable"))
    long, how = options.masks.model == "points", ["--overwrite"]
    if long:
        mark = digest([*of, *groups, *drawn, *seed, *inputs])[:_MARK]
        how += ["--training", f"{folder}/training_masks_{mark}"]
        how += ["-device", builder.settings.device]
    what = ("masks", *of, *groups, "-n", str(filling.number), "-o", masks, *drawn, *seed)
    builder.add(
        Task(
            masks_step(dataset),
            "synthesize" if long else _ON_CPU,
            (Command(_COMMAND, what, tuple(how)),),
            facts,
            inputs=inputs,
            outputs=(f"{masks}/{_PACK_JSON}",),
        )
    )
    trained = _options(options.images, ("steps", "batch", "rate", "prompt"))
    local: tuple[str, ...] = ()
    if options.images.weights is not None:
        trained += ["--from", str(options.images.weights)]
        local = tuple(
            listing_fingerprint(options.images.weights / part) for part in ("unet", "vae")
        )
    trained += [] if options.images.mirror else ["--no-mirror"]
    sampled = _options(options.images, ("sampling_steps", "guidance"))
    # a training on other images or with other options cannot be continued
    mark = digest([*of, *trained, *seed, *inputs, *local])[:_MARK]
    builder.add(
        Task(
            images_step(dataset),
            "synthesize",
            (
                Command(
                    _COMMAND,
                    ("images", *of, "--pack", masks, "-o", pack, *trained, *sampled, *seed),
                    (
                        "--training", f"{folder}/training_{mark}",
                        "-device", builder.settings.device, "--overwrite",
                    ),
                ),
            ),
            facts,
            needs=(masks_step(dataset),),
            inputs=(*inputs, *local),
            outputs=(f"{pack}/{_PACK_JSON}",),
        )
    )  # fmt: skip
    if filling.measured:
        quality = f"{folder}/quality"
        builder.add(
            Task(
                quality_step(dataset),
                _ON_CPU,
                (
                    Command(
                        _COMMAND,
                        ("quality", *of, "--pack", pack, "-o", quality, *seed),
                        ("--overwrite",),
                    ),
                ),
                facts,
                needs=(images_step(dataset),),
                inputs=inputs,
                outputs=(f"{quality}/{_QUALITY_CSV}",),
            )
        )
    return pack


def _options(chosen: object, keys: Sequence[str]) -> list[str]:
    """Return the options that are given, as arguments."""
    arguments = []
    for key in keys:
        value = getattr(chosen, key)
        if value is not None:
            text = f"{value:g}" if isinstance(value, float) else str(value)
            arguments += [f"--{key.replace('_', '-')}", text]
    return arguments
