"""The pages in a real browser, opened from disk."""

import shutil
import subprocess
from pathlib import Path

import pytest

from nnunetv2_fair.report.comparison_page import write_comparison
from nnunetv2_fair.report.page import write_report
from tests.report import factories
from tests.report.test_comparison_page import three_models
from tests.report.test_page import HOSTILE, SITUATIONS

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def browser() -> str:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    assert found, (
        "This test needs Chromium. Install it (Debian, Ubuntu: apt-get install chromium; Fedora: "
        "dnf install chromium; macOS: brew install --cask chromium), or leave the slow tests out."
    )
    return found


def open_page(path: Path, profile: Path, width: int) -> tuple[str, str]:
    """Return the page as the browser understood it, and what it complained about."""
    done = subprocess.run(
        [
            browser(), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}",
            "--enable-logging=stderr", f"--window-size={width},1000", "--dump-dom",
            path.as_uri(),
        ],
        capture_output=True, text=True, timeout=120, check=True, encoding="utf-8",
    )  # fmt: skip
    return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


def write(kind: str, path: Path) -> None:
    if kind == "comparison":
        write_comparison(three_models(), path)
    elif kind == "hostile":
        write_report(SITUATIONS["hostile"], [factories.picture(n) for n in HOSTILE], path)
    else:
        write_report(factories.full(), [factories.picture()], path)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["report", "comparison", "hostile"])
@pytest.mark.parametrize("width", [1280, 600])
def test_page_opens_without_complaint_and_fits_the_window(kind, width, tmp_path):
    path = tmp_path / "page ü.html"
    write(kind, path)
    # the page has no script of its own; this one, in a copy, reports what was laid out
    probe = (
        "<script>document.title = [document.documentElement.scrollWidth, innerWidth, "
        "document.querySelectorAll('svg').length].join(' ')</script></body>"
    )
    path.write_text(path.read_text(encoding="utf-8").replace("</body>", probe), encoding="utf-8")
    dom, complaints = open_page(path, tmp_path / "profile", width)
    assert complaints == ""
    title = dom[dom.index("<title>") + 7 : dom.index("</title>")]
    content, window, drawings = map(int, title.split())
    assert window == width
    assert content <= window, "the page scrolls sideways"
    assert drawings > 5


@pytest.mark.slow
def test_complaints_would_be_seen(tmp_path):
    path = tmp_path / "broken.html"
    path.write_text("<title>x</title><script>missing()</script>")
    _, complaints = open_page(path, tmp_path / "profile", 800)
    assert "missing is not defined" in complaints
