"""Trainers that change the loss, inside real nnU-Net on a tiny dataset."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from nnunetv2.run.run_training import get_trainer_from_args
from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name

from nnunetv2_fair import registration
from nnunetv2_fair.errors import TrainerNameError, TrainingError
from nnunetv2_fair.trainers import METHODS
from tests.nnunet_dataset import build, write_raw_volumes
from tests.trainers.test_trainers import make_trainer, rewrite_sex

METHODS_HERE = [
    "nnUNetTrainerReweighting",
    "nnUNetTrainerGroupDRO",
    "nnUNetTrainerOversamplingGroupDRO",
    "nnUNetTrainerReweightingGroupDRO",
    "nnUNetTrainerOversamplingReweighting",
    "nnUNetTrainerFEBS",
]
WITH_Q = [name for name in METHODS_HERE if "GroupDRO" in name]
every_method = pytest.mark.parametrize("method", METHODS_HERE)


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.delenv(registration.EXTERNAL_TRAINERS, raising=False)
    registration.register()


def started(name, batch_size=None):
    """Return a trainer ready to take steps."""
    trainer = make_trainer(name)
    if batch_size is not None:
        trainer.configuration_manager.configuration["batch_size"] = batch_size
    trainer.on_train_start()
    trainer.on_train_epoch_start()
    return trainer


def step(trainer, n=1):
    for _ in range(n):
        loss = trainer.train_step(next(trainer.dataloader_train))["loss"]
        assert np.isfinite(loss)
    assert all(torch.isfinite(p).all() for p in trainer.network.parameters())


def training_counts(trainer):
    return trainer.grouping.counts(list(trainer.dataloader_train.data_loader.indices))


def log_of(tiny_nnunet):
    return "\n".join(p.read_text() for p in tiny_nnunet["results"].rglob("training_log*.txt"))


@pytest.mark.parametrize(
    "name",
    [
        "nnUNetTrainerGroupDRO_objectivehardmax_2epochs",
        "nnUNetTrainerOversamplingReweighting_2epochs",
    ],
)
def test_two_epochs_without_deep_supervision(tiny_nnunet, name):
    trainer = make_trainer(name, iterations=2)
    trainer.enable_deep_supervision = False
    trainer.run_training()
    log = pd.read_csv(next(tiny_nnunet["results"].rglob("subgroup_log.csv")))
    losses = trainer.logger.get_value("val_losses", step=None)
    check_two_epochs(name, log, losses, log_of(tiny_nnunet))


@pytest.mark.parametrize("name", ["nnUNetTrainerReweightingGroupDRO", "nnUNetTrainerFEBS"])
def test_two_epochs_with_deep_supervision(trainings, name):
    training = trainings.of(name)
    losses = training.outcome["curves"]["val_losses"]
    check_two_epochs(name, training.outcome["subgroups"], losses, training.log)


def check_two_epochs(name, log, losses, text):
    assert log["epoch"].tolist() == [0, 0, 1, 1]
    assert np.isfinite(log["train_loss_per_sample"]).all()
    assert np.isfinite(losses).all()
    assert text.count("q by sex: female 0.") == (2 if "GroupDRO" in name else 0)
    assert text.count("samples of small groups count more") == ("Reweighting" in name)


def test_weights_follow_from_the_folds_training_cases(tiny_nnunet):
    trainer = started("nnUNetTrainerReweighting_sex")
    counts = training_counts(trainer)
    n = sum(counts.values())
    assert trainer.grouping.names == ("female", "male")
    assert counts["female"] < counts["male"]
    expected = [n / 2 / counts["female"], n / 2 / counts["male"], 1]
    weights = trainer.adapted_loss.group_weights
    assert weights.tolist() == pytest.approx(expected, rel=1e-6)
    step(trainer)


def test_balanced_batches_are_not_corrected_again(tiny_nnunet):
    trainer = started("nnUNetTrainerOversamplingReweighting_sex")
    assert trainer.adapted_loss.group_weights.tolist() == pytest.approx([1, 1, 1])
    assert "WARNING: countstrain" not in log_of(tiny_nnunet)
    step(trainer)


def test_weights_add_what_the_sampling_leaves(tiny_nnunet):
    trainer = started("nnUNetTrainerOversamplingReweighting_sex_level0.5")
    cases = list(trainer.dataloader_train.data_loader.indices)
    shares = trainer.drawing_shares(cases)[:2]
    weights = trainer.adapted_loss.group_weights.numpy()[:2]
    assert shares[0] < shares[1]
    assert shares * weights == pytest.approx([shares.sum() / 2] * 2, rel=1e-5)


def test_the_literal_pair_corrects_twice_and_warns(tiny_nnunet):
    trainer = started("nnUNetTrainerOversamplingReweighting_sex_countstrain")
    assert "WARNING: countstrain corrects for the sizes of groups twice" in log_of(tiny_nnunet)
    counts = training_counts(trainer)
    weights = trainer.adapted_loss.group_weights.tolist()
    assert (weights[0] + weights[1]) / 2 == pytest.approx(1, rel=1e-6)
    assert weights[0] / weights[1] == pytest.approx(counts["male"] / counts["female"], rel=1e-6)
    assert trainer.dataloader_train.data_loader.get_indices.__class__.__name__ == "BalancedSampler"
    step(trainer)


def test_weights_from_each_batch_as_the_public_code_has_them(tiny_nnunet):
    trainer = started("nnUNetTrainerReweighting_sex_countsbatch_scaleraw")
    loss = trainer.adapted_loss
    batch = next(trainer.dataloader_train)
    groups = trainer._groups_of(batch["keys"])
    present = sorted(set(groups.tolist()) - {-1})
    with torch.no_grad():
        output = trainer.network(batch["data"])
        loss.set_batch(groups, training=True)
        value = float(loss(output, batch["target"]))
        # its table of products, sample by sample; all voxels count, so means of means will do
        total = torch.bincount(groups[groups >= 0])
        inverse = {g: len(groups[groups >= 0]) / (float(total[g]) + 1e-6) for g in present}
        share = {g: w / sum(inverse.values()) for g, w in inverse.items()}
        known = groups[groups >= 0].tolist()
        mean = sum(share[g] for g in known) / len(known)
        weights = torch.tensor([share.get(g, mean) for g in groups.tolist()])
        expected = 0.0
        for factor, logits, labels in zip(
            loss.form.level_weights, output, batch["target"], strict=False
        ):
            row = torch.nn.functional.cross_entropy(logits, labels[:, 0].long(), reduction="none")
            row = row.flatten(1).mean(1)
            p, y = torch.softmax(logits, 1)[:, 1], (labels[:, 0] == 1).float()
            dice = (2 * (p * y).sum((1, 2)) + 1e-5) / (p.sum((1, 2)) + y.sum((1, 2)) + 1e-5)
            table = row[None] * weights[:, None] - (dice * weights)[:, None]
            expected += factor * float(table.mean())
    assert value == pytest.approx(expected, rel=1e-5)


def test_group_means_of_each_batch_as_the_public_code_has_them(tiny_nnunet):
    trainer = started(
        "nnUNetTrainerReweightingGroupDRO_sex_objectivemean_countsbatch_scaleraw_tail0.5"
    )
    assert (trainer.adapted_loss.dro.objective, trainer.adapted_loss.dro.tail) == ("mean", 0.5)
    weights = trainer.adapted_loss.weights_of(torch.tensor([0, 1, 1, 1]))
    assert weights.tolist() == pytest.approx([3 / 4, 1 / 4, 1 / 4, 1 / 4], rel=1e-5)
    step(trainer)


def test_cap_and_raw_scale_stand_in_the_name(tiny_nnunet):
    capped = started("nnUNetTrainerReweighting_sex_cap1").adapted_loss.group_weights
    assert capped.tolist() == [1, 1, 1]
    raw = started("nnUNetTrainerReweighting_sex_scaleraw").adapted_loss.group_weights
    assert float(raw[:2].sum()) == pytest.approx(1)


def test_the_pairs_are_made_of_the_same_parts(tiny_nnunet):
    both = started("nnUNetTrainerReweightingGroupDRO_sex_step0.3_cap1.2_adjust2")
    loss = both.adapted_loss
    assert type(loss).__name__ == "GroupDROLoss"
    assert (loss.dro.step_size, float(loss.group_weights.max())) == (0.3, pytest.approx(1.2))
    sizes = list(training_counts(both).values())
    assert loss.dro.adjustments.tolist() == pytest.approx([2 / n**0.5 for n in sizes])
    drawn = started("nnUNetTrainerOversamplingGroupDRO_sex_level0.5_objectivehardmax")
    assert drawn.adapted_loss.dro.objective == "hardmax"
    assert set(drawn.adapted_loss.group_weights.tolist()) == {1}
    sampler = drawn.dataloader_train.data_loader.get_indices
    assert type(sampler).__name__ == "BalancedSampler"


@pytest.mark.parametrize("method", WITH_Q)
def test_q_changes_in_training_steps_only(tiny_nnunet, method):
    trainer = started(f"{method}_sex_step1")
    q = trainer.adapted_loss.dro.q
    assert q.tolist() == [0.5, 0.5]
    with torch.no_grad():
        trainer.network.eval()
        for _ in range(3):
            trainer.validation_step(next(trainer.dataloader_val))
    assert q.tolist() == [0.5, 0.5]
    trainer.network.train()
    step(trainer, 3)
    assert float(q.sum()) == pytest.approx(1)
    assert q.tolist() != [0.5, 0.5]


@every_method
def test_validation_reports_nnunets_loss(tiny_nnunet, method):
    trainer = started(method)
    batch = next(trainer.dataloader_val)
    trainer.network.eval()
    with torch.no_grad():
        ours = trainer.validation_step(dict(batch))["loss"]
        plain = trainer.adapted_loss.plain(trainer.network(batch["data"]), batch["target"])
    assert float(ours) == float(plain)


@every_method
def test_one_group_only_is_refused(tiny_nnunet, method):
    rewrite_sex(tiny_nnunet, lambda i, sex: "male")
    with pytest.raises(TrainingError, match=rf"one group \(male\); {method} needs at least two"):
        make_trainer(method).on_train_start()


@every_method
def test_batch_size_one(tiny_nnunet, method):
    trainer = started(method, batch_size=1)
    step(trainer, 2)


@every_method
def test_more_groups_than_places(tiny_nnunet, method):
    trainer = started(f"{method}_sex+age", batch_size=2)
    assert len(trainer.grouping.names) > 2
    step(trainer, 2)
    assert trainer.adapted_loss.n_groups == len(trainer.grouping.names)


@every_method
def test_a_group_only_in_validation(tiny_nnunet, method):
    path = tiny_nnunet["preprocessed"] / "demographics.json"
    schema = json.loads(path.read_text())
    schema["attributes"]["sex"]["levels"].insert(0, "other")
    path.write_text(json.dumps(schema))
    splits = json.loads((tiny_nnunet["preprocessed"] / "splits_final.json").read_text())
    only_val = splits[0]["val"][0]
    rewrite_sex(tiny_nnunet, lambda i, sex: "other" if f"case_{i:03d}" == only_val else sex)
    trainer = started(method)
    step(trainer, 2)
    with torch.no_grad():
        trainer.validation_step(next(trainer.dataloader_val))
    assert "WARNING: no training case of group other in this fold." in log_of(tiny_nnunet)
    if method in WITH_Q:
        q = trainer.adapted_loss.dro.q
        assert float(q[0]) == 0
        assert float(q.sum()) == pytest.approx(1)
    if "Reweighting" in method:
        weights = trainer.adapted_loss.group_weights
        assert weights[0] == 0
        assert torch.isfinite(weights).all()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nnUNetTrainerReweighting_sex_cap0.5", "'0.5' is not a value of option 'cap': expected a"),
        ("nnUNetTrainerReweighting_scalebig", "expected one of mean, raw"),
        (
            "nnUNetTrainerGroupDRO_step0.1_gamma1",
            "'gamma1' is not an option of nnUNetTrainerGroupDRO",
        ),
        ("nnUNetTrainerGroupDRO_objectivesoft", "expected one of online, hardmax, mean"),
        (
            "nnUNetTrainerReweighting_sex_cap5_countsbatch",
            "'countsbatch' takes others from each batch. Leave one of the two out.",
        ),
        ("nnUNetTrainerGroupDRO_tail0", "expected a number above 0 to 1"),
        ("nnUNetTrainerFEBS_directionup", "expected one of code, paper"),
        ("nnUNetTrainerFEBS_gamma11", "expected a number from 0 to 10"),
        ("nnUNetTrainerReweightingGroupDRO_level0.5", "'level0.5' is not an option"),
    ],
)
def test_unknown_options_reach_the_user(name, message):
    with pytest.raises(TrainerNameError) as caught:
        recursive_find_trainer_class_by_name(name)
    assert message in str(caught.value)


def test_pairs_know_the_options_of_both():
    def options(name):
        return set(METHODS[name].known_options())

    for pair, parts in {
        "nnUNetTrainerOversamplingGroupDRO": ("Oversampling", "GroupDRO"),
        "nnUNetTrainerReweightingGroupDRO": ("Reweighting", "GroupDRO"),
        "nnUNetTrainerOversamplingReweighting": ("Oversampling", "Reweighting"),
    }.items():
        assert options(pair) == set.union(*(options(f"nnUNetTrainer{part}") for part in parts))


@pytest.mark.slow
def test_volumes_with_regions_and_ignore_label(tmp_path, monkeypatch):
    environment = build(tmp_path, write_raw_volumes, "902", "3d_fullres")
    for variable, folder in environment.items():
        monkeypatch.setenv(variable, folder)
    monkeypatch.setenv("nnUNet_n_proc_DA", "0")
    for method in METHODS_HERE:
        trainer = get_trainer_from_args(
            "902", "3d_fullres_trial", 0, f"{method}_1epochs", device=torch.device("cpu")
        )
        # 36 samples: that none of them is of the smaller group has a chance of 1 in 100 million
        trainer.num_iterations_per_epoch = 6
        trainer.num_val_iterations_per_epoch = 2
        trainer.run_training()
        results = Path(environment["nnUNet_results"])
        log = pd.read_csv(next(results.rglob(f"{method}_1epochs__*/fold_0/subgroup_log.csv")))
        assert np.isfinite(log["train_loss_per_sample"]).all()
