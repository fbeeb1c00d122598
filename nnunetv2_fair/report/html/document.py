"""The frame of all pages."""

import base64
import errno
import functools
import os
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path

from nnunetv2_fair.files.atomic import filled_together
from nnunetv2_fair.files.fingerprints import text_hash
from nnunetv2_fair.report.html.downloads import Downloads, remove_others
from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.templating import render

#: Parts of the script of all pages, in their order.
SCRIPTS = ("definitions", "downloads", "printing", "choices", "pictures", "cases")


def disclaimer(done: str) -> str:
    """Return the closing text of a page about cases that were ``done`` ("evaluated")."""
    return (
        "Made by nnunetv2_fair to help assess segmentation models. It describes the cases that "
        f"were {done}; it is not a medical device and does not prove fairness elsewhere."
    )


def document(
    title: str,
    kicker: str,
    facts: Iterable[str],
    navigation: Sequence[tuple[str, str]],
    sections: Iterable[Html],
    footer: str,
) -> str:
    """Return a complete page.

    Args:
        title: From data; heading and window title.
        kicker: Our text above the heading.
        facts: Short facts below it.
        navigation: (id of the section, text) of each link.
        sections: The page's content.
        footer: Our closing text.
    """
    script = Html("".join(_asset(f"scripts/{name}.js") for name in SCRIPTS))
    return render(
        "report/html/templates/page.html",
        title=title,
        kicker=kicker,
        facts=facts,
        navigation=navigation,
        sections=sections,
        footer=footer,
        css=_asset("page.css"),
        script=script,
        policy=_policy(script),
    )


def write_page(path: Path, text: str, downloads: Downloads) -> None:
    """Write a page with its figures and tables beside it; all appear together or none does.

    Those that an earlier page of that name had, and this one has not, are removed.

    Args:
        path: HTML file to write; its folder must exist.
        text: The page.
        downloads: Its figures and tables.

    Raises:
        OSError: If a file cannot be written.
    """
    files = {path.name: page_bytes(text), **downloads.files()}
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path.parent))
    with filled_together(path.parent, tuple(files)) as folder:
        put_files(folder, files)
    remove_others(path.parent, files)


def page_bytes(text: str) -> bytes:
    """Return a page as it is written; names of files may hold what UTF-8 cannot encode."""
    return text.encode("utf-8", "replace")


def put_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files into a temporary folder.

    Args:
        folder: The folder.
        files: Path -> content.
    """
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


@functools.cache
def _asset(name: str) -> Html:
    text = resources.files("nnunetv2_fair.report.html").joinpath(name).read_text(encoding="utf-8")
    return Html(text)


def _policy(script: str) -> str:
    """Return the content security policy: this script only, and nothing from elsewhere."""
    digest = base64.b64encode(bytes.fromhex(text_hash(script))).decode("ascii")
    return (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
