"""What users add to the tables of a converted cohort, through runs that end and that are killed."""

import csv
from itertools import count

import pytest

from petnet.ingest.conversion import tables as convert_tables
from petnet.ingest.conversion.tables import COLUMNS, read_user_tables, write_tables


def tables_of(*patients):
    """Tables of patients with one study and one region each."""
    made = {name: [] for name in COLUMNS}
    for patient in patients:
        study = f"{patient}_baseline_fdg"
        made["studies"].append({"patient": patient, "study": study, "arm": "fdg"})
        made["rois"].append({"study": study, "roi": "GTV", "label": 1})
    return made


def run(folder, *patients):
    write_tables(folder, tables_of(*patients), read_user_tables(folder))


def read(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def add(path, column, **values):
    """Add a column as a spreadsheet would; values by patient."""
    rows = read(path)
    for row in rows:
        name = row.get("patient") or row["study"].split("_")[0]
        row[column] = values.get(name, "")
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def added(folder):
    """Every value that a user added, wherever it is now."""
    found = set()
    for table, column in (("studies", "split"), ("rois", "note"), ("targets", "her2")):
        for path in folder.glob(f"{table}*.csv"):
            for row in read(path):
                name = row.get("patient") or row["study"].split("_")[0]
                found |= {(table, name, row[column])} if row.get(column) else set()
    return found


@pytest.fixture
def edited(tmp_path):
    run(tmp_path, "P1", "P2", "P3")
    add(tmp_path / "studies.csv", "split", P1="train", P2="test", P3="train")
    add(tmp_path / "rois.csv", "note", P2="necrotic")
    add(tmp_path / "targets.csv", "her2", P1="1", P2="0")
    return tmp_path


def unused(folder):
    return sorted(path.name for path in folder.glob("*_unused.csv"))


def test_what_was_added_goes_and_comes_with_its_patient(edited):
    everything = added(edited)
    assert len(everything) == 6
    run(edited, "P1", "P3")
    assert [row["split"] for row in read(edited / "studies.csv")] == ["train", "train"]
    assert unused(edited) == ["rois_unused.csv", "studies_unused.csv", "targets_unused.csv"]
    assert read(edited / "targets_unused.csv") == [{"patient": "P2", "her2": "0"}]
    assert added(edited) == everything
    run(edited, "P1", "P2", "P3")
    assert [row["split"] for row in read(edited / "studies.csv")] == ["train", "test", "train"]
    assert [row["note"] for row in read(edited / "rois.csv")] == ["", "necrotic", ""]
    assert {r["patient"]: r["her2"] for r in read(edited / "targets.csv")} == {
        "P1": "1", "P2": "0", "P3": "",
    }  # fmt: skip
    assert unused(edited) == []


class Killed(Exception):
    pass


def killed(folder, patients, after, monkeypatch):
    """Run until so many files are written or removed; tells whether it came to an end before."""
    numbers = count()
    with monkeypatch.context() as patch:
        for owner, name in ((convert_tables, "write_text"), (convert_tables.Path, "unlink")):
            true = getattr(owner, name)

            def step(*args, true=true, **kwargs):
                if next(numbers) == after:
                    raise Killed
                return true(*args, **kwargs)

            patch.setattr(owner, name, step)
        try:
            run(folder, *patients)
        except Killed:
            return True
    return False


@pytest.mark.parametrize("now", [("P1", "P3"), ("P2",), (), ("P1", "P2", "P3", "P4")])
def test_nothing_that_was_added_is_lost_whenever_a_run_is_killed(edited, now, monkeypatch):
    """Brute force: killed before each step of each run, while patients go and come back."""
    everything = added(edited)
    for patients in (now, ("P1", "P2", "P3")):
        after = 0
        while killed(edited, patients, after, monkeypatch):
            assert added(edited) == everything, after
            after += 1
        assert added(edited) == everything
        told = [row for row in read(edited / "targets.csv") if row.get("her2")]
        assert len(told) == len({row["patient"] for row in told})
    assert after > 0


def test_an_edit_after_a_kill_is_not_undone(edited, monkeypatch):
    """studies_unused.csv is written, studies.csv is not yet; then its user changes his mind."""
    assert killed(edited, ("P1", "P3"), 1, monkeypatch)
    assert "studies_unused.csv" in unused(edited)
    add(edited / "studies.csv", "split", P1="train", P2="validation", P3="train")
    run(edited, "P1", "P2", "P3")
    assert [r["split"] for r in read(edited / "studies.csv")] == ["train", "validation", "train"]
