"""`petnet selftest` through the command line."""

import csv

import pytest

from petnet.cli import main
from petnet.radiomics import selftest


@pytest.fixture
def off(monkeypatch):
    """An installation whose mean intensity is wrong."""
    extract = selftest.extract

    def wrong(*arguments, **more):
        return {
            k: v * (1.02 if "mean_int" in k else 1) for k, v in extract(*arguments, **more).items()
        }

    monkeypatch.setattr(selftest, "extract", wrong)


def test_selftest_prints_feature_by_feature(capsys, tmp_path):
    assert main(["selftest", "device=cpu", f"out={tmp_path / 'table.csv'}"]) == 0
    said = capsys.readouterr().out
    assert "482 of 482 values within the consensus" in said
    assert "Q4LE mean_intensity" in said
    assert said.count("\nok ") + said.startswith("ok ") > 482 + 20
    with (tmp_path / "table.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert sum(row["part"] == "ibsi" for row in rows) == 482
    assert {row["passed"] for row in rows} == {"True"}


def test_selftest_fails_on_a_single_miss(off, capsys):
    assert main(["selftest", "device=cpu"]) == 1
    said = capsys.readouterr().out
    assert "FAILED" in said
    assert "481 of 482 values" in said


def test_selftest_names_a_package_that_is_too_old(monkeypatch, capsys):
    from petnet.commands import selftest as command

    monkeypatch.setattr(command, "requires", lambda name: ["numpy>=99", "no-such-package"])
    assert main(["selftest", "device=cpu"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("FAILED") and "numpy" in line and ">=99" in line for line in lines)
    assert any("no-such-package" in line and "absent" in line for line in lines)
