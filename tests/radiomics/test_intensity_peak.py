"""Intensity peaks against brute force over all pairs of voxels, and closed forms."""

import math

import numpy as np
import pytest

from petnet.radiomics import peak
from petnet.radiomics.catalogue import features_of
from petnet.radiomics.peak import peak_features
from petnet.radiomics.preprocess import Region, prepare_region, resegment
from petnet.volume import Volume

RADIUS_MM = (1000 * 3 / (4 * math.pi)) ** (1 / 3)


def volumes(values, mask, spacing=(1.0, 1.0, 1.0), dtype=np.float32):
    affine = np.diag([*spacing, 1.0])
    return (
        Volume(np.asarray(values, dtype=dtype), affine, "SUVbw", "PT"),
        Volume(np.asarray(mask, dtype=bool), affine, "label", "MASK"),
    )


def brute_force(values, mask, spacing):
    """Every voxel of the mask against every voxel of the image."""
    values = np.asarray(values, dtype=np.float64)
    finite = np.isfinite(values)
    there = np.argwhere(finite) * spacing
    peaks, tops = [], []
    for voxel in np.argwhere(mask):
        near = np.linalg.norm(there - voxel * spacing, axis=1) <= RADIUS_MM
        peaks.append(math.fsum(values[finite][near]) / near.sum())
        tops.append(values[tuple(voxel)])
    local = max(p for p, top in zip(peaks, tops, strict=True) if top == max(tops))
    return {"local_intensity_peak": local, "global_intensity_peak": max(peaks)}


@pytest.mark.parametrize(
    ("shape", "spacing"),
    [
        ((15, 14, 16), (1.0, 1.0, 1.0)),
        ((12, 13, 9), (2.0, 2.0, 2.0)),
        ((18, 19, 6), (1.0, 1.0, 5.0)),
        ((5, 18, 17), (5.0, 1.0, 1.5)),
        ((8, 7, 6), (4.0, 4.0, 4.0)),
        ((6, 7, 5), (7.0, 7.0, 7.0)),
        ((1, 30, 1), (1.0, 1.0, 1.0)),
    ],
)
@pytest.mark.parametrize("density", [1.0, 0.3])
def test_brute_force(shape, spacing, density):
    """Masks that touch every face and others, holes, repeated maxima, negative intensities."""
    rng = np.random.default_rng(len(shape) + int(10 * density))
    values = np.rint(rng.normal(-50, 30, size=shape))
    mask = rng.random(shape) < density
    if density < 1 and min(shape) > 4:
        mask[:2], mask[:, -2:] = False, False
    found = peak_features(prepare_region(*volumes(values, mask, spacing)))
    assert list(found) == [feature.name for feature in features_of("local")]
    assert found == pytest.approx(brute_force(values, mask, spacing), rel=1e-9)


def test_brute_force_over_many_threads(monkeypatch):
    monkeypatch.setattr(peak, "SUMS_PER_THREAD", 3000)
    rng = np.random.default_rng(8)
    values, mask = rng.normal(size=(21, 15, 14)), rng.random((21, 15, 14)) < 0.4
    values = values.astype(np.float32)
    found = peak_features(prepare_region(*volumes(values, mask)))
    assert found == pytest.approx(brute_force(values, mask, (1.0, 1.0, 1.0)), rel=1e-9)


def test_brute_force_of_large_values_far_from_the_peak():
    """Running sums must not drown a faint lesion beside a bladder."""
    rng = np.random.default_rng(9)
    values = rng.normal(1e-3, 1e-4, size=(40, 16, 16))
    values[:6] = 1e3
    mask = np.zeros(values.shape, dtype=bool)
    mask[20:30, 5:11, 5:11] = True
    found = peak_features(prepare_region(*volumes(values, mask, dtype=np.float64)))
    assert found == pytest.approx(brute_force(values, mask, (1.0, 1.0, 1.0)), rel=1e-9)


def test_brute_force_with_holes_in_the_image():
    """What is not finite outside the mask is no part of the image."""
    rng = np.random.default_rng(10)
    values, mask = rng.normal(size=(14, 15, 16)), np.zeros((14, 15, 16), dtype=bool)
    mask[4:9, 5:9, 6:11] = True
    values[~mask & (rng.random(values.shape) < 0.5)] = np.nan
    values[0, 0, 0] = np.inf
    values = values.astype(np.float32)
    found = peak_features(prepare_region(*volumes(values, mask)))
    assert found == pytest.approx(brute_force(values, mask, (1.0, 1.0, 1.0)), rel=1e-9)


def test_brute_force_after_re_segmentation():
    """The intensity mask says where spheres stand, the whole image what they hold."""
    rng = np.random.default_rng(11)
    values, mask = rng.random((12, 12, 12)).astype(np.float32), np.zeros((12, 12, 12), dtype=bool)
    mask[2:10, 3:9, 1:11] = True
    region = resegment(prepare_region(*volumes(values, mask, (2.0, 2.0, 2.0))), (0.2, 0.6))
    kept = mask & (values >= 0.2) & (values <= 0.6)
    assert peak_features(region) == pytest.approx(
        brute_force(values, kept, (2.0, 2.0, 2.0)), rel=1e-9
    )


def test_analytic_sphere_on_a_ramp_and_at_its_end():
    """Whole spheres of a ramp have the mean of their centre; cut off, the mean of what is left."""
    values = np.broadcast_to(np.arange(30.0)[:, None, None], (30, 16, 16))
    mask = np.zeros(values.shape, dtype=bool)
    mask[10:20, 8, 8] = True
    found = peak_features(prepare_region(*volumes(values, mask)))
    assert found == pytest.approx({"local_intensity_peak": 19.0, "global_intensity_peak": 19.0})
    mask[29, 8, 8] = True
    cut = peak_features(prepare_region(*volumes(values, mask)))["local_intensity_peak"]
    assert 26 < cut < 27.5


def test_analytic_local_is_not_global():
    """A lone hot voxel beside a warm block."""
    values, mask = np.zeros((12, 5, 5)), np.zeros((12, 5, 5), dtype=bool)
    values[1, 2, 2], values[6:11, 1:4, 1:4] = 10.0, 6.0
    mask[1, 2, 2] = mask[6:11, 1:4, 1:4] = True
    found = peak_features(prepare_region(*volumes(values, mask, (6.0, 6.0, 6.0))))
    # at 6 mm the sphere holds the voxel and its six neighbours
    assert found == pytest.approx({"local_intensity_peak": 10 / 7, "global_intensity_peak": 6.0})


def test_without_surroundings_the_image_ends_at_the_box_and_nothing_is_nan():
    values = np.arange(27.0).reshape(3, 3, 3)
    mask = np.ones((3, 3, 3), dtype=bool)
    alone = Region(values, mask, mask, (4.0, 4.0, 4.0))
    assert peak_features(alone) == pytest.approx(brute_force(values, mask, (4.0, 4.0, 4.0)))
    nothing = resegment(alone, (100.0, 200.0))
    assert all(math.isnan(value) for value in peak_features(nothing).values())
