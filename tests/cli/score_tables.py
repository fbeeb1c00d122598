"""Tables of scores, evaluated by the command; what it wrote and printed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nnunetv2_fair.cli import compare, evaluate
from nnunetv2_fair.paths import COMPARISON_HTML, COMPARISON_JSON, REPORT_HTML, SUMMARY_JSON
from tests.report.html_check import check_page


@dataclass(frozen=True)
class Written:
    """What a command wrote.

    Attributes:
        folder: The output folder.
        data: ``summary.json`` or ``comparison.json``.
        page: Text of the page.
        console: What was printed, in one line.
    """

    folder: Path
    data: Mapping[str, Any]
    page: str
    console: str

    def findings(self, **wanted: object) -> list[dict[str, Any]]:
        """Findings with some values of their fields."""
        return [
            found
            for found in self.data["findings"]
            if all(found[key] == value for key, value in wanted.items())
        ]

    def finding(self, **wanted: object) -> dict[str, Any]:
        """The only finding with some values of its fields."""
        (found,) = self.findings(**wanted)
        return found


class Commands:
    """The commands, on tables in a folder."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys

    def table(self, frame: pd.DataFrame, name: str = "scores") -> Path:
        """Write a table."""
        path = self.folder / f"{name}.csv"
        frame.to_csv(path, index=False)
        return path

    def evaluate(self, frame: pd.DataFrame, *options: str, name: str = "scores") -> Written:
        """Evaluate a table, by 200 resamples unless told otherwise."""
        path, out = self.table(frame, name), self.folder / f"{name}_evaluated"
        arguments = ["--from-csv", str(path), "-o", str(out), "--bootstrap", "200", *options]
        assert evaluate.main(arguments) == 0
        return self._written(out, SUMMARY_JSON, REPORT_HTML)

    def compare(self, *evaluated: Written, options: tuple[str, ...] = ()) -> Written:
        """Compare evaluations, the first of which is the baseline."""
        out = self.folder / "compared"
        folders = [str(one.folder) for one in evaluated]
        assert compare.main([*folders, "-o", str(out), "--bootstrap", "100", *options]) == 0
        return self._written(out, COMPARISON_JSON, COMPARISON_HTML)

    def _written(self, out: Path, data: str, page: str) -> Written:
        text = check_page((out / page).read_text(encoding="utf-8")).text
        printed = " ".join(self._capsys.readouterr().out.split())
        return Written(out, json.loads((out / data).read_text(encoding="utf-8")), text, printed)


def people(sizes: tuple[int, ...], images: tuple[object, ...], n_labels: int = 1) -> pd.DataFrame:
    """Return a row per patient, image and label.

    Args:
        sizes: Patients of each group.
        images: Images per patient of each group: a number, or a list that its patients take in
            turn.
        n_labels: Labels; each is a study of its own.
    """
    groups = np.repeat(np.arange(len(sizes)), sizes)
    counts = np.concatenate(
        [np.resize(np.atleast_1d(np.asarray(m)), n) for n, m in zip(sizes, images, strict=True)]
    )
    patient = np.repeat(np.arange(len(groups)), counts)
    rows = pd.DataFrame(
        {
            "case": [f"c{number}" for number in range(len(patient))],
            "patient": [f"p{number}" for number in patient],
            "group": [f"g{number}" for number in groups[patient]],
        }
    )
    labels = pd.DataFrame({"label": [f"l{number:03d}" for number in range(n_labels)]})
    return rows.merge(labels, how="cross")


def latent(rng: np.random.Generator, rows: pd.DataFrame, correlation: float) -> np.ndarray:
    """Return standard normal values per row; those of one patient and label are correlated."""
    unit = pd.factorize(rows["patient"] + rows["label"])[0]
    own = rng.standard_normal(unit.max() + 1)[unit]
    noise = rng.standard_normal(len(rows))
    return np.sqrt(correlation) * own + np.sqrt(1 - correlation) * noise


def most(rate: float, studies: int, errors: float = 2) -> float:
    """Return the largest share of studies that a true rate explains.

    Args:
        rate: The true rate.
        studies: Their number.
        errors: Monte-Carlo errors; three where a test looks at many cells.
    """
    return rate + errors * float(np.sqrt(rate * (1 - rate) / studies))
