"""The trainers inside real nnU-Net, on a tiny dataset."""

import json
import pickle
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from batchgenerators.dataloading.nondet_multi_threaded_augmenter import (
    NonDetMultiThreadedAugmenter,
)
from nnunetv2.run.run_training import get_trainer_from_args
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name

from nnunetv2_fair import registration, trainers
from nnunetv2_fair.errors import DatasetError, DemographicsError, TrainerNameError, TrainingError
from nnunetv2_fair.files.locks import LOCK
from nnunetv2_fair.trainers import SubgroupTrainer, nnUNetTrainerOversampling
from nnunetv2_fair.training_log import columns
from tests.nnunet_dataset import build, write_raw_volumes


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.delenv(registration.EXTERNAL_TRAINERS, raising=False)
    registration.register()


def make_trainer(name, continue_training=False, iterations=4):
    trainer = get_trainer_from_args(
        "901", "2d_trial", 0, name, continue_training=continue_training, device=torch.device("cpu")
    )
    trainer.num_iterations_per_epoch = iterations
    trainer.num_val_iterations_per_epoch = 3
    return trainer


def sex_of(tiny_nnunet):
    table = pd.read_csv(tiny_nnunet["preprocessed"] / "demographics.csv", keep_default_na=False)
    return dict(zip(table["case"], table["sex"], strict=True))


def strings_in(value):
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from strings_in(key)
            yield from strings_in(entry)
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from strings_in(entry)
    elif isinstance(value, str):
        yield value


def test_nnunet_finds_names_of_the_grammar():
    found = recursive_find_trainer_class_by_name("nnUNetTrainerOversampling_sex+age_2epochs")
    assert found.__name__ == "nnUNetTrainerOversampling_sex+age_2epochs"
    assert issubclass(found, nnUNetTrainerOversampling)
    assert (found.attribute, found.epochs) == ("sex+age", 2)
    assert found is getattr(trainers, found.__name__)
    assert pickle.loads(pickle.dumps(found)) is found
    plain = recursive_find_trainer_class_by_name("nnUNetTrainerOversampling")
    assert plain is nnUNetTrainerOversampling


def test_nnunets_own_names_and_unknown_names_stay_nnunets():
    assert recursive_find_trainer_class_by_name("nnUNetTrainer_5epochs").__module__.startswith(
        "nnunetv2."
    )
    with pytest.raises(RuntimeError, match="Could not find requested nnunet trainer"):
        recursive_find_trainer_class_by_name("nnUNetTrainerNobodyKnows")


def test_a_wrong_option_reaches_the_user_through_nnunets_search():
    with pytest.raises(TrainerNameError, match="'2' is not a value of option 'level'"):
        recursive_find_trainer_class_by_name("nnUNetTrainerOversampling_sex_level2")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("nnUNetTrainerOverSampling_sex_level0.5", "nnUNetTrainerOversampling_sex_level0.5"),
        ("nnUNetTrainer_GroupDRO", "nnUNetTrainerGroupDRO"),
        ("Oversampling_sex", "nnUNetTrainerOversampling_sex"),
    ],
)
def test_a_name_that_is_almost_ours_is_refused_with_a_suggestion(name, meant):
    with pytest.raises(TrainerNameError, match=f"There is no trainer '{name}'.*mean '{meant}'"):
        recursive_find_trainer_class_by_name(name)


def test_signature_is_nnunets():
    import inspect

    ours = inspect.signature(SubgroupTrainer.__init__).parameters
    assert list(ours) == list(inspect.signature(nnUNetTrainer.__init__).parameters)


def test_the_name_says_the_number_of_epochs_and_the_folder(tiny_nnunet):
    trainer = make_trainer("nnUNetTrainerOversampling_2epochs")
    assert trainer.num_epochs == 2
    trainer.initialize()
    (folder,) = tiny_nnunet["results"].glob("*/nnUNetTrainerOversampling_2epochs__*/fold_0")
    assert folder == Path(trainer.output_folder)


def test_training_writes_the_subgroup_log_and_no_demographics(trainings):
    training = trainings.of("nnUNetTrainerOversampling")
    folder = training.folder
    log = pd.read_csv(folder / "subgroup_log.csv")
    assert log["epoch"].tolist() == [0, 0, 1, 1]
    assert log["group"].tolist() == ["female", "male"] * 2
    assert log.columns.tolist() == [*columns.ALWAYS, "pseudo_dice_disc"]
    assert np.isfinite(log["train_loss_per_sample"]).all()
    assert (folder / "subgroup_log.png").stat().st_size > 5000
    assert not (folder / LOCK).exists()
    text = training.log
    assert "Loss per sample, training, by sex: female" in text
    assert "Pseudo dice by sex: female" in text
    assert "nnUNetTrainerOversampling: every batch holds the same number of samples" in text
    assert f"epoch by epoch: {folder / 'subgroup_log.csv'}" in text

    # demographics never leave the dataset's folder
    checkpoint = torch.load(folder / "checkpoint_final.pth", weights_only=False)
    for found in strings_in({k: v for k, v in checkpoint.items() if k != "logging"}):
        assert "male" not in found
        assert "secretpatient" not in found
    debug = json.loads((folder / "debug.json").read_text())
    assert "plans_manager" in debug
    assert not {"table", "grouping", "monitor", "attribute", "_subgroup_log"} & set(debug)
    assert not [key for key, value in debug.items() if "secretpatient" in str(value)]
    assert not [key for key, value in debug.items() if "case_00" in str(value)]
    assert sorted(p.name for p in training.results.rglob("demographics*")) == []


def test_every_batch_is_balanced_in_nnunets_loader(tiny_nnunet, monkeypatch):
    sex = sex_of(tiny_nnunet)
    for processes in ("0", "1"):
        monkeypatch.setenv("nnUNet_n_proc_DA", processes)
        trainer = make_trainer("nnUNetTrainerOversampling_sex_1epochs")
        trainer.initialize()
        train, val = trainer.get_dataloaders()
        try:
            counts = [Counter(sex[k] for k in next(train)["keys"]) for _ in range(30)]
        finally:
            for loader in (train, val):
                if processes == "1":
                    loader._finish()
        total = sum(counts, Counter())
        assert all(abs(c["female"] - c["male"]) <= 1 for c in counts)
        assert total[""] > 0, "cases of unknown group must still train"


def test_level_zero_is_the_natural_proportion(tiny_nnunet):
    sex = sex_of(tiny_nnunet)
    trainer = make_trainer("nnUNetTrainerOversampling_sex_level0")
    trainer.initialize()
    train, _ = trainer.get_dataloaders()
    loader = train.data_loader
    drawn = Counter(sex[k] for _ in range(500) for k in loader.get_indices())
    natural = Counter(sex[k] for k in loader.indices)
    for group, count in natural.items():
        assert drawn[group] / 3000 == pytest.approx(count / len(loader.indices), abs=0.03)


def test_monitor_takes_nnunets_steps(tiny_nnunet):
    weights = {}
    for name, cls in (("theirs", nnUNetTrainer), ("ours", trainers.nnUNetTrainerMonitor)):
        torch.manual_seed(0)
        np.random.seed(0)
        trainer = make_trainer(cls.__name__)
        assert type(trainer) is cls
        trainer.initialize()
        trainer.on_train_start()
        trainer.on_train_epoch_start()
        np.random.seed(1)
        torch.manual_seed(1)
        for _ in range(3):
            trainer.train_step(next(trainer.dataloader_train))
        weights[name] = torch.cat([p.detach().flatten() for p in trainer.network.parameters()])
    assert torch.equal(weights["theirs"], weights["ours"])


def test_continuing_does_not_repeat_logged_epochs(tiny_nnunet):
    trainer = make_trainer("nnUNetTrainerOversampling_3epochs", iterations=2)
    trainer.save_every = 1
    trainer.on_train_start()
    for _ in range(2):  # two epochs, then the process dies in the third
        trainer.on_epoch_start()
        trainer.on_train_epoch_start()
        losses = [trainer.train_step(next(trainer.dataloader_train)) for _ in range(2)]
        trainer.on_train_epoch_end(losses)
        with torch.no_grad():
            trainer.on_validation_epoch_start()
            outputs = [trainer.validation_step(next(trainer.dataloader_val)) for _ in range(2)]
            trainer.on_validation_epoch_end(outputs)
        if trainer.current_epoch == 0:
            trainer.on_epoch_end()
    folder = next(tiny_nnunet["results"].glob("*/*/fold_0"))
    assert pd.read_csv(folder / "subgroup_log.csv")["epoch"].tolist() == [0, 0, 1, 1]

    again = make_trainer("nnUNetTrainerOversampling_3epochs", continue_training=True, iterations=2)
    again.load_checkpoint(str(folder / "checkpoint_latest.pth"))
    assert again.current_epoch == 1
    again.run_training()
    assert pd.read_csv(folder / "subgroup_log.csv")["epoch"].tolist() == [0, 0, 1, 1, 2, 2]


def test_a_fold_that_another_process_trains_is_refused(tiny_nnunet):
    trainer = make_trainer("nnUNetTrainerOversampling_2epochs")
    lock = Path(trainer.output_folder) / LOCK
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from nnunetv2_fair.trainers.shared.fold_lock import fold_held\n"
        f"with fold_held(Path({str(lock.parent)!r})):\n    print(1, flush=True)\n    input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "1\n"
        with pytest.raises(TrainingError, match=rf"in use by process {other.pid} on .*, which"):
            trainer.on_train_start()
        other.communicate("\n")
    assert not lock.exists()


def forbidden(*args):
    pytest.fail("a worker was started")


def rewrite_sex(tiny_nnunet, change):
    path = tiny_nnunet["preprocessed"] / "demographics.csv"
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table["sex"] = [change(i, sex) for i, sex in enumerate(table["sex"])]
    table.to_csv(path, index=False)


@pytest.mark.parametrize(
    ("name", "damage", "error", "message"),
    [
        (
            "nnUNetTrainerOversampling_Sex",
            lambda folders: None,
            DemographicsError,
            "nnUNetTrainerOversampling_Sex: There is no attribute 'Sex'. Did you mean 'sex'?",
        ),
        (
            "nnUNetTrainerOversampling_sex_levle1",
            lambda folders: None,
            DemographicsError,
            "Did you mean 'level1'?",
        ),
        (
            "nnUNetTrainerOversampling",
            lambda folders: (folders["preprocessed"] / "demographics.csv").unlink(),
            DemographicsError,
            "Run: nnUNetv2_fair_prepare -d 901",
        ),
        (
            "nnUNetTrainerOversampling_ethnicity",
            lambda folders: None,
            DemographicsError,
            "no attribute 'ethnicity'. Attributes of this dataset: sex, age",
        ),
        (
            "nnUNetTrainerOversampling",
            lambda folders: rewrite_sex(folders, lambda i, sex: "male"),
            TrainingError,
            "are in one group (male)",
        ),
        (
            "nnUNetTrainerOversampling",
            lambda folders: rewrite_sex(folders, lambda i, sex: ""),
            TrainingError,
            "are in one group (none)",
        ),
        (
            "nnUNetTrainerOversampling_unknownerror",
            lambda folders: None,
            DemographicsError,
            "4 cases have no value of 'sex'",
        ),
    ],
)
def test_what_training_refuses(tiny_nnunet, monkeypatch, name, damage, error, message):
    monkeypatch.setattr(NonDetMultiThreadedAugmenter, "_start", forbidden)
    monkeypatch.setenv("nnUNet_n_proc_DA", "1")
    damage(tiny_nnunet)
    with pytest.raises(error) as caught:
        make_trainer(name).on_train_start()
    assert message in str(caught.value)


def test_the_screen_tells_sizes_and_the_log_does_not(tiny_nnunet, capsys):
    path = tiny_nnunet["preprocessed"] / "demographics.csv"
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table["patient"] = table["case"]
    table.to_csv(path, index=False)
    rewrite_sex(tiny_nnunet, lambda i, sex: sex or "female")
    trainer = make_trainer("nnUNetTrainerReweighting_sex", iterations=1)
    trainer.on_train_start()
    screen = capsys.readouterr().out
    assert (
        "Groups of 'sex' in the training part of fold 0: female 6 cases, male 6 cases\n"
        "nnUNetTrainerReweighting_sex: samples of small groups count more in the loss"
    ) in screen
    assert "Weight of a case: female 1, male 1" in screen
    log = "\n".join(p.read_text() for p in tiny_nnunet["results"].rglob("training_log*.txt"))
    assert "samples of small groups count more in the loss" in log
    assert "6 cases" not in log
    assert "Weight of a case" not in log
    # Weights & Biases, another logger of nnU-Net's, uploads what is on the screen
    trainer.logger.loggers.append(object())
    trainer._introduce()
    screen = capsys.readouterr().out
    assert "samples of small groups count more in the loss" in screen
    assert "6 cases" not in screen


def test_a_case_without_row_is_refused(tiny_nnunet):
    path = tiny_nnunet["preprocessed"] / "demographics.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:20]))
    with pytest.raises(DatasetError, match=r"fold 0: 5 cases are not in the demographics table"):
        make_trainer("nnUNetTrainerOversampling").on_train_start()


def test_a_group_absent_from_the_training_part_is_logged(tiny_nnunet):
    rewrite_sex(tiny_nnunet, lambda i, sex: sex or "male")
    path = tiny_nnunet["preprocessed"] / "demographics.json"
    schema = json.loads(path.read_text())
    schema["attributes"]["sex"]["levels"].append("other")
    path.write_text(json.dumps(schema))
    splits = json.loads((tiny_nnunet["preprocessed"] / "splits_final.json").read_text())
    only_val = splits[0]["val"][0]
    rewrite_sex(tiny_nnunet, lambda i, sex: "other" if f"case_{i:03d}" == only_val else sex)
    trainer = make_trainer("nnUNetTrainerOversampling_1epochs", iterations=2)
    trainer.run_training()
    text = "\n".join(p.read_text() for p in tiny_nnunet["results"].rglob("training_log*.txt"))
    assert "WARNING: no training case of group other in this fold." in text
    log = pd.read_csv(next(tiny_nnunet["results"].rglob("subgroup_log.csv")))
    row = log[log["group"] == "other"].iloc[0]
    # nothing to log for training, and a single validation patient is not shown
    assert np.isnan(row["train_loss_per_sample"])
    assert np.isnan(row["pseudo_dice"])


def test_validation_alone_needs_no_table(tiny_nnunet, trainings):
    (tiny_nnunet["preprocessed"] / "demographics.csv").unlink()
    trainer = make_trainer("nnUNetTrainerOversampling")
    checkpoint = trainings.of("nnUNetTrainerOversampling").folder / "checkpoint_final.pth"
    trainer.load_checkpoint(str(checkpoint))
    assert trainer.current_epoch == 2


@pytest.mark.slow
def test_volumes_with_regions_and_ignore_label(tmp_path, monkeypatch):
    environment = build(tmp_path, write_raw_volumes, "902", "3d_fullres")
    for variable, folder in environment.items():
        monkeypatch.setenv(variable, folder)
    monkeypatch.setenv("nnUNet_n_proc_DA", "0")
    trainer = get_trainer_from_args(
        "902", "3d_fullres_trial", 0, "nnUNetTrainerOversampling_1epochs",
        device=torch.device("cpu"),
    )  # fmt: skip
    trainer.num_iterations_per_epoch = trainer.num_val_iterations_per_epoch = 2
    trainer.run_training()
    log = pd.read_csv(next(Path(environment["nnUNet_results"]).rglob("subgroup_log.csv")))
    assert np.isfinite(log["train_loss_per_sample"]).all()
    assert np.isfinite(log[["pseudo_dice_whole", "pseudo_dice_core"]]).any(axis=None)


@pytest.mark.parametrize("deep_supervision", [True, False])
def test_deep_supervision_on_and_off(tiny_nnunet, deep_supervision):
    trainer = make_trainer("nnUNetTrainerOversampling_1epochs", iterations=2)
    trainer.enable_deep_supervision = deep_supervision
    trainer.run_training()
    log = pd.read_csv(next(tiny_nnunet["results"].rglob("subgroup_log.csv")))
    assert np.isfinite(log["train_loss_per_sample"]).all()


@pytest.mark.parametrize("method", ["nnUNetTrainerMonitor_sex", "nnUNetTrainerInD_sex=female"])
def test_a_cohort_has_fewer_of_the_smallest_group(tiny_nnunet, method):
    whole, val = make_trainer(f"{method}_1epochs").do_split()
    trainer = make_trainer(f"{method}_minority1_1epochs")
    groups, patients = trainer.all_groups, trainer.table.patients
    trained, validated = trainer.do_split()
    assert (trainer.option("minority"), list(validated)) == (1, list(val))
    sizes = {g: len({patients[c] for c in m}) for g, m in groups.members(whole).items() if m}
    left = {g: len({patients[c] for c in m}) for g, m in groups.members(trained).items() if m}
    if "InD" not in method:
        smallest = min(sizes, key=lambda g: sizes[g])
        assert left == sizes | {smallest: 1}
    with pytest.raises(TrainingError, match="has fewer than 999 patients"):
        make_trainer(f"{method}_minority999_1epochs").do_split()


def test_a_cohort_of_equal_groups_differs_between_runs(tiny_nnunet):
    def drawn(name):
        trainer = make_trainer(name)
        groups, patients = trainer.all_groups, trainer.table.patients
        trained, validated = trainer.do_split()
        members = {g: {patients[c] for c in m} for g, m in groups.members(trained).items() if m}
        return members, trained, validated

    whole, cases, val = drawn("nnUNetTrainerMonitor_sex_1epochs")
    few = min(len(own) for own in whole.values())
    assert few < max(len(own) for own in whole.values())
    runs = [drawn(f"nnUNetTrainerMonitor_sex_cohortequal_run{i}_1epochs") for i in range(1, 9)]
    for members, trained, validated in runs:
        assert {len(own) for own in members.values()} == {few}
        assert set(trained) < set(cases)
        assert list(validated) == list(val)
    assert len({tuple(trained) for _, trained, _ in runs}) > 1
    again = drawn("nnUNetTrainerMonitor_sex_cohortequal_run1_1epochs")
    assert again[1] == runs[0][1]
    own, alone, _ = drawn("nnUNetTrainerInD_sex=female_cohortequal_run1_1epochs")
    assert set(alone) == {c for c in runs[0][1] if c in alone}
    assert len(own["female"]) == few
