"""What a training checks before it starts: the same as the preparation and the doctor, in words."""

import json
import pickle
import shutil
import sys
from pathlib import Path

import pytest
import torch
from nnunetv2.run.run_training import maybe_load_checkpoint
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name

from nnunetv2_fair import trainers
from nnunetv2_fair.cli import doctor, prepare
from nnunetv2_fair.errors import DatasetError, DemographicsError, TrainingError
from tests.trainers.seeding import write_base
from tests.trainers.test_trainers import make_trainer, registered  # noqa: F401

NAME = "nnUNetTrainerOversampling_sex_1epochs"


@pytest.fixture
def folders(tiny_nnunet, tmp_path, monkeypatch):
    """The tiny dataset with a copy of its raw folder, which the tests change."""
    raw = tmp_path / "nnUNet_raw"
    shutil.copytree(tiny_nnunet["raw"].parent, raw)
    monkeypatch.setenv("nnUNet_raw", str(raw))
    return {**tiny_nnunet, "raw": raw / "Dataset901_Tiny"}


def splits(folders):
    return json.loads((folders["preprocessed"] / "splits_final.json").read_text())


def write_splits(folders, content):
    (folders["preprocessed"] / "splits_final.json").write_text(json.dumps(content))


def leak(folders):
    folds = splits(folders)
    folds[0]["val"] = folds[0]["val"][:-1] + folds[0]["train"][:1]
    write_splits(folders, folds)
    return "has 1 case in both its training and its validation part"


def invent(folders):
    path = folders["raw"] / "demographics.csv"
    header, *rows = path.read_text().splitlines()
    case = splits(folders)[1]["val"][0]
    marked = [f"{row},{int(row.startswith(case))}" for row in rows]
    path.write_text("\n".join([f"{header},synthetic", *marked, ""]))
    return f"validates 1 synthetic case, which tell nothing about people: {case}"


def weigh(folders):
    path = folders["raw"] / "demographics.csv"
    header, *rows = path.read_text().splitlines()
    case = splits(folders)[1]["val"][0]
    marked = [f"{row},{1 + row.startswith(case)}" for row in rows]
    path.write_text("\n".join([f"{header},sampling_weight", *marked, ""]))
    return f"as often as their sampling_weight in demographics.csv says: {case} (1 instead of 2)"


def leave_out(folders):
    folds = splits(folders)
    left = folds[0]["val"].pop()
    folds[1]["train"].remove(left)
    write_splits(folders, folds)
    return "1 of 24 training cases are in no fold"


@pytest.mark.parametrize("damage", [leak, invent, weigh, leave_out])
def test_all_doors_say_the_same(folders, damage, capsys):
    sentence = damage(folders)
    assert prepare.main(["-d", "901", "-a", "sex"]) == 0
    (prepared,) = [line for line in capsys.readouterr().out.splitlines() if sentence in line]
    assert doctor._check_tables() == []
    assert prepared in capsys.readouterr().out
    trainer = make_trainer(NAME)
    trainer._check()
    assert prepared in capsys.readouterr().out
    # it names cases, and the log is passed on with the model
    assert sentence not in Path(trainer.log_file).read_text()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"0": {"train": ["a"], "val": ["b"]}}, "holds an object; expected a list"),
        (
            [{"train": ["case_000"], "val": ["case_024"]}],
            "1 case is not among the training cas",
        ),
        ([{"train": ["case_000"], "val": ["stranger"]}], "fold 0: 1 case is not in the demogr"),
        ([{"train": [1], "val": ["case_000"]}], "holds 1 where names of cases belong"),
    ],
)
def test_all_doors_refuse_the_same(folders, content, message, capsys):
    write_splits(folders, content)
    assert prepare.main(["-d", "901", "-a", "sex"]) == 1
    said = capsys.readouterr().err
    assert message in said
    (problem,) = doctor._check_tables()
    assert message in problem
    with pytest.raises(DatasetError) as caught:
        make_trainer(NAME).on_train_start()
    assert message in str(caught.value)
    assert list(folders["results"].iterdir()) == []


def test_no_folds_at_all(folders):
    (folders["preprocessed"] / "splits_final.json").unlink()
    (problem,) = doctor._check_tables()
    assert "has no splits_final.json. nnU-Net would make folds with images" in problem
    with pytest.raises(DatasetError) as caught:
        make_trainer(NAME).on_train_start()
    assert problem == str(caught.value)
    assert not (folders["preprocessed"] / "splits_final.json").exists()


def test_a_table_corrected_after_the_preparation(folders, caplog, capsys):
    path = folders["raw"] / "demographics.csv"
    path.write_text(path.read_text().replace(",female,", ",male,", 1))
    trainer = make_trainer(NAME)
    trainer._check()
    sentence = f"WARNING: {path} or its dictionary has changed since the copy in"
    assert sentence in capsys.readouterr().out
    trainer.fold = "all"
    trainer._check()
    assert sentence in capsys.readouterr().out
    doctor._check_tables()
    assert sentence in caplog.text + capsys.readouterr().out


@pytest.mark.parametrize("fold", [2, 4, -1])
def test_a_fold_beyond_the_splits(folders, fold):
    trainer = make_trainer(NAME)
    trainer.fold = fold
    with pytest.raises(DatasetError, match=rf"There is no fold {fold} in .*only folds 0 to 1. nn"):
        trainer.do_split()  # for validation alone, too
    with pytest.raises(DatasetError, match="make more folds and train all of them again"):
        trainer.on_train_start()
    assert trainer.network is None
    assert list(folders["results"].iterdir()) == []


def test_images_that_are_not_preprocessed(folders):
    shutil.rmtree(folders["preprocessed"] / "nnUNetPlans_2d")
    with pytest.raises(TrainingError, match="Run: nnUNetv2_preprocess -d Dataset901_Tiny -c 2d_tr"):
        make_trainer(NAME).on_train_start()


def test_what_lay_in_the_folder_of_a_refused_training_stays(folders):
    name = "nnUNetTrainerOversampling_ethnicity"
    with pytest.raises(DemographicsError):
        make_trainer(name).on_train_start()
    assert list(folders["results"].iterdir()) == []
    trainer = make_trainer(name)
    kept = Path(trainer.output_folder) / "checkpoint_best.pth"
    kept.write_bytes(b"")
    with pytest.raises(DemographicsError):
        trainer.on_train_start()
    assert sorted(kept.parent.iterdir()) == sorted([kept, Path(trainer.log_file)])


@pytest.mark.parametrize(
    "name", ["nnUNetTrainerInD_sex=female_1epoch", "nnUNetTrainerAPPLE_sex_1epochs"]
)
def test_pretrained_weights_where_the_base_gives_them(folders, name):
    base = write_base()
    trainer = make_trainer(name)
    with pytest.raises(TrainingError) as caught:
        maybe_load_checkpoint(trainer, False, False, str(base))
    assert str(caught.value) == (
        f"{name} starts from the weights of a trained model, that of nnUNetTrainer, so "
        "-pretrained_weights would have no effect. Leave it out. To start from that file instead, "
        "name it as the base: export nnUNet_fair_base_checkpoint=FILE"
    )
    assert not Path(trainer.output_folder).exists()
    # without them the training starts, and goes on
    trainer = make_trainer(name)
    maybe_load_checkpoint(trainer, False, False, None)
    trainer.on_train_start()
    trainer.save_checkpoint(str(Path(trainer.output_folder) / "checkpoint_latest.pth"))
    again = make_trainer(name, continue_training=True)
    maybe_load_checkpoint(again, True, False, None)
    again.on_train_start()


@pytest.mark.parametrize(
    "name",
    ["nnUNetTrainerInD_sex=female_startscratch_1epoch", "nnUNetTrainerOversampling_sex_1epochs"],
)
def test_pretrained_weights_elsewhere_are_taken(folders, name):
    base = write_base()
    weights = torch.load(base, weights_only=False)["network_weights"]
    trainer = make_trainer(name)
    maybe_load_checkpoint(trainer, False, False, str(base))
    trainer.on_train_start()
    key = next(iter(weights))
    assert torch.equal(trainer.network.state_dict()[key], weights[key])


def test_nnunets_own_trainer_for_any_number_of_epochs(tiny_nnunet):
    found = recursive_find_trainer_class_by_name("nnUNetTrainer_300epochs")
    assert found.__mro__[2] is nnUNetTrainer
    assert pickle.loads(pickle.dumps(found)) is found is trainers.nnUNetTrainer_300epochs
    trainer = make_trainer("nnUNetTrainer_300epochs")
    plain = make_trainer("nnUNetTrainer")
    assert trainer.num_epochs == 300
    assert trainer.output_folder_base.endswith("/nnUNetTrainer_300epochs__nnUNetPlans__2d_trial")
    for each in (trainer, plain):
        torch.manual_seed(0)
        each.initialize()
    for ours, theirs in zip(trainer.network.parameters(), plain.network.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert trainer.lr_scheduler.max_steps == 300
    for name in ("nnUNetTrainer_0epochs", "nnUNetTrainer_003epochs", "nnUNetTrainer_-1epochs"):
        with pytest.raises(RuntimeError, match="Could not find"):
            recursive_find_trainer_class_by_name(name)


def test_a_name_that_no_trainer_has_ends_in_a_sentence(capsys):
    name = "nnUNetTrainerXylophone"
    with pytest.raises(RuntimeError) as caught:
        recursive_find_trainer_class_by_name(name)
    # what the interpreter calls, had nnU-Net's command not been called from a test
    sys.excepthook(caught.type, caught.value, caught.tb)
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert f"there is no trainer '{name}', neither of nnunetv2_fair nor of nnU-Net" in said
    assert "Names of ours begin with nnUNetTrainer" in said
