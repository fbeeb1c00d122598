"""What stays of names that would act on a terminal."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnunetv2_fair.console.printable import PrintableFormatter, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mred\x1b[0m", "a\\x1b[31mred\\x1b[0m"),
        ("all fine\rEVIL", "all fine\\rEVIL"),
        ("back\b\x7f", "back\\x08\\x7f"),
        ("\x9b31m", "\\x9b31m"),  # the same escape sequence in one byte
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("gpj\u202egnp.exe", "gpj\\u202egnp.exe"),
        ("\u2066a\u2069", "\\u2066a\\u2069"),
        ("two\u2028lines\x85", "two\\u2028lines\\x85"),
    ],
)
def test_signs_that_act_are_shown_as_codes(text: str, shown: str):
    assert printable(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "two\nlines\tand a tab",
        "M\u00fcnchen \u4e0d\u660e \u0645\u0631\u064a\u0636 \u200b",
        "C:\\x1b",
        "",
    ],
)
def test_other_text_stays(text: str):
    assert printable(text) == text


@given(st.text())
def test_nothing_acts_and_nothing_is_done_twice(text: str):
    shown = printable(text)
    assert all(sign in "\n\t" or sign >= " " for sign in shown)
    assert printable(shown) == shown


def test_messages_are_printable_whatever_their_arguments():
    record = logging.LogRecord("x", logging.INFO, "", 0, "case %s\n", ("\x1b[2J",), None)
    assert PrintableFormatter("%(message)s").format(record) == "case \\x1b[2J\n"
