"""Markup that is safe to put into a page as it is."""

import json
import re
from typing import Any

_HARMFUL = re.compile(
    "[<>&\u2028\u2029\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff\u061c\u200e\u200f"
    "\u202a-\u202e\u2066-\u2069]"
)


class Html(str):
    """Markup that is safe to put into a page as it is."""

    __slots__ = ()

    def __html__(self) -> "Html":
        """Mark it so that templates do not escape it."""
        return self


def embedded_json(data: Any) -> Html:
    """Return data as JSON that can be part of a page.

    No tag can begin or end in it, and nothing in it changes the reading direction.
    """
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Html(_HARMFUL.sub(lambda found: f"\\u{ord(found.group()):04x}", text))
