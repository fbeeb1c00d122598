"""nnUNetTrainerDecoder inside real nnU-Net, on a tiny dataset."""

import copy
from collections import Counter
from pathlib import Path

import pytest
import torch
from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name
from torch import nn

from nnunetv2_fair.errors import TrainerNameError, TrainingError
from tests.trainers.seeding import make_seeded_trainer, write_base
from tests.trainers.test_trainers import registered, sex_of  # noqa: F401

DECODER = "nnUNetTrainerDecoder"


def started(name=DECODER):
    """Return a trainer ready to take steps."""
    trainer = make_seeded_trainer(name)
    trainer.on_train_start()
    trainer.on_train_epoch_start()
    return trainer


def log_of(trainer):
    return "\n".join(p.read_text() for p in Path(trainer.output_folder).glob("training_log*"))


def weights_in(path):
    return torch.load(path, weights_only=False)["network_weights"]


def learns(name, heads=False):
    part = "decoder.seg_layers." if heads else "decoder."
    return name.startswith(part) and not name.startswith("decoder.encoder.")


@pytest.mark.parametrize(
    ("name", "base"),
    [
        (DECODER, "nnUNetTrainer"),
        (f"{DECODER}_retrainheads", "nnUNetTrainer"),
        (f"{DECODER}_sex+age_level0.5_startrandom", "nnUNetTrainer"),
        (f"{DECODER}_baseMonitor-sex_ema0.9", "nnUNetTrainerMonitor_sex"),
        # its batch normalisation has running statistics
        (f"{DECODER}_baseBN_onBN", "nnUNetTrainerBN"),
        (f"{DECODER}_baseBN_onBN_retrainheads", "nnUNetTrainerBN"),
    ],
)
def test_the_rest_of_the_base_stays_to_the_bit(tiny_nnunet, monkeypatch, name, base):
    if base == "nnUNetTrainerMonitor_sex":
        from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

        from nnunetv2_fair.trainers import SubgroupTrainer

        # written before any training, there is no adaptive state in it
        with monkeypatch.context() as patch:
            patch.setattr(SubgroupTrainer, "save_checkpoint", nnUNetTrainer.save_checkpoint)
            path = write_base(base)
    else:
        path = write_base(base)
    trainer = started(name)
    assert f"Base: {path}, trained by {base} for" in log_of(trainer)
    before = weights_in(path)
    for epoch in range(2):
        if epoch:
            trainer.on_train_epoch_start()
        steps = [trainer.train_step(next(trainer.dataloader_train)) for _ in range(2)]
        trainer.on_train_epoch_end(steps)
        trainer.on_validation_epoch_start()
        with torch.no_grad():
            trainer.validation_step(next(trainer.dataloader_val))
    checkpoint = Path(trainer.output_folder) / "checkpoint_latest.pth"
    trainer.save_checkpoint(str(checkpoint))
    after = weights_in(checkpoint)
    assert set(after) == set(before)
    moved = {key for key, value in after.items() if not torch.equal(value, before[key])}
    heads = "retrainheads" in name
    assert {key for key in after if learns(key, True)} & moved
    assert moved <= {key for key in after if learns(key, heads)}
    assert heads or any(".stages." in key for key in moved)
    if "onBN" in name:
        statistics = {key for key in after if "running" in key}
        assert any(key.startswith("encoder.") for key in statistics)
        assert bool(statistics & moved) != heads


def reference_step(network, batch, loss, velocity):
    """One step of SGD with Nesterov momentum on the decoder, as nnU-Net's optimizer makes it."""
    network.eval()
    with torch.no_grad():
        skips = network.encoder(batch["data"])
    parameters = {n: p for n, p in network.named_parameters() if learns(n)}
    value = loss(network.decoder(skips), batch["target"])
    # nnU-Net's deep supervision gives the lowest resolution no weight, so its head has no gradient
    found = torch.autograd.grad(value, parameters.values(), allow_unused=True)
    gradients = {n: g for n, g in zip(parameters, found, strict=True) if g is not None}
    norm = torch.sqrt(sum(g.square().sum() for g in gradients.values()))
    factor = min(1.0, 12 / (float(norm) + 1e-6))
    with torch.no_grad():
        for name, gradient in gradients.items():
            p = parameters[name]
            g = factor * gradient + 3e-5 * p
            velocity[name] = 0.99 * velocity[name] + g if name in velocity else g
            p -= 1e-3 * (g + 0.99 * velocity[name])


def test_steps_are_nnunets_on_the_decoder(tiny_nnunet):
    write_base()
    trainer = started()
    trainer.network.double()
    reference, velocity = copy.deepcopy(trainer.network), {}
    for _ in range(3):
        batch = next(trainer.dataloader_train)
        batch["data"] = batch["data"].double()
        trainer.train_step(dict(batch))
        reference_step(reference, batch, trainer.adapted_loss, velocity)
    expected = reference.state_dict()
    for name, value in trainer.network.state_dict().items():
        torch.testing.assert_close(value, expected[name], atol=1e-9, rtol=0, msg=name)


def test_batches_are_balanced(tiny_nnunet):
    write_base()
    trainer, sex = started(), sex_of(tiny_nnunet)
    drawn = Counter(sex[k] for _ in range(20) for k in next(trainer.dataloader_train)["keys"])
    assert abs(drawn["female"] - drawn["male"]) <= 20
    assert (
        "nnUNetTrainerDecoder: the decoder is retrained, the encoder of the base stays as it is; "
        "every batch holds the same number of samples of every group." in log_of(trainer)
    )


def test_length_and_learning_rate(tiny_nnunet):
    write_base()
    for name, rate, epochs in (
        (DECODER, 1e-3, 100),
        (f"{DECODER}_sex_retrainheads", 1e-3, 100),
        (f"{DECODER}_sex_startrandom_7epochs", 1e-2, 7),
    ):
        found = recursive_find_trainer_class_by_name(name)
        assert found.epochs == epochs
        assert started(name).optimizer.param_groups[0]["lr"] == pytest.approx(rate)


def test_a_random_start_keeps_the_encoder_of_the_base(tiny_nnunet):
    before = weights_in(write_base())
    trainer = make_seeded_trainer(f"{DECODER}_startrandom")
    torch.manual_seed(1)
    trainer.initialize()
    new = {k: v.clone() for k, v in trainer.network.named_parameters() if learns(k)}
    trainer.on_train_start()
    for name, value in trainer.network.named_parameters():
        assert torch.equal(value, new.get(name, before[name])), name
    random = [name for name, value in new.items() if value.ndim > 1]  # biases begin at 0
    assert not any(torch.equal(new[name], before[name]) for name in random)


def test_what_is_saved_is_nnunets_network(tiny_nnunet, trainings):
    training = trainings.of(DECODER)
    folder = training.copy_to(tiny_nnunet["results"])
    plain = make_seeded_trainer("nnUNetTrainer")
    plain.load_checkpoint(str(folder / "checkpoint_final.pth"))
    assert torch.equal(
        torch.cat([p.detach().flatten() for p in plain.network.parameters()]),
        training.outcome["weights"],
    )


def test_continuing_needs_no_base(tiny_nnunet, trainings):
    again = make_seeded_trainer(DECODER)
    again.load_checkpoint(str(trainings.of(DECODER).after_first))
    again.run_training()
    with pytest.raises(TrainingError, match="builds on a trained model"):
        started()


def test_a_base_of_another_network_is_refused(tiny_nnunet):
    write_base("nnUNetTrainerBN")
    with pytest.raises(TrainingError, match="66 weights of the base unknown to this network: deco"):
        started(f"{DECODER}_baseBN")


def test_a_network_without_decoder_is_refused_before_anything_is_written(tiny_nnunet, monkeypatch):
    class Flat(nn.Module):
        def __init__(self, input_channels, num_classes, deep_supervision, **settings):
            super().__init__()
            self.layer = nn.Conv2d(input_channels, num_classes, 1)

    trainer = make_seeded_trainer(DECODER)
    monkeypatch.setattr("tests.trainers.test_decoder.Flat", Flat, raising=False)
    architecture = trainer.configuration_manager.configuration["architecture"]
    architecture["network_class_name"] = "tests.trainers.test_decoder.Flat"
    with pytest.raises(
        TrainingError, match="looked for encoder, decoder, and it has no encoder and no decoder"
    ):
        trainer.on_train_start()
    assert not list(tiny_nnunet["results"].rglob("*.*"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("_retrainencoder", "'encoder' is not a value of option 'retrain': expected one of decod"),
        ("_startscratch", "'scratch' is not a value of option 'start': expected one of base, ran"),
        ("_level2", "'2' is not a value of option 'level'"),
    ],
)
def test_wrong_options_list_the_right_ones(name, message):
    with pytest.raises(TrainerNameError) as caught:
        recursive_find_trainer_class_by_name(DECODER + name)
    assert message in str(caught.value)
