"""Tables and figures against pandas; what is hidden, what is missing, and what cannot be made."""

import io
from dataclasses import replace
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from nnunetv2_fair.evaluation.disclosure.of_evaluation import shareable
from nnunetv2_fair.evaluation.results.evaluation import EvaluationResult
from nnunetv2_fair.study.asked import Place, to_json
from nnunetv2_fair.study.papers.write import main, write_papers
from tests.study.finished_study import DATASET, StudyFolder
from tests.study.papers.conftest import BASELINE, DROPS, FULL, HALF, evaluated, scores

LEVELS = {"Oversampling": {BASELINE: 0, HALF: 0.5, FULL: 1}}


def table_of(text: str) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(text))


def averages(trainer: str) -> pd.DataFrame:
    """Mean over both labels, per person, by pandas alone."""
    frame = scores(DROPS[trainer], list(DROPS).index(trainer))
    return frame.groupby(["case", "ethnicity", "sex"])["dice"].mean().reset_index()


def words_of(svg: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter() if "text" in element.tag]


def test_boxes_are_quartiles_with_tukeys_whiskers(write, ask):
    files = write([ask("boxes")])
    found = table_of(files["paper_exact/it.csv"]).set_index(["method", "group"])
    for name, trainer in (("Plain", BASELINE), ("Balanced", FULL)):
        values = averages(trainer)
        for group in ("White", "Black"):
            own = values[values["ethnicity"] == group]["dice"]
            q1, median, q3 = own.quantile([0.25, 0.5, 0.75])
            inside = own[(own >= q1 - 1.5 * (q3 - q1)) & (own <= q3 + 1.5 * (q3 - q1))]
            row = found.loc[name, group]
            assert list(row[["q1_dice", "median_dice", "q3_dice"]]) == pytest.approx(
                [q1, median, q3]
            )
            assert row["whisker_low_dice"] == pytest.approx(inside.min())
            assert row["whisker_high_dice"] == pytest.approx(inside.max())
            assert row["outliers"] == len(own) - len(inside)
    words = words_of(files["paper_exact/it.svg"])
    assert {"Plain", "Balanced", "Cropped", "needs crops, not yet"} <= set(words)
    reference = averages(BASELINE).query("ethnicity == 'White'")["dice"].median()
    assert f"median of White of the baseline, {reference:.3f}" in " ".join(words)
    assert files["paper_exact/it.svg"].count('stroke-dasharray="5 4"') == 3  # in every panel


def test_what_is_shared_is_what_a_shareable_result_shows(write, ask, scored):
    files = write([ask("boxes"), ask("medians", figure=False, name="t", groups=("White", "Black"))])
    shared = table_of(files["paper/it.csv"]).set_index(["method", "group"])
    folder = scored / "evaluations" / DATASET / "2d" / "internal" / BASELINE
    told = shareable(EvaluationResult.read(folder)).comparison("ethnicity", "dice", "average")
    for group in ("White", "Black", "Other"):
        row, one = shared.loc["Plain", group], told.groups[group]
        expected = [one.q1, one.median, one.q3]
        assert list(row[["q1_dice", "median_dice", "q3_dice"]]) == pytest.approx(
            expected, nan_ok=True
        )
    # nothing of the three people, and no value of an individual
    assert shared.loc["Plain", "Other"].drop("outliers").isna().all()
    assert shared[["whisker_low_dice", "whisker_high_dice", "outliers"]].isna().all().all()
    exact = table_of(files["paper_exact/it.csv"]).set_index(["method", "group"])
    assert exact.loc["Plain", "Other"].notna().all()
    assert "hidden" in words_of(files["paper/it.svg"])
    assert files["paper/t.csv"] != files["paper_exact/t.csv"]


def test_medians_beside_each_other(write, ask):
    text = write([ask("medians", figure=False, groups=("White", "Black"))])["paper_exact/it.csv"]
    rows = pd.read_csv(io.StringIO(text), dtype=str).set_index("Unnamed: 0")
    values = averages(BASELINE).groupby("ethnicity")["dice"]
    medians, spans = values.median(), values.quantile(0.75) - values.quantile(0.25)
    assert rows.loc["Median DSC", "Plain *: White"] == f"{medians['White']:.3f}"
    assert rows.loc["IQR DSC", "Plain *: Black"] == f"{spans['Black']:.3f}"
    assert (
        rows.loc["Fairness gap", "Plain *: White"] == f"{medians['White'] - medians['Black']:.3f}"
    )
    assert rows.loc["Median DSC", "Cropped"] == "needs crops, not yet"


def test_a_curve_joins_medians_at_their_numbers(write, ask):
    asked = ask("curve", methods={}, series=LEVELS, axis="level", groups=("White", "Black"),
                values=("groups", "mean", "fairness_gap"))  # fmt: skip
    files = write([asked])
    found = table_of(files["paper_exact/it.csv"]).set_index(["value", "group", "number"])["dice"]
    for trainer, level in LEVELS["Oversampling"].items():
        medians = averages(trainer).groupby("ethnicity")["dice"].median()
        for group in ("White", "Black"):
            assert found["groups", group, level] == pytest.approx(medians[group])
        gap = medians["White"] - medians["Black"]
        assert found["fairness_gap"].xs(level, level="number").item() == pytest.approx(gap)
    words = words_of(files["paper_exact/it.svg"])
    assert {"0", "0.5", "1", "Level", "White", "Black"} <= set(words)
    assert "Cropped: needs crops, not yet" in words


def test_performance_against_the_gap(write, ask):
    asked = ask("tradeoff", methods={}, series=LEVELS, axis="level", groups=("White", "Black"))
    found = table_of(write([asked])["paper_exact/it.csv"]).set_index("number")
    for trainer, level in LEVELS["Oversampling"].items():
        values = averages(trainer)
        medians = values.groupby("ethnicity")["dice"].median()
        assert found.loc[level, "median_dice"] == pytest.approx(values["dice"].median())
        assert found.loc[level, "fairness_gap_dice"] == pytest.approx(
            medians["White"] - medians["Black"]
        )


def test_a_heat_map_of_each_method(write, ask):
    files = write([ask("heatmap", by="ethnicity+sex")])
    found = table_of(files["paper_exact/it_balanced.csv"]).set_index("group")
    means = averages(FULL).groupby(["ethnicity", "sex"])["dice"].mean()
    assert found.loc["White, male", "mean_dice"] == pytest.approx(means["White", "male"])
    assert "paper_exact/it_plain.svg" in files
    assert "- it_cropped: not made: needs crops, not yet" in files["paper_exact/contents.md"]


def test_contents_say_what_is_not_made_and_why(write, ask):
    elsewhere = Place(DATASET, "3d_fullres", "nnUNetPlans", "internal")
    asked = [
        replace(ask(""), name="later", needs="SAM and MedSAM"),
        ask("fairness", figure=False, name="nobody", methods={"X": "nnUNetTrainerADV_ethnicity"}),
        ask("boxes", name="elsewhere", places=(elsewhere,)),
        ask("medians", figure=False, name="green", groups=("Green", "White")),
        ask("boxes", name="ages", by="age"),
    ]
    contents = write(asked)["paper_exact/contents.md"].splitlines()
    assert [line for line in contents if line.startswith("- ")] == [
        "- later: not made: needs SAM and MedSAM, not yet",
        "- nobody: not made: not evaluated yet; needs crops, not yet",
        "- elsewhere: not made: not evaluated yet; needs crops, not yet",
        "- green: not made: 'ethnicity' has no group 'Green'. Groups: Black, Other, White",
        "- ages: not made: not evaluated: ('age', 'dice', 'average')",
    ]


def test_what_is_asked_for_no_more_is_removed(write, ask, scored):
    assert "paper_exact/one.csv" in write([ask("fairness", figure=False, name="one")])
    assert "paper_exact/one.csv" not in write([ask("fairness", figure=False, name="two")])


def test_tables_of_several_places_are_one(write, ask):
    other = Place(DATASET, "2d", "nnUNetResEncUNetMPlans", "internal")
    asked = ask("fairness", figure=False, places=(ask("").places[0], other))
    rows = table_of(write([asked])["paper_exact/it.csv"])
    assert set(rows.iloc[:, 0]) == {f"internal, {DATASET}, 2d"}
    assert "Not there: internal" in write([asked])["paper_exact/it.md"]


def test_the_command_asks_what_the_plan_asks(tmp_path, ask, capfd):
    study = StudyFolder(tmp_path)
    asked = (replace(ask(""), needs="SAM"),)
    study.add("other", "index")
    assert main([str(tmp_path)]) == 1
    assert "asks for no table or figure. Add the key tables or figures" in capfd.readouterr().err
    step = study.add("paper", "paper")
    commands = (("python", "-m", "nnunetv2_fair.study.papers", ".", to_json(asked)),)
    study.steps["paper"] = replace(step, commands=commands)
    study.add("index", "index")
    assert main([str(tmp_path)]) == 0
    assert "needs SAM, not yet" in (tmp_path / "paper" / "contents.md").read_text()


def test_many_points_keep_to_the_picture(write, ask):
    """Numbers that are far apart have the same distance; nothing leaves the panel."""
    series = {"APPLE": {BASELINE: 0.0, HALF: 0.01, FULL: 10.0}}
    asked = ask("curve", methods={}, series=series, axis="beta", values=("mean",))
    svg = write([asked])["paper_exact/it.svg"]
    root = ET.fromstring(svg)
    width = float(root.get("width"))
    places = sorted({float(e.get("cx")) for e in root.iter() if e.tag.endswith("circle")})
    assert places[-1] < width
    gaps = np.diff([place for place in places if place > 83.5])
    assert gaps == pytest.approx(gaps[0], rel=0.01)


def test_a_method_with_a_few_undefined_values_is_not_shared(tmp_path, ask):
    study = StudyFolder(tmp_path)
    frame = scores(DROPS[BASELINE], 0)
    evaluated(study, BASELINE, frame)
    undefined = frame["case"].isin(["case_001", "case_004"])
    evaluated(study, FULL, frame.assign(dice=frame["dice"].mask(undefined)))
    write_papers(tmp_path, [ask("boxes"), ask("medians", figure=False, name="t")])
    told = [(tmp_path / folder / "t.md").read_text() for folder in ("paper", "paper_exact")]
    assert ["not shared, because its numbers of patients" in text for text in told] == [True, False]
