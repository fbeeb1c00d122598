"""Continuing a training: what stands in the checkpoint, and what is refused."""

import json
import shutil

import pytest
import torch

from nnunetv2_fair import registration
from nnunetv2_fair.errors import TrainingError
from nnunetv2_fair.trainers import SubgroupTrainer
from nnunetv2_fair.trainers.shared.checkpoint import KEY, FairnessCheckpoint, write_checkpoint
from tests.trainers.test_trainers import make_trainer, registered, rewrite_sex  # noqa: F401

NAME = "nnUNetTrainerOversampling_2epochs"
OURS = FairnessCheckpoint("sex", "v", "t", {"q": torch.tensor([0.25, 0.75])})


def count_steps(monkeypatch):
    """Let the trainers count their training steps and keep the count."""
    monkeypatch.setattr(SubgroupTrainer, "steps", 0, raising=False)
    step = SubgroupTrainer.train_step

    def counting_step(self, batch):
        self.steps += 1
        return step(self, batch)

    def load(self, state):
        self.steps = int(state["steps"])

    monkeypatch.setattr(SubgroupTrainer, "train_step", counting_step)
    monkeypatch.setattr(
        SubgroupTrainer, "fairness_state", lambda self: {"steps": torch.tensor(self.steps)}
    )
    monkeypatch.setattr(SubgroupTrainer, "load_fairness_state", load)


@pytest.fixture
def stateful(monkeypatch):
    """The trainers count their training steps and would like to keep the count."""
    count_steps(monkeypatch)


@pytest.fixture(scope="module")
def one_of_two_epochs(tiny_dataset, tmp_path_factory):
    """Checkpoint of such a training after its first epoch."""
    results = tmp_path_factory.mktemp("one_of_two")
    with pytest.MonkeyPatch.context() as patch:
        for variable, folder in {**tiny_dataset, "nnUNet_results": str(results)}.items():
            patch.setenv(variable, folder)
        patch.setenv("nnUNet_n_proc_DA", "0")
        patch.setenv(registration.EXTERNAL_TRAINERS, registration.plugin_folder())
        count_steps(patch)
        trainer = make_trainer(NAME, iterations=2)
        trainer.num_epochs = 1
        trainer.run_training()
    assert not list(results.rglob("*.tmp"))
    return next(results.rglob("checkpoint_final.pth"))


@pytest.fixture
def checkpoint(one_of_two_epochs, tmp_path):
    return shutil.copy(one_of_two_epochs, tmp_path)


def continued(checkpoint):
    trainer = make_trainer(NAME, iterations=2)
    trainer.load_checkpoint(str(checkpoint))
    return trainer


def log_text(tiny_nnunet):
    return "\n".join(p.read_text() for p in tiny_nnunet["results"].rglob("training_log*.txt"))


def test_adaptive_state_goes_on(tiny_nnunet, stateful, checkpoint):
    ours = torch.load(checkpoint, weights_only=False)[KEY]
    assert ours["expression"] == "sex"
    assert ours["state"] == {"steps": 2}
    trainer = continued(checkpoint)
    trainer.run_training()
    assert trainer.steps == 4
    assert "starts from scratch" not in log_text(tiny_nnunet)
    assert not list(tiny_nnunet["results"].rglob("*.tmp"))


def test_a_changed_table_is_refused_and_can_be_allowed(
    tiny_nnunet, stateful, checkpoint, monkeypatch
):
    rewrite_sex(tiny_nnunet, lambda i, sex: "male" if i == 0 else sex)
    with pytest.raises(TrainingError) as caught:
        continued(checkpoint).run_training()
    message = str(caught.value)
    assert "demographics.csv or its dictionary has changed" in message
    assert "set nnUNet_fair_allow_changed_table=1" in message
    monkeypatch.setenv("nnUNet_fair_allow_changed_table", "0")
    with pytest.raises(TrainingError):
        continued(checkpoint).run_training()
    monkeypatch.setenv("nnUNet_fair_allow_changed_table", "1")
    trainer = continued(checkpoint)
    trainer.run_training()
    assert "continuing with a changed demographics table" in log_text(tiny_nnunet)
    assert trainer.steps == 4


def test_state_of_other_groups_is_not_taken_over(tiny_nnunet, stateful, checkpoint, monkeypatch):
    path = tiny_nnunet["preprocessed"] / "demographics.json"
    schema = json.loads(path.read_text())
    schema["attributes"]["sex"]["levels"].reverse()
    path.write_text(json.dumps(schema))
    monkeypatch.setenv("nnUNet_fair_allow_changed_table", "1")
    trainer = continued(checkpoint)
    trainer.run_training()
    assert "has other groups: what adapts to them starts from scratch" in log_text(tiny_nnunet)
    assert trainer.steps == 2


def test_nnunets_own_checkpoint_is_continued_with_a_warning(tiny_nnunet, stateful, checkpoint):
    content = torch.load(checkpoint, weights_only=False)
    del content[KEY]
    torch.save(content, checkpoint)
    trainer = continued(checkpoint)
    trainer.run_training()
    assert "checkpoint holds no state of nnunetv2_fair" in log_text(tiny_nnunet)
    assert trainer.steps == 2


def test_a_failed_write_leaves_the_old_checkpoint(tmp_path):
    path = tmp_path / "checkpoint_latest.pth"
    write_checkpoint(path, lambda name: torch.save({"epoch": 1}, name), OURS)
    before = path.read_bytes()

    def fail(name):
        torch.save({"epoch": 2}, name)
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_checkpoint(path, fail, OURS)
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint_latest.pth"]


def test_repr_shows_no_state():
    assert "0.75" not in repr(OURS)


def halve(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.fixture
def fold(tiny_nnunet, one_of_two_epochs):
    """Folder of a training with all three checkpoints, of one epoch each."""
    folder = (
        tiny_nnunet["results"] / "Dataset901_Tiny" / f"{NAME}__nnUNetPlans__2d_trial" / "fold_0"
    )
    folder.mkdir(parents=True)
    for name in ("final", "latest", "best"):
        shutil.copy(one_of_two_epochs, folder / f"checkpoint_{name}.pth")
    return folder


def to_continue(expected, continuing=True):
    """Do what nnU-Net does with ``--c``."""
    trainer = make_trainer(NAME, continue_training=continuing, iterations=2)
    trainer.load_checkpoint(str(expected))
    return trainer


@pytest.mark.parametrize(
    ("damaged", "taken"), [(["latest"], "best"), (["final", "latest"], "best")]
)
def test_a_damaged_checkpoint_falls_back_to_an_earlier_one(
    tiny_nnunet, stateful, fold, damaged, taken
):
    for name in damaged:
        halve(fold / f"checkpoint_{name}.pth")
    trainer = to_continue(fold / f"checkpoint_{damaged[0]}.pth")
    trainer.run_training()
    assert trainer.steps == 4
    for name in damaged:
        warning = f"WARNING: {fold / f'checkpoint_{name}.pth'} is cut off or otherwise damaged. The"
        assert f"{warning} training goes on from checkpoint_{taken}.pth." in log_text(tiny_nnunet)
    assert (fold / "checkpoint_final.pth").stat().st_size > 5000


def test_without_a_whole_checkpoint_the_remedy_is_named(tiny_nnunet, fold):
    for name in ("latest", "best"):
        (fold / f"checkpoint_{name}.pth").write_bytes(b"")
    with pytest.raises(TrainingError) as caught:
        to_continue(fold / "checkpoint_latest.pth")
    assert str(caught.value) == (
        f"{fold / 'checkpoint_latest.pth'} is empty; {fold / 'checkpoint_best.pth'} is empty. No "
        "checkpoint of this training is whole: copy one back from where the results are kept, or "
        "train from scratch without --c."
    )


def test_validation_alone_takes_no_other_checkpoint(tiny_nnunet, fold):
    halve(fold / "checkpoint_final.pth")
    with pytest.raises(TrainingError, match="Copy it back, or go on training with --c, which"):
        to_continue(fold / "checkpoint_final.pth", continuing=False)


@pytest.mark.parametrize("content", ["", "epoch,group\n0,f\n"])
def test_a_damaged_log_of_the_groups_is_begun_again(tiny_nnunet, stateful, fold, content):
    (fold / "subgroup_log.csv").write_text(content)
    to_continue(fold / "checkpoint_latest.pth").run_training()
    assert "subgroup_log.csv is damaged: what it said about earlier" in log_text(tiny_nnunet)
    rows = (fold / "subgroup_log.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["epoch", "1", "1"]
