import pytest
import yaml

from nnunetv2_fair import registration
from nnunetv2_fair.study.study_file.reading import read_settings
from nnunetv2_fair.study.study_file.wildcards import expand
from nnunetv2_fair.trainers.shared.describe import describe, describe_all


@pytest.fixture(autouse=True)
def registered():
    registration.register()


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("nnUNetTrainer_5epochs", {"ours": False, "base": None, "per_group": None}),
        ("nnUNetTrainer_300epochs", {"ours": False, "base": None, "per_group": None}),
        ("nnUNetTrainerGroupDRO", {"ours": True, "attribute": None, "base": None}),
        ("nnUNetTrainerADV_sex+age_lambda2", {"ours": True, "attribute": "sex+age", "base": None}),
        ("nnUNetTrainerAPPLE_sex_beta0.1", {"attribute": "sex", "base": "nnUNetTrainer"}),
        ("nnUNetTrainerAPPLE_sex_base-5epochs", {"base": "nnUNetTrainer_5epochs"}),
        ("nnUNetTrainerInD_sex=female", {"base": "nnUNetTrainer", "per_group": None}),
        ("nnUNetTrainerInD_sex=female_startscratch", {"base": None}),
        (
            "nnUNetTrainerInD_menopausal_status_baseGroupDRO-sex_5epochs",
            {
                "attribute": "menopausal_status",
                "base": "nnUNetTrainerGroupDRO_sex",
                "per_group": ("nnUNetTrainerInD_menopausal_status", "_baseGroupDRO-sex_5epochs"),
            },
        ),
    ],
)
def test_what_names_mean(name, facts):
    found = describe(name, ["sex", "age", "menopausal_status"])
    assert found["error"] == ""
    assert {key: found[key] for key in facts} == facts


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nnUNetTrainerOversamplin_sex", ["no trainer", "mean 'nnUNetTrainerOversampling_sex'?"]),
        ("nnUNetTrainerDA6", ["no trainer", "Did you mean 'nnUNetTrainerDA5'?"]),
        (
            "nnUNetTrainerOversampling_sex_level2",
            ["'2' is not a value of option 'level'", "Options: "],
        ),
        ("nnUNetTrainerGroupDRO_sex_steps0.1", ["mean 'step0.1'?", "step (a number"]),
        ("nnUNetTrainerInD_colour", ["does not name the attribute", "attribute of age, sex"]),
        (
            "nnUNetTrainerAPPLE_sex_baseAPPLE-sex",
            ["nnUNetTrainerAPPLE cannot be the base of another"],
        ),
        ("print", ["there is no trainer 'print'"]),
        ("nnUNetTrainr", ["Did you mean 'nnUNetTrainer'?"]),
        ("nnUNetTrainerDiceLos", ["Did you mean 'nnUNetTrainerDiceLoss'?"]),
        ("nnUNetTrainer_5epoch", ["Did you mean 'nnUNetTrainer_5epochs'?"]),
        ("nnUNetTrainerNobodyKnows", ["Names of ours begin with nnUNetTrainerMonitor, "]),
    ],
)
def test_names_that_mean_nothing(name, words):
    error = describe(name, ["sex", "age"])["error"]
    for word in words:
        assert word in error
    assert "\n" not in error


def test_bases_of_bases_are_described():
    name = "nnUNetTrainerAPPLE_sex_baseInD-sex=female-5epochs"
    described = describe_all([name], ["sex"])
    assert set(described) == {name, "nnUNetTrainerInD_sex=female_5epochs", "nnUNetTrainer"}


def test_the_trainers_of_all_examples_exist():
    from importlib import resources

    folder = resources.files("nnunetv2_fair.study").joinpath("examples")
    examples = sorted(entry.name for entry in folder.iterdir())
    assert len(examples) == 7
    for example in examples:
        with resources.as_file(folder.joinpath(example)) as path:
            settings, problems = read_settings(path)
            commented = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert problems == []
        assert commented["title"] == settings.title
        names = [n for t in settings.trainers for n in expand(t, settings.attributes)]
        assert settings.baseline in names
        described = describe_all(names, settings.attributes)
        assert {name: facts["error"] for name, facts in described.items() if facts["error"]} == {}
        for facts in described.values():
            assert facts["base"] in (None, *names)
