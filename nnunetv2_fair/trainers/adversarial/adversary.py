"""The discriminator of a training: learns, guesses, and reports how well it guesses."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.distributed as dist
from nnunetv2.training.lr_scheduler.polylr import PolyLRScheduler

from nnunetv2_fair.losses.adversarial import discriminator_loss, fairness_loss
from nnunetv2_fair.losses.distributed import joined_over_ranks
from nnunetv2_fair.networks.discriminator import AttributeDiscriminator, pool


@dataclass(frozen=True)
class GuessSummary:
    """How the discriminator did in one epoch.

    Attributes:
        loss: Its mean loss before it learns in each step; NaN if no sample had a known group.
        balanced_accuracy: Mean over the groups of the correct share, 0 to 1; NaN likewise.
        chance: Accuracy of guessing: 1 divided by the number of groups that were drawn.
        guesses: ``(G, G)`` samples of each group, a row, by the group guessed, a column.
    """

    loss: float
    balanced_accuracy: float
    chance: float
    guesses: np.ndarray = field(repr=False)


def accuracies(guesses: np.ndarray) -> np.ndarray:
    """Return the correct share of each group's guesses.

    Args:
        guesses: ``(G, G)`` counts, rows are groups.

    Returns:
        ``(G,)``, 0 to 1; NaN for groups that were not drawn.
    """
    with np.errstate(invalid="ignore"):
        shares: np.ndarray = np.diag(guesses) / guesses.sum(1)
    return shares


def balanced_accuracy(guesses: np.ndarray) -> float:
    """Return the mean of :func:`accuracies` over the groups that were drawn; NaN if none was."""
    drawn = guesses.sum(1) > 0
    return float(accuracies(guesses)[drawn].mean()) if drawn.any() else float("nan")


class Adversary:
    """Plays the discriminator's part in Algorithm 1, with a separate optimiser.

    In a training of several processes every process holds the same discriminator and shows it
    the embeddings of all: the batch normalisation sees the whole batch, and a process without
    samples of known group takes part.

    Args:
        discriminator: On the training device.
        learning_rate: At the first epoch; it falls as nnU-Net's.
        n_epochs: Length of the training.
        steps: How often to learn from every batch.
        alpha: Weight of the entropy in the generator's loss.
        confusion: See :func:`nnunetv2_fair.losses.adversarial.fairness_loss`.
        weights: See :func:`nnunetv2_fair.losses.adversarial.discriminator_loss`.
        distributed: Whether there are several processes.
    """

    def __init__(
        self,
        discriminator: AttributeDiscriminator,
        learning_rate: float,
        n_epochs: int,
        *,
        steps: int = 1,
        alpha: float,
        confusion: bool = False,
        weights: torch.Tensor | None = None,
        distributed: bool = False,
    ) -> None:
        self.discriminator = discriminator.train()
        self.optimizer = torch.optim.Adam(discriminator.parameters(), learning_rate)
        self.lr_scheduler = PolyLRScheduler(self.optimizer, learning_rate, n_epochs)
        self._steps = steps
        self._alpha = alpha
        self._confusion = confusion
        device = next(discriminator.parameters()).device
        self._weights = None if weights is None else weights.to(device)
        self._distributed = distributed
        if distributed:
            for value in discriminator.state_dict().values():
                dist.broadcast(value, 0)
        self._reset()

    def _reset(self) -> None:
        device = next(self.discriminator.parameters()).device
        # samples by group and guess; sum of losses, and of batches
        self._guesses = torch.zeros(2 * (self.discriminator.n_groups,), device=device)
        self._losses = torch.zeros(2, device=device)

    def play(self, latents: tuple[torch.Tensor, ...], groups: torch.Tensor) -> torch.Tensor:
        """Let the discriminator learn from a batch, then return the generator's fairness loss.

        Gradients of the result reach the embeddings, not the discriminator.

        Args:
            latents: Perturbed embeddings, ``(B, C, ...)`` each; their pooled channels are joined.
            groups: ``(B,)`` int, -1 for unknown: such samples are ignored.

        Returns:
            Scalar; 0 if no sample has a known group.
        """
        exact = torch.autocast("cuda", enabled=False) if groups.is_cuda else nullcontext()
        with exact:
            dtype = torch.promote_types(latents[0].dtype, torch.float32)
            pooled = torch.cat([pool(latent.to(dtype)) for latent in latents], 1)
            pooled = joined_over_ranks(pooled, self._distributed)
            groups = joined_over_ranks(groups, self._distributed)
            known = groups >= 0
            pooled, groups = pooled[known], groups[known]
            if not len(groups):
                return pooled.sum()
            self._learn(pooled.detach(), groups)
            self.discriminator.requires_grad_(False)
            logits = self.discriminator(pooled)
            self.discriminator.requires_grad_(True)
            return fairness_loss(logits, groups, self._alpha, confusion=self._confusion)

    def _learn(self, pooled: torch.Tensor, groups: torch.Tensor) -> None:
        for step in range(self._steps):
            logits = self.discriminator(pooled)
            loss = discriminator_loss(logits, groups, self._weights)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
            if step == 0:
                self._count(logits.detach(), loss.detach(), groups)

    def _count(self, logits: torch.Tensor, loss: torch.Tensor, groups: torch.Tensor) -> None:
        guessed = torch.nn.functional.one_hot(logits.argmax(1), self.discriminator.n_groups)
        self._guesses.index_add_(0, groups, guessed.to(self._guesses))
        self._losses += torch.stack([loss, torch.ones_like(loss)]).float()

    def finish_epoch(self) -> GuessSummary:
        """Return the epoch's summary, the same in every process, and start over."""
        guesses, (loss, batches) = self._guesses.cpu().double().numpy(), self._losses.cpu()
        self._reset()
        return GuessSummary(
            loss=float(loss / batches),
            balanced_accuracy=balanced_accuracy(guesses),
            chance=1 / max(int((guesses.sum(1) > 0).sum()), 1),
            guesses=guesses,
        )

    def state(self) -> dict[str, torch.Tensor]:
        """Return weights and optimiser as tensors by name."""
        state = {f"discriminator.{k}": v for k, v in self.discriminator.state_dict().items()}
        for index, values in self.optimizer.state_dict()["state"].items():
            state |= {f"optimizer.{index}.{name}": value for name, value in values.items()}
        return state

    def load_state(self, state: Mapping[str, torch.Tensor]) -> None:
        """Restore what :meth:`state` returned."""
        weights: dict[str, torch.Tensor] = {}
        moments: dict[int, dict[str, torch.Tensor]] = {}
        for key, value in state.items():
            owner, _, rest = key.partition(".")
            if owner == "discriminator":
                weights[rest] = value
            elif owner == "optimizer":
                index, _, name = rest.partition(".")
                moments.setdefault(int(index), {})[name] = value
        self.discriminator.load_state_dict(weights)
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": moments})


#: If it is above chance by less than this, a discriminator has not learnt anything.
_MARGIN = 0.05
#: Epochs after which a discriminator should have learnt something.
_PATIENCE = 3


class CollapseWatch:
    """Notices a discriminator that stays at chance from the first epoch on.

    Args:
        warn: Receives the warning.
    """

    def __init__(self, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._at_chance = 0

    def see(self, epoch: int, summary: GuessSummary, perturbation: float) -> None:
        """Check an epoch's summary.

        Args:
            epoch: Counted from 0.
            summary: The discriminator's.
            perturbation: Size of the perturbation relative to the embedding, ``|delta| / |f_o|``.
        """
        if not summary.balanced_accuracy < summary.chance + _MARGIN:
            return
        self._at_chance += 1
        if epoch + 1 != _PATIENCE or self._at_chance != _PATIENCE:
            return
        if perturbation < 0.01:
            cause = (
                "the perturbation is still tiny, so the base's embedding itself reveals little "
                "about the attribute, or the batches hold too few samples of known group"
            )
        else:
            cause = (
                "the generator dominates; a larger beta restrains it, dsteps5 lets the "
                "discriminator learn faster"
            )
        self._warn(
            f"WARNING: the discriminator has guessed at chance since the first epoch (balanced "
            f"accuracy {summary.balanced_accuracy:.3f}, chance {summary.chance:.3f}): the "
            f"generator learns nothing from it. Likely cause: {cause}."
        )
