"""The discriminator's part in the game."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score

from nnunetv2_fair.networks.discriminator import AttributeDiscriminator
from nnunetv2_fair.trainers.adversarial.adversary import Adversary, CollapseWatch, GuessSummary
from tests.trainers.adversarial.adversary_worker import play

ROOT = Path(__file__).parents[3]
WORKER = "tests.trainers.adversarial.adversary_worker"


def batch(n=24, n_groups=3, seed=0):
    """Return embeddings of shape (n, 5, 2, 3) that tell the group, and the groups, some unknown."""
    rng = np.random.default_rng(seed)
    groups = rng.integers(-1, n_groups, n)
    latent = rng.normal(size=(n, 5, 2, 3)) + 2 * groups[:, None, None, None]
    return torch.tensor(latent, dtype=torch.float32), torch.tensor(groups)


def adversary(**settings):
    torch.manual_seed(0)
    settings = {"alpha": 0.1, **settings}
    return Adversary(AttributeDiscriminator(5, 3), 0.01, 10, **settings)


def test_the_summary_is_of_the_guesses_before_learning():
    game, twin = adversary(), adversary()
    guesses, truth, losses = [], [], []
    for seed in range(4):
        latent, groups = batch(seed=seed)
        known = groups >= 0
        logits = twin.discriminator(latent[known])
        guesses += logits.argmax(1).tolist()
        truth += groups[known].tolist()
        losses.append(float(torch.nn.functional.cross_entropy(logits.detach(), groups[known])))
        game.play((latent,), groups)
        twin.load_state(game.state())
    found = game.finish_epoch()
    expected = balanced_accuracy_score(truth, guesses)
    assert found.balanced_accuracy == pytest.approx(expected, abs=1e-6)
    assert found.loss == pytest.approx(np.mean(losses), abs=1e-5)
    assert found.chance == pytest.approx(1 / 3)
    assert np.isnan(game.finish_epoch().loss), "it starts over"


def test_it_learns_and_its_judgement_reaches_the_embedding_only():
    game = adversary(steps=5)
    for seed in range(20):
        latent, groups = batch(seed=seed)
        latent.requires_grad_()
        loss = game.play((latent,), groups)
    before = [p.grad.clone() for p in game.discriminator.parameters()]
    loss.backward()
    assert (latent.grad.abs().sum((1, 2, 3)) > 0).tolist() == (groups >= 0).tolist()
    for old, parameter in zip(before, game.discriminator.parameters(), strict=True):
        assert torch.equal(old, parameter.grad)
        assert parameter.requires_grad
    game.finish_epoch()
    latent, groups = batch(seed=99)
    game.play((latent,), groups)
    assert game.finish_epoch().balanced_accuracy > 0.8


def test_embeddings_of_several_levels_are_joined():
    game = adversary()
    latent, groups = batch()
    joined, apart = adversary(), adversary()
    one = joined.play((latent,), groups)
    other = apart.play((latent[:, :2], latent[:, 2:]), groups)
    assert torch.equal(one, other)
    assert not torch.equal(game.play((latent.flip(1),), groups), one)


def test_nobody_known():
    game = adversary()
    before = {name: value.clone() for name, value in game.state().items()}
    latent, _ = batch()
    loss = game.play((latent.requires_grad_(),), torch.full((24,), -1))
    loss.backward()
    assert loss.item() == 0
    assert not latent.grad.any()
    assert all(torch.equal(value, before[name]) for name, value in game.state().items())


def test_the_state_goes_on_to_the_bit():
    game, again = adversary(), adversary()
    for seed in range(3):
        game.play(*[(x,) if i == 0 else x for i, x in enumerate(batch(seed=seed))])
    again.load_state({name: value.clone() for name, value in game.state().items()})
    for one in (game, again):
        for seed in range(3, 6):
            latent, groups = batch(seed=seed)
            one.play((latent,), groups)
    assert set(game.state()) == set(again.state())
    assert all(torch.equal(value, again.state()[name]) for name, value in game.state().items())
    assert any(name.startswith("optimizer.") for name in game.state())


def test_the_learning_rate_falls_as_nnunets():
    game = adversary()
    game.lr_scheduler.step(5)
    assert game.optimizer.param_groups[0]["lr"] == pytest.approx(0.01 * 0.5**0.9)


def watched(accuracies, perturbation=0.2, first=0):
    said = []
    watch = CollapseWatch(said.append)
    for epoch, accuracy in enumerate(accuracies, first):
        watch.see(epoch, GuessSummary(0.7, accuracy, 0.5, np.zeros((2, 2))), perturbation)
    return said


def test_collapse_is_told_once_with_the_likely_cause():
    (warning,) = watched([0.5, 0.53, 0.49, 0.5, 0.5])
    assert "has guessed at chance since the first epoch (balanced accuracy 0.490" in warning
    assert "the generator dominates; a larger beta restrains it, dsteps5" in warning
    (warning,) = watched([0.5, 0.53, 0.49], perturbation=0.001)
    assert "the base's embedding itself reveals little about the attribute" in warning


@pytest.mark.parametrize("accuracies", [[0.5, 0.5], [0.9, 0.5, 0.5, 0.5], [0.5, 0.5, 0.7, 0.5]])
def test_no_collapse(accuracies):
    assert watched(accuracies) == []


def test_a_continued_training_is_not_judged_by_its_later_epochs():
    assert watched([0.5] * 5, first=40) == []


def test_two_processes_play_as_one(tmp_path):
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", WORKER, str(rank), str(tmp_path)],
            cwd=ROOT, stderr=subprocess.PIPE, text=True,
        )
        for rank in (0, 1)
    ]  # fmt: skip
    try:
        messages = [process.communicate(timeout=300)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], "\n".join(messages)
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    one = play(list(range(6)), False)
    assert set(first) == set(second) == set(one)
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
        # biases in front of a normalisation follow rounding, as far as Adam takes them
        torch.testing.assert_close(value, one[name], atol=1e-6, rtol=1e-5, msg=name)


@pytest.mark.slow
def test_a_balanced_discriminator_learns_a_group_that_is_rarely_drawn():
    """Group 0 is 15 of 4,236, and its embeddings differ plainly."""

    def recalls(weights):
        generator = torch.Generator().manual_seed(1)
        torch.manual_seed(1)
        discriminator = AttributeDiscriminator(32, 2).train()
        adversary = Adversary(discriminator, 1e-3, 1, alpha=0.0, weights=weights)
        embeddings = torch.randn(4236, 32, generator=generator)
        embeddings[:15, :4] += 2.5
        groups = (torch.arange(4236) >= 15).long()
        for _ in range(3000):
            drawn = torch.randint(0, 4236, (12,), generator=generator)
            adversary.play((embeddings[drawn][:, :, None],), groups[drawn])
        new = torch.randn(2000, 32, generator=generator)
        new[:1000, :4] += 2.5
        with torch.no_grad():
            guessed = discriminator.eval()(new).argmax(1)
        return float((guessed[:1000] == 0).float().mean()), float(guessed[1000:].float().mean())

    rare, common = recalls(torch.tensor([4236 / 30, 4236 / 8442]))
    assert min(rare, common) > 0.9
    assert recalls(None)[0] < rare - 0.1
