"""Who may import whom, read from the source; how large rooms may be; what starts without torch."""

import ast
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

import nnunetv2_fair

ROOT = Path(nnunetv2_fair.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

#: Rooms (and modules) that everybody may import.
GROUND = {"errors", "paths", "files"}
#: What each room may import, besides itself and GROUND. A room is a folder; rooms within it are
#: listed by themselves. An entry names a room with everything below it, or one module.
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "paths": set(),
    "registration": set(),
    "files": set(),
    "files/formats": set(),
    "console": set(),
    "tables": set(),
    "subgroups": {"tables"},
    "training_log": set(),
    "losses": set(),
    "sampling": set(),
    "networks": set(),
    "cropping": set(),
    "nnunet": {"cropping", "registration", "subgroups", "tables"},
    "phantoms": {"dataset_conversion/writing", "subgroups"},
    "dataset_conversion/writing": {"subgroups"},
    "dataset_conversion/shared": {"dataset_conversion/writing", "subgroups", "tables"},
    "dataset_conversion/cropped": {
        "cropping",
        "dataset_conversion/shared",
        "dataset_conversion/writing",
        "subgroups",
    },
    "dataset_conversion/fairseg": {
        "dataset_conversion/shared",
        "dataset_conversion/writing",
        "subgroups",
        "tables",
    },
    "dataset_conversion/image_folder": {
        "dataset_conversion/shared",
        "dataset_conversion/writing",
        "subgroups",
        "tables",
    },
    "dataset_conversion/mama_mia": {
        "cropping",
        "dataset_conversion/shared",
        "dataset_conversion/writing",
        "subgroups",
        "tables",
    },
    "dataset_conversion/twins": {
        "cropping",
        "dataset_conversion/shared",
        "dataset_conversion/writing",
        "subgroups",
    },
    "dataset_conversion/tusc": {
        "dataset_conversion/shared",
        "dataset_conversion/writing",
        "subgroups",
        "tables",
    },
    "dataset_conversion/ukbb_cmr": {
        "dataset_conversion/shared",
        "dataset_conversion/writing",
        "subgroups",
        "tables",
    },
    "trainers": {
        "console",
        "losses",
        "networks",
        "registration",
        "sampling",
        "subgroups",
        "training_log",
    },
    "plugin": {"trainers"},
    "foundation": {
        "cropping",
        "losses",
        "networks",
        "nnunet",
        "subgroups",
        "tables",
        "trainers/adversarial",
        "trainers/group_log",
        "trainers/shared",
        "training_log",
    },
    "evaluation/masks": set(),
    "evaluation/metrics": {"evaluation/masks"},
    "evaluation/results": {"evaluation/metrics/registry", "subgroups"},
    "evaluation/estimation": {"evaluation/results"},
    "evaluation/statistics": {
        "evaluation/estimation",
        "evaluation/results",
        "evaluation/metrics/registry",
        "subgroups",
        "tables",
    },
    "evaluation/confounding": {
        "evaluation/results",
        "evaluation/statistics",
        "subgroups",
        "tables",
    },
    "evaluation/failures": {
        "evaluation/results",
        "evaluation/statistics",
        "evaluation/metrics/registry",
    },
    "evaluation/findings": {"evaluation/results"},
    "evaluation/discovery": {
        "evaluation/estimation",
        "evaluation/results",
        "evaluation/statistics",
        "subgroups",
    },
    "evaluation/measuring": {
        "evaluation/masks",
        "evaluation/metrics",
        "evaluation/results",
        "evaluation/statistics/groupings",
        "evaluation/statistics/all_comparisons",
        "subgroups",
        "tables",
    },
    "evaluation/trainings": {
        "evaluation/confounding",
        "evaluation/estimation",
        "evaluation/failures",
        "evaluation/findings",
        "evaluation/masks/label_maps",
        "evaluation/results",
        "evaluation/statistics",
    },
    "evaluation/disclosure": {
        "evaluation/estimation",
        "evaluation/findings",
        "evaluation/results",
        "evaluation/statistics",
        "tables/remedy",
    },
    "evaluation/model_comparison": {
        "evaluation/estimation",
        "evaluation/findings",
        "evaluation/results",
        "evaluation/statistics",
    },
    "evaluation/boundary_maps": {
        "evaluation/masks",
        "evaluation/measuring",
        "evaluation/metrics",
        "evaluation/results",
        "evaluation/statistics",
    },
    "evaluation/downstream": {
        "evaluation/failures",
        "evaluation/masks",
        "evaluation/measuring",
        "evaluation/metrics",
        "evaluation/results",
        "evaluation/statistics",
        "subgroups",
    },
    "evaluation/papers": {
        "evaluation/masks",
        "evaluation/measuring",
        "evaluation/metrics",
        "evaluation/estimation",
        "evaluation/results",
        "evaluation/statistics",
        "subgroups",
    },
    "evaluation": {"subgroups", "tables"},
    "audit": set(),
    "audit/results": {"evaluation/results"},
    "audit/statistics": {
        "audit/results",
        "evaluation/boundary_maps/map_test",
        "evaluation/estimation",
        "evaluation/results",
        "evaluation/statistics",
    },
    "audit/causes": {
        "audit/results",
        "audit/statistics",
        "evaluation/boundary_maps/map_test",
        "evaluation/estimation",
        "evaluation/results",
        "evaluation/statistics",
    },
    "audit/diagnosis": {
        "audit/causes",
        "audit/labels/scores",
        "audit/results",
        "cropping",
        "evaluation/boundary_maps/map_test",
        "evaluation/findings",
        "evaluation/masks",
        "evaluation/results",
        "evaluation/statistics/group_comparison",
        "subgroups",
    },
    "audit/labels": {
        "audit/results",
        "audit/statistics",
        "evaluation",
        "subgroups",
        "tables",
    },
    "evaluation/difficulty": {
        "evaluation/downstream/images",
        "evaluation/masks",
        "evaluation/metrics",
    },
    "balancing": {
        "dataset_conversion/shared",
        "dataset_conversion/twins",
        "dataset_conversion/writing",
        "evaluation/confounding/strata",
        "evaluation/difficulty",
        "report/drawing",
        "sampling",
        "subgroups",
        "tables",
    },
    "synthesis": set(),
    "synthesis/learning": set(),
    "synthesis/pack": {"cropping"},
    "synthesis/training_cases": {"cropping", "dataset_conversion/shared", "subgroups"},
    "synthesis/masks": {
        "cropping",
        "dataset_conversion/shared",
        "networks/devices",
        "subgroups",
        "synthesis/learning",
        "synthesis/pack",
        "synthesis/quality",
        "synthesis/training_cases",
        "tables",
    },
    "synthesis/images": {
        "cropping",
        "dataset_conversion/shared",
        "networks/devices",
        "subgroups",
        "synthesis/learning",
        "synthesis/pack",
        "synthesis/quality",
        "synthesis/training_cases",
        "tables",
    },
    "synthesis/quality": {
        "cropping",
        "dataset_conversion/shared",
        "networks",
        "nnunet",
        "subgroups",
        "synthesis/pack",
        "synthesis/training_cases",
        "tables",
    },
    "synthesis/equal_scale": {
        "cropping",
        "dataset_conversion/shared",
        "dataset_conversion/twins",
        "dataset_conversion/writing",
        "subgroups",
        "synthesis/pack",
        "tables",
    },
    "inspection": {
        "evaluation",
        "networks",
        "nnunet",
        "registration",
        "subgroups",
        "tables",
    },
    "report/drawing": {"evaluation/findings", "evaluation/results"},
    "report/html": {"report/drawing", "evaluation/findings", "evaluation/results"},
    "report/of_evaluation/boundaries": {
        "report/drawing",
        "report/html",
        "evaluation/findings",
        "evaluation/results",
    },
    "report/of_evaluation/downstream": {
        "report/drawing",
        "report/html",
        "evaluation/findings",
        "evaluation/results",
    },
    "report/of_evaluation/cases": {
        "report/drawing",
        "report/html",
        "evaluation/findings",
        "evaluation/results",
    },
    "report/of_evaluation": {
        "report/drawing",
        "report/html",
        "evaluation/findings",
        "evaluation/results",
    },
    "report/of_comparison": {
        "report/drawing",
        "report/html",
        "report/of_evaluation",
        "evaluation/findings",
        "evaluation/results",
        "inspection/result",
    },
    "report/of_audit": {
        "audit/diagnosis/wording",
        "audit/labels/wording",
        "audit/results",
        "report/drawing",
        "report/html",
        "report/of_evaluation",
        "evaluation/findings",
        "evaluation/results",
    },
    "report/of_training": {
        "report/drawing",
        "report/html",
        "evaluation/findings",
        "training_log",
    },
    "report/paper": {
        "evaluation/findings",
        "evaluation/metrics/registry",
        "evaluation/results",
        "report/html",
    },
    "report/terminal": {
        "report/html",
        "report/of_evaluation",
        "report/of_comparison",
        "evaluation/findings",
        "evaluation/results",
        "inspection/result",
    },
    "study": {"subgroups"},
    "study/study_file": {
        "evaluation/downstream/measures",
        "evaluation/metrics/registry",
        "evaluation/papers/presets",
        "study",
        "tables/settings",
    },
    "study/plan": {
        "dataset_conversion/shared",
        "evaluation",
        "study",
        "study/study_file",
        "subgroups",
        "synthesis/equal_scale",
        "synthesis/pack",
        "synthesis/quality/beside_floor",
        "synthesis/training_cases",
        "tables",
    },
    "study/run": {"console", "study", "study/study_file", "study/plan"},
    "study/index": {
        "console",
        "evaluation",
        "report",
        "study",
        "study/study_file",
        "study/plan",
        "study/run",
        "subgroups",
        "training_log",
    },
    "study/diagnosis": {
        "audit/diagnosis",
        "audit/results",
        "console",
        "evaluation",
        "report/of_audit",
        "study",
    },
    "study/papers": {
        "console",
        "evaluation",
        "report",
        "study",
        "study/index",
        "subgroups",
    },
    "cli": {
        "audit",
        "balancing",
        "console",
        "cropping",
        "dataset_conversion",
        "evaluation",
        "foundation",
        "inspection",
        "networks/devices",
        "nnunet",
        "phantoms",
        "registration",
        "report",
        "study",
        "subgroups",
        "synthesis",
        "tables",
    },
}
USES_TORCH = {
    "foundation",
    "losses",
    "networks",
    "sampling",
    "synthesis/images",
    "synthesis/learning",
    "synthesis/masks",
    "synthesis/quality",
    "trainers",
    "inspection/embeddings",
}
USES_NNUNET = {"trainers", "inspection/embeddings"}
#: Most modules of a room; commands and trainers have one file each, by nature.
MOST_MODULES = 14
ONE_FILE_EACH = {"cli", "trainers"}


def module_of(path: Path) -> str:
    """Name of a module relative to the package, with slashes: ``evaluation/run``."""
    name = path.relative_to(ROOT).with_suffix("").as_posix()
    return name.removesuffix("/__init__") if name != "__init__" else ""


MODULES = {module_of(path): path for path in FILES}


def room_of(module: str) -> str:
    """The room a module is in: the longest name of ALLOWED that leads to it."""
    parts = module.split("/")
    for length in range(len(parts), 0, -1):
        if "/".join(parts[:length]) in ALLOWED:
            return "/".join(parts[:length])
    return parts[0]


def imports_of(path: Path) -> set[str]:
    """Dotted names of all imports of a file, those inside functions included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def own_imports(path: Path) -> set[str]:
    """Modules of this package that a file imports, as :func:`module_of` names them."""
    found = set()
    for name in imports_of(path):
        top, _, rest = name.partition(".")
        if top != "nnunetv2_fair":
            continue
        parts = rest.split(".")
        if parts == ["__version__"]:
            continue
        while parts and "/".join(parts) not in MODULES:
            parts.pop()
        found.add("/".join(parts))
    return found - {module_of(path)}


def may_import(module: str, target: str) -> bool:
    """Whether the rules let a module import another one."""
    room, other = room_of(module), room_of(target)
    if room == other:
        return True
    # what stands directly in `evaluation/` or `cli/` may use the rooms within it, never the reverse
    within = {name for name in ALLOWED if name.startswith(f"{room}/")} if room != "study" else set()
    for rule in ALLOWED[room] | GROUND | within:
        if rule == "study" and room != "cli":
            # the top of study/ holds what its rooms share; its rooms have rules of their own
            if other == "study":
                return True
        elif target == rule or target.startswith(f"{rule}/"):
            return True
    return target == ""  # the package itself


def circles(imports: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Groups of modules that import each other, directly or in a ring (Tarjan)."""
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(node: str) -> None:
        number[node] = low[node] = len(number)
        stack.append(node)
        for other in imports.get(node, ()):
            if other not in number:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], number[other])
        if low[node] == number[node]:
            ring = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(ring) > 1:
                found.append(sorted(ring))

    for node in imports:
        if node not in number:
            visit(node)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_follow_the_rules(path):
    module = module_of(path)
    if module in ("", "__main__"):
        return
    room = room_of(module)
    assert room in ALLOWED or path.name == "__init__.py", (
        f"{room} has no import rule: add it here and in CONTRIBUTING.md"
    )
    for target in own_imports(path):
        if room in ALLOWED:
            assert may_import(module, target), f"{module} may not import {target}"
    for name in imports_of(path):
        top = name.partition(".")[0]
        if top in ("torch", "torchvision"):
            assert {module.split("/")[0], room, module} & USES_TORCH, (
                f"{module} may not import {name}"
            )
        if top in ("nnunetv2", "batchgenerators"):
            assert {module.split("/")[0], module} & USES_NNUNET, f"{module} may not import {name}"
        if module.startswith("files"):
            assert top != "pandas", f"{module} may not import {name}"


def test_no_modules_import_each_other():
    imports = {module: own_imports(path) for module, path in MODULES.items() if module}
    assert circles(imports) == []


def test_no_rooms_import_each_other():
    rooms: dict[str, set[str]] = {}
    for module, path in MODULES.items():
        if not module:
            continue
        for target in own_imports(path):
            if room_of(target) != room_of(module):
                rooms.setdefault(room_of(module), set()).add(room_of(target))
    assert circles(rooms) == []


def test_rooms_are_small():
    for folder in {path.parent for path in FILES}:
        room = folder.relative_to(ROOT).as_posix()
        modules = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        if room not in ONE_FILE_EACH:
            assert len(modules) <= MOST_MODULES, f"{room} holds {len(modules)} modules"


def test_every_room_says_what_happens_there():
    for folder in {path.parent for path in FILES}:
        text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
        assert text, f"{folder} says nothing"
        assert len(text) > 40, f"{folder} says only: {text}"


def test_the_rules_catch_a_violation(tmp_path):
    bad = tmp_path / "bad.py"
    bad.write_text("def late():\n    import torch\n    from nnunetv2_fair.trainers import base\n")
    assert {"torch", "nnunetv2_fair.trainers.base"} <= imports_of(bad)
    assert may_import("evaluation/run", "evaluation/results/evaluation")
    assert not may_import("evaluation/results/evaluation", "evaluation/run")
    assert not may_import("files/atomic", "subgroups/table")
    assert not may_import("study/plan/plan", "study/run/run")
    assert not may_import("report/html/document", "study/index/page")
    assert circles({"a": ["b"], "b": ["c"], "c": ["a", "d"], "d": []}) == [["a", "b", "c"]]


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
        "slow = {'torch', 'nnunetv2', 'pandas', 'scipy', 'matplotlib', 'SimpleITK', 'sklearn',\n"
        "        'jinja2', 'pydantic'}\n"
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
        if module_of(path).split("/")[0]
        in ("audit", "evaluation", "report", "subgroups", "phantoms", "files")
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
