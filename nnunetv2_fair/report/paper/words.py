"""Words of a manuscript: sentences as Markdown, citations, and what is left to its authors."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from nnunetv2_fair.evaluation.findings.sentences import Data, Sentence, printable, shortened
from nnunetv2_fair.evaluation.results.tables.per_case import AVERAGE, ONLY_LABEL

# what Markdown would read as markup within a name; an underscore between letters is none
_MARKUP = re.compile(r"[\\`*\[\]|~$]|(?<![^\W_])_|_(?![^\W_])|^\s*#|^\s*>(?!=)")
# the start of a tag, a comment or an entity
_TAG = re.compile(r"<(?=[A-Za-z/!?])|&(?=#?\w+;)")


class Cite(str):
    """A reference, where it is cited."""

    __slots__ = ()


class ToWrite(str):
    """What the evaluation does not know and authors have to write."""

    __slots__ = ()


@dataclass(frozen=True)
class Paragraph:
    """A paragraph with a title.

    Attributes:
        title: Its title.
        sentences: Its sentences.
        bullets: Further sentences, each a point of a list.
    """

    title: str
    sentences: Sequence[Sentence]
    bullets: Sequence[Sentence] = ()

    @property
    def pieces(self) -> Iterable[str]:
        """All pieces, in order."""
        return (piece for sentence in (*self.sentences, *self.bullets) for piece in sentence)


def markdown(pieces: Sentence, numbers: Mapping[str, int] | None = None) -> str:
    """Return a sentence as Markdown; names from data change nothing around them.

    Args:
        pieces: The sentence.
        numbers: Reference -> its number in the list.
    """
    return "".join(_piece(piece, numbers or {}) for piece in pieces)


def _piece(piece: str, numbers: Mapping[str, int]) -> str:
    if isinstance(piece, Cite):
        return f" [{numbers[piece]}]"
    if isinstance(piece, ToWrite):
        return f"**[To be written by you: {_without_tags(piece)}]**"
    if isinstance(piece, Data):
        return _without_tags(_MARKUP.sub(r"\\\g<0>", shortened(piece)))
    return _without_tags(printable(piece))


def _without_tags(text: str) -> str:
    return _TAG.sub(r"\\\g<0>", text)


def cited(paragraphs: Iterable[Paragraph]) -> list[str]:
    """Return all references, in the order in which they are cited."""
    pieces = (piece for paragraph in paragraphs for piece in paragraph.pieces)
    return list(dict.fromkeys(str(piece) for piece in pieces if isinstance(piece, Cite)))


def joined(parts: Sequence[Sentence], between: str = ", ", last: str = " and ") -> list[str]:
    """Return pieces of ``a, b and c``, each itself made of pieces."""
    pieces: list[str] = []
    for position, part in enumerate(parts):
        if position:
            pieces.append(last if position == len(parts) - 1 else between)
        pieces += part
    return pieces


def structure(label: str) -> Sentence:
    """Return what a label is called in a manuscript."""
    if label == AVERAGE:
        return ("the average of all structures",)
    if label == ONLY_LABEL:
        return ("the segmentation",)
    return (Data(label),)


def capital(pieces: Sentence) -> list[str]:
    """Return a sentence that begins with a capital, unless it begins with a name."""
    first, *rest = pieces
    return [first if isinstance(first, Data) else first[:1].upper() + first[1:], *rest]
