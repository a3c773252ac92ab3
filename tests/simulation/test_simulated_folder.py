"""The written cohort: tables, label rule, determinism, resuming, refusing."""

import json
from collections import Counter
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from petnet.cohort import read_cohort, read_table
from petnet.errors import InputError
from petnet.simulation import clinical
from petnet.simulation.her2 import Her2Cohort

SMALL = {"patients": 4, "seed": 3, "prevalence": 0.5}


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return Her2Cohort(**SMALL).write(tmp_path_factory.mktemp("her2") / "cohort", workers=1)


def test_tables_agree_with_the_files_and_the_truth(folder):
    cohort = read_cohort(folder)
    truth = read_table(folder / "truth.csv").set_index("patient")
    lesions = cohort.rois[cohort.rois["role"] == "primary"]
    assert len(cohort.studies) == len(lesions) == len(cohort.targets) == 4
    for study, roi in zip(cohort.studies.itertuples(), lesions.itertuples(), strict=True):
        assert study.study == roi.study
        row = truth.loc[study.patient]
        pet, mask, ct = (nib.load(folder / p) for p in (study.pet, roi.path, study.ct))
        assert mask.get_data_dtype() == np.uint8
        assert ct.get_data_dtype() == np.int16
        np.testing.assert_allclose(pet.affine, mask.affine)
        inside = np.asarray(mask.dataobj) == roi.label
        volume_ml = inside.sum() * abs(np.linalg.det(mask.affine[:3, :3])) / 1000
        assert volume_ml == pytest.approx(float(row["volume_ml"]), rel=1e-5)
        mean = np.asarray(pet.dataobj)[inside].mean()
        assert mean == pytest.approx(float(row["suv_mean"]), rel=0.01)
        assert study.center == row["center"]
    label = truth["label"].astype(int).tolist()
    assert cohort.targets["her2"].astype(int).tolist() == label
    assert sum(label) == 2


def test_cohort_json_holds_settings_and_ideal_auc(folder):
    record = json.loads((folder / "cohort.json").read_text())
    assert record["complete"] is True
    assert record["settings"]["seed"] == 3
    assert set(record["ideal_auc"]) == {"texture", "clinical", "combined"}
    assert {str(p.relative_to(folder)) for p in folder.rglob("*.nii.gz")} < set(record["files"])


def test_same_bytes_for_any_number_of_workers(folder, tmp_path):
    again = Her2Cohort(**SMALL).write(tmp_path / "b", workers=2)
    assert contents(again) == contents(folder)


def test_patient_is_the_same_in_a_larger_cohort():
    small, large = Her2Cohort(4, 3, prevalence=0.0), Her2Cohort(9, 3, prevalence=0.0)
    a, b = small.draw(2), large.draw(2)
    np.testing.assert_array_equal(small.pet(a)[0].array, large.pet(b)[0].array)


def test_other_seed_other_patients():
    assert Her2Cohort(1, 1).draw(0).target != Her2Cohort(1, 2).draw(0).target


def test_second_run_does_nothing_and_a_cut_off_one_is_finished(tmp_path):
    cohort = Her2Cohort(2, 5)
    folder = cohort.write(tmp_path / "c", workers=1)
    before = contents(folder)
    times = {p: p.stat().st_mtime_ns for p in folder.rglob("*")}
    cohort.write(folder, workers=1)
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*")} == times
    (folder / "images" / "P0002" / "ct.nii.gz").unlink()
    (folder / "images" / "P0001" / ".tmp-left.nii.gz").write_bytes(b"half")
    cohort.write(folder, workers=1)
    assert contents(folder) == before


def test_cut_off_run_keeps_what_was_finished(tmp_path, monkeypatch):
    cohort = Her2Cohort(2, 5)
    whole = contents(cohort.write(tmp_path / "whole", workers=1))
    made = []
    simulate = Her2Cohort.simulate

    def failing(self, index, folder):
        made.append(index)
        if len(made) == 2:
            raise KeyboardInterrupt
        return simulate(self, index, folder)

    monkeypatch.setattr(Her2Cohort, "simulate", failing)
    with pytest.raises(KeyboardInterrupt):
        cohort.write(tmp_path / "cut", workers=1)
    assert not (tmp_path / "cut" / "studies.csv").exists()
    cohort.write(tmp_path / "cut", workers=1)
    assert made == [0, 1, 1]
    assert contents(tmp_path / "cut") == whole


def test_figures_of_another_machine_are_no_other_cohort(tmp_path):
    """Quadrature and Monte Carlo may differ in the last digit; settings and version do not."""
    cohort = Her2Cohort(1, 5)
    record = cohort.write(tmp_path / "d", workers=1) / "cohort.json"
    found = json.loads(record.read_text())
    found["ideal"]["survival"] += 1e-15
    record.write_text(json.dumps(found))
    cohort.write(tmp_path / "d", workers=1)
    record.write_text(json.dumps({**found, "version": 0}))
    with pytest.raises(InputError, match="expected the same simulator, but got another version"):
        cohort.write(tmp_path / "d", workers=1)


def test_other_settings_or_other_files_are_refused(tmp_path):
    Her2Cohort(1, 5).write(tmp_path / "d", workers=1)
    with pytest.raises(InputError, match=r"settings: expected seed=6, but got seed=5"):
        Her2Cohort(1, 6).write(tmp_path / "d", workers=1)
    Her2Cohort(1, 6).write(tmp_path / "d", workers=1, overwrite=True)
    assert json.loads((tmp_path / "d" / "cohort.json").read_text())["settings"]["seed"] == 6
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(InputError, match="an empty folder or a simulated cohort"):
            Her2Cohort(1, 6).write(tmp_path / "mine", workers=1, overwrite=overwrite)
    assert (tmp_path / "mine" / "thesis.txt").exists()


@pytest.mark.parametrize(
    ("setting", "value"),
    [("texture_auc", 0.4), ("prevalence", 1.5), ("patients", 0), ("missing_rate", -0.1)],
)
def test_impossible_settings_are_refused(setting, value):
    with pytest.raises(InputError, match=setting):
        Her2Cohort(**{setting: value})


@pytest.mark.parametrize(
    ("ihc", "ish", "label"),
    [("0", "", 0), ("1+", "", 0), ("2+", "-", 0), ("2+", "+", 1), ("3+", "", 1), ("2+", "", None)],
)
def test_label_rule(ihc, ish, label):
    assert clinical.her2_label(ihc, ish) == label


def test_pathology_agrees_with_the_true_status():
    rng = np.random.default_rng(0)
    for positive in (False, True):
        rows = [clinical.pathology_row(rng, positive, False) for _ in range(300)]
        assert {clinical.her2_label(**row) for row in rows} == {int(positive)}
    unresolved = clinical.pathology_row(rng, True, True)
    assert clinical.her2_label(**unresolved) is None


@pytest.mark.parametrize(("patients", "prevalence"), [(60, 0.3), (200, 0.5), (40, 0.15), (7, 0.0)])
def test_prevalence_is_exact(patients, prevalence):
    labels = Her2Cohort(patients, 9, prevalence=prevalence).labels()
    assert labels.sum() == round(prevalence * patients)


def test_missing_values_come_at_their_rate_and_never_as_negatives():
    cohort = Her2Cohort(150, 4, missing_rate=0.1, missing_label_rate=0.2)
    rows = [cohort.rows(cohort.draw(i), [30.0]) for i in range(150)]
    targets = [row["targets"][0] for row in rows]
    columns = ("age", "sex", "cea", "ca199", "ca724", "clinical_t", "clinical_n", "site", "lauren")
    cells = [t[c] for t in targets for c in columns]
    rate = sum(c is None for c in cells) / len(cells)
    assert abs(rate - 0.1) < 3.5 * np.sqrt(0.1 * 0.9 / len(cells))
    missing = [t for t in targets if t["her2"] is None]
    assert abs(len(missing) / 150 - 0.2) < 3.5 * np.sqrt(0.2 * 0.8 / 150)
    assert all((t["ihc"], t["ish"]) == ("2+", "") for t in missing)
    truth = [row["truth"][0]["label"] for row in rows]
    assert all(t["her2"] in (None, y) for t, y in zip(targets, truth, strict=True))
    centers = Counter((row["truth"][0]["center"], y) for row, y in zip(rows, truth, strict=True))
    assert len(centers) == 4  # both centres see both classes


def test_config_builds_the_cohort():
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    root = Path(__file__).resolve().parents[2]
    config = OmegaConf.load(root / "configs" / "simulation" / "her2.yaml")
    config.seed = 1  # that of the command line, which this file refers to
    cohort = instantiate(config)
    assert isinstance(cohort, Her2Cohort)
    assert (cohort.patients, cohort.texture_auc) == (60, 0.93)
