"""An SVG as PNG, with the fonts of this computer, or with Pillow's if there are none."""

import functools
import tempfile
from pathlib import Path
from typing import Any

#: Pixels of a picture per pixel of its drawing: sharp in print.
ZOOM = 2


def png_of(svg: str) -> bytes:
    """Return an SVG as PNG, twice as large, on white.

    Args:
        svg: A whole document with a size.
    """
    # only what writes files needs the renderer
    import resvg_py

    font, family = _font()
    with tempfile.TemporaryDirectory() as folder:
        last_resort = Path(folder) / "font.ttf"
        last_resort.write_bytes(font)
        made: bytes = resvg_py.svg_to_bytes(
            svg_string=svg,
            zoom=ZOOM,
            background="#ffffff",
            font_files=[str(last_resort)],
            font_family=family,
            sans_serif_family=family,
        )
    return made


@functools.cache
def _font() -> tuple[bytes, str]:
    """Return the font that Pillow brings along, and its name."""
    from PIL import ImageFont

    font: Any = ImageFont.load_default(size=12)
    return font.path.getvalue(), str(font.getname()[0])
