"""The script that times reading DICOM: what it measures, and which limits it holds petnet to."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "bench_dicom.py"


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    import bench_dicom

    return bench_dicom


def test_a_series_is_measured_from_the_command_line(reference, tmp_path):
    folder = reference / "dicom" / "STS_002_petct_cropped" / "PET" / "image"
    command = [sys.executable, SCRIPT, folder, "--out", tmp_path, "--rounds", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr  # a volume so small is all overhead
    (run,) = json.loads((tmp_path / "bench_dicom.json").read_text())["runs"]["petnet"]
    assert run["voxels"] == 30 * 27 * 48
    assert run["process"] > run["imports"] + run["nifti"] > run["volume"] > 0
    assert "| petnet |" in (tmp_path / "bench_dicom.md").read_text()


def test_what_is_missing_is_an_error(tmp_path):
    for extra in (["--mirp", "/nowhere/python"], []):
        command = [sys.executable, SCRIPT, tmp_path / "absent", "--out", tmp_path, *extra]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert done.stderr.startswith("error:")
        assert "Traceback" not in done.stderr


def test_limits_that_are_not_kept_are_named(bench):
    ours = {"volume": 0.2, "nifti": 0.4, "volumes_of_memory": 1.5, "largest": 9.0}
    mirp = {"volume": 0.7, "nifti": None, "largest": 9.0}
    other = {"volume": None, "nifti": 0.5}
    assert bench.failures({"petnet": ours, "mirp": mirp, "dicom2nifti": other}) == []
    slow = {"petnet": ours, "mirp": mirp | {"volume": 0.5}, "dicom2nifti": other | {"nifti": 0.3}}
    assert len(bench.failures(slow)) == 2
    assert bench.failures({"petnet": ours | {"volumes_of_memory": 4.0}}) == [
        "more memory than 4 volumes"
    ]
    assert bench.failures({"petnet": ours | {"largest": 8.9}, "mirp": mirp}) == [
        "another largest SUV than MIRP"
    ]


def test_ratios_are_relative_to_petnet(bench):
    ours = {"volume": 0.2, "nifti": 0.4, "process": 1.0, "volumes_of_memory": 1.5}
    mirp = {"volume": 0.7, "nifti": None, "process": 2.0, "volumes_of_memory": 7.0}
    assert "| mirp | 0.70 (3.5×) |  | 2.00 (2.0×) | 7.0 |" in bench.page(
        {"petnet": ours, "mirp": mirp}
    )
