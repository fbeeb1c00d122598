"""evaluate and compare, killed while they write: the same command again gives the same bytes."""

import re
import shutil
from pathlib import Path

import pytest

from nnunetv2_fair.cli import compare, evaluate
from nnunetv2_fair.errors import EvaluationError
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from tests.evaluation.factories import Dataset, make_dataset
from tests.killing import CHANGES, content, killed_everywhere

_TIME = re.compile(rb"20\d\d-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\+00:00| UTC)?|[0-9a-f]{64}")


def same(folder: Path) -> dict[str, bytes]:
    """Return what a folder holds, without times and without hashes of files with times."""
    return {name: _TIME.sub(b"", data) for name, data in content(folder).items()}


def arguments(dataset: Dataset, *more: str) -> list[str]:
    return dataset.arguments(
        "out", "-a", "sex", "--min-patients", "2", "--bootstrap", "0", "--metrics", "dice",
        "-np", "1", "--tables", "md", *more,
    )  # fmt: skip


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return make_dataset(tmp_path / "data", n_patients=4, cases_per_patient=1)


@pytest.mark.parametrize(
    ("overwrite", "calls", "most"),
    [
        pytest.param(True, ("replace",), 2, id="two-renames"),
        pytest.param(False, CHANGES, 12, id="changes", marks=pytest.mark.slow),
        pytest.param(True, CHANGES, 12, id="changes-again", marks=pytest.mark.slow),
    ],
)
def test_evaluate(dataset, overwrite, calls, most):
    out = dataset.root / "out"
    earlier = dataset.root / "earlier"
    more = ("--overwrite",) if overwrite else ()
    command = arguments(dataset, *more)
    if overwrite:
        # with another table, and a file that the new one has not
        assert evaluate.main([*arguments(dataset), "--paper", "exact", "--name", "old"]) == 0
        out.rename(earlier)
    names = set()

    def prepare():
        shutil.rmtree(out, ignore_errors=True)
        if overwrite:
            shutil.copytree(earlier, out)
        return dataset.root

    def again():
        names.add(name_of(out))
        code = evaluate.main(command)
        if code == 2:  # it was done but for its last line
            assert (out / "manifest.json").exists()
        else:
            assert code == 0
        assert same(out) == expected

    prepare()
    assert evaluate.main(command) == 0
    expected = same(out)
    kills = killed_everywhere(prepare, lambda: evaluate.main(command), again, calls, most)
    assert kills >= 10
    assert names >= {"refused"}
    assert names <= {"refused", "nothing", "old", dataset.predictions.name}


def name_of(out):
    """Return which evaluation a reader finds: the old one, the new one, none; never both."""
    if not (out / "summary.json").exists():
        return "nothing"
    if (out / ".unfinished-manifest.json").exists():
        with pytest.raises(EvaluationError, match="holds files of two runs"):
            EvaluationResult.read(out)
        return "refused"
    return EvaluationResult.read(out).name


def test_compare(dataset):
    root = dataset.root
    for name in ("one", "two"):
        assert evaluate.main([*arguments(dataset), "--name", name]) == 0
        (root / "out").rename(root / name)
    command = [str(root / "one"), str(root / "two"), "-o", str(root / "out"), "--bootstrap", "0"]

    def prepare():
        shutil.rmtree(root / "out", ignore_errors=True)
        return root

    def again():
        assert compare.main(command) in (0, 2)
        assert same(root / "out") == expected

    assert compare.main(command) == 0
    expected = same(root / "out")
    assert killed_everywhere(prepare, lambda: compare.main(command), again, ("replace",), 1) >= 5


def test_a_comparison_refuses_an_evaluation_of_two_runs(dataset, capsys):
    root = dataset.root
    for name in ("one", "two"):
        assert evaluate.main([*arguments(dataset), "--name", name]) == 0
        (root / "out").rename(root / name)
    shutil.copy(root / "one" / "summary.json", root / "two" / "summary.json")
    command = [str(root / "one"), str(root / "two"), "-o", str(root / "out")]
    assert compare.main(command) == 1
    said = capsys.readouterr().err
    assert "two: summary.json is not the file that nnUNetv2_fair_evaluate wrote" in said
    assert "Evaluate again, or put the original back" in said
    assert not (root / "out").exists()
