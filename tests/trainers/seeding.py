"""Trainings that can be repeated to the bit; run as a script it kills them half-way."""

import os
import random
import signal
import sys
import traceback
from pathlib import Path

import numpy as np
import torch
from nnunetv2.run.run_training import get_trainer_from_args
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

_BEGIN = nnUNetTrainer.on_train_epoch_start


def seed(number):
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)


def seeded_epoch_start(self):
    """Replaces ``nnUNetTrainer.on_train_epoch_start``: each epoch has a seed of its own."""
    seed(self.current_epoch)
    _BEGIN(self)


def make_seeded_trainer(name, epochs=2):
    """Return a trainer of two training and three validation steps that saves every epoch."""
    seed(99)
    trainer = get_trainer_from_args("901", "2d_trial", 0, name, device=torch.device("cpu"))
    trainer.num_iterations_per_epoch, trainer.num_val_iterations_per_epoch = 2, 3
    trainer.num_epochs, trainer.save_every = epochs, 1
    return trainer


def write_base(name="nnUNetTrainer"):
    """Write the checkpoint of a base as if it had been trained; return its path."""
    trainer = make_seeded_trainer(name)
    trainer.initialize()
    path = Path(trainer.output_folder) / "checkpoint_final.pth"
    trainer.save_checkpoint(str(path))
    return path


def train_and_die(name):
    """Train until the process kills itself within the second epoch."""
    trainer = make_seeded_trainer(name)
    step = trainer.train_step

    def die_in_the_second_epoch(batch):
        result = step(batch)
        if trainer.current_epoch == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    trainer.train_step = die_in_the_second_epoch
    trainer.run_training()


def main(names):
    """Kill a training of each trainer, in processes of their own; importing torch once."""
    from nnunetv2_fair import registration

    registration.register()
    nnUNetTrainer.on_train_epoch_start = seeded_epoch_start
    for name in names:
        child = os.fork()
        if child == 0:
            try:
                train_and_die(name)
            except BaseException:
                traceback.print_exc()
            os._exit(1)
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
            sys.exit(f"{name} was not killed")


if __name__ == "__main__":
    main(sys.argv[1:])
