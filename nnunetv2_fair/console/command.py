"""How a command works and fails: what it logs, and one message for every error."""

import errno
import logging
import signal
import sys
from collections.abc import Callable, Sequence

from nnunetv2_fair.console.last_resort import last_words
from nnunetv2_fair.console.printable import PrintableFormatter, printable
from nnunetv2_fair.console.stopping import Stopped, stopped_by_signals
from nnunetv2_fair.console.streams import lasting_streams
from nnunetv2_fair.errors import FairError, InstallationError
from nnunetv2_fair.files.privacy import as_private_as_sources

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
    errno.ENOMEM: "Close other programs, or start fewer processes (-np 1)",
    errno.ENOSPC: "Make room on that drive, or choose a folder on another one",
    errno.EDQUOT: "Make room within your quota, or choose a folder on another drive",
    errno.ELOOP: "A link leads back to itself; replace it",
    errno.ENAMETOOLONG: "Choose a shorter name",
}


def run_command(prog: str, argv: Sequence[str] | None, work: Callable[[], None]) -> int:
    """Do what a command does, and turn whatever ends it into one message.

    Args:
        prog: Name of the command.
        argv: Its arguments; those of the process if None.
        work: What it does.

    Returns:
        0 on success, 1 on bad data, 2 on bad usage, 128 and the signal when one ended the command
        (130: Ctrl-C).

    Raises:
        SystemExit: If ``work`` raises it, as a parser of arguments does.
    """
    with lasting_streams(), as_private_as_sources(), stopped_by_signals() as outermost:
        handler = logging.StreamHandler(sys.stdout)
        handler.setFormatter(PrintableFormatter("%(message)s"))
        # other libraries stay at warnings: their news is not what the user asked for
        logging.basicConfig(handlers=[handler], force=True)
        logging.getLogger("nnunetv2_fair").setLevel(logging.INFO)
        try:
            return _ending(work, prog)
        except KeyboardInterrupt as error:
            if not outermost:  # a command within another, which says so
                raise
            number = error.number if isinstance(error, Stopped) else signal.SIGINT
            how = "interrupted" if number == signal.SIGINT else f"ended by {error}"
            sys.stderr.write(f"\n{prog}: {how}; run the command again to continue.\n")
            return 128 + number
        except Exception as error:  # of any kind: nobody can use a traceback
            sys.stderr.write(last_words(prog, sys.argv[1:] if argv is None else argv, error))
            return 1


def _ending(work: Callable[[], None], prog: str) -> int:
    """Work, and turn an expected error into one message; return the exit code."""
    try:
        work()
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _FULL_INSTALLATION:
            raise
        _say(prog, needs_full_installation(missing))
        return InstallationError.exit_code
    except FairError as error:
        _say(prog, str(error))
        return error.exit_code
    except OSError as error:
        _say(prog, _in_words(error))
        return 1
    except RuntimeError as error:
        if "Symlink loop" not in str(error):  # Python before 3.13 raises it for links
            raise
        _say(prog, f"{error}: a link leads back to itself. Replace it.")
        return 1
    return 0


def _say(prog: str, message: str) -> None:
    sys.stderr.write(printable(f"{prog}: {message}\n"))


def _in_words(error: OSError) -> str:
    """Return what the operating system refused, and what to do about it."""
    remedy = _REMEDIES.get(
        error.errno or 0, "Check that the folder exists, is writable and has space left"
    )
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}. {remedy}, then run the command again."


def needs_full_installation(module: str) -> str:
    """Return what to say where the evaluator-only installation lacks a module.

    Args:
        module: As it is imported.
    """
    return (
        f"{_FULL_INSTALLATION[module]} is not installed, and this command needs it. This looks "
        "like the evaluator-only installation; the full one also trains, predicts and converts: "
        "pip install nnunetv2_fair"
    )
