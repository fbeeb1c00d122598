"""The words that all messages share; wanted texts are written out."""

import pytest

from nnunetv2_fair.errors import closest, counted, did_you_mean, shorten, shorten_lines


def test_shorten_counts_the_rest():
    assert shorten("abc") == "a, b, c"
    assert shorten("abcdefg") == "a, b, c, d, e and 2 more"


def test_a_short_list_is_shown_as_it_is():
    problems = [f"scan_{i}: the mask is missing" for i in range(8)]
    assert shorten_lines(problems) == "\n".join(f"  - {problem}" for problem in problems)


def test_a_rare_problem_is_seen_among_many_equal_ones():
    problems = [f"scan_{i:02d}: mask has the values 0, 1, {i}; expected 0, 1" for i in range(40)]
    problems.insert(35, "scan_99: the image is missing")
    assert shorten_lines(problems) == (
        "  - scan_00: mask has the values 0, 1, 0; expected 0, 1\n"
        "  - scan_01: mask has the values 0, 1, 1; expected 0, 1\n"
        "  - scan_02: mask has the values 0, 1, 2; expected 0, 1\n"
        "    ... and 37 more of this kind: "
        + ", ".join(f"scan_{i:02d}" for i in range(3, 40))
        + "\n"
        "  - scan_99: the image is missing"
    )


@pytest.mark.parametrize(
    "text",
    [
        "row {n}: '{n} y' is not a number",
        "anna{x}: the mask is empty",
        "{x}.nii.gz cannot be read",
        "the file /data/{x} is empty",
        "patient {n} has cases {list}",
        '"{x} {x}" is no level',
    ],
)
def test_names_and_numbers_do_not_make_a_kind(text):
    problems = [
        text.format(n=i, x="ab"[i % 2] * (i + 1), list=", ".join(f"c{j}" for j in range(i + 1)))
        for i in range(12)
    ]
    assert "\n    ... and 9 more of this kind" in shorten_lines(problems)


def test_a_single_further_problem_is_shown_instead_of_counted():
    problems = [f"row {i}: no patient" for i in range(4)] + [f"column {i}: dates" for i in range(5)]
    lines = shorten_lines(problems).splitlines()
    assert len(lines) == 4 + 4
    assert lines[-1] == "    ... and 2 more of this kind: 3, 4"


def test_others_of_a_kind_are_named_by_what_tells_them_apart():
    problems = [f"'Dice' of /data/ev/c{i}.nii.gz is {i % 2}; expected 5" for i in range(60)]
    last = shorten_lines(problems).splitlines()[-1]
    assert last.startswith("    ... and 57 more of this kind: c3.nii.gz, c4.nii.gz, ")
    assert last.endswith("c42.nii.gz and 17 more")


def test_many_kinds_are_shown_once_each_and_the_rest_counted():
    words = [chr(97 + i // 26) + chr(97 + i % 26) for i in range(30)]
    problems = [f"no {word} in row {row}" for word in words for row in range(2)]
    lines = shorten_lines(problems, 20).splitlines()
    assert [line for line in lines if line.startswith("  - ")] == [
        f"  - no {word} in row {row}" for word in words[:20] for row in range(2)
    ]
    assert lines[-1] == "  ... and 20 more"


def test_counted():
    assert counted(1, "case has", "cases have") == "1 case has"
    assert counted(0, "case") == "0 cases"
    assert counted(3, "case has", "cases have") == "3 cases have"


def test_suggestions_ignore_capitals_and_signs():
    assert did_you_mean("Sex", ["age", "sex"]) == " Did you mean 'sex'?"
    assert closest("Scanner Type", ["scanner_type", "site"]) == "scanner_type"
    assert closest("gender", ["age", "site"]) is None
    assert did_you_mean("gender", []) == ""
