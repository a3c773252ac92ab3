"""The simulated cohort of nodal metastasis: signal, blindness, anatomy, tables."""

import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.spatial import ConvexHull
from scipy.stats import norm

from petnet.cohort import read_cohort, read_table
from petnet.errors import InputError
from petnet.simulation import chest, columns
from petnet.simulation.foci import ExactTarget, random_directions, set_uptake
from petnet.simulation.nodal import CARRIERS, NodalCohort
from petnet.simulation.texture import Target
from petnet.units import select_units

ROOT = Path(__file__).resolve().parents[2]
SMALL = {"patients": 4, "seed": 3, "prevalence": 0.5, "node_auc": 0.7, "missing_rate": 0.0}


def auc(scores, labels):
    positive, negative = scores[labels], scores[~labels]
    return float((positive[:, None] > negative[None, :]).mean())


def auc_error(expected, positive, negative):
    """Hanley and McNeil's standard error of an AUC; doi:10.1148/radiology.143.1.7063747."""
    q1, q2 = expected / (2 - expected), 2 * expected**2 / (1 + expected)
    variance = expected * (1 - expected)
    variance += (positive - 1) * (q1 - expected**2) + (negative - 1) * (q2 - expected**2)
    return np.sqrt(variance / (positive * negative))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return NodalCohort(**SMALL).write(tmp_path_factory.mktemp("nodal") / "cohort", workers=1)


@pytest.fixture(scope="module")
def imaged():
    cohort = NodalCohort(10, 11, prevalence=0.5)
    patients = [cohort.draw(i) for i in range(10)]
    return [(patient, cohort.pet(patient)) for patient in patients]


def read(folder, path):
    image = nib.load(folder / path)
    return np.asarray(image.dataobj), image.affine


# --- signal -----------------------------------------------------------------------------------


def test_latents_have_the_auc_asked_for_and_add_up_trial():
    wanted = {"metabolic": 0.8, "ct": 0.75, "node": 0.6}
    cohort = NodalCohort(
        800, 4, prevalence=0.4, **{f"{name}_auc": value for name, value in wanted.items()}
    )
    rows = [cohort.latents(i) for i in range(800)]
    labels = cohort.labels()
    latents = {name: np.array([row[name] for row in rows]) for name in CARRIERS}
    for name, expected in wanted.items():
        assert abs(auc(latents[name], labels) - expected) < 3.5 * auc_error(expected, 320, 480)
    # the log likelihood ratio of normal densities, summed as the latents are independent
    score = sum(
        norm.logpdf(latents[name], d / 2) - norm.logpdf(latents[name], -d / 2)
        for name, d in cohort.distances().items()
    )
    best = cohort.ideal_auc["combined"]
    assert abs(auc(score, labels) - best) < 3.5 * auc_error(best, 320, 480)
    within = np.array(
        [latents[n] - np.where(labels, 0.5, -0.5) * d for n, d in cohort.distances().items()]
    )
    assert np.abs(np.corrcoef(within) - np.eye(3)).max() < 3.5 / np.sqrt(800)


def test_two_equal_halves_leave_room_for_a_combined_model_analytic():
    """Phi(d) for two latents of AUC Phi(d / sqrt 2) = 0.8 each: 0.8830."""
    ideal = NodalCohort(2).ideal_auc
    assert ideal["combined"] == pytest.approx(norm.cdf(norm.ppf(0.8) * np.sqrt(2)), abs=1e-12)
    assert ideal["combined"] == pytest.approx(0.8830, abs=1e-4)
    assert ideal["node"] == 0.5


def test_uptake_in_the_mask_is_the_latent_exactly(folder):
    cohort = read_cohort(folder)
    truth = read_table(folder / "truth.csv").set_index("patient")
    for study in cohort.studies.itertuples():
        row = truth.loc[study.patient].to_dict()
        pet, _ = read(folder, study.pet)
        rois = cohort.rois[cohort.rois["study"] == study.study]
        labels, _ = read(folder, rois["path"].iloc[0])
        mean = {roi.roi: pet[labels == roi.label].mean() for roi in rois.itertuples()}
        primary = mean[f"{study.study}-primary"]
        assert primary == pytest.approx(5 * np.exp(0.45 * float(row["metabolic_latent"])), rel=1e-5)
        nodes = [mean[roi.roi] for roi in rois.itertuples() if roi.role == "node"]
        ratio = max(nodes) / float(row["blood_suv"])
        assert ratio == pytest.approx(1.5 * np.exp(0.3 * float(row["node_latent"])), rel=1e-5)
        assert nodes[0] == max(nodes)
        blood = mean[f"{study.study}-blood-pool"]
        assert blood == pytest.approx(float(row["blood_suv"]), rel=0.08)


def test_attenuation_is_in_the_table_and_in_the_image(folder):
    cohort = read_cohort(folder)
    truth = read_table(folder / "truth.csv").set_index("patient")
    for study in cohort.studies.itertuples():
        target = cohort.targets.set_index("patient").loc[study.patient]
        hu = float(target["ct_density_hu"])
        latent = float(truth.loc[study.patient, "ct_latent"])
        assert hu == pytest.approx(70 - 150 * np.log(1 + np.exp(0.8 - latent)), abs=1e-3)
        patient = NodalCohort(**SMALL).draw(int(study.patient[1:]) - 1)
        ct, affine = read(folder, study.ct)
        center = np.array(patient.primary.center) * patient.anatomy.scale
        index = np.rint(np.linalg.inv(affine) @ [*center, 1])[:3].astype(int)
        around = tuple(slice(i - 1, i + 2) for i in index)
        assert ct[around].mean() == pytest.approx(hu, abs=3.5 * 11 / np.sqrt(6))  # correlated noise


def test_density_increases_strictly_and_its_words_follow_analytic():
    hu = [columns.density_hu(x) for x in np.linspace(-5, 5, 2001)]
    assert (np.diff(hu) > 0).all()
    assert -900 < hu[0] < hu[-1] < 70
    assert columns.density_hu(0.8) == pytest.approx(70 - 150 * np.log(2))
    words = [columns.density_type(value) for value in (-300.1, -300, -150.1, -150, 40)]
    assert words == ["pure ground-glass", "part-solid", "part-solid", "solid", "solid"]


@pytest.mark.parametrize("count", [1, 2, 5, 60, 4000])
def test_few_quantiles_keep_their_mean_analytic(count):
    target = ExactTarget(7.0, 0.5, 0.7)
    values = target.quantiles(count)
    assert values.mean() == pytest.approx(7.0, rel=1e-12)
    assert (np.diff(values) > 0).all()
    assert values.min() > 0
    # far from the tails' share of a small sample, the distribution is the parent's
    np.testing.assert_allclose(
        values / values.mean(),
        Target(7.0, 0.5, 0.7).quantiles(count) / Target(7.0, 0.5, 0.7).quantiles(count).mean(),
    )


def test_touching_regions_keep_their_own_values_brute_force():
    rng = np.random.default_rng(2)
    image = rng.gamma(4.0, 0.5, (20, 12, 12)).astype(np.float32)
    labels = np.zeros(image.shape, dtype=np.uint8)
    labels[4:9, 3:9, 3:9], labels[9:14, 3:9, 3:9] = 1, 3
    before = image.copy()
    targets = {1: ExactTarget(2.0, 0.3, 0.3), 3: ExactTarget(8.0, 0.3, 0.3)}
    set_uptake(image, labels, targets, (4.0, 4.0, 4.0))
    for label, target in targets.items():
        inside = labels == label
        expected = target.quantiles(int(inside.sum())).astype(np.float32)
        np.testing.assert_array_equal(np.sort(image[inside]), expected)
        assert (np.argsort(image[inside]) == np.argsort(before[inside])).all()


# --- blindness --------------------------------------------------------------------------------


def test_nothing_but_the_carriers_looks_at_the_label():
    first, second = (NodalCohort(30, 5, prevalence=p, node_auc=0.6) for p in (0.0, 1.0))
    carriers = {"ct_density_hu", "density_type", "nodal_metastasis"}
    for index in range(30):
        a, b = first.draw(index), second.draw(index)
        assert (a.center, a.acquisition, a.lobe) == (b.center, b.acquisition, b.lobe)
        assert a.primary.center == b.primary.center
        assert a.primary.volume_ml == b.primary.volume_ml
        for one, other in zip(a.nodes, b.nodes, strict=True):
            assert (one.station, one.short_axis_mm) == (other.station, other.short_axis_mm)
        for one, other in zip(a.lesions, b.lesions, strict=True):
            assert replace(one.target, mean=1.0) == replace(other.target, mean=1.0)
            assert one.share == other.share
        rows = [c.rows(p, "x", 1.0)["targets"][0] for c, p in ((first, a), (second, b))]
        changed = {key for key in rows[0] if rows[0][key] != rows[1][key]}
        assert changed <= carriers
        for name, distance in first.distances().items():
            assert b.latents[name] - a.latents[name] == pytest.approx(distance)


def test_patient_is_the_same_in_a_larger_cohort():
    small, large = NodalCohort(3, 3, prevalence=0.0), NodalCohort(8, 3, prevalence=0.0)
    a, b = small.draw(2), large.draw(2)
    np.testing.assert_array_equal(small.pet(a).image.array, large.pet(b).image.array)


# --- anatomy ----------------------------------------------------------------------------------


def test_regions_have_the_volumes_asked_for_so_none_overlaps(imaged):
    for patient, made in imaged:
        volume_ml = made.labels.voxel_volume_ml
        for label, lesion in enumerate(patient.lesions, 1):
            voxels = int((made.labels.array == label).sum())
            assert abs(voxels - lesion.form.volume_ml / volume_ml) <= 1 + 0.03 * voxels
        assert 20 < (made.labels.array == patient.blood_label).sum() < 120
        assert made.labels.array.max() == patient.blood_label
        assert 0.9 < patient.primary.volume_ml < 40.1


def test_regions_lie_where_their_names_say(imaged):
    """Signs of RAS+ millimetres: right is +x, up is +z."""
    for patient, made in imaged:
        centers = {}
        for label in range(1, patient.blood_label + 1):
            index = np.argwhere(made.labels.array == label).mean(axis=0)
            centers[label] = (made.labels.affine @ [*index, 1])[:3]
        side = 1 if patient.lobe.startswith("R") else -1
        assert side * centers[1][0] > 40
        assert (centers[1][2] > 90) == patient.lobe.endswith("UL")
        for label, node in enumerate(patient.nodes, 2):
            x, _, z = centers[label]
            assert abs(x) < 65
            if node.station[-1] in "RL":
                assert (x > 0) == (node.station[-1] == "R")
            assert (z > 105) == (int(node.station.rstrip("RL")) <= 5)


def test_short_axis_of_a_node_brute_force():
    """Width of the node's axial section, the least over all directions, on a grid of 0.1 mm."""
    rng = np.random.default_rng(8)
    sizes = []
    for _ in range(12):
        for node in chest.draw_nodes(rng):
            x = np.arange(-14, 14, 0.1, dtype=np.float32)
            axes = chest_axes(node.form.center, x)
            section = np.argwhere(node.form.radius(axes)[:, :, 0] < node.edge_mm + 2.0) * 0.1
            corners = section[ConvexHull(section).vertices]
            angles = np.linspace(0, np.pi, 361)
            along = corners @ np.stack([np.cos(angles), np.sin(angles)])
            assert np.ptp(along, axis=0).min() == pytest.approx(node.short_axis_mm, abs=0.35)
            sizes.append(node.short_axis_mm)
    assert min(sizes) >= 4
    assert max(sizes) <= 14
    assert not [s for s in sizes if 8 < s < 9]


def chest_axes(center, offsets):
    from petnet.simulation.shapes import Axes

    cx, cy, cz = center
    return Axes(
        (offsets + cx).astype(np.float32),
        (offsets + cy).astype(np.float32),
        np.array([cz], dtype=np.float32),
    )


def test_directions_are_orthonormal_and_spread_over_the_sphere_trial():
    rng = np.random.default_rng(0)
    drawn = np.array([random_directions(rng) for _ in range(2000)])
    products = drawn @ drawn.transpose(0, 2, 1)
    np.testing.assert_allclose(products, np.broadcast_to(np.eye(3), products.shape), atol=1e-12)
    assert np.abs(drawn.mean(axis=0)).max() < 3.5 / np.sqrt(3 * 2000)
    np.testing.assert_allclose((drawn**2).mean(axis=0), 1 / 3, atol=0.025)


# --- tables -----------------------------------------------------------------------------------


def test_tables_fit_the_task(folder):
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    task = instantiate(OmegaConf.load(ROOT / "configs" / "task" / "nodal.yaml"))
    cohort = read_cohort(folder)
    units = select_units(cohort, task, labelled=True)
    assert units.ids == ["P0001", "P0002", "P0003", "P0004"]
    truth = read_table(folder / "truth.csv")["label"].astype(int).tolist()
    assert units.target.tolist() == truth
    assert sum(truth) == 2
    assert not units.clinical.isna().to_numpy().any()
    assert set(cohort.rois["role"]) == {"primary", "node", "reference"}
    nodes = cohort.rois[cohort.rois["role"] == "node"]
    assert set(nodes["region"]) <= set(chest.STATIONS)
    assert not nodes.duplicated(["study", "region"]).any()
    record = json.loads((folder / "cohort.json").read_text())
    assert record["complete"] is True
    assert set(record["ideal_auc"]) == {"metabolic", "ct", "node", "combined"}


def test_same_bytes_again(folder, tmp_path):
    again = NodalCohort(**SMALL).write(tmp_path / "again", workers=1)
    for path in sorted(p.relative_to(folder) for p in folder.rglob("*") if p.is_file()):
        assert (again / path).read_bytes() == (folder / path).read_bytes(), path


def test_missing_values_come_at_their_rate():
    cohort = NodalCohort(120, 4, missing_rate=0.1)
    rows = [cohort.rows(cohort.draw(i), "x", 1.0)["targets"][0] for i in range(120)]
    cells = [v for row in rows for k, v in row.items() if k not in ("patient", "nodal_metastasis")]
    rate = sum(value is None for value in cells) / len(cells)
    assert abs(rate - 0.1) < 3.5 * np.sqrt(0.1 * 0.9 / len(cells))
    assert sum(row["nodal_metastasis"] for row in rows) == 24


@pytest.mark.parametrize(
    ("setting", "value"), [("metabolic_auc", 0.4), ("ct_auc", 1.0), ("prevalence", -0.1)]
)
def test_impossible_settings_are_refused(setting, value):
    with pytest.raises(InputError, match=setting):
        NodalCohort(**{setting: value})


def test_config_builds_the_cohort():
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    config = OmegaConf.load(ROOT / "configs" / "simulation" / "nodal.yaml")
    config.seed = 1  # that of the command line, which this file refers to
    assert instantiate(config) == NodalCohort()


@pytest.mark.full
def test_images_show_what_was_planted_and_nothing_else_trial():
    """120 balanced patients: AUC of what is measured in the images and their CT."""
    cohort = NodalCohort(120, 2, prevalence=0.5)
    labels, rows = cohort.labels(), []
    for index in range(120):
        patient = cohort.draw(index)
        made = cohort.pet(patient)
        ct = cohort.ct(patient, made.voxels[0].edge_mm)
        suv = made.image.array[made.labels.array == 1]
        nodes = (made.labels.array > 1) & (made.labels.array < patient.blood_label)
        blood = made.image.array[made.labels.array == patient.blood_label].mean()
        center = np.array(patient.primary.center) * patient.anatomy.scale
        at = np.rint((np.linalg.inv(ct.affine) @ [*center, 1])[:3]).astype(int)
        core = tuple(slice(i - 1, i + 2) for i in at)
        rows.append(
            (
                suv.max(), ct.array[core].mean(), suv.size, suv.std() / suv.mean(),
                made.image.array[nodes].max() / blood, nodes.sum(), blood,
            )
        )  # fmt: skip
    columns_of = np.array(rows).T
    error = auc_error(0.8, 60, 60)
    for carrier in columns_of[:2]:
        assert abs(auc(carrier, labels) - 0.8) < 3.5 * error
    for blind in columns_of[2:]:
        assert abs(auc(blind, labels) - 0.5) < 3.5 * auc_error(0.5, 60, 60)
