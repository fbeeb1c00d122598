"""FairMedSeg inside real nnU-Net."""

import json

import numpy as np
import pytest
import torch

from nnunetv2_fair import trainers
from nnunetv2_fair.errors import DemographicsError, TrainerNameError
from nnunetv2_fair.losses.per_sample import TargetFormat, hard_counts
from nnunetv2_fair.trainers.shared.checkpoint import KEY
from tests.subgroups.test_divergence import brute_force, brute_force_weights
from tests.trainers.test_trainers import make_trainer, registered  # noqa: F401

SEED = 0


@pytest.fixture(autouse=True)
def seeded():
    """Which cases are drawn must not decide whether subgroups diverge after four steps."""
    np.random.seed(SEED)
    torch.manual_seed(SEED)


def train_epoch(trainer):
    trainer.on_train_epoch_start()
    trainer.on_train_epoch_end(
        [trainer.train_step(next(trainer.dataloader_train)) for _ in range(2)]
    )


def start(name):
    trainer = make_trainer(name, iterations=2)
    trainer.initialize()
    trainer.on_train_start()
    return trainer


def validate(trainer):
    """Run nnU-Net's validation; return each case's Dice over its patches, counted here."""
    found = validated(trainer)
    return {key: 2 * tp / (2 * tp + fp + fn) for key, (tp, fp, fn) in found.items()}


def validated(trainer, n_batches=3):
    """Run nnU-Net's validation; return tp, fp and fn of each case's patches, counted here."""
    counts = {}
    trainer.on_validation_epoch_start()
    outputs = []
    with torch.no_grad():
        for _ in range(n_batches):
            batch = next(trainer.dataloader_val)
            outputs.append(trainer.validation_step(batch))
            logits = trainer.network(batch["data"])[0]
            found = hard_counts(logits, batch["target"][0], TargetFormat(False, None))
            for key, count in zip(batch["keys"], found.numpy(), strict=True):
                counts[key] = counts.get(key, 0) + count[:, 0]
    trainer.on_validation_epoch_end(outputs)
    return counts


@pytest.mark.parametrize(
    ("name", "attributes", "window"),
    [
        ("nnUNetTrainerFairMedSeg", ("sex", "age"), 20),
        ("nnUNetTrainerFairMedSeg_sex_window2", ("sex",), 2),
        ("nnUNetTrainerFairMedSeg_window1", ("sex", "age"), 1),
    ],
)
def test_weights_are_the_largest_divergence_in_the_last_epochs_validation(
    tiny_nnunet, name, attributes, window
):
    trainer = start(name)
    given = []
    set_weights = trainer.adapted_loss.set_weights
    trainer.adapted_loss.set_weights = lambda w: (given.append(w), set_weights(w))
    trainer.on_epoch_start()
    train_epoch(trainer)
    assert given == [], "nothing is known in the first epoch"
    labels = trainer._weighting.labels
    assert labels.attributes == attributes
    train_cases = list(trainer.dataloader_train.data_loader.indices)
    epochs = []
    for _ in range(3):
        epochs.append(validated(trainer))
        pooled = {}
        for counts in epochs[-window:]:
            for key, count in counts.items():
                pooled[key] = pooled.get(key, 0) + count
        dice = {key: 2 * tp / (2 * tp + fp + fn) for key, (tp, fp, fn) in pooled.items()}
        assert not set(dice) & set(train_cases)
        found = brute_force(labels.codes[labels.rows(dice)], np.array(list(dice.values())))
        expected = brute_force_weights(labels.codes[labels.rows(train_cases)], found)
        expected = np.where(np.isnan(expected), np.nanmean(expected), expected)
        weights = trainer._weighting.weights[labels.rows(train_cases)]
        np.testing.assert_allclose(weights, expected, atol=1e-6)
    before = trainer._weighting.weights.copy()
    batch = next(trainer.dataloader_train)
    trainer.train_step(batch)
    np.testing.assert_allclose(given[-1], before[labels.rows(batch["keys"])], rtol=1e-6)
    np.testing.assert_array_equal(before, trainer._weighting.weights)


def test_weights_of_mean_one(tiny_nnunet):
    trainer = start("nnUNetTrainerFairMedSeg_weightsmean1")
    train_epoch(trainer)
    validate(trainer)
    rows = trainer._weighting.train_rows
    assert trainer._weighting.weights[rows].mean() == pytest.approx(1)
    assert trainer._weighting.weights[rows].std() > 0


def test_minsup_keeps_small_subgroups_out(tiny_nnunet):
    trainer = start("nnUNetTrainerFairMedSeg_minsup0.5")
    train_epoch(trainer)
    dice = validate(trainer)
    labels = trainer._weighting.labels
    codes = labels.codes[labels.rows(dice)]
    fewest = int(np.ceil(0.5 * len(dice)))
    expected = brute_force(codes, np.array(list(dice.values())), fewest)
    rows = trainer._weighting.train_rows
    wanted = brute_force_weights(labels.codes[rows], expected)
    wanted = np.where(np.isnan(wanted), np.nanmean(wanted), wanted)
    np.testing.assert_allclose(trainer._weighting.weights[rows], wanted, atol=1e-6)


def test_only_subgroups_that_do_worse_count_if_asked_for(tiny_nnunet):
    trainer = start("nnUNetTrainerFairMedSeg_sex_signworse")
    train_epoch(trainer)
    dice = validate(trainer)
    labels, rows = trainer._weighting.labels, trainer._weighting.train_rows
    found = brute_force(labels.codes[labels.rows(dice)], np.array(list(dice.values())))
    below = {code: both for code, both in found.items() if both[1] < 0}
    assert 0 < len(below) < len(found)
    wanted = brute_force_weights(labels.codes[rows], below)
    np.testing.assert_allclose(
        trainer._weighting.weights[rows],
        np.where(np.isnan(wanted), np.nanmean(wanted), wanted),
        atol=1e-6,
    )


def test_whole_cases_are_validated_every_few_epochs(tiny_nnunet):
    trainer = start("nnUNetTrainerFairMedSeg_sex_validationwhole_every2")
    train_epoch(trainer)
    validate(trainer)
    assert trainer._weighting.weights is None, "the first of two epochs"
    trainer.current_epoch = 1
    trainer.on_train_epoch_start()
    validate(trainer)
    labels = trainer._weighting.labels
    (counts,) = trainer._weighting.counts
    _, cases = trainer.do_split()
    assert sorted(np.flatnonzero(counts.sum((1, 2)))) == sorted(labels.rows(cases))
    trainer.on_train_epoch_start()
    assert trainer.network.training
    assert isinstance(trainer.network(next(trainer.dataloader_train)["data"]), list)

    # nnU-Net's own final validation of the same weights, without mirroring
    trainer.inference_allowed_mirroring_axes = None
    trainer.perform_actual_validation()
    summary = json.loads(next(tiny_nnunet["results"].rglob("validation/summary.json")).read_text())
    for found in summary["metric_per_case"]:
        case = found["reference_file"].rsplit("/", 1)[-1].removesuffix(".png")
        theirs = [found["metrics"]["1"][key] for key in ("TP", "FP", "FN")]
        assert counts[labels.rows([case])[0], :, 0].tolist() == theirs


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nnUNetTrainerFairMedSeg_every3", "option 'every' needs validationwhole. Add it"),
        (
            "nnUNetTrainerFairMedSeg_validationwhole_window3",
            "option 'window' needs validationpatches, and the name says validationwhole.",
        ),
        ("nnUNetTrainerFairMedSeg_window0", "expected a whole number from 1 to 1000"),
        ("nnUNetTrainerFairMedSeg_window1.5", "expected a whole number from 1 to 1000"),
        ("nnUNetTrainerFairMedSeg_signboth2", "expected one of both, worse"),
    ],
)
def test_options_that_do_not_fit(name, message):
    with pytest.raises(TrainerNameError, match=message):
        getattr(trainers, name)


def test_alpha_one_is_nnunets_training(tiny_nnunet):
    weights = {}
    for name in ("nnUNetTrainer", "nnUNetTrainerFairMedSeg_alpha1"):
        torch.manual_seed(0)
        np.random.seed(0)
        trainer = start(name)
        for epoch in range(2):
            np.random.seed(epoch)
            torch.manual_seed(epoch)
            train_epoch(trainer)
            trainer.on_validation_epoch_start()
            with torch.no_grad():
                step = trainer.validation_step(next(trainer.dataloader_val))
            trainer.on_validation_epoch_end([step])
        weights[name] = torch.cat([p.detach().flatten() for p in trainer.network.parameters()])
    assert torch.equal(*weights.values())


def test_checkpoints_hold_counts_but_neither_groups_nor_names(tiny_nnunet):
    trainer = make_trainer("nnUNetTrainerFairMedSeg_2epochs", iterations=2)
    trainer.save_every = 1
    saved = {}
    save = trainer.save_checkpoint

    def keep(filename):
        save(filename)
        state = torch.load(filename, weights_only=False)[KEY]["state"]
        saved[filename.rsplit("_", 1)[-1]] = state, trainer._weighting.weights

    trainer.save_checkpoint = keep
    trainer.run_training()
    state, weights = saved["latest.pth"]
    n_cases = len(trainer._weighting.labels.codes)
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == {
        "counts": (1, n_cases, 3, 1)
    }
    assert saved["final.pth"][0] == {}
    again = start("nnUNetTrainerFairMedSeg_2epochs")
    again.load_fairness_state(state)
    np.testing.assert_array_equal(again._weighting.weights, weights)

    text = "\n".join(p.read_text() for p in tiny_nnunet["results"].rglob("training_log*.txt"))
    assert "count more; searched in sex, age." in text
    assert text.count("validation cases, furthest ") == 2
    folder = next(tiny_nnunet["results"].glob("*/*/fold_0"))
    debug = json.loads((folder / "debug.json").read_text())
    assert not [key for key, value in debug.items() if "case_0" in str(value)]


def test_log_names_no_subgroup_of_one_patient(tiny_nnunet):
    trainer = start("nnUNetTrainerFairMedSeg_age")
    labels = trainer._weighting.labels
    patients = list(trainer.table.patients.values())
    rows = [0, 1, 12]
    assert patients[0] == patients[1] != patients[12]
    assert labels.codes[0, 0] == labels.codes[1, 0] != labels.codes[12, 0]
    scores = np.full(len(labels.codes), np.nan)
    scores[rows] = [0.1, 0.2, 0.9]

    from nnunetv2_fair.subgroups.divergence import find_divergences

    line = trainer._in_words(find_divergences(labels.codes, scores), scores)
    assert line == "Divergence: 2 subgroups of 3 validation cases"
    assert patients[2] != patients[0]
    scores[2] = 0.3
    line = trainer._in_words(find_divergences(labels.codes, scores), scores)
    assert line.endswith("furthest age=<50 (-0.1750)")


def test_a_numeric_attribute_without_bins_is_refused_if_named(tiny_nnunet):
    path = tiny_nnunet["preprocessed"] / "demographics.json"
    schema = json.loads(path.read_text())
    del schema["attributes"]["age"]["bins"]
    path.write_text(json.dumps(schema))
    with pytest.raises(DemographicsError, match="'age' is numeric and has no bins"):
        start("nnUNetTrainerFairMedSeg_sex+age")
    assert start("nnUNetTrainerFairMedSeg")._weighting.labels.attributes == ("sex",)


def test_unknown_values_can_be_refused(tiny_nnunet):
    with pytest.raises(DemographicsError, match="4 cases have no value of 'sex'"):
        start("nnUNetTrainerFairMedSeg_unknownerror")
