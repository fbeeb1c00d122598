"""Every column, computed once more from what nnU-Net's network and loader did."""

import numpy as np
import pandas as pd
import pytest
import torch

from nnunetv2_fair import registration
from nnunetv2_fair.trainers.shared import introduction
from tests.trainers.seeding import make_seeded_trainer, write_base


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.delenv(registration.EXTERNAL_TRAINERS, raising=False)
    registration.register()


@pytest.fixture
def sizes_told(monkeypatch):
    """The groups of the tiny dataset have few patients."""
    monkeypatch.setattr(introduction, "LEAST_PATIENTS", 1)


class Watched:
    """A training, and what its network said to every batch."""

    def __init__(self, name: str, epochs: int = 2) -> None:
        self.trainer = make_seeded_trainer(name, epochs)
        #: (epoch, part, cases, probabilities and reference of the foreground, cross-entropies)
        self.seen: list = []
        self._part, self._keys = "", []
        for part, step in (("train", "train_step"), ("val", "validation_step")):
            setattr(self.trainer, step, self._wrapped(getattr(self.trainer, step), part))
        self.trainer.initialize()
        forward = self.trainer.loss.forward

        def watched(output, target):
            self._record(output, target)
            return forward(output, target)

        self.trainer.loss.forward = watched
        self.trainer.run_training()

    def _wrapped(self, step, part):
        def wrapped(batch):
            self._part, self._keys = part, [str(key) for key in batch["keys"]]
            return step(batch)

        return wrapped

    @torch.no_grad()
    def _record(self, output, target):
        output = getattr(output, "segmentation", output)
        logits = (output[0] if isinstance(output, (list, tuple)) else output).double().numpy()
        truth = (target[0] if isinstance(target, (list, tuple)) else target).numpy()[:, 0]
        p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        entropy = -np.log(np.where(truth == 1, p[:, 1], p[:, 0])).mean((1, 2))
        epoch = self.trainer.current_epoch
        self.seen.append((epoch, self._part, self._keys, p[:, 1], truth == 1, entropy))

    def samples(self, epoch, part):
        """Per sample: group, loss, and true positive, predicted and reference voxels."""
        rows = []
        for of_epoch, of_part, keys, p, truth, entropy in self.seen:
            if (of_epoch, of_part) != (epoch, part):
                continue
            for i, key in enumerate(keys):
                overlap = (p[i] * truth[i]).sum()
                dice = (2 * overlap + 1e-5) / (p[i].sum() + truth[i].sum() + 1e-5)
                hard = p[i] > 0.5
                rows.append(
                    {
                        "group": self.trainer.grouping.group_of[key],
                        "loss": entropy[i] - dice,
                        "tp": (hard & truth[i]).sum(),
                        "both": hard.sum() + truth[i].sum(),
                    }
                )
        return pd.DataFrame(rows)

    @property
    def log(self):
        path = next(self.trainer_folder.glob("subgroup_log.csv"))
        return pd.read_csv(path)

    @property
    def trainer_folder(self):
        from pathlib import Path

        return Path(self.trainer.output_folder)


def test_losses_dice_shares_averages_and_gaps(tiny_nnunet, sizes_told):
    watched = Watched("nnUNetTrainerGroupDRO_sex", epochs=3)
    log, grouping = watched.log, watched.trainer.grouping
    averages: dict[str, float] = {}
    for epoch, rows in log.groupby("epoch"):
        train, val = watched.samples(epoch, "train"), watched.samples(epoch, "val")
        dices = {}
        for _, row in rows.iterrows():
            group = row["group"]
            own = train[train["group"] == group]
            assert row["train_loss_per_sample"] == pytest.approx(own["loss"].mean(), abs=1e-4)
            assert row["drawn_share"] == pytest.approx(len(own) / len(train), abs=1e-5)
            own = val[val["group"] == group]
            assert row["val_loss_per_sample"] == pytest.approx(own["loss"].mean(), abs=1e-4)
            dices[group] = 2 * own["tp"].sum() / own["both"].sum()
            assert row["pseudo_dice"] == pytest.approx(dices[group], abs=1e-5)
            assert row["pseudo_dice_disc"] == row["pseudo_dice"]
            former = averages.get(group, dices[group])
            averages[group] = 0.9 * former + 0.1 * dices[group]
            assert row["ema_pseudo_dice"] == pytest.approx(averages[group], abs=1e-5)
        for column, values in (("gap", dices), ("gap_ema", averages)):
            expected = abs(values["female"] - values["male"])
            assert rows[f"{column}_pseudo_dice"].tolist() == pytest.approx([expected] * 2, abs=2e-5)
    assert log["attribute"].unique().tolist() == ["sex"]
    counts = {
        part: grouping.counts(cases)
        for part, cases in zip(("train", "val"), watched.trainer.do_split(), strict=True)
    }
    for part in ("train", "val"):
        found = log.groupby("group")[f"{part}_cases"].unique().map(list).to_dict()
        assert found == {group: [count] for group, count in counts[part].items()}
    q = watched.trainer.fairness_state()["q"].tolist()
    assert log["q"].tolist()[-2:] == pytest.approx(q, abs=1e-5)
    assert log.groupby("epoch")["q"].sum().tolist() == pytest.approx([1, 1, 1], abs=1e-5)


def test_weights_of_reweighting(tiny_nnunet, sizes_told):
    watched = Watched("nnUNetTrainerReweighting_sex", epochs=1)
    rows = watched.log
    # inverse to the sizes of groups, and on average 1 over the cases in a group
    weighted = rows["weight"] * rows["train_cases"]
    assert weighted.max() == pytest.approx(weighted.min(), rel=1e-4)
    text = next(watched.trainer_folder.glob("training_log*.txt")).read_text()
    assert "Weight of a case" not in text, "sizes of groups follow from it"


def test_nothing_tells_sizes_where_a_group_is_small(tiny_nnunet):
    log = Watched("nnUNetTrainerReweighting_sex", epochs=1).log
    for column in ("train_cases", "val_cases", "drawn_share", "weight"):
        assert log[column].isna().all()
    assert log["train_loss_per_sample"].notna().all()


def test_weights_of_fairmedseg(tiny_nnunet, monkeypatch):
    from nnunetv2_fair.trainers.nnUNetTrainerFairMedSeg import nnUNetTrainerFairMedSeg

    used: list = []
    plain = nnUNetTrainerFairMedSeg.logged_values

    def kept(self):
        weights = self._weighting.weights
        used.append(None if weights is None else dict(zip(self.table.cases, weights, strict=True)))
        return plain(self)

    monkeypatch.setattr(nnUNetTrainerFairMedSeg, "logged_values", kept)
    watched = Watched("nnUNetTrainerFairMedSeg_sex")
    log = watched.log
    assert used[0] is None
    assert log["weight"].isna().tolist()[:2] == [True, True], "no divergences are known yet"
    train, _ = watched.trainer.do_split()
    for _, row in log[log["epoch"] == 1].iterrows():
        members = watched.trainer.grouping.members(train)[row["group"]]
        expected = np.mean([used[1][case] for case in members])
        assert row["weight"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", ["nnUNetTrainerADV_sex+age", "nnUNetTrainerAPPLE_sex+age_segdro"])
def test_accuracy_of_the_discriminator(tiny_nnunet, monkeypatch, name):
    from sklearn.metrics import balanced_accuracy_score, recall_score

    from nnunetv2_fair.trainers.adversarial.adversary import Adversary

    guessed: list = []
    count = Adversary._count

    def kept(self, logits, loss, groups):
        guessed.append((groups.tolist(), logits.argmax(1).tolist()))
        count(self, logits, loss, groups)

    monkeypatch.setattr(Adversary, "_count", kept)
    write_base()
    watched = Watched(name, epochs=1)
    log, trainer = watched.log, watched.trainer
    names = trainer.grouping.names
    shown = [trainer._subgroup_log.visible.shows("train", group) for group in names]
    pairs = [pair for batch in guessed for pair in zip(*batch, strict=True) if shown[pair[0]]]
    truth, guess = map(list, zip(*pairs, strict=True))
    drawn = sorted(set(truth))
    recalls = recall_score(truth, guess, labels=drawn, average=None, zero_division=0)
    column = log["discriminator_accuracy"]
    assert column[drawn].tolist() == pytest.approx(recalls, abs=1e-5)
    assert column.drop(drawn).isna().all()
    told = log.loc[drawn, "discriminator_balanced_accuracy"].unique().tolist()
    assert told == pytest.approx([recalls.mean()], abs=1e-5)
    for position, attribute in enumerate(("sex", "age")):
        parts = [group.parts[position] for group in trainer.grouping.groups]
        expected = balanced_accuracy_score([parts[i] for i in truth], [parts[i] for i in guess])
        found = log.loc[drawn, f"discriminator_balanced_accuracy_{attribute}"].unique()
        assert found.tolist() == pytest.approx([expected], abs=1e-5)
    assert ("q" in log) == ("segdro" in name)
