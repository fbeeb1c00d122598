"""The last step of a study: one page and three tables about everything it has made.

Run as ``python -m nnunetv2_fair.study.index FOLDER``, at any time: the page of a
half-finished study says what is missing. It reads no table of cases, so it holds nothing about
individual patients.
"""

import argparse
import logging
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from nnunetv2_fair.console.command import run_command
from nnunetv2_fair.report.html.document import write_page
from nnunetv2_fair.study.index.costs import costs_of, write_costs
from nnunetv2_fair.study.index.mean_std import write_mean_std
from nnunetv2_fair.study.index.page import render_index
from nnunetv2_fair.study.index.progress import read_progress
from nnunetv2_fair.study.index.provenance import write_provenance
from nnunetv2_fair.study.index.rankings_csv import write_rankings
from nnunetv2_fair.study.index.results import read_results
from nnunetv2_fair.study.index.trainings.pages import write_training_pages

INDEX_HTML = "index.html"

logger = logging.getLogger(__name__)


def write_index(folder: Path) -> Path:
    """Write ``index.html`` with its figures and tables, and the tables of the study.

    These are ``provenance.json``, ``costs.csv`` and ``rankings.csv``, with several trainings of
    a method ``mean_std.csv``, and where trainings have logged groups ``training/training.html``.

    Args:
        folder: The study's folder.

    Returns:
        The page.

    Raises:
        StudyError: If the folder holds no study, or files of its state are damaged.
        OSError: If a file cannot be written.
    """
    progress = read_progress(folder)
    results = read_results(folder, progress)
    costs = costs_of(progress)
    # the page comes last, as it links only to files that exist
    write_costs(costs, folder)
    write_rankings(results, folder)
    write_mean_std(results, folder)
    write_provenance(progress, folder)
    created = datetime.now(timezone.utc).isoformat(timespec="seconds")
    write_training_pages(folder, progress, created)
    page = folder / INDEX_HTML
    write_page(page, *render_index(folder, progress, results, costs, created))
    return page


def main(argv: Sequence[str] | None = None) -> int:
    """Write the index of a study.

    Returns:
        0 on success, 1 on bad data, 2 on bad usage.
    """
    parser = argparse.ArgumentParser(
        prog="python -m nnunetv2_fair.study.index",
        description="Write index.html, provenance.json, costs.csv and rankings.csv of a study.",
        allow_abbrev=False,
    )
    parser.add_argument("folder", type=Path, help="the study's folder, which holds .study")

    def write() -> None:
        logger.info("Wrote %s", write_index(parser.parse_args(argv).folder))

    return run_command(parser.prog, argv, write)
