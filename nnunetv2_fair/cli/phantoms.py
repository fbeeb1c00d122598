"""``nnUNetv2_fair_phantoms``: a synthetic dataset with a planted, known bias."""

import argparse
import logging
import textwrap
from collections.abc import Sequence
from pathlib import Path

from nnunetv2_fair.cli.shared.common import command_parser, run
from nnunetv2_fair.errors import ConversionError, UsageError, shorten_lines
from nnunetv2_fair.phantoms.spec import (
    AGE_BINS,
    DEFAULT_MINORITY_SHARE,
    DEFAULT_SHAPE_3D,
    DEFAULT_SPACING_MM_3D,
    MECHANISMS,
    PLANTED,
    SEX_LEVELS,
    PhantomSpec,
)

logger = logging.getLogger(__name__)

_DEFAULTS = PhantomSpec()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see :func:`nnunetv2_fair.cli.shared.common.run` for the exit codes."""
    parser = command_parser(
        "nnUNetv2_fair_phantoms",
        "Make a synthetic, ultrasound-like dataset of nodules in which one group is treated "
        "unfairly in a known way: to try the tools, to test a method, to teach. Written as a "
        "folder of images, masks and a table (-o), as an nnU-Net dataset (-d and -n), or both.",
        "nnUNetv2_fair_phantoms -o phantom --bias representation\n"
        "  nnUNetv2_fair_phantoms -d 901 -n Phantom3D --dimension 3 --bias difficulty",
    )
    target = parser.add_argument_group("where to")
    target.add_argument("-o", type=Path, metavar="FOLDER", help="new folder in a user's layout")
    target.add_argument("-d", type=int, metavar="ID", help="id of a new dataset in nnUNet_raw")
    target.add_argument("-n", metavar="NAME", help="name of that dataset, such as Phantom")
    target.add_argument(
        "--overwrite", action="store_true", help="replace an earlier phantom in either place"
    )
    target.add_argument("-np", type=int, default=1, metavar="N", help="number of processes")

    bias = parser.add_argument_group("bias")
    bias.add_argument(
        "--bias", choices=MECHANISMS, default=_DEFAULTS.bias, help="mechanism to plant"
    )
    bias.add_argument(
        "--strength", type=float, default=_DEFAULTS.strength, help="0 (without effect) to 1"
    )
    bias.add_argument(
        "--group",
        choices=(*SEX_LEVELS, *AGE_BINS.labels),
        default=_DEFAULTS.group,
        help="group that the bias affects; quote those of age",
    )
    bias.add_argument(
        "--minority-share",
        type=float,
        metavar="SHARE",
        help="share of the group among the training patients, 0 to 1 (default: "
        f"{DEFAULT_MINORITY_SHARE} with --bias representation, 0.5 otherwise); it is always one "
        "half of the test patients",
    )

    data = parser.add_argument_group("data")
    data.add_argument("--patients", type=int, default=_DEFAULTS.n_patients, metavar="N",
                      help="number of patients")  # fmt: skip
    data.add_argument(
        "--images-per-patient",
        type=int,
        nargs=2,
        default=_DEFAULTS.images_per_patient,
        metavar=("MIN", "MAX"),
        help="fewest and most images of a patient",
    )
    data.add_argument("--dimension", type=int, choices=(2, 3), default=2, help="PNG or NIfTI")
    data.add_argument(
        "--shape",
        type=int,
        nargs="+",
        metavar="N",
        help="rows columns, or slices rows columns (default: "
        f"{_words(_DEFAULTS.shape)}, or {_words(DEFAULT_SHAPE_3D)} with --dimension 3)",
    )
    data.add_argument(
        "--spacing",
        type=float,
        nargs=3,
        metavar="MM",
        help="mm between slices, rows and columns of volumes (default: "
        f"{_words(DEFAULT_SPACING_MM_3D)})",
    )
    data.add_argument(
        "--contrast",
        type=float,
        nargs=2,
        default=_DEFAULTS.contrast,
        metavar=("MIN", "MAX"),
        help="logarithm of the organ's echo over a nodule's; 0.1 0.3 is hard to see",
    )
    data.add_argument("--test-share", type=float, default=_DEFAULTS.test_share, metavar="SHARE",
                      help="share of the patients held back")  # fmt: skip
    data.add_argument(
        "--unknown-age-share",
        type=float,
        default=_DEFAULTS.unknown_age_share,
        metavar="SHARE",
        help="share of the patients without age in the table",
    )
    data.add_argument("--seed", type=int, default=_DEFAULTS.seed, help="seed of everything")
    parser.epilog = f"{parser.epilog}\n\n{_mechanisms()}"
    return run(_make, parser, argv)


def _make(args: argparse.Namespace) -> None:
    """Check everything, then write the folder, the dataset, or both."""
    from nnunetv2_fair.dataset_conversion.writing.plan_problems import plan_problems
    from nnunetv2_fair.dataset_conversion.writing.writer import raw_folder, write_dataset
    from nnunetv2_fair.files.outputs import clean_up
    from nnunetv2_fair.phantoms.folder import check_target, generate
    from nnunetv2_fair.phantoms.nnunet_dataset import phantom_plan

    spec = _spec(args)
    if args.o is None and args.d is None:
        raise UsageError(
            "No output was named. Add -o FOLDER for images, masks and a table, or -d ID "
            "-n NAME for an nnU-Net dataset."
        )
    if (args.d is None) != (args.n is None):
        raise UsageError(
            "An nnU-Net dataset needs both -d ID and -n NAME, such as -d 900 -n Phantom."
        )
    if args.np < 1:
        raise UsageError(f"-np is {args.np}, expected at least 1.")
    if args.o is not None:
        clean_up(args.o.resolve())
        check_target(args.o, overwrite=args.overwrite)
    plan = None
    if args.d is not None:
        # before the folder is written, so that nothing is if the dataset cannot be
        plan = phantom_plan(spec, args.d, args.n)
        clean_up(raw_folder(None) / plan.description.folder_name)
        problems = plan_problems(plan, raw_folder(None), overwrite=args.overwrite)
        if problems:
            raise ConversionError(
                f"{plan.description.folder_name} was not written:\n{shorten_lines(problems)}"
            )
    if args.o is not None:
        generate(spec, args.o, processes=args.np, overwrite=args.overwrite)
    if plan is not None:
        folder = write_dataset(plan, raw_folder(None), processes=args.np, overwrite=args.overwrite)
        logger.info("%s: %d images of %d patients", folder, len(plan.jobs), spec.n_patients)
        logger.info("Next: nnUNetv2_fair_prepare -d %d", args.d)


def _spec(args: argparse.Namespace) -> PhantomSpec:
    volume = args.dimension == 3
    shape = tuple(args.shape or (DEFAULT_SHAPE_3D if volume else _DEFAULTS.shape))
    if len(shape) != args.dimension:
        raise UsageError(
            f"--shape {_words(shape)} has {len(shape)} numbers, but --dimension is "
            f"{args.dimension}. Give {'slices rows columns' if volume else 'rows columns'}, or "
            "change --dimension."
        )
    spacing = tuple(args.spacing) if args.spacing else None
    return PhantomSpec(
        n_patients=args.patients,
        images_per_patient=(args.images_per_patient[0], args.images_per_patient[1]),
        shape=shape,
        spacing_mm=spacing or (DEFAULT_SPACING_MM_3D if volume else None),
        contrast=(args.contrast[0], args.contrast[1]),
        bias=args.bias,
        strength=args.strength,
        group=args.group,
        minority_share=args.minority_share,
        test_share=args.test_share,
        unknown_age_share=args.unknown_age_share,
        seed=args.seed,
    )


def _words(numbers: Sequence[float]) -> str:
    return " ".join(f"{number:g}" for number in numbers)


def _mechanisms() -> str:
    lines = ["mechanisms:"]
    for name, meaning in PLANTED.items():
        lines += textwrap.wrap(f"{name}: {meaning}", 78, initial_indent="  ",
                               subsequent_indent="    ")  # fmt: skip
    return "\n".join(lines)
