"""Study texts with parts replaced, for tests of plans."""

from collections.abc import Callable


def changing(study: str) -> Callable[..., str]:
    """Return what replaces some of a study's text: pairs of old and new."""

    def change(*pairs: tuple[str, str]) -> str:
        text = study
        for old, new in pairs:
            assert old in text, old
            text = text.replace(old, new)
        return text

    return change
