import jinja2
import pytest
from hypothesis import given

from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.templating import environment, without_layout
from tests.evaluation.findings.test_sentences import HOSTILE
from tests.report.html_check import Page


def filled(source, **values):
    return environment().from_string(source).render(**values)


@given(HOSTILE, HOSTILE)
def test_attributes_cannot_be_left(first, second):
    page = Page(filled('<p title="{{ title }}" class="x">{{ text }}</p>', title=first, text=second))
    assert len(page.tags) == 1
    tag, attributes = page.tags[0]
    assert (tag, set(attributes)) == ("p", {"title", "class"})


def test_markup_is_kept_and_text_escaped():
    made = filled("<p>{{ text }}{{ markup }}</p>", text="a < b", markup=Html("<b>c</b>"))
    assert made == "<p>a &lt; b<b>c</b></p>"


def test_what_html_forbids_is_replaced_wherever_it_is_printed():
    assert filled("{{ text }}", text="a\x00b\u202ec\ud800") == "a\ufffdb\ufffdc\ufffd"


def test_a_missing_value_is_an_error():
    with pytest.raises(jinja2.UndefinedError, match="'title' is undefined"):
        filled("<p>{{ title }}</p>")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("<ul>\n  <li>a</li>\n</ul>\n", "<ul><li>a</li></ul>"),
        ("{% if 1 %}\n  a\n{% endif %}", "a"),
        ("one\n  two", "one two"),
        ("one\n{{ 2 }}\nthree", "one 2 three"),
        ("{{ 1 }}\n{{ 2 }}", "12"),
        ("{{ [1,\n2]|length }}", "2"),
        ("{# a\nb #}\n<p>\n</p>", "<p></p>"),
    ],
)
def test_line_breaks_are_layout(source, expected):
    assert filled(source) == expected
    assert without_layout(source).count("\n") == source.count("\n")  # errors name the right line
