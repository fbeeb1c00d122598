"""What the documentation names must exist."""

import ast
import re
from pathlib import Path

import pytest

from tests.contract.test_layers import COMMANDS

PROJECT = Path(__file__).parents[2]
PAGES = sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_links_lead_somewhere_and_commands_exist(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name} links to missing {target}"
    for command in re.findall(r"nnUNetv2_fair_(\w+)", text):
        assert command in COMMANDS, f"{page.name} names nnUNetv2_fair_{command}"


def test_every_method_has_a_page_and_a_row():
    from nnunetv2_fair.trainers import METHODS

    table = (PROJECT / "docs/reference/trainers.md").read_text(encoding="utf-8")
    methods = "".join(
        p.read_text(encoding="utf-8") for p in (PROJECT / "docs/methods").glob("*.md")
    )
    for name, method in METHODS.items():
        assert f"| `{name}` |" in table
        assert f"`{name}`" in methods
        for option in method.known_options():
            assert f"`{option}`" in table, f"trainers.md does not explain {option} of {name}"


def texts_of(path: Path) -> str:
    """Return the texts in a module; values that messages hold are left out."""
    return "\n".join(
        str(node.value)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def test_messages_of_the_page_on_troubles_are_ours():
    page = (PROJECT / "docs/how-to/troubleshooting.md").read_text(encoding="utf-8")
    ours = "\n".join(texts_of(path) for path in (PROJECT / "nnunetv2_fair").rglob("*.py"))
    cells = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    messages = [
        m for cell in cells if "(nnU-Net's)" not in cell for m in re.findall("`(.*?)`", cell)
    ]
    assert len(messages) > 15
    for message in messages:
        assert message in ours, f"no message says: {message}"
