"""One way of doing each thing: one atomic writer, one pool, one reader of tables, one hash."""

import ast
from pathlib import Path

import pytest

import nnunetv2_fair

ROOT = Path(nnunetv2_fair.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

#: What may only be used in its room: full names, or the last parts of one, and where.
#: ``multiprocessing.Value``, which ``sampling/balance.py`` shares with nnU-Net's own loader
#: processes, is a number and starts no process, so it is not among them.
ONLY_IN: dict[str, str] = {
    "os.replace": "files/atomic.py",
    "os.rename": "files/atomic.py",
    "os.renames": "files/atomic.py",
    "shutil.move": "files/atomic.py",
    "fcntl": "files/locks.py",
    "concurrent.futures": "files/pool.py",
    "multiprocessing.Process": "files/pool.py",
    "multiprocessing.Pool": "files/pool.py",
    "multiprocessing.get_context": "files/pool.py",
    "multiprocessing.context": "files/pool.py",
    "multiprocessing.pool": "files/pool.py",
    "csv.reader": "files/tabular.py",
    "csv.DictReader": "files/tabular.py",
    "pandas.read_csv": "files/tabular.py",
    "pandas.read_table": "files/tabular.py",
    "pandas.read_excel": "files/tabular.py",
    "openpyxl.load_workbook": "files/tabular.py",
    "hashlib": "files/fingerprints.py",
}
#: Other files that may, and why.
ALSO: dict[str, set[str]] = {
    # hashes what it reads while it reads it, so that no file is read twice
    "hashlib": {"files/nifti.py"},
}


def names_used(source: str) -> set[str]:
    """Return the full name of everything that a module imports or reaches through an import."""
    tree = ast.parse(source)
    called: dict[str, str] = {}
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                called[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
                found.add(alias.name)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                called[alias.asname or alias.name] = f"{node.module}.{alias.name}"
                found.add(f"{node.module}.{alias.name}")
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            parts: list[str] = [node.attr]
            value: ast.expr = node.value
            while isinstance(value, ast.Attribute):
                parts.append(value.attr)
                value = value.value
            if isinstance(value, ast.Name) and value.id in called:
                found.add(".".join([called[value.id], *reversed(parts)]))
    return found


def renamed_paths(source: str) -> list[int]:
    """Return the lines that rename a file through its path.

    ``Path.replace`` and ``Path.rename`` take one argument by position; ``str.replace`` takes two,
    ``dataclasses.replace`` and a frame's ``rename`` and ``replace`` name theirs or give mappings.
    """
    lines = []
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("replace", "rename")
            and len(node.args) == 1
            and not node.keywords
            and not isinstance(node.args[0], ast.Dict)
        ):
            lines.append(node.lineno)
    return lines


def misplaced(source: str, where: str) -> list[str]:
    """Return what a module does that another room is for."""
    used = names_used(source)
    problems = [
        f"{where} uses {name}, which belongs into {room}"
        for name, room in ONLY_IN.items()
        if where != room
        and where not in ALSO.get(name, set())
        and any(other == name or other.startswith(f"{name}.") for other in used)
    ]
    if where != "files/atomic.py":
        problems += [
            f"{where}:{line} renames a file, which belongs into files/atomic.py"
            for line in renamed_paths(source)
        ]
    return problems


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_everything_is_done_in_one_place(path: Path):
    where = path.relative_to(ROOT).as_posix()
    assert misplaced(path.read_text(encoding="utf-8"), where) == []


@pytest.mark.parametrize(
    "source",
    [
        "import os\nos.replace('a', 'b')",
        "from os import rename as move\nmove('a', 'b')",
        "import shutil\nshutil.move('a', 'b')",
        "def f(path, target):\n    path.replace(target)",
        "def f(path, name):\n    (path / name).rename(path / 'b')",
        "from concurrent.futures import ProcessPoolExecutor",
        "import concurrent.futures as cf\ncf.ProcessPoolExecutor(2)",
        "import multiprocessing as mp\nmp.Process(target=print)",
        "from multiprocessing import get_context",
        "import multiprocessing\nmultiprocessing.get_context('spawn').Pool(2)",
        "import csv\ncsv.reader([])",
        "from csv import DictReader",
        "import pandas as pd\npd.read_csv('t.csv')",
        "def f():\n    import openpyxl\n    return openpyxl.load_workbook('t.xlsx')",
        "import hashlib",
        "from hashlib import sha256",
    ],
)
def test_a_second_way_is_found(source: str):
    assert misplaced(source, "evaluation/new.py")


@pytest.mark.parametrize(
    "source",
    [
        "import csv\ncsv.writer(None)",
        "import multiprocessing\nmultiprocessing.Value('q', 0)",
        "'a'.replace('a', 'b')",
        "import dataclasses\ndataclasses.replace(object, name=1)",
        "def f(frame):\n    return frame.rename(columns=str).replace({'a': 'b'})",
    ],
)
def test_other_things_are_fine(source: str):
    assert misplaced(source, "evaluation/new.py") == []


@pytest.mark.parametrize("path", sorted((ROOT / "files").glob("*.py")), ids=lambda path: path.name)
def test_the_ground_rests_on_nothing(path: Path):
    ours = {
        name for name in names_used(path.read_text(encoding="utf-8"))
        if name.startswith("nnunetv2_fair.")
    }  # fmt: skip
    allowed = tuple(
        f"nnunetv2_fair.{name}" for name in ("errors.", "paths.", "files.", "__version__")
    )
    assert all(name.startswith(allowed) for name in ours), ours
    heavy = {"pandas", "scipy", "torch", "nnunetv2", "pydantic", "jinja2"}
    tops = {name.partition(".")[0] for name in names_used(path.read_text(encoding="utf-8"))}
    assert not heavy & tops
