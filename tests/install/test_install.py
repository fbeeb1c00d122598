"""Installation into a fresh environment: registered, found by nnU-Net, nothing left behind."""

import os
import site
import subprocess
import venv
from pathlib import Path

import pytest

from nnunetv2_fair import registration

PROJECT = Path(__file__).parents[2]
SHOW = f"import os; print(os.environ.get('{registration.EXTERNAL_TRAINERS}', ''))"

pytestmark = pytest.mark.slow


class Environment:
    """A fresh virtual environment that borrows the dependencies of this one."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=True)
        self.bin = folder / "bin"
        self.python = self.bin / "python"
        self.site = Path(self("-c", "import sysconfig; print(sysconfig.get_path('purelib'))"))
        here = [*site.getsitepackages()]
        (self.site / "zz_borrowed.pth").write_text("\n".join(here) + "\n")

    def __call__(self, *arguments: str, **variables: str) -> str:
        unset = {registration.EXTERNAL_TRAINERS, "PYTHONPATH"}
        environment = {k: v for k, v in os.environ.items() if k not in unset} | variables
        done = subprocess.run(
            [str(self.python), *arguments], env=environment, capture_output=True, text=True,
            check=False, cwd=self.bin,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def leftovers(self) -> list[str]:
        return sorted(p.name for p in self.site.rglob("*nnunetv2_fair*"))


@pytest.fixture
def environment(tmp_path):
    return Environment(tmp_path / "venv")


def find_trainer(environment, name):
    code = (
        "from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name as f\n"
        f"found = f('{name}'); print(found.__name__, found.__module__)"
    )
    return environment("-c", code).splitlines()[-1]


def test_pip_install_registers_and_uninstall_leaves_nothing(environment):
    environment("-m", "pip", "install", "--no-deps", str(PROJECT))
    plugin = environment.site / "nnunetv2_fair" / "plugin"
    assert environment("-c", SHOW) == str(plugin)
    assert environment("-c", SHOW, nnUNet_extTrainer="/my/trainers") == f"/my/trainers:{plugin}"
    name = "nnUNetTrainerOversampling_sex_5epochs"
    assert find_trainer(environment, name) == f"{name} nnunetv2_fair.trainers"
    assert "nnUNetv2_fair_evaluate" in environment("-m", "nnunetv2_fair")
    assert (environment.bin / "nnUNetv2_fair_prepare").is_file()
    environment("-m", "pip", "uninstall", "-y", "nnunetv2_fair")
    assert environment.leftovers() == []
    assert environment("-c", SHOW) == ""


def test_editable_install_is_registered_by_the_doctor(environment, nnunet_folders):
    environment("-m", "pip", "install", "--no-deps", "-e", str(PROJECT))
    assert environment("-c", SHOW) == ""
    plugin = PROJECT / "nnunetv2_fair" / "plugin"
    assert "Everything is in place" in environment(
        str(environment.bin / "nnUNetv2_fair_doctor"), "--register"
    )
    assert environment("-c", SHOW) == str(plugin)
    assert find_trainer(environment, "nnUNetTrainerOversampling").startswith("nnUNetTrainerOver")
    # the line that is left when somebody uninstalls without --unregister does no harm
    environment("-m", "pip", "uninstall", "-y", "nnunetv2_fair")
    assert environment("-c", SHOW) == ""
