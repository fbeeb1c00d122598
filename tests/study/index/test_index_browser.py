"""The index page in a real browser, opened from disk."""

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from nnunetv2_fair.study.index.index import write_index
from tests.report.browser import complaints, open_page, stray_links, unfold, violations
from tests.report.test_browser import browser
from tests.study.finished_study import FAIR, StudyFolder, make_masks, make_study

__all__ = ["browser"]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    root = tmp_path_factory.mktemp("a study ü")
    made = make_study(root, make_masks(root / "masks"))
    write_index(made.root)
    return made


@pytest.mark.parametrize("width", [1280, 600, 360])
def test_page_opens_without_complaint_and_fits_the_window(browser, study, width):
    open_page(browser, study.root / "index.html", width)
    assert complaints(browser) == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert len(browser.find_elements(By.CSS_SELECTOR, "svg.plane")) == 4
    titles = browser.execute_script("return document.querySelectorAll('main [title]').length")
    assert titles == 0  # the script took all of them over


def test_links_lead_to_the_reports_by_keyboard(browser, study):
    open_page(browser, study.root / "index.html")
    browser.find_element(By.LINK_TEXT, FAIR).send_keys(Keys.ENTER)
    assert "evaluations/" in browser.current_url
    assert browser.find_element(By.TAG_NAME, "h1").text == FAIR
    browser.back()
    browser.find_element(By.LINK_TEXT, "Comparison of all methods").send_keys(Keys.ENTER)
    assert (
        "Fairness comparison".upper() in browser.find_element(By.CLASS_NAME, "kicker").text.upper()
    )
    assert complaints(browser) == []


def test_dark_and_printed_pages(browser, study):
    open_page(browser, study.root / "index.html")
    colour = "return getComputedStyle(document.body).backgroundColor"
    assert sum(map(int, browser.execute_script(colour)[4:-1].split(", "))) > 600
    dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", dark)
    assert sum(map(int, browser.execute_script(colour)[4:-1].split(", "))) < 150
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": []})
    assert not browser.find_element(By.CSS_SELECTOR, "nav").is_displayed()
    assert browser.find_element(By.ID, "summary").is_displayed()
    costs = browser.find_element(By.CSS_SELECTOR, "#costs table")
    assert not costs.is_displayed()
    browser.execute_script("document.documentElement.classList.add('everything')")
    assert costs.is_displayed()
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (400, "dark")])
def test_axe_finds_nothing_and_links_land(browser, study, width, scheme):
    open_page(browser, study.root / "index.html", width, scheme=scheme)
    assert violations(browser) == []
    assert stray_links(browser) == []
    unfold(browser)
    assert violations(browser) == []
    assert stray_links(browser) == []
