"""The pages in a real browser, opened from disk."""

import base64
import dataclasses
import math
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from nnunetv2_fair.evaluation import (
    DownstreamSettings,
    EvaluationResult,
    EvaluationSettings,
    StatisticsSettings,
    Threshold,
    compare_models,
    evaluate,
)
from nnunetv2_fair.evaluation.disclosure.of_evaluation import shareable
from nnunetv2_fair.report.of_comparison.page import write_comparison
from nnunetv2_fair.report.of_evaluation.page import write_report
from tests.evaluation.downstream.hearts import make_hearts
from tests.evaluation.factories import Dataset
from tests.report import factories
from tests.report.browser import (
    LOOKS,
    complaints,
    open_page,
    settled,
    started,
    stray_links,
    unfold,
    violations,
)
from tests.report.of_comparison.test_page import three_models
from tests.report.of_evaluation.test_page import HOSTILE, SITUATIONS

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    yield from started()


def with_failures(result):
    """Return the result with a case of no prediction, an undefined and an unknown one."""
    frame = result.per_case.copy()
    one = frame["case"] == "secret_0031"
    frame.loc[one, "dice"], frame.loc[one, "hd95_mm"] = 0.0, math.inf
    frame.loc[one, "flags"] = "empty_prediction"
    frame.loc[frame["case"] == "secret_0002", ["dice", "hd95_mm"]] = math.nan
    frame.loc[frame["case"] == "secret_0003", ["sex", "sex+age"]] = ""
    return dataclasses.replace(result, per_case=frame)


def hearts_of(dataset: Dataset, folder: str) -> EvaluationResult:
    """Return an evaluation with downstream measures; one of the references is free of errors."""
    return evaluate(
        dataset.references, dataset.root / folder, dataset.table, ["sex"],
        settings=EvaluationSettings(name=folder, statistics=StatisticsSettings(n_bootstrap=50)),
        downstream=DownstreamSettings(("cardiac",), thresholds=(Threshold("ef", 65),)),
    )  # fmt: skip


def write(kind: str, path: Path) -> None:
    if kind == "comparison":
        write_comparison(three_models(), path)
    elif kind == "hostile":
        result = SITUATIONS["hostile"]
        frame = result.per_case.copy()
        strange = {c: f"{HOSTILE[i % 6]}{i}" for i, c in enumerate(frame["case"].unique())}
        frame["case"] = frame["case"].map(strange)
        hostile = dataclasses.replace(result, per_case=frame, name=HOSTILE[0])
        write_report(hostile, [factories.picture(n) for n in HOSTILE], path)
    elif kind in ("downstream", "downstream of models"):
        dataset = make_hearts(path.parent / "hearts")
        models = [hearts_of(dataset, name) for name in ("predictions", "labelsTs")]
        if kind == "downstream":
            write_report(models[0], [], path)
        else:
            write_comparison(compare_models(models, n_bootstrap=50), path)
    elif kind == "shareable":
        write_report(shareable(factories.full()), [], path)
    else:
        write_report(with_failures(factories.full()), [factories.picture("secret_0031")], path)


@pytest.mark.parametrize("kind", ["report", "comparison", "hostile", "shareable"])
@pytest.mark.parametrize("width", [1280, 600, 360])
def test_page_opens_without_complaint_and_fits_the_window(browser, kind, width, tmp_path):
    path = tmp_path / "page ü.html"
    write(kind, path)
    open_page(browser, path, width)
    assert complaints(browser) == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert len(browser.find_elements(By.CSS_SELECTOR, "svg")) > 5
    titles = browser.execute_script("return document.querySelectorAll('main [title]').length")
    assert titles == 0  # the script took all of them over


def test_all_metrics_of_the_group_table_are_in_sight(browser, tmp_path):
    path = tmp_path / "report.html"
    write("report", path)
    open_page(browser, path)
    for scrolled in browser.find_elements(By.CSS_SELECTOR, "section[id^=attribute] .scroll"):
        beyond = "return arguments[0].scrollWidth - arguments[0].clientWidth"
        assert browser.execute_script(beyond, scrolled) <= 0, scrolled.accessible_name


def test_complaints_and_foreign_scripts_would_be_seen(browser, tmp_path):
    path = tmp_path / "broken.html"
    path.write_text("<title>x</title><script>missing()</script>")
    open_page(browser, path)
    assert "missing is not defined" in complaints(browser)[0]
    write("report", path)
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace(
            "<main",
            "<img src=x onerror='document.title=1'><script>document.title = 'acted'</script><main",
        ),
        encoding="utf-8",
    )
    open_page(browser, path)
    assert browser.title not in ("acted", "1")
    assert any("Content Security Policy" in message for message in complaints(browser))


@pytest.fixture
def report(browser, tmp_path):
    path = tmp_path / "report.html"
    write("report", path)
    open_page(browser, path)
    yield browser
    assert complaints(browser) == []


def rows(browser) -> list[list[str]]:
    script = (
        "return [...document.querySelectorAll('.case-list tbody tr')]"
        ".map(row => [...row.cells].map(cell => cell.textContent))"
    )
    return browser.execute_script(script)


def status(browser) -> str:
    return browser.find_element(By.CSS_SELECTOR, "#case-table [role=status]").text


def heading(browser, title: str):
    heads = browser.find_elements(By.CSS_SELECTOR, ".case-list thead button")
    return next(head for head in heads if head.text.startswith(title))


def press(browser, element, *keys: str) -> None:
    """Use the keyboard, as people do who have no mouse."""
    browser.execute_script("arguments[0].focus({preventScroll: true})", element)
    element.send_keys(*keys)


def test_cases_are_sorted_by_keyboard(report):
    frame = with_failures(factories.full()).per_case
    frame = frame[frame["label"] == "average"]
    shown = rows(report)
    assert len(shown) == 50
    assert shown[0][0] == "secret_0031"
    assert shown[0][4:] == ["0.000", shown[0][5], shown[0][6], "\u221e", "nothing predicted"]
    expected = frame.sort_values("dice", kind="stable")["dice"].head(50)
    assert [row[4] for row in shown] == [f"{value:.3f}" for value in expected]
    assert "101 of 101 cases, the first 50 shown; sorted by Dice, worst first." in status(report)

    press(report, heading(report, "HD95"), Keys.ENTER)
    values = frame.sort_values("hd95_mm", ascending=False)["hd95_mm"].head(50)
    assert rows(report)[0][7] == "\u221e"
    assert [float(row[7]) for row in rows(report)[1:]] == pytest.approx(list(values)[1:], abs=0.051)
    press(report, heading(report, "HD95"), Keys.SPACE)
    assert "sorted by HD95 (mm), best first" in status(report)
    values = frame["hd95_mm"].dropna().sort_values().head(50)
    assert [float(row[7]) for row in rows(report)] == pytest.approx(list(values), abs=0.051)
    sorts = [
        head.get_attribute("aria-sort")
        for head in report.find_elements(By.CSS_SELECTOR, ".case-list thead th")
    ]
    assert sorts == ["none"] * 7 + ["ascending", "none"]

    press(report, heading(report, "Case"), Keys.ENTER)
    assert [row[0] for row in rows(report)] == [f"secret_{i:04d}" for i in range(1, 51)]
    assert rows(report)[1][4] == "\u2013"


def test_undefined_values_are_last_in_both_directions(report):
    all_button = report.find_element(By.CSS_SELECTOR, "#case-table .all")
    assert all_button.text == "Show all 101"
    press(report, all_button, Keys.ENTER)
    assert len(rows(report)) == 101
    assert report.execute_script("return document.activeElement.rowIndex") == 51
    assert rows(report)[-1][0] == "secret_0002"
    press(report, heading(report, "Dice"), Keys.ENTER)
    assert "best first" in status(report)
    press(report, report.find_element(By.CSS_SELECTOR, "#case-table .all"), Keys.ENTER)
    assert rows(report)[-1][0] == "secret_0002"


def test_cases_are_filtered(report):
    frame = with_failures(factories.full()).per_case
    frame = frame[frame["label"] == "average"]
    sex, age, both = (
        Select(report.find_element(By.CSS_SELECTOR, f"select[data-attribute='{i}']"))
        for i in range(3)
    )
    assert [option.text for option in sex.options] == [
        "all", "female (44)", "male (56)", "unknown (1)",
    ]  # fmt: skip
    sex.select_by_index(1)
    age.select_by_index(2)
    wanted = frame[(frame["sex"] == "female") & (frame["age"] == "50-64")]
    shown = rows(report)
    assert sorted(row[0] for row in shown) == sorted(wanted["case"])
    assert f"{len(wanted)} of 101 cases; sorted by Dice, worst first." in status(report)
    assert not report.find_element(By.CSS_SELECTOR, "#case-table .more").is_displayed()
    both.select_by_index(1)  # nobody is in two age groups
    assert rows(report) == []
    assert "0 of 101 cases" in status(report)

    press(report, report.find_element(By.CSS_SELECTOR, "#case-table .reset"), Keys.ENTER)
    assert "101 of 101 cases" in status(report)
    sex.select_by_index(3)
    assert [(row[0], row[2]) for row in rows(report)] == [("secret_0003", "unknown")]
    sex.select_by_index(0)
    box = report.find_element(By.CSS_SELECTOR, "#case-table input[type=search]")
    press(report, box, "P005")
    assert sorted(row[1] for row in rows(report)) == [f"p{i:04d}" for i in range(50, 60)]
    box.clear()
    press(report, report.find_element(By.CSS_SELECTOR, "#case-table .toggle"), Keys.SPACE)
    assert [row[0] for row in rows(report)] == ["secret_0031"]


def test_label_changes_the_values(report):
    frame = with_failures(factories.full()).per_case
    Select(report.find_element(By.NAME, "label")).select_by_visible_text("heart")
    values = frame[frame["label"] == "heart"]["dice"].sort_values().head(50)
    assert [row[4] for row in rows(report)] == [f"{value:.3f}" for value in values]


def test_worst_cases_of_a_group_are_one_click_away(report):
    links = report.find_elements(By.CSS_SELECTOR, "a.to-cases")
    link = next(li for li in links if li.get_attribute("aria-label") == "worst cases of male")
    press(report, link, Keys.ENTER)
    assert report.current_url.endswith("#all-cases")
    assert {row[2] for row in rows(report)} == {"male"}
    assert "56 of 101 cases, the first 50 shown; sorted by Dice, worst first." in status(report)
    press(report, report.find_element(By.CSS_SELECTOR, "#case-table .more"), Keys.ENTER)
    assert len(rows(report)) == 56
    assert report.execute_script("return document.activeElement.rowIndex") == 51


@pytest.mark.parametrize("scrolling", ["auto", "smooth"])
@pytest.mark.parametrize("width", [1280, 400])
def test_links_of_the_navigation_lead_to_their_sections(browser, width, scrolling, tmp_path):
    path = tmp_path / "report.html"
    write("report", path)
    open_page(browser, path, width)
    browser.execute_script(f"document.documentElement.style.scrollBehavior = '{scrolling}'")
    anchors = [
        link.get_attribute("href").split("#")[1]
        for link in browser.find_elements(By.CSS_SELECTOR, "nav a")
    ]
    assert len(anchors) > 7
    # from the end first: what a jump passes over has never been on the screen
    for anchor in (*anchors[::-1], *anchors):
        browser.execute_script(f"document.querySelector('nav a[href=\"#{anchor}\"]').click()")
        settled(browser)
        heading = browser.find_element(By.CSS_SELECTOR, f"#{anchor} h2")
        top, covered, at_the_end = browser.execute_script(
            "return [arguments[0].getBoundingClientRect().top,"
            " document.querySelector('nav').getBoundingClientRect().bottom,"
            " scrollY + innerHeight >= document.documentElement.scrollHeight - 2]",
            heading,
        )
        assert covered <= top, anchor
        assert top < covered + 30 or (at_the_end and top < 1000), anchor
    assert complaints(browser) == []


def test_case_leads_to_its_picture(report):
    link = report.find_element(By.LINK_TEXT, "secret_0031")
    press(report, link, Keys.ENTER)
    assert report.find_element(By.CSS_SELECTOR, "figure:target strong").text == "secret_0031"


def test_definitions_show_on_focus_and_on_hover(report):
    term = report.find_element(By.CSS_SELECTOR, "#attribute-0 thead a.term")
    tip = report.find_element(By.ID, "tip")
    assert not tip.is_displayed()
    report.execute_script(
        "arguments[0].scrollIntoView({behavior: 'instant', block: 'center'})", term
    )
    report.execute_script("arguments[0].focus({preventScroll: true})", term)
    assert tip.is_displayed()
    assert tip.text == "Overlap: twice the common area over the sum. Higher is better."
    report.execute_async_script("scrollBy(0, 40); setTimeout(arguments[0], 100)")
    assert tip.is_displayed()  # still: moving the focus may scroll
    distance = report.execute_script(
        "return arguments[0].getBoundingClientRect().top - "
        "arguments[1].getBoundingClientRect().bottom",
        tip, term,
    )  # fmt: skip
    assert 0 < distance < 10
    assert term.get_attribute("aria-describedby") == "tip"
    term.send_keys(Keys.ESCAPE)
    assert not tip.is_displayed()
    webdriver.ActionChains(report).move_to_element(term).perform()
    assert tip.is_displayed()
    place = report.execute_script(
        "const r = arguments[0].getBoundingClientRect(); return [r.left, r.right, r.top, r.bottom]",
        tip,
    )
    assert place[0] >= 0
    assert place[1] <= 1280
    assert place[2] >= 0
    assert place[3] <= 1000
    # an undefined value explains itself too, to the keyboard as well
    dash = report.find_element(By.CSS_SELECTOR, "#attribute-2 .undefined")
    report.execute_script("arguments[0].focus()", dash)
    assert tip.text == "no cases"


def test_fifteen_hundred_cases_are_quick(browser, tmp_path):
    result = factories.two_groups(size=750, labels=("a", "b", "c"))
    path = tmp_path / "large.html"
    write_report(result, [], path)
    assert path.stat().st_size < 5000 * 1000
    open_page(browser, path)
    assert len(rows(browser)) == 50
    script = (
        "const head = document.querySelectorAll('.case-list thead button'); const t = performance"
        ".now(); for (let i = 0; i < 10; i++) head[4].click(); return performance.now() - t"
    )
    milliseconds = browser.execute_script(script) / 10
    assert milliseconds < 1000  # about 10: far from what people would notice
    assert complaints(browser) == []


def test_dark_and_printed_pages(browser, tmp_path):
    path = tmp_path / "report.html"
    write("report", path)
    open_page(browser, path)
    colour = "return getComputedStyle(document.body).backgroundColor"
    light = browser.execute_script(colour)
    dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", dark)
    assert sum(map(int, light[4:-1].split(", "))) > 600
    assert sum(map(int, browser.execute_script(colour)[4:-1].split(", "))) < 150
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": []})
    for selector in ("nav", "#case-table .controls", "a.to-cases", "#case-table .buttons"):
        assert not browser.find_element(By.CSS_SELECTOR, selector).is_displayed(), selector
    table = browser.find_element(By.CSS_SELECTOR, ".case-list tbody")
    assert not table.is_displayed()  # the summary alone, unless everything is asked for
    browser.execute_script("document.documentElement.classList.add('everything')")
    assert table.is_displayed()
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})


@pytest.mark.parametrize("kind", ["report", "shareable", "comparison"])
@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_axe_finds_nothing_and_links_land(browser, kind, width, scheme, tmp_path):
    path = tmp_path / "report.html"
    write(kind, path)
    open_page(browser, path, width, scheme=scheme)
    assert violations(browser) == []
    assert stray_links(browser) == []
    unfold(browser)
    assert violations(browser) == []
    assert stray_links(browser) == []
    assert complaints(browser) == []


@pytest.mark.parametrize("selector", ["td", "th", ".plot-value", ".plot-name", "dd", "p", "li"])
def test_numbers_stay_inside_their_card(browser, selector, tmp_path):
    path = tmp_path / "report.html"
    write("report", path)
    open_page(browser, path, 400)
    outside = browser.execute_script(
        "return [...document.querySelectorAll('.card ' + arguments[0])].filter((e) => {"
        " const card = e.closest('.card').getBoundingClientRect();"
        " const range = document.createRange(); range.selectNodeContents(e);"
        " const own = range.getBoundingClientRect();"
        " return own.width && own.right > card.right - 1 && !e.closest('.scroll'); })"
        ".map((e) => e.textContent)",
        selector,
    )
    assert outside == []


def pages_of(browser) -> int:
    """Print to PDF as the page asks to be printed; return the number of A4 pages."""
    printed = browser.execute_cdp_cmd(
        "Page.printToPDF", {"preferCSSPageSize": True, "printBackground": False}
    )
    return len(re.findall(rb"/Type\s*/Page\b", base64.b64decode(printed["data"])))


@pytest.mark.parametrize("situation", ["full", "many labels", "one label", "three attributes"])
def test_summary_prints_on_two_pages_and_everything_if_asked(browser, situation, tmp_path):
    path = tmp_path / "report.html"
    write_report(SITUATIONS[situation], [], path)
    open_page(browser, path)
    summary = pages_of(browser)
    assert 1 <= summary <= 2
    browser.execute_script("window.print = () => {}")
    buttons = browser.find_elements(By.CSS_SELECTOR, "button.print")
    assert [button.text for button in buttons] == ["Print the summary", "Print everything"]
    press(browser, buttons[1], Keys.ENTER)
    assert pages_of(browser) > summary


def test_figures_and_tables_are_saved(browser, tmp_path):
    path = tmp_path / "report.html"
    write("report", path)
    browser.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path / "got")}
    )
    for width, scheme in ((1280, "light"), (400, "dark")):
        open_page(browser, path, width, scheme=scheme)
        for name in ("dice_by_sex", "groups_sex", "mean_dice_by_sex_and_age"):
            box = browser.find_element(By.CSS_SELECTOR, f".download[data-name='{name}']")
            menu = box.find_element(By.CSS_SELECTOR, ":scope > .save")
            press(browser, menu.find_element(By.TAG_NAME, "summary"), Keys.ENTER)
            for button in menu.find_elements(By.TAG_NAME, "button"):
                press(browser, button, Keys.ENTER)
            files = [tmp_path / "got" / f"{name}.{ending}" for ending in ("svg", "png", "csv")]
            WebDriverWait(browser, 20).until(lambda _, f=files: all(x.exists() for x in f))
            svg, png, csv = files
            root = ElementTree.fromstring(svg.read_text(encoding="utf-8"))
            text = " ".join("".join(root.itertext()).split())
            assert box.get_attribute("data-title").split(",")[0] in text
            assert "female" in text
            # on white, whatever the page looks like
            colours = {e.get("fill") for e in root.iter("{http://www.w3.org/2000/svg}rect")}
            assert "#ffffff" in colours
            with Image.open(png) as picture:
                assert picture.width >= 1800
                assert picture.convert("RGB").getpixel((3, 3)) == (255, 255, 255)
            on_disk = tmp_path / "tables" / f"{name}.csv"
            assert csv.read_text(encoding="utf-8-sig") == on_disk.read_text(encoding="utf-8")
            for file in files:
                file.unlink()
    assert complaints(browser) == []


def test_reader_chooses_the_group_to_compare_with(report):
    card = report.find_element(By.CSS_SELECTOR, "#attribute-2 select[data-shows]")
    choice = Select(card)
    assert choice.first_selected_option.text == "male, <50"
    rows = "#attribute-2 tbody[data-choice]"

    def shown():
        found = report.find_elements(By.CSS_SELECTOR, rows)
        return [body.text for body in found if body.is_displayed()]

    (before,) = shown()
    assert "Compared with male, <50" in before
    choice.select_by_visible_text("male, 50-64")
    (after,) = shown()
    assert "Compared with male, 50-64" in after
    assert "without an interval, a difference may be chance" in after


def test_picture_is_enlarged_on_click(report):
    button = report.find_element(By.CSS_SELECTOR, "button.enlarge")
    press(report, button, Keys.ENTER)
    dialog = report.find_element(By.ID, "enlarged")
    assert dialog.is_displayed()
    assert "secret_0031" in dialog.text
    webdriver.ActionChains(report).send_keys(Keys.ESCAPE).perform()
    assert not dialog.is_displayed()
    assert report.switch_to.active_element == button


def test_numbers_of_an_axis_do_not_run_together(browser, tmp_path):
    path = tmp_path / "report.html"
    write("report", path)
    open_page(browser, path, 400)
    overlaps = browser.execute_script("""
      document.querySelectorAll('details').forEach(d => d.open = true);
      const found = [];
      document.querySelectorAll('.ticks').forEach(axis => {
        const boxes = [...axis.children].map(s => s.getBoundingClientRect()).filter(b => b.width);
        const meet = boxes.some((b, i) => i && b.left < boxes[i - 1].right);
        if (meet) found.push(`${axis.innerText.replace(/\\s+/g, " ")} in ${axis.clientWidth}`);
      });
      return [found, document.querySelectorAll('.ticks').length];""")
    assert not overlaps[0], overlaps
    assert overlaps[1] > 2


@pytest.mark.parametrize("kind", ["downstream", "downstream of models"])
def test_downstream_sections_open(browser, kind, tmp_path):
    path = tmp_path / "report.html"
    write(kind, path)
    for width, scheme in LOOKS:
        open_page(browser, path, width, scheme=scheme)
        assert stray_links(browser) == []
        unfold(browser)
        section = browser.find_element(By.ID, "downstream")
        assert section.find_elements(By.TAG_NAME, "table")
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        assert violations(browser) == []
    assert complaints(browser) == []
    if kind == "downstream":
        assert len(section.find_elements(By.CSS_SELECTOR, "svg")) >= 8
        assert "Possible, not found" in browser.find_element(By.ID, "summary").text
