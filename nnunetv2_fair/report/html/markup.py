"""Markup that is safe to put into a page as it is."""

import json
from typing import Any


class Html(str):
    """Markup that is safe to put into a page as it is."""

    __slots__ = ()

    def __html__(self) -> "Html":
        """Mark it so that templates do not escape it."""
        return self


def embedded_json(data: Any) -> Html:
    """Return data as JSON that can be part of a page: no tag can begin or end in it."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Html(text)
