import dataclasses
import json

import pytest

from nnunetv2_fair.evaluation.results.values import Interval
from nnunetv2_fair.report.drawing.numbers_table import Numbers
from nnunetv2_fair.report.html.document import write_page
from nnunetv2_fair.report.html.downloads import Downloads, file_stem, remove_others
from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.row_plots import Whisker, forest_plot
from nnunetv2_fair.report.of_evaluation.page import write_evaluation
from tests.report import factories
from tests.report.html_check import Page

NUMBERS = Numbers(("group", "median"), (("</script>", 0.25),))


def figure():
    return forest_plot([Whisker(("a",), [], "0.5", 0.5, Interval(0.4, 0.6))], "Dice", "")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("dice", "by", "sex+age"), "dice_by_sex_and_age"),
        (("Dice", "Größe: <50, >=65"), "dice_groe_under_50_from_65"),
        (("../../etc", "\x00", "漢"), "etc"),
        (("漢",), "unnamed"),
    ],
)
def test_names_of_files_speak_and_are_safe(words, expected):
    assert file_stem(words) == expected
    assert len(file_stem(["x" * 500])) == 80


def test_everything_is_a_file_and_in_the_page():
    downloads = Downloads()
    shown = downloads.figure(("dice", "by", "sex"), "Dice by sex", figure(), NUMBERS, "A note.")
    table = downloads.table(("dice", "by", "sex"), "A table", Html("<p>x</p>"), NUMBERS)
    files = downloads.files()
    assert list(files) == [
        "figures/dice_by_sex.svg", "figures/dice_by_sex.png", "tables/dice_by_sex.csv",
        "tables/dice_by_sex_2.csv",
    ]  # fmt: skip
    page = Page(shown + table)
    assert [a["data-name"] for a in page.having("div", "download")] == [
        "dice_by_sex", "dice_by_sex_2",
    ]  # fmt: skip
    told = [json.loads(text) for _, text in page.scripts]
    assert told == [files["tables/dice_by_sex.csv"].decode()] * 2
    assert page.text.count("Download") == 2


def test_files_of_an_earlier_page_are_removed_and_others_stay(tmp_path):
    path = tmp_path / "report.html"
    first, second = Downloads(), Downloads()
    first.figure(("old",), "Old", figure(), NUMBERS)
    second.table(("new",), "New", Html(""), NUMBERS)
    write_page(path, "one", first)
    (tmp_path / "figures" / "notes.txt").write_text("mine")
    write_page(path, "two", second)
    assert path.read_text() == "two"
    inside = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    assert inside == {"report.html", "figures/notes.txt", "tables/new.csv"}
    remove_others(tmp_path, [])
    assert not (tmp_path / "tables").exists()


def test_an_evaluation_again_leaves_no_figure_of_the_one_before(tmp_path):
    two = factories.make_result({"sex": ("f", "m"), "site": ("A", "B")}, 6)
    write_evaluation(two, [], tmp_path)
    assert (tmp_path / "figures" / "dice_by_site.svg").is_file()
    written = write_evaluation(factories.two_groups(size=6), [], tmp_path)
    assert not (tmp_path / "figures" / "dice_by_site.svg").exists()
    assert (tmp_path / "figures" / "dice_by_sex.png").is_file()
    assert [path.name for path in written][-2:] == ["figures", "tables"]
    assert all(path.exists() for path in written)


def test_nobody_is_in_the_files():
    result = factories.two_groups(size=7)
    frame = result.per_case.assign(patient=[f"someone_{i}" for i in range(len(result.per_case))])
    from nnunetv2_fair.report.of_evaluation.page import _rendered

    _, downloads = _rendered(dataclasses.replace(result, per_case=frame), [])
    text = b"".join(content for name, content in downloads.files().items() if "png" not in name)
    assert b"someone_" not in text
    assert b"secret_" not in text
