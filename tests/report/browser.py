"""Pages in a real Chromium, for the tests of every kind of page: opening, links, accessibility.

A test module makes its own fixture::

    @pytest.fixture(scope="module")
    def browser() -> Iterator[webdriver.Chrome]:
        yield from started()

    def test_accessible(browser, tmp_path):
        write_my_page(tmp_path / "page.html")
        for width, scheme in LOOKS:
            open_page(browser, tmp_path / "page.html", width, scheme=scheme)
            assert violations(browser) == []
            unfold(browser)
            assert violations(browser) == []
            assert stray_links(browser) == []
"""

import shutil
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")

#: Widths and colour schemes in which every page is looked at.
LOOKS = ((1280, "light"), (1280, "dark"), (400, "light"), (400, "dark"))


def started() -> Iterator[webdriver.Chrome]:
    """Yield a browser; for fixtures."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    assert found, (
        "This test needs Chromium. Install it (Debian, Ubuntu: apt-get install chromium "
        "chromium-driver; Fedora: dnf install chromium chromedriver; macOS: brew install --cask "
        "chromium), or leave the slow tests out."
    )
    options = webdriver.ChromeOptions()
    options.binary_location = found
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = shutil.which("chromedriver")  # absent: selenium fetches one
    driven = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    driven.set_script_timeout(120)  # axe-core takes its time on a busy machine
    yield driven
    driven.quit()


def open_page(
    browser: webdriver.Chrome,
    path: Path,
    width: int = 1280,
    height: int = 1000,
    scheme: str = "light",
) -> None:
    """Open a file in a window of a size, light or dark."""
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
    )
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.get(path.as_uri())


def complaints(browser: webdriver.Chrome) -> list[str]:
    """Return what the browser's console says."""
    return [entry["message"] for entry in browser.get_log("browser")]


def unfold(browser: webdriver.Chrome) -> None:
    """Open everything that is folded."""
    browser.execute_script(
        "document.querySelectorAll('details').forEach((part) => { part.open = true; })"
    )


def violations(browser: webdriver.Chrome) -> list[str]:
    """Return what axe-core finds: rule, how often, and the first place."""
    script = resources.files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    browser.execute_script(script)
    found = browser.execute_async_script(
        "axe.run(document).then((all) => arguments[0](all.violations.map((one) =>"
        " [one.id, one.nodes.length, one.nodes[0].html, one.nodes[0].failureSummary])))"
    )
    return [f"{rule} ({number}): {html[:200]} {why}" for rule, number, html, why in found]


def settled(browser: webdriver.Chrome) -> None:
    """Wait until the page has not scrolled for 20 frames, or for 10 seconds."""
    browser.execute_async_script(
        "const done = arguments[0], until = Date.now() + 10000; let last = null, still = 0;"
        "const look = () => { still = scrollY === last ? still + 1 : 0; last = scrollY;"
        " if (still > 20 || Date.now() > until) done(); else requestAnimationFrame(look); };"
        "look();"
    )


def stray_links(browser: webdriver.Chrome) -> list[str]:
    """Click every kind of internal link for real; return those that do not land where they say.

    Of links to one place the first that can be seen is clicked. A place is reached if its top is
    in the window, below the navigation, and near it unless the page ends.
    """
    browser.execute_script("document.documentElement.style.scrollBehavior = 'auto'")
    stray = []
    seen = set()
    for link in browser.find_elements(By.CSS_SELECTOR, "a[href^='#']:not(.skip)"):
        target = (link.get_attribute("href") or "").split("#")[1]
        if target in seen or not link.is_displayed():
            continue
        seen.add(target)
        browser.execute_script(
            "arguments[0].scrollIntoView({behavior: 'instant', block: 'center'})", link
        )
        # the definition of a link above, shown since the pointer is there, may lie over this one
        away = webdriver.ActionChains(browser).send_keys(Keys.ESCAPE)
        away.move_to_element(link).click().perform()
        settled(browser)
        top, covered, ends, height = browser.execute_script(
            "const place = document.getElementById(arguments[0]);"
            "const head = place.querySelector('h2') || place;"
            "return [head.getBoundingClientRect().top,"
            " document.querySelector('nav').getBoundingClientRect().bottom,"
            " scrollY + innerHeight >= document.documentElement.scrollHeight - 2, innerHeight]",
            target,
        )
        if not (covered - 1 <= top < covered + 40 or (ends and covered <= top < height)):
            stray.append(f"#{target}: its top is at {top:.0f} of {height}, below {covered:.0f}")
    return stray
