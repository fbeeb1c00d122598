"""The documentation builds as a site, with no broken link or anchor."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).parents[2]


def build(project: Path, site: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)],
        cwd=project, capture_output=True, text=True, check=False,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = build(PROJECT, folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_pages_are_there_and_need_no_network(site):
    for page in ("index", "tutorial", "api/evaluation", "changelog", "contributing"):
        text = (site / f"{page}.html").read_text(encoding="utf-8")
        for tag in ('<script src="http', '<link rel="stylesheet" href="http', "fonts.googleapis"):
            assert tag not in text
    api = (site / "api/evaluation.html").read_text(encoding="utf-8")
    assert "reference_groups" in api


def test_broken_links_and_anchors_are_errors(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/index.md").write_text("# A\n\n[b](b.md), [c](#c), [d](../d.md)\n")
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n")
    (tmp_path / "CONTRIBUTING.md").write_text("# Contributing\n\n[a](docs/index.md#a)\n")
    (tmp_path / "scripts").symlink_to(PROJECT / "scripts")
    settings = yaml.load((PROJECT / "mkdocs.yml").read_text("utf-8"), yaml.BaseLoader)
    kept = {key: settings[key] for key in ("site_name", "validation", "hooks")}
    nav = [{"A": "index.md"}, {"B": "changelog.md"}, {"C": "contributing.md"}]
    (tmp_path / "mkdocs.yml").write_text(yaml.dump({**kept, "nav": nav}))
    done = build(tmp_path, tmp_path / "site")
    assert done.returncode != 0
    for broken in ("'b.md'", "'#c'", "'../d.md'"):
        assert broken in done.stderr
    assert "'index.md#a'" not in done.stderr
