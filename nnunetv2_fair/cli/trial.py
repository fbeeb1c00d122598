"""``nnUNetv2_fair_trial``: a small copy of a configuration, to try things out on a CPU."""

import argparse
import json
import logging
from collections.abc import Sequence
from typing import Any

from nnunetv2_fair import paths
from nnunetv2_fair.cli.shared.common import command_parser, run
from nnunetv2_fair.errors import DatasetError, UsageError, shorten

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see :func:`nnunetv2_fair.cli.shared.common.run` for the exit codes."""
    parser = command_parser(
        "nnUNetv2_fair_trial",
        "Add a small copy of a planned configuration to the plans: same preprocessed data, "
        "narrow and shallow network, small batches and patches. It trains on a CPU in minutes and "
        "shows that the whole chain runs; its results mean nothing beyond that.",
        "nnUNetv2_fair_trial -d 42 -c 2d     # then: nnUNetv2_train 42 2d_trial 0 -device cpu",
    )
    parser.add_argument("-d", required=True, metavar="ID", help="dataset id or name")
    parser.add_argument("-c", default="2d", metavar="CONFIGURATION", help="configuration to copy")
    parser.add_argument("-p", default="nnUNetPlans", metavar="PLANS", help="plans identifier")
    parser.add_argument("--features", type=int, default=8, help="channels of the first stage")
    parser.add_argument("--batch-size", type=int, default=8, help="batch size")
    parser.add_argument("--patch", type=int, default=128, help="longest side of a patch")
    return run(add_trial_configuration, parser, argv)


def add_trial_configuration(args: argparse.Namespace) -> None:
    """Write ``<configuration>_trial`` into the plans file."""
    from nnunetv2_fair.files.atomic import write_text

    folder = paths.environment_folder(paths.PREPROCESSED)
    name = paths.dataset_name(args.d, folder)
    plans_file = folder / name / f"{args.p}.json"
    if not plans_file.is_file():
        raise DatasetError(
            f"{plans_file} does not exist. Plan first: nnUNetv2_plan_and_preprocess -d "
            f"{int(name[7:10])} -c {args.c}"
        )
    plans = json.loads(plans_file.read_text(encoding="utf-8"))
    configurations = plans["configurations"]
    planned = [key for key in configurations if "architecture" in configurations[key]]
    if args.c not in planned:
        raise UsageError(
            f"{plans_file} has no configuration '{args.c}'. It has {shorten(planned)}."
        )
    if min(args.features, args.batch_size, args.patch) < 1:
        raise UsageError("--features, --batch-size and --patch must be at least 1.")
    trial = f"{args.c}_trial"
    configurations[trial] = shrink(
        configurations[args.c], args.c, args.features, args.batch_size, args.patch
    )
    write_text(plans_file, json.dumps(plans, indent=4) + "\n")
    logger.info("Added configuration %s to %s: patches %s, batches of %d, %d features.",
                trial, plans_file, configurations[trial]["patch_size"],
                configurations[trial]["batch_size"], args.features)  # fmt: skip
    logger.info("Next: nnUNetv2_train %d %s 0 -tr nnUNetTrainer_5epochs -device cpu",
                int(name[7:10]), trial)  # fmt: skip


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
