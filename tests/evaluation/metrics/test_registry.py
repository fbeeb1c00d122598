"""A new metric is one more entry: nothing but the registry lists the metrics."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import nnunetv2_fair
from nnunetv2_fair.cli import evaluate
from nnunetv2_fair.evaluation.metrics import registry
from nnunetv2_fair.evaluation.metrics.registry import METRICS, Metric
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from tests.evaluation.factories import make_dataset

PACKAGE = Path(nnunetv2_fair.__file__).parent
#: More names than this in one literal are a list of the metrics.
MOST_NAMES = 4


def names_in(node: ast.AST) -> int:
    """How many metrics one list, tuple, set, mapping or text names."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        words = node.value.replace(",", " ").replace(".", " ").split()
    elif isinstance(node, ast.List | ast.Tuple | ast.Set):
        words = [e.value for e in node.elts if isinstance(e, ast.Constant)]
    elif isinstance(node, ast.Dict):
        words = [e.value for e in node.keys if isinstance(e, ast.Constant)]
    else:
        return 0
    return len(set(words) & set(METRICS))


def test_no_module_repeats_the_list():
    found = [
        f"{path.relative_to(PACKAGE)}:{getattr(node, 'lineno', 0)}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if path != Path(registry.__file__)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if names_in(node) > MOST_NAMES
    ]
    assert found == []


def test_the_search_would_find_a_list():
    for code in (
        f"x = {tuple(METRICS)}",
        f"x = {dict.fromkeys(METRICS)}",
        repr(", ".join(METRICS)),
    ):
        assert any(names_in(node) == len(METRICS) for node in ast.walk(ast.parse(code)))


def test_schemas_that_list_metrics_list_all():
    for path in PACKAGE.rglob("*.json"):
        for names in enums(json.loads(path.read_text(encoding="utf-8"))):
            if set(names) & set(METRICS):
                assert names == list(METRICS), path


def enums(content):
    if isinstance(content, dict):
        if isinstance(content.get("enum"), list):
            yield content["enum"]
        content = list(content.values())
    for entry in content if isinstance(content, list) else []:
        yield from enums(entry)


def test_the_names_need_no_numpy():
    code = (
        "import sys; from nnunetv2_fair.evaluation.metrics.registry import METRICS; "
        "assert 'dice' in METRICS; print(sorted({'numpy', 'scipy', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Metric:
    """One more entry in the registry."""
    metric = Metric(
        "twice", "Twice the reference", False, "lower", False, 0.0, "A toy.",
        lambda pair: 2.0 * pair.counts.reference,
    )  # fmt: skip
    monkeypatch.setitem(METRICS, metric.name, metric)
    return metric


def test_a_new_metric_is_one_more_entry(toy, tmp_path, capsys):
    with pytest.raises(SystemExit):
        evaluate.main(["--help"])
    assert "detection, twice;" in " ".join(capsys.readouterr().out.split())
    dataset = make_dataset(tmp_path, n_patients=10, cases_per_patient=1)
    more = ["--metrics", "twice", "dice", "--discover", "--tables", "csv", "-a", "sex"]
    assert evaluate.main(dataset.arguments("out", *more)) == 0
    result = EvaluationResult.read(tmp_path / "out")
    frame = result.per_case[result.per_case["label"] == "organ"]
    assert (frame["twice"] == 2 * frame["reference_voxels"].astype(float)).all()
    assert result.comparison("sex", "twice", "average").gap("delta") is not None
    assert result.discovery is not None
    assert result.discovery.metric == "twice"
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Twice the reference" in page
    assert "A toy." in page
    again = ["--from-csv", str(tmp_path / "out" / "per_case.csv"), "-a", "sex", "-np", "1",
             "--bootstrap", "20", "-o", str(tmp_path / "again")]  # fmt: skip
    assert evaluate.main(again) == 0
    assert "twice" in [m.name for m in EvaluationResult.read(tmp_path / "again").metrics]
