"""The real cohort: 36 patients whose files open, and whose PET and outline share a grid."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from petnet.cohort import read_cohort
from petnet.volume import check_same_grid, read_mask, read_volume

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "sts_cohort.py"


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, SCRIPT, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=os.environ | environment,
    )


def table(folder, name):
    with (folder / f"{name}.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def made(reference, tmp_path_factory):
    out = tmp_path_factory.mktemp("sts") / "deep" / "cohort"
    done = run(out, "--reference", reference)
    assert done.returncode == 0, done.stderr
    return out, done.stdout


def test_counts_and_citation(made):
    out, printed = made
    assert "36 patients, 13 with lung metastasis; 10 with CT on its own grid" in printed
    assert "10.7937/K9/TCIA.2015.7GO2GSKS" in printed
    assert "CC BY 3.0" in printed
    targets = table(out, "targets")
    assert len(targets) == len({row["patient"] for row in targets}) == 36
    assert sum(int(row["lung_metastasis"]) for row in targets) == 13
    assert {row["sex"] for row in targets} == {"F", "M"}
    rois = table(out, "rois")
    assert [sum(r["role"] == role for r in rois) for role in ("primary", "primary_ct")] == [36, 10]


def test_cohort_reads(made):
    cohort = read_cohort(made[0])
    assert len(cohort.studies) == 36
    assert cohort.studies["weight_kg"].between(40, 140).all()
    assert cohort.studies["height_m"].between(1.4, 2.0).all()
    assert cohort.studies["dose_bq"].isna().all()
    assert all(cohort.path(name).is_file() for name in cohort.files())


def test_every_file_opens_on_the_grid_it_claims(made):
    out, _ = made
    rois = {(r["study"], r["roi"]): r for r in table(out, "rois")}
    for study in table(out, "studies"):
        name = study["study"]
        pet = read_volume(out / study["pet"], "SUVbw", "PT", "FDG")
        ct = read_volume(out / study["ct"], "HU", "CT")
        gtv = read_mask(out / rois[name, "gtv"]["path"], label=1)
        check_same_grid(pet, gtv, name)
        assert pet.array.min() >= 0
        assert 0.5 < pet.array[gtv.array].max() < 60
        assert ct.array.min() < -500
        if (name, "gtv_ct") in rois:
            check_same_grid(ct, read_mask(out / rois[name, "gtv_ct"]["path"], label=1), name)
            assert ct.spacing_mm[0] < pet.spacing_mm[0]
        else:
            check_same_grid(pet, ct, name)
        assert np.isfinite(pet.array).all()


def test_second_run_does_nothing(made, reference):
    out, _ = made
    stamps = {p: p.stat().st_mtime_ns for p in out.rglob("*")}
    again = run(out, PETNET_REFERENCE=str(reference))
    assert again.returncode == 0
    assert "already complete" in again.stdout
    assert stamps == {p: p.stat().st_mtime_ns for p in out.rglob("*")}
    assert [p.name for p in out.parent.iterdir()] == ["cohort"]


def test_other_people_s_folder_is_left_alone(reference, tmp_path):
    (tmp_path / "note.txt").write_text("mine")
    done = run(tmp_path, "--reference", reference)
    assert done.returncode == 2
    assert "expected a new or empty one" in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["note.txt"]


def test_missing_reference_is_one_line(tmp_path):
    done = run(tmp_path / "out", "--reference", tmp_path / "nowhere")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "labels.csv" in done.stderr
    assert "PETNET_REFERENCE" in done.stderr
    assert not (tmp_path / "out").exists()


def test_missing_image_leaves_nothing(reference, tmp_path):
    source = tmp_path / "reference" / "sts"
    source.mkdir(parents=True)
    (source / "labels.csv").write_bytes((reference / "sts" / "labels.csv").read_bytes())
    done = run(tmp_path / "out", "--reference", source.parent)
    assert done.returncode == 2
    assert "missing" in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["reference"]
