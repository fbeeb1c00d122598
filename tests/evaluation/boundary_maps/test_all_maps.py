"""Boundary maps of whole evaluations with a known place of errors."""

import numpy as np
import pytest

from nnunetv2_fair.cli.evaluate import main as command
from nnunetv2_fair.errors import EvaluationError
from nnunetv2_fair.evaluation import evaluate
from nnunetv2_fair.evaluation.disclosure.of_evaluation import shareable
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.run import EvaluationSettings
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings
from tests.evaluation.factories import make_dataset, write_mask

QUICK = EvaluationSettings(metrics=("dice",), statistics=StatisticsSettings(n_bootstrap=0))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Women's masks are predicted two pixels too far to the right, men's one."""
    return make_dataset(tmp_path_factory.mktemp("pictures"), n_patients=16)


@pytest.fixture(scope="module")
def result(pictures) -> EvaluationResult:
    return evaluate(
        pictures.references, pictures.predictions, pictures.table, ["sex"],
        settings=QUICK, boundary_maps=True,
    )  # fmt: skip


def test_errors_lie_where_they_were_made(result):
    assert [(m.attribute, m.label, m.unit) for m in result.boundary_maps] == [
        ("sex", label, "px") for label in result.labels[:-1]
    ]
    for found in result.boundary_maps:
        assert found.n_patients == {"female": 8, "male": 8}
        assert found.n_without == {"female": 0, "male": 0}
        assert found.has_inner == (found.label == "organ")
        women, men = (np.array(found.errors[name])[0] for name in ("female", "male"))
        assert women[3] == pytest.approx(2, abs=0.3)  # 3 o'clock: to the right
        assert women[9] == pytest.approx(-2, abs=0.3)
        assert men[3] == pytest.approx(1, abs=0.2)
        (difference,) = found.differences
        sign = 1 if difference.between[0] == "female" else -1
        assert np.array(difference.difference)[0] * sign == pytest.approx(women - men)
        assert difference.family_size == 2
        assert difference.corrected_p < 0.01


def test_what_is_claimed(result):
    claims = [f for f in result.findings if f.kind == "boundary"]
    assert [f.verdict for f in claims] == ["shown", "shown"]
    assert {f.numbers["hour"] for f in claims} <= {2, 3, 4, 8, 9, 10}
    assert "the predicted outline lies on average" in claims[0].sentence
    assert "o'clock" in claims[0].sentence
    assert "beyond that of the reference" in claims[0].sentence or "inside" in claims[0].sentence


def test_written_and_read(result, tmp_path):
    result.write(tmp_path)
    again = EvaluationResult.read(tmp_path)
    assert repr(again.boundary_maps) == repr(result.boundary_maps)
    assert again.findings == result.findings or repr(again.findings) == repr(result.findings)


def test_nothing_of_it_is_shared(result):
    told = shareable(result)
    assert told.boundary_maps == ()
    assert not [f for f in told.findings if f.kind == "boundary"]


def test_volumes_have_slices(tmp_path):
    dataset = make_dataset(tmp_path, n_patients=10, volumes=True)
    found = evaluate(
        dataset.references, dataset.predictions, dataset.table, ["sex"],
        settings=QUICK, boundary_maps=True,
    )  # fmt: skip
    first = found.boundary_maps[0]
    assert (first.slices, first.clock, first.unit) == (("feet", "head"), ("front", "left"), "mm")
    assert np.array(first.errors["male"]).shape == (10, 12)
    assert first.rows == 5
    assert np.array(found.boundary_maps[1].errors["male"]).shape == (5, 12)


def test_cases_without_the_label_are_counted(tmp_path):
    dataset = make_dataset(tmp_path, n_patients=12, cases_per_patient=1)
    for case in dataset.cases[:2]:
        write_mask(dataset.predictions / f"{case}.png", np.zeros((40, 57), np.uint8))
    found = evaluate(
        dataset.references, dataset.predictions, dataset.table, ["sex"],
        settings=QUICK, boundary_maps=True,
    )  # fmt: skip
    for labelled in found.boundary_maps:
        assert labelled.n_without == {"female": 1, "male": 1}
        assert labelled.n_patients == {"female": 5, "male": 5}


def test_patients_in_both_groups_are_not_tested(tmp_path):
    dataset = make_dataset(tmp_path, n_patients=12)
    rows = [
        {"case": case, "patient": case[:7], "scanner": "ab"[int(case[-1])]}
        for case in dataset.cases
    ]
    dataset.write_table(rows)
    found = evaluate(
        dataset.references, dataset.predictions, dataset.table, ["scanner"],
        settings=QUICK, boundary_maps=True,
    )  # fmt: skip
    claims = [f for f in found.findings if f.kind == "boundary"]
    assert {f.verdict for f in claims} == {"not_comparable"}
    assert "some patients have images in both groups" in claims[0].sentence


def test_flat_and_solid_masks_are_refused(tmp_path):
    dataset = make_dataset(tmp_path, n_patients=10, ending=".nii.gz")
    for folder in (dataset.references, dataset.predictions):
        solid = np.zeros((4, 40, 57), np.uint8)
        solid[1:3, 10:20, 10:20] = 1
        write_mask(folder / f"{dataset.cases[0]}.nii.gz", solid)
    with pytest.raises(EvaluationError, match=r"has two dimensions, .* three. Evaluate them apart"):
        evaluate(
            dataset.references, dataset.predictions, dataset.table, ["sex"],
            settings=QUICK, boundary_maps=True,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--shareable"], "nor boundary maps nor downstream measures, as small groups"),
        (["--from-csv", "scores.csv"], "--boundary-maps applies to masks, not to --from-csv"),
    ],
)
def test_refused_options(tmp_path, capsys, options, message):
    source = [] if "--from-csv" in options else ["-gt", "a", "-pred", "b"]
    assert command([*source, "-o", str(tmp_path / "out"), "--boundary-maps", *options]) == 2
    assert message in " ".join(capsys.readouterr().err.split())
