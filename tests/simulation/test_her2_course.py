"""VEGFR-2, survival, response and interim scans of the HER2 cohort."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from petnet.cohort import read_cohort, read_table
from petnet.errors import InputError
from petnet.simulation.her2 import Her2Cohort
from petnet.simulation.her2_course import RESPONSES, hazards
from petnet.task import Task
from petnet.units import select_units

TASKS = Path(__file__).resolve().parents[2] / "configs" / "task"


@pytest.fixture(scope="module")
def drawn():
    cohort = Her2Cohort(1000, 11, prevalence=0.4)
    return cohort, [cohort.draw(i) for i in range(1000)]


@pytest.fixture(scope="module")
def serial(tmp_path_factory):
    cohort = Her2Cohort(4, 21, prevalence=0.5, interim=True, missing_rate=0.0)
    return cohort.write(tmp_path_factory.mktemp("serial") / "cohort", workers=2)


def values(folder, rois, studies, role="primary"):
    """Values of the PET in each region of `role`, by study."""
    files = studies.set_index("study")["pet"]
    found = {}
    for roi in rois[rois["role"] == role].itertuples():
        mask = np.asarray(nib.load(folder / roi.path).dataobj) == roi.label
        found[roi.study] = np.asarray(nib.load(folder / files[roi.study]).dataobj)[mask]
    return found


def test_images_are_those_of_the_first_version():
    """Recorded before the cohort had further outcomes."""
    cohort = Her2Cohort(3, 3, prevalence=0.3)
    patient = cohort.draw(0)
    pet, mask, voxels = cohort.pet(patient)
    assert pet.array.shape == (99, 67, 116)
    found = [pet.array[40, 30, 60], pet.array[50, 20, 90], pet.array[30, 35, 40]]
    np.testing.assert_allclose(found, [0.3693877, 0.6788501, 0.5601766], rtol=1e-4)
    assert pet.array.mean(dtype=float) == pytest.approx(0.5501432773421993, rel=1e-6)
    assert mask.array.sum() == 333
    ct = cohort.ct(patient, voxels.edge_mm).array
    assert ct.mean(dtype=float) == pytest.approx(-413.1650929890952, rel=1e-6)
    assert (ct[70, 50, 80], ct[60, 40, 120]) == (-26, -695)


def test_each_outcome_has_the_figure_asked_for_analytic(drawn):
    cohort, patients = drawn
    ideal, found = cohort.ideal, cohort.drawn_figures()
    expected = {**ideal, "survival": ideal["survival_comparable"]}
    for name, figure in found.items():
        smaller = 370  # of the classes, or of the deaths; the bound A (1 - A) / n on the variance
        error = np.sqrt(expected[name] * (1 - expected[name]) / smaller)
        assert abs(figure - expected[name]) < 3.5 * error, name
    courses = [p.course for p in patients]
    for share, wanted in (
        (np.mean([c.vegfr2 for c in courses]), 0.4),
        (1 - np.mean([c.os_event for c in courses]), 0.3),
        *((np.mean([c.response == r for c in courses]), s) for r, s in zip(
            RESPONSES, (0.15, 0.3, 0.4, 0.15), strict=True)),
    ):  # fmt: skip
        assert abs(share - wanted) < 3.5 * np.sqrt(wanted * (1 - wanted) / 1000)


def test_what_carries_an_outcome_orders_it_exactly(drawn):
    """SUVmean (but for its cut ends), volume and fall of uptake are the latents in disguise."""
    _, patients = drawn
    inner = [p for p in patients if abs(p.target.deviate) < 2]
    for pairs in (
        [(p.target.mean, p.course.vegfr2_latent) for p in inner],
        [(p.form.volume_ml, p.course.survival_latent) for p in patients],
        [(-p.course.uptake_factor, p.course.response_latent) for p in patients],
        [(-p.course.volume_factor, p.course.response_latent) for p in patients],
    ):
        seen, latent = np.array(pairs).T
        np.testing.assert_array_equal(np.argsort(seen), np.argsort(latent))
    cut = [p for p in patients if abs(p.target.deviate) >= 2]
    assert len({p.target.mean for p in cut}) == 2
    assert 0.02 < len(cut) / len(patients) < 0.07


def test_cutting_the_suv_costs_the_observer_next_to_nothing(drawn):
    from petnet.simulation.latent import ordered_share

    _, patients = drawn
    status = [p.course.vegfr2 for p in patients]
    whole = ordered_share(status, [p.course.vegfr2_latent for p in patients])
    assert abs(whole - ordered_share(status, [p.target.mean for p in patients])) < 0.002


def test_outcomes_are_blind_to_her2_and_to_each_other(drawn):
    cohort, patients = drawn
    columns = {
        "her2": cohort.labels(),
        "texture": [p.texture_latent for p in patients],
        "vegfr2": [p.course.vegfr2 for p in patients],
        "months": np.log([p.course.os_months for p in patients]),
        "response": [RESPONSES.index(p.course.response) for p in patients],
    }
    table = np.array([np.asarray(c, dtype=float) for c in columns.values()])
    apart = np.corrcoef(table)
    apart[0, 1] = apart[1, 0] = 0  # the texture does carry HER2
    assert (np.abs(apart[np.triu_indices(5, 1)]) < 3.5 / np.sqrt(1000)).all()
    for index in (0, 7):
        a, b = (Her2Cohort(9, 11, prevalence=p).draw(index) for p in (0.0, 1.0))
        assert a.course == b.course


def test_outcomes_leave_the_images_alone():
    first = Her2Cohort(2, 4)
    second = Her2Cohort(
        2, 4, vegfr2_auc=0.6, survival_c=0.6, response_c=0.6, censored=0.5, interim=True
    )
    a, b = (c.pet(c.draw(1)) for c in (first, second))
    np.testing.assert_array_equal(a[0].array, b[0].array)
    np.testing.assert_array_equal(
        first.ct(first.draw(1), a[2].edge_mm).array, second.ct(second.draw(1), b[2].edge_mm).array
    )


def test_interim_images_change_as_the_truth_says(serial):
    cohort = read_cohort(serial)
    truth = read_table(serial / "truth.csv").set_index("patient").apply(_number)
    inside = values(serial, cohort.rois, cohort.studies)
    sizes, changes = [], []
    for patient, row in truth.iterrows():
        before, after = (inside[f"{patient}-{time}"] for time in ("baseline", "interim"))
        change = after.mean() / before.mean()
        assert change == pytest.approx(row["uptake_factor"], rel=0.01)
        sizes.append(len(after) / len(before) / row["volume_factor"])
        changes.append(change)
    np.testing.assert_allclose(sizes, 1, atol=0.03)
    np.testing.assert_array_equal(np.argsort(changes), np.argsort(-truth["response_latent"]))


def test_interim_study_is_another_acquisition_of_the_same_patient(serial):
    studies = read_cohort(serial).studies
    baseline, interim = (
        studies[studies["timepoint"] == time].set_index("patient")
        for time in ("baseline", "interim")
    )
    assert len(baseline) == len(interim) == 4
    for column in ("height_m", "center", "sex", "arm", "scanner"):
        assert baseline[column].equals(interim[column])
    assert (baseline["dose_bq"] != interim["dose_bq"]).all()
    np.testing.assert_allclose(interim["weight_kg"] / baseline["weight_kg"], 0.98, atol=0.11)
    per_kg = interim["dose_bq"] / interim["weight_kg"] / 1e6
    assert per_kg.between(3.0, 5.5).all()
    rois = read_cohort(serial).rois
    lesions = rois[rois["role"] == "primary"]
    assert (lesions.groupby("lesion_uid")["study"].nunique() == 2).all()
    a, b = (nib.load(serial / s.loc["P0001", "pet"]) for s in (baseline, interim))
    np.testing.assert_array_equal(a.affine, b.affine)
    assert not np.array_equal(np.asarray(a.dataobj), np.asarray(b.dataobj))


def test_reference_region_lies_in_the_liver(serial):
    cohort = read_cohort(serial)
    truth = read_table(serial / "truth.csv").set_index("patient").apply(_number)
    for study, inside in values(serial, cohort.rois, cohort.studies, "reference").items():
        voxel = 4.0**3 / 1000
        assert len(inside) * voxel == pytest.approx(4 / 3 * np.pi * 1.5**3, rel=0.1)
        assert inside.mean() == pytest.approx(truth.loc[study[:5], "liver_suv"], rel=0.05)


@pytest.mark.parametrize(
    "task",
    ["her2", "her2_vegfr2", "her2_survival", "her2_response", "her2_response_binary"],
)
def test_every_her2_task_finds_its_units(serial, task):
    made = instantiate(OmegaConf.load(TASKS / f"{task}.yaml"), _convert_="all")
    assert isinstance(made, Task)
    table = select_units(read_cohort(serial), made, labelled=True)
    assert len(table.units) == 4
    assert all(len(unit.series) == len(made.series) for unit in table.units)
    assert np.isfinite(table.target).all()


def test_cohort_json_says_what_was_drawn(serial):
    record = json.loads((serial / "cohort.json").read_text())
    assert record["settings"]["interim"] is True
    targets = read_table(serial / "targets.csv")
    truth = read_table(serial / "truth.csv").apply(_number)
    time, event = _number(targets["os_months"]), _number(targets["os_event"]) == 1
    risk = truth["survival_latent"]
    pairs = [
        (risk[i] > risk[j]) for i in range(4) for j in range(4) if event[i] and time[i] < time[j]
    ]
    assert record["ideal_drawn"]["survival"] == pytest.approx(np.mean(pairs))
    assert record["ideal"]["survival"] == pytest.approx(0.75)
    assert record["ideal"]["survival_comparable"] == hazards(0.75, 0.3).comparable_c_index
    assert (time > 0).all()


def test_undefined_figures_are_none_and_do_not_stop_a_second_run(tmp_path):
    cohort = Her2Cohort(1, 1)
    assert cohort.drawn_figures()["texture"] is None
    folder = cohort.write(tmp_path / "one", workers=1)
    times = {p: p.stat().st_mtime_ns for p in folder.rglob("*")}
    cohort.write(folder, workers=1)
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*")} == times


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.3, 0.3, 0.4, 0.0)])
def test_shares_must_name_every_response(shares):
    with pytest.raises(InputError, match="response_shares"):
        Her2Cohort(response_shares=shares)


def _number(column):
    try:
        return column.astype(float)
    except ValueError:
        return column
