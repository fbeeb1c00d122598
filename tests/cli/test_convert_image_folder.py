import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nnunetv2_fair.cli.convert_image_folder import main
from tests.dataset_conversion.folders import (
    environment,
    image_of,
    make_folder,
    mask_of,
    save,
    write_csv,
)
from tests.dataset_conversion.image_folder.running import _wait_for, convert
from tests.dataset_conversion.writing.test_writer import tree


@pytest.fixture
def raw(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    return environment(monkeypatch, tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "data")


def test_dry_run_writes_nothing_and_says_what_it_would(
    folder: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert convert(folder, "--dry-run") == 0
    assert not raw.exists()
    out = capsys.readouterr().out
    assert "train: 16 cases of 16 patients" in out
    assert "sex, test: female " in out
    assert f"Would be written to {raw / 'Dataset042_Tiny'}:" in out
    assert "imagesTr, labelsTr: 16 cases as .png: p" in out
    assert "Nothing was written" in out


def test_dry_run_lists_problems_of_data_and_target_at_once(
    folder: Path, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (raw / "Dataset042_Other").mkdir(parents=True)
    before = tree(raw.parent)
    assert convert(folder, "--dry-run") == 1
    assert "id 42 is taken by Dataset042_Other" in capsys.readouterr().err
    (folder / "masks" / "p03.png").unlink()
    (folder / "images" / "p05.png").write_bytes(b"no picture")
    del before["data/masks/p03.png"], before["data/images/p05.png"]
    assert convert(folder, "--dry-run") == 1
    error = capsys.readouterr().err
    assert "id 42 is taken by Dataset042_Other" in error
    assert "image without mask: p03.png" in error
    assert "p05.png" in error
    after = tree(raw.parent)
    del after["data/images/p05.png"]
    assert after == before


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--label-map", "255"), "--label-map 255: expected a form such as --label-map 255=1"),
        (("--label-map", "255=x"), "255=x: expected an integer"),
        (("--label-map", "lungs=1"), "names go to --labels"),
        (("--labels", "a=1", "a=2"), "names 'a' twice"),
        (("--label-map", "255=1", "--threshold", "127"), "exclude each other"),
        (("--bins", "age=fifty"), "age=50,65"),
        (("--range", "age=5"), "--range age"),
        (("--values", "sex=F"), "expected an attribute and pairs"),
        (("--columns", "nowhere.json"), "nowhere.json"),
        (("--test-ratio", "1"), "--test-ratio 1"),
        (("--patient-from-name", "("), "not a regular expression"),
        (("--patient-from-name", "abc"), "parentheses"),
        (("--masks", "images", "--suffix-mask", ""), "--suffix-mask"),
        (("-np", "0"), "-np 0"),
    ],
)
def test_wrong_usage_is_told_from_wrong_data(
    folder: Path,
    raw: Path,
    capsys: pytest.CaptureFixture[str],
    flags: tuple[str, ...],
    message: str,
) -> None:
    arguments = ["-i", str(folder), "-d", "42", "-n", "Tiny", *flags]
    assert main(arguments) == 2
    assert message in capsys.readouterr().err
    assert not raw.exists()


def test_nothing_heavy_is_imported(folder: Path, raw: Path) -> None:
    code = (
        "import sys; from nnunetv2_fair.cli.convert_image_folder import main; "
        f"code = main(['-i', {str(folder)!r}, '-d', '42', '-n', 'Tiny', '-np', '1']); "
        "heavy = {'torch', 'nnunetv2', 'SimpleITK', 'sklearn', 'scipy'} & set(sys.modules); "
        "sys.exit(str(heavy) if heavy else code)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("processes", ["1", "2"])
def test_killed_and_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: str
) -> None:
    folder = tmp_path / "data"
    rows = []
    for i in range(60):  # large enough that writing them takes a while
        save(folder / "images" / f"p{i:02d}.png", image_of(i, 500, 700), compress_level=0)
        save(folder / "masks" / f"p{i:02d}.png", mask_of(i, 1, 500, 700))
        rows.append((f"p{i:02d}.png", "fm"[i % 2]))
    write_csv(folder / "metadata.csv", ("image", "sex"), rows)
    raw = environment(monkeypatch, tmp_path)
    command = [sys.executable, "-m", "nnunetv2_fair.cli.convert_image_folder"]
    command += ["-i", str(folder), "-d", "42", "-n", "Tiny", "-np", processes]
    root = Path(__file__).parents[2]
    process = subprocess.Popen(command, cwd=root, stderr=subprocess.DEVNULL)
    work = raw / ".Dataset042_Tiny.partial"
    _wait_for(5, work / "records", process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (raw / "Dataset042_Tiny").exists()
    time.sleep(0.5)  # workers notice that the command is gone
    done = {path.stem: path.stat().st_mtime_ns for path in (work / "records").glob("*.json")}
    assert 5 <= len(done) < 60
    kept = {
        path.name: path.stat().st_mtime_ns
        for path in (work / "dataset").glob("images*/*.png")
        if path.name[:3] in done
    }
    assert convert(folder) == 0
    target = raw / "Dataset042_Tiny"
    for path in target.glob("images*/*.png"):
        assert kept.get(path.name, path.stat().st_mtime_ns) == path.stat().st_mtime_ns
    assert [path.name for path in raw.iterdir()] == ["Dataset042_Tiny"]
    assert convert(folder, "-o", str(tmp_path / "fresh")) == 0
    assert tree(target) == tree(tmp_path / "fresh" / "Dataset042_Tiny")
    shutil.rmtree(tmp_path / "fresh")
