"""Makes nnU-Net's epochs short where the wall clock is what a test is about.

On the ``PYTHONPATH`` of jobs, read by every interpreter as it starts. ``QUICK_TRAININGS`` says how
many epochs a trainer has and how long each sleeps, as JSON: beginning of its name -> [epochs,
seconds]. Everything else of a training is nnU-Net's, and a checkpoint is written every epoch.
"""

import json
import os
import sys
import time
from importlib.abc import Loader, MetaPathFinder
from importlib.util import find_spec

_MODULE = "nnunetv2.training.nnUNetTrainer.nnUNetTrainer"


def _shorten(trainer):
    initialize, begin = trainer.initialize, trainer.on_train_epoch_start
    lengths = json.loads(os.environ["QUICK_TRAININGS"])

    def length(self):
        name = type(self).__name__
        return next(length for start, length in lengths.items() if name.startswith(start))

    def short_initialize(self):
        self.num_epochs = length(self)[0]
        self.save_every = 1
        self.num_iterations_per_epoch = self.num_val_iterations_per_epoch = 2
        initialize(self)

    def slow_begin(self):
        time.sleep(length(self)[1])
        begin(self)

    trainer.initialize, trainer.on_train_epoch_start = short_initialize, slow_begin


class _Loader(Loader):
    def __init__(self, inner):
        self._inner = inner

    def create_module(self, spec):
        return self._inner.create_module(spec)

    def exec_module(self, module):
        self._inner.exec_module(module)
        _shorten(module.nnUNetTrainer)


class _Finder(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != _MODULE:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        spec.loader = _Loader(spec.loader)
        return spec


if "QUICK_TRAININGS" in os.environ:
    sys.meta_path.insert(0, _Finder())
