"""What all commands share: how they parse, log and fail."""

import argparse
import importlib.util
from collections.abc import Callable, Sequence
from typing import NoReturn

from nnunetv2_fair.console.command import needs_full_installation, run_command
from nnunetv2_fair.console.printable import printable
from nnunetv2_fair.errors import InstallationError


class _Formatter(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    """Keep the example's line breaks and show defaults that say something."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        # not "in (None, False, ...)": 0 equals False and is worth showing
        if action.default is None or action.default is False or action.default in ("", []):
            return action.help
        return super()._get_help_string(action)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


def command_parser(prog: str, description: str, example: str) -> argparse.ArgumentParser:
    """Return a parser whose ``--help`` ends with an example."""
    return _Parser(
        prog=prog,
        description=description,
        epilog=f"example:\n  {example}",
        formatter_class=_Formatter,
        allow_abbrev=False,
    )


def add_attribute(
    parser: argparse.ArgumentParser,
    example: str = "sex",
    default: str = "the default attribute",
) -> None:
    """Add ``-a``, an attribute expression that may be left out.

    Args:
        parser: Where to add it.
        example: An attribute, for the help.
        default: What is used without it, for the help.
    """
    parser.add_argument(
        "-a", metavar="EXPRESSION",
        help=f"attribute expression, such as {example} or sex+age (default: {default})",
    )  # fmt: skip


def run(
    action: Callable[[argparse.Namespace], None],
    parser: argparse.ArgumentParser,
    argv: Sequence[str] | None,
) -> int:
    """Parse and act.

    Args:
        action: What the command does with its arguments.
        parser: Of the command.
        argv: Arguments; those of the process if None.

    Returns:
        As :func:`nnunetv2_fair.console.command.run_command`.
    """
    return run_command(parser.prog, argv, lambda: action(parser.parse_args(argv)))


def run_for_status(
    action: Callable[[argparse.Namespace], int],
    parser: argparse.ArgumentParser,
    argv: Sequence[str] | None,
) -> int:
    """Run a command whose work itself ends with an exit status; see :func:`run`.

    Returns:
        That of :func:`run` where it is not 0, else what ``action`` returned.
    """
    outcome = [0]

    def kept(args: argparse.Namespace) -> None:
        outcome[0] = action(args)

    return run(kept, parser, argv) or outcome[0]


def require_nnunet() -> None:
    """Refuse at once what starts or imports nnU-Net where only the evaluator is installed.

    Raises:
        InstallationError: If nnunetv2 is not installed.
    """
    if importlib.util.find_spec("nnunetv2") is None:
        raise InstallationError(needs_full_installation("nnunetv2"))
