"""The simulated cohort of peritoneal spread: signal, blindness, regions, arms, missing labels."""

import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from petnet.cohort import read_cohort, read_table
from petnet.errors import InputError
from petnet.simulation import columns
from petnet.simulation.abdomen import LIVER_LABEL, MASS_LABEL, REGIONS
from petnet.simulation.peritoneal import PeritonealCohort
from petnet.units import select_units

ROOT = Path(__file__).resolve().parents[2]
SMALL = {
    "patients": 5, "seed": 7, "prevalence": 0.6, "single_arm_rate": 0.5, "missing_rate": 0.0,
    "missing_region_rate": 0.0,
}  # fmt: skip
SUV = {"fdg": (1.4, 0.3), "fapi": (1.1, 0.4)}  # of a region, as the module's docstring has it


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    target = tmp_path_factory.mktemp("peritoneal") / "cohort"
    return PeritonealCohort(**SMALL).write(target, workers=1)


@pytest.fixture(scope="module")
def imaged():
    """Six patients: the drawn one, and the PET, label map of each arm, and the CT."""
    cohort = PeritonealCohort(6, 2, single_arm_rate=0.0)
    patients = [cohort.draw(i) for i in range(6)]
    return [(p, [cohort.pet(p, scan) for scan in p.scans], cohort.ct(p)) for p in patients]


def read(path):
    image = nib.load(path)
    return np.asarray(image.dataobj), image.affine


def auc(scores, labels):
    positive, negative = scores[labels], scores[~labels]
    return float((positive[:, None] > negative[None, :]).mean())


def auc_error(expected, positive, negative):
    """Hanley and McNeil's standard error of an AUC; doi:10.1148/radiology.143.1.7063747."""
    q1, q2 = expected / (2 - expected), 2 * expected**2 / (1 + expected)
    variance = expected * (1 - expected)
    variance += (positive - 1) * (q1 - expected**2) + (negative - 1) * (q2 - expected**2)
    return np.sqrt(variance / (positive * negative))


# --- signal -----------------------------------------------------------------------------------


def test_uptake_of_every_region_is_its_latent_exactly(folder):
    cohort = read_cohort(folder)
    truth = read_table(folder / "truth.csv").set_index("patient")
    assert {"fdg", "fapi"} == set(cohort.studies["arm"])
    for study in cohort.studies.itertuples():
        pet, affine = read(folder / study.pet)
        rois = cohort.rois[cohort.rois["study"] == study.study]
        assert rois["path"].nunique() == 1
        labels, mask_affine = read(folder / rois["path"].iloc[0])
        np.testing.assert_array_equal(affine, mask_affine)
        median, slope = SUV[study.arm]
        regions = rois[rois["role"] == "region"]
        assert regions["region"].tolist() == [f"r{i}" for i in range(13)]
        for roi in regions.itertuples():
            latent = float(truth.loc[study.patient, f"{study.arm}_latent_{roi.region}"])
            mean = pet[labels == roi.label].mean(dtype=np.float64)
            assert mean == pytest.approx(median * np.exp(slope * latent), rel=1e-5)


def test_latents_of_regions_have_the_auc_asked_for_trial():
    cohort = PeritonealCohort(150, 3, prevalence=1.0, spread=0.5, fdg_auc=0.7, fapi_auc=0.9)
    truth = np.array([cohort.deposits(i) for i in range(150)])
    rows = [cohort.latents(i)[0] for i in range(150)]
    error = {w: auc_error(w, truth.sum(), (~truth).sum()) for w in (0.7, 0.9)}
    within = []
    for arm, wanted in (("fdg", 0.7), ("fapi", 0.9)):
        latents = np.array([row[arm] for row in rows])
        assert abs(auc(latents.ravel(), truth.ravel()) - wanted) < 3.5 * error[wanted]
        within.append(latents - np.where(truth, 0.5, -0.5) * cohort.observer.distances[arm])
    assert abs(np.corrcoef(within[0].ravel(), within[1].ravel())[0, 1]) < 3.5 / np.sqrt(truth.size)
    between = np.corrcoef(within[0].T)[np.triu_indices(13, 1)]
    assert np.abs(between).max() < 4.5 / np.sqrt(150)


def test_ideal_observers_of_drawn_patients_trial():
    """Patients as they are drawn, ranked by the score in truth.csv, against `ideal_auc`."""
    cohort = PeritonealCohort(
        300, 6, single_arm_rate=0.0, spread=0.15, fdg_auc=0.7, fapi_auc=0.75, clinical_auc=0.7
    )
    labels = cohort.labels()
    drawn = [cohort.latents(i) for i in range(300)]
    latents = {arm: np.array([d[0][arm] for d in drawn]) for arm in ("fdg", "fapi")}
    marker = np.array([d[1] for d in drawn])
    ideal, observer = cohort.ideal_auc, cohort.observer
    for seen in (("fdg",), ("fapi",), ("fdg", "fapi")):
        for clinical in (False, True):
            score = observer.log_ratio({t: latents[t] for t in seen}, marker if clinical else 0.0)
            name = "patient_" + ("both" if len(seen) == 2 else seen[0])
            expected = ideal[name + ("_clinical" if clinical else "")]
            assert abs(auc(score, labels) - expected) < 3.5 * auc_error(expected, 150, 150)
    assert abs(auc(marker, labels) - 0.7) < 3.5 * auc_error(0.7, 150, 150)


def test_region_observer_analytic():
    from scipy.stats import norm

    ideal = PeritonealCohort(2, fdg_auc=0.8, fapi_auc=0.8).ideal_auc
    assert ideal["region_both"] == pytest.approx(norm.cdf(norm.ppf(0.8) * np.sqrt(2)), abs=1e-12)
    assert ideal["region_fdg"] == pytest.approx(0.8)
    assert ideal["patient_clinical"] == 0.65


def test_marker_is_the_clinical_latent_in_other_clothes_analytic():
    latents = np.linspace(-3, 3, 61)
    rng = np.random.default_rng(0)
    values = [columns.ovarian_row(rng, c)["ca125"] for c in latents]
    np.testing.assert_allclose(np.log(np.array(values) / 120) / 1.1, latents, atol=1e-4)


# --- blindness --------------------------------------------------------------------------------


def test_nothing_but_the_carriers_looks_at_the_label():
    first, second = (PeritonealCohort(25, 5, prevalence=p, spread=1.0) for p in (0.0, 1.0))
    for index in range(25):
        a, b = first.draw(index), second.draw(index)
        assert not a.deposits.any()
        assert b.deposits.all()
        assert a.center == b.center
        assert (a.seen == b.seen).all()
        assert a.reading.regions == b.reading.regions
        assert a.reading.foci == b.reading.foci
        assert a.reading.mass.volume_ml == b.reading.mass.volume_ml
        for one, other in zip(a.scans, b.scans, strict=True):
            assert one.tracer.arm == other.tracer.arm
            assert one.acquisition == other.acquisition
            assert one.anatomy.suv == other.anatomy.suv
            assert one.targets[13] == other.targets[13]
            for t, u in zip(one.targets, other.targets, strict=True):
                assert replace(t, mean=1.0) == replace(u, mean=1.0)
        rows = [c.rows(p, "x")["targets"][0] for c, p in ((first, a), (second, b))]
        changed = {key for key in rows[0] if rows[0][key] != rows[1][key]}
        assert changed <= {"ca125", "peritoneal", *REGIONS}


def test_presence_of_a_mask_says_nothing(imaged):
    for patient, scans, _ in imaged:
        for scan, (_, labels) in zip(patient.scans, scans, strict=True):
            # between abdomen and pelvis breathing stretches, by 1.5 / 140 per mm at most
            stretch = 1.5 / 140 * abs(scan.acquisition.breathing_mm)
            assert np.unique(labels.array).tolist() == list(range(16))
            for number, region in enumerate(patient.reading.regions, 1):
                ml = (labels.array == number).sum() * labels.voxel_volume_ml
                expected = 4 / 3 * np.pi * np.prod(region.semi) * np.prod(patient.anatomy.scale)
                assert ml == pytest.approx(expected / 1000, rel=0.06 + stretch)
                assert 8 < ml < 75
            mass_ml = (labels.array == MASS_LABEL).sum() * labels.voxel_volume_ml
            assert mass_ml == pytest.approx(patient.reading.mass.volume_ml, rel=0.1)
            liver_ml = (labels.array == LIVER_LABEL).sum() * labels.voxel_volume_ml
            assert liver_ml == pytest.approx(4 / 3 * np.pi * 15**3 / 1000, rel=0.1)


# --- anatomy ----------------------------------------------------------------------------------


def millimetres(labels, number):
    return (np.argwhere(labels.array == number) @ labels.affine[:3, :3].T) + labels.affine[:3, 3]


def test_regions_lie_inside_the_body_under_fat_and_skin(imaged):
    """Depth under the skin of the CT's filled outline, at every voxel of every region."""
    for patient, scans, ct in imaged:
        outline = ct.array > -300
        body = np.stack(
            [ndimage.binary_fill_holes(outline[:, :, k]) for k in range(outline.shape[2])], axis=2
        )
        depth = ndimage.distance_transform_edt(body, sampling=ct.spacing_mm)
        for _, labels in scans:
            for number in range(1, 16):
                index = (millimetres(labels, number) - ct.affine[:3, 3]) / np.diag(ct.affine)[:3]
                index = np.rint(index).astype(int).clip(0, np.array(ct.array.shape) - 1)
                assert depth[tuple(index.T)].min() > patient.anatomy.fat_mm * 0.85 + 5


def test_regions_lie_where_their_numbers_say(imaged):
    """Sugarbaker's grid in RAS+ millimetres: right is +x, front +y, up +z."""
    for _, scans, _ in imaged:
        for _, labels in scans:
            x, y, z = np.array([millimetres(labels, n).mean(axis=0) for n in range(1, 14)]).T
            assert min(x[[1, 8, 7]]) > 25 > max(x[[0, 2, 6]]) > -25 > max(x[[3, 4, 5]])
            assert min(z[[1, 2, 3]]) > max(z[[8, 0, 4]]) > min(z[[8, 0, 4]]) > max(z[[5, 6, 7]])
            assert y[6] < min(y[[5, 7]])  # the pouch behind the uterus
            assert y[0] > max(y[9:13])  # the omentum before the bowel
            assert min(x[[11, 12]]) > 0 > max(x[[9, 10]])
            assert min(z[[9, 11]]) > max(z[[10, 12]])


def test_tracers_go_where_they_go(imaged):
    """FDG lights up the liver more than FAPI; the uterus is bright on FAPI; the liver is clean."""
    for patient, scans, _ in imaged:
        (fdg, fdg_labels), (fapi, fapi_labels) = scans
        assert (fdg.tracer, fapi.tracer) == ("FDG", "FAPI")
        livers = []
        for scan, (pet, labels) in zip(patient.scans, scans, strict=True):
            values = pet.array[labels.array == LIVER_LABEL]
            assert values.mean() == pytest.approx(scan.anatomy.suv["liver"], rel=0.12)
            livers.append(values.mean())
        assert livers[0] > livers[1]
        assert patient.scans[1].anatomy.suv["uterus"] > patient.scans[1].anatomy.suv["muscle"]
        assert np.isfinite(fdg.array).all()
        assert fdg.array.min() >= 0
        assert fapi_labels.array.shape == fdg_labels.array.shape


def test_foci_have_the_same_sizes_whatever_they_are():
    cohort = PeritonealCohort(60, 9)
    sizes = {True: [], False: []}
    for index in range(60):
        patient = cohort.draw(index)
        for focus, deposit in zip(patient.reading.foci, patient.deposits, strict=True):
            sizes[bool(deposit)].append(np.prod(focus.semi))
    from scipy.stats import ks_2samp

    assert ks_2samp(sizes[True], sizes[False]).pvalue > 1e-3
    assert min(map(len, sizes.values())) > 100


# --- arms and labels --------------------------------------------------------------------------


def test_a_patient_with_one_arm_has_one_study(folder):
    cohort = read_cohort(folder)
    truth = read_table(folder / "truth.csv").set_index("patient")
    arms = cohort.studies.groupby("patient")["arm"].agg(list)
    assert {len(a) for a in arms} == {1, 2}
    for patient, found in arms.items():
        assert truth.loc[patient, "arms"].split() == found
        on_disk = sorted(p.parent.name for p in (folder / "images" / patient).glob("*/pet.nii.gz"))
        assert on_disk == sorted(found)
    for patient, group in cohort.studies.groupby("patient"):
        assert group["ct"].unique().tolist() == [f"images/{patient}/ct.nii.gz"]
        assert group["weight_kg"].nunique() == 1
    doses = cohort.studies.astype({"dose_bq": float}).groupby("arm")["dose_bq"].mean()
    assert doses["fapi"] < 0.7 * doses["fdg"]


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_single_arms_come_at_their_rate(rate):
    cohort = PeritonealCohort(120, 8, single_arm_rate=rate)
    arms = [[s.tracer.arm for s in cohort.draw(i).scans] for i in range(120)]
    single = [a for a in arms if len(a) == 1]
    assert abs(len(single) / 120 - rate) <= 3.5 * np.sqrt(rate * (1 - rate) / 120)
    if rate:
        share = sum(a == ["fdg"] for a in single) / len(single)
        assert abs(share - 0.5) < 3.5 * np.sqrt(0.25 / len(single))


def test_label_rule():
    """A deposit seen is positive; none seen is negative only where everything was seen."""
    drawn = PeritonealCohort(1, 1).draw(0)
    deposits, seen = np.zeros(13, dtype=bool), np.ones(13, dtype=bool)
    deposits[4] = True
    unseen = seen.copy()
    unseen[4] = False

    def rule(deposits, seen):
        return replace(drawn, deposits=deposits, seen=seen).labels()

    none = np.zeros(13, dtype=bool)
    assert rule(deposits, seen) == {"peritoneal": 1, **dict.fromkeys(REGIONS, 0), "r4": 1}
    assert rule(deposits, unseen) == {"peritoneal": None, **dict.fromkeys(REGIONS, 0), "r4": None}
    assert rule(none, seen) == {"peritoneal": 0, **dict.fromkeys(REGIONS, 0)}
    assert rule(none, unseen)["peritoneal"] is None
    both = deposits.copy()
    both[5] = True
    assert rule(both, unseen) == {
        "peritoneal": 1, **dict.fromkeys(REGIONS, 0), "r5": 1, "r4": None,
    }  # fmt: skip


def test_region_labels_are_missing_at_their_rate_and_prevalence_is_exact():
    cohort = PeritonealCohort(300, 4, prevalence=0.3, missing_region_rate=0.08)
    seen = np.array([cohort.draw(i).seen for i in range(300)])
    incomplete = ~seen.all(axis=1)
    # 8 % of the labels: 40 % of the regions of a fifth of the patients
    assert abs(incomplete.mean() - 0.2) < 3.5 * np.sqrt(0.2 * 0.8 / 300)
    assert abs((~seen[incomplete]).mean() - 0.4) < 3.5 * np.sqrt(0.24 / (13 * incomplete.sum()))
    assert cohort.labels().sum() == 90
    deposits = np.array([cohort.deposits(i) for i in range(300)])
    np.testing.assert_array_equal(deposits.any(axis=1), cohort.labels())


def test_tables_fit_both_tasks(folder):
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    cohort = read_cohort(folder)
    truth = read_table(folder / "truth.csv").set_index("patient")
    for name, target in (
        ("peritoneal", truth["label"]),
        ("peritoneal_regions", truth[[f"label_r{i}" for i in range(13)]]),
    ):
        task = instantiate(OmegaConf.load(ROOT / "configs" / "task" / f"{name}.yaml"))
        units = select_units(cohort, task, labelled=True)
        assert units.ids == truth.index.tolist()
        np.testing.assert_array_equal(units.target, target.astype(float).to_numpy())
        assert not units.clinical.drop(columns="ascites").isna().to_numpy().any()
        series = {len(unit.series) for unit in units.units}
        assert series == {1, 2}
        for unit in units.units:
            for one in unit.series:
                assert len(one.regions) == 13
                assert [region.region for region in one.references] == ["liver"]
    assert truth["label"].astype(int).sum() == 3


def test_cohort_json_and_same_bytes_again(folder, tmp_path):
    record = json.loads((folder / "cohort.json").read_text())
    ideal = record["ideal_auc"]
    assert record["complete"] is True
    assert record["ideal_auc_draws"] >= 20_000
    assert ideal["patient_both_clinical"] > ideal["patient_both"] > ideal["patient_fapi"] > 0.9
    again = PeritonealCohort(**SMALL).write(tmp_path / "again", workers=1)
    for path in sorted(p.relative_to(folder) for p in folder.rglob("*") if p.is_file()):
        assert (again / path).read_bytes() == (folder / path).read_bytes(), path


def test_patient_is_the_same_in_a_larger_cohort():
    small, large = (PeritonealCohort(n, 3, prevalence=0.0, single_arm_rate=0) for n in (3, 8))
    a, b = small.draw(2), large.draw(2)
    for scan, other in zip(a.scans, b.scans, strict=True):
        np.testing.assert_array_equal(small.pet(a, scan)[0].array, large.pet(b, other)[0].array)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("fapi_auc", 0.4), ("spread", 1.5), ("single_arm_rate", -0.1), ("missing_region_rate", 0.5)],
)
def test_impossible_settings_are_refused(setting, value):
    with pytest.raises(InputError, match=setting):
        PeritonealCohort(**{setting: value})


def test_config_builds_the_cohort():
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    config = OmegaConf.load(ROOT / "configs" / "simulation" / "peritoneal.yaml")
    config.seed = 1  # that of the command line, which this file refers to
    assert instantiate(config) == PeritonealCohort()


@pytest.mark.full
def test_images_show_what_was_planted_and_nothing_else_trial():
    """80 patients: AUC, over all regions, of what is measured in the images."""
    cohort = PeritonealCohort(80, 2, prevalence=1.0, single_arm_rate=0.0)
    rows = {"fdg": [], "fapi": []}
    truth = np.array([cohort.deposits(i) for i in range(80)]).ravel()
    for index in range(80):
        patient = cohort.draw(index)
        for scan in patient.scans:
            pet, labels = cohort.pet(patient, scan)
            for number in range(1, 14):
                suv = pet.array[labels.array == number]
                rows[scan.tracer.arm].append(
                    (suv.mean(), suv.max(), suv.std() / suv.mean(), suv.size)
                )
    positive, negative = int(truth.sum()), int((~truth).sum())
    for arm, wanted in (("fdg", 0.75), ("fapi", 0.85)):
        mean, largest, spread, size = np.array(rows[arm]).T
        error = auc_error(wanted, positive, negative)
        assert abs(auc(mean, truth) - wanted) < 3.5 * error
        assert wanted - 0.08 < auc(largest, truth) < wanted + 3.5 * error
        for blind in (spread, size):
            assert abs(auc(blind, truth) - 0.5) < 3.5 * auc_error(0.5, positive, negative)
