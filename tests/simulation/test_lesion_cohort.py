"""Benign and malignant lesions on two tracers: signal, blindness, tables, images."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf
from scipy.ndimage import label as connected

from petnet.cohort import read_cohort, read_table
from petnet.errors import InputError
from petnet.simulation.latent import ideal_distance
from petnet.simulation.lesions import LesionCohort
from petnet.simulation.scanner import Center
from petnet.units import select_units

ROOT = Path(__file__).resolve().parents[2]
SMALL = {"patients": 6, "seed": 1, "single_arm_rate": 0.4, "missing_label_rate": 0.0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return LesionCohort(**SMALL).write(tmp_path_factory.mktemp("lesions") / "cohort", workers=2)


@pytest.fixture(scope="module")
def drawn():
    """600 patients of a cohort without missing arms."""
    cohort = LesionCohort(600, 5, prevalence=0.5, single_arm_rate=0.0)
    lesions = [lesion for i in range(600) for lesion in cohort.draw(i).lesions]
    return cohort, lesions


def auc(scores, labels):
    positive, negative = scores[labels], scores[~labels]
    return float((positive[:, None] > negative[None, :]).mean())


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_each_tracer_has_the_auc_asked_for_analytic(drawn):
    cohort, lesions = drawn
    malignant = np.array([x.malignant for x in lesions])
    assert malignant.sum() == round(0.5 * len(lesions))
    fdg, fapi = (np.array([x.latents[arm] for x in lesions]) for arm in ("fdg", "fapi"))
    distances = [ideal_distance(0.75), ideal_distance(0.85)]
    both = distances[0] * fdg + distances[1] * fapi
    found = {"fdg": fdg, "fapi": fapi, "combined": both}
    assert cohort.ideal_auc["combined"] == pytest.approx(0.8919, abs=1e-4)
    for name, score in found.items():
        wanted = cohort.ideal_auc[name]
        error = np.sqrt(wanted * (1 - wanted) / malignant.sum())  # a bound on it
        assert abs(auc(score, malignant) - wanted) < 3.5 * error
    side = np.where(malignant, 0.5, -0.5)
    within = [fdg - side * distances[0], fapi - side * distances[1]]
    assert abs(np.corrcoef(within)[0, 1]) < 3.5 / np.sqrt(len(lesions))
    figures = cohort.drawn_figures()
    for name in ("fdg", "fapi", "combined"):
        assert figures[name] == pytest.approx(auc(found[name], malignant))
    assert figures["available"] == figures["combined"]


def test_single_arms_come_at_their_rate_and_leave_less_to_see():
    cohort = LesionCohort(400, 2, single_arm_rate=0.5)
    arms = [tuple(t.arm for t in cohort.draw(i).studies) for i in range(400)]
    single = sum(len(a) == 1 for a in arms)
    assert abs(single - 200) < 3.5 * 10
    assert abs(arms.count(("fdg",)) - single / 2) < 3.5 * np.sqrt(single) / 2
    figures = cohort.drawn_figures()
    assert figures["available"] < figures["combined"]


def test_uptake_over_the_liver_is_the_latent_in_disguise(drawn):
    cohort, _ = drawn
    rows = []
    for patient in (cohort.draw(i) for i in range(80)):
        for lesion in patient.lesions:
            for arm in ("fdg", "fapi"):
                ratio = lesion.targets[arm].mean / patient.bodies[arm].suv["liver"]
                rows.append((arm == "fapi", lesion.latents[arm], np.log(ratio)))
    fapi, latent, ratio = np.array(rows).T
    for tracer in (0, 1):
        one = fapi == tracer
        slope, offset = np.polyfit(latent[one], ratio[one], 1)
        np.testing.assert_allclose(offset + slope * latent[one], ratio[one], atol=1e-9)
        assert slope == pytest.approx((0.5, 0.6)[tracer])


def test_nothing_else_looks_at_the_label():
    benign, malignant = (LesionCohort(60, 3, prevalence=p) for p in (0.0, 1.0))
    for index in range(60):
        a, b = benign.draw(index), malignant.draw(index)
        assert (a.age, a.sex, a.center, a.studies) == (b.age, b.sex, b.center, b.studies)
        assert a.acquisitions == b.acquisitions
        assert len(a.lesions) == len(b.lesions)
        for x, y in zip(a.lesions, b.lesions, strict=True):
            assert (x.uid, x.site, x.share) == (y.uid, y.site, y.share)
            assert (x.form.center, x.form.volume_ml) == (y.form.center, y.form.volume_ml)
            for arm, wanted in (("fdg", 0.75), ("fapi", 0.85)):
                shift = y.latents[arm] - x.latents[arm]
                assert shift == pytest.approx(ideal_distance(wanted))
                assert x.targets[arm].cov == y.targets[arm].cov


def test_a_larger_cohort_has_the_same_people():
    a, b = (LesionCohort(n, 3, prevalence=1.0).draw(2) for n in (3, 9))
    assert [x.latents for x in a.lesions] == [x.latents for x in b.lesions]
    assert a.bodies["fapi"].suv == b.bodies["fapi"].suv


def test_lesions_are_counted_as_asked():
    counts = np.bincount([LesionCohort(500, 8).count(i) for i in range(500)], minlength=5)[1:]
    np.testing.assert_allclose(counts / 500, (0.4, 0.3, 0.2, 0.1), atol=0.08)
    assert {len(LesionCohort(9, 8, lesion_shares=(1,)).draw(i).lesions) for i in range(9)} == {1}


def test_values_in_the_masks_are_those_of_the_truth(folder):
    cohort = read_cohort(folder)
    truth = read_table(folder / "truth.csv").set_index("lesion_uid")
    studies = cohort.studies.set_index("study")
    rois = cohort.rois[cohort.rois["role"] == "lesion"]
    assert set(rois["lesion_uid"]) == set(truth.index)
    seen = {"fdg": [], "fapi": []}
    for roi in rois.itertuples():
        study, row = studies.loc[roi.study], truth.loc[roi.lesion_uid]
        labels, pet = (nib.load(folder / p) for p in (roi.path, study["pet"]))
        np.testing.assert_allclose(labels.affine, pet.affine)
        mask = np.asarray(labels.dataobj) == roi.label
        volume_ml = mask.sum() * abs(np.linalg.det(labels.affine[:3, :3])) / 1000
        assert volume_ml == pytest.approx(float(row["volume_ml"]), rel=1e-5)
        assert connected(mask, np.ones((3, 3, 3)))[1] == 1
        mean = np.asarray(pet.dataobj)[mask].mean()
        assert mean == pytest.approx(float(row[f"{study['arm']}_suv_mean"]), rel=0.02)
        ratio = mean / float(row[f"{study['arm']}_liver_suv"])
        seen[study["arm"]].append((ratio, float(row[f"{study['arm']}_latent"])))
    for pairs in seen.values():
        ratio, latent = np.array(pairs).T
        assert np.corrcoef(np.log(ratio), latent)[0, 1] > 0.998


def test_reference_regions_hold_liver_and_blood(folder):
    cohort = read_cohort(folder)
    truth = read_table(folder / "truth.csv").drop_duplicates("patient").set_index("patient")
    studies = cohort.studies.set_index("study")
    rois = cohort.rois[cohort.rois["role"] == "reference"]
    assert (rois.groupby("study")["region"].agg(set) == {"liver", "blood_pool"}).all()
    for roi in rois.itertuples():
        study = studies.loc[roi.study]
        row = truth.loc[study["patient"]]
        mask = np.asarray(nib.load(folder / roi.path).dataobj) == roi.label
        mean = np.asarray(nib.load(folder / study["pet"]).dataobj)[mask].mean()
        tissue, tolerance = ("liver", 0.06) if roi.region == "liver" else ("blood", 0.2)
        assert mean == pytest.approx(float(row[f"{study['arm']}_{tissue}_suv"]), rel=tolerance)


def test_a_missing_arm_has_no_study(folder):
    cohort = read_cohort(folder)
    truth = read_table(folder / "truth.csv").drop_duplicates("patient").set_index("patient")
    arms = cohort.studies.groupby("patient")["arm"].agg("+".join)
    assert arms.to_dict() == truth["arms"].to_dict()
    assert len(set(arms)) > 1
    assert set(cohort.rois["study"]) == set(cohort.studies["study"])
    images = {str(p.relative_to(folder)) for p in folder.rglob("*.nii.gz")}
    assert images == set(cohort.files())


def test_the_task_finds_every_lesion_with_the_arms_it_has(folder):
    task = instantiate(
        OmegaConf.load(ROOT / "configs" / "task" / "benign_malignant.yaml"), _convert_="all"
    )
    table = select_units(read_cohort(folder), task, labelled=True)
    truth = read_table(folder / "truth.csv").set_index("lesion_uid")
    assert {unit.id.split("/")[1] for unit in table.units} == set(truth.index)
    for unit, target in zip(table.units, table.target, strict=True):
        row = truth.loc[unit.id.split("/")[1]]
        assert "+".join(series.arm for series in unit.series) == row["arms"]
        assert target == float(row["label"])
        assert all(len(series.references) == 2 for series in unit.series)


def test_lesions_lie_apart_and_in_the_body():
    """Without blur: no mask loses a voxel to another, nor to a reference region."""
    cohort = LesionCohort(40, 6, lesion_shares=(0.1, 0.1, 0.1, 0.7))
    patient = next(p for p in map(cohort.draw, range(40)) if len(p.lesions) == 4)
    tracer = patient.studies[0]
    pet = cohort.pet(patient, tracer)
    sizes = np.bincount(pet.labels.array.ravel(), minlength=5)[1:]
    assert sizes.tolist() == [int(voxels.mask.sum()) for voxels in pet.voxels]
    assert not (pet.labels.array[cohort.references(patient, tracer).array > 0]).any()
    ct = cohort.ct(patient, tracer, pet).array
    assert ct.min() < -900 < 40 < ct.max()
    for index in range(40):
        for lesion in cohort.draw(index).lesions:
            assert lesion.form.volume_ml < 25
            assert np.abs(lesion.form.center[0]) < 120


def test_same_bytes_for_any_number_of_workers_and_after_a_cut(folder, tmp_path, monkeypatch):
    simulate, made = LesionCohort.simulate, []

    def failing(self, index, folder):
        made.append(index)
        if len(made) == 3:
            raise KeyboardInterrupt
        return simulate(self, index, folder)

    monkeypatch.setattr(LesionCohort, "simulate", failing)
    cohort = LesionCohort(**SMALL)
    with pytest.raises(KeyboardInterrupt):
        cohort.write(tmp_path / "b", workers=1)
    cohort.write(tmp_path / "b", workers=1)
    assert made == [0, 1, 2, 2, 3, 4, 5]
    assert contents(tmp_path / "b") == contents(folder)


def test_labels_are_missing_at_their_rate_and_never_negative():
    cohort = LesionCohort(250, 4, missing_label_rate=0.2, missing_rate=0.1)
    patients = [cohort.draw(i) for i in range(250)]
    rows = [cohort.rows(p, {x.uid: 1.0 for x in p.lesions}) for p in patients]
    targets = [t for row in rows for t in row["targets"]]
    truth = [t["label"] for row in rows for t in row["truth"]]
    missing = [t["malignant"] is None for t in targets]
    assert abs(np.mean(missing) - 0.2) < 3.5 * np.sqrt(0.16 / len(targets))
    assert all(t["malignant"] in (None, y) for t, y in zip(targets, truth, strict=True))
    ages = [row["targets"][0]["age"] is None for row in rows]
    assert abs(np.mean(ages) - 0.1) < 3.5 * np.sqrt(0.09 / 250)


def test_config_and_record(folder):
    config = OmegaConf.load(ROOT / "configs" / "simulation" / "lesions.yaml")
    config.seed = 1
    made = instantiate(config)
    assert isinstance(made, LesionCohort)
    assert made == LesionCohort(seed=1)
    record = json.loads((folder / "cohort.json").read_text())
    assert (record["simulator"], record["complete"]) == ("lesions", True)
    assert set(record["ideal_drawn"]) == {"fdg", "fapi", "combined", "available"}


def test_centers_from_a_yaml_serve_as_well():
    listed = Center("a", "b", "c", 5.0, 0.1, [4.0, 4.0, 4.0], [2.5, 2.5, 3.0], "--+")
    assert LesionCohort(2, centers=[listed]).draw(0).center == listed


@pytest.mark.parametrize(
    ("setting", "value"), [("fapi_auc", 0.4), ("lesion_shares", (1, 0)), ("lesion_shares", ())]
)
def test_impossible_settings_are_refused(setting, value):
    with pytest.raises(InputError, match=setting):
        LesionCohort(**{setting: value})
