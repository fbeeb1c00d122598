"""Downstream measures of whole evaluations with known errors, and what is refused."""

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from nnunetv2_fair.cli.evaluate import main as command
from nnunetv2_fair.errors import EvaluationError, UsageError
from nnunetv2_fair.evaluation import evaluate
from nnunetv2_fair.evaluation.disclosure.of_evaluation import shareable
from nnunetv2_fair.evaluation.downstream.settings import DownstreamSettings, Threshold
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.evaluation.run import EvaluationSettings
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings
from tests.evaluation.downstream.hearts import SPACING, VOXEL, heart, make_hearts
from tests.evaluation.factories import make_dataset, write_dataset_json, write_mask

QUICK = EvaluationSettings(metrics=("dice",), statistics=StatisticsSettings(n_bootstrap=50))
CARDIAC = DownstreamSettings(("cardiac",), thresholds=(Threshold("ef", 65),))


def measured(dataset, settings, attributes=("sex",), **options):
    return evaluate(
        dataset.references, dataset.predictions, dataset.table, attributes,
        settings=QUICK, downstream=settings, **options,
    )  # fmt: skip


@pytest.fixture(scope="module")
def hearts(tmp_path_factory):
    return make_hearts(tmp_path_factory.mktemp("hearts"))


@pytest.fixture(scope="module")
def result(hearts) -> EvaluationResult:
    return measured(hearts, CARDIAC)


def of(result, measure, attribute="sex"):
    (found,) = [
        c for c in result.downstream if (c.attribute, c.measure.name) == (attribute, measure)
    ]
    return found


def test_volumes_of_every_heart(result):
    cases = result.downstream_cases
    assert len(cases) == 24 * 8
    row = cases[(cases["case"] == "P000") & (cases["measure"] == "lvesv")].iloc[0]
    assert row["reference"] == pytest.approx(800 * VOXEL)
    assert -10 * VOXEL < row["error"] + 300 * VOXEL <= 1e-9
    assert row["absolute_error"] == -row["error"]
    assert (row["unit"], row["sex"], row["patient"]) == ("ml", "female", "P000")
    ef = cases[(cases["case"] == "P000") & (cases["measure"] == "ef")].iloc[0]
    edv = cases[(cases["case"] == "P000") & (cases["measure"] == "lvedv")].iloc[0]
    for which in ("reference", "prediction"):
        assert ef[which] == pytest.approx(100 * (1 - row[which] / edv[which]))


def test_errors_by_group(result):
    found = of(result, "ef")
    cases = result.downstream_cases
    cases = cases[cases["measure"] == "ef"]
    for sex, group in found.groups.items():
        errors = cases[cases["sex"] == sex]["error"]
        assert group.n == 12
        assert group.n_undefined == 0
        assert group.bias == pytest.approx(errors.mean())
        assert group.mean == pytest.approx(errors.abs().mean())
        assert group.limits.low == pytest.approx(errors.mean() - 1.96 * errors.std())
        assert group.median == pytest.approx(errors.abs().median())
        assert sum(group.shares) == pytest.approx(1)
        assert len(group.shares) == len(found.edges) == 10
    (divergence,) = found.divergences
    assert divergence.value > 0.9
    assert divergence.by_chance < divergence.value
    assert divergence.corrected_p < 0.05
    assert divergence.family_size == 8
    assert np.isnan(divergence.interval.low)  # twelve patients are too few


def test_decisions_by_group(result):
    (decisions,) = of(result, "ef").decisions
    cases = result.downstream_cases
    cases = cases[cases["measure"] == "ef"]
    up = (cases["reference"] < 65) & (cases["prediction"] >= 65)
    for sex, group in decisions.groups.items():
        assert group.upward == up[cases["sex"] == sex].sum()
        assert group.downward == 0
        assert group.rate == group.upward / 12
    assert decisions.groups["female"].upward == 12
    assert decisions.test.name == "Boschloo's exact test"
    assert decisions.test.corrected_p < 0.01


def test_what_is_claimed(result):
    ours = [f for f in result.findings if f.kind == "downstream" and f.metric == "ef"]
    assert [(f.quantity, f.verdict) for f in ours] == [
        ("absolute_error", "shown"), ("reclassified:65", "shown"),
    ]  # fmt: skip
    errors, decisions = (f.sentence for f in ours)
    assert errors.startswith("Errors of the ejection fraction of LV_cavity are distributed "
                             "differently between ")  # fmt: skip
    assert "percentage points on average for female (bias +" in errors
    assert "; Jensen-Shannon divergence " in errors
    assert decisions.startswith("Decisions at 65.0% in ejection fraction of LV_cavity change "
                                "more often for female than for male: female 100.0% of 12 (upward "
                                "12, downward 0); male ")  # fmt: skip
    quiet = next(f for f in result.findings if f.metric == "rvef")
    assert quiet.verdict == "not_shown"
    assert quiet.sentence.startswith("No difference in the errors of the ejection fraction of RV_")


def test_written_and_read(result, tmp_path):
    result.write(tmp_path)
    again = EvaluationResult.read(tmp_path)
    assert repr(again.downstream) == repr(result.downstream)
    assert again.downstream_cases.equals(result.downstream_cases.reset_index(drop=True))
    assert [f.sentence for f in again.findings] == [f.sentence for f in result.findings]
    assert EvaluationResult.read(tmp_path, with_cases=False).downstream_cases.empty


def test_nothing_of_it_is_shared(result, tmp_path):
    told = shareable(result)
    assert told.downstream == ()
    assert told.downstream_cases.empty
    assert not [f for f in told.findings if f.kind == "downstream"]
    assert told.settings["downstream"] is True
    told.write(tmp_path)
    assert not (tmp_path / "downstream.csv").exists()
    assert "lvesv" not in (tmp_path / "summary.json").read_text(encoding="utf-8")


def test_frames_in_a_column(tmp_path):
    dataset = make_hearts(tmp_path, 12, names=("a{}", "b{}"), column="phase")
    found = measured(dataset, DownstreamSettings(("cardiac",), frames="phase"))
    assert of(found, "ef").groups["female"].n == 6
    assert set(found.downstream_cases["case"]) == {f"P{i:03d}" for i in range(12)}


def test_missing_frames_and_volumes_are_counted_and_said(tmp_path):
    dataset = make_hearts(tmp_path, 16)
    for folder in (dataset.references, dataset.predictions):
        (folder / "P000_ES.nii.gz").unlink()
    for phase in ("ED", "ES"):  # nothing predicted
        write_mask(dataset.predictions / f"P002_{phase}.nii.gz", heart(0, 0, 0), SPACING)
    found = measured(dataset, CARDIAC)
    assert any("undefined for 1 heart, as a frame is missing: P000 ES." in n for n in found.notes)
    assert any(
        "undefined for 1 heart, as its end-diastolic volume is 0 in the reference or in the "
        "prediction: P002." in note for note in found.notes
    )  # fmt: skip
    ef = of(found, "ef").groups
    assert (ef["female"].n, ef["female"].n_undefined) == (6, 2)
    assert (ef["male"].n, ef["male"].n_undefined) == (8, 0)
    assert of(found, "lvedv").groups["female"].n == 8
    remarks = found.downstream_cases.query("measure == 'ef' and remark != ''")
    assert dict(zip(remarks["case"], remarks["remark"], strict=True)) == {
        "P000": "no ES frame", "P002": "end-diastolic volume 0",
    }  # fmt: skip


def test_pictures_have_outlines_and_energy(tmp_path):
    dataset = make_dataset(tmp_path, n_patients=12)
    images = tmp_path / "imagesTs"
    images.mkdir()
    for case in dataset.cases:
        grey = np.full((40, 57), 9, np.uint8)
        sitk.WriteImage(sitk.GetImageFromArray(grey), str(images / f"{case}_0000.png"))
    found = measured(dataset, DownstreamSettings(("radiomics",)))
    assert {(c.label, c.measure.name, c.measure.unit) for c in found.downstream} == {
        (label, name, unit)
        for label in ("organ", "lesion")
        for name, unit in (("surface_area", "px²"), ("perimeter", "px"), ("energy", ""),
                           ("diameter", "px"))
    }  # fmt: skip
    rows = found.downstream_cases.query("measure == 'energy' and label == 'lesion'")
    voxels = found.per_case.query("label == 'lesion'")
    assert list(rows["reference"]) == [81.0 * n for n in voxels["reference_voxels"]]
    assert rows["image"].iloc[0] == f"{dataset.cases[0]}_0000.png"
    assert (rows["scaling"] == "").all()


def test_volumes_have_surfaces_and_no_energy_without_images(tmp_path):
    dataset = make_dataset(tmp_path, n_patients=12, volumes=True)
    found = measured(dataset, DownstreamSettings(("radiomics", "tumour")))
    assert {(c.measure.name, c.measure.unit) for c in found.downstream} == {
        ("surface_area", "mm²"), ("volume", "ml"), ("diameter", "mm"),
    }  # fmt: skip
    assert any("Energy is not measured, as no image" in note for note in found.notes)


def test_ratios_of_the_cup(tmp_path):
    dataset = make_dataset(tmp_path, n_patients=12)
    write_dataset_json(tmp_path, {"background": 0, "rim": 1, "cup": 2})
    found = measured(dataset, DownstreamSettings(("cup_disc",)))
    assert [c.measure.name for c in found.downstream] == ["vertical_cdr", "area_cdr"]
    row = found.downstream_cases.iloc[1]
    one = found.per_case[found.per_case["case"] == row["case"]].set_index("label")
    n = one["reference_voxels"]
    assert row["reference"] == pytest.approx(n["cup"] / (n["cup"] + n["rim"]))


def test_empty_masks(tmp_path):
    dataset = make_dataset(tmp_path, n_patients=14, cases_per_patient=1, volumes=True)
    empty = np.zeros((7, 24, 31), np.uint8)
    first, second = dataset.cases[:2]
    spacing = (0.5, 0.8, 2.5)
    write_mask(dataset.predictions / f"{first}.nii.gz", empty, spacing)
    for folder in (dataset.references, dataset.predictions):
        write_mask(folder / f"{second}.nii.gz", empty, spacing)
    found = measured(dataset, DownstreamSettings(("tumour",)))
    volume = of(found, "volume")
    assert volume.groups["female"].n_undefined == 1
    rows = found.downstream_cases.query("measure == 'volume'").set_index("case")
    assert rows.loc[first, "prediction"] == 0
    assert rows.loc[first, "error"] == -rows.loc[first, "reference"]
    assert rows.loc[second, "remark"] == "both masks empty"


def test_patients_in_both_groups_are_not_tested(tmp_path):
    dataset = make_dataset(tmp_path, n_patients=12, volumes=True)
    dataset.write_table([
        {"case": case, "patient": case[:7], "scanner": "ab"[int(case[-1])]}
        for case in dataset.cases
    ])  # fmt: skip
    found = measured(dataset, DownstreamSettings(("tumour",)), ["scanner"])
    assert {f.verdict for f in found.findings if f.kind == "downstream"} == {"not_comparable"}
    assert "some patients have images in both groups" in found.downstream[0].divergences[0].reason


def test_small_groups_are_left_out(tmp_path):
    found = measured(make_hearts(tmp_path, 8), CARDIAC)
    ef = of(found, "ef")
    assert ef.left_out == {
        "female": "4 with a value, fewer than 5", "male": "4 with a value, fewer than 5",
    }  # fmt: skip
    assert ef.divergences == ()
    assert ef.decisions[0].test is None
    sentence = next(f.sentence for f in found.findings if f.metric == "ef")
    assert "cannot be compared: fewer than two groups are large enough." in sentence


@pytest.mark.parametrize(
    ("sets", "volumes", "message"),
    [
        (("cardiac",), True, r"cardiac needs the label LV_cavity or RV_cavity \(found: organ, les"),
        (("cup_disc",), False, r"cup_disc needs the label cup \(found: organ, lesion\)"),
        (("tumour",), False, r"tumour needs volumes with spacing in millimetres; .* is a picture"),
    ],
)
def test_refused_data(tmp_path, sets, volumes, message):
    dataset = make_dataset(tmp_path, n_patients=3, volumes=volumes)
    with pytest.raises(UsageError, match=message):
        measured(dataset, DownstreamSettings(sets))


def test_names_need_a_dataset_json(tmp_path):
    dataset = make_dataset(tmp_path, n_patients=3, volumes=True, dataset_json=False)
    with pytest.raises(UsageError, match="found: numbers without names, as there is no dataset"):
        measured(dataset, DownstreamSettings(("cardiac",)))


def test_ratios_need_pictures(tmp_path):
    dataset = make_dataset(tmp_path, n_patients=3, volumes=True)
    with pytest.raises(UsageError, match=r"cup_disc needs pictures of two dimensions; .* has 3"):
        measured(dataset, DownstreamSettings(("cup_disc",)), label_names={"rim": 1, "cup": 2})


def test_flat_and_solid_masks_are_refused(tmp_path):
    dataset = make_dataset(tmp_path, n_patients=10, ending=".nii.gz")
    for folder in (dataset.references, dataset.predictions):
        solid = np.zeros((4, 40, 57), np.uint8)
        solid[1:3, 10:20, 10:20] = 1
        write_mask(folder / f"{dataset.cases[0]}.nii.gz", solid)
    with pytest.raises(EvaluationError, match=r"has two dimensions, .* three. Evaluate them apart"):
        measured(dataset, DownstreamSettings(("radiomics",)))


def test_an_image_of_another_size_is_refused(tmp_path):
    dataset = make_dataset(tmp_path, n_patients=6)
    images = tmp_path / "imagesTs"
    images.mkdir()
    grey = sitk.GetImageFromArray(np.zeros((9, 8), np.uint8))
    sitk.WriteImage(grey, str(images / f"{dataset.cases[0]}_0000.png"))
    with pytest.raises(EvaluationError, match=r"has the size 9 x 8, the masks of the case 40 x 57"):
        measured(dataset, DownstreamSettings(("radiomics",)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--downstream", "tumour", "--shareable"], "nor downstream measures, as small groups"),
        (
            ["--downstream", "tumour", "--from-csv", "a.csv"],
            "--downstream applies to masks, not to",
        ),
        (["--threshold", "ef=50"], "--threshold is about downstream measures: pass --downstream"),
        (["--frames", "phase"], "--frames is about downstream measures: pass --downstream too"),
        (["--downstream", "cardiac", "--threshold", "ef"], "expected MEASURE=NUMBER"),
        (["--downstream", "cardiac", "--threshold", "evf=50"], "'evf' is not measured. Did you"),
    ],
)
def test_refused_options(tmp_path, capsys, options, message):
    source = [] if "--from-csv" in options else ["-gt", "a", "-pred", "b"]
    assert command([*source, "-o", str(tmp_path / "out"), *options]) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_unknown_sets_are_refused(tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        command(["-gt", "a", "-pred", "b", "-o", str(tmp_path), "--downstream", "hearts"])
    assert end.value.code == 2
    assert "invalid choice: 'hearts' (choose from" in capsys.readouterr().err


def test_the_command(hearts, tmp_path, capsys):
    out = tmp_path / "out"
    options = ["--metrics", "dice", "-a", "sex", "--downstream", "cardiac", "--threshold", "ef=65"]
    assert command([*hearts.arguments("unused", *options), "-o", str(out)]) == 0
    assert f"Wrote {out / 'downstream.csv'}" in capsys.readouterr().out
    assert EvaluationResult.read(out).settings["downstream"]["thresholds"] == ["ef=65"]
    again = ["--shareable", "--overwrite", "--metrics", "dice", "-a", "sex", "-o", str(out)]
    assert command([*hearts.arguments("unused", *again)]) == 2  # a private file is in it
