"""What all commands share: how they parse, log and fail."""

import argparse
import logging
import sys
from collections.abc import Callable, Sequence

from nnunetv2_fair.errors import FairError


class _Formatter(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    """Keep the example's line breaks and show defaults that say something."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        # not "in (None, False, ...)": 0 equals False and is worth showing
        if action.default is None or action.default is False or action.default in ("", []):
            return action.help
        return super()._get_help_string(action)


def command_parser(prog: str, description: str, example: str) -> argparse.ArgumentParser:
    """Return a parser whose ``--help`` ends with an example."""
    return argparse.ArgumentParser(
        prog=prog,
        description=description,
        epilog=f"example:\n  {example}",
        formatter_class=_Formatter,
        allow_abbrev=False,
    )


def run(
    action: Callable[[argparse.Namespace], None],
    parser: argparse.ArgumentParser,
    argv: Sequence[str] | None,
) -> int:
    """Parse, act, and turn an expected error into one message.

    Returns:
        0 on success, 1 on bad data, 2 on bad usage, 130 when interrupted.
    """
    args = parser.parse_args(argv)
    # other libraries stay at warnings: their news is not what the user asked for
    logging.basicConfig(format="%(message)s", stream=sys.stdout, force=True)
    logging.getLogger("nnunetv2_fair").setLevel(logging.INFO)
    try:
        action(args)
    except FairError as error:
        sys.stderr.write(f"{parser.prog}: {error}\n")
        return error.exit_code
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        sys.stderr.write(
            f"{parser.prog}:{where}: {error.strerror or error}. Check that the folder exists, is "
            "writable and has space left, then run the command again.\n"
        )
        return 1
    except KeyboardInterrupt:
        sys.stderr.write(f"\n{parser.prog}: interrupted; run the command again to go on.\n")
        return 130
    return 0
