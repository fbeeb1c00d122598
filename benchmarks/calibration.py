"""How often is each sentence of our pages wrong?

Draws studies whose truth is known, lets the evaluator say what it says about them, and counts. On
null data every ``shown`` is false: its rate must not exceed the nominal 5% by more than two
Monte-Carlo errors (that of ``signs``, 10%). Where an effect is planted, the rate is the power. For
intervals, the share that contains the truth is counted: at least 0.93 is asked for.

Results are appended to a file, one line per study, so that a run can be stopped and continued, and
several processes can share the work; the table is made from the file.

    python benchmarks/calibration.py run --studies 400          # hours; run it again to continue
    python benchmarks/calibration.py run --studies 60 --only group     # one family of cells
    python benchmarks/calibration.py summary   # one line per claim, with its worst cell
    python benchmarks/calibration.py table
"""

import argparse
import functools
import json
import math
import os
import warnings
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import ndtr
from tqdm import tqdm

from nnunetv2_fair.evaluation.discovery.search import DiscoverySettings, with_discovery
from nnunetv2_fair.evaluation.estimation import gaps
from nnunetv2_fair.evaluation.findings.all_findings import with_findings
from nnunetv2_fair.evaluation.metrics.registry import METRICS
from nnunetv2_fair.evaluation.model_comparison.comparison import compare_models
from nnunetv2_fair.evaluation.results.comparison import ModelComparison
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.values import Interval, MetricInfo
from nnunetv2_fair.evaluation.run import ScoredSettings, evaluate_scores
from nnunetv2_fair.evaluation.scored_cases import table_of_scores
from nnunetv2_fair.evaluation.scores_from_files import Scores
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings
from nnunetv2_fair.evaluation.trainings.method import method_of
from nnunetv2_fair.tables.settings import TableSettings

#: Monte-Carlo errors beyond the limit from which a cell counts as broken.
ERRORS = 2
_GRID = np.linspace(0, 1, 40_001)
_CAP = 300.0


@dataclass(frozen=True)
class Law:
    """How one metric's values are distributed, as a table of quantiles.

    Attributes:
        metric: Name of the metric.
        quantiles: Values at ``_GRID``.
    """

    metric: str
    quantiles: np.ndarray

    def values(self, uniform: np.ndarray, worse_by: np.ndarray | float = 0.0) -> np.ndarray:
        """Return values at these quantiles; failures stay failures."""
        found = np.interp(uniform, _GRID, self.quantiles)
        return self.shifted(found, worse_by)

    def shifted(self, found: np.ndarray, worse_by: np.ndarray | float) -> np.ndarray:
        """Return values that are worse by an amount, within the metric's range."""
        if self.metric == "hd95":
            return np.where(found >= _CAP, found, np.minimum(found + worse_by, _CAP - 1e-3))
        if self.metric == "detection":
            return found
        return np.where(found <= 0, found, np.maximum(found - worse_by, 1e-3))

    def truth(self, worse_by: float = 0.0) -> np.ndarray:
        """Return a large ordered sample of the law."""
        return np.sort(self.values(_GRID[1:-1], worse_by))


def _with_failures(share: float, good: Callable[[np.ndarray], np.ndarray], worst: float = 0.0):
    inner = np.clip((_GRID - share) / (1 - share), 1e-9, 1 - 1e-9)
    return np.where(share > _GRID, worst, good(inner))


def _hd95(u: np.ndarray) -> np.ndarray:
    return np.minimum(np.exp(1.5 + 0.9 * stats.norm.ppf(u)), _CAP)


LAWS: Mapping[str, Law] = {
    "beta Dice": Law("dice", _with_failures(0, lambda u: stats.beta.ppf(u, 12, 1.5))),
    "Dice, 3% zeros": Law("dice", _with_failures(0.03, lambda u: stats.beta.ppf(u, 12, 1.5))),
    "Dice, 8% zeros": Law("dice", _with_failures(0.08, lambda u: stats.beta.ppf(u, 12, 1.5))),
    "tight Dice, 3% zeros": Law("dice", _with_failures(0.03, lambda u: stats.beta.ppf(u, 190, 10))),
    "NSD, ties at 1": Law("nsd", np.minimum(1.0, stats.beta.ppf(_GRID.clip(1e-9), 14, 1) * 1.03)),
    "detection": Law("detection", (_GRID > 0.1).astype(float)),
    "HD95, 3% capped": Law("hd95", np.sort(_with_failures(0.03, _hd95, _CAP))),
    "gaussian": Law("dice", stats.norm.ppf(_GRID.clip(1e-6, 1 - 1e-6), 0.7, 0.05)),
}


@dataclass(frozen=True)
class Design:
    """Who is in a study.

    Attributes:
        sizes: Patients of each group.
        images: Numbers of images per patient to draw from, for each group or for all.
        correlation: Of the images of one patient, before they are given the law.
    """

    sizes: tuple[int, ...]
    images: tuple[tuple[int, ...], ...] = ((1,),)
    correlation: float = 0.0


DESIGNS: Mapping[str, Design] = {
    "2 x 10": Design((10, 10)),
    "2 x 50": Design((50, 50)),
    "12 and 180": Design((12, 180)),
    "5 to 200": Design((5, 12, 30, 80, 200)),
    "12 x 20": Design((20,) * 12),
    "1 to 5 images, rho 0.4": Design((40, 40), ((1, 2, 3, 4, 5),), 0.4),
    "3 images, rho 0.8": Design((40, 40), ((3,),), 0.8),
    "1 against 5 images, rho 0.2": Design((60, 60), ((1,), (5,)), 0.2),
    "1 against 5 images, rho 0.8": Design((30, 90), ((1,), (5,)), 0.8),
}


@dataclass(frozen=True)
class Cell:
    """One setting.

    Attributes:
        name: What is simulated.
        limits: Claim -> (nominal rate, whether it is a lower limit).
        study: Random numbers -> what was claimed, in 0..1 by claim.
    """

    name: str
    limits: Mapping[str, tuple[float, bool]]
    study: Callable[[np.random.Generator], Mapping[str, float]] = field(repr=False)


def main() -> None:
    """Run studies, or print the table of those that were run."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=("run", "summary", "table", "cells"))
    parser.add_argument("--studies", type=int, default=400, help="studies per cell")
    parser.add_argument("--only", default="", help="cells whose name contains this")
    parser.add_argument("--file", type=Path, default=Path("calibration.jsonl"))
    parser.add_argument("-np", type=int, default=os.cpu_count() or 1, help="processes")
    args = parser.parse_args()
    cells = [cell for cell in all_cells() if args.only in cell.name]
    if args.what == "cells":
        print("\n".join(cell.name for cell in cells))
    elif args.what == "run":
        run(cells, args.studies, args.file, args.np)
    else:
        print((summary if args.what == "summary" else table)(cells, read(args.file)))


def run(cells: Sequence[Cell], studies: int, file: Path, processes: int) -> None:
    """Run the studies that the file does not have yet."""
    done = {(name, number) for name, found in read(file).items() for number in found}
    names = {cell.name for cell in cells}
    wanted = [(n, i) for i in range(studies) for n in names if (n, i) not in done]
    if file.exists() and not file.read_bytes().endswith(b"\n"):
        with file.open("ab") as out:  # a run that was killed left half a line
            out.write(b"\n")
    with (
        ProcessPoolExecutor(processes, initializer=_quiet) as pool,
        file.open("a", encoding="utf-8") as out,
    ):
        for line in tqdm(pool.map(_line, wanted, chunksize=4), total=len(wanted), unit="study"):
            out.write(line + "\n")
            out.flush()


def read(file: Path) -> dict[str, dict[int, dict[str, float]]]:
    """Return cell -> number of the study -> claims; a line that was cut off is left out."""
    found: dict[str, dict[int, dict[str, float]]] = defaultdict(dict)
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        found[entry["cell"]][entry["study"]] = entry["claims"]
    return found


def rows(
    cells: Sequence[Cell], found: Mapping[str, Mapping[int, Mapping[str, float]]]
) -> Iterator[tuple[str, str, int, float, float, float, bool]]:
    """Yield cell, claim, studies, rate, Monte-Carlo error, limit and whether it holds."""
    for cell in cells:
        studies = list(found.get(cell.name, {}).values())
        for claim, (limit, at_least) in cell.limits.items():
            values = np.array([s[claim] for s in studies if not math.isnan(s.get(claim, math.nan))])
            if not len(values):
                continue
            rate = float(values.mean())
            error = math.sqrt(max(limit * (1 - limit), 1e-4) / len(values))
            holds = rate >= limit - ERRORS * error if at_least else rate <= limit + ERRORS * error
            yield cell.name, claim, len(values), rate, error, limit, holds


def table(cells: Sequence[Cell], found: Mapping[str, Mapping[int, Mapping[str, float]]]) -> str:
    """Return the table of all cells as Markdown."""
    lines = ["| cell | claim | studies | rate | limit | holds |", "|---|---|---|---|---|---|"]
    for name, claim, n, rate, error, limit, holds in rows(cells, found):
        mark = "yes" if holds else "**no**"
        lines.append(f"| {name} | {claim} | {n} | {rate:.3f} ± {error:.3f} | {limit:g} | {mark} |")
    return "\n".join(lines)


def summary(cells: Sequence[Cell], found: Mapping[str, Mapping[int, Mapping[str, float]]]) -> str:
    """Return one line per claim and family of cells, as Markdown, with the worst cell."""
    by_claim: dict[tuple[str, str, float, bool], list[tuple[str, int, float, bool]]] = {}
    of_cell = {cell.name: cell.limits for cell in cells}
    for name, claim, n, rate, _, limit, holds in rows(cells, found):
        family, setting = name.split(": ", 1)
        key = (family, claim, limit, of_cell[name][claim][1])
        by_claim.setdefault(key, []).append((setting, n, rate, holds))
    lines = [
        "| cells | claim | limit | studies | rate | worst cell | cells beyond |",
        "|---|---|---|---|---|---|---|",
    ]
    for (family, claim, limit, at_least), each in by_claim.items():
        asked = f"{'at least' if at_least else 'at most'} {limit:g}"
        name, n, worst, _ = (min if at_least else max)(each, key=lambda cell: cell[2])
        total = sum(cell[1] for cell in each)
        mean = sum(cell[1] * cell[2] for cell in each) / total
        lines.append(
            f"| {family}, {len(each)} | {claim} | {asked} | {total:,} | {mean:.3f} "
            f"| {worst:.3f} of {n}: {name} "
            f"| {sum(not cell[3] for cell in each)} |"
        )
    return "\n".join(lines)


def _quiet() -> None:
    """Turn off the progress bars of the evaluator; this script has its own."""
    tqdm.__init__ = functools.partialmethod(tqdm.__init__, disable=True)


def _line(what: tuple[str, int]) -> str:
    name, number = what
    cell = _CELLS[name]
    generator = np.random.default_rng([number, zlib.crc32(name.encode())])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        claims = dict(cell.study(generator))
    return json.dumps({"cell": name, "study": number, "claims": claims})


def patients_of(generator: np.random.Generator, design: Design) -> pd.DataFrame:
    """Draw images: columns ``patient``, ``group``, ``u`` (correlated uniform numbers)."""
    frames, first = [], 0
    for group, size in enumerate(design.sizes):
        choices = design.images[group % len(design.images)]
        images = generator.choice(choices, size)
        patient = np.repeat(np.arange(first, first + size), images)
        shared = generator.standard_normal(size)[patient - first]
        own = generator.standard_normal(len(patient))
        latent = math.sqrt(design.correlation) * shared + math.sqrt(1 - design.correlation) * own
        frames.append(pd.DataFrame({"patient": patient, "group": group, "u": ndtr(latent)}))
        first += size
    return pd.concat(frames, ignore_index=True)


def metric_info(name: str) -> MetricInfo:
    """Return a metric of the registry, in mm where it is a distance."""
    metric = METRICS[name]
    unit = "mm" if metric.is_distance else ""
    return MetricInfo(
        name,
        metric.title,
        unit,
        metric.better,
        metric.definition,
        metric.one_minus_is_error,
        lowest=0.0,
        highest=metric.highest,
    )


def evaluated(
    frame: pd.DataFrame,
    metric: str,
    attributes: Sequence[str],
    bootstrap: int = 1000,
    discover: DiscoverySettings | None = None,
    margin: float | None = None,
) -> EvaluationResult:
    """Let the evaluator evaluate.

    Args:
        frame: Columns ``patient``, ``value``, the attributes, and ``voxels`` where sizes are known.
        metric: What the values are.
        attributes: Columns of groups.
        bootstrap: Resamples.
        discover: How subgroups are searched, in all attributes; None: not at all.
        margin: Gap of means that is to be excluded.
    """
    info = metric_info(metric)
    cases = [f"c{number:06d}" for number in range(len(frame))]
    rows = pd.DataFrame({"case": cases, "label": "organ", "flags": "", info.column: frame["value"]})
    voxels = frame["voxels"] if "voxels" in frame else pd.array([pd.NA] * len(rows), "Int64")
    rows["reference_voxels"] = rows["prediction_voxels"] = voxels
    about = pd.DataFrame({"case": cases, "patient": "p" + frame["patient"].astype(str)})
    for attribute in attributes:
        about[attribute] = "g" + frame[attribute].astype(str).str.zfill(2)
    scores = Scores(Path("simulated.csv"), "", rows, (info,), ("organ",), about, 0)
    settings = ScoredSettings(
        statistics=StatisticsSettings(n_bootstrap=bootstrap),
        margins={} if margin is None else {metric: margin},
    )
    demographics = table_of_scores(scores, TableSettings())
    asked = attributes[:1] if discover else attributes
    result = evaluate_scores(scores, demographics, asked, settings)
    if discover:
        result = with_findings(with_discovery(result, demographics, discover))
    return result


def verdicts(result: EvaluationResult | ModelComparison) -> dict[str, float]:
    """Return ``kind verdict`` -> 1 if a finding of the result says so, else 0."""
    claims: dict[str, float] = {}
    for found in result.findings:
        plain = found.quantity in ("", "median", found.kind)
        kind = found.kind if plain else f"{found.kind} {found.quantity}"
        for verdict in ("shown", "signs", "excluded", "not_shown"):
            said = float(found.verdict == verdict)
            claims[f"{kind} {verdict}"] = max(claims.get(f"{kind} {verdict}", 0.0), said)
    return claims


#: Claims of a single comparison of groups -> their nominal rate under the null.
NULL = {
    "group_difference shown": (0.05, False),
    "group_difference signs": (0.10, False),
    "group_difference mean shown": (0.05, False),
    "group_difference mean signs": (0.10, False),
    "failure_rate shown": (0.05, False),
    "failure_rate signs": (0.10, False),
}


def null_cell(law: str, design: str) -> Cell:
    """Return a cell in which no group differs: everything that is shown is false."""

    def study(generator: np.random.Generator) -> Mapping[str, float]:
        frame = patients_of(generator, DESIGNS[design])
        frame["value"] = LAWS[law].values(frame["u"].to_numpy())
        return verdicts(evaluated(frame, LAWS[law].metric, ["group"]))

    return Cell(f"group: {law}; {design}", NULL, study)


def truths(law: Law, shifts: Sequence[float], sizes: Sequence[int]) -> dict[str, float]:
    """Return the true value of every statistic of groups that are worse by these amounts."""
    return truths_of([law.truth(shift) for shift in shifts], sizes)


def truths_of_patients(
    law: Law, shifts: Sequence[float], sizes: Sequence[int], images: Sequence[int], rho: float
) -> dict[str, float]:
    """Return the truth about means of several images, of 40,000 patients per group."""
    drawn = np.random.default_rng(0)
    samples = []
    for shift in shifts:
        frame = patients_of(drawn, Design((40_000,), (tuple(images),), rho))
        values = law.values(frame["u"].to_numpy(), shift)
        samples.append(np.bincount(frame["patient"], values) / np.bincount(frame["patient"]))
    return truths_of([np.sort(sample) for sample in samples], sizes)


def truths_of(samples: Sequence[np.ndarray], sizes: Sequence[int]) -> dict[str, float]:
    """Return every statistic of large ordered samples."""
    means = np.array([sample.mean() for sample in samples])
    medians = np.array([np.median(sample) for sample in samples])
    overall = float(np.average(means, weights=sizes))
    found = {f"mean g{i:02d}": float(mean) for i, mean in enumerate(means)}
    found |= {f"median g{i:02d}": float(median) for i, median in enumerate(medians)}
    found["overall mean"] = overall
    found["fairness_gap"] = float(medians[0] - medians[1])
    found["cliffs_delta"] = _cliffs_delta(samples[0], samples[1])
    found["delta"] = float(np.ptp(means))
    found["std"] = float(means.std(ddof=1))
    found["ser"] = float(gaps.skewed_error_ratio_along(medians))
    found["skew"] = float(gaps.skewed_error_ratio_along(means))
    for deviation in ("std", "absolute"):
        scaled = gaps.equity_scaled_along(np.array(overall), means, deviation)
        found[f"es_{deviation}"] = float(scaled)
    return found


def _cliffs_delta(first: np.ndarray, second: np.ndarray) -> float:
    below = np.searchsorted(second, first, side="left").mean()
    above = len(second) - np.searchsorted(second, first, side="right").mean()
    return float((below - above) / len(second))


def intervals(result: EvaluationResult) -> dict[str, Interval]:
    """Return every interval that is printed about the groups, by the names of :func:`truths`."""
    comparison = result.comparisons[0]
    found = {f"mean {name}": group.mean_interval for name, group in comparison.groups.items()}
    found |= {f"median {name}": g.median_interval for name, g in comparison.groups.items()}
    found["overall mean"] = comparison.overall.mean_interval
    for gap in comparison.gaps:
        if gap.name != "fairness_gap" or gap.between == ("g00", "g01"):
            found[gap.name] = gap.interval
    for effect in comparison.effects:
        if effect.between == ("g00", "g01"):
            found["cliffs_delta"] = effect.interval
    return found


#: Statistics whose interval must hold the truth in 0.93 of all studies, where it is printed.
COVERED = (
    "mean", "median", "overall mean", "fairness_gap", "cliffs_delta", "delta", "std", "ser", "skew",
    "es_std", "es_absolute",
)  # fmt: skip


def coverage_cell(
    law: str, sizes: tuple[int, ...], shift: float, images: tuple[int, ...] = (1,)
) -> Cell:
    """Return a cell that counts how often intervals hold the truth, where one is printed.

    With several images per patient, medians are those of images where the numbers of images of
    the two groups happen to differ, else those of patients' means.
    """
    shifts = [0.0, *[shift] * (len(sizes) - 1)]
    distribution = LAWS[law]
    of_images = truths(distribution, shifts, sizes)
    of_patients = of_images
    if images != (1,):
        of_patients = truths_of_patients(distribution, shifts, sizes, images, 0.4)

    def study(generator: np.random.Generator) -> Mapping[str, float]:
        correlation = 0.4 if images != (1,) else 0.0
        frame = patients_of(generator, Design(sizes, (images,), correlation))
        worse_by = np.array(shifts)[frame["group"].to_numpy()]
        frame["value"] = distribution.values(frame["u"].to_numpy(), worse_by)
        result = evaluated(frame, distribution.metric, ["group"])
        held: dict[str, list[float]] = defaultdict(list)
        true = of_images if result.comparisons[0].by_image else of_patients
        for name, limits in intervals(result).items():
            if name in true and not math.isnan(limits.low):
                inside = limits.low - 1e-9 <= true[name] <= limits.high + 1e-9
                what = name.split(" g0")[0]
                held[f"{what} covered"].append(float(inside))
        return {what: float(np.mean(values)) for what, values in held.items()}

    limits = {f"{what} covered": (0.93, True) for what in COVERED}
    several = "" if images == (1,) else f", {images[0]} to {images[-1]} images"
    name = f"coverage: {law}; {' + '.join(map(str, sizes))}, worse by {shift:g}{several}"
    return Cell(name, limits, study)


#: Claims of a comparison of models -> their nominal rate where nothing differs.
NULL_MODELS = {
    f"{claim} {verdict}": (0.05 if verdict == "shown" else 0.10, False)
    for claim in (
        "model_change overall_mean", "model_change group_mean", "model_change worst_group_mean",
        "model_change between_group_variance", "model_change absolute_gap",
        "rank overall_mean", "rank worst_group_mean", "rank between_groups",
    )
    for verdict in ("shown", "signs")
} | {"any shown": (0.05, False)}  # fmt: skip


@dataclass(frozen=True)
class Models:
    """Models on the same cases, without any difference that lasts.

    Attributes:
        count: Number of models.
        sizes: Patients of each group.
        law: Law of the values; None: normal values of mean 0.8, clipped to 0..1.
        deviations: Standard deviation of each model's values (normal ones).
        spread: Standard deviation of the true means of the groups, the same for all models, or
            that of each model.
        agreement: Correlation of the models' values.
        images: Numbers of images per patient to draw from.
    """

    count: int
    sizes: tuple[int, ...]
    law: str | None = None
    deviations: tuple[float, ...] = (0.08,)
    spread: tuple[float, ...] = (0.0,)
    agreement: float = 0.7
    images: tuple[int, ...] = (1,)


MODELS: Mapping[str, Models] = {
    "2 models, one with half the SD, 8 x 20": Models(2, (20,) * 8, None, (0.12, 0.06)),
    "2 models, one with half the SD, 4 x 20": Models(2, (20,) * 4, None, (0.12, 0.06)),
    "2 models, one with half the SD, 2 x 40": Models(2, (40, 40), None, (0.12, 0.06)),
    "2 models, half the SD, equal gaps, 8 x 50": Models(2, (50,) * 8, None, (0.12, 0.06), (0.04,)),
    "2 models, Dice with 3% zeros, 2 x 50": Models(2, (50, 50), "Dice, 3% zeros"),
    "2 models, NSD with ties, 20 + 100": Models(2, (20, 100), "NSD, ties at 1"),
    "2 models, HD95, 4 x 30": Models(2, (30,) * 4, "HD95, 3% capped"),
    "2 models, 1 to 5 images, 2 x 40": Models(2, (40, 40), images=(1, 2, 3, 4, 5)),
    "12 equal models, 2 x 50": Models(12, (50, 50)),
    "12 equal models, 4 x 30": Models(12, (30,) * 4, "Dice, 3% zeros"),
}


def models_study(models: Models, generator: np.random.Generator) -> Mapping[str, float]:
    """Evaluate and compare models; return what the comparison claims."""
    frame = patients_of(generator, Design(models.sizes, (models.images,), 0.4))
    shared = stats.norm.ppf(frame["u"].to_numpy())
    group = frame["group"].to_numpy()
    truth = generator.standard_normal(len(models.sizes))
    truth = (truth - truth.mean()) / truth.std(ddof=1)
    results = []
    for number in range(models.count):
        own = generator.standard_normal(len(frame))
        latent = math.sqrt(models.agreement) * shared + math.sqrt(1 - models.agreement) * own
        if models.law is not None:
            metric, values = LAWS[models.law].metric, LAWS[models.law].values(ndtr(latent))
        else:
            deviation = models.deviations[number % len(models.deviations)]
            spread = models.spread[number % len(models.spread)]
            metric = "dice"
            values = (0.7 + spread * truth[group] + deviation * latent).clip(0, 1)
        frame["value"] = values
        results.append(evaluated(frame, metric, ["group"], bootstrap=0))
    names = [f"model {number}" for number in range(models.count)]
    claims = verdicts(compare_models(results, names, n_bootstrap=1000))
    claims["any shown"] = max(v for claim, v in claims.items() if claim.endswith(" shown"))
    return claims


@dataclass(frozen=True)
class Trainings:
    """Two methods that are the same, each trained several times; no group differs.

    Attributes:
        number: Trainings of each method.
        sizes: Patients of each group.
        common: Standard deviation between trainings of the mean of all patients.
        by_group: That of each group's mean, in addition.
    """

    number: tuple[int, int]
    sizes: tuple[int, ...]
    common: float
    by_group: float


TRAININGS: Mapping[str, Trainings] = {
    "2 + 2, 2 x 50": Trainings((2, 2), (50, 50), 0.01, 0.01),
    "3 + 3, 2 x 100": Trainings((3, 3), (100, 100), 0.005, 0.005),
    "3 + 3, 2 x 50, large": Trainings((3, 3), (50, 50), 0.015, 0.02),
    "3 + 3, 4 x 50": Trainings((3, 3), (50,) * 4, 0.01, 0.01),
    "5 + 5, 2 x 100, large": Trainings((5, 5), (100, 100), 0.015, 0.02),
    "2 + 5, 2 x 50": Trainings((2, 5), (50, 50), 0.01, 0.01),
}


def trainings_study(
    trainings: Trainings, gap: float, generator: np.random.Generator
) -> Mapping[str, float]:
    """Evaluate and compare two methods that are the same, and count what is said about them.

    Args:
        trainings: How they are trained.
        gap: How much worse the last group is, under both.
        generator: Source of randomness.
    """
    frame = patients_of(generator, Design(trainings.sizes))
    shared = stats.norm.ppf(frame["u"].to_numpy())
    group = frame["group"].to_numpy()
    methods = []
    for number in trainings.number:
        each = {}
        for training in range(number):
            own = generator.standard_normal(len(frame))
            moved = trainings.by_group * generator.standard_normal(len(trainings.sizes))[group]
            moved += trainings.common * generator.standard_normal()
            values = 0.75 + 0.08 * (math.sqrt(0.9) * shared + math.sqrt(0.1) * own) + moved
            frame["value"] = (values - gap * (group == group.max())).clip(0, 1)
            each[f"run_{training}"] = evaluated(frame, "dice", ["group"], bootstrap=300)
        methods.append(method_of(each, "repeats"))
    claims = verdicts(methods[0]) | verdicts(compare_models(methods, ["a", "b"], n_bootstrap=0))
    changes = ("model_change", "rank")
    claims["any shown"] = max(
        v for claim, v in claims.items() if claim.startswith(changes) and claim.endswith(" shown")
    )
    return claims


def trainings_cells() -> Iterator[Cell]:
    """Yield null cells of methods with several trainings, and the power for a gap of 0.08."""
    for name, trainings in TRAININGS.items():
        study = functools.partial(trainings_study, trainings, 0.0)
        yield Cell(f"trainings: {name}", {**NULL, **NULL_MODELS}, study)
    for number in (3, 5):
        trainings = Trainings((number, number), (100, 100), 0.01, 0.01)
        study = functools.partial(trainings_study, trainings, 0.08)
        power = {"group_difference shown": (0.5, True)}
        yield Cell(f"trainings: {number} + {number}, 2 x 100, gap 0.08", power, study)


#: Groups of the attributes that are searched for subgroups: sex, site, scanner, and so on.
SEARCHED = {"a": 2, "b": 3, "c": 4, "d": 3, "e": 2, "f": 5}


def discovery_study(
    law: str,
    patients: int,
    images: tuple[int, ...],
    planted: float,
    generator: np.random.Generator,
    rho: float = 0.4,
    confirm: bool = False,
    by_group: bool = False,
) -> Mapping[str, float]:
    """Search a study.

    Args:
        law: Of the values.
        patients: Their number.
        images: Numbers of images per patient to draw from.
        planted: How much worse the subgroup of about 26 of 1,000 is.
        generator: Source of randomness.
        rho: Correlation of the images of one patient.
        confirm: Whether what is found in one half is tested in the other.
        by_group: Whether patients of the first group of attribute ``a`` have the fewest images and
            all others the most.
    """
    frame = patients_of(generator, Design((patients,), (images,), rho if images != (1,) else 0.0))
    if by_group:
        few = generator.random(patients) < 0.7
        number = frame.groupby("patient").cumcount()
        frame = frame[~few[frame["patient"].to_numpy()] | (number < min(images))]
        frame = frame.reset_index(drop=True)
    for name, count in SEARCHED.items():
        shares = np.array([0.7, *[0.3 / (count - 1)] * (count - 1)])
        # half of the attributes vary within patients, as age does between visits
        varies = images != (1,) and name in "bdf" and not by_group
        drawn = generator.choice(count, len(frame) if varies else patients, p=shares)
        if by_group and name == "a":
            drawn = (~few).astype(int)
        frame[name] = drawn if varies else drawn[frame["patient"].to_numpy()]
    inside = np.zeros(len(frame), dtype=bool)
    if planted:
        inside[generator.choice(len(frame), 26, replace=False)] = True
        frame.loc[inside, ["a", "c"]] = (1, 2)
        frame.loc[~inside & (frame["a"] == 1) & (frame["c"] == 2), "c"] = 0
    frame["value"] = LAWS[law].values(frame["u"].to_numpy(), planted * inside)
    discover = DiscoverySettings(confirm=confirm)
    result = evaluated(frame, LAWS[law].metric, list(SEARCHED), bootstrap=0, discover=discover)
    named = [found for found in result.findings if found.kind == "subgroup"]
    shown = [found for found in named if found.verdict == "shown"]
    claims = {"subgroup shown": float(bool(shown))}
    claims["subgroup signs"] = float(any(found.verdict == "signs" for found in named))
    if planted:
        items = {"a": "g01", "c": "g02"}
        claims = {
            "planted subgroup shown": float(any(f.items == items for f in shown)),
            "planted subgroup first": float(bool(shown) and shown[0].items == items),
        }
    return claims


def discovery_cells() -> Iterator[Cell]:
    """Yield null cells and one with a planted subgroup."""
    limits = {"subgroup shown": (0.05, False), "subgroup signs": (0.10, False)}
    for law in ("beta Dice", "Dice, 3% zeros", "detection", "HD95, 3% capped", "NSD, ties at 1"):
        for patients in (200, 1000):
            for images in ((1,), (1, 2, 3, 4, 5)):
                yield Cell(
                    f"discovery: {law}; {patients} patients, {images[-1]} images",
                    limits,
                    functools.partial(discovery_study, law, patients, images, 0.0),
                )
    for name, images, rho, more in (
        ("200 patients, 1 or 5 images by group, rho 0.4", (1, 5), 0.4, {"by_group": True}),
        ("200 patients, 1 or 5 images by group, rho 0.8", (1, 5), 0.8, {"by_group": True}),
        ("200 patients, 3 images, rho 0.8", (3,), 0.8, {}),
        ("200 patients, confirmed", (1,), 0.0, {"confirm": True}),
        ("200 patients, 1 to 5 images, confirmed", (1, 2, 3, 4, 5), 0.4, {"confirm": True}),
    ):
        study = functools.partial(
            discovery_study, "Dice, 3% zeros", 200, images, 0.0, rho=rho, **more
        )
        yield Cell(f"discovery: Dice, 3% zeros; {name}", limits, study)
    power = {"planted subgroup shown": (0.95, True), "planted subgroup first": (0.90, True)}
    study = functools.partial(discovery_study, "beta Dice", 1000, (1,), 0.1)
    yield Cell("discovery: planted, 26 of 1,000 worse by 0.10", power, study)


def equivalence_cell(law: str, sizes: tuple[int, ...], images: tuple[int, ...] = (1,)) -> Cell:
    """Return a cell in which the gaps of means are exactly the margin: either claim is false."""
    shifts = [0.0, *[0.05] * (len(sizes) - 1)]
    true = truths(LAWS[law], shifts, sizes)
    margin = abs(true["mean g00"] - true["mean g01"])

    def study(generator: np.random.Generator) -> Mapping[str, float]:
        frame = patients_of(generator, Design(sizes, (images,), 0.4 if images != (1,) else 0.0))
        worse_by = np.array(shifts)[frame["group"].to_numpy()]
        frame["value"] = LAWS[law].values(frame["u"].to_numpy(), worse_by)
        return verdicts(evaluated(frame, LAWS[law].metric, ["group"], margin=margin))

    several = "" if images == (1,) else f"; {images[0]} to {images[-1]} images"
    limits = {f"equivalence mean {verdict}": (0.05, False) for verdict in ("excluded", "shown")}
    return Cell(f"equivalence: {law}; {' + '.join(map(str, sizes))}{several}", limits, study)


def size_study(
    radii: tuple[float, float], errors: tuple[float, float], generator: np.random.Generator
) -> Mapping[str, float]:
    """Say whether size explains a gap of Dice between two groups of 60 patients each.

    Args:
        radii: Of the discs of either group, varying by 15%.
        errors: Mean boundary error of either group, varying by 30%.
        generator: Source of randomness.
    """
    group = np.repeat([0, 1], 60)
    radius = np.array(radii)[group] * np.exp(0.15 * generator.standard_normal(120))
    error = np.array(errors)[group] * np.exp(0.3 * generator.standard_normal(120))
    frame = pd.DataFrame({"patient": np.arange(120), "group": group})
    # a disc that is larger by the error all around, beside its reference
    frame["value"] = 2 * radius**2 / (radius**2 + (radius + error) ** 2)
    frame["voxels"] = pd.array(np.round(np.pi * radius**2).astype(int), "Int64")
    found = verdicts(evaluated(frame, "dice", ["group"]))
    return {claim: value for claim, value in found.items() if claim.startswith("size_explains")}


def size_cells() -> Iterator[Cell]:
    """Yield what is said of size: where it is the only cause, half of it, and none."""
    shown, not_shown = (f"size_explains share_of_gap_left {v}" for v in ("shown", "not_shown"))
    for name, radii, errors, limits in (
        ("the only cause", (14.0, 10.0), (1.0, 1.0), {not_shown: (0.05, False)}),
        ("less than half of it", (11.0, 10.0), (1.0, 1.3), {shown: (0.05, False)}),
        ("a small part of it", (10.7, 10.0), (1.0, 1.5), {shown: (0.05, False)}),
    ):
        yield Cell(f"size: {name}", limits, functools.partial(size_study, radii, errors))


def power_cell(law: str, sizes: tuple[int, ...], shift: float, least: float) -> Cell:
    """Return a cell in which one group is worse: how often that is shown."""
    shifts = np.array([0.0] * (len(sizes) - 1) + [shift])

    def study(generator: np.random.Generator) -> Mapping[str, float]:
        frame = patients_of(generator, Design(sizes))
        frame["value"] = LAWS[law].values(frame["u"].to_numpy(), shifts[frame["group"].to_numpy()])
        return verdicts(evaluated(frame, LAWS[law].metric, ["group"]))

    name = f"power: {law}; {' + '.join(map(str, sizes))}, the last worse by {shift:g}"
    return Cell(name, {"group_difference shown": (least, True)}, study)


def failing_cell(shares: tuple[float, ...], sizes: tuple[int, ...], least: float) -> Cell:
    """Return a cell in which one group fails more often: how often that is shown."""
    laws = [_with_failures(share, lambda u: stats.beta.ppf(u, 12, 1.5)) for share in shares]

    def study(generator: np.random.Generator) -> Mapping[str, float]:
        frame = patients_of(generator, Design(sizes))
        each = [np.interp(frame["u"], _GRID, law) for law in laws]
        frame["value"] = np.choose(frame["group"].to_numpy(), each)
        return verdicts(evaluated(frame, "dice", ["group"]))

    percents = ", ".join(f"{share:.0%}" for share in shares)
    name = f"power: failures {percents}; {' + '.join(map(str, sizes))}"
    return Cell(name, {"failure_rate shown": (least, True)}, study)


def all_cells() -> list[Cell]:
    """Return every setting."""
    cells = [null_cell(law, design) for law in LAWS for design in DESIGNS]
    for law in LAWS:
        for sizes in ((10, 10), (20, 20), (50, 50), (10, 10, 10, 10)):
            cells.append(coverage_cell(law, sizes, 0.05))
        cells.append(coverage_cell(law, (20, 20), 0.05, (1, 2, 3, 4, 5)))
    for name, models in MODELS.items():
        study = functools.partial(models_study, models)
        cells.append(Cell(f"models: {name}", NULL_MODELS, study))
    cells += trainings_cells()
    cells += discovery_cells()
    for law in ("beta Dice", "Dice, 3% zeros", "Dice, 8% zeros", "NSD, ties at 1", "gaussian"):
        for sizes in ((50, 50), (12, 180), (40, 40, 40, 40)):
            cells.append(equivalence_cell(law, sizes))
    cells.append(equivalence_cell("gaussian", (40, 40), (1, 2, 3, 4, 5)))
    cells += size_cells()
    cells.append(power_cell("beta Dice", (50, 50), 0.06, 0.5))
    cells.append(power_cell("gaussian", (50, 50), 0.04, 0.8))
    cells.append(power_cell("gaussian", (100,) * 5, 0.03, 0.6))
    cells.append(failing_cell((0.03, 0.15), (100, 100), 0.7))
    return cells


_CELLS = {cell.name: cell for cell in all_cells()}

if __name__ == "__main__":
    main()
