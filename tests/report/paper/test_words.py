import pytest

from nnunetv2_fair.evaluation.findings.sentences import Data
from nnunetv2_fair.report.paper.words import (
    Cite,
    Paragraph,
    ToWrite,
    cited,
    joined,
    markdown,
    structure,
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("<50", "<50"),
        (">=65", ">=65"),
        ("menopausal_status", "menopausal_status"),
        ("_private_", "\\_private\\_"),
        ("<script>alert(1)</script>", "\\<script>alert(1)\\</script>"),
        ("a*b*c", "a\\*b\\*c"),
        ("[link](http://x)", "\\[link\\](http://x)"),
        ("a|b", "a\\|b"),
        ("&lt;", "\\&lt;"),
        ("# heading", "\\# heading"),
        ("line\nbreak", "line break"),
        ("x" * 200, "x" * 42 + "\N{HORIZONTAL ELLIPSIS}" + "x" * 21),
    ],
)
def test_names_change_nothing_around_them(name, expected):
    assert markdown(["By ", Data(name), "."]) == f"By {expected}."


def test_citations_are_numbered_as_they_come():
    first, second = Cite("Holm 1979."), Cite("Dice 1945.")
    paragraphs = [Paragraph("A", [["a", first], ["b", second]]), Paragraph("B", [["c", first]])]
    sources = cited(paragraphs)
    assert sources == ["Holm 1979.", "Dice 1945."]
    numbers = {source: number for number, source in enumerate(sources, 1)}
    assert markdown(["c", first, "."], numbers) == "c [1]."
    assert cited([Paragraph("C", [], [["bullet", second]])]) == ["Dice 1945."]


def test_what_is_left_to_authors_stands_out():
    assert markdown([ToWrite("why")]) == "**[To be written by you: why]**"


@pytest.mark.parametrize(
    ("parts", "expected"),
    [([], ""), ([["a"]], "a"), ([["a"], ["b"]], "a and b"), ([["a"], ["b"], ["c"]], "a, b and c")],
)
def test_joined(parts, expected):
    assert "".join(joined(parts)) == expected


def test_structures():
    assert markdown(structure("average")) == "the average of all structures"
    assert markdown(structure("segmentation")) == "the segmentation"
    assert markdown(structure("left lung")) == "left lung"
