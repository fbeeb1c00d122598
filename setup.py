"""Build: everything is declared in pyproject.toml; here are the registration and the description.

A wheel of this package holds one ``.pth`` file beside the package. Python reads it when it
starts, and it tells nnU-Net where our trainers are. Editable installations leave it out;
``nnUNetv2_fair_doctor --register`` writes it there.

The description on a package index is the README. Relative links and pictures lead nowhere there:
they get the address of the repository if pyproject.toml knows it, else they become plain text.
"""

import re
import runpy
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

PROJECT = Path(__file__).parent
REGISTRATION = PROJECT / "nnunetv2_fair" / "registration.py"
_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:)([^)\s]+)\)")


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


def long_description(readme: str, pyproject: str) -> str:
    """Return the README for readers who do not have its neighbours."""
    found = re.search(r'^Source = "([^"]+)"', pyproject, flags=re.MULTILINE)
    source = found[1].rstrip("/") if found else ""

    def absolute(link: re.Match[str]) -> str:
        is_picture, text, target = link.groups()
        if source:
            kind = "raw" if is_picture else "blob"
            return f"{is_picture}[{text}]({source}/{kind}/main/{target})"
        return "" if is_picture else text

    return re.sub(r"\n{3,}", "\n\n", _LINK.sub(absolute, readme))


if __name__ == "__main__":
    texts = [(PROJECT / n).read_text(encoding="utf-8") for n in ("README.md", "pyproject.toml")]
    setup(
        cmdclass={"build_py": BuildWithRegistration},
        long_description=long_description(*texts),
        long_description_content_type="text/markdown",
    )
