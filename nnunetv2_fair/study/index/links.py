"""Links from the index page to other files of the study."""

import os
from pathlib import Path, PurePath
from urllib.parse import quote


def link_to(folder: Path, target: PurePath) -> str:
    """Return an address that stays valid when the study's folder is moved; empty without the file.

    Args:
        folder: The study's folder, which holds the page.
        target: The file; relative to the folder, or absolute.
    """
    if not (folder / target).is_file():
        return ""
    return quote(Path(os.path.relpath(folder / target, folder)).as_posix())
