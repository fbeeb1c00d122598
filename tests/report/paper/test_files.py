from nnunetv2_fair.evaluation.disclosure.of_evaluation import shareable
from nnunetv2_fair.report.paper.files import (
    folder_of,
    paper_files,
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
    assert names == {*paper_files(evaluated("plain")), "notes.md", "manifest.json"}


def test_what_may_be_published_has_a_folder_of_its_own():
    result = evaluated("plain")
    assert folder_of(result) == "paper_exact"
    assert folder_of(shareable(result)) == "paper"
