import dataclasses
import math
import re
import stat
import subprocess
import sys

import numpy as np
import pytest

from nnunetv2_fair.evaluation.disclosure.of_evaluation import shareable
from nnunetv2_fair.evaluation.results.case_picture import CasePicture
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult, Exclusion
from nnunetv2_fair.report.of_evaluation.page import render_report, write_report
from tests.report import factories
from tests.report.html_check import case_data, check_page

HOSTILE = (
    "<script>alert(1)</script>",
    "x" * 5000,
    "\u202eevil\u2067\u0000",
    '" onmouseover="alert(1)',
    "Ω≈ç漢字🙂",
    "&amp; &lt;",
)


def situations():
    levels = {"sex": ("female", "male"), "site": ("A", "B", "C")}
    return {
        "full": factories.full(),
        "two": factories.two_groups(),
        "no gap": factories.two_groups(0.0),
        "one label": factories.make_result({"site": ("A", "B", "C")}, 12),
        "many labels": factories.two_groups(labels=[f"organ {i}" for i in range(25)]),
        "tiny": factories.make_result({"sex": ("f", "m")}, {"f": 3, "m": 1}),
        "one group": factories.make_result({"sex": ("f",)}, 9),
        "empty group": factories.make_result({"sex": ("f", "m")}, {"f": 9}),
        "undefined": factories.make_result(
            {"sex": ("f", "m")}, 8, undefined={"hd": ("f",), "dice": ("f", "m")}
        ),
        "three attributes": factories.make_result(
            {**levels, "age": ("<50", ">=50")}, 4, attributes=("sex", "sex+site", "sex+age")
        ),
        "pixels": factories.two_groups(metrics=(factories.DICE,)),
        "distance only": factories.two_groups(metrics=(factories.HD95,)),
        "hostile": factories.make_result({HOSTILE[0]: HOSTILE}, 6, labels=HOSTILE[:2]),
    }


SITUATIONS = situations()


@pytest.mark.parametrize("situation", list(SITUATIONS))
def test_every_situation_gives_a_sound_page(situation):
    result = SITUATIONS[situation]
    text = render_report(result, [factories.picture()])
    page = check_page(text)
    assert page.run_together == []
    assert "nan" not in re.sub(r"[A-Za-z]*nan[a-z]+", "", page.text)
    assert "debias" not in page.text.lower()
    for comparison in result.comparisons:
        if comparison.label == result.headline_label and situation != "hostile":
            for group, statistics in comparison.groups.items():
                assert group in page.text
                assert f"{statistics.n_patients} patient" in page.text
    assert len(text.encode()) < 1000 * 1000


def test_headline_counts_and_provenance():
    page = check_page(render_report(factories.full(), []))
    assert "Segmentation, averaged over all labels, is worse for female than for male" in page.text
    for text in (
        "101 cases", "101 patients", "3 labels", "created 2025-11-20", "difference shown",
        "Left out", "numpy 2.4.0", "0123456789abcdef" * 4, "diagonal",
        "2 cases: The prediction is missing.", "case_901, case_902",
        "Distances are in millimetres from the image headers.",
        "This summary makes 12 comparisons (3 attributes by 4 metrics).",
        *factories.DEFINITIONS.values(),
    ):  # fmt: skip
        assert text in page.text


def test_only_the_table_of_cases_names_people():
    result = factories.full()
    page = check_page(render_report(result, []))
    assert set(case_data(page)["cases"]) == set(result.per_case["case"])
    for name in (*result.per_case["case"].unique(), *result.per_case["patient"].unique()):
        assert name not in page.text


def test_no_person_can_be_found_in_a_shareable_page():
    result = factories.full()
    text = render_report(shareable(result), [])
    page = check_page(text)
    for name in (*result.per_case["case"].unique(), *result.per_case["patient"].unique()):
        assert name not in text
    assert not page.having("path", "dots")
    assert "All cases" not in page.text
    assert "case_901" not in text
    assert "101 cases" in page.text
    assert page.text.count("hidden") > 10
    assert "of groups with fewer than 5 patients it shows neither counts nor values" in page.text


def test_tiny_groups_have_no_dots():
    result = factories.make_result({"sex": ("f", "m")}, {"f": 4, "m": 5})
    text = render_report(result, [])
    page = check_page(text)
    drawn = sum(path["d"].count("M") for path in page.having("path", "dots"))
    assert drawn == 4 * 5  # four metrics, five men
    assert page.text.count("fewer than 5 patients: not drawn") == 4
    # a lower limit for comparisons does not make single people visible
    result = dataclasses.replace(result, settings={**result.settings, "min_patients": 1})
    again = check_page(render_report(result, []))
    assert sum(path["d"].count("M") for path in again.having("path", "dots")) == drawn


def test_heatmap_only_for_two_attributes():
    assert check_page(render_report(factories.full(), [])).having("table", "heat")
    for result in (factories.two_groups(), SITUATIONS["one label"]):
        assert not check_page(render_report(result, [])).having("table", "heat")


def test_infinite_and_undefined_values():
    result = factories.two_groups(size=8)
    made = []
    for comparison in result.comparisons:
        groups = dict(comparison.groups)
        if comparison.metric == "hd95":
            groups["female"] = dataclasses.replace(groups["female"], median=math.inf, mean=math.inf)
        if comparison.metric == "hd":
            groups["female"] = factories.statistics([math.nan] * 8)
        made.append(dataclasses.replace(comparison, groups=groups))
    page = check_page(render_report(dataclasses.replace(result, comparisons=tuple(made)), []))
    titles = {a.get("title") for _, a in page.tags}
    assert "infinite: a prediction or reference is empty" in titles
    assert "undefined in every case (reference and prediction empty)" in titles
    assert "\N{INFINITY}" in page.text
    assert "\N{EN DASH}" in page.text
    assert not re.search(r"\binf\b|\bnan\b", page.text)


def test_hostile_names_stay_text():
    result = SITUATIONS["hostile"]
    pictures = [dataclasses.replace(factories.picture(name), caption=name) for name in HOSTILE]
    result = dataclasses.replace(
        result, name=HOSTILE[1] + HOSTILE[0], notes=HOSTILE, versions={HOSTILE[0]: HOSTILE[3]},
        settings={**result.settings, HOSTILE[3]: HOSTILE, "predictions": HOSTILE[1]},
        definitions={**result.definitions, HOSTILE[0]: HOSTILE[2]},
        exclusions=(Exclusion(HOSTILE[0] + HOSTILE[1], HOSTILE, {HOSTILE[3]: {HOSTILE[0]: 2}}),),
    )  # fmt: skip
    text = render_report(result, pictures)
    page = check_page(text)
    assert "<script>alert(1)</script>" in page.text
    assert "Ω≈ç漢字🙂" in page.text
    assert "\u202e" not in text
    assert "\u2067" not in text
    assert "\x00" not in text
    # a note is shown in full, names and settings are shortened wherever they stand
    runs = sorted(len(run) for run in re.findall("x{80,}", page.text))
    assert runs[-1] == 5000
    assert runs[-2] <= 300
    assert len(text) < 330_000


def big_pictures(number):
    random = np.random.default_rng(0)
    for i in range(number):
        image = random.random((256, 256))
        reference, prediction = random.random((2, 256, 256)) > 0.5
        yield CasePicture(f"case_{i:03d}", "nodule", "Dice 0.5", image, reference, prediction)


def test_pictures_that_would_make_the_page_too_large_are_left_out():
    text = render_report(factories.two_groups(), list(big_pictures(60)))
    assert 3000 < len(text.encode()) / 1000 < 5000
    page = check_page(text)
    shown = len(page.having("svg", "case"))
    assert 5 < shown < 60
    assert f"{60 - shown} more pictures left out to limit the size" in page.text


def test_fifteen_hundred_cases_stay_small(tmp_path):
    result = factories.make_result(
        {"sex": ("female", "male"), "age": ("<50", "50-64", ">=65")},
        250,
        labels=("a", "b", "c"),
        attributes=("sex", "age", "sex+age"),
    )
    assert result.per_case["case"].nunique() == 1500
    write_report(result, [factories.picture(f"case_{i}") for i in range(12)], tmp_path / "r.html")
    assert (tmp_path / "r.html").stat().st_size < 3000 * 1000


def test_pictures_are_shown_with_legend_and_without_image():
    page = check_page(render_report(factories.two_groups(), [factories.picture(image=False)]))
    assert len(page.having("svg", "case")) == 1
    assert "reference" in page.text
    assert "Without --images the outlines are drawn on plain grey." in page.text
    assert "Worst cases" not in check_page(render_report(factories.two_groups(), [])).text


def test_typical_cases_are_told_apart_from_the_worst():
    shown = [factories.picture("worst_1"), factories.picture("middle_1")]
    shown[1] = dataclasses.replace(shown[1], typical=True)
    page = check_page(render_report(factories.two_groups(), shown))
    text = page.text
    places = [text.index(w) for w in ("worst_1", "For comparison: typical cases", "middle_1")]
    assert places == sorted(places)
    assert "typical" not in check_page(render_report(factories.two_groups(), shown[:1])).text


def test_nothing_left_out_is_said():
    result = dataclasses.replace(factories.two_groups(), exclusions=())
    assert "Nothing: every case was evaluated" in check_page(render_report(result, [])).text


def test_report_of_a_result_read_back_is_the_same(tmp_path):
    result = factories.full()
    result.write(tmp_path)
    assert render_report(EvaluationResult.read(tmp_path), []) == render_report(result, [])


def test_file_is_utf8_and_appears_whole(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    write_report(factories.two_groups(), [], path)
    assert path.read_bytes().decode("utf-8").endswith("</html>\n")
    assert {p.name for p in tmp_path.iterdir()} == {"report.html", "figures", "tables"}


def test_a_full_disk_keeps_the_old_file(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    code = (
        "import resource, signal\n"
        "from pathlib import Path\n"
        "from nnunetv2_fair.files.atomic import write_text\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        f"    write_text(Path({str(path)!r}), 'x' * 5000)\n"
        "except OSError:\n"
        "    raise SystemExit(7)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == 7
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_a_failing_write_keeps_the_old_file(tmp_path):
    path = tmp_path / "gone" / "report.html"
    with pytest.raises(FileNotFoundError):
        write_report(factories.two_groups(), [], path)
    target = tmp_path / "report.html"
    target.mkdir()  # renaming onto a folder fails, also for root
    with pytest.raises(OSError, match=r"report\.html"):
        write_report(factories.two_groups(), [], target)
    assert stat.S_ISDIR(target.stat().st_mode)
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_old_words_of_verdicts():
    assert "no difference shown" in check_page(render_report(factories.two_groups(0.0), [])).text
    tiny = check_page(render_report(SITUATIONS["tiny"], [])).text
    assert "cannot be compared" in tiny
    assert "Not compared: f (3 patients" in tiny


def test_folders_above_the_data_are_not_shown():
    result = factories.two_groups()
    settings = {**result.settings, "predictions": "/home/jane.doe/trial-17/predictions"}
    page = render_report(dataclasses.replace(result, settings=settings), [])
    assert "<code>predictions</code>" in page
    assert "jane.doe" not in page
