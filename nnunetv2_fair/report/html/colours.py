"""Colours and letters that distinguish groups and models."""

#: Colours that the style sheet defines for groups and models.
N_COLOURS = 7

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def letter(position: int) -> str:
    """Return the symbol of the model at a position: a letter, then numbers."""
    return _LETTERS[position] if position < len(_LETTERS) else str(position + 1)
