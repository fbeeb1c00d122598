"""Names from files and tables, which may hold anything, as text that does not act on a terminal."""

import logging
import re

#: Control characters (escape sequences begin with one; a carriage return overwrites a line), ends
#: of lines that few programs know, and signs that turn the direction of a text.
_ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    r"""Return a text in which nothing acts on a terminal: ``\x1b`` for an escape sign.

    Line ends and tabs stay.
    """
    return _ACTING.sub(lambda match: ascii(match[0])[1:-1], text)


class PrintableFormatter(logging.Formatter):
    """Formats messages so that no name in them acts on a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Return what the message says, printable."""
        return printable(super().format(record))
