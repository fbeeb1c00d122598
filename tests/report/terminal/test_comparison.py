import dataclasses

from nnunetv2_fair.evaluation.results.comparison import BETWEEN_GROUP_VARIANCE
from nnunetv2_fair.report.terminal.comparison import console_comparison
from tests.report.of_comparison.test_page import three_models


def test_console_text():
    result = three_models()
    lines = console_comparison(result, "sex").splitlines()
    assert lines[0] == "Dice by sex, mean of all labels"
    assert lines[1].split() == [
        "model", "overall", "mean", "worst", "group", "gap", "between", "groups",
    ]  # fmt: skip
    assert [line.split()[0] for line in lines[2:5]] == list(result.models)
    assert "(baseline)" in lines[2]
    entry = result.entry("sex", "dice", "average")
    assert lines[3].endswith(f"{entry.distance('oversampling'):.3f}")
    assert f"{entry.per_model['oversampling'].worst_group_mean:.3f} (female)" in lines[3]
    text = "\n".join(lines)
    assert "  - With oversampling, the gap in Dice between the groups of sex is smaller: " in text
    words = " ".join(text.split())
    assert "sex is smaller by levelling down: male loses 0.050 (-0.0" in words
    assert "Also worse: male in IoU, HD and HD95" in words
    assert max(map(len, lines)) <= 98
    assert text.isascii()


def test_of_several_groups_the_column_says_what_it_holds():
    result = three_models()
    entries = tuple(
        dataclasses.replace(entry, gap_measure=BETWEEN_GROUP_VARIANCE) for entry in result.entries
    )
    heading = console_comparison(dataclasses.replace(result, entries=entries), "sex").splitlines()[
        1
    ]
    assert heading.endswith("SD between groups beyond chance")
