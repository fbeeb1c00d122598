"""What a study's file asks for arrives at the command as the command understands it."""

from nnunetv2_fair.cli.evaluate import _parser
from nnunetv2_fair.evaluation.failures.criteria import parse_failures
from nnunetv2_fair.evaluation.results.failures import FailureCriterion
from nnunetv2_fair.evaluation.statistics.equivalence import parse_margins
from nnunetv2_fair.study.plan.steps.evaluation_arguments import evaluation_arguments
from nnunetv2_fair.study.study_file.settings import EvaluationOptions


def test_failures_margins_and_confounders():
    options = EvaluationOptions(
        failure={"dice": 0.1, "lesion:hd95": 12.5}, margin={"dice": 0.0125}, adjust=["site", "age"]
    )
    arguments = evaluation_arguments(options, ["sex", "sex+age"], 3)
    read = _parser().parse_args(["-o", "out", *arguments])
    assert parse_failures(read.failure) == (
        FailureCriterion("dice", 0.1),
        FailureCriterion("hd95", 12.5, "lesion"),
    )
    assert parse_margins(read.margin) == {"dice": 0.0125}
    assert read.adjust == ["site", "age"]
    assert (read.a, read.seed) == (["sex", "sex+age"], 3)
