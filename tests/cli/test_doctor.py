import os
import subprocess
import sys
import tempfile

import pytest

from nnunetv2_fair import registration
from nnunetv2_fair.cli import doctor
from tests.nnunet_dataset import write_raw


@pytest.fixture
def site_packages(tmp_path, monkeypatch):
    monkeypatch.setattr(
        doctor, "registration_file", lambda: tmp_path / "site" / registration.PTH_NAME
    )
    monkeypatch.delenv(registration.EXTERNAL_TRAINERS, raising=False)
    return tmp_path / "site"


def test_register_and_unregister(site_packages, nnunet_folders, capsys):
    doctor.main(["--register"])
    line = (site_packages / registration.PTH_NAME).read_text()
    assert line == registration.PTH_LINE
    assert line.count("\n") == 1
    assert line.startswith("import ")
    doctor.main(["--unregister"])
    assert list(site_packages.iterdir()) == []


def test_the_line_is_idempotent_and_keeps_the_users_folders():
    environment = {**os.environ, registration.EXTERNAL_TRAINERS: "/own/a"}
    code = (
        registration.PTH_LINE * 2
        + f"print(__import__('os').environ['{registration.EXTERNAL_TRAINERS}'])"
    )
    for start in ("/own/a", f"/own/a{os.pathsep}{registration.plugin_folder()}"):
        environment[registration.EXTERNAL_TRAINERS] = start
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == f"/own/a{os.pathsep}{registration.plugin_folder()}"


def test_the_line_imports_nothing_heavy():
    code = registration.PTH_LINE + (
        "import sys; assert not {'torch', 'pandas', 'numpy', 'pathlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-S", "-c", f"import sys; sys.path.insert(0, '.'); {code}"],
                   check=True)  # fmt: skip


def test_report_names_what_is_wrong_and_how_to_mend_it(
    site_packages, nnunet_folders, capsys, monkeypatch
):
    monkeypatch.setenv("nnUNet_results", "/nowhere/at/all")
    write_raw(nnunet_folders["nnUNet_raw"])
    table = nnunet_folders["nnUNet_raw"] / "Dataset901_Tiny" / "demographics.csv"
    table.write_text(table.read_text().replace(",female,", ",Female,"))
    assert doctor.main([]) == 1
    captured = capsys.readouterr()
    assert "mkdir -p /nowhere/at/all" in captured.err
    assert "'Female' is not a level of 'sex'" in captured.err
    assert "torch" in captured.out


def test_a_fresh_installation_needs_no_attention(nnunet_folders, capsys, monkeypatch):
    monkeypatch.setenv(registration.EXTERNAL_TRAINERS, registration.plugin_folder())
    for variable in nnunet_folders:
        monkeypatch.delenv(variable)
    assert doctor.main([]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert "Everything is installed. Before you convert data or train" in captured.out
    assert captured.out.endswith("export nnUNet_results=/path/to/nnUNet_results\n")


def test_one_thing_needs_attention(nnunet_folders, capsys, monkeypatch):
    monkeypatch.setenv(registration.EXTERNAL_TRAINERS, registration.plugin_folder())
    monkeypatch.setenv("nnUNet_results", "/nowhere/at/all")
    assert doctor.main([]) == 1
    assert "1 thing needs attention:" in capsys.readouterr().err


def test_without_registration_the_line_to_set_is_shown(site_packages, nnunet_folders, capsys):
    plugin = registration.plugin_folder()
    if doctor._check_registration():
        # not installed into this environment: the remedy must name the folder
        assert (
            f'export {registration.EXTERNAL_TRAINERS}="{plugin}"' in doctor._check_registration()[0]
        )
    os.environ[registration.EXTERNAL_TRAINERS] = plugin
    assert doctor._check_registration() == []


def test_a_temporary_folder_whose_path_is_too_long(
    site_packages, nnunet_folders, capsys, monkeypatch, tmp_path
):
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    assert doctor.main([]) == 1
    said = capsys.readouterr().err
    assert f"the temporary folder {folder} has a path of {len(str(folder))} characters" in said
    assert "export TMPDIR=/tmp" in said
