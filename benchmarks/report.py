"""How large and how fast the report of many cases is, and how long hiding small groups takes.

Example:
    python benchmarks/report.py --cases 1500 --labels 4
"""

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from nnunetv2_fair.evaluation.disclosure.of_evaluation import shareable
from nnunetv2_fair.evaluation.results.case_picture import CasePicture
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.tables.per_case import AVERAGE
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.evaluation.statistics.all_comparisons import GroupVocabulary, compare_all
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings
from nnunetv2_fair.report.of_evaluation.page import write_report
from nnunetv2_fair.subgroups.groups import Group

METRICS = (
    MetricInfo("dice", "Dice", "", "higher", "Overlap.", True),
    MetricInfo("iou", "IoU", "", "higher", "Overlap.", True),
    MetricInfo("hd", "HD", "mm", "lower", "Distance."),
    MetricInfo("hd95", "HD95", "mm", "lower", "Distance."),
    MetricInfo("nsd", "NSD", "", "higher", "Overlap of surfaces."),
    MetricInfo("assd", "ASSD", "mm", "lower", "Distance."),
)
LEVELS = {
    "sex": ("female", "male"),
    "age": ("<50", "50-<65", ">=65"),
    "site": ("A", "B", "C", "D", "E"),
    "scanner": ("old", "new"),
}
EXPRESSIONS = ("sex", "age", "site", "scanner", "sex+age", "sex+site", "age+site")


def drawn_result(n_cases: int, n_labels: int) -> EvaluationResult:
    """Return an evaluation of random values; every seventh patient is from a rare site."""
    random = np.random.default_rng(0)
    people = {
        attribute: random.choice(levels, n_cases, p=_shares(len(levels)))
        for attribute, levels in LEVELS.items()
    }
    labels = [f"organ {i}" for i in range(n_labels)]
    frames = []
    group_parts: dict[str, dict[str, tuple[str, ...]]] = {}
    for label in [*labels, *([AVERAGE] if n_labels > 1 else [])]:
        dice = np.clip(random.normal(0.82, 0.1, n_cases), 0.01, 1)
        columns = {
            "case": [f"patient_{i:05d}_scan" for i in range(n_cases)],
            "patient": [f"patient_{i:05d}" for i in range(n_cases)],
        }
        for expression in EXPRESSIONS:
            levels = [people[attribute] for attribute in expression.split("+")]
            groups = [Group(tuple(map(str, parts))) for parts in zip(*levels, strict=True)]
            columns[expression] = [group.name for group in groups]
            group_parts[expression] = {group.name: group.parts for group in groups}
        values = {"dice": dice, "iou": dice / (2 - dice), "hd_mm": 80 * (1 - dice),
                  "hd95_mm": 40 * (1 - dice), "nsd": dice, "assd_mm": 9 * (1 - dice)}  # fmt: skip
        frame = pd.DataFrame({**columns, "label": label, **values, "diagonal_mm": 500.0})
        frames.append(frame.assign(reference_voxels=1, prediction_voxels=1, flags=""))
    per_case = pd.concat(frames, ignore_index=True)
    names = [*labels, *([AVERAGE] if n_labels > 1 else [])]
    vocabularies = [
        GroupVocabulary(e, tuple(sorted(per_case[e].unique())), None) for e in EXPRESSIONS
    ]
    settings = StatisticsSettings(n_bootstrap=50)
    made = compare_all(per_case, METRICS, names, vocabularies, "diagonal", settings)
    return EvaluationResult(
        name="drawn", per_case=per_case, metrics=METRICS, labels=tuple(names),
        attributes=EXPRESSIONS, comparisons=made, settings={"empty_distance": "diagonal"},
        group_parts=group_parts,
    )  # fmt: skip


def _shares(n_levels: int) -> np.ndarray:
    weights = 0.35 ** np.arange(n_levels)
    return weights / weights.sum()


def pictures(number: int) -> list[CasePicture]:
    """Return noisy pictures of full size."""
    random = np.random.default_rng(1)
    y, x = np.mgrid[:256, :256]
    disc = (y - 128) ** 2 + (x - 128) ** 2 < 60**2
    return [
        CasePicture(f"patient_{i:05d}_scan", "organ 0", "Dice 0.5", random.random((256, 256)),
                    disc, np.roll(disc, 9))
        for i in range(number)
    ]  # fmt: skip


def in_browser(path: Path) -> str:
    """Return how long Chromium takes to open the page and to sort its table."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    try:
        from selenium import webdriver
    except ImportError:
        return "not opened: selenium is not installed"
    if chromium is None:
        return "not opened: there is no Chromium"
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu"):
        options.add_argument(argument)
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    browser = webdriver.Chrome(options=options, service=service)
    try:
        browser.get(path.as_uri())
        opened = browser.execute_script(
            "return performance.getEntriesByType('navigation')[0].domComplete"
        )
        sort = (
            "const heads = document.querySelectorAll('.case-list thead button');"
            "const start = performance.now();"
            "for (let i = 0; i < 20; i++) { heads[i % heads.length].click();"
            " document.body.offsetHeight; }"
            "return (performance.now() - start) / 20"
        )
        return f"opened in {opened:.0f} ms, a sort takes {browser.execute_script(sort):.1f} ms"
    finally:
        browser.quit()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=1500)
    parser.add_argument("--labels", type=int, default=4)
    parser.add_argument("--pictures", type=int, default=14)
    args = parser.parse_args()
    result = drawn_result(args.cases, args.labels)
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("private", "shareable"):
            start = time.perf_counter()
            told = shareable(result) if kind == "shareable" else result
            hidden = time.perf_counter() - start
            shown = pictures(args.pictures) if kind == "private" else []
            path = Path(folder) / f"{kind}.html"
            start = time.perf_counter()
            write_report(told, shown, path)
            written = time.perf_counter() - start
            counts = [g.n_patients for c in told.comparisons for g in c.groups.values()]
            print(
                f"{kind}: {path.stat().st_size / 1e6:.2f} MB, {len(shown)} pictures; hiding "
                f"{hidden:.2f} s, writing {written:.2f} s; counts hidden: "
                f"{counts.count(None) / len(counts):.0%}; {in_browser(path)}"
                if kind == "private"
                else f"{kind}: {path.stat().st_size / 1e6:.2f} MB; hiding {hidden:.2f} s, writing "
                f"{written:.2f} s; counts hidden: {counts.count(None) / len(counts):.0%}"
            )


if __name__ == "__main__":
    main()
