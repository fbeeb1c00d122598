"""A small configuration from Python."""

import json

import pytest

from nnunetv2_fair.errors import UsageError
from nnunetv2_fair.nnunet.trial_configuration import add_trial_configuration


def test_what_was_added_is_said(tiny_nnunet):
    plans_file = tiny_nnunet["preprocessed"] / "nnUNetPlans.json"
    added = add_trial_configuration(901, features=4, batch_size=2, patch=16)
    written = json.loads(plans_file.read_text())["configurations"]["2d_trial"]
    assert (added.name, added.dataset) == ("2d_trial", "Dataset901_Tiny")
    assert added.plans_file == plans_file
    assert list(added.patch_size) == written["patch_size"]
    assert added.batch_size == written["batch_size"] == 2
    assert written["inherits_from"] == "2d"


def test_a_configuration_that_is_not_planned_is_refused(tiny_nnunet):
    with pytest.raises(UsageError, match=r"has no configuration '3d_fullres'\. It has 2d"):
        add_trial_configuration(901, "3d_fullres")
