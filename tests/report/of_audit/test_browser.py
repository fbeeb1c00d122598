"""The page of an audit in a real browser."""

from collections.abc import Iterator

import pytest
from selenium import webdriver

from nnunetv2_fair.audit.labels.request import audit_labels
from nnunetv2_fair.report.of_audit.page import write_audit
from tests.audit.factories import make_masks
from tests.report.browser import LOOKS, open_page, started, stray_links, unfold, violations

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    yield from started()


def test_accessible(browser, tmp_path):
    masks = make_masks(tmp_path / "masks", 28, 24)
    found = audit_labels(
        masks.folder("expert"), masks.folder("automated"), masks.table, ["age"],
        predictions=[masks.folder("pred/run_0")], second_expert=masks.folder("second"),
        source="site",
    )  # fmt: skip
    write_audit(found, tmp_path / "out")
    for width, scheme in (LOOKS[0], LOOKS[-1]):
        open_page(browser, tmp_path / "out" / "audit.html", width, scheme=scheme)
        assert violations(browser) == []
        unfold(browser)
        assert violations(browser) == []
        assert stray_links(browser) == []
