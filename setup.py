"""Build: everything is declared in pyproject.toml; here is only the registration with nnU-Net.

A wheel of this package holds one ``.pth`` file beside the package. Python reads it when it
starts, and it tells nnU-Net where our trainers are. Editable installations leave it out;
``nnUNetv2_fair_doctor --register`` writes it there.
"""

import runpy
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

REGISTRATION = Path(__file__).parent / "nnunetv2_fair" / "registration.py"


class BuildWithRegistration(build_py):
    """Puts the ``.pth`` file next to the built package, so that pip installs and removes it."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            Path(self._pth_file()).write_text(_registration()["PTH_LINE"], encoding="ascii")

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        pth = [] if self.editable_mode else [self._pth_file()]
        return [*super().get_outputs(include_bytecode), *pth]

    def _pth_file(self) -> str:
        return str(Path(self.build_lib) / _registration()["PTH_NAME"])


def _registration() -> dict[str, str]:
    return runpy.run_path(str(REGISTRATION))


if __name__ == "__main__":
    setup(cmdclass={"build_py": BuildWithRegistration})
