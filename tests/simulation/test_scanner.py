"""Point spread, noise, breathing and the phantom's values, against what they were asked to be."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import iv

from petnet.simulation import phantom, scanner
from petnet.simulation.her2 import Her2Cohort
from petnet.simulation.shapes import Clipped, Ellipsoid, Grid, Rod, Tube, paint

GRID = Grid.covering((-60, -60, -60), (60, 60, 60), (4.07, 4.07, 4.0), "--+")


@pytest.fixture(scope="module")
def studies():
    cohort = Her2Cohort(3, 2)
    made = []
    for index in range(3):
        patient = cohort.draw(index)
        pet, mask, voxels = cohort.pet(patient)
        made.append((patient, pet, mask, cohort.ct(patient, voxels.edge_mm)))
    return made


def coordinates(volume):
    return [
        volume.affine[a, 3] + volume.affine[a, a] * np.arange(volume.array.shape[a])
        for a in range(3)
    ]


def values_within(volume, anatomy, center, radius_mm, lift_mm=0.0):
    """Values of the voxels within a sphere around a point of the reference adult."""
    x, y, z = coordinates(volume)
    cx, cy, cz = np.asarray(center) * np.asarray(anatomy.scale) + (0, 0, lift_mm)
    near = (
        (x[:, None, None] - cx) ** 2 + (y[None, :, None] - cy) ** 2 + (z[None, None, :] - cz) ** 2
    ) < radius_mm**2
    return volume.array[near]


def organ(anatomy, tissue, nth=0):
    return [shape for name, shape in anatomy.organs if name == tissue][nth]


@pytest.mark.parametrize("fwhm_mm", [3.0, 5.0, 8.0])
def test_point_spread_has_the_variance_of_its_fwhm_analytic(fwhm_mm):
    point = np.zeros((31, 31, 31), dtype=np.float32)
    point[15, 15, 15] = 1.0
    spread = scanner.blur(point, fwhm_mm, GRID.spacing_mm).astype(np.float64)
    assert spread.sum() == pytest.approx(1.0, abs=1e-5)
    for axis, step in enumerate(GRID.spacing_mm):
        profile = spread.sum(axis=tuple({0, 1, 2} - {axis}))
        variance = (profile * ((np.arange(31) - 15) * step) ** 2).sum()
        assert np.sqrt(variance) * scanner.FWHM_PER_SIGMA == pytest.approx(fwhm_mm, rel=5e-3)


@pytest.mark.parametrize(("suv", "counts"), [(2.4, 1.0), (8.0, 1.0), (2.4, 2.0), (0.0, 1.0)])
def test_noise_variance_follows_activity_and_counts_analytic(suv, counts):
    center = scanner.CENTERS[0]
    flat = np.full((60, 60, 60), suv, dtype=np.float32)
    noisy = scanner.add_pet_noise(flat, np.random.default_rng(1), center, GRID, counts)
    expected = (center.liver_cov * 2.4) ** 2 * (suv + 0.3) / 2.7 / counts
    if suv == 0:  # negative values are cut: half of a normal distribution
        assert noisy.min() == 0
        assert (noisy**2).mean() == pytest.approx(expected / 2, rel=0.03)
    else:
        assert noisy.mean() == pytest.approx(suv, rel=0.003)
        assert noisy.var() == pytest.approx(expected, rel=0.03)
    if suv == 2.4:  # a discrete Gaussian correlated with itself: I_1(2 t) / I_0(2 t)
        t = (center.psf_fwhm_mm / scanner.FWHM_PER_SIGMA / 4.07) ** 2
        seen = np.corrcoef(noisy[:-1].ravel(), noisy[1:].ravel())[0, 1]
        assert seen == pytest.approx(iv(1, 2 * t) / iv(0, 2 * t), abs=0.01)


def test_counts_follow_dose_weight_and_decay_analytic():
    usual = scanner.Acquisition(70.0, 1.7, 250e6, 60.0, 0.0)
    assert usual.relative_counts == pytest.approx(1.0)
    assert replace(usual, uptake_min=60.0 + 109.77).relative_counts == pytest.approx(0.5)
    assert replace(usual, weight_kg=140.0).relative_counts == pytest.approx(0.5)


@pytest.mark.parametrize("signs", ["+++", "--+", "-+-"])
def test_volumes_of_painted_shapes_analytic(signs):
    grid = Grid.covering((-50, -50, -50), (50, 50, 50), (2.5, 2.0, 3.0), signs)
    shapes = {
        Ellipsoid((3.0, -2.0, 5.0), (30.0, 20.0, 25.0), 30.0): 4 / 3 * np.pi * 30 * 20 * 25,
        Rod(1.0, 2.0, (12.0, 16.0), -31.0, 29.0): np.pi * 12 * 16 * 60,
        Tube(((0.0, 1.0, 2.0),), (24.0,)): 4 / 3 * np.pi * 24**3,
        Clipped(Tube(((0.0, 1.0, 2.0),), (24.0,)), 1.0): 2 / 3 * np.pi * 24**3,
    }
    for shape, expected in shapes.items():
        image = np.zeros(grid.shape, dtype=np.float32)
        paint(image, grid.axes(), shape, 1.0, 3.0)
        assert image.sum(dtype=np.float64) * 15.0 == pytest.approx(expected, rel=0.03)
        centers = np.stack(np.meshgrid(*grid.axes().open(), indexing="ij"))
        centroid = (centers * image).sum(axis=(1, 2, 3)) / image.sum()
        if isinstance(shape, Ellipsoid):
            np.testing.assert_allclose(centroid, shape.center, atol=0.3)


def test_grid_affine_maps_indices_to_the_axes_analytic():
    axes = GRID.axes()
    corner = GRID.affine @ [3, 5, 7, 1]
    np.testing.assert_allclose(corner[:3], (axes.x[3], axes.y[5], axes.z[7]), atol=1e-3)
    assert axes.x[0] > axes.x[-1]
    assert axes.z[0] < axes.z[-1]


@pytest.mark.parametrize("shift_mm", [-4.0, 0.0, 12.0])
def test_breathing_moves_the_upper_abdomen_and_keeps_the_order_analytic(shift_mm):
    axes = Grid.covering((0, 0, -350), (10, 10, 150), (4, 4, 4), "+++").axes()
    moved = scanner.breathe(axes, shift_mm)
    assert (np.diff(moved.z) > 0).all()
    upper = (axes.z > -140) & (axes.z < 40)
    np.testing.assert_allclose(axes.z[upper] - moved.z[upper], shift_mm, atol=1e-3)
    np.testing.assert_array_equal(axes.z[axes.z < -280], moved.z[axes.z < -280])


def test_pet_lies_higher_than_ct_by_the_breathing_shift_analytic():
    """Without blur and noise: height of the stomach's centroid on the PET's and the CT's grid."""
    for index in range(3):
        patient = Her2Cohort(3, 4).draw(index)
        shift_mm = patient.acquisition.breathing_mm
        wall = organ(patient.anatomy, "stomach_wall")
        alone = replace(patient.anatomy, organs=[("stomach_wall", wall)])
        values = dict.fromkeys(patient.anatomy.hu, 0.0) | {"stomach_wall": 1.0}
        axes = Grid.covering((-150, -110, -200), (100, 130, 60), (4, 4, 4), "--+").axes()
        heights = []
        for seen in (axes, scanner.breathe(axes, shift_mm)):
            image = phantom.paint_body(alone, seen, values, 4.0)
            heights.append((image.sum(axis=(0, 1)) @ axes.z) / image.sum())
        assert heights[1] - heights[0] == pytest.approx(shift_mm, abs=0.3)


def test_organs_hold_the_values_drawn_for_them(studies):
    for patient, pet, _, ct in studies:
        anatomy, lift = patient.anatomy, patient.acquisition.breathing_mm
        liver = organ(anatomy, "liver").center
        inner = (liver[0] + 15, liver[1] - 15, liver[2] - 5)
        suv = values_within(pet, anatomy, inner, 22, lift)
        assert suv.mean() == pytest.approx(anatomy.suv["liver"], rel=0.03)
        assert 1.8 < suv.mean() < 3.2
        assert 0.05 < suv.std() / suv.mean() < 0.18
        hu = values_within(ct, anatomy, inner, 22)
        assert hu.mean() == pytest.approx(anatomy.hu["liver"], abs=2)
        assert 40 < hu.mean() < 76
        lung = organ(anatomy, "lung").center
        air = (lung[0] + 8, lung[1], lung[2] + 30)
        assert -850 < values_within(ct, anatomy, air, 15).mean() < -600
        assert 0.3 < values_within(pet, anatomy, air, 15).mean() < 0.8
        bladder = organ(anatomy, "bladder").center
        assert values_within(pet, anatomy, bladder, 10).mean() > 5
        assert ct.array.min() >= -1024


def test_lesion_is_on_the_pet_grid_connected_and_of_its_volume(studies):
    from scipy.ndimage import label

    for patient, pet, mask, ct in studies:
        assert mask.array.shape == pet.array.shape
        np.testing.assert_array_equal(mask.affine, pet.affine)
        assert label(mask.array)[1] == 1
        volume_ml = mask.array.sum() * mask.voxel_volume_ml
        assert volume_ml == pytest.approx(patient.form.volume_ml, rel=0.02)
        assert 14.5 < volume_ml < 80.5
        assert ct.array.dtype == np.int16
        assert np.isfinite(pet.array).all()
        assert pet.array.min() >= 0
        signs = "".join("+" if d > 0 else "-" for d in np.diag(pet.affine)[:3])
        assert signs == patient.center.signs


def test_no_seam_around_the_lesion(studies):
    """Just outside the mask PET falls off; it does not jump to the background."""
    from scipy.ndimage import distance_transform_edt

    for patient, pet, mask, _ in studies:
        away = distance_transform_edt(mask.array == 0, sampling=pet.spacing_mm)
        means = [
            pet.array[(away > low) & (away <= low + 4.3)].mean() / patient.target.mean
            for low in (0.0, 4.3, 8.6)
        ]
        assert 0.35 < means[0] < 0.85
        assert means[0] > means[1] > means[2]
