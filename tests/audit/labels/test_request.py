"""Whole audits of masks with a known error."""

import numpy as np
import pytest

from nnunetv2_fair.audit.labels.request import audit_labels
from nnunetv2_fair.audit.results.labels import AuditResult
from nnunetv2_fair.evaluation.run import EvaluationSettings
from nnunetv2_fair.evaluation.statistics.group_comparison import StatisticsSettings
from nnunetv2_fair.report.of_audit.page import write_audit
from tests.audit.factories import OLD, YOUNG, make_masks

QUICK = EvaluationSettings(
    metrics=("dice",), statistics=StatisticsSettings(n_bootstrap=0), adjust=("site",)
)


@pytest.fixture(scope="module")
def masks(tmp_path_factory):
    return make_masks(tmp_path_factory.mktemp("audit"), 48, 24)


@pytest.fixture(scope="module")
def found(masks) -> AuditResult:
    return audit_labels(
        masks.folder("expert"), masks.folder("automated"), masks.table, ["age"],
        predictions=[masks.folder("pred/run_0")],
        trained_on_expert=[masks.folder("taught/run_0")],
        trained_on_automated=[masks.folder("learned/run_0")],
        second_expert=masks.folder("second"),
        source="site", settings=QUICK,
    )  # fmt: skip


def only(found, kind, **about):
    (one,) = [
        f for f in found.findings
        if f.kind == kind and all(getattr(f, name) == value for name, value in about.items())
    ]  # fmt: skip
    return one


def test_masks_that_are_too_small_are_told(found):
    quality = only(found, "label_quality")
    assert quality.verdict == "shown"
    assert quality.value == pytest.approx(0.17, abs=0.03)
    assert "also among patients alike in site: 0.1" in quality.sentence
    assert "worse for young than for old" in quality.sentence
    small = only(found, "label_error", metric="volume", quantity="mean", who=(YOUNG,))
    assert small.verdict == "shown"
    assert "of young are too small by volume: 3" in small.sentence
    right = only(found, "label_error", metric="volume", quantity="mean", who=(OLD,))
    assert right.verdict != "shown"
    outline = only(found, "label_error", metric="boundary", quantity="gap")
    assert outline.verdict == "shown"
    assert outline.value == pytest.approx(2, abs=0.4)
    assert only(found, "label_error", metric="shift").verdict == "not_shown"
    assert only(found, "source_gap").verdict == "not_shown"


def test_flawed_masks_as_a_ruler(found):
    """The model is equally good for both, which automated masks hide."""
    ruler = only(found, "ruler")
    assert ruler.verdict == "shown"
    assert ruler.values["model_automated"] > 0.1
    assert abs(ruler.values["model_expert"]) < 0.02
    assert ruler.sentence.startswith("Automated masks as the ruler flatter old. ")
    (combined,) = found.combined
    assert combined.n_automated == (24, 24)
    assert combined.n_expert == (12, 12)
    assert combined.automated.value > 0.1
    assert combined.combined.interval.low < 0 < combined.combined.interval.high
    assert only(found, "expert_gap").verdict == "not_shown"
    assert [width.n for width in combined.widths] == [(12, 12), (18, 18), (24, 24)]


def test_what_training_on_them_does(found):
    taught = only(found, "amplification", quantity="trained_on_automated - trained_on_expert")
    assert (taught.verdict, taught.direction) == ("shown", "larger")
    assert taught.sentence.startswith("Training on automated masks widens the gap in Dice")
    own = only(found, "amplification", quantity="trained_on_automated - automated")
    assert own.verdict == "not_shown"
    ceiling = only(found, "ceiling")
    assert (ceiling.verdict, ceiling.direction) == ("shown", "larger")
    assert any(note.startswith("What is said of models holds for these") for note in found.notes)


def test_who_has_which_masks(found):
    assert [(c.group, c.automated, c.expert, c.predicted, c.both) for c in found.coverage] == [
        (OLD, 24, 12, 24, 12), (YOUNG, 24, 12, 24, 12)
    ]  # fmt: skip
    assert "24 cases with automated masks but no expert masks" in " ".join(found.notes)
    rows = found.per_case.set_index("case")
    assert len(rows) == 48
    assert rows["automated_dice"].notna().sum() == 24
    assert rows["model_automated_dice"].notna().all()
    assert rows["boundary_error_px"].notna().sum() == 24


def test_written_and_read(found, tmp_path):
    written = write_audit(found, tmp_path / "out")
    assert all(path.is_file() for path in written)
    again = AuditResult.read(tmp_path / "out")
    assert again.per_case.empty
    for name in ("findings", "changes", "combined", "label_errors", "source_gaps", "coverage"):
        assert repr(getattr(again, name)) == repr(getattr(found, name))
    assert repr(again.quality.findings) == repr(found.quality.findings)


def test_repeats_allow_for_another_training(masks, found):
    method = audit_labels(
        masks.folder("expert"), masks.folder("automated"), masks.table, ["age"],
        predictions=[masks.folder("pred")],
        trained_on_expert=[masks.folder("taught/run_0"), masks.folder("taught/run_1")],
        trained_on_automated=[masks.folder("learned")],
        trainings="repeats", settings=QUICK,
    )  # fmt: skip
    by_one = {c.scores: c for c in found.changes}
    for change in method.changes:
        widths = [c.change.interval.high - c.change.interval.low for c in (change,
                  by_one[change.scores])]  # fmt: skip
        assert widths[0] > widths[1]
        assert change.trainings == ((2, 1) if change.scores[1] == "automated" else (2, 2))
    assert method.combined[0].trainings == 2
    assert not any(note.startswith("What is said of models") for note in method.notes)


def test_those_with_expert_masks_are_not_like_the_others(tmp_path):
    """Experts drew masks of those for whom the model is worst."""
    masks = make_masks(tmp_path, 48, 24)
    for number, case in enumerate(masks.cases):
        if number < 24:
            path = masks.folder("pred/run_0") / f"{case}.png"
            path.write_bytes((masks.folder("second") / f"{case}.png").read_bytes())
    found = audit_labels(
        masks.folder("expert"), masks.folder("automated"), masks.table, ["age"],
        predictions=[masks.folder("pred/run_0")], settings=QUICK,
    )  # fmt: skip
    notes = [note for note in found.notes if "are not like the others" in note]
    assert [note.split(" (")[0] for note in notes] == ["Patients of old"]
    assert "lower" in notes[0]


def test_small_groups_are_told_and_not_tested(tmp_path):
    masks = make_masks(tmp_path, 20)
    lines = masks.table.read_text().splitlines()
    lines[1:4] = [line.replace("old", "rare").replace("young", "rare") for line in lines[1:4]]
    masks.table.write_text("\n".join(lines) + "\n")
    found = audit_labels(
        masks.folder("expert"), masks.folder("automated"), masks.table, ["age"],
        predictions=[masks.folder("pred/run_0")], settings=QUICK,
    )  # fmt: skip
    for errors in found.label_errors:
        assert "3 with a value, fewer than 5" in errors.left_out["rare"]
        assert np.isnan(errors.groups["rare"].mean.p_value)
        assert np.isnan(errors.groups["rare"].mean.interval.low)
    assert not any("rare" in (*f.who, *f.between) for f in found.findings if f.kind in (
        "label_quality", "label_error", "ruler", "expert_gap"))  # fmt: skip
    assert {c.group: c.expert for c in found.coverage}["rare"] == 3
