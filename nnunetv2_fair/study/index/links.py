"""Links from the index page to other files of the study."""

import os
from pathlib import Path, PurePath
from urllib.parse import quote


def link_to(folder: Path, target: PurePath) -> str:
    """Return an address that outlives moving the study's folder; empty if the file is gone.

    Args:
        folder: The study's folder, where the page lies.
        target: The file; relative to the folder, or absolute.
    """
    if not (folder / target).is_file():
        return ""
    return quote(Path(os.path.relpath(folder / target, folder)).as_posix())
