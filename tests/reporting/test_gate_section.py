"""What the report says of units below the feature gate: counts from hand-made status rows."""

import csv

from pages_read import cells
from report_runs import make_run, write_csv, write_features

from petnet.reporting.report import write_report

TEXTURE = "pt_64 glcm: fewer than 64 voxels or a single grey level"
SHAPE = "node__pt_64 morph: fewer than 8 voxels"


def with_flags(run, flags):
    """Give the first rows of status.csv a cell in the column `flagged`."""
    rows = list(csv.DictReader((run / "status.csv").read_text().splitlines()))
    for k, row in enumerate(rows):
        row["flagged"] = flags[k] if k < len(flags) else ""
    write_csv(run / "status.csv", list(rows[0]), [list(r.values()) for r in rows])
    return run


def page(run, tmp_path):
    write_features(run)
    return write_report([run], tmp_path / "report.html").read_text()


def test_counts_of_units_and_of_each_note(tmp_path):
    run = make_run(tmp_path / "run", gallery=False)
    text = page(with_flags(run, [TEXTURE, f"{TEXTURE}; {SHAPE}", "", TEXTURE]), tmp_path)
    assert "The regions of 3 of 48 patients are too small or too flat for some features" in text
    assert cells(text, "gate") == [
        ["pt_64 glcm", "fewer than 64 voxels or a single grey level", "3"],
        ["node__pt_64 morph", "fewer than 8 voxels", "1"],
    ]


def test_no_unit_below_the_gate_is_said_too(tmp_path):
    text = page(with_flags(make_run(tmp_path / "run", gallery=False), []), tmp_path)
    assert "All 48 patients are large and varied enough for every feature." in text
    assert 'id="gate"' not in text


def test_a_run_of_an_older_petnet_says_nothing_of_it(tmp_path):
    text = page(make_run(tmp_path / "run", gallery=False), tmp_path)
    assert "too small or too flat" not in text
    assert "large and varied" not in text
