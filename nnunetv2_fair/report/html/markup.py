"""Safe HTML from untrusted text.

Everything that comes from data (names of groups, labels, cases, files) is a :class:`Data`;
it is escaped, shortened and isolated, so that neither ``<script>`` nor 5,000 characters nor
right-to-left marks change anything around it.
"""

import html
import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath
from urllib.parse import quote

#: Longest data text that is shown in full; the middle of longer ones is left out.
LONGEST = 64

_LONGEST_HOVER = 400

# what HTML forbids, and what would turn the reading direction of the text around it
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)


class Data(str):
    """Text that comes from data, to be told apart from our own words."""

    __slots__ = ()


#: A sentence in pieces: our own words (str) and names from the data (Data).
Sentence = Sequence[str]


class Html(str):
    """Markup that is safe to put into a page as it is."""

    __slots__ = ()


def clean(text: str) -> str:
    """Return one line of text without control characters and direction overrides."""
    return _FORBIDDEN.sub("\ufffd", " ".join(str(text).split()))


def shortened(text: str, longest: int = LONGEST) -> str:
    """Return cleaned text with its middle left out if it is longer than ``longest``."""
    text = clean(text)
    if len(text) <= longest:
        return text
    tail = longest // 3
    return f"{text[: longest - tail - 1]}\N{HORIZONTAL ELLIPSIS}{text[-tail:]}"


def escape(text: object) -> Html:
    """Escape text, or pass markup through."""
    if isinstance(text, Html):
        return text
    return Html(html.escape(_FORBIDDEN.sub("\ufffd", str(text)), quote=True))


def name(text: str, longest: int = LONGEST) -> Html:
    """Return a name from the data as isolated inline element; hovering shows more of it."""
    full, short = clean(text), shortened(text, longest)
    hover = "" if full == short else f' title="{escape(shortened(full, _LONGEST_HOVER))}"'
    return Html(f'<bdi class="name"{hover}>{escape(short)}</bdi>')


def sentence(pieces: Sentence) -> Html:
    """Return a sentence as markup: names isolated, words escaped."""
    return Html("".join(name(p) if isinstance(p, Data) else escape(p) for p in pieces))


def plain(pieces: Sentence) -> str:
    """Return a sentence as plain text for the terminal."""
    return "".join(shortened(p) if isinstance(p, Data) else p for p in pieces)


def join(parts: Iterable[object]) -> Html:
    """Escape what is not markup yet and put the parts one after another."""
    return Html("".join(escape(part) for part in parts))


def element(tag: str, *content: object, **attributes: object) -> Html:
    """Return an element.

    Args:
        tag: Name of the element.
        content: Text (escaped) and markup (kept).
        attributes: ``class_`` for class, underscores become hyphens; None and False leave the
            attribute out, True gives it no value.
    """
    written = []
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        attribute = key.rstrip("_").replace("_", "-")
        written.append(f" {attribute}" if value is True else f' {attribute}="{escape(value)}"')
    opening = f"<{tag}{''.join(written)}>"
    if tag in ("br", "hr", "img", "input", "meta"):
        return Html(opening)
    return Html(f"{opening}{join(content)}</{tag}>")


def listed(names: Iterable[str], last: str = "and") -> list[str]:
    """Return pieces of ``a, b and c``, each name a :class:`Data`."""
    items = [Data(item) for item in names]
    pieces: list[str] = []
    for position, item in enumerate(items):
        if position:
            pieces.append(f" {last} " if position == len(items) - 1 else ", ")
        pieces.append(item)
    return pieces


def width(text: str) -> int:
    """Return how many terminal columns a text fills."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    flat = sum(unicodedata.combining(character) > 0 for character in text)
    return len(text) + wide - flat


def padded(text: str, columns: int, *, right: bool = False) -> str:
    """Pad a text to a number of terminal columns."""
    space = " " * max(0, columns - width(text))
    return space + text if right else text + space


def link_to(folder: Path, target: PurePath, words: object) -> Html:
    """Return a link that still works when the folder moves; words alone if the file is gone.

    Args:
        folder: Where the page is.
        target: The file; relative to the folder, or absolute.
        words: What to show.
    """
    if not (folder / target).is_file():
        return element("span", words, " (not there)")
    relative = Path(os.path.relpath(folder / target, folder)).as_posix()
    return element("a", words, href=quote(relative))
