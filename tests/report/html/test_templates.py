"""Rules for everything that becomes a page: where tags may stand, and what is around a table."""

import ast
import re
from importlib import resources
from pathlib import Path

import pytest

import nnunetv2_fair
from nnunetv2_fair.report.html.document import SCRIPTS
from nnunetv2_fair.report.html.templating import environment

ROOT = Path(nnunetv2_fair.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
TEMPLATES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("templates/*.html"))
# the tags that pages are made of; "<label>" and "<option>" are placeholders in messages
_NAMES = {n for t in TEMPLATES for n in re.findall(r"<([a-z]+)", (ROOT / t).read_text("utf-8"))}
TAG = re.compile(
    rf"</[a-z]|<({'|'.join(sorted(_NAMES - {'label', 'option'}))}|h[1-6])([ >/]|$)|<(label|option) "
)


def literals(source: str) -> list[tuple[int, str]]:
    """Return the line and text of every string literal that is not a docstring."""
    tree = ast.parse(source)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    return [
        (node.lineno, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in docstrings
    ]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_string_of_python_holds_a_tag(path):
    for line, text in literals(path.read_text(encoding="utf-8")):
        assert not TAG.search(text), f"{path}:{line}: write a template in place of {text!r}"


def test_tags_in_strings_would_be_found():
    found = [text for _, text in literals('"""<p>"""\nx = f"<td class={y}>" + "</p>" + "a < b"')]
    assert [text for text in found if TAG.search(text)] == ["</p>", "<td class="]


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_table_scrolls_and_says_what_it_is(name):
    source = (ROOT / name).read_text(encoding="utf-8")
    environment().get_template(name)  # it compiles
    wrapped = re.findall(r"{% call scrolled\(.+\) %}\s*<table[ >]", source)
    assert len(wrapped) == len(re.findall(r"<table[ >]", source))
    if name != "report/html/templates/parts.html":
        assert 'class="scroll"' not in source
    for unsafe in ("|safe", "autoescape", "|xmlattr"):
        assert unsafe not in source, f"{name}: {unsafe} leaves the escaping out"


SCRIPT_FILES = [f"scripts/{name}.js" for name in SCRIPTS]


def test_templates_style_and_script_are_found():
    assert len(TEMPLATES) > 20
    for name in ("page.css", *SCRIPT_FILES):
        assert resources.files("nnunetv2_fair.report.html").joinpath(name).is_file()


def test_all_files_of_pages_are_installed():
    pyproject = (ROOT.parent / "pyproject.toml").read_text(encoding="utf-8")
    rooms = re.findall(r'^"nnunetv2_fair\.(\w+)" = (\[.+\])$', pyproject, re.MULTILINE)
    packed = {
        path.relative_to(ROOT).as_posix()
        for room, patterns in rooms
        for pattern in ast.literal_eval(patterns)
        for path in (ROOT / room).glob(pattern)
    }
    assert {
        *TEMPLATES,
        "report/html/page.css",
        *(f"report/html/{name}" for name in SCRIPT_FILES),
    } <= packed
