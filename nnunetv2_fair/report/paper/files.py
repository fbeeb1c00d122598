"""The folder with what a manuscript needs."""

from pathlib import Path

from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.output_folder import EVALUATE
from nnunetv2_fair.evaluation.results.tables.text_table import FORMATS, files_of
from nnunetv2_fair.files.outputs import one_unit
from nnunetv2_fair.paths import PAPER_EXACT_FOLDER, PAPER_FOLDER
from nnunetv2_fair.report.paper.document import checklist, manuscript, numbered
from nnunetv2_fair.report.paper.tables import paper_tables

MANUSCRIPT_MD = "manuscript.md"
CHECKLIST_MD = "checklist.md"


def paper_files(result: EvaluationResult) -> dict[str, str]:
    """Return the files that a manuscript needs: name -> content.

    Args:
        result: The evaluation; a shareable one for a text that may be published.
    """
    tables = paper_tables(result)
    return {
        MANUSCRIPT_MD: manuscript(result, tables),
        CHECKLIST_MD: checklist(result, tables),
        **files_of(list(numbered(tables)), list(FORMATS)),
    }


def write_paper(result: EvaluationResult, out: Path) -> tuple[Path, ...]:
    """Write what a manuscript needs into a folder; all files appear together or none does.

    What an earlier call wrote into this folder is replaced.

    Args:
        result: The evaluation. The files are as private as it is: for a text to be published pass
            what ``evaluation.disclosure.of_evaluation.shareable`` returns.
        out: Folder; it need not exist.

    Returns:
        The files.

    Raises:
        UsageError: If another process works in the folder.
        OSError: If they cannot be written.
    """
    files = paper_files(result)
    with one_unit(out, EVALUATE) as folder:
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8", errors="replace")
    return tuple(out / name for name in files)


def folder_of(result: EvaluationResult) -> str:
    """Return where in the output folder of an evaluation the manuscript of a result is."""
    return PAPER_FOLDER if result.shareable else PAPER_EXACT_FOLDER
