"""The page of an audit: well formed, whatever names the data have."""

import pytest

from nnunetv2_fair.audit.labels.request import audit_labels
from nnunetv2_fair.evaluation.run import EvaluationSettings
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings
from nnunetv2_fair.report.of_audit.page import rendered
from tests.audit.factories import make_masks
from tests.report.html_check import Page

HOSTILE = ("<script>alert(1)</script>", "young & 'old' {{ 7*7 }}")


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    masks = make_masks(tmp_path_factory.mktemp("audit"), 28, 24, HOSTILE)
    return audit_labels(
        masks.folder("expert"), masks.folder("automated"), masks.table, ["age"],
        predictions=[masks.folder("pred/run_0")],
        trained_on_expert=[masks.folder("taught/run_0")],
        trained_on_automated=[masks.folder("learned/run_0")],
        second_expert=masks.folder("second"), source="site",
        settings=EvaluationSettings(
            ("dice", "hd95"), adjust=("site",), statistics=StatisticsSettings(n_bootstrap=50)
        ),
    )  # fmt: skip


@pytest.fixture(scope="module")
def page(audited):
    return Page(rendered(audited)[0])


def test_sections_and_links(page):
    ids = [attributes.get("id") for _, attributes in page.tags]
    sections = ["summary", "attribute-0", "errors", "sources", "rulers", "amplification", "ceiling",
                "all-cases", "definitions", "settings"]  # fmt: skip
    assert [i for i in ids if i in sections] == sections
    links = [
        a["href"] for tag, a in page.tags if tag == "a" and (a.get("href") or "").startswith("#")
    ]
    assert {link[1:] for link in links} <= set(ids)
    assert page.run_together == []


def test_hostile_names_do_nothing(page, audited):
    assert "{{ 7*7 }}" in page.text
    assert "<script>alert(1)</script>" in page.text  # as text
    scripts = [text for _, text in page.scripts]
    assert not any(text.startswith("alert(1)") for text in scripts)


def test_is_marked_private(page):
    assert "Private: this page holds individual cases" in page.text
    assert "There is no version of an audit that may be shared." in page.text


def test_tables_in_full_precision(audited):
    files = rendered(audited)[1].files()
    for name in ("masks_by_group", "label_errors_by_age", "gaps_by_source_age", "rulers",
                 "combined_gaps", "more_expert_masks", "amplification", "ceiling"):  # fmt: skip
        assert f"tables/{name}.csv" in files
    lines = files["tables/combined_gaps.csv"].decode().splitlines()
    assert len(lines) == 1 + len(audited.combined)
    assert repr(audited.combined[0].combined.value)[:10] in lines[1]
    assert "figures/rulers_by_age.svg" in files
