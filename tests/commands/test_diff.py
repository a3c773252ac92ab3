"""`petnet diff RUN RUN` through the command line, on runs of the tiny cohort."""

import csv

import pytest

from petnet.cli import main


@pytest.fixture(scope="module")
def runs(train, tmp_path_factory):
    """Two runs that differ in one setting; their folder has a name with a space and a quote."""
    out = tmp_path_factory.mktemp("diff") / "it's two"
    for c in ("0.1", "1.0"):
        assert train(f'out="{out}"', f"model.grid.C=[{c}]") == 0
    first, second = sorted(path.parent for path in out.glob("*/done.json"))
    return str(first), str(second)


def test_a_run_does_not_differ_from_itself(runs, capsys):
    assert main(["diff", runs[0], runs[0]]) == 0
    assert "The runs are the same" in capsys.readouterr().out


def test_the_setting_that_differs_is_named_first(runs, tmp_path, capsys):
    assert main(["diff", *runs, f"out={tmp_path / 'all.csv'}"]) == 1
    said = capsys.readouterr().out
    assert "setting: 1\n  model.grid.C: " in said
    assert "The runs differ in 1 settings; of what came out: " in said
    with (tmp_path / "all.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert rows[0]["part"] == "setting"
    assert {row["part"] for row in rows} == {"setting", "prediction", "figure"}


def test_flags_and_their_values_are_no_runs(runs, tmp_path, capsys):
    assert main(["diff", "--config-dir", str(tmp_path), runs[0], runs[0]]) == 0


@pytest.mark.parametrize("number", [1, 3])
def test_two_runs_are_asked_for(runs, number, capsys):
    assert main(["diff", *[runs[0]] * number]) == 2
    assert f"expected two run folders, but got {number}" in capsys.readouterr().err
