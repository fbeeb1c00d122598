"""Colours and letters that tell groups and models apart."""

#: Colours that the style sheet defines for groups and models.
N_COLOURS = 7

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def letter(position: int) -> str:
    """Return what stands for the model at a position: a letter, then numbers."""
    return _LETTERS[position] if position < len(_LETTERS) else str(position + 1)
