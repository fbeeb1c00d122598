"""``nnUNetv2_fair_synthesize``: synthetic cases for small groups, step by step."""

import argparse
import importlib
from collections.abc import Sequence

from nnunetv2_fair.cli.shared.common import command_parser, run

#: Modules of ``cli.synthesis``; each has ``HELP``, ``add_arguments`` and ``act``.
_STEPS = ("masks", "images", "quality")


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "nnUNetv2_fair_synthesize",
        "Make synthetic cases of small groups, for training only.",
        "nnUNetv2_fair_synthesize masks -d 42 -a race -n 500 -o masks\n"
        "  nnUNetv2_fair_synthesize images -d 42 -a race --pack masks -o pack\n"
        "  nnUNetv2_fair_synthesize quality -d 42 -a race --pack pack",
    )
    steps = parser.add_subparsers(dest="step", required=True, metavar="STEP")
    for name in _STEPS:
        module = importlib.import_module(f"nnunetv2_fair.cli.synthesis.{name}")
        one = steps.add_parser(
            name,
            help=module.HELP,
            description=module.HELP,
            formatter_class=parser.formatter_class,
            allow_abbrev=False,
        )
        module.add_arguments(one)
        one.set_defaults(act=module.act)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see ``--help``.

    Args:
        argv: Arguments; those of the process by default.

    Returns:
        0 on success, 1 on bad data, 2 on bad usage, 130 when interrupted.
    """
    return run(lambda args: args.act(args), _parser(), argv)


if __name__ == "__main__":
    raise SystemExit(main())
