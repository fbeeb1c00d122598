"""``--groups`` through the commands: what is compared, what is shown, what is refused."""

import json
import math

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from statsmodels.stats.multitest import multipletests

from nnunetv2_fair.cli import compare, evaluate
from nnunetv2_fair.cli.shared.pairs import list_pairs
from nnunetv2_fair.errors import UsageError
from tests.cli.score_tables import Commands

SIZES = {"White": 60, "Black": 30, "Asian": 25, "Other": 4}
SHIFTS = {"White": 0.0, "Black": 0.06, "Asian": 0.0, "Other": 0.3}


def scores(seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    ethnicity = np.repeat(list(SIZES), list(SIZES.values()))
    dice = rng.normal(0.85, 0.04, len(ethnicity)) - [SHIFTS[name] for name in ethnicity]
    return pd.DataFrame(
        {
            "case": [f"c{i}" for i in range(len(ethnicity))],
            "ethnicity": ethnicity,
            "sex": np.resize(["female", "male"], len(ethnicity)),
            "age": rng.integers(40, 80, len(ethnicity)),
            "dice": dice.round(4),
        }
    )


def only(found, attribute: str) -> dict:
    (comparison,) = (c for c in found.data["comparisons"] if c["attribute"] == attribute)
    return comparison


@pytest.fixture
def commands(tmp_path, capsys) -> Commands:
    return Commands(tmp_path, capsys)


def test_two_of_four_groups(commands):
    table = scores()
    found = commands.evaluate(table, "-a", "ethnicity", "sex", "--groups", "ethnicity=black,White")
    made = only(found, "ethnicity")
    one, two = (table.dice[table.ethnicity == name] for name in ("White", "Black"))
    test = scipy.stats.mannwhitneyu(one, two)
    assert (made["test"]["name"], made["test"]["family_size"]) == ("Mann-Whitney U", 2)
    assert made["test"]["p_value"] == pytest.approx(test.pvalue)
    gap = next(g for g in made["gaps"] if g["name"] == "fairness_gap")
    assert gap["between"] == ["White", "Black"]
    assert gap["value"] == pytest.approx(one.median() - two.median())
    ser = next(g for g in made["gaps"] if g["name"] == "ser")
    assert ser["value"] == pytest.approx((1 - two.median()) / (1 - one.median()))
    # the others are shown
    assert list(made["groups"]) == ["Asian", "Black", "Other", "White"]
    assert made["groups"]["Other"]["median"] == pytest.approx(
        table.dice[table.ethnicity == "Other"].median()
    )
    assert set(made["left_out"]) == {"Asian", "Other"}
    assert found.data["settings"]["chosen_groups"] == {"ethnicity": ["Black", "White"]}
    main = found.finding(kind="group_difference", attribute="ethnicity", quantity="median")
    assert (main["who"], main["chosen"]) == (["Black", "White"], True)
    assert "Shown, not compared: Asian, Other." in found.page
    assert "* shown, not compared: Asian, Other" in found.console
    assert "'ethnicity': only 'Black', 'White' are compared (--groups)" in found.console
    assert not found.findings(kind="pair_difference")


def test_three_of_four_groups_are_tested_two_by_two(commands):
    table = scores()
    found = commands.evaluate(
        table, "-a", "ethnicity", "--groups", "ethnicity=White,Black,Asian", "--tables", "csv"
    )
    written = pd.read_csv(found.folder / "table_pair_tests.csv")
    assert written[["Group", "Other group"]].to_numpy().tolist() == [
        ["Asian", "Black"], ["Asian", "White"], ["Black", "White"],
    ]  # fmt: skip
    samples = {name: table.dice[table.ethnicity == name] for name in SIZES}
    p_values = [
        scipy.stats.mannwhitneyu(samples[one], samples[two]).pvalue
        for one, two in written[["Group", "Other group"]].to_numpy()
    ]
    expected = multipletests(p_values, method="holm")[1]
    pairs = only(found, "ethnicity")["pairs"]
    assert [pair["test"]["corrected_p"] for pair in pairs] == pytest.approx(expected)
    told = found.findings(kind="pair_difference")
    assert [one["who"] for one in told] == [["Black", "Asian"], ["Black", "White"]]
    for one in told:
        assert one["sentence"] in found.console.replace("  ", " ")
    main = found.finding(kind="group_difference", quantity="median")
    assert "differs between Black," in main["sentence"]
    assert "Tests of every two groups" in found.page


def test_every_two_of_all_groups_without_a_choice(commands):
    found = commands.evaluate(scores(), "-a", "ethnicity")
    assert len(only(found, "ethnicity")["pairs"]) == 3  # Other has four patients
    assert found.data["settings"]["chosen_groups"] == {}
    assert only(found, "ethnicity")["of_chosen"] is None


def test_bins_joint_groups_and_a_preset(commands):
    found = commands.evaluate(
        scores(), "-a", "age", "sex+age", "--bins", "age=50,65", "--preset", "apple",
        "--groups", "age=<50,>=65",
        "--groups", r"sex+age=female\, <50,male\, <50",
    )  # fmt: skip
    assert found.data["settings"]["chosen_groups"] == {
        "age": ["<50", ">=65"],
        "sex+age": ["female, <50", "male, <50"],
    }
    age = only(found, "age")
    (table, _) = found.data["preset_tables"]
    delta = next(g["value"] for g in age["gaps"] if g["name"] == "delta")
    assert table["rows"][0][1:3] == [f"{age['of_chosen']['mean']:.3f}", f"{delta:.3f}"]


def test_chosen_groups_of_several_trainings(commands):
    tables = [scores(seed).assign(training=f"t{seed}") for seed in range(3)]
    for table in tables[1:]:
        table["age"] = tables[0]["age"]
    found = commands.evaluate(
        pd.concat(tables), "-a", "ethnicity", "--trainings", "repeats",
        "--groups", "ethnicity=White,Black,Asian",
    )  # fmt: skip
    made = only(found, "ethnicity")
    assert made["left_out"] == {"Other": "not one of the groups chosen for the comparison"}
    assert {p["test"]["name"] for p in made["pairs"]} == {"Mann-Whitney U over 3 trainings"}
    assert all(p["test"]["family_size"] == 3 for p in made["pairs"])
    each = json.loads((found.folder / "trainings" / "t0" / "summary.json").read_text())
    assert each["settings"]["chosen_groups"] == found.data["settings"]["chosen_groups"]


def test_models_are_compared_by_the_chosen_groups(commands):
    names = ("base", "fair")
    chosen = ("-a", "ethnicity", "--groups", "ethnicity=White,Black")
    base = scores()
    fair = base.assign(
        dice=(base.dice + 0.05 * (base.ethnicity == "Black")
              - 0.05 * (base.ethnicity == "Asian")).round(4)
    )  # fmt: skip
    made = [commands.evaluate(t, *chosen, name=n) for t, n in zip((base, fair), names, strict=True)]
    found = commands.compare(*made)
    (entry,) = found.data["entries"]
    assert set(entry["left_out"]) == {"Asian", "Other"}
    for model, evaluated in zip(entry["per_model"].values(), made, strict=True):
        gaps = {g["name"]: g["value"] for g in only(evaluated, "ethnicity")["gaps"]}
        told = {name: gap[0] for name, gap in model["gaps"].items()}
        assert told == pytest.approx(
            {n: abs(v) if n == "fairness_gap" else v for n, v in gaps.items()}
        )
    asian = found.finding(kind="model_change", quantity="group_mean", who=["Asian"])
    assert asian["verdict"] == "not_comparable"
    assert math.isnan(float(asian["p_value"]))
    black = found.finding(kind="model_change", quantity="group_mean", who=["Black"])
    assert black["verdict"] == "shown"
    assert found.data["settings"]["chosen_groups"] == {"ethnicity": ["Black", "White"]}
    assert "only 'Black', 'White' are compared" in found.console
    assert "chosen group is shown to gain or lose" in found.console


def test_models_with_other_choices_are_not_compared(commands, capsys):
    made = [
        commands.evaluate(scores(), "-a", "ethnicity", *option, name=name)
        for name, option in (("a", ()), ("b", ("--groups", "ethnicity=White,Black")))
    ]
    arguments = [str(one.folder) for one in made]
    assert compare.main([*arguments, "-o", str(commands.folder / "out")]) == 1
    message = " ".join(capsys.readouterr().err.split())
    assert "chosen_groups is {} against {'ethnicity': ['Black', 'White']} (pass the same" in message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--groups", "ethnicity"], "--groups ethnicity: expected a form such as --groups "
         "ethnicity=White,Black."),
        (["--groups", "ethnicity=White,,Black"], "expected a form such as"),
        (["--groups", "ethnicity=White,Black", "--groups", "ethnicity=White,Asian"],
         "--groups names 'ethnicity' twice; give it once."),
        (["--groups", "ethnicity=White,Blck"], "there is no group 'Blck'. Did you mean 'Black'?"),
        (["--groups", "ethnicity=White,Other"], "'Other' has fewer than 5 patients"),
        (["--groups", "site=a,b"], "'site' is not evaluated (evaluated: ethnicity). Add -a site"),
        (["--groups", "ethnicity=White,Black", "--reference", "ethnicity=Asian"],
         "'Asian' is not among the groups that --groups compares: Black; White."),
    ],
)  # fmt: skip
def test_refused_before_anything_is_written(tmp_path, capsys, options, message):
    path = tmp_path / "scores.csv"
    scores().to_csv(path, index=False)
    arguments = ["--from-csv", str(path), "-a", "ethnicity", "-o", str(tmp_path / "out")]
    assert evaluate.main([*arguments, *options]) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert [found.name for found in tmp_path.iterdir()] == ["scores.csv"]


def test_a_hidden_group_cannot_be_chosen_for_a_shareable_result(tmp_path, capsys):
    path = tmp_path / "scores.csv"
    scores().to_csv(path, index=False)
    arguments = [
        "--from-csv", str(path), "-a", "ethnicity", "-o", str(tmp_path / "out"), "--shareable",
        "--min-patients", "3", "--groups", "ethnicity=White,Other", "--bootstrap", "0",
    ]  # fmt: skip
    assert evaluate.main(arguments) == 1
    assert (
        "--groups ethnicity=Other,White: 'Other' has fewer than 5 patients with a value, of whom a "
        "shareable result shows nothing. Name larger groups, or leave out --shareable and --paper."
    ) in " ".join(capsys.readouterr().err.split())
    assert [found.name for found in tmp_path.iterdir()] == ["scores.csv"]


def test_lists_of_names():
    assert list_pairs([r"a\=b=c\,d, e ,f=g"], "--groups", "") == {"a=b": ("c,d", "e", "f=g")}
    with pytest.raises(UsageError):
        list_pairs(["=b,c"], "--groups", "")
