"""Which cases are compared, and what comes of it."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from nnunetv2_fair.errors import DemographicsError, EvaluationError
from nnunetv2_fair.inspection.analysis import LatentSettings, analyse, plan_attribute
from nnunetv2_fair.inspection.result import LatentResult
from nnunetv2_fair.subgroups.table import read_table
from tests.conftest import SEX_AND_AGE
from tests.report.html_check import check_page


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """30 patients of two cases; p0 to p9 are women, p27 to p29 unknown; c60 is synthetic."""
    rows = ["case,patient,sex,age,synthetic"]
    for i in range(60):
        patient = i // 2
        sex = "female" if patient < 10 else "male" if patient < 27 else ""
        rows.append(f"c{i},p{patient},{sex},{[30, 55, 70][min(patient, 26) // 13]},0")
    rows.append("c60,p0,female,30,1")
    path = tmp_path_factory.mktemp("table") / "demographics.csv"
    path.write_text("\n".join(rows) + "\n")
    path.with_suffix(".json").write_text(json.dumps(SEX_AND_AGE))
    return read_table(path)


SETTINGS = LatentSettings(n_bootstrap=200)


def shuffled(table):
    return list(np.random.default_rng(1).permutation(table.cases))


def test_who_is_compared(table):
    cases = shuffled(table)
    plan = plan_attribute(table, "sex", cases, SETTINGS)
    chosen = [cases[i] for i in plan.positions]
    assert set(chosen) == {f"c{i}" for i in range(54)}
    assert plan.names == ("female", "male")
    for case, group, patient in zip(chosen, plan.groups, plan.patients, strict=True):
        assert patient == f"p{int(case[1:]) // 2}"
        assert plan.names[group] == ("female" if int(case[1:]) < 20 else "male")
    assert plan.n_unknown == 6
    assert plan.left_out == {}


def test_folds_keep_patients_together_and_are_the_same_for_the_same_seed(table):
    cases = shuffled(table)
    plan = plan_attribute(table, "sex", cases, SETTINGS)
    assert len(plan.folds) == 5
    assert sorted(np.concatenate(plan.folds)) == list(range(54))
    patients = np.array(plan.patients)
    for held_out in plan.folds:
        rest = np.setdiff1d(np.arange(54), held_out)
        assert not set(patients[held_out]) & set(patients[rest])
        assert (plan.groups[held_out] == 0).sum() == 4
    again = plan_attribute(table, "sex", cases, SETTINGS)
    for one, other in zip(plan.folds, again.folds, strict=True):
        assert np.array_equal(one, other)


def test_groups_of_few_patients_are_left_out_and_counted(table):
    plan = plan_attribute(table, "age", table.cases, LatentSettings(min_patients=10))
    assert plan.names == ("<50", "50-64")
    assert plan.left_out == {">=65": 4}


def test_as_many_folds_as_the_smallest_group_allows(table):
    plan = plan_attribute(table, "age", table.cases, LatentSettings(min_patients=4))
    assert len(plan.folds) == 4


def test_too_few_patients_are_refused(table):
    with pytest.raises(EvaluationError) as error:
        plan_attribute(table, "sex", table.cases, LatentSettings(min_patients=11))
    assert "fewer than two groups of 'sex' have 11 patients or more" in str(error.value)
    assert "female 10, male 17" in str(error.value)
    assert "lower --min-patients" in str(error.value)


def test_unknown_attribute(table):
    with pytest.raises(DemographicsError, match="no attribute 'ethnicity'"):
        plan_attribute(table, "ethnicity", table.cases, SETTINGS)


def test_a_probe_must_see_two_groups(write_demographics):
    # patients who changed group, with many cases: all of B ends up in one fold
    counts = {("p0", "A"): 2, ("p1", "A"): 12, ("p1", "B"): 2, ("p2", "A"): 12, ("p3", "B"): 12}
    rows = [key for key, count in counts.items() for _ in range(count)]
    lines = [f"c{i},{patient},{group}" for i, (patient, group) in enumerate(rows)]
    table = read_table(write_demographics("\n".join(["case,patient,x", *lines]) + "\n", None))
    with pytest.raises(EvaluationError) as error:
        plan_attribute(table, "x", table.cases, LatentSettings(folds=2, min_patients=2))
    assert "a probe of 'x' would have to learn from one group only" in str(error.value)
    assert "--seed" in str(error.value)


def features_of(table, cases, apart):
    rng = np.random.default_rng(2)
    female = np.array([int(case[1:]) < 20 or case == "c60" for case in cases])
    noise = rng.normal(size=(len(cases), 6))
    return noise + apart * female[:, None]


def test_before_and_after(table, tmp_path):
    cases = shuffled(table)
    plans = [plan_attribute(table, name, cases, SETTINGS) for name in ("sex", "sex+age")]
    features = {"base": features_of(table, cases, 6), "after": features_of(table, cases, 0)}
    result, pictures = analyse(plans, features, SETTINGS)
    assert result.models == ("base", "after")
    assert list(pictures) == ["tsne_1_sex.png", "tsne_2_sex+age.png"]
    for picture in pictures.values():
        assert picture.startswith(b"\x89PNG")
    sex = result.attributes[0]
    base, after = sex.per_model.values()
    assert sex.group_patients == {"female": 10, "male": 17}
    assert (sex.n_cases, sex.n_patients, sex.n_unknown, sex.chance) == (54, 27, 6, 0.5)
    assert base.probe > 0.95
    assert after.probe < 0.8
    assert math.isnan(base.change)
    assert after.change == pytest.approx(after.probe - base.probe)
    assert after.change_interval.high < 0
    assert base.davies_bouldin < after.davies_bouldin
    assert base.silhouette > after.silhouette

    # and through the file
    folder = tmp_path / "latent"
    folder.mkdir()
    for name, picture in pictures.items():
        (folder / name).write_bytes(picture)
    result.write(folder)
    again = LatentResult.read(folder)
    assert repr(again) == repr(result)  # NaN is not equal to itself
    text = (folder / "latent.json").read_text()
    assert not [case for case in cases if f'"{case}"' in text]
    assert '"p1"' not in text


def test_a_model_that_diverged_is_named(table):
    cases = table.cases
    plan = plan_attribute(table, "sex", cases, SETTINGS)
    broken = features_of(table, cases, 1)
    broken[3, 2] = np.nan
    with pytest.raises(EvaluationError, match="after: the bottleneck gives NaN or infinite values "
                                              "for 1 of 61 cases"):  # fmt: skip
        analyse([plan], {"base": features_of(table, cases, 1), "after": broken}, SETTINGS)


@pytest.fixture(scope="module")
def made(table, tmp_path_factory):
    plan = plan_attribute(table, "sex", table.cases, SETTINGS)
    features = {"<base>": features_of(table, table.cases, 2)}
    result, pictures = analyse([plan], features, SETTINGS)
    folder = tmp_path_factory.mktemp("latent")
    (folder / "tsne_1_sex.png").write_bytes(pictures["tsne_1_sex.png"])
    result.write(folder)
    return folder


@pytest.fixture
def written(made, tmp_path):
    """An inspection that a test may damage."""
    return Path(shutil.copytree(made, tmp_path / "latent"))


def change_json(folder, **changes):
    path = folder / "latent.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda f: (f / "latent.json").unlink(),
            "not an output folder of nnUNetv2_fair_inspect_latent",
        ),
        (lambda f: (f / "latent.json").write_text("{"), "is not JSON"),
        (lambda f: change_json(f, format=0), "has format 0, expected 1"),
        (lambda f: change_json(f, attributes=[{}]), "is damaged"),
        (lambda f: (f / "tsne_1_sex.png").unlink(), "lacks tsne_1_sex.png"),
    ],
)
def test_damaged_results_are_refused(written, damage, message):
    damage(written)
    with pytest.raises(EvaluationError) as error:
        LatentResult.read(written)
    assert message in str(error.value)


def test_a_file_of_an_earlier_version_is_read_as_it_was(tmp_path):
    old = Path(__file__).parent / "of_version_0_1" / "latent.json"
    shutil.copy(old, tmp_path)
    for name in ("tsne_1_sex.png", "tsne_2_age.png"):
        (tmp_path / name).touch()
    found = LatentResult.read(tmp_path)
    base, after = found.attributes[0].per_model.values()
    assert found.models == ("base", "after")
    assert math.isnan(base.change)
    assert base.probe > after.probe_interval.high
    assert found.attributes[1].left_out == {">=65": 4}
    again = tmp_path / "again"
    again.mkdir()
    found.write(again)
    assert (again / "latent.json").read_bytes() == old.read_bytes()


def test_a_damaged_field_is_named(written):
    content = json.loads((written / "latent.json").read_text())
    content["attributes"][0]["per_model"]["<base>"]["probe"] = "good"
    (written / "latent.json").write_text(json.dumps(content))
    with pytest.raises(EvaluationError) as error:
        LatentResult.read(written)
    field = 'attributes[0].per_model.<base>.probe is "good", expected a valid number'
    assert f"latent.json is damaged: {field}" in str(error.value)


def test_pictures_outside_the_folder_are_refused(written):
    content = json.loads((written / "latent.json").read_text())
    content["attributes"][0]["picture"] = "../secret.png"
    (written / "latent.json").write_text(json.dumps(content))
    with pytest.raises(EvaluationError, match="is damaged"):
        LatentResult.read(written)


def test_section_of_the_page(written):
    from nnunetv2_fair.report.html.document import document
    from nnunetv2_fair.report.of_comparison.latent import latent_section
    from nnunetv2_fair.report.terminal.latent import console_latent

    result = LatentResult.read(written)
    picture = (written / "tsne_1_sex.png").read_bytes()
    section = latent_section(result, {"tsne_1_sex.png": picture})
    page = check_page(document("t", "k", [], [("latent", "Latent space")], [section], "f"))
    found = result.attributes[0].per_model["<base>"]
    assert f"{found.probe:.3f}" in page.text
    assert f"{found.davies_bouldin:.3f}" in page.text
    assert "Guessing gives 0.500" in page.text
    assert "6 cases of unknown group left out" in page.text
    assert "Each point is one case" in page.text
    assert "<base>" not in section
    assert "&lt;base&gt;" in section
    assert f"{found.probe:.3f}" in console_latent(result)
