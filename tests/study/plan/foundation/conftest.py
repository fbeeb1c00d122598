"""Studies of prompted models, whose weights are small and random."""

import sys

import pytest

from tests.study.conftest import STUDY

# transformers 5, and so all that is built on it, needs Python 3.11
collect_ignore_glob = ["test_*.py"] if sys.version_info < (3, 11) else []

SAM = """\
sam:
  models: {SAM: sam_vit_tiny.pth}
"""


@pytest.fixture
def sam_plan(study_root, plan, monkeypatch):
    """Plan a study with the key sam; weights are looked at in this process."""
    from nnunetv2_fair.foundation.describe import describe_weights
    from nnunetv2_fair.study.plan.foundation import choose
    from tests.foundation.tiny_models import write_tiny

    def ask(models, environment):
        keys = ("name", "weights", "family")
        return describe_weights([dict(zip(keys, model, strict=True)) for model in models])

    monkeypatch.setattr(choose, "ask_weights", ask)
    write_tiny(study_root)

    def make(extra: str = SAM, text: str = STUDY):
        return plan(text, extra)

    return make
