"""All errors that users see, and how their messages list, count and suggest.

Every message names the file, the row or case, what was found, what was expected,
and the command or edit that fixes it. Commands print the message without a
traceback and exit with ``exit_code``.
"""

import difflib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path


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


class InUseError(FairError):
    """Another process works in a folder or on a file.

    Attributes:
        path: File of the lock.
        holder: Who holds it, in words.
    """

    def __init__(self, path: Path, holder: str) -> None:
        super().__init__(
            f"{path.parent} is in use by {holder}. Wait until it is done, or stop it there; then "
            "run the command again."
        )
        self.path, self.holder = path, holder


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
    """Return one problem per line, so that all kinds of problems are seen at once.

    A long list is grouped: problems that differ only in names and numbers are of one kind, of
    which a few are shown and the others counted and named.

    Args:
        problems: What to list, in the order to show.
        limit: How many kinds to show before counting the rest.
    """
    listed = [str(problem) for problem in problems]
    kinds = _kinds(listed) if len(listed) > _UNGROUPED else [[problem] for problem in listed]
    examples = max(1, min(_EXAMPLES, limit // max(len(kinds), 1)))
    lines = []
    for kind in kinds[:limit]:
        # counting a single one would take as much room as showing it
        shown = kind if len(kind) == examples + 1 else kind[:examples]
        lines += [f"  - {problem}" for problem in shown]
        if len(kind) > len(shown):
            more = f"    ... and {len(kind) - len(shown)} more of this kind"
            names = _names(kind)[len(shown) :]
            lines.append(f"{more}: {shorten(names, _NAMES)}" if names else more)
    others = sum(map(len, kinds[limit:]))
    if others:
        lines.append(f"  ... and {others} more")
    return "\n".join(lines)


#: Shorter lists of problems are shown as they are.
_UNGROUPED = 8
#: How many problems of a kind are shown.
_EXAMPLES = 3
#: How many of the others are named.
_NAMES = 40
#: What may differ between problems of one kind: what is quoted, names of files and of cases,
#: and numbers.
_VARYING = re.compile(r"""^[^\s:]+(?=:\s)|'[^']*'|"[^"]*"|\S*[\d/\\]\S*|\w\S*\.\w+""")


def _kinds(problems: list[str]) -> list[list[str]]:
    """Group problems by what stays of them without names and numbers, in order of appearance."""
    kinds: dict[str, list[str]] = {}
    for problem in problems:
        kind = re.sub(r"#(\s*,?\s*#)*", "#", _VARYING.sub("#", problem))
        kinds.setdefault(kind, []).append(problem)
    return list(kinds.values())


def _names(kind: Sequence[str]) -> list[str]:
    """Return what tells the problems of a kind apart: the first name or number that varies."""
    varying = [_VARYING.findall(problem) for problem in kind]
    for names in zip(*varying):  # noqa: B905  (problems that list several names are longer)
        if len(set(names)) == len(kind):
            return [re.split(r"[/\\]", name.strip("'\".,;:()"))[-1] for name in names]
    return []


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return ``1 case has`` or ``3 cases have``.

    Args:
        number: How many there are.
        one: What follows the number one.
        many: What follows all others; ``one`` with an s if None.
    """
    return f"{number} {one if number == 1 else many or one + 's'}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'sex'?`` if one of the known names is similar, else nothing.

    Capitals, gaps and signs do not count: ``Scanner Type`` means ``scanner_type``.

    Args:
        name: What was found.
        known: What could have been meant.
    """
    found = closest(name, known)
    return "" if found is None else f" Did you mean '{found}'?"


def closest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most similar, None if none is (see :func:`did_you_mean`)."""
    by_plain = {bare_name(one): one for one in known}
    close = difflib.get_close_matches(bare_name(name), by_plain, n=1, cutoff=0.7)
    return by_plain[close[0]] if close else None


def bare_name(name: str) -> str:
    """Return a name in lower case, letters and digits only, to compare names by."""
    return re.sub(r"[\W_]+", "", name.casefold())
