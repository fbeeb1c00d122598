"""FairMedSeg: cases of subgroups with divergent Dice count more."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from nnunetv2_fair.losses.divergence import DivergenceWeightedLoss
from nnunetv2_fair.losses.monitor import GroupMonitor
from nnunetv2_fair.subgroups.divergence import (
    CaseLabels,
    Divergences,
    attributes_with_groups,
    divergence_weights,
    fill_and_scale,
    find_divergences,
    label_cases,
)
from nnunetv2_fair.trainers.base import SubgroupTrainer
from nnunetv2_fair.trainers.shared.names import Option, choice_option, number_option


@dataclass
class _Weighting:
    """Groups and weights of the cases; none of them in repr().

    Attributes:
        labels: Groups of all cases of the table.
        train_rows: Rows of the training cases in ``labels``.
        subgroups: ``(S, A)`` codes of the subgroups of the last search, None before the first.
        divergence: ``(S,)`` divergence of each.
        weights: ``(n,)`` weight of every row of ``labels``, None before the first search.
    """

    labels: CaseLabels = field(repr=False)
    train_rows: np.ndarray = field(repr=False)
    subgroups: np.ndarray | None = field(default=None, repr=False)
    divergence: np.ndarray | None = field(default=None, repr=False)
    weights: np.ndarray | None = field(default=None, repr=False)


class nnUNetTrainerFairMedSeg(SubgroupTrainer):
    """Weights each training case by the divergence of the subgroups that it is in.

    After every epoch DivExplorer searches all conjunctions of the attributes' groups for
    subgroups whose Dice, on the epoch's validation patches, differs from the mean. The
    largest absolute divergence among a case's subgroups is its weight in the next epoch's second
    loss term.

    The attributes in the name are those to search; without any, all that form groups are. The
    log shows the joint groups of the named attributes, or those of the dataset's default one.

    Source: Poeta et al., "Divergence-aware training with automatic subgroup mitigation for breast
    tumor segmentation", 2025.
    """

    OPTIONS: ClassVar[tuple[Option, ...]] = (
        number_option("alpha", 0.2, 0.0, 1.0, "share of nnU-Net's own loss; 1 is nnU-Net"),
        number_option(
            "minsup", 0.001, 0.0, 1.0, "share of the validation cases that a subgroup must hold",
            low_open=True,
        ),
        choice_option(
            "weights", "raw", ("raw", "mean1"), "raw: the divergences; mean1: scaled to mean 1"
        ),
    )  # fmt: skip

    watch: ClassVar[str] = (
        "Watch 'Divergence' in the log: the Dice of the furthest subgroup should come closer to "
        "the mean."
    )

    def changes(self) -> list[str]:
        """Return what is searched, and what it is for."""
        clause = (
            "from the second epoch on, cases of subgroups whose validation Dice is far from the "
            f"mean count more; searched in {', '.join(self._weighting.labels.attributes)}"
        )
        return [clause, *super().changes()]

    def adapt_loss(self, loss: nn.Module) -> nn.Module:
        """Return the loss that takes a weight per sample."""
        self.case_monitor = GroupMonitor()
        return DivergenceWeightedLoss(loss, self.option("alpha"), self.case_monitor)

    def prepare_loss(self, cases: list[str]) -> None:
        """Look up the groups of all cases; none has a weight yet."""
        super().prepare_loss(cases)
        if self.attribute:
            attributes = self.table.schema.parse_expression(self.attribute)
        else:
            attributes = attributes_with_groups(self.table)
        labels = label_cases(self.table, attributes, self.option("unknown"))
        self._weighting = _Weighting(labels, labels.rows(cases))
        # every case is a separate group
        self.case_monitor.start(len(labels.codes), self.device)

    def _rows(self, batch: dict) -> np.ndarray:
        return self._weighting.labels.rows(str(key) for key in batch["keys"])

    def train_step(self, batch: dict) -> dict:
        """Take nnU-Net's step with the samples' weights known to the loss."""
        weights = self._weighting.weights
        if weights is not None:
            chosen = torch.tensor(weights[self._rows(batch)], dtype=torch.float32)
            self.adapted_loss.set_weights(chosen.to(self.device))
        return super().train_step(batch)

    def validation_step(self, batch: dict) -> dict:
        """Take nnU-Net's validation step, counting per case."""
        rows = torch.tensor(self._rows(batch), device=self.device)
        self.case_monitor.set_batch(rows, training=False)
        return super().validation_step(batch)

    def on_validation_epoch_end(self, val_outputs: list[dict]) -> None:
        """Search the subgroups of this epoch, and weight the next epoch's cases."""
        super().on_validation_epoch_end(val_outputs)
        summary = self.case_monitor.finish_epoch(all_reduce=self._sum_over_ranks)
        dice = np.ma.masked_invalid(summary.pseudo_dice)
        scores = dice.mean(axis=1).filled(np.nan) if dice.size else np.full(len(dice), np.nan)
        found = find_divergences(self._weighting.labels.codes, scores, self.option("minsup"))
        self._weigh(found.codes, found.divergence)
        self.print_to_log_file(self._in_words(found, scores))

    def _weigh(self, subgroups: np.ndarray, divergence: np.ndarray) -> None:
        weighting = self._weighting
        weighting.subgroups, weighting.divergence = subgroups, divergence
        weighting.weights = None
        if len(subgroups):
            rows = weighting.train_rows
            found = divergence_weights(weighting.labels.codes[rows], subgroups, divergence)
            weighting.weights = np.full(len(weighting.labels.codes), np.nan)
            weighting.weights[rows] = fill_and_scale(
                found, mean_one=self.option("weights") == "mean1"
            )

    def _in_words(self, found: Divergences, scores: np.ndarray) -> str:
        """Return a line for the log; subgroups of a single patient are left out."""
        labels = self._weighting.labels
        scored = ~np.isnan(scores)
        text = f"Divergence: {len(found)} subgroups of {scored.sum()} validation cases"
        patients = np.array(list(self.table.patients.values()))
        for i in np.argsort(-np.abs(found.divergence), kind="stable"):
            wanted = found.codes[i]
            inside = scored & ((labels.codes == wanted) | (wanted < 0)).all(1)
            if len(set(patients[inside])) > 1:
                return f"{text}, furthest {labels.describe(wanted)} ({found.divergence[i]:+.4f})"
        return text

    def on_train_end(self) -> None:
        """Finish; the final checkpoint, which is shared, no longer needs divergences.

        Those of very small subgroups describe single patients.
        """
        self._weighting.subgroups = None
        super().on_train_end()

    def vocabulary(self) -> list:
        """Return the groups that the codes of subgroups refer to."""
        labels = self._weighting.labels
        return [*super().vocabulary(), labels.attributes, labels.groups]

    def fairness_state(self) -> dict[str, torch.Tensor]:
        """Return the divergences; the cases' weights, which reveal groups, follow from them."""
        weighting = self._weighting
        if weighting.subgroups is None or weighting.divergence is None:
            return super().fairness_state()
        return {
            **super().fairness_state(),
            "subgroups": torch.tensor(weighting.subgroups),
            "divergence": torch.tensor(weighting.divergence),
        }

    def load_fairness_state(self, state: Mapping[str, torch.Tensor]) -> None:
        """Restore the divergences and weight the cases by them."""
        super().load_fairness_state(state)
        if "subgroups" in state:
            self._weigh(state["subgroups"].numpy(), state["divergence"].numpy())
