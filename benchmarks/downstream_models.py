"""How often a comparison of models claims anything about errors of downstream measures.

python benchmarks/downstream_models.py [STUDIES]

Two models and four measures of the left ventricle, whose absolute errors share how hard a patient
is. The second model's errors have the same distribution, or one that is half as large.
"""

import dataclasses
import sys
from itertools import product

import numpy as np
import pandas as pd
import scipy.stats

from nnunetv2_fair.evaluation.downstream.groups import compare_errors
from nnunetv2_fair.evaluation.downstream.measures import measure_info
from nnunetv2_fair.evaluation.findings.of_models.downstream_changes import downstream_changes
from nnunetv2_fair.evaluation.model_comparison.downstream.errors import error_comparisons
from nnunetv2_fair.evaluation.results.comparison import ModelComparison
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.statistics.all_comparisons import GroupVocabulary
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings

SIZES = ((10, 10), (20, 100))
ERRORS = {
    "half-normal": scipy.stats.halfnorm(),
    "gamma": scipy.stats.gamma(2),
    "half-Cauchy": scipy.stats.halfcauchy(),
}
MEASURES = ("lvedv", "lvesv", "lvsv", "ef")
SETTINGS = StatisticsSettings(n_bootstrap=20)
FACTORS = (1.0, 0.5)


def evaluations(
    sizes: tuple[int, int],
    errors: scipy.stats.rv_continuous,
    factor: float,
    generator: np.random.Generator,
) -> list[EvaluationResult]:
    """Return evaluations of two models on the same patients."""
    sexes = np.repeat(["f", "m"], sizes)
    patients = [f"p{number}" for number in range(len(sexes))]
    hard = errors.rvs(len(sexes), random_state=generator)
    made = []
    for scale in (1.0, factor):
        rows = pd.concat(
            pd.DataFrame({
                "case": patients, "patient": patients, "sex": sexes, "label": "LV", "measure": name,
                "reference": 1.0, "prediction": 1.0, "error": 0.0,
                "absolute_error": scale * hard * generator.gamma(2.0, 0.5, len(sexes)),
            })
            for name in MEASURES
        )  # fmt: skip
        found = [
            compare_errors(
                rows[rows["measure"] == name].iloc[:0], "LV", measure_info(name, "mm"),
                GroupVocabulary("sex", ("f", "m"), None, None), SETTINGS, (),
            )
            for name in MEASURES
        ]  # fmt: skip
        result = EvaluationResult(
            "", pd.DataFrame(), (), (), ("sex",), (), (), (), {}, {"unit": "patient"}, {}, "", "",
            downstream=tuple(found), downstream_cases=rows,
        )  # fmt: skip
        made.append(result)
    return made


def claims(results: list[EvaluationResult]) -> bool:
    """Return whether any error is shown to change."""
    entries = error_comparisons(results, ["a", "b"], SETTINGS)
    told = ModelComparison(("a", "b"), "a", (), (), ("sex",), (), settings={"confidence": 0.95})
    told = dataclasses.replace(told, downstream=entries)
    return any(f.verdict == "shown" for f in downstream_changes(told))


def main(n_studies: int) -> None:
    """Print a row per number of patients and distribution of errors."""
    print("| patients | errors | shown: equal models | half the errors |")
    print("|---|---|---|---|")
    for sizes, (name, errors) in product(SIZES, ERRORS.items()):
        rates = []
        for factor in FACTORS:
            generator = np.random.default_rng(0)
            told = [claims(evaluations(sizes, errors, factor, generator)) for _ in range(n_studies)]
            rates.append(f"{np.mean(told):.3f}")
        print(f"| {sizes[0]} + {sizes[1]} | {name} | {' | '.join(rates)} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 400)
