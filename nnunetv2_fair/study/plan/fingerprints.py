"""Fingerprints: whether a step would still give the same outcome.

A step's fingerprint covers what its outcome depends on: the arguments that matter, the files it
reads from outside the study, and the fingerprints of the steps before it. It leaves out where and
with how many processes the step runs, and where nnU-Net's folders and the interpreter are, so
that moving them does not make steps run again.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from nnunetv2_fair.files.fingerprints import file_hash, text_hash

#: Hex digits of a fingerprint: few enough for a file name, far too many to collide by chance.
_LENGTH = 20


def digest(content: object) -> str:
    """Return a fingerprint of anything that JSON can hold."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return text_hash(text)[:_LENGTH]


def step_fingerprint(
    kind: str,
    what: Sequence[Sequence[str]],
    inputs: Iterable[str],
    needed: Iterable[str],
    roots: Mapping[str, str],
) -> str:
    """Return the fingerprint of a step.

    Args:
        kind: The step's kind.
        what: Its commands' arguments, as far as they change the outcome.
        inputs: Fingerprints of what it reads from outside the study.
        needed: Fingerprints of the steps before it, in any order.
        roots: Variable -> folder: a path below the folder counts as below the variable.
    """
    named = [[_portable(argument, roots) for argument in command] for command in what]
    return digest([kind, named, sorted(inputs), sorted(needed)])


def _portable(argument: str, roots: Mapping[str, str]) -> str:
    for variable, folder in roots.items():
        if argument == folder or argument.startswith(folder.rstrip("/") + "/"):
            return f"${variable}{argument[len(folder.rstrip('/')) :]}"
    return argument


def file_fingerprint(path: Path) -> str:
    """Return the fingerprint of a file's bytes; that of a missing file differs from all others."""
    try:
        return file_hash(path)[:_LENGTH]
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return "missing"


def listing_fingerprint(folder: Path) -> str:
    """Return a fingerprint of the names and sizes of the files in a folder.

    Reading every image would take longer than many of the steps that depend on it.
    """
    try:
        with os.scandir(folder) as entries:
            return digest(sorted((entry.name, entry.stat().st_size) for entry in entries))
    except (FileNotFoundError, NotADirectoryError):
        return "missing"
