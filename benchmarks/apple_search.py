"""Which change of APPLE's game hides the group from a newly trained probe? A quick search.

Not the trainer: the game of ``nnUNetTrainerAPPLE`` with a generator of the same kind, on 250 stored
batches that nnU-Net has augmented (datasets and bases of ``mitigation_effects.py --bias
appearance``), and the segmentation's gradient only in every tenth step, ten times as large. What it
finds has to be confirmed with the trainer (``apple_options.py``). One line per setting: balanced
accuracy of a new linear probe of the pooled embedding and of one that sees every position,
cross-validated by patient over the test cases; mean Dice, worst group, gap.

A setting is written ``option=value,...``:

- ``fair`` paper, confusion (the trainer's option), means: no discriminator, but the squared
  distance of the groups' mean embeddings in the batch; ``dsteps``, ``beta``, ``steps``;
- ``memory``: batches that the discriminator learns from, with their embeddings as they were then;
  ``fresh``: further samples that it learns from, with their embeddings as they are now;
- ``norm`` all (batch normalisation in every block, the trainer's), hidden (not on the logits),
  none, spectral (spectral norm of the weights instead), input (hidden, and of the embedding, too);
- ``width``: times the widths of the discriminator's hidden layers; ``judges``: discriminators, each
  of which learns by itself, with their mean loss for the generator;
- ``penalty``: of the squared gradient of the logits' difference; ``warm``: the discriminator's
  steps before the game.

``base`` is the base itself, ``erased`` its embedding after linear concept erasure fitted to the
training patches (N. Belrose et al., *LEACE*, NeurIPS 2023).

    python benchmarks/mitigation_effects.py --bias appearance --methods nnUNetTrainerMonitor
    python benchmarks/apple_search.py 0 base erased fair=confusion fair=confusion,dsteps=5,memory=8
"""

import argparse
import json
import os
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import torch
from apple_options import probe, segment
from mitigation_effects import environment, means, measures
from torch import nn
from torch.nn.functional import cross_entropy

from nnunetv2_fair.losses.adversarial import fairness_loss
from nnunetv2_fair.networks.discriminator import pool
from nnunetv2_fair.networks.perturbation import PerturbedNetwork

_ALPHA, _RATE, _BATCH, _SEGMENT_EVERY = 0.1, 1e-3, 8, 10
DEFAULTS = {"fair": "paper", "dsteps": "1", "beta": "1", "steps": "500", "memory": "1",
            "fresh": "0", "norm": "all", "penalty": "0", "warm": "0", "width": "1",
            "judges": "1"}  # fmt: skip


def stored_batches(file: Path, seed: int, n_batches: int) -> dict[str, Any]:
    """Return augmented training patches, their masks and groups, and the base; once per seed."""
    from nnunetv2.run.run_training import get_trainer_from_args

    if file.exists():
        return torch.load(file, weights_only=False)
    np.random.seed(seed)
    torch.manual_seed(seed)
    name = "nnUNetTrainerAPPLE_sex_baseMonitor-sex-10epochs_1epochs"
    trainer = get_trainer_from_args("901", "2d_trial", 0, name, device=torch.device("cpu"))
    trainer.disable_checkpointing = True
    trainer.on_train_start()
    names = trainer.grouping.names
    batches = [next(trainer.dataloader_train) for _ in range(n_batches)]
    groups = [[names.index(trainer.grouping.group_of[k]) for k in b["keys"]] for b in batches]
    data = torch.cat([b["data"] for b in batches])
    base = trainer.network.base.eval()
    base.decoder.deep_supervision = False
    with torch.no_grad():
        parts = [list(base.encoder(x)) for x in data.split(100)]
    found = {
        "masks": torch.cat([b["target"][0] for b in batches])[:, 0].long(),
        "groups": torch.tensor(groups).flatten(),
        "skips": [torch.cat(level) for level in zip(*parts, strict=True)],
        "base": base,
    }
    torch.save(found, file)
    return found


def discriminator(n_in: int, norm: str, width: int) -> nn.Sequential:
    """Return three linear layers, ``width`` times as wide, with the normalisation of ``norm``."""
    layers: list[nn.Module] = [nn.BatchNorm1d(n_in, affine=False)] if norm == "input" else []
    for a, b in ((n_in, 128 * width), (128 * width, 64 * width), (64 * width, 2)):
        linear = nn.Linear(a, b)
        layers.append(
            nn.utils.parametrizations.spectral_norm(linear) if norm == "spectral" else linear
        )
        if norm == "all" or (b != 2 and norm in ("hidden", "input")):
            layers.append(nn.BatchNorm1d(b))
        layers.append(nn.LeakyReLU())
    return nn.Sequential(*layers[:-1])


def play(stored: dict[str, Any], seed: int, options: dict[str, str]) -> nn.Module:
    """Play the game of one setting; return the perturbed network."""
    steps, d_steps, beta = int(options["steps"]), int(options["dsteps"]), float(options["beta"])
    fresh, penalty = int(options["fresh"]), float(options["penalty"])
    skips, groups, base = stored["skips"], stored["groups"], stored["base"]
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = PerturbedNetwork(base)
    generator = network.generators[0]
    width, count = int(options["width"]), int(options["judges"])
    n_in = skips[-1].shape[1]
    judges = nn.ModuleList(discriminator(n_in, options["norm"], width) for _ in range(count))
    adam_g = torch.optim.Adam(generator.parameters(), _RATE)
    adam_d = torch.optim.Adam(judges.parameters(), _RATE)
    memory: deque[tuple[torch.Tensor, torch.Tensor]] = deque(maxlen=int(options["memory"]))

    def learn(pooled: torch.Tensor, truth: torch.Tensor) -> None:
        pooled = pooled.detach().requires_grad_(penalty > 0)
        loss = torch.zeros(())
        for judge in judges:  # the sum: none depends on how many there are
            logits = judge(pooled)
            loss = loss + cross_entropy(logits, truth)
            if penalty:
                difference = (logits[:, 1] - logits[:, 0]).sum()
                slope = torch.autograd.grad(difference, pooled, create_graph=True)[0]
                loss = loss + penalty * slope.square().sum(1).mean()
        adam_d.zero_grad()
        loss.backward()
        adam_d.step()

    for step in range(-int(options["warm"]), steps):
        for adam in (adam_g, adam_d):
            adam.param_groups[0]["lr"] = _RATE * (1 - max(step, 0) / steps) ** 0.9
        drawn = torch.from_numpy(rng.integers(0, len(groups), _BATCH))
        truth, seen = groups[drawn], [level[drawn] for level in skips]
        if step < 0:
            learn(pool(seen[-1]), truth)
            continue
        perturbed = seen[-1] + generator(seen[-1])
        pooled = pool(perturbed)
        memory.append((pooled.detach(), truth))
        learnt, their_truth = (torch.cat(parts) for parts in zip(*memory, strict=True))
        if fresh:
            more = torch.from_numpy(rng.integers(0, len(groups), fresh))
            with torch.no_grad():
                now = pool(skips[-1][more] + generator(skips[-1][more]))
            learnt, their_truth = torch.cat([learnt, now]), torch.cat([their_truth, groups[more]])
        loss = 0 * pooled.sum()
        if options["fair"] == "means":
            means = [pooled[truth == g].mean(0) for g in (0, 1) if (truth == g).any()]
            if len(means) == 2:
                spread = pooled.var(0).detach() + 1e-4
                loss = ((means[0] - means[1]).square() / spread).mean()
        else:
            for _ in range(d_steps):
                learn(learnt, their_truth)
            confusion = options["fair"] == "confusion"
            each = [fairness_loss(j(pooled), truth, _ALPHA, confusion=confusion) for j in judges]
            loss = torch.stack(each).mean()
        if step % _SEGMENT_EVERY == 0:
            logits, mask = base.decoder([*seen[:-1], perturbed]), stored["masks"][drawn]
            inside, nodule = logits.softmax(1)[:, 1], (mask == 1).float()
            dice = (2 * (inside * nodule).sum() + 1e-5) / (inside.sum() + nodule.sum() + 1e-5)
            loss = loss + beta * _SEGMENT_EVERY * (cross_entropy(logits, mask) - dice) / 2
        adam_g.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(generator.parameters(), 12)
        adam_g.step()
    return network


class Erased(nn.Module):
    """The base with an embedding whose pooled mean no longer correlates with the group."""

    def __init__(self, stored: dict[str, Any]) -> None:
        super().__init__()
        self.base = stored["base"]
        self.encoder, self.decoder = self.base.encoder, self.base.decoder
        pooled = pool(stored["skips"][-1]).double()
        truth = stored["groups"].double()
        self._mean = pooled.mean(0)
        centred = pooled - self._mean
        values, vectors = torch.linalg.eigh(centred.T @ centred / len(pooled))
        values = values.clamp_min(1e-6)
        whiten = vectors @ torch.diag(values.rsqrt()) @ vectors.T
        direction = whiten @ centred.T @ (truth - truth.mean())
        direction = direction / direction.norm()
        back = vectors @ torch.diag(values.sqrt()) @ vectors.T
        self._project = back @ torch.outer(direction, direction) @ whiten

    def perturb(self, skips: list[torch.Tensor]) -> list[torch.Tensor]:
        """Return the skips; from the last one, what tells the group linearly is taken away."""
        away = (pool(skips[-1]).double() - self._mean) @ self._project.T
        return [*skips[:-1], skips[-1] - away.float()[:, :, None, None]]


def main() -> None:
    """Print one line per setting."""
    from nnunetv2_fair import registration

    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("seed", type=int)
    parser.add_argument("settings", nargs="+")
    parser.add_argument(
        "--cache", type=Path, default=Path(".mitigation_effects/10x100_200_0.05_appearance")
    )
    args = parser.parse_args()
    root = (args.cache / f"seed{args.seed}").resolve()
    os.environ.update(environment(root))
    os.environ["nnUNet_n_proc_DA"] = "0"
    registration.register()
    torch.set_num_threads(1)
    stored = stored_batches(root / "apple_search.pt", args.seed, 250)
    raw = root / "nnUNet_raw" / "Dataset901_Effects"
    for setting in args.settings:
        if setting in ("base", "erased"):
            network = stored["base"] if setting == "base" else Erased(stored)
        else:
            given = dict(part.split("=") for part in setting.split(","))
            if unknown := set(given) - set(DEFAULTS):
                parser.error(f"unknown options: {', '.join(sorted(unknown))}")
            network = play(stored, args.seed, {**DEFAULTS, **given})
        found = segment(network, raw)
        scores = {"probe": probe(found), "probe of positions": probe(found, "positions")}
        scores |= measures(means(found["dice"]))
        rounded = {name: round(value, 3) for name, value in scores.items()}
        print(json.dumps({"seed": args.seed, "setting": setting, **rounded}), flush=True)


if __name__ == "__main__":
    main()
