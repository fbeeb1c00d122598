import html
import string

from hypothesis import given
from hypothesis import strategies as st

from nnunetv2_fair.evaluation.findings.sentences import (
    LONGEST,
    Data,
    clean,
    listed,
    plain,
    shortened,
)
from nnunetv2_fair.report.html.templating import environment
from tests.report.html_check import Page

HOSTILE = st.text(
    st.sampled_from(string.ascii_letters + "<>&\"'/=\x00\x07\u202e\u2067\u200f\ud800é漢 \n;#")
)


def name(text):
    return parts().name(text)


def sentence(pieces):
    return parts().sentence(pieces)


def parts():
    return environment().get_template("report/html/templates/parts.html").module


@given(HOSTILE)
def test_a_name_is_one_isolated_element_with_its_text(text):
    markup = name(text)
    page = Page(markup)
    assert [tag for tag, _ in page.tags] == ["bdi"]
    assert "".join(page.texts) == shortened(text)
    markup.encode("utf-8")


def test_long_names_keep_both_ends():
    text = "a" * 3000 + "z" * 2000
    short = shortened(text)
    assert len(short) == LONGEST
    assert short.startswith("aaa")
    assert short.endswith("zzz")
    assert len(name(text)) < 700
    assert shortened("b" * LONGEST) == "b" * LONGEST


def test_control_characters_and_direction_overrides_are_replaced():
    assert clean("a\u202eb\x00c\td") == "a\ufffdb\ufffdc d"


def test_sentences_isolate_names_and_escape_words():
    pieces = ["5 < 6 for ", Data("<script>")]
    assert sentence(pieces) == '5 &lt; 6 for <bdi class="name">&lt;script&gt;</bdi>'
    assert plain(pieces) == "5 < 6 for <script>"
    assert html.unescape(sentence(listed(["a", "b", "c"]))).count("bdi") == 6
    assert plain(listed(["a", "b", "c"])) == "a, b and c"
