import subprocess
import sys

from nnunetv2_fair.report.terminal.columns import aligned, padded, width


def test_columns_of_wide_and_combining_characters():
    assert width("漢字") == 4
    assert width("e\u0301") == 1
    assert padded("漢", 4) == "漢  "
    assert padded("x", 3, right=True) == "  x"


def test_rows_line_up_under_a_header_that_stands_further_left():
    rows = [["Dice", "cases"], ["漢字", "7"], ["female", "12"]]
    assert aligned(rows, right=[1], header_indent=0) == [
        "Dice      cases",
        "  漢字        7",
        "  female     12",
    ]
    assert aligned([["a", ""], ["bb", "c"]]) == ["  a", "  bb  c"]


def test_what_only_prints_does_not_wait_for_the_templates():
    code = (
        "import sys\n"
        "from nnunetv2_fair.report.terminal import comparison, evaluation, latent\n"
        "assert not {'jinja2', 'PIL'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
