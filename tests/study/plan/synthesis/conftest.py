"""Studies of a dataset, and of one made of it with synthetic cases."""

from collections.abc import Callable

import pytest

from tests.study.plan.changing import changing

#: A dataset with 8 training cases of women and 12 of men, and groups of equal size made of it.
FILLED = """\
title: Filled up
datasets:
  - id: 901
    configurations: [2d]
    folds: [0, 1]
    number_of_folds: 2
  - id: 903
    synthesis: {dataset: 901, attribute: sex}
    configurations: [2d]
    folds: [1]
attributes: [sex]
trainers:
  - nnUNetTrainer
  - nnUNetTrainerOversampling_sex
"""


@pytest.fixture
def changed() -> Callable[..., str]:
    """The study with some of its text replaced: pairs of old and new."""
    return changing(FILLED)
