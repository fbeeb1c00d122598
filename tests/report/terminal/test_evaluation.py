from nnunetv2_fair.report.terminal.columns import width
from nnunetv2_fair.report.terminal.evaluation import console_table
from tests.report import factories
from tests.report.of_evaluation.test_groups import small_result


def test_console_table_word_by_word():
    assert (
        console_table(small_result(), "sex") + "\n"
        == """\
Groups of sex, nodule
  - There are signs that segmentation of nodule is worse for female than for male: median Dice
    0.712 against 0.823 (gap 0.111, 95% interval -0.041 to 0.172, Mann-Whitney U p = 0.032). The
    test rejects, but the interval does not exclude zero.
  - HD95: cannot be compared.

Dice          cases  patients  median [q1 to q3]       mean [95% interval]
  female          8         6  0.712 [0.650 to 0.760]  0.701 [0.672 to 0.731]
  male           12         9  0.823 [0.780 to 0.861]  0.803 [0.780 to 0.830]
  diverse *       2         2  0.500 [0.400 to 0.600]  0.500
  unasked *       0         0  -                       -
  all groups     12         9  0.823 [0.780 to 0.861]  0.803 [0.780 to 0.830]
  fairness gap male - female: +0.111 [-0.041 to 0.172]
  SER: 1.627 [1.200 to 2.100]
  Mann-Whitney U: p = 0.032
  * diverse is not compared: 2 patients, fewer than 5
  * unasked is not compared: no cases

HD95 (mm)     cases  patients  median [q1 to q3]    mean [95% interval]
  female *        8         6  0.71 [0.65 to 0.76]  0.70 [0.67 to 0.73]
  male           12         9  inf [0.78 to 0.86]     inf [9.50 to inf]
  diverse *       2         2  0.50 [0.40 to 0.60]  0.50
  unasked *       0         0  -                    -
  all groups     12         9  0.82 [0.78 to 0.86]  0.80 [0.78 to 0.83]
  no gap: fewer than two groups are large enough
  * female is not compared: no case has a defined value
"""
    )


def test_console_table_of_wide_and_long_names_stays_aligned():
    names = ("女性", "x" * 5000, "\u202eflip")
    result = factories.make_result({"sex": names}, 6)
    lines = console_table(result, "sex").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("Dice")) + 1
    block = lines[start : start + 1 + len(names)]  # the groups and their total
    assert len({width(line[: line.rindex("[")]) for line in block}) == 1
    assert max(map(width, lines)) < 130
    assert "\u202e" not in "".join(lines)


def test_console_table_without_comparable_groups():
    text = console_table(factories.make_result({"sex": ("a", "b")}, {"a": 9, "b": 2}), "sex")
    assert "no gap: fewer than two groups are large enough" in text
    assert "fairness gap" not in text
