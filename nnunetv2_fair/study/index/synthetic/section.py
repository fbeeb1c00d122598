"""The section on a dataset that the study has filled up with synthetic cases of its own."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nnunetv2_fair.errors import FairError
from nnunetv2_fair.files.tabular import read_table, unprotected
from nnunetv2_fair.report.drawing.numbers_table import Numbers
from nnunetv2_fair.report.html.downloads import Downloads
from nnunetv2_fair.report.html.markup import Html
from nnunetv2_fair.report.html.templating import render
from nnunetv2_fair.study.index.links import link_to
from nnunetv2_fair.study.index.progress import Progress, StepProgress

#: Fact of the steps that make synthetic cases: the dataset of real ones, and the attribute.
_SOURCE, _ATTRIBUTE = "source", "attribute"
_QUALITY_CSV = "quality.csv"
#: Measures that need no further words -> what they are called.
_SHOWN = {
    "frechet_distance": "Fréchet distance",
    "kernel_distance": "kernel distance",
    "precision": "precision",
    "recall": "recall",
    "nearest_training_image": "distance to the nearest training image",
    "share_too_near": "share nearer to a patient than patients are to each other",
}


@dataclass(frozen=True)
class _Row:
    """A measure of a group: of synthetic images, and of real ones (its floor)."""

    group: str
    measure: str
    synthetic: str
    floor: str


def synthetic_datasets(progress: Progress) -> list[str]:
    """Return the datasets of the study that hold synthetic cases which it makes itself."""
    return list(
        dict.fromkeys(step.fact("dataset") for step in progress.steps if step.fact(_SOURCE))
    )


def synthetic_section(
    folder: Path, progress: Progress, dataset: str, anchor: str, downloads: Downloads
) -> Html:
    """Return the section of one dataset.

    Args:
        folder: The study's folder, which will hold the page.
        progress: State of each step.
        dataset: Name of the dataset, one of :func:`synthetic_datasets`.
        anchor: Id of the section.
        downloads: What readers can take along.
    """
    steps = [s for s in progress.steps if s.fact(_SOURCE) and s.fact("dataset") == dataset]
    images = next(step for step in steps if step.step.name.startswith("images."))
    measuring = next((s for s in steps if s.step.outputs[0].endswith(_QUALITY_CSV)), None)
    rows, problem = _measures(folder, measuring)
    table = None
    if rows:
        shown = [row for row in rows if row.measure in _SHOWN.values()]
        content = render("study/index/templates/synthetic_table.html", rows=shown, dataset=dataset)
        numbers = Numbers(
            ("group", "measure", "synthetic", "floor"),
            tuple((r.group, r.measure, float(r.synthetic), float(r.floor)) for r in rows),
        )
        table = downloads.table(
            ("synthetic", dataset), f"Quality of synthetic images: {dataset}", content, numbers
        )
    return render(
        "study/index/templates/synthetic.html",
        anchor=anchor,
        dataset=dataset,
        source=images.fact(_SOURCE),
        attribute=images.fact(_ATTRIBUTE),
        table=table,
        problem=problem,
        sheet=_sheet(folder, images),
    )


def _measures(folder: Path, step: StepProgress | None) -> tuple[list[_Row], str]:
    """Return the measures of all groups, and why there are none."""
    if step is None:
        return [], "no group that is filled up has enough training patients to measure it"
    if not step.is_done:
        return [], "not done yet" if step.state != "failed" else "failed"
    try:
        return list(_rows(folder / step.step.outputs[0])), ""
    except (FairError, OSError, ValueError):
        return [], "the file of the measures is missing or damaged"


def _rows(path: Path) -> Iterator[_Row]:
    table = read_table(path)
    at = {name: table.header.index(name) for name in ("group", "measure", "synthetic", "floor")}
    for row in table.rows:
        measure = row[at["measure"]]
        float(row[at["synthetic"]]), float(row[at["floor"]])
        yield _Row(
            unprotected(row[at["group"]]),
            _SHOWN.get(measure, measure),
            row[at["synthetic"]],
            row[at["floor"]],
        )


def _sheet(folder: Path, images: StepProgress) -> str:
    """Return a link to the last sheet of samples; empty if there is none."""
    place = Path(images.step.outputs[0]).parent.parent
    sheets = sorted((folder / place).glob("training_*/samples_*.png"))
    newest = max(sheets, key=lambda path: (path.parent.stat().st_mtime, path.name), default=None)
    return "" if newest is None else link_to(folder, newest.relative_to(folder))
