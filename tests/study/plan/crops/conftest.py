"""Studies of a dataset and its crops."""

from collections.abc import Callable

import pytest

from tests.study.plan.changing import changing

#: A dataset, its crops, and cascades on the test part.
CROPPED = """\
title: Crops
datasets:
  - id: 901
    configurations: [2d]
    folds: [0, 1]
    number_of_folds: 2
    tests:
      - {name: internal, cascade: 903}
  - id: 903
    crop: {dataset: 901, margin: 3}
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
    return changing(CROPPED)
