"""What a study's file asks for arrives at the command as the command understands it."""

from nnunetv2_fair.cli.evaluate import _parser
from nnunetv2_fair.cli.shared.pairs import list_pairs
from nnunetv2_fair.cli.shared.table_arguments import table_settings
from nnunetv2_fair.evaluation.failures.criteria import parse_failures
from nnunetv2_fair.evaluation.results.failures import FailureCriterion
from nnunetv2_fair.evaluation.statistics.equivalence import parse_margins
from nnunetv2_fair.study.plan.steps.evaluation_arguments import evaluation_arguments
from nnunetv2_fair.study.study_file.settings import EvaluationOptions, TestEntry
from nnunetv2_fair.tables.settings import TableSettings


def test_failures_margins_and_confounders():
    options = EvaluationOptions(
        failure={"dice": 0.1, "lesion:hd95": 12.5}, margin={"dice": 0.0125}, adjust=["site", "age"]
    )
    arguments = evaluation_arguments(options, ["sex", "sex+age"], 3, TableSettings())
    read = _parser().parse_args(["-o", "out", *arguments])
    assert parse_failures(read.failure) == (
        FailureCriterion("dice", 0.1),
        FailureCriterion("hd95", 12.5, "lesion"),
    )
    assert parse_margins(read.margin) == {"dice": 0.0125}
    assert read.adjust == ["site", "age"]
    assert (read.a, read.seed) == (["sex", "sex+age"], 3)


def test_chosen_groups_of_the_attributes_that_are_evaluated():
    asked = {"sex": ("f=1", "m, x"), "age": ("<50", ">=65"), "sex+age": ("-x", "a\\b")}
    options = EvaluationOptions(groups=asked)
    arguments = evaluation_arguments(options, ["sex", "sex+age"], None, TableSettings())
    read = _parser().parse_args(["-o", "out", *arguments])
    found = list_pairs(read.groups, "--groups", "")
    assert found == {name: asked[name] for name in ("sex", "sex+age")}


def test_how_a_table_is_read_arrives_as_it_was_written():
    options = EvaluationOptions(
        columns={"case": "File name", "sex": "Gender=M/F"},
        values={"sex": {"F": "female", "1": "male", "-x": "male"}},
        unknown=["?", "999"],
        dicom_age=["age"],
        range={"bmi": [10, 80.5]},
        sheet="Patients 2",
        bins={"age": [50, 65], "bmi": [18.5]},
    )
    arguments = evaluation_arguments(options, ["sex"], None, options.reading())
    read = table_settings(_parser().parse_args(["-o", "out", *arguments]))
    assert read == TableSettings(
        columns={"case": "File name", "sex": "Gender=M/F"},
        values={"sex": {"F": "female", "1": "male", "-x": "male"}},
        unknown=("?", "999"),
        dicom_age=("age",),
        ranges={"bmi": (10.0, 80.5)},
        sheet="Patients 2",
        bins={"age": (50.0, 65.0), "bmi": (18.5,)},
    )


def test_keys_of_a_test_set_stand_in_for_those_of_the_evaluation():
    options = EvaluationOptions(columns={"sex": "Gender"}, unknown=["?"], sheet="A")
    test = TestEntry(name="other", columns={"sex": "Geschlecht"}, sheet="B")
    assert test.reading(options) == TableSettings(
        columns={"sex": "Geschlecht"}, unknown=("?",), sheet="B"
    )
    assert TestEntry(name="internal").reading(options) == options.reading()
