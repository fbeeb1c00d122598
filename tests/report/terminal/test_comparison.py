from nnunetv2_fair.report.terminal.comparison import console_comparison
from tests.report.of_comparison.test_page import three_models


def test_console_text():
    result = three_models()
    lines = console_comparison(result, "sex").splitlines()
    assert lines[0] == "Dice by sex, mean of all labels"
    assert lines[1].split() == [
        "model", "overall", "mean", "worst", "group", "delta", "change", "of", "delta", "[95%",
        "interval]",
    ]  # fmt: skip
    assert [line.split()[0] for line in lines[2:]] == list(result.models)
    assert lines[2].endswith("(baseline)")
    entry = result.entry("sex", "dice", "average")
    found = entry.differences["oversampling"].gaps["delta"]
    assert lines[3].endswith(
        f"{found.value:+.3f} [{found.interval.low:+.3f} to {found.interval.high:+.3f}]"
    )
    assert f"{entry.per_model['oversampling'].worst_group_mean:.3f} (female)" in lines[3]
    assert "\n".join(lines).isascii()
