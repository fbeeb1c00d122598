import pytest

from nnunetv2_fair.evaluation.disclosure.of_evaluation import shareable
from nnunetv2_fair.report.paper.design import design_of
from tests.report.paper.designs import evaluated


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize(
    ("design", "images", "patients", "people"),
    [
        ("plain", 60, 60, "60 images of 60 patients"),
        ("several images", 120, 60, "120 images of 60 patients"),
        ("unknown and missing", 57, 57, "57 images of 57 patients"),  # 3 without a prediction
    ],
)
def test_who_was_evaluated(design, images, patients, people, hidden):
    result = evaluated(design)
    found = design_of(shareable(result) if hidden else result)
    assert (found.images, found.patients, found.people) == (images, patients, people)
    assert found.several == (images > patients)
    assert not found.measured


@pytest.mark.parametrize("hidden", [False, True])
def test_what_was_asked_for(hidden):
    def found(design):
        return design_of(shareable(evaluated(design)) if hidden else evaluated(design))

    assert [str(c) for c in found("failures").failures] == ["dice=0.1", "heart:hd95=50"]
    assert found("adjusted").adjusted_for == ["site", "age"]
    assert found("margins").margins == {"dice": 0.05}
    assert found("searched").searched
    assert not found("plain").searched
    assert (found("folds").trainings, found("folds").folds) == (3, True)
    assert (found("trainings").trainings, found("trainings").folds) == (3, False)
    assert found("images counted").unit == "image"
    assert (found("90% and more").confidence, found("90% and more").min_patients) == ("90%", 10)
