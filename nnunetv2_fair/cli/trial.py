"""``nnUNetv2_fair_trial``: a small copy of a configuration, to try things out on a CPU."""

import argparse
import logging
from collections.abc import Sequence

from nnunetv2_fair.cli.shared.common import command_parser, run

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
    return run(_add, parser, argv)


def _add(args: argparse.Namespace) -> None:
    from nnunetv2_fair.nnunet.trial_configuration import add_trial_configuration

    added = add_trial_configuration(
        args.d, args.c, args.p, features=args.features, batch_size=args.batch_size, patch=args.patch
    )
    logger.info("Added configuration %s to %s: patches %s, batches of %d, %d features.",
                added.name, added.plans_file, list(added.patch_size), added.batch_size,
                args.features)  # fmt: skip
    logger.info("Next: nnUNetv2_train %d %s 0 -tr nnUNetTrainer_5epochs -device cpu",
                int(added.dataset[7:10]), added.name)  # fmt: skip
