import ast
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

import nnunetv2_fair
from nnunetv2_fair.evaluation.measuring import WORKER_MODULE
from nnunetv2_fair.evaluation.measuring.one_case import CasePair, CaseTask, measure_case
from nnunetv2_fair.evaluation.measuring.resuming import CaseStore, measuring_code
from tests.evaluation.factories import write_mask

ROOT = Path(nnunetv2_fair.__file__).parent
TASK = CaseTask(("dice",), 1.0, {"lesion": (1,)})


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a copy of the package, whose source stands for the installed one's."""
    copy = tmp_path / "nnunetv2_fair"
    for room in ("evaluation", "files"):
        shutil.copytree(ROOT / room, copy / room)
    monkeypatch.setattr(nnunetv2_fair, "__file__", str(copy / "__init__.py"))
    measuring_code.cache_clear()
    yield copy
    measuring_code.cache_clear()


def file_of(module: str) -> Path | None:
    path = ROOT.parent / Path(*module.split(".")).with_suffix(".py")
    return path if path.is_file() else None


def imported_by(path: Path) -> set[Path]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {
        found for name in names if name.startswith("nnunetv2_fair") and (found := file_of(name))
    }


def code_that_measures() -> list[Path]:
    """Return every file of the package that measuring a case can reach."""
    found: set[Path] = set()
    waiting = [file_of(WORKER_MODULE)]
    while waiting:
        path = waiting.pop()
        if path is not None and path not in found:
            found.add(path)
            waiting += imported_by(path)
    return sorted(path.relative_to(ROOT) for path in found if path.name != "errors.py")


@pytest.mark.parametrize("name", ["case.mhd", "case.nhdr", "case.tif"])
def test_a_case_counts_only_with_all_its_files(tmp_path: Path, name: str):
    mask = np.zeros((4, 12, 14), np.uint8)
    mask[1:3, 2:8, 3:9] = 1
    for folder in ("gt", "pred"):
        (tmp_path / folder).mkdir()
        sitk.WriteImage(sitk.GetImageFromArray(mask), str(tmp_path / folder / name))
        if name == "case.tif":
            (tmp_path / folder / "case.json").write_text('{"spacing": [1, 1, 1]}')
    pair = CasePair("case", tmp_path / "gt" / name, tmp_path / "pred" / name)
    with CaseStore(tmp_path / "out", TASK) as store:
        store.add(measure_case(pair, TASK))
    assert CaseStore(tmp_path / "out", TASK).find(pair) is not None
    other = next(p for p in (tmp_path / "pred").iterdir() if p.name != name)
    data = bytearray(other.read_bytes())
    data[-4] ^= 1  # spacing of the last axis, or a voxel
    other.write_bytes(data)
    assert CaseStore(tmp_path / "out", TASK).find(pair) is None


def test_a_header_that_leads_elsewhere_is_not_followed(tmp_path: Path):
    pair = CasePair("case", tmp_path / "gt.mhd", tmp_path / "pred.mhd")
    for path in (pair.reference, pair.prediction):
        sitk.WriteImage(sitk.GetImageFromArray(np.ones((4, 5, 6), np.uint8)), str(path))
    with CaseStore(tmp_path, TASK) as store:
        store.add(measure_case(pair, TASK))
    pair.reference.write_text("ElementDataFile = /etc/hostname\n")
    assert CaseStore(tmp_path, TASK).find(pair) is None


@pytest.mark.parametrize("path", code_that_measures(), ids=str)
def test_all_code_that_measures_counts(package: Path, path: Path):
    before = measuring_code()
    with (package / path).open("a") as file:
        file.write("# changed\n")
    measuring_code.cache_clear()
    assert measuring_code() != before


def test_other_code_does_not_count(package: Path):
    before = measuring_code()
    with (package / "evaluation" / "run.py").open("a") as file:
        file.write("# changed\n")
    measuring_code.cache_clear()
    assert measuring_code() == before


def test_after_an_update_of_a_metric_its_old_measures_are_not_used(tmp_path: Path, package: Path):
    mask = write_mask(tmp_path / "a.png", np.eye(5, dtype=np.uint8))
    pair = CasePair("a", mask, mask)
    with CaseStore(tmp_path / "out", TASK) as store:
        store.add(measure_case(pair, TASK))
    assert CaseStore(tmp_path / "out", TASK).find(pair) is not None
    source = package / "evaluation" / "metrics" / "overlap.py"
    source.write_text(source.read_text().replace("2 *", "2.0 *"))
    measuring_code.cache_clear()
    assert CaseStore(tmp_path / "out", TASK).find(pair) is None
