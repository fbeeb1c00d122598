"""No patient's value can be worked out from a shareable evaluation."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from nnunetv2_fair.evaluation.disclosure.of_groups import Values, shown_comparison
from nnunetv2_fair.evaluation.disclosure.samples import samples_of
from nnunetv2_fair.evaluation.disclosure.sums import secret_means
from nnunetv2_fair.evaluation.disclosure.suppression import find_suppression
from nnunetv2_fair.evaluation.findings.all_findings import with_findings
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.results.json_file import to_json
from nnunetv2_fair.evaluation.results.values import MetricInfo
from nnunetv2_fair.evaluation.statistics.all_comparisons import GroupVocabulary, compare_all
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings, compare_groups
from nnunetv2_fair.evaluation.statistics.small_groups import Observations
from tests.evaluation.disclosure import attack

DICE = MetricInfo("dice", "Dice", "", "higher", "Overlap.", True)
HD95 = MetricInfo("hd95", "HD95", "px", "lower", "Distance.")

HOW = StatisticsSettings(n_bootstrap=60)

KINDS = {
    "dice to four decimals": (DICE, attack.decimals(4)),
    "dice to two decimals": (DICE, attack.decimals(2)),
    "distances in pixels": (HD95, attack.roots(60)),
}


def evaluated(metric: MetricInfo, table: attack.Table, values: np.ndarray) -> EvaluationResult:
    n = len(values)
    frame = pd.DataFrame(
        {
            "case": [f"case_{i:03d}x" for i in range(n)],
            "patient": [f"Jane Doe {i:03d}" for i in range(n)],
            "sex": table.groups,
            "label": "organ",
            metric.column: values,
            f"diagonal_{metric.unit or 'px'}": 99.0,
            "reference_voxels": 9,
            "prediction_voxels": 8,
            "flags": "",
        }
    )
    names = tuple(sorted(set(table.groups)))
    return with_findings(
        EvaluationResult(
            name="model",
            per_case=frame,
            metrics=(metric,),
            labels=("organ",),
            attributes=("sex",),
            comparisons=compare_all(
                frame, (metric,), ["organ"], [GroupVocabulary("sex", names, None)], "diagonal", HOW
            ),
            settings={"min_patients": 5, "confidence": 0.95, "empty_distance": "diagonal"},
            group_parts={"sex": {name: (name,) for name in names}},
        )
    )


class Publisher:
    """Publishes comparisons of drawn patients; the same as `shareable`, without its tables."""

    def __init__(self, metric: MetricInfo, table: attack.Table) -> None:
        self.metric, self.table = metric, table
        self.names = tuple(sorted(set(table.groups)))
        self.people = pd.DataFrame(
            {"patient": [f"Jane Doe {i:03d}" for i in range(len(table.values))],
             "sex": table.groups}
        )  # fmt: skip
        self.nothing = find_suppression(self.people, {"sex": {g: (g,) for g in self.names}})
        self.codes = np.array([self.names.index(g) for g in table.groups])

    def __call__(self, values: np.ndarray) -> dict[str, object]:
        """Return what is published, number by number."""
        made = compare_groups(
            Observations(
                values, np.zeros(len(values), bool), self.people["patient"].to_numpy(object),
                self.codes, self.names,
            ),
            attribute="sex", metric=self.metric.name, label="organ", reference=None,
            error_measures=self.metric.one_minus_is_error, settings=HOW,
        )  # fmt: skip
        samples = samples_of(values, self.people, "sex", by_image=made.by_image)
        secret = secret_means(self.people, {"sex": samples}, self.nothing)
        what = Values(
            self.nothing, self.nothing, samples, frozenset(group for _, group in secret), 0.05
        )
        return dict(leaves(to_json(shown_comparison(made, self.metric, what, 5))))


def leaves(content: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Yield every number and word with its place."""
    if isinstance(content, dict):
        for key, entry in content.items():
            yield from leaves(entry, f"{path}/{key}")
    elif isinstance(content, list):
        for place, entry in enumerate(content):
            # measures that are hidden leave the list: their place is their name
            name = entry["name"] if isinstance(entry, dict) and "name" in entry else place
            name = (
                (name, *entry["between"])
                if isinstance(entry, dict) and "between" in entry
                else name
            )
            yield from leaves(entry, f"{path}/{name}")
    else:
        yield path, content


def sizes_of(random: np.random.Generator) -> list[int]:
    return [int(n) for n in random.integers(5, 13, size=random.integers(2, 4))]


def run(seeds: range, tries: int = 60) -> list[tuple[int, str, list[int]]]:
    """Attack random tables; return those in which values may have been answered."""
    failed = []
    for seed in seeds:
        random = np.random.default_rng(seed)
        kind = list(KINDS)[seed % len(KINDS)]
        metric, levels = KINDS[kind]
        table = attack.drawn(levels, sizes_of(random), random)
        found = attack.told_patients(table, Publisher(metric, table), random, tries)
        if found:
            failed.append((seed, kind, found))
    return failed


