"""FairMedSeg inside real nnU-Net."""

import json

import numpy as np
import pytest
import torch

from nnunetv2_fair.errors import DemographicsError
from nnunetv2_fair.losses.per_sample import TargetFormat, hard_counts
from nnunetv2_fair.trainers.shared.checkpoint import KEY
from tests.subgroups.test_divergence import brute_force, brute_force_weights
from tests.trainers.test_trainers import make_trainer, registered  # noqa: F401


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


def validate(trainer, n_batches=3):
    """Run nnU-Net's validation; return each case's Dice over its patches, counted here."""
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
    return {key: 2 * tp / (2 * tp + fp + fn) for key, (tp, fp, fn) in counts.items()}


@pytest.mark.parametrize(
    ("name", "attributes"),
    [("nnUNetTrainerFairMedSeg", ("sex", "age")), ("nnUNetTrainerFairMedSeg_sex", ("sex",))],
)
def test_weights_are_the_largest_divergence_of_this_epochs_validation(
    tiny_nnunet, name, attributes
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
    for _ in range(2):  # the second epoch forgets the first
        dice = validate(trainer)
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
    assert {tuple(row) for row in trainer._weighting.subgroups.tolist()} == set(expected)


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


def test_checkpoints_hold_subgroups_but_no_cases(tiny_nnunet):
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
    assert set(state) == {"subgroups", "divergence"}
    assert n_cases not in [size for tensor in state.values() for size in tensor.shape]
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
