"""Who may import whom, read from the source; and what starts without torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import nnunetv2_fair

ROOT = Path(nnunetv2_fair.__file__).parent
EVERYONE = {"errors", "paths", "integrity", "nifti"}
#: Internal packages that each package may import, besides itself and EVERYONE.
ALLOWED = {
    "errors": set(),
    "paths": set(),
    "integrity": set(),
    "nifti": set(),
    "registration": set(),
    "subgroups": set(),
    "losses": set(),
    "sampling": set(),
    "networks": set(),
    "dataset_conversion": {"subgroups"},
    "phantoms": {"subgroups"},
    "trainers": {"losses", "networks", "sampling", "subgroups"},
    "plugin": {"trainers"},
    "evaluation": {"subgroups"},
    "inspection": {"subgroups", "networks", "evaluation"},
    "report": {
        "inspection.result",
        "evaluation.result",
        "evaluation.comparison_result",
        "evaluation.discovery_result",
        "evaluation.text_table",
    },
    "study": {"evaluation", "report", "subgroups"},
    "cli": {
        "study",
        "subgroups",
        "dataset_conversion",
        "phantoms",
        "evaluation",
        "inspection",
        "report",
        "registration",
    },
}
USES_TORCH = {"losses", "networks", "sampling", "trainers", "inspection.embeddings"}
USES_NNUNET = {"trainers", "inspection.embeddings"}
FILES = sorted(ROOT.rglob("*.py"))


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(str(node.module))
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def package_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_follow_the_rules(path):
    package = package_of(path)
    if package in ("__init__", "__main__"):
        return
    assert package in ALLOWED, f"{package} has no import rule: add it here and in CONTRIBUTING.md"
    allowed = ALLOWED[package] | EVERYONE | {package}
    for name in imports_of(path):
        top, _, rest = name.partition(".")
        if top == "nnunetv2_fair" and rest:
            fits = any(rest == rule or rest.startswith(f"{rule}.") for rule in allowed)
            # `from nnunetv2_fair import paths` also names the package itself
            assert fits or rest == "__version__", f"{path}: {package} may not import {name}"
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        if top in ("torch", "torchvision"):
            assert {package, module} & USES_TORCH, f"{path}: {module} may not import {name}"
        if top in ("nnunetv2", "batchgenerators"):
            assert {package, module} & USES_NNUNET, f"{path}: {module} may not import {name}"


def test_the_rules_catch_a_violation(tmp_path):
    bad = tmp_path / "bad.py"
    bad.write_text("import torch\nfrom nnunetv2_fair.trainers import base\n")
    assert {"torch", "nnunetv2_fair.trainers.base"} <= imports_of(bad)


def test_nobody_prints_or_pickles():
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id != "print", f"{path}:{node.lineno} prints"
        assert not {"pickle", "joblib", "dill"} & imports_of(path), f"{path} pickles"


COMMANDS = sorted(
    path.stem
    for path in (ROOT / "cli").glob("*.py")
    if "def main(argv" in path.read_text(encoding="utf-8")
)


def test_every_command_is_installed_and_listed():
    from importlib import resources

    import nnunetv2_fair.__main__ as overview

    pyproject = (ROOT.parent / "pyproject.toml").read_text(encoding="utf-8")
    for command in COMMANDS:
        line = f'nnUNetv2_fair_{command} = "nnunetv2_fair.cli.{command}:main"'
        assert line in pyproject
        assert f"nnUNetv2_fair_{command}" in overview._PURPOSES
    assert len(overview._PURPOSES) == len(COMMANDS)
    assert resources.files("nnunetv2_fair")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_needs_neither_torch_nor_nnunet(command):
    code = (
        f"import sys; from nnunetv2_fair.cli.{command} import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "slow = {'torch', 'nnunetv2', 'pandas', 'scipy', 'matplotlib', 'SimpleITK', 'sklearn'}\n"
        "assert not slow & set(sys.modules), slow & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "example:" in done.stdout
    assert f"nnUNetv2_fair_{command}" in done.stdout


def test_evaluation_imports_neither_torch_nor_nnunet():
    modules = [
        ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)
        for path in FILES
        if package_of(path) in ("evaluation", "report", "subgroups", "phantoms")
        and path.stem != "__init__"
    ]
    code = (
        f"import importlib, sys\nfor name in {modules!r}: importlib.import_module(name)\n"
        "assert not {'torch', 'nnunetv2'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_commands_are_listed_by_the_module():
    done = subprocess.run(
        [sys.executable, "-m", "nnunetv2_fair"], capture_output=True, text=True, check=True
    )
    for command in COMMANDS:
        assert f"nnUNetv2_fair_{command}" in done.stdout
