"""What is said about a model, word by word, and when."""

import dataclasses
import math

import pytest

from nnunetv2_fair.evaluation.findings.all_findings import brief, comparison_with_findings
from nnunetv2_fair.evaluation.findings.of_models.gains_and_losses import balance
from nnunetv2_fair.evaluation.findings.sentences import plain
from nnunetv2_fair.evaluation.results.comparison import (
    Difference,
    ModelComparison,
    ModelDifferences,
    ModelScores,
    PairedComparison,
    RankRange,
    gap_measure,
)
from nnunetv2_fair.evaluation.results.values import Interval
from tests.report import factories

NAN = math.nan
ANY = Interval(0.1, 0.2)


def scores(overall: float, **groups: float) -> ModelScores:
    worst = min(groups, key=lambda name: groups[name])
    return ModelScores(
        overall, ANY, groups, dict.fromkeys(groups, ANY), worst, groups[worst], {},
        max(groups.values()) - min(groups.values()),
    )  # fmt: skip


def change(value: float, corrected_p: float = 0.001, half: float = 0.006) -> Difference:
    inner = Interval(value - half / 2, value + half / 2)
    return Difference(value, inner, corrected_p / 10, corrected_p,
                      Interval(value - half, value + half))  # fmt: skip


def same(value: float = 0.0) -> Difference:
    return change(value, 0.8, 0.02)


def entry(base, own, differences, metric=factories.DICE, label="nodule", ranks=None):
    return PairedComparison(
        "sex", metric.name, label, {"plain": base, "balanced": own}, {"balanced": differences},
        60, 60, dict.fromkeys(base.group_means, 30), dict.fromkeys(base.group_means, 20), {},
        ranks or {}, gap_measure(len(base.group_means)), 10,
    )  # fmt: skip


def result(*entries, **more) -> ModelComparison:
    metrics = {factories.DICE.name: factories.DICE, factories.HD95.name: factories.HD95}
    made = ModelComparison(
        ("plain", "balanced"), "plain",
        tuple(metrics[name] for name in dict.fromkeys(e.metric for e in entries)),
        tuple(dict.fromkeys(e.label for e in entries)), ("sex",), tuple(entries),
        settings={"confidence": 0.95}, **more,
    )  # fmt: skip
    return comparison_with_findings(made)


BASE = scores(0.75, female=0.70, male=0.80)


def levelled(**more):
    return entry(
        BASE,
        scores(0.742, female=0.70, male=0.785),
        ModelDifferences(
            change(-0.0075), {"female": same(), "male": change(-0.015)}, same(), {}, change(-0.015)
        ),
        **more,
    )


def test_harm_and_levelling_down_are_in_the_first_sentence():
    found = result(levelled())
    said = balance(found, "sex", "balanced")
    assert plain(said.first) == (
        "With balanced, the gap in Dice between the groups of sex is smaller by levelling down: "
        "male loses 0.015 (\u22120.021 to \u22120.009); no other group is shown to gain or lose."
    )
    assert said.badge == "smaller gap by levelling down"
    assert said.harms
    gap = found.findings[0]
    assert (gap.quantity, gap.verdict, gap.direction) == ("absolute_gap", "shown", "smaller")
    assert gap.reason == "levelling down"
    assert gap.sentence == (
        "With balanced, the gap in mean Dice of nodule between the groups of sex is smaller by "
        "levelling down: 0.085 instead of 0.100 (change \u22120.015, simultaneous 95% interval "
        "\u22120.021 to \u22120.009, corrected p = 0.001)."
    )


def test_every_group_gains_loses_or_neither():
    found = result(levelled())
    groups = {f.who: f for f in found.findings if f.quantity == "group_mean"}
    assert (groups["female",].verdict, groups["female",].direction) == ("not_shown", "")
    male = groups["male",]
    assert (male.verdict, male.direction, male.n) == ("shown", "worse", {"male": 20})
    assert male.values == {"balanced": 0.785, "plain": 0.80}
    assert male.sentence.startswith(
        "With balanced, the mean Dice of nodule for male is worse: 0.785 instead"
    )
    overall = next(f for f in found.findings if f.quantity == "overall_mean")
    assert (overall.family_size, overall.corrected_p) == (10, 0.001)
    assert "not shown to change" in groups["female",].sentence
    worst = next(f for f in found.findings if f.quantity == "worst_group_mean")
    assert worst.sentence.startswith(
        "With balanced, the mean Dice of nodule for the worst group (female) is"
    )


def test_a_gap_that_closes_as_the_worst_group_gains_is_no_levelling_down():
    made = entry(
        BASE,
        scores(0.77, female=0.76, male=0.785),
        ModelDifferences(
            change(0.02), {"female": change(0.06), "male": change(-0.015)}, same(0.06), {},
            change(-0.075),
        ),
    )  # fmt: skip
    said = balance(result(made), "sex", "balanced")
    assert said.badge == "smaller gap, some lose"
    assert plain(said.first) == (
        "With balanced, the gap in Dice between the groups of sex is smaller: male loses 0.015 "
        "(\u22120.021 to \u22120.009), female gains 0.060 (+0.054 to +0.066)."
    )


def distances(**groups: float):
    after = {"female": 6.0, "male": 6.0} | groups
    base = dataclasses.replace(scores(5.0, female=5.0, male=5.0))
    return entry(
        base,
        scores(6.0, **after),
        ModelDifferences(
            change(1.0, half=0.4), {"female": change(1.0, half=0.4), "male": same(1.0)}, same(), {},
            same(),
        ),
        metric=factories.HD95,
    )  # fmt: skip


def test_metrics_that_disagree_are_named():
    gain = entry(
        BASE,
        scores(0.78, female=0.74, male=0.82),
        ModelDifferences(
            change(0.03), {"female": change(0.04), "male": same()}, same(), {}, same()
        ),
    )
    found = result(gain, distances())
    said = balance(found, "sex", "balanced")
    assert plain(said.first) == (
        "With balanced, no change of the gap in Dice between the groups of sex is shown; female "
        "gains 0.040 (+0.034 to +0.046); no other group is shown to gain or lose."
    )
    disagree, elsewhere = map(plain, said.more)
    assert disagree == (
        "The metrics disagree: overall Dice is better while HD95 is worse; for female Dice is "
        "better while HD95 is worse."
    )
    assert elsewhere == "Also worse: female in HD95; all groups together in HD95."
    assert said.harms
    worse = [f for f in found.findings if f.metric == "hd95" and f.direction == "worse"]
    assert [f.quantity for f in worse] == ["overall_mean", "group_mean"]
    assert "is worse: 6.00 mm instead of 5.00 mm (change +1.00 mm" in worse[0].sentence


def test_losses_in_single_labels_are_named():
    good = levelled(label="heart")
    average = entry(
        BASE, BASE, ModelDifferences(same(), {"female": same(), "male": same()}, same(), {}, same())
    )
    average = dataclasses.replace(average, label="average")
    said = balance(result(good, average), "sex", "balanced")
    assert plain(said.first).endswith("is shown; no group is shown to gain or lose.")
    assert [plain(s) for s in said.more] == ["Also worse: at least one result for heart."]


@pytest.mark.parametrize(
    ("corrected_p", "verdict"),
    [(0.0499, "shown"), (0.0501, "signs"), (0.0999, "signs"), (0.1001, "not_shown"),
     (NAN, "not_comparable")],
)  # fmt: skip
def test_the_corrected_p_value_decides(corrected_p, verdict):
    made = entry(
        BASE,
        scores(0.72, female=0.70, male=0.74),
        ModelDifferences(
            change(-0.03, corrected_p), {"male": change(-0.06, corrected_p)}, same(), {},
            change(-0.06, corrected_p),
        ),
    )  # fmt: skip
    found = result(made)
    gap, overall = found.findings[:2]
    assert gap.verdict == overall.verdict == verdict
    words = {
        "shown": ("smaller", "is worse", "smaller gap by levelling down"),
        "signs": ("signs of being smaller", "shows signs of being worse", "signs of a smaller gap"),
        "not_shown": ("no change shown", "is not shown to change", "no change of the gap shown"),
        "not_comparable": ("cannot be compared", "cannot be compared", "gap cannot be compared"),
    }[verdict]
    assert plain(brief(gap, factories.DICE)).startswith(words[0])
    assert words[1] in overall.sentence
    assert balance(found, "sex", "balanced").badge == words[2]


def test_variance_between_many_groups_is_told_as_a_standard_deviation():
    base, own = scores(0.75, a=0.70, b=0.75, c=0.80), scores(0.75, a=0.74, b=0.75, c=0.76)
    base = dataclasses.replace(base, between_groups=0.0025)
    own = dataclasses.replace(own, between_groups=-0.0001)
    made = entry(base, own, ModelDifferences(same(), {}, same(), {}, change(-0.0026, 0.01, 0.002)))
    gap = result(made).findings[0]
    assert gap.quantity == "between_group_variance"
    assert gap.values == {"balanced": -0.0001, "plain": 0.0025}
    assert gap.sentence == (
        "With balanced, the gap in mean Dice of nodule between the groups of sex is smaller: SD "
        "between the groups beyond chance 0.000 instead of 0.050 (corrected p = 0.010)."
    )
    assert made.distance("plain") == pytest.approx(0.05)
    assert made.distance("balanced") == 0


def test_nothing_to_compare():
    nothing = Difference(NAN, Interval(NAN, NAN), NAN, NAN)
    alone = scores(0.75, female=0.7)
    made = entry(alone, alone, ModelDifferences(nothing, {"female": nothing}, nothing, {}, nothing))
    found = result(made)
    assert {f.verdict for f in found.findings} == {"not_comparable"}
    assert plain(balance(found, "sex", "balanced").first) == (
        "With balanced, the gap in Dice between the groups of sex cannot be compared, as fewer "
        "than two groups are large enough; no group is shown to gain or lose."
    )
    assert found.findings[1].sentence == (
        "With balanced, the overall mean Dice of nodule cannot be compared (too few patients, or "
        "undefined)."
    )


def test_ranks():
    ranks = {
        "overall_mean": {"plain": RankRange(2, 2), "balanced": RankRange(1, 1)},
        "between_groups": {"plain": RankRange(1, 2), "balanced": RankRange(1, 2)},
    }
    found = [f for f in result(levelled(ranks=ranks)).findings if f.kind == "rank"]
    assert [(f.quantity, f.model, f.verdict) for f in found] == [
        ("overall_mean", "plain", "shown"), ("overall_mean", "balanced", "shown"),
        ("between_groups", "plain", "not_shown"), ("between_groups", "balanced", "not_shown"),
    ]  # fmt: skip
    assert found[0].numbers == {"first": 2, "last": 2, "ranked": 2}
    assert found[0].sentence == "By the overall mean Dice of nodule, plain ranks 2 of 2."
    assert found[2].sentence == (
        "By the gap in mean Dice of nodule between the groups of sex, plain can have any rank of 2."
    )
    assert plain(brief(found[1], factories.DICE)) == "ranks 1 of 2"


def test_findings_are_read_back(tmp_path):
    made = result(levelled(), distances())
    made.write(tmp_path)
    again = ModelComparison.read(tmp_path)
    assert [f.sentence for f in again.findings] == [f.sentence for f in made.findings]
    assert again.change(again.entries[0], "balanced", "group_mean", "male").direction == "worse"
    assert again.change(again.entries[0], "balanced", "between_groups").reason == "levelling down"
