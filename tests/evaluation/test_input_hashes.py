"""A cohort that changed since a run: found unit by unit, by what a task reads of it."""

import hashlib

import pandas as pd
import pytest

from petnet.cohort import read_cohort
from petnet.errors import InputError
from petnet.evaluation.input_hashes import (
    changed_units,
    input_hashes,
    read_input_hashes,
    same_cohort,
)
from petnet.task import Task
from petnet.units import select_units

TASK = Task("t", "binary", "label", clinical={"log": ["cea"], "categorical": {"sex": ["F", "M"]}})


def write_tables(root, **changes):
    ids = ["A", "B", "C"]
    studies = pd.DataFrame({
        "patient": ids, "study": [f"S{i}" for i in ids], "timepoint": "baseline", "arm": "fdg",
        "tracer": "FDG", "modality": "PT/CT", "pet": [f"{i}_pet.nii" for i in ids], "ct": None,
        "center": "x",
    })  # fmt: skip
    rois = pd.DataFrame({
        "study": studies["study"], "roi": "lesion", "role": "primary",
        "path": [f"{i}_mask.nii" for i in ids], "grid": "pet", "label": 1,
    })  # fmt: skip
    targets = pd.DataFrame({
        "patient": ids, "label": [1, 0, 1], "cea": [1.5, 2.5, None], "sex": ["F", "M", "F"],
    })  # fmt: skip
    for name, table in (("studies", studies), ("rois", rois), ("targets", targets)):
        for row, column, value in changes.get(name, ()):
            table[column] = table.get(column, pd.Series(index=table.index, dtype=object))
            table[column] = table[column].astype(object)
            table.loc[row, column] = value
        table.to_csv(root / f"{name}.csv", index=False)


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "a cohort"
    folder.mkdir()
    write_tables(folder)
    for name in "ABC":
        (folder / f"{name}_pet.nii").write_bytes(name.encode())
        (folder / f"{name}_mask.nii").write_bytes(name.encode() * 2)
    return folder


def hashes(root):
    cohort = read_cohort(root)
    return cohort, input_hashes(cohort, select_units(cohort, TASK, labelled=False))


def changes_of(root, known):
    cohort, found = hashes(root)
    return changed_units(cohort, known, found)


def test_hashes_are_those_of_hashlib(root):
    table = hashes(root)[1]
    by_file = {(r.unit, r.file): r.hash for r in table.itertuples()}
    for unit in "ABC":
        for what in ("pet", "mask"):
            content = (root / f"{unit}_{what}.nii").read_bytes()
            expected = hashlib.blake2b(content, digest_size=16).hexdigest()
            assert by_file[unit, f"{unit}_{what}.nii"] == expected
    assert len(by_file) == len(table) == 3 * 5


def test_nothing_changed_is_nothing_said(root, tmp_path):
    _, known = hashes(root)
    known.to_csv(tmp_path / "inputs.csv", index=False)
    again = read_input_hashes(tmp_path / "inputs.csv")
    targets = (root / "targets.csv").read_text()
    (root / "targets.csv").write_text(targets.replace("1.5", "1.50").replace("\n", "\r\n"))
    assert changes_of(root, again) == {}


def test_a_changed_file_is_named_with_both_hashes(root):
    _, known = hashes(root)
    (root / "B_mask.nii").write_bytes(b"other")
    (reason,) = [changes_of(root, known)["B"]]
    assert changes_of(root, known).keys() == {"B"}
    assert str(root / "B_mask.nii") in reason
    for content in (b"BB", b"other"):
        assert f"hash {hashlib.blake2b(content, digest_size=16).hexdigest()}" in reason
    assert "train again" in reason


def test_a_file_that_is_gone_is_said_to_be(root):
    _, known = hashes(root)
    (root / "C_pet.nii").unlink()
    assert "but got no such file" in changes_of(root, known)["C"]


@pytest.mark.parametrize(
    ("table", "row", "column", "value"),
    [
        ("targets", 0, "label", 0),
        ("targets", 1, "cea", 99.0),
        ("targets", 2, "sex", "M"),
        ("studies", 1, "tracer", "FAPI"),
        ("studies", 1, "ct", "A_pet.nii"),
        ("studies", 0, "center", "y"),
        ("rois", 2, "label", 2),
        ("rois", 0, "path", "B_mask.nii"),
    ],
)
def test_a_changed_row_is_named_by_its_table(root, table, row, column, value):
    _, known = hashes(root)
    write_tables(root, **{table: [(row, column, value)]})
    changed = changes_of(root, known)
    assert list(changed) == ["ABC"[row]]
    assert f"table {table}: rows of unit {'ABC'[row]}" in changed["ABC"[row]]


def test_what_the_task_does_not_read_may_change(root):
    _, known = hashes(root)
    write_tables(root, targets=[(0, "note", "seen")], studies=[(1, "weight_kg", 80)])
    assert changes_of(root, known) == {}


def test_new_units_and_units_that_left_are_no_change(root):
    _, known = hashes(root)
    assert changes_of(root, known[known["unit"] != "A"]) == {}
    cohort, found = hashes(root)
    assert changed_units(cohort, known, found[found["unit"] != "B"]) == {}


def test_one_folder_by_two_names_is_one_cohort(root, tmp_path):
    (tmp_path / "link").symlink_to(root)
    assert same_cohort(str(root), str(tmp_path / "link"))
    assert same_cohort(str(root), f"{root}/../{root.name}")
    assert not same_cohort(str(root), str(tmp_path))


def test_a_missing_or_foreign_table_is_named(tmp_path):
    with pytest.raises(InputError, match=r"inputs.csv"):
        read_input_hashes(tmp_path / "inputs.csv")
    (tmp_path / "inputs.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="unit, file, hash"):
        read_input_hashes(tmp_path / "inputs.csv")
