"""A small copy of a planned configuration, which a CPU trains in minutes."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunetv2_fair import paths
from nnunetv2_fair.errors import DatasetError, UsageError, did_you_mean, shorten
from nnunetv2_fair.files.atomic import write_text
from nnunetv2_fair.files.json_files import read_json_object


@dataclass(frozen=True)
class TrialConfiguration:
    """What :func:`add_trial_configuration` wrote.

    Attributes:
        name: Of the configuration, such as ``2d_trial``.
        dataset: Name of the dataset.
        plans_file: The plans that it was added to.
        patch_size: Sides in voxels, in the order of the plans.
        batch_size: Samples per batch.
    """

    name: str
    dataset: str
    plans_file: Path
    patch_size: tuple[int, ...]
    batch_size: int


def add_trial_configuration(
    dataset: str | int,
    configuration: str = "2d",
    plans_name: str = "nnUNetPlans",
    *,
    features: int = 8,
    batch_size: int = 8,
    patch: int = 128,
) -> TrialConfiguration:
    """Write ``<configuration>_trial`` into a plans file of ``nnUNet_preprocessed``.

    It uses the planned configuration's preprocessed data; see :func:`shrink`.

    Args:
        dataset: Id or name of the dataset.
        configuration: The planned configuration to copy.
        plans_name: Plans identifier.
        features: Channels of the first stage, from 1.
        batch_size: Samples per batch, from 1.
        patch: Upper limit of the patch's sides in voxels, from 1.

    Raises:
        DatasetError: If the dataset or its plans are missing or damaged.
        UsageError: If there is no such configuration, or a number is below 1.
    """
    folder = paths.environment_folder(paths.PREPROCESSED)
    name = paths.dataset_name(dataset, folder)
    plans_file = folder / name / f"{plans_name}.json"
    if not plans_file.is_file():
        raise DatasetError(
            f"{plans_file} does not exist. Plan first: nnUNetv2_plan_and_preprocess -d "
            f"{int(name[7:10])} -c {configuration}"
        )
    again = f"Plan again: nnUNetv2_plan_and_preprocess -d {int(name[7:10])} -c {configuration}"
    plans = read_json_object(plans_file, DatasetError, again)
    configurations = plans.get("configurations")
    if not isinstance(configurations, dict):
        raise DatasetError(f'{plans_file} has no "configurations", as nnU-Net\'s plans do. {again}')
    planned = [
        key for key, of in configurations.items() if isinstance(of, dict) and "architecture" in of
    ]
    if configuration not in planned:
        raise UsageError(
            f"{plans_file} has no configuration '{configuration}'."
            f"{did_you_mean(configuration, planned)} It has {shorten(planned) or 'none'}."
        )
    if min(features, batch_size, patch) < 1:
        raise UsageError("--features, --batch-size and --patch must be at least 1.")
    trial = f"{configuration}_trial"
    try:
        small = shrink(configurations[configuration], configuration, features, batch_size, patch)
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(
            f"{plans_file}: the configuration '{configuration}' is not as nnU-Net plans it. {again}"
        ) from error
    configurations[trial] = small
    write_text(plans_file, json.dumps(plans, indent=4) + "\n")
    return TrialConfiguration(trial, name, plans_file, tuple(small["patch_size"]), batch_size)


def shrink(
    planned: dict[str, Any], name: str, features: int, batch_size: int, patch: int
) -> dict[str, Any]:
    """Return the small copy of one configuration.

    One convolution or block per stage. Patch sides stay multiples of the network's total stride,
    as nnU-Net's planner has them.

    Args:
        planned: The configuration in the plans.
        name: Its name, to inherit from.
        features: Channels of the first stage; the others shrink in proportion.
        batch_size: Batch size.
        patch: Upper limit of the patch's sides in voxels.
    """
    architecture = json.loads(json.dumps(planned["architecture"]))
    arguments = architecture["arch_kwargs"]
    widths = arguments["features_per_stage"]
    arguments["features_per_stage"] = [
        max(features, round(width * features / widths[0])) for width in widths
    ]
    for depth in ("n_conv_per_stage", "n_blocks_per_stage", "n_conv_per_stage_decoder"):
        if depth in arguments:
            arguments[depth] = [1] * len(arguments[depth])
    strides = [1] * len(planned["patch_size"])
    for stage in arguments["strides"]:
        strides = [total * step for total, step in zip(strides, stage, strict=True)]
    patch_size = [
        min(side, max(stride, patch // stride * stride))
        for side, stride in zip(planned["patch_size"], strides, strict=True)
    ]
    return {
        "inherits_from": name,
        "batch_size": batch_size,
        "patch_size": patch_size,
        "architecture": architecture,
    }
