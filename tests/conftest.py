"""What every test may ask for: the reference data, and the tier it belongs to."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as petnet.cli does, and as early

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="also run fuzzing, kills and trials")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--full"):
        return
    skip = pytest.mark.skip(reason="full tier: run with --full")
    for item in items:
        if "full" in item.keywords:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def reference():
    """Folder of the reference data; asked for by PETNET_REFERENCE and missing is a failure."""
    asked = os.environ.get("PETNET_REFERENCE")
    folder = Path(asked) if asked else ROOT.parent / "shared" / "reference"
    if folder.is_dir():
        return folder
    if asked:
        pytest.fail(f"PETNET_REFERENCE={asked} is not a folder")
    pytest.skip("reference data absent: set PETNET_REFERENCE")
