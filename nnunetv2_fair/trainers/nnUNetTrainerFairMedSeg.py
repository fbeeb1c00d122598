"""FairMedSeg: cases of subgroups with divergent Dice count more."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from nnunetv2_fair.errors import TrainerNameError
from nnunetv2_fair.losses.divergence import DivergenceWeightedLoss
from nnunetv2_fair.losses.monitor import GroupMonitor, dice_of_counts
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
from nnunetv2_fair.trainers.group_log.values import GroupValues
from nnunetv2_fair.trainers.shared.names import (
    Option,
    choice_option,
    number_option,
    whole_number_option,
)
from nnunetv2_fair.trainers.shared.whole_validation import whole_case_counts
from nnunetv2_fair.training_log import columns


@dataclass
class _Weighting:
    """Groups and weights of the cases; none of them in repr().

    Attributes:
        labels: Groups of all cases of the table.
        train_rows: Rows of the training cases in ``labels``.
        groups: Of the training cases, among those that the log shows; -1 for none.
        counts: Of the last epochs, the latest last: ``(n, 3, K)`` voxels of every row, 0 where
            it was not validated.
        weights: ``(n,)`` weight of every row of ``labels``, None before the first search.
    """

    labels: CaseLabels = field(repr=False)
    train_rows: np.ndarray = field(repr=False)
    groups: np.ndarray = field(repr=False)
    counts: list[np.ndarray] = field(default_factory=list, repr=False)
    weights: np.ndarray | None = field(default=None, repr=False)


class nnUNetTrainerFairMedSeg(SubgroupTrainer):
    """Weights each training case by the divergence of the subgroups that it is in.

    After every epoch DivExplorer searches all conjunctions of the attributes' groups for
    subgroups whose Dice, on the validation patches of the last ``window`` epochs, differs from
    the mean. The largest absolute divergence among a case's subgroups is its weight in the next
    epoch's second loss term. ``validationwhole`` predicts the validation cases as a whole
    instead, in every ``every``-th epoch, and ``signworse`` disregards subgroups that do better.

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
        whole_number_option(
            "window", 20, 1, 1000, "epochs whose validation patches are pooled, case by case"
        ),
        choice_option(
            "validation",
            "patches",
            ("patches", "whole"),
            "patches: nnU-Net's validation of each epoch; whole: whole cases by sliding window",
        ),
        whole_number_option(
            "every", 5, 1, 1000, "with validationwhole: epochs between two validations"
        ),
        choice_option(
            "sign",
            "both",
            ("both", "worse"),
            "both: subgroups far above the mean count, too; worse: only those below it",
        ),
        choice_option(
            "weights", "raw", ("raw", "mean1"), "raw: the divergences; mean1: scaled to mean 1"
        ),
    )  # fmt: skip

    watch: ClassVar[str] = (
        "Watch 'Divergence' in the log: the Dice of the furthest subgroup should come closer to "
        "the mean."
    )

    @classmethod
    def check_options(cls) -> None:
        """Refuse options of the kind of validation that was not chosen."""
        super().check_options()
        whole = cls.option("validation") == "whole"
        unused = "window" if whole else "every"
        if unused in cls.chosen_options:
            needed = "patches" if whole else "whole"
            raise TrainerNameError(
                f"{cls.__name__}: option '{unused}' needs validation{needed}, and the name says "
                f"validation{cls.option('validation')}. Leave '{unused}' out, or change the other."
                if "validation" in cls.chosen_options
                else f"{cls.__name__}: option '{unused}' needs validation{needed}. Add it before "
                f"the number of epochs, or leave '{unused}' out."
            )

    def changes(self) -> list[str]:
        """Return what is searched, and what it is for."""
        where = "far from" if self.option("sign") == "both" else "below"
        first = 1 if self.option("validation") == "patches" else self.option("every")
        clause = (
            f"from epoch {first} on, cases of subgroups whose validation Dice is {where} the "
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
        groups = np.array([self.grouping.index_of(case) for case in cases])
        self._weighting = _Weighting(labels, labels.rows(cases), groups)
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
        """Search the subgroups of the last epochs, and weight the next epoch's cases."""
        super().on_validation_epoch_end(val_outputs)
        summary = self.case_monitor.finish_epoch(all_reduce=self._sum_over_ranks)
        counts = self._weighting.counts
        if self.option("validation") == "whole":
            if (self.current_epoch + 1) % self.option("every"):
                return
            counts[:] = [self._whole_counts()]
        elif summary.counts.size:
            counts.append(summary.counts)
            del counts[: -self.option("window")]
        self.print_to_log_file(self._weigh())

    def logged_values(self) -> list[GroupValues]:
        """Return the mean weight of each group's training cases in the epoch that ends as well."""
        weighting, n_groups = self._weighting, len(self.grouping.names)
        means = np.full(n_groups, np.nan)
        if weighting.weights is not None:
            own = weighting.weights[weighting.train_rows]
            for i in set(weighting.groups[weighting.groups >= 0]):
                means[i] = own[weighting.groups == i].mean()
        title = "Mean weight of a case"
        return [*super().logged_values(), GroupValues(columns.WEIGHT, title, means.tolist())]

    def _whole_counts(self) -> np.ndarray:
        """Return ``(n, 3, K)`` voxels of whole validation cases; 0 in the rows of all others."""
        labels = self._weighting.labels
        found = whole_case_counts(self)
        counts = torch.zeros((len(labels.codes), 3, len(self._label_names())))
        for case, own in found.items():
            counts[labels.rows([case])] = torch.tensor(own, dtype=counts.dtype)
        return self._sum_over_ranks(counts.to(self.device)).cpu().double().numpy()

    def _weigh(self) -> str:
        """Weight the cases by the divergences of their subgroups; return a line for the log."""
        weighting = self._weighting
        codes = weighting.labels.codes
        scores = np.full(len(codes), np.nan)
        if weighting.counts:
            dice = np.ma.masked_invalid(dice_of_counts(np.sum(weighting.counts, 0)))
            scores = dice.mean(axis=1).filled(np.nan)
        found = find_divergences(codes, scores, self.option("minsup"))
        line = self._in_words(found, scores)
        if self.option("sign") == "worse":
            found = found.chosen(found.divergence < 0)
        weighting.weights = None
        if len(found):
            rows = weighting.train_rows
            own = divergence_weights(codes[rows], found.codes, found.divergence)
            weighting.weights = np.full(len(codes), np.nan)
            weighting.weights[rows] = fill_and_scale(
                own, mean_one=self.option("weights") == "mean1"
            )
        return line

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
        """Finish; the final checkpoint, which is shared, no longer needs counts of cases."""
        self._weighting.counts.clear()
        super().on_train_end()

    def vocabulary(self) -> list:
        """Return the groups that subgroups are made of."""
        labels = self._weighting.labels
        return [*super().vocabulary(), labels.attributes, labels.groups]

    def fairness_state(self) -> dict[str, torch.Tensor]:
        """Return the counts of the validated cases; groups and weights follow from the table."""
        counts = self._weighting.counts
        if not counts:
            return super().fairness_state()
        return {**super().fairness_state(), "counts": torch.tensor(np.stack(counts))}

    def load_fairness_state(self, state: Mapping[str, torch.Tensor]) -> None:
        """Restore the counts and weight the cases by them."""
        super().load_fairness_state(state)
        if "counts" in state and state["counts"].shape[1] == len(self._weighting.labels.codes):
            self._weighting.counts = list(state["counts"].double().numpy())
            self._weigh()
