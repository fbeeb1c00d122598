"""``nnUNetv2_fair_degrade_labels``: the training labels of one group made worse on purpose."""

import argparse
from collections.abc import Sequence

from nnunetv2_fair import paths
from nnunetv2_fair.cli.shared.common import add_attribute, command_parser, run
from nnunetv2_fair.cli.shared.conversion_arguments import (
    add_twin_arguments,
    check_not_itself,
    convert_together,
    processes_of,
    twin_target,
    with_folds,
)


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "nnUNetv2_fair_degrade_labels",
        "Make twins of an nnU-Net dataset in which the training labels of one group are worse by\n"
        "a known dose: same images, cases, people, folds and test labels. Models trained on them\n"
        "show how much worse labels of one group cost that group: dose and response.",
        "nnUNetv2_fair_degrade_labels -d 42 -o 43 -a sex --group female --how erode --amount 1 2 4",
    )
    add_twin_arguments(parser, "<How><dose>, such as Erode2", several=True)
    add_attribute(parser)
    parser.add_argument(
        "--group", required=True, metavar="GROUP", help="group whose training labels are degraded"
    )
    parser.add_argument(
        "--how", required=True, choices=("erode", "dilate", "shift", "smooth", "drop"),
        help="shrink or grow the foreground; move it; round it off by a Gaussian window; lose "
        "whole pieces of it",
    )  # fmt: skip
    parser.add_argument(
        "--amount", nargs="+", type=float, required=True, metavar="DOSE",
        help="one dataset for each: mm (pixels of pictures), with smooth the standard deviation of "
        "the window; with drop the probability of each piece, 0 to 1",
    )  # fmt: skip
    parser.add_argument(
        "--direction", nargs="+", type=float, metavar="N",
        help="with --how shift: x y [z] along the axes of the image (default: at random, another "
        "one for each case)",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="seed of all that is random")
    return parser


def _degrade(args: argparse.Namespace) -> None:
    from nnunetv2_fair.dataset_conversion.shared.carried_folds import CarriedFolds, carried_folds
    from nnunetv2_fair.dataset_conversion.twins.degraded import (
        DegradeSettings,
        find_group,
        plan_degraded,
    )
    from nnunetv2_fair.dataset_conversion.writing.dataset_plan import DatasetPlan

    source = paths.raw_dataset(args.d)
    target = twin_target(args, source, "")
    processes = processes_of(target)
    settings = DegradeSettings(
        source=source,
        attribute=args.a,
        group=args.group,
        how=args.how,
        amounts=tuple(args.amount),
        dataset_id=target.d,
        name=target.n,
        direction=None if args.direction is None else tuple(args.direction),
        seed=args.seed,
    )
    for step, amount in enumerate(settings.amounts):
        check_not_itself(f"Dataset{target.d + step:03d}_{settings.name_of(amount)}", source)
    found = find_group(settings)

    def planned(step: int, amount: float) -> tuple[DatasetPlan, CarriedFolds]:
        plan = plan_degraded(found, step, processes)
        name = plan.description.folder_name
        folds = carried_folds(source.name, name, overwrite=args.overwrite)
        return with_folds(plan, folds), folds

    both = [planned(step, amount) for step, amount in enumerate(settings.amounts)]
    convert_together(
        [plan for plan, _ in both],
        target,
        [folds.problems for _, folds in both],
        [folds.write for _, folds in both],
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see ``--help``.

    Args:
        argv: Arguments; those of the process by default.

    Returns:
        0 on success, 1 on bad data, 2 on bad usage, 130 when interrupted.
    """
    return run(_degrade, _parser(), argv)


if __name__ == "__main__":
    raise SystemExit(main())
