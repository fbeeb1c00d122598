"""Makes the pictures of README and tutorial from real pages, in Chromium. Run by hand.

    python docs/pictures/make_pictures.py report         # from phantoms
    python docs/pictures/make_pictures.py tutorial FOLDER     # where the tutorial's commands ran

Pictures of the tutorial show statistics only, never a radiograph or a single patient's value.
"""

import argparse
import base64
import io
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import binary_erosion
from selenium import webdriver

HERE = Path(__file__).parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
WIDTH = 1100
#: Colours of a picture: pages have few, and such files are half as large.
COLOURS = 128

#: Name of a picture: page, elements from the first to the last one shown, and most height.
TUTORIAL = {
    "tutorial_summary": ("evaluation_baseline/report.html", "#summary", "#summary", 1130),
    "tutorial_groups": (
        "evaluation_baseline/report.html",
        "#attribute-0",
        "#attribute-0 table",
        900,
    ),
    "tutorial_comparison": ("comparison/comparison.html", "#summary", "#summary", 950),
}


def browser() -> webdriver.Chrome:
    """Start Chromium without a window, in light colours."""
    options = webdriver.ChromeOptions()
    options.binary_location = next(p for name in BROWSERS if (p := shutil.which(name)))
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(argument)
    return webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))


def shoot(
    driver: webdriver.Chrome, page: Path, name: str, first: str, last: str, most: int
) -> None:
    """Save what a page shows from one element to another as ``docs/pictures/<name>.png``.

    Args:
        driver: The browser.
        page: HTML file.
        name: Of the picture.
        first: Selector of the element at the top.
        last: Selector of the element at the bottom.
        most: Pixels of height after which the picture ends.
    """
    size = {"width": WIDTH, "height": 1400, "deviceScaleFactor": 1.3, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    light = [{"name": "prefers-color-scheme", "value": "light"}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": light})
    driver.get(page.resolve().as_uri())
    drawings = driver.find_elements("css selector", f"{first} .pictures img, {first} figure img")
    if drawings:
        raise SystemExit(f"{page}: {first} shows images; a picture for the tutorial must not.")
    top, bottom = driver.execute_script(
        "const [first, last] = [...arguments].map(s => document.querySelector(s));"
        "first.scrollIntoView();"
        "return [first.getBoundingClientRect().top + scrollY,"
        "        last.getBoundingClientRect().bottom + scrollY];",
        first, last,
    )  # fmt: skip
    clip = {"x": 0, "y": top, "width": WIDTH, "height": min(bottom - top, most), "scale": 1}
    shot = driver.execute_cdp_cmd(
        "Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True}
    )
    picture = Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("RGB")
    picture = picture.quantize(COLOURS, dither=Image.Dither.NONE)
    picture.save(HERE / f"{name}.png", optimize=True)
    print(f"{name}.png: {picture.width} x {picture.height}, "
          f"{(HERE / f'{name}.png').stat().st_size // 1000} kB")  # fmt: skip


def evaluation_of_phantoms(folder: Path) -> Path:
    """Evaluate phantoms whose predictions are worse for women, and return the page."""
    run("nnUNetv2_fair_phantoms", "-o", folder / "made", "--patients", 120, "--seed", 3)
    table = (folder / "made" / "metadata.csv").read_text(encoding="utf-8")
    (folder / "table.csv").write_text(
        table.replace(".png", "").replace("image,", "case,", 1), encoding="utf-8"
    )
    women = {line.split(",")[0] for line in table.splitlines() if ",female," in line}
    rng = np.random.default_rng(0)
    (folder / "predictions").mkdir()
    for path in sorted((folder / "made" / "masks").glob("*.png")):
        mask = np.asarray(Image.open(path))
        kept = mask > 0
        for _ in range(rng.poisson(1.5 if path.name in women else 0.5)):
            kept = binary_erosion(kept)
        shift = rng.integers(-2, 3, 2)
        moved = np.roll(kept, tuple(shift), (0, 1))
        Image.fromarray(moved.astype(mask.dtype)).save(folder / "predictions" / path.name)
    run(
        "nnUNetv2_fair_evaluate", "-gt", folder / "made" / "masks",
        "-pred", folder / "predictions", "--demographics", folder / "table.csv", "-a", "sex", "age",
        "--labels", "nodule=1", "--bins", "age=50,65", "-o", folder / "evaluation",
        "--name", "phantoms",
    )  # fmt: skip
    return folder / "evaluation" / "report.html"


def run(command: str, *arguments: object) -> None:
    """Run a command of this environment; end with what it said if it fails."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        [command, *map(str, arguments)], capture_output=True, text=True, env=environment,
        check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)


def main() -> None:
    """Make the pictures that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=("report", "tutorial"))
    parser.add_argument("folder", nargs="?", type=Path, help="where the tutorial's commands ran")
    args = parser.parse_args()
    driver = browser()
    try:
        if args.what == "report":
            with tempfile.TemporaryDirectory() as made:
                page = evaluation_of_phantoms(Path(made))
                shoot(driver, page, "report", "#summary", "#attribute-0", 1000)
        elif args.folder is None:
            parser.error("name the folder where the tutorial's commands ran")
        else:
            for name, (page, first, last, most) in TUTORIAL.items():
                shoot(driver, args.folder / page, name, first, last, most)
    finally:
        driver.quit()


if __name__ == "__main__":
    main()
