"""The folder of a study: one study each."""

import os
from pathlib import Path

from nnunetv2_fair.study.step import PLAN_JSON, read_plan
from nnunetv2_fair.study.study_file.problems import Problem
from nnunetv2_fair.study.study_file.settings import Settings


def check_folder(settings: Settings, folder: Path) -> list[Problem]:
    """Return why a folder cannot be the study's: a file, not writable, or another study's."""
    if folder.exists() and not folder.is_dir():
        return [Problem(0, f"{folder} is a file; name a folder with -o")]
    existing = next(f for f in (folder.absolute(), *folder.absolute().parents) if f.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        return [Problem(0, f"{existing} cannot be written; name another folder with -o")]
    path = folder / PLAN_JSON
    if not path.is_file():
        return []
    try:
        other = read_plan(folder)
    except (ValueError, KeyError, TypeError, OSError):
        return [Problem(0, f"{path} is damaged; delete it. What has been done stays known")]
    source = os.path.relpath(settings.path.resolve(), folder.resolve())
    if (other.title, other.source) == (settings.title, source):
        return []
    return [
        Problem(
            settings.line("title"),
            f"{folder} holds another study, '{other.title}' of {other.source}. Name another "
            f"folder with -o; if it is the same study under a new name, delete {path} (what has "
            "been done stays known)",
        )
    ]
