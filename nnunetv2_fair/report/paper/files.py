"""The folder with what a manuscript needs."""

from pathlib import Path

from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.tables.text_table import FORMATS, files_of
from nnunetv2_fair.files.atomic import filled_together
from nnunetv2_fair.paths import PAPER_EXACT_FOLDER, PAPER_FOLDER
from nnunetv2_fair.report.paper.document import checklist, manuscript, numbered
from nnunetv2_fair.report.paper.rounded import printable_numbers
from nnunetv2_fair.report.paper.tables import paper_tables

MANUSCRIPT_MD = "manuscript.md"
CHECKLIST_MD = "checklist.md"


def paper_files(result: EvaluationResult) -> dict[str, str]:
    """Return the files that a manuscript needs: name -> content.

    Args:
        result: The evaluation; a shareable one for a text that may be published.
    """
    shown = printable_numbers(result)
    tables = paper_tables(shown)
    return {
        MANUSCRIPT_MD: manuscript(shown, tables),
        CHECKLIST_MD: checklist(shown, tables),
        **files_of(list(numbered(tables)), list(FORMATS)),
    }


def write_paper(result: EvaluationResult, out: Path) -> tuple[Path, ...]:
    """Write what a manuscript needs into a folder; all files appear together or none does.

    Text and tables of an earlier evaluation in this folder are replaced.

    Args:
        result: The evaluation. The files are as private as it is: for a text to be published pass
            what ``evaluation.disclosure.of_evaluation.shareable`` returns.
        out: Folder; it need not exist.

    Returns:
        The files.

    Raises:
        OSError: If they cannot be written.
    """
    files = paper_files(result)
    _remove_earlier(out, set(files))
    with filled_together(out, list(files)) as folder:
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8", errors="replace")
    return tuple(out / name for name in files)


def folder_of(result: EvaluationResult, out: Path) -> Path:
    """Return where in an output folder the manuscript of a result is."""
    return out / (PAPER_FOLDER if result.shareable else PAPER_EXACT_FOLDER)


def remove_earlier_papers(out: Path, kept: Path | None) -> None:
    """Remove what an earlier evaluation wrote for a manuscript: it is about other results.

    Args:
        out: Output folder of the evaluation.
        kept: Folder that belongs to the present one; None if there is none.
    """
    for name in (PAPER_FOLDER, PAPER_EXACT_FOLDER):
        folder = out / name
        if folder != kept and folder.is_dir():
            _remove_earlier(folder, set())
            if not any(folder.iterdir()):
                folder.rmdir()


def _remove_earlier(folder: Path, kept: set[str]) -> None:
    """Remove files that this room writes, and nothing else."""
    patterns = (MANUSCRIPT_MD, CHECKLIST_MD, *(f"table_[0-9]*_*.{ending}" for ending in FORMATS))
    for pattern in patterns if folder.is_dir() else ():
        for path in folder.glob(pattern):
            if path.name not in kept and path.is_file():
                path.unlink()
