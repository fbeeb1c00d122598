"""Markup that is safe to put into a page as it is."""


class Html(str):
    """Markup that is safe to put into a page as it is."""

    __slots__ = ()

    def __html__(self) -> "Html":
        """Mark it so that templates do not escape it."""
        return self
