"""Hooks of the documentation site (``mkdocs.yml``): pages from the project's root, links out of it.

``CHANGELOG.md`` and ``CONTRIBUTING.md`` stay where people and tools look for them, and are pages of
the site too. A link from a page to a file that is no page, such as a script, becomes its name:
the site must not promise what it does not hold.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

PROJECT = Path(__file__).parents[1]
ROOT_PAGES = {"CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}
#: Roles of docstrings, as they come out of Markdown.
_ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):(?=<code>)")
_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that lie in the project's root."""
    for name, page in ROOT_PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(PROJECT / name)))
    return files


def on_page_content(html: str, page: Any, config: Any, files: Files) -> str:
    """Leave out the roles of docstrings: code is code here."""
    return _ROLE.sub("", html)


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Let links lead to pages of the site; what is no page is named instead."""
    in_root = page.file.src_uri in ROOT_PAGES.values()
    here = "" if in_root else posixpath.join("docs", posixpath.dirname(page.file.src_uri))

    def replaced(match: re.Match[str]) -> str:
        text, target = match.groups()
        if "://" in target or target.startswith(("#", "mailto:")):
            return match[0]
        path, _, anchor = target.partition("#")
        # where the file is in the project, and whether the site has it
        found = posixpath.normpath(posixpath.join(here, path))
        inside = ROOT_PAGES.get(found) or found.removeprefix("docs/")
        if found.startswith("..") or (not found.startswith("docs/") and found not in ROOT_PAGES):
            if not (PROJECT / found).exists():
                return match[0]  # left to the check of links
            return f"`{found}`" if text.strip("`") in found else f"{text} (`{found}`)"
        start = posixpath.dirname(page.file.src_uri) or "."
        relative = posixpath.relpath(inside, start)
        return f"[{text}]({relative}{'#' if anchor else ''}{anchor})"

    return _LINK.sub(replaced, markdown)
