import pytest

from nnunetv2_fair.study.study_file import validation_problems
from nnunetv2_fair.study.study_file.reading import read_settings
from nnunetv2_fair.study.study_file.settings import (
    Settings,
)

FULL = """\
title: All of it
datasets:
  - id: 042
    configurations: [2d, 3d_fullres]
    plans: [nnUNetResEncUNetMPlans]
    folds: [all]
    number_of_folds: 3
    stratify: sex+age
    attributes: [race]
    tests:
      - internal
      - {name: clinic, dataset: 43, part: training}
      - name: far
        images: images
        labels: /abs/labels
        demographics: ../people.csv
  - {id: Dataset007_Eyes, configurations: [2d]}
attributes: [sex, age]
trainers: [nnUNetTrainer, "nnUNetTrainerGroupDRO_{attribute}"]
baseline: nnUNetTrainer
evaluation: {attributes: [sex], preset: lee, shards: 4, bins: {age: [50, 65.5]}}
prediction: {mirroring: false}
resources:
  default: {memory: 8G}
  train: {gpus: 2, runtime: 1d12h}
  trainers:
    "*APPLE*": {runtime: 90m}
device: cpu
attempts: 5
seed: 7
setup: [module load cuda]
environment: {A: 1, B: two}
python: /usr/bin/python3
container: apptainer exec x.sif
"""


def settings_of(tmp_path, text):
    path = tmp_path / "study.yaml"
    path.write_text(text, encoding="utf-8")
    return read_settings(path)


def test_everything_that_a_file_can_say(tmp_path):
    settings, problems = settings_of(tmp_path, FULL)
    assert problems == []
    first, second = settings.datasets
    assert (first.id, first.line("id"), first.folds) == ("042", 3, ("all",))
    assert (first.plans, first.number_of_folds) == (("nnUNetResEncUNetMPlans",), 3)
    assert (first.attributes, first.line("attributes"), first.stratify) == (("race",), 9, "sex+age")
    assert [(t.name, t.dataset, t.part, t.line()) for t in first.tests] == [
        ("internal", "", "test", 11),
        ("clinic", "43", "training", 12),
        ("far", "", "test", 13),
    ]
    far = first.tests[2]
    assert far.images == tmp_path / "images"
    assert str(far.labels) == "/abs/labels"
    assert far.demographics.resolve() == tmp_path.parent / "people.csv"
    assert (second.id, second.folds) == ("Dataset007_Eyes", ("0", "1", "2", "3", "4"))
    assert [t.name for t in second.tests] == ["internal"]
    assert (second.plans, second.attributes) == (("nnUNetPlans",), ())
    assert (settings.attributes, settings.line("attributes")) == (("sex", "age"), 18)
    assert settings.trainers[1] == "nnUNetTrainerGroupDRO_{attribute}"
    assert settings.line("trainers", 1) == 19
    options = settings.evaluation
    assert (options.attributes, options.shards) == (("sex",), 4)
    assert options.model_dump(exclude_unset=True) == {
        "attributes": ("sex",),
        "preset": "lee",
        "shards": 4,
        "bins": {"age": (50, 65.5)},
    }
    assert settings.prediction.mirroring is False
    assert settings.resources.default.amounts() == {"memory_mb": 8000}
    assert settings.resources.train.amounts() == {"gpus": 2, "runtime_min": 36 * 60}
    assert {name: job.amounts() for name, job in settings.resources.trainers.items()} == {
        "*APPLE*": {"runtime_min": 90}
    }
    assert (settings.device, settings.attempts, settings.seed) == ("cpu", 5, 7)
    assert settings.environment == {"A": "1", "B": "two"}
    assert (settings.python, settings.container) == ("/usr/bin/python3", "apptainer exec x.sif")


def test_all_mistakes_at_once_each_with_its_line(tmp_path):
    text = """\
title: ""
datasets:
  - id: 42
    configuration: [2d]
    folds: [0, seven]
  - {id: 43, configurations: [2d], tests: [extern, {name: a b}, {images: x}]}
trainer: [nnUNetTrainer]
trainers: nnUNetTrainer
device: gpu
attempts: 0
evaluation: {preset: Lee, min_support: 0, bins: {age: 50}}
resources: {train: {memory: 32}, trian: {}, predict: {runtime: 48:00:00}}
"""
    _, problems = settings_of(tmp_path, text)
    found = sorted({str(problem) for problem in problems})
    expected = [
        'line 1: title: found ""; expected the title of the study',
        "line 3: datasets, entry 1: missing configurations. Expected configurations: a list of",
        "line 4: datasets, entry 1: there is no key 'configuration'. Did you mean 'configurations'",
        'line 5: datasets, entry 1, folds, entry 2: found "seven"; expected a fold from 0 to 19',
        'line 6: datasets, entry 2, tests, entry 1: found "extern"; expected internal',
        'line 6: datasets, entry 2, tests, entry 2, name: found "a b"; expected a short name',
        "line 6: datasets, entry 2, tests, entry 3: missing name",
        "line 7: there is no key 'trainer'. Did you mean 'trainers'? Known keys: attempts,",
        'line 8: trainers: found "nnUNetTrainer"; expected a list of trainers by name',
        'line 9: device: found "gpu"; expected one of cuda, cpu, mps',
        "line 10: attempts: found 0; expected how often a job may be started, 1 to 100",
        'line 11: evaluation, preset: found "Lee"; expected one of mama-mia, lee, apple, fairdiff',
        "line 11: evaluation, min_support: found 0; expected a share of the patients, above 0",
        "line 11: evaluation, bins, age: found 50; expected a list of different numbers",
        "line 12: resources, train, memory: found 32; expected main memory with its unit, such as",
        "line 12: resources: there is no key 'trian'. Did you mean 'train'?",
        'line 12: resources, predict, runtime: found "48:00:00"; expected a time limit with its',
    ]
    for words in expected:
        assert any(line.startswith(words) for line in found), (words, found)
    assert len(found) == len(expected)


def test_what_is_right_is_kept_beside_what_is_wrong(tmp_path):
    text = """\
title: x
datasets:
  - {id: 42, configurations: [2d, "3 d"], folds: [0, 99, 1]}
  - {configurations: [2d]}
trainers: [nnUNetTrainer, 5, nnUNetTrainer_5epochs]
seed: -1
"""
    settings, problems = settings_of(tmp_path, text)
    assert len(problems) == 5
    (dataset,) = settings.datasets
    assert (dataset.configurations, dataset.folds) == (("2d",), ("0", "1"))
    assert list(settings.trainers) == ["nnUNetTrainer", "nnUNetTrainer_5epochs"]
    assert settings.seed is None


@pytest.mark.parametrize("line", ["seeds: [1, 2, 3]", "seed: [1, 2, 3]", "training_seeds: 4"])
def test_there_are_repeats_rather_than_seeds(tmp_path, line):
    _, problems = settings_of(tmp_path, f"title: x\n{line}\ndatasets: []\ntrainers: []\n")
    (problem,) = [p for p in problems if "seed" in p.text]
    assert problem.line == 2
    assert "repeats: 3 trains every trainer three times, as _run1 to _run3" in problem.text


@pytest.mark.parametrize("value", ["0", "-1", "21", "2.5", "three", "true", "[1, 2]"])
def test_repeats_are_a_number(tmp_path, value):
    text = f"title: x\nrepeats: {value}\ndatasets: []\ntrainers: []\n"
    settings, problems = settings_of(tmp_path, text)
    (problem,) = [p for p in problems if "repeats" in p.text]
    assert problem.line == 2
    assert "expected how often each trainer is trained, 1 to 20" in problem.text
    assert settings.repeats is None


def test_a_file_that_is_no_mapping(tmp_path):
    for text in ("- a\n- b\n", "just words\n", "# nothing\n"):
        settings, problems = settings_of(tmp_path, text)
        assert problems
        assert "expected keys such as title, datasets and trainers" in problems[0].text
        assert settings.datasets == ()


def test_every_part_of_a_file_says_in_words_what_it_expects():
    """Messages are made of these descriptions, so none may be missing."""
    schema = Settings.model_json_schema()

    def places(part, place=()):
        part = validation_problems._resolved(part, schema)
        yield place
        for key, inside in part.get("properties", {}).items():
            yield from places(inside, (*place, key))
        if isinstance(part.get("additionalProperties"), dict):
            yield from places(part["additionalProperties"], (*place, "any"))
        if "items" in part:
            yield from places(part["items"], (*place, 0))

    found = list(places(schema))
    assert len(found) > 140
    for place in found:
        words = validation_problems.expectation(place, schema)
        assert words, place
        # the docstring of a model is for developers
        assert words[0].islower(), (place, words)


def test_nothing_may_be_left_empty(tmp_path):
    text = """\
title: x
datasets:
  - {id: 1, configurations: [2d], stratify: , tests: [{name: a, images: }]}
trainers: [nnUNetTrainer]
seed:
evaluation: {preset: , metrics: [], tables: , bins: {age: []}}
resources: {train: , predict: {memory: }}
environment: {A: }
"""
    _, problems = settings_of(tmp_path, text)
    places = [str(problem).split(": found ")[0] for problem in sorted(problems)]
    assert places == [
        "line 3: datasets, entry 1, stratify",
        "line 3: datasets, entry 1, tests, entry 1, images",
        "line 5: seed",
        "line 6: evaluation, bins, age",
        "line 6: evaluation, metrics",
        "line 6: evaluation, preset",
        "line 6: evaluation, tables",
        "line 7: resources, predict, memory",
        "line 7: resources, train",
        "line 8: environment, A",
    ]


def test_only_what_is_wrong_is_left_out_of_what_is_checked_on(tmp_path):
    text = """\
title: 5
datasets:
  - {id: 42, configurations: 2d, folds: [99], tests: [extern]}
  - 43
  - {id: 44, configurations: [2d], folds: [99, 1]}
trainers: [5, nnUNetTrainer]
evaluation: {metrics: [dise], shards: 4, nothing: 1}
"""
    settings, problems = settings_of(tmp_path, text)
    assert len(problems) == 9
    first, second = settings.datasets
    assert (first.id, first.configurations, first.folds, first.tests) == ("42", (), (), ())
    # what follows an entry that is gone still knows its line
    assert (second.id, second.line("id"), second.line("folds", 0)) == ("44", 5, 5)
    assert (settings.title, settings.trainers, settings.line("trainers", 0)) == (
        "",
        ("nnUNetTrainer",),
        6,
    )
    assert (settings.evaluation.metrics, settings.evaluation.shards) == ((), 4)


def test_words_are_not_numbers_and_numbers_are_not_words(tmp_path):
    text = """\
title: x
datasets: [{id: true, configurations: [2d], folds: ["0", true]}]
trainers: [nnUNetTrainer]
attempts: 2.0
seed: true
evaluation: {tolerance: "2", bins: {age: [50, 50.0]}, reference: {sex: 1}}
environment: {A: true}
"""
    _, problems = settings_of(tmp_path, text)
    assert len(problems) == 9, problems


def test_a_home_that_does_not_exist(tmp_path):
    tests = "[{name: a, images: ~nobody-of-this-name/x}]"
    text = f"title: x\ndatasets: [{{id: 1, configurations: [2d], tests: {tests}}}]\ntrainers: [t]\n"
    _, (problem,) = settings_of(tmp_path, text)
    assert 'images: found "~nobody-of-this-name/x"; expected a path' in str(problem)
