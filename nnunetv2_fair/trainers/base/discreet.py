"""What a trainer says where: groups stay out of what is exported or uploaded."""

import sys
from collections.abc import Iterable

from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer


class DiscreetTrainer(nnUNetTrainer):
    """A trainer that keeps its attributes out of nnU-Net's ``debug.json``.

    Whoever builds one calls :meth:`_hide_from_here` as soon as nnU-Net's part of it is built.
    """

    _describing = False
    _nnunets_own: frozenset[str] = frozenset()

    def _hide_from_here(self) -> None:
        """Hide attributes that are set from now on."""
        self._nnunets_own = frozenset([*vars(self), *dir(nnUNetTrainer)])

    def _save_debug_information(self) -> None:
        """Write nnU-Net's ``debug.json``, which is exported with the model.

        nnU-Net writes ``str()`` of every attribute. Ours tell about groups and cases, and stay out.
        """
        self._describing = True
        try:
            super()._save_debug_information()
        finally:
            self._describing = False

    def __dir__(self) -> Iterable[str]:
        """Return all attributes; while nnU-Net describes the trainer, only those it knows."""
        names = super().__dir__()
        if not self._describing:
            return names
        return [name for name in names if name in self._nnunets_own]

    def _log(self, message: str) -> None:
        self.print_to_log_file(message, add_timestamp=False)

    def _show(self, message: str) -> None:
        """Print for the person at the screen what must not stand in nnU-Net's log.

        Weights & Biases uploads what is on the screen; with it, nothing is shown.
        """
        if self.local_rank == 0 and not getattr(self.logger, "loggers", ()):
            sys.stdout.write(f"{message}\n")
