"""The studies of the papers are valid for what the converters write, and say what they make."""

import json
from pathlib import Path

import pytest

from nnunetv2_fair.cli import study as command
from nnunetv2_fair.cli.convert_FairSeg import main as convert_fairseg
from nnunetv2_fair.cli.convert_MAMA_MIA import main as convert_mama_mia
from nnunetv2_fair.cli.convert_TUSC import main as convert_tusc
from nnunetv2_fair.cli.convert_UKBB_CMR import main as convert_cmr
from nnunetv2_fair.errors import StudyError
from nnunetv2_fair.study.asked import Asked, from_json
from nnunetv2_fair.study.plan.plan import plan_study
from nnunetv2_fair.study.plan.steps.commands import shown
from nnunetv2_fair.study.step import Plan
from tests.dataset_conversion.factories import fairseg, mama_mia, tusc, ukbb_cmr


def convert(main, *arguments: object) -> None:
    assert main([str(argument) for argument in arguments]) == 0


def lee(folder: Path) -> None:
    persons = ukbb_cmr.people(24, ("1001", "1001", "4001", "3001"))
    images = ukbb_cmr.build(folder / "download", persons)
    shared = ["-i", images, "-np", 1, "--table", images.parent / "table.csv",
              "--participant-map", folder / "map.csv"]  # fmt: skip
    convert(convert_cmr, *shared, "-d", 45, "--cohort", "white=8,black=2,seed=1")
    convert(convert_cmr, *shared, "-d", 46, "-n", "Minority", "--cohort", "white=8,black=4,seed=1")


def hearts(folder: Path) -> None:
    images = ukbb_cmr.build(folder / "download", ukbb_cmr.people(24, ("1001", "4001", "3001")))
    convert(convert_cmr, "-i", images, "-np", 1, "--table", images.parent / "table.csv",
            "--participant-map", folder / "map.csv", "-d", 45)  # fmt: skip


def fairmedseg(folder: Path) -> None:
    download = mama_mia.make_download(folder / "download")
    convert(convert_mama_mia, "-i", download.folder, "-d", 60, "-np", 1)


def apple(folder: Path) -> None:
    made = tusc.Download(lengths=(7, 12, 5, 1, 11, 10) * 4, shape=(52, 64)).write(folder / "TUSC")
    convert(convert_tusc, "-i", made, "-d", 44, "-np", 1, "--resize", 48, 56)


def fair_diff(folder: Path) -> None:
    # three patients of each group, or nothing would be learnt from it
    images = fairseg.write_download(folder / "FairSeg", range(1, 49))
    convert(convert_fairseg, "-i", images, "-d", 45, "-np", 1, "--test-ratio", 0.3)


CONVERTED = {
    "cropping": hearts,
    "lee": lee,
    "fairmedseg": fairmedseg,
    "apple": apple,
    "fairdiff": fair_diff,
}


def asked_of(plan: Plan) -> dict[str, Asked]:
    return {asked.name: asked for asked in from_json(plan.steps["paper"].commands[0][-1])}


@pytest.mark.parametrize("paper", [name for name in command.EXAMPLES if name in CONVERTED])
def test_every_paper_is_valid_for_its_converted_dataset(paper, study_root, tmp_path, asked_here):
    CONVERTED[paper](tmp_path)
    path = study_root / "paper" / "study.yaml"
    assert command.main([str(path), "--init", paper]) == 0
    plan = plan_study(path, path.parent)
    step = plan.steps["paper"]
    asked = asked_of(plan)
    assert asked
    assert set(step.needs) == {n for n, s in plan.steps.items() if s.kind in ("evaluate", "merge")}
    for one in asked.values():
        assert bool(one.needs) != bool(one.kind)
        if one.kind not in ("", "cohort"):
            trainers = {*one.methods.values(), *(t for s in one.series.values() for t in s)}
            facts = [s.facts for s in plan.steps.values() if s.kind in ("evaluate", "merge")]
            for place in one.places:
                there = {f["trainer"] for f in facts if f["dataset"] == place.dataset}
                assert trainers & there == trainers or one.series


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ("tables: [{name: t, kind: fairness}]", "'t': a fairness needs the key by"),
        ("tables: [{name: t, by: sex}]", "'t' has no kind. Add one of cohort, medians, fairness"),
        (
            "tables: [{name: t, kind: fairness, by: sex, columns: [age]}]",
            "'t': a fairness has no key 'columns'. Keys: by, configuration, dataset",
        ),
        (
            "tables: [{name: t, kind: fairness, by: sex, methods: {A: nnUNetTrainr}}]",
            "'t', methods: there is no 'nnUNetTrainr' here. Did you mean 'nnUNetTrainer'?",
        ),
        (
            "tables: [{name: t, kind: fairness, by: sex+age}]",
            "is not evaluated by 'sex+age'. Add it to evaluation: attributes (now sex, age)",
        ),
        (
            "tables: [{name: t, kind: medians, by: sex, groups: [femal, male]}]",
            "'t', groups: there is no 'femal' here. Did you mean 'female'?",
        ),
        (
            "tables: [{name: t, kind: challenge}]",
            "'t': a challenge needs evaluation: {preset: mama-mia}",
        ),
        (
            "tables: [{name: t, kind: cohort, by: sex, columns: [agee]}]",
            "'t', columns: there is no 'agee' here. Did you mean 'age'?",
        ),
        ("tables: [{name: t, kind: cohort, by: sex}]", "'t': a cohort needs the key columns"),
        (
            "tables: [{name: t, kind: cohort, dataset: 77, by: sex, columns: [age]}]",
            "No dataset '77' in",
        ),
        (
            "figures: [{name: f, kind: curve, by: sex}]",
            "'f': a curve needs the key series, such as",
        ),
        (
            "figures: [{name: f, kind: curve, by: sex, axis: n, series: {A: {nnUNetTraner: 1}}}]",
            "Did you mean 'nnUNetTrainer'?",
        ),
        (
            "figures: [{name: f, kind: heatmap, by: sex}]",
            "'f': a heatmap is by two attributes, such as sex+age, not 'sex'",
        ),
        ("figures: [{name: f, kind: boxes, by: sex, metric: nsd}]", "'f': nsd is not measured"),
        ("figures: [{name: f, kind: boxes, by: sex, test: x}]", "'f', test: there is no 'x' here"),
        (
            "figures: [{name: f, kind: boxes, by: sex, label: lunge}]",
            "'f', label: there is no 'lunge' here",
        ),
        ("figures: [{name: f, kind: boxs, by: sex}]", "expected one of boxes, curve"),
        (
            "figures: [{name: f, kind: boxes, by: sex, dataset: 3}]",
            "'f': '3' is not a dataset of this study",
        ),
        (
            "figures: [{name: f, needs: x}, {name: f, needs: y}]",
            "table or figure 'f' is listed twice",
        ),
    ],
)
def test_what_cannot_be_made_is_refused(plan, items, message):
    with pytest.raises(StudyError) as refused:
        plan(extra=f"{items}\n")
    assert message in str(refused.value)
    assert "line " in str(refused.value)


def test_the_step_asks_for_names_and_places(plan):
    made = plan(
        extra="tables: [{name: t, kind: fairness, by: sex, missing: {Later: synthetic cases}}]\n"
        "figures: [{name: f, needs: SAM}]\n"
    )
    asked = asked_of(made)
    assert asked["t"].methods == {
        "nnUNetTrainer": "nnUNetTrainer", "Oversampling_sex": "nnUNetTrainerOversampling_sex",
        "Oversampling_age": "nnUNetTrainerOversampling_age",
    }  # fmt: skip
    assert asked["t"].baseline == "nnUNetTrainer"
    (place,) = asked["t"].places
    assert (place.configuration, place.plans, place.test) == ("2d", "nnUNetPlans", "internal")
    assert asked["f"].needs == "SAM"
    assert made.steps["paper"].outputs == ("paper/contents.md", "paper_exact/contents.md")
    assert "paper" in made.steps["index"].needs
    assert shown(made.steps["paper"].commands[0]).endswith("-m nnunetv2_fair.study.papers .")
    assert "paper" not in plan().steps


def test_another_table_makes_the_step_again_and_nothing_else(plan):
    one, other = (
        plan(extra=f"tables: [{{name: t, kind: fairness, by: {by}}}]\n") for by in ("sex", "age")
    )
    changed = {n for n, s in one.steps.items() if s.fingerprint != other.steps[n].fingerprint}
    assert changed == {"paper", "index"}


def test_a_dataset_may_have_trainers_of_its_own(plan, write_study):
    text = (
        write_study()
        .read_text()
        .replace(
            "    number_of_folds: 2\n",
            "    number_of_folds: 2\n    trainers: [nnUNetTrainerMonitor_sex]\n",
        )
    )
    made = plan(text, "baseline: nnUNetTrainer\n")
    trained = {s.facts["trainer"] for s in made.steps.values() if s.kind == "train"}
    assert trained == {"nnUNetTrainerMonitor_sex"}


def test_json_is_what_was_asked():
    one = Asked(True, "f", "curve", values=("mean",), series={"A": {"nnUNetTrainer": 0.5}})
    assert from_json(json.dumps([{"figure": True, "name": "f", "kind": "curve", "values": ["mean"],
                                  "series": {"A": {"nnUNetTrainer": 0.5}}}])) == (one,)  # fmt: skip


def test_an_unknown_paper_is_told_which_there_are(tmp_path, capfd):
    assert command.main([str(tmp_path / "s.yaml"), "--init", "fairdif"]) == 2
    told = capfd.readouterr().err
    assert "Did you mean 'fairdiff'?" in told
    assert "lee (Lee et al., MELBA 2025" in told
    assert not (tmp_path / "s.yaml").exists()


def test_a_dataset_that_is_not_converted_is_named(study_root, asked_here):
    path = study_root / "paper" / "study.yaml"
    assert command.main([str(path), "--init", "lee"]) == 0
    with pytest.raises(StudyError, match="No dataset '45' in"):
        plan_study(path, path.parent)
