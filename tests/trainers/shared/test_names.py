import pytest

from nnunetv2_fair.errors import TrainerNameError
from nnunetv2_fair.trainers.shared.names import (
    Experiment,
    choice_option,
    meant_option,
    number_option,
    parse_name,
    with_run,
)

OPTIONS = {
    option.name: option
    for option in (
        number_option("alpha", 0.2, 0, 1, "a share"),
        number_option("beta", 1.0, 0, 100, "a weight", low_open=True),
        choice_option("unknown", "exclude", ("exclude", "own"), "a policy"),
    )
}
METHODS = {"nnUNetTrainerAPPLE": OPTIONS, "nnUNetTrainerAPPLEPlus": {}}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nnUNetTrainerAPPLE", Experiment("nnUNetTrainerAPPLE")),
        ("nnUNetTrainerAPPLE_sex", Experiment("nnUNetTrainerAPPLE", "sex")),
        ("nnUNetTrainerAPPLE_5epochs", Experiment("nnUNetTrainerAPPLE", epochs=5)),
        ("nnUNetTrainerAPPLE_1epoch", Experiment("nnUNetTrainerAPPLE", epochs=1)),
        (
            "nnUNetTrainerAPPLE_sex+age_beta0.1_100epochs",
            Experiment("nnUNetTrainerAPPLE", "sex+age", {"beta": 0.1}, 100),
        ),
        (
            "nnUNetTrainerAPPLE_menopausal_status+age_alpha1_unknownown",
            Experiment(
                "nnUNetTrainerAPPLE", "menopausal_status+age", {"alpha": 1.0, "unknown": "own"}
            ),
        ),
        # attributes that only begin like an option
        ("nnUNetTrainerAPPLE_alphabet", Experiment("nnUNetTrainerAPPLE", "alphabet")),
        ("nnUNetTrainerAPPLE_alpha", Experiment("nnUNetTrainerAPPLE", "alpha")),
        ("nnUNetTrainerAPPLEPlus_sex", Experiment("nnUNetTrainerAPPLEPlus", "sex")),
        ("nnUNetTrainer", None),
        ("nnUNetTrainer_5epochs", None),
        ("nnUNetTrainerAPPLEX_sex", None),
        ("__path__", None),
    ],
)
def test_grammar(name, expected):
    assert parse_name(name, METHODS) == expected


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nnUNetTrainerAPPLE_sex_gamma0.5", "'gamma0.5' is not an option of nnUNetTrainerAPPLE"),
        ("nnUNetTrainerAPPLE_beta0.1_sex", "'sex' is not an option"),
        (
            "nnUNetTrainerAPPLE_alpha2",
            "'2' is not a value of option 'alpha': expected a number",
        ),
        ("nnUNetTrainerAPPLE_beta0", "a number above 0 to 100"),
        ("nnUNetTrainerAPPLE_unknownmale", "expected one of exclude, own"),
        ("nnUNetTrainerAPPLE_beta1_beta2", "option 'beta' is given twice"),
        ("nnUNetTrainerAPPLE__sex", "two underscores in a row"),
        ("nnUNetTrainerAPPLE_0epochs", "at least 1 epoch"),
    ],
)
def test_errors_list_the_options_with_defaults(name, message):
    with pytest.raises(TrainerNameError) as error:
        parse_name(name, METHODS)
    assert name in str(error.value)
    assert message in str(error.value)
    assert "alpha<value>  a share (a number from 0 to 1; default 0.2)" in str(error.value)


@pytest.mark.parametrize(
    ("token", "meant"),
    [("apha0.5", "alpha0.5"), ("Alpha0.5", "alpha0.5"), ("unknwonown", "unknownown")],
)
def test_misspelled_options_are_suggested_with_their_value(token, meant):
    with pytest.raises(TrainerNameError) as error:
        parse_name(f"nnUNetTrainerAPPLE_alpha0.1_{token}", METHODS)
    # the reason is the last line: it is the one above the prompt
    assert str(error.value).splitlines()[-1].endswith(f"Did you mean '{meant}'?")
    assert meant_option(f"sex_{token}", ["sex"], OPTIONS) == f" Did you mean '{meant}'?"


def test_an_attribute_is_no_misspelled_option():
    assert meant_option("sex", ["sex"], OPTIONS) == ""
    assert meant_option(None, ["sex"], OPTIONS) == ""
    assert meant_option("sexx_apha0.5", ["sex"], OPTIONS) == ""


ONE_GROUP = {"nnUNetTrainerInD": OPTIONS, "nnUNetTrainerAPPLE": OPTIONS}


def parse_with_group(name):
    return parse_name(name, ONE_GROUP, ["nnUNetTrainerInD"])


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        ("sex=female", Experiment("nnUNetTrainerInD", "sex", group="female")),
        (
            "sex+age=female+lt50_alpha1_5epochs",
            Experiment("nnUNetTrainerInD", "sex+age", {"alpha": 1.0}, 5, "female+lt50"),
        ),
        (
            "menopausal_status=post-menopausal",
            Experiment("nnUNetTrainerInD", "menopausal_status", group="post-menopausal"),
        ),
        # a group that looks like another part of the name
        ("visit=5epochs", Experiment("nnUNetTrainerInD", "visit", group="5epochs")),
        ("dose=1.5-2", Experiment("nnUNetTrainerInD", "dose", group="1.5-2")),
    ],
)
def test_one_group(rest, expected):
    assert parse_with_group(f"nnUNetTrainerInD_{rest}") == expected


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nnUNetTrainerInD_sex_5epochs", "it does not say which group to train on"),
        ("nnUNetTrainerInD_sex=", "'sex=' is not of the form <attribute>=<group>"),
        ("nnUNetTrainerInD_=male", "'=male' is not of the form <attribute>=<group>"),
        ("nnUNetTrainerInD_age=<50", "write group '<50' as 'lt50', for folder names"),
        ("nnUNetTrainerInD_sex=male_age", "'age' is not an option of nnUNetTrainerInD"),
        ("nnUNetTrainerInD_sex=male_age=old", "'age=old' is not an option of nnUNetTrainerInD"),
        ("nnUNetTrainerInD_alpha1_sex=male", "'sex=male' is not an option of nnUNetTrainerInD"),
        # all other methods train on all groups
        ("nnUNetTrainerAPPLE_sex=male", "'sex=male' is not an option of nnUNetTrainerAPPLE"),
    ],
)
def test_wrong_groups(name, message):
    with pytest.raises(TrainerNameError) as error:
        parse_with_group(name)
    assert message in str(error.value)


def test_an_attribute_with_spaces_is_named_as_the_cause():
    with pytest.raises(TrainerNameError) as error:
        parse_with_group("nnUNetTrainerAPPLE_body weight_5epochs")
    assert "cannot hold spaces, as 'body weight' does. Call it otherwise in" in str(error.value)


def test_the_grammar_of_one_group_is_explained():
    with pytest.raises(TrainerNameError) as error:
        parse_with_group("nnUNetTrainerInD_sex")
    assert "Expected nnUNetTrainerInD_<attribute>=<group>[_<option><value>]" in str(error.value)
    assert "for example nnUNetTrainerInD_sex=female_5epochs" in str(error.value)


@pytest.mark.parametrize(
    ("name", "base", "expected"),
    [
        ("nnUNetTrainer", None, "nnUNetTrainer_run2"),
        ("nnUNetTrainer_5epochs", None, "nnUNetTrainer_run2_5epochs"),
        ("nnUNetTrainerADV_sex_lambda2", None, "nnUNetTrainerADV_sex_lambda2_run2"),
        ("nnUNetTrainerAPPLE_sex", "nnUNetTrainer", "nnUNetTrainerAPPLE_sex_base-run2_run2"),
        (
            "nnUNetTrainerAPPLE_sex_base-5epochs_beta0.1_7epochs",
            "nnUNetTrainer_5epochs",
            "nnUNetTrainerAPPLE_sex_base-run2-5epochs_beta0.1_run2_7epochs",
        ),
        (
            "nnUNetTrainerInD_sex=lt50_baseMonitor-sex",
            "nnUNetTrainerMonitor_sex",
            "nnUNetTrainerInD_sex=lt50_baseMonitor-sex-run2_run2",
        ),
    ],
)
def test_names_of_runs(name, base, expected):
    assert with_run(name, 2, base) == expected
