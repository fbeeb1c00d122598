"""The step that makes the tables and figures of a study's file, at its end or at any time.

Run as ``python -m nnunetv2_fair.study.papers FOLDER JSON``. Two folders are written: ``paper``
holds what may be shown to others, ``paper_exact`` the exact numbers; ``contents.md`` in each lists
what is there, and why anything is not.
"""

import argparse
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from nnunetv2_fair.console.command import run_command
from nnunetv2_fair.errors import FairError, StudyError
from nnunetv2_fair.files.outputs import one_unit
from nnunetv2_fair.files.privacy import meant_to_be_shared
from nnunetv2_fair.paths import CONTENTS_MD, PAPER_EXACT_FOLDER, PAPER_FOLDER
from nnunetv2_fair.report.html.downloads import file_stem
from nnunetv2_fair.study.asked import Asked, Place, from_json
from nnunetv2_fair.study.index.progress import read_progress
from nnunetv2_fair.study.index.results import OnTestSet, read_results
from nnunetv2_fair.study.papers.boxes import boxes_at
from nnunetv2_fair.study.papers.curves import curve_at, tradeoff_at
from nnunetv2_fair.study.papers.heatmaps import heatmap_at
from nnunetv2_fair.study.papers.made import Made, NotMadeError
from nnunetv2_fair.study.papers.sources import NOT_YET, Sources
from nnunetv2_fair.study.papers.tables import (
    STACKED,
    cohort_made,
    stacked_table,
    table_at,
)

_COMMAND = "python -m nnunetv2_fair.study.papers"
_FIGURES = {"boxes": boxes_at, "curve": curve_at, "tradeoff": tradeoff_at}

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Entry:
    """A line of the contents: the stem of the files, and what became of them."""

    stem: str
    made: Made | None
    why: str = ""


def write_papers(folder: Path, asked: Sequence[Asked]) -> list[Path]:
    """Write what is asked for, as far as it can be made.

    Args:
        folder: The study's folder.
        asked: Tables and figures.

    Returns:
        The lists of contents.

    Raises:
        StudyError: If the folder holds no study, or files of its state are damaged.
        OSError: If a file cannot be written.
    """
    results = read_results(folder, read_progress(folder))
    written = []
    for name, share in ((PAPER_FOLDER, True), (PAPER_EXACT_FOLDER, False)):
        entries = list(_entries(folder, results, asked, share=share))
        with meant_to_be_shared() if share else nullcontext():
            _write(folder / name, entries, share=share)
        made = sum(entry.made is not None for entry in entries)
        logger.info("%s: %d of %d tables and figures", name, made, len(entries))
        written.append(folder / name / CONTENTS_MD)
    return written


def _entries(
    folder: Path, results: Sequence[OnTestSet], asked: Sequence[Asked], *, share: bool
) -> Iterator[_Entry]:
    sources = Sources(folder, results, share=share)
    for one in asked:
        if one.needs:
            yield _Entry(one.name, None, NOT_YET.format(what=one.needs))
        elif one.kind == "cohort":
            yield _entry(one.name, partial(cohort_made, one, share=share))
        elif one.kind in STACKED and len(one.places) > 1:
            yield _entry(one.name, partial(stacked_table, one, sources))
        else:
            for place in one.places:
                yield from _at(one, sources, place)


def _at(asked: Asked, sources: Sources, place: Place) -> Iterator[_Entry]:
    stem = asked.name
    if len(asked.places) > 1:
        stem += f"_{file_stem((place.test, place.dataset, place.configuration, place.plans))}"
    if asked.kind == "heatmap":
        for name in asked.methods:
            yield _entry(
                f"{stem}_{file_stem([name])}",
                partial(heatmap_at, asked, sources, place, name),
            )
        for name, what in asked.missing.items():
            yield _Entry(f"{stem}_{file_stem([name])}", None, NOT_YET.format(what=what))
        return
    make = _FIGURES[asked.kind] if asked.figure else table_at
    yield _entry(stem, partial(make, asked, sources, place))


def _entry(stem: str, make: Callable[[], Made]) -> _Entry:
    try:
        return _Entry(stem, make())
    except NotMadeError as why:
        return _Entry(stem, None, str(why))
    except KeyError as error:
        return _Entry(stem, None, f"not evaluated: {error.args[0]}")
    except FairError as error:
        return _Entry(stem, None, str(error))


def _write(out: Path, entries: Sequence[_Entry], *, share: bool) -> None:
    with one_unit(out, _COMMAND) as unit:
        for entry in entries:
            if entry.made is not None:
                for ending, content in entry.made.files.items():
                    (unit / f"{entry.stem}{ending}").write_bytes(content)
        (unit / CONTENTS_MD).write_text(_contents(entries, share=share), encoding="utf-8")


def _contents(entries: Sequence[_Entry], *, share: bool) -> str:
    about = (
        "Made of what may be shown to others: numbers of small groups are hidden, all others "
        "rounded."
        if share
        else "Exact numbers, of small groups too: not to be shown to others. What may be shown is "
        f"in ../{PAPER_FOLDER}."
    )
    lines = ["# Tables and figures", "", about, ""]
    for entry in entries:
        if entry.made is None:
            lines.append(f"- {entry.stem}: not made: {entry.why}")
            continue
        files = ", ".join(f"{entry.stem}{ending}" for ending in entry.made.files)
        lines.append(f"- {entry.stem}: {entry.made.title} ({files})")
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Write the tables and figures of a study.

    Returns:
        0 on success, 1 on bad data, 2 on bad usage.
    """
    parser = argparse.ArgumentParser(
        prog=_COMMAND,
        description="Write the tables and figures that a study's file asks for.",
        allow_abbrev=False,
    )
    parser.add_argument("folder", type=Path, help="the study's folder, which holds .study")
    parser.add_argument("asked", nargs="?", help="as JSON; that of the study's plan by default")

    def write() -> None:
        arguments = parser.parse_args(argv)
        asked = arguments.asked or _planned(arguments.folder)
        for path in write_papers(arguments.folder, from_json(asked)):
            logger.info("Wrote %s", path)

    return run_command(parser.prog, argv, write)


def _planned(folder: Path) -> str:
    """Return what the plan of a study asks for, as JSON.

    Raises:
        StudyError: If it asks for nothing.
    """
    plan = read_progress(folder).plan
    step = plan.of_kind("paper")
    if step is None:
        raise StudyError(
            f"The study in {folder} asks for no table or figure. Add the key tables or figures to "
            f"{plan.source or 'its file'}, and plan it again with nnUNetv2_fair_study."
        )
    return step.commands[-1][-1]
