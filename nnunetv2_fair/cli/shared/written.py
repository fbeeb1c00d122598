"""What a command says of the files that it wrote."""

import logging
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

logger = logging.getLogger(__name__)


def tell_written(out: Path, paths: Iterable[Path]) -> None:
    """Name the files in the output folder; of folders within it, tell how many each holds.

    Args:
        out: Output folder.
        paths: Files in it.
    """
    inside: Counter[Path] = Counter()
    for path in paths:
        if path.parent == out:
            logger.info("Wrote %s", path)
        else:
            inside[out / path.relative_to(out).parts[0]] += 1
    for folder, number in inside.items():
        logger.info("Wrote %s with %d %s", folder, number, "file" if number == 1 else "files")
