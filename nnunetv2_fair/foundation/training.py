"""APPLE on the embedding of a prompted model: the generator learns, the model stays.

Source: Xu et al., npj Digital Medicine 2025, Algorithm 1, "Integrating APPLE with segmentation
foundation models", Table 2. The paper gives no details of this part; sizes, learning rates and the
jitter of the boxes are ours.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own habit

from nnunetv2_fair.errors import ModelError, TrainingError
from nnunetv2_fair.foundation.embeddings import EmbeddingCache, Sample
from nnunetv2_fair.foundation.model import PromptedModel
from nnunetv2_fair.foundation.perturbation import (
    FINAL,
    LATEST,
    Perturbation,
    generator_of,
    read_perturbation,
)
from nnunetv2_fair.foundation.prompts import Place, jittered
from nnunetv2_fair.foundation.weights import Weights
from nnunetv2_fair.losses.monitor import EpochSummary, dice_of_counts
from nnunetv2_fair.losses.reweighting import group_weights
from nnunetv2_fair.networks.discriminator import AttributeDiscriminator
from nnunetv2_fair.subgroups.groups import Grouping
from nnunetv2_fair.trainers.adversarial.adversary import Adversary, CollapseWatch
from nnunetv2_fair.trainers.adversarial.logged_guesses import logged_guesses
from nnunetv2_fair.trainers.group_log.subgroup_log import SubgroupLog

logger = logging.getLogger(__name__)

_LEARNING_RATE = 1e-3
#: As nnU-Net clips gradients.
_LONGEST_GRADIENT = 12.0


@dataclass(frozen=True)
class TrainingSettings:
    """How to train.

    Attributes:
        attribute: Attribute expression of the groups.
        fold: Which is trained.
        beta: Weight of the segmentation loss.
        alpha: Weight of the entropy in the fairness loss.
        fairness: Weight of the fairness loss; 0 trains for the segmentation alone, as a control.
        epochs: How many.
        steps: Steps of an epoch.
        batch: Slices in a step.
        jitter: The most that a side of a box is moved in training, as a share of its length.
        seed: Of weights, batches and boxes.
        balanced: Whether the discriminator's loss counts all groups the same, however rarely they
            are drawn.
        table: Hash of the demographics table.
    """

    attribute: str
    fold: int
    beta: float = 1.0
    alpha: float = 0.1
    fairness: float = 1.0
    epochs: int = 20
    steps: int = 25
    batch: int = 4
    jitter: float = 0.05
    seed: int = 0
    balanced: bool = False
    table: str = field(default="", repr=False)

    def plain(self) -> dict[str, Any]:
        """Return the settings by name, as they are written into files."""
        return asdict(self)


class AppleTraining:
    """One training in a folder that nobody else uses.

    Args:
        folder: Where checkpoints go.
        settings: How to train.
        weights: Of the model.
        model: The model, on the training device.
        cache: Embeddings of all samples, filled.
        samples: ``train`` and ``val`` slices.
        grouping: Groups of the cases.
        log: Of the groups.

    Raises:
        TrainingError: If training cases are in fewer than two groups.
    """

    def __init__(
        self,
        folder: Path,
        settings: TrainingSettings,
        weights: Weights,
        model: PromptedModel,
        cache: EmbeddingCache,
        samples: Mapping[str, Sequence[Sample]],
        grouping: Grouping,
        log: SubgroupLog,
    ) -> None:
        self._folder, self._settings, self._weights = folder, settings, weights
        self._model, self._cache, self._samples = model, cache, samples
        self._grouping, self._log = grouping, log
        present = {grouping.index_of(sample.case) for sample in samples["train"]} - {-1}
        if len(present) < 2:
            raise TrainingError(
                f"The training cases of fold {settings.fold} are in fewer than two groups of "
                f"'{settings.attribute}', so that there is nothing to hide. Choose another "
                "attribute with -a, or make folds anew with nnUNetv2_fair_prepare."
            )
        torch.manual_seed(settings.seed)
        self._device = next(model.parameters()).device
        channels, n_groups = model.sizes.channels, len(grouping.names)
        self.generator = generator_of(channels).to(self._device)
        self._optimizer = torch.optim.Adam(self.generator.parameters(), _LEARNING_RATE)
        self._adversary = Adversary(
            AttributeDiscriminator(channels, n_groups).to(self._device),
            _LEARNING_RATE,
            settings.epochs,
            alpha=settings.alpha,
            weights=self._balancing_weights() if settings.balanced else None,
        )
        self._watch = CollapseWatch(logger.warning)
        self.epoch = 0

    def _balancing_weights(self) -> torch.Tensor:
        """Return ``(G,)`` weights with which all groups count the same among the slices drawn."""
        groups = [self._grouping.index_of(sample.case) for sample in self._samples["train"]]
        drawn = [float(groups.count(i)) for i in range(self._n_groups)]
        return torch.tensor(group_weights(drawn, drawn)[:-1], dtype=torch.float32)

    def load(self) -> None:
        """Continue from the checkpoint of an interrupted training.

        Raises:
            ModelError: If there is none, or it is damaged or of other weights.
            TrainingError: If it was trained with other settings.
        """
        path = self._folder / LATEST
        if not path.is_file():
            raise ModelError(f"{path} does not exist: there is nothing to continue. Leave out --c.")
        found = read_perturbation(path, self._weights)
        now = self._settings.plain()
        changed = [name for name, value in now.items() if found.settings.get(name) != value]
        if changed:
            raise TrainingError(
                f"{path} was trained with other settings: "
                + ", ".join(
                    f"{name} {found.settings.get(name)}, now {now[name]}" for name in changed
                )
                + ". Pass the same as before, or train from scratch without --c."
            )
        self.generator.load_state_dict(found.generator)
        own = {k: v for k, v in found.state.items() if k.startswith("generator.")}
        _load_adam(self._optimizer, own)
        self._adversary.load_state({k: v for k, v in found.state.items() if k not in own})
        self.epoch = found.epoch

    def run(self) -> None:
        """Train to the end, with a checkpoint and a row in the log after every epoch."""
        while self.epoch < self._settings.epochs:
            self._run_epoch()
            self.epoch += 1
            self._perturbation(with_state=True).write(self._folder / LATEST)
        self._perturbation(with_state=False).write(self._folder / FINAL)
        (self._folder / LATEST).unlink(missing_ok=True)

    def _perturbation(self, *, with_state: bool) -> Perturbation:
        state = {**_adam_state(self._optimizer), **self._adversary.state()} if with_state else {}
        return Perturbation(
            self._weights.sha256, self._settings.plain(), self.epoch,
            _copied(self.generator.state_dict()), _copied(state),
        )  # fmt: skip

    def _run_epoch(self) -> None:
        settings = self._settings
        self._adversary.lr_scheduler.step(self.epoch)
        for group in self._optimizer.param_groups:
            group["lr"] = self._adversary.optimizer.param_groups[0]["lr"]
        # what is drawn depends on the epoch alone, so that a continued training draws the same
        rng = np.random.default_rng([settings.seed, self.epoch])
        self.generator.train()
        drawn, losses, sizes = [], [], []
        for _ in range(settings.steps):
            chosen = [self._samples["train"][i] for i in self._draw(rng)]
            groups = self._groups(chosen)
            loss, size = self._step(chosen, groups, rng)
            drawn.append(groups.cpu().numpy())
            losses.append(loss)
            sizes.append(size)
        of_training = _by_group(np.concatenate(losses), np.concatenate(drawn), self._n_groups)
        counts, of_validation = self._validated()
        share = np.bincount(np.concatenate(drawn) + 1, minlength=self._n_groups + 1)[1:]
        summary = EpochSummary(
            of_training, of_validation, share / sum(map(len, drawn)), dice_of_counts(counts), counts
        )
        guesses = self._adversary.finish_epoch()
        values = logged_guesses(guesses.guesses, self._grouping, self._log.visible)
        rows = self._log.add(self.epoch, summary, values)
        logger.info("Epoch %d", self.epoch)
        for line in self._log.lines(rows, values):
            logger.info("  %s", line)
        logger.info("  |delta|/|f_o| %.4f", float(np.mean(sizes)))
        if settings.fairness:
            self._watch.see(self.epoch, guesses, float(np.mean(sizes)))

    @property
    def _n_groups(self) -> int:
        return len(self._grouping.names)

    def _draw(self, rng: np.random.Generator) -> list[int]:
        n, size = len(self._samples["train"]), self._settings.batch
        return [int(i) for i in rng.choice(n, size, replace=n < size)]

    def _groups(self, samples: Sequence[Sample]) -> torch.Tensor:
        indices = [self._grouping.index_of(sample.case) for sample in samples]
        return torch.tensor(indices, device=self._device)

    def _step(
        self, chosen: Sequence[Sample], groups: torch.Tensor, rng: np.random.Generator
    ) -> tuple[np.ndarray, float]:
        """Train on a batch; return each sample's segmentation loss and the perturbation's size."""
        settings = self._settings
        embeddings, masks = (x.to(self._device) for x in self._cache.load(chosen))
        targets = [int(rng.choice(sorted(sample.boxes))) for sample in chosen]
        boxes = torch.stack(
            [self._box(sample, i, rng) for sample, i in zip(chosen, targets, strict=True)]
        )
        delta = self.generator(embeddings)
        perturbed = embeddings + delta
        logits = self._model.logits(perturbed, boxes.to(self._device))[:, 0]
        truth = masks[torch.arange(len(chosen)), targets]
        per_sample = segmentation_loss(logits, truth)
        fairness = self._adversary.play((perturbed,), groups)
        loss = settings.beta * per_sample.mean() + settings.fairness * fairness
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.generator.parameters(), _LONGEST_GRADIENT)
        self._optimizer.step()
        size = delta.detach().norm() / embeddings.norm()
        return per_sample.detach().cpu().numpy(), float(size)

    def _box(self, sample: Sample, target: int, rng: np.random.Generator) -> torch.Tensor:
        place = Place(sample.number, target)
        moved = jittered(
            {place: sample.boxes[target]}, self._settings.jitter, sample.shape,
            sample.case, int(rng.integers(2**31)),
        )  # fmt: skip
        return self._cache.fit(sample).boxes([moved[place]])

    @torch.no_grad()
    def _validated(self) -> tuple[np.ndarray, np.ndarray]:
        """Return counts ``(G, 3, T)`` and mean losses ``(G,)`` of the validation cases."""
        self.generator.eval()
        n_targets = self._cache.load(self._samples["train"][:1])[1].shape[1]
        counts = np.zeros((self._n_groups, 3, n_targets))
        losses: list[float] = []
        owners: list[int] = []
        for sample in self._samples["val"]:
            group = self._grouping.index_of(sample.case)
            if group < 0:
                continue
            embedding, masks = (x.to(self._device) for x in self._cache.load([sample]))
            shown = sorted(sample.boxes)
            boxes = self._cache.fit(sample).boxes([sample.boxes[i] for i in shown])
            logits = self._model.logits(
                embedding + self.generator(embedding), boxes[None].to(self._device)
            )[0]
            losses.append(float(segmentation_loss(logits, masks[0, shown]).mean()))
            owners.append(group)
            for i, found, truth in zip(shown, logits > 0, masks[0, shown] > 0, strict=True):
                pairs = (found & truth, found & ~truth, ~found & truth)
                counts[group, :, i] += [float(pair.sum()) for pair in pairs]
        means = _by_group(np.array(losses), np.array(owners, int), self._n_groups)
        return counts, means


def segmentation_loss(logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Return half of cross-entropy plus Dice loss of each mask (Eq. 6).

    Args:
        logits: ``(B, m, m)``.
        truth: ``(B, m, m)`` of 0 and 1.

    Returns:
        ``(B,)``, 0 or more.
    """
    entropy = F.binary_cross_entropy_with_logits(logits, truth, reduction="none").mean((1, 2))
    inside = logits.sigmoid()
    overlap = 2 * (inside * truth).sum((1, 2)) + 1
    dice = 1 - overlap / (inside.sum((1, 2)) + truth.sum((1, 2)) + 1)
    return (entropy + dice) / 2


def _by_group(values: np.ndarray, groups: np.ndarray, n_groups: int) -> np.ndarray:
    """Return the mean of each group's values; NaN where there is none."""
    return np.array(
        [values[groups == i].mean() if (groups == i).any() else np.nan for i in range(n_groups)]
    )


def _copied(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: value.detach().cpu().clone() for name, value in state.items()}


def _adam_state(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    return {
        f"generator.{index}.{name}": value
        for index, values in optimizer.state_dict()["state"].items()
        for name, value in values.items()
    }


def _load_adam(optimizer: torch.optim.Optimizer, state: Mapping[str, torch.Tensor]) -> None:
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in state.items():
        _, index, name = key.split(".")
        moments.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
