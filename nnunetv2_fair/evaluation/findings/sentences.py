"""Sentences in pieces: our own text, and names that come from data.

Everything that comes from data (names of groups, labels, cases, files) is a :class:`Data`;
it is escaped, shortened and isolated, so that neither ``<script>`` nor 5,000 characters nor
right-to-left marks change anything around it.
"""

import re
from collections.abc import Iterable, Sequence

#: Longest data text that is shown in full; the middle of longer ones is left out.
LONGEST = 64

# what HTML forbids, and what would change the reading direction of the text around it
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)


class Data(str):
    """Text that comes from data, as opposed to our own text."""

    __slots__ = ()


#: A sentence in pieces: our own text (str) and names from the data (Data).
Sentence = Sequence[str]


def printable(text: str) -> str:
    """Replace characters that HTML forbids or that change the reading direction."""
    return _FORBIDDEN.sub("\ufffd", text)


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


def plain(pieces: Sentence) -> str:
    """Return a sentence as plain text for the terminal."""
    return "".join(shortened(p) if isinstance(p, Data) else p for p in pieces)


def listed(names: Iterable[str], last: str = "and") -> list[str]:
    """Return pieces of ``a, b and c``, each name a :class:`Data`."""
    items = [Data(item) for item in names]
    pieces: list[str] = []
    for position, item in enumerate(items):
        if position:
            pieces.append(f" {last} " if position == len(items) - 1 else ", ")
        pieces.append(item)
    return pieces
