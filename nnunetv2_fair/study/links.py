"""Links from the index page to other files of the study."""

import os
from pathlib import Path, PurePath
from urllib.parse import quote

from nnunetv2_fair.report.html.markup import Html, element


def link_to(folder: Path, target: PurePath, words: object) -> Html:
    """Return a link that outlives moving the study's folder; words alone if the file is gone.

    Args:
        folder: The study's folder, where the page lies.
        target: The file; relative to the folder, or absolute.
        words: What to show.
    """
    if not (folder / target).is_file():
        return element("span", words, " (not there)")
    relative = Path(os.path.relpath(folder / target, folder)).as_posix()
    return element("a", words, href=quote(relative))
