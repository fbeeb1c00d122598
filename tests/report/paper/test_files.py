from nnunetv2_fair.evaluation.disclosure.of_evaluation import shareable
from nnunetv2_fair.report.paper.files import (
    folder_of,
    paper_files,
    remove_earlier_papers,
    write_paper,
)
from tests.report.paper.designs import evaluated


def test_files_are_written_as_they_are_made(tmp_path):
    result = evaluated("plain")
    written = write_paper(result, tmp_path / "paper")
    assert {path.name: path.read_text(encoding="utf-8") for path in written} == paper_files(result)


def test_tables_of_an_earlier_evaluation_do_not_stay(tmp_path):
    write_paper(evaluated("margins"), tmp_path)
    (tmp_path / "notes.md").write_text("mine")
    write_paper(evaluated("plain"), tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {*paper_files(evaluated("plain")), "notes.md"}


def test_what_may_be_published_has_a_folder_of_its_own(tmp_path):
    result = evaluated("plain")
    assert folder_of(result, tmp_path) == tmp_path / "paper_exact"
    assert folder_of(shareable(result), tmp_path) == tmp_path / "paper"


def test_papers_of_earlier_evaluations_are_removed(tmp_path):
    result = evaluated("plain")
    for one in (result, shareable(result)):
        write_paper(one, folder_of(one, tmp_path))
    (tmp_path / "paper" / "mine.docx").write_text("mine")
    remove_earlier_papers(tmp_path, tmp_path / "paper_exact")
    assert not (tmp_path / "paper" / "manuscript.md").exists()
    assert (tmp_path / "paper" / "mine.docx").exists()
    assert (tmp_path / "paper_exact" / "manuscript.md").exists()
    remove_earlier_papers(tmp_path, None)
    assert not (tmp_path / "paper_exact").exists()
