"""What all commands share: how they parse, log and fail."""

import argparse
import errno
import importlib.util
import logging
import signal
import sys
from collections.abc import Callable, Sequence

from nnunetv2_fair.cli.shared.stopping import Stopped, stopped_by_signals
from nnunetv2_fair.errors import FairError, InstallationError

#: What the evaluator-only installation leaves out, by the name it is imported by.
_FULL_INSTALLATION = {
    "batchgenerators": "batchgenerators",
    "batchgeneratorsv2": "batchgeneratorsv2",
    "dynamic_network_architectures": "dynamic-network-architectures",
    "h5py": "h5py",
    "matplotlib": "matplotlib",
    "nnunetv2": "nnunetv2",
    "sklearn": "scikit-learn",
    "torch": "torch",
}

#: What to do about what the operating system refuses.
_REMEDIES = {
    errno.EEXIST: "Something else of that name is in the way, perhaps a file or a broken link; "
    "remove or rename it",
    errno.ENOTDIR: "A file is where a folder is needed; remove or rename it",
    errno.EISDIR: "A folder is where a file is needed; remove or rename it",
    errno.EACCES: "Change its permissions, or choose another folder",
    errno.EROFS: "Choose a folder on a drive that can be written",
    errno.ENOSPC: "Make room on that drive, or choose a folder on another one",
    errno.EDQUOT: "Make room within your quota, or choose a folder on another drive",
    errno.ELOOP: "A link leads back to itself; replace it",
    errno.ENAMETOOLONG: "Choose a shorter name",
}


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

    Args:
        action: What the command does with its arguments.
        parser: Of the command.
        argv: Arguments; those of the process if None.

    Returns:
        0 on success, 1 on bad data, 2 on bad usage, 128 and the signal when one ended the command
        (130: Ctrl-C).
    """
    args = parser.parse_args(argv)
    # other libraries stay at warnings: their news is not what the user asked for
    logging.basicConfig(format="%(message)s", stream=sys.stdout, force=True)
    logging.getLogger("nnunetv2_fair").setLevel(logging.INFO)
    with stopped_by_signals() as outermost:
        try:
            return _ending(action, args, parser.prog)
        except KeyboardInterrupt as error:
            if not outermost:  # a command within another, which says so
                raise
            number = error.number if isinstance(error, Stopped) else signal.SIGINT
            how = "interrupted" if number == signal.SIGINT else f"ended by {error}"
            sys.stderr.write(f"\n{parser.prog}: {how}; run the command again to continue.\n")
            return 128 + number


def _ending(
    action: Callable[[argparse.Namespace], None], args: argparse.Namespace, prog: str
) -> int:
    """Act, and turn an expected error into one message; return the exit code."""
    try:
        action(args)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _FULL_INSTALLATION:
            raise
        sys.stderr.write(f"{prog}: {_needs_full_installation(missing)}\n")
        return InstallationError.exit_code
    except FairError as error:
        sys.stderr.write(f"{prog}: {error}\n")
        return error.exit_code
    except OSError as error:
        sys.stderr.write(f"{prog}: {_in_words(error)}\n")
        return 1
    except RuntimeError as error:
        if "Symlink loop" not in str(error):  # Python before 3.13 raises it for links
            raise
        sys.stderr.write(f"{prog}: {error}: a link leads back to itself. Replace it.\n")
        return 1
    return 0


def require_nnunet() -> None:
    """Refuse at once what starts or imports nnU-Net where only the evaluator is installed.

    Raises:
        InstallationError: If nnunetv2 is not installed.
    """
    if importlib.util.find_spec("nnunetv2") is None:
        raise InstallationError(_needs_full_installation("nnunetv2"))


def _in_words(error: OSError) -> str:
    """Return what the operating system refused, and what to do about it."""
    remedy = _REMEDIES.get(
        error.errno or 0, "Check that the folder exists, is writable and has space left"
    )
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}. {remedy}, then run the command again."


def _needs_full_installation(module: str) -> str:
    return (
        f"{_FULL_INSTALLATION[module]} is not installed, and this command needs it. This looks "
        "like the evaluator-only installation; the full one also trains, predicts and converts: "
        "pip install nnunetv2_fair"
    )
