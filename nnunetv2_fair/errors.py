"""All errors that users see.

Every message names the file, the row or case, what was found, what was expected,
and the command or edit that fixes it. Commands print the message without a
traceback and exit with ``exit_code``.
"""

from collections.abc import Iterable


class FairError(Exception):
    """Base of every error that nnunetv2_fair raises on purpose."""

    exit_code = 1


class UsageError(FairError):
    """A command was called with arguments that make no sense."""

    exit_code = 2


class InstallationError(FairError):
    """A command needs a package that is not installed."""


class TableError(FairError):
    """A file of delimited text or a spreadsheet cannot be read as a table."""


class WorkerError(FairError):
    """Worker processes cannot be started, or were killed from outside."""


class DemographicsError(FairError):
    """The demographics table, its dictionary or an attribute expression is wrong."""


class DatasetError(FairError):
    """An nnU-Net dataset or one of its folders is missing or malformed."""


class ConversionError(FairError):
    """Original data cannot be turned into an nnU-Net dataset."""


class DamagedFileError(FairError):
    """An image file is truncated or otherwise differs from what was written."""


class EvaluationError(FairError):
    """Predictions cannot be compared with their references."""


class ModelError(FairError):
    """A trained model is missing or cannot be used as asked."""


class TrainerNameError(FairError):
    """A trainer name does not follow the grammar of ``nnunetv2_fair.trainers``."""


class TrainingError(FairError):
    """A training cannot start or continue as asked."""


class StudyError(FairError):
    """A study's file, plan or folder is wrong, or a step of it failed."""


def shorten(items: Iterable[object], limit: int = 5) -> str:
    """Return ``a, b, c, d, e and 7 more``: long lists must not bury a message.

    Args:
        items: What to list, in the order to show.
        limit: How many to show before counting the rest.
    """
    listed = [str(item) for item in items]
    if len(listed) <= limit:
        return ", ".join(listed)
    return f"{', '.join(listed[:limit])} and {len(listed) - limit} more"


def shorten_lines(problems: Iterable[object], limit: int = 20) -> str:
    """Return one problem per line and count the rest, so that all are seen at once."""
    listed = list(problems)
    lines = [f"  - {problem}" for problem in listed[:limit]]
    if len(listed) > limit:
        lines.append(f"  ... and {len(listed) - limit} more")
    return "\n".join(lines)
