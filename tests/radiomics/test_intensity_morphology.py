"""Mesh, axes and hull against closed forms."""

import math

import numpy as np
import pytest
from scipy import special

from petnet.radiomics.catalogue import features_of
from petnet.radiomics.marching import mesh_area_and_volume, outermost_vertices
from petnet.radiomics.morphology import ellipsoid_area, morphology_features
from petnet.radiomics.preprocess import Region


def region_of(mask, spacing_mm=(1.0, 1.0, 1.0), values=None):
    mask = np.asarray(mask, dtype=bool)
    values = np.ones(mask.shape) if values is None else np.asarray(values, dtype=float)
    return Region(values, mask, mask, spacing_mm)


def ball(radius, spacing_mm):
    n = [2 * math.ceil(radius / s) + 3 for s in spacing_mm]
    axes = [(np.arange(k) - (k - 1) / 2) * s for k, s in zip(n, spacing_mm, strict=True)]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    return x**2 + y**2 + z**2 <= radius**2


def test_analytic_mesh_of_one_voxel():
    """An octahedron with half axes of half a voxel."""
    area, volume = mesh_area_and_volume(np.ones((1, 1, 1), dtype=bool), (2.0, 3.0, 5.0))
    a, b, c = 1.0, 1.5, 2.5
    assert volume == pytest.approx(4 / 3 * a * b * c)
    face = 0.5 * math.sqrt((a * b) ** 2 + (b * c) ** 2 + (c * a) ** 2)
    assert area == pytest.approx(8 * face)


def test_analytic_mesh_of_a_box():
    """Flat sides, edges cut at 45 degrees, corners as one voxel's."""
    n, m, k = 6, 5, 4
    area, volume = mesh_area_and_volume(np.ones((n, m, k), dtype=bool), (1.0, 1.0, 1.0))
    a, b, c = n - 1, m - 1, k - 1
    edges = a + b + c
    sides = a * b + b * c + c * a
    assert volume == pytest.approx(a * b * c + sides + edges * 4 / 8 + 1 / 6)
    assert area == pytest.approx(2 * sides + 4 * edges * math.sqrt(0.5) + math.sqrt(3))


def test_analytic_mesh_is_closed_and_the_same_from_every_side():
    """A mesh with a hole would have another flux along each axis."""
    rng = np.random.default_rng(5)
    for density in (0.1, 0.3, 0.5, 0.7, 0.95):
        mask = rng.random((7, 6, 5)) < density
        for spacing in ((1.0, 1.0, 1.0), (1.0, 2.0, 3.5)):
            area, volume = mesh_area_and_volume(mask, spacing)
            for axes in ((1, 2, 0), (2, 0, 1), (1, 0, 2)):
                turned = mesh_area_and_volume(mask.transpose(axes), [spacing[a] for a in axes])
                assert turned == pytest.approx((area, volume), rel=1e-9)
        # moving the mask does not change what it encloses
        moved = mesh_area_and_volume(np.pad(mask, ((3, 0), (0, 1), (2, 0))), (1.0, 1.0, 1.0))
        assert moved == pytest.approx(mesh_area_and_volume(mask, (1.0, 1.0, 1.0)), rel=1e-9)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (1.0, 1.0, 2.0), (0.7, 1.3, 1.0)])
def test_analytic_ball(spacing):
    radius = 20.0
    found = morphology_features(region_of(ball(radius, spacing), spacing))
    assert found["volume_mesh"] == pytest.approx(4 / 3 * math.pi * radius**3, rel=0.01)
    assert found["maximum_3d_diameter"] == pytest.approx(2 * radius, rel=0.05)
    # the covariance of a ball is r²/5 per axis, so that 4 √λ is 4 r / √5
    assert found["major_axis_length"] == pytest.approx(4 * radius / math.sqrt(5), rel=0.01)
    assert found["elongation"] == pytest.approx(1, abs=0.01)
    assert found["centre_of_mass_shift"] == pytest.approx(0, abs=1e-9)
    extent = [np.ptp(c) + 1 for c in np.nonzero(ball(radius, spacing))]
    box = np.prod(np.array(extent) * spacing)
    assert found["volume_density_aabb"] == pytest.approx(found["volume_mesh"] / box)
    # marching cubes on a binary ball overestimate its surface by about 8 %
    assert found["surface_area_mesh"] == pytest.approx(4 * math.pi * radius**2, rel=0.12)
    assert found["volume_density_convex_hull"] <= 1


def test_analytic_outermost_vertices_span_the_hull():
    from scipy.spatial import ConvexHull

    mask = np.random.default_rng(6).random((6, 7, 8)) < 0.4
    padded = np.pad(mask, 1)
    every = []
    for axis in range(3):
        crossings = np.argwhere(np.diff(padded.astype(int), axis=axis) != 0).astype(float) - 1
        crossings[:, axis] += 0.5
        every.append(crossings)
    full = ConvexHull(np.concatenate(every))
    part = ConvexHull(outermost_vertices(mask, (1.0, 1.0, 1.0)))
    assert (part.volume, part.area) == pytest.approx((full.volume, full.area))


def test_analytic_shift_and_integrated_intensity():
    values = np.zeros((2, 1, 1))
    values[1] = 4.0
    found = morphology_features(region_of(np.ones((2, 1, 1)), (3.0, 1.0, 1.0), values))
    assert found["centre_of_mass_shift"] == pytest.approx(1.5)
    assert found["integrated_intensity"] == pytest.approx(2.0 * found["volume_mesh"])
    balanced = region_of(np.ones((2, 1, 1)), values=[[[-1.0]], [[1.0]]])
    assert math.isnan(morphology_features(balanced)["centre_of_mass_shift"])


@pytest.mark.parametrize(
    ("shape", "undefined"),
    [
        ((1, 1, 1), {"elongation", "flatness", "volume_density_aee", "area_density_aee"}),
        ((4, 1, 1), {"volume_density_aee", "area_density_aee"}),
        ((4, 3, 1), {"volume_density_aee", "area_density_aee"}),
        ((4, 3, 2), set()),
    ],
)
def test_undefined_is_nan(shape, undefined):
    found = morphology_features(region_of(np.ones(shape)))
    assert {name for name, value in found.items() if math.isnan(value)} == undefined
    assert set(found) == {feature.name for feature in features_of("morph")}


def test_analytic_ellipsoid_area():
    assert ellipsoid_area(3.0, 3.0, 3.0) == pytest.approx(36 * math.pi)
    a, b, c = 4.0, 3.0, 2.0
    alpha, beta = math.sqrt(1 - (b / a) ** 2), math.sqrt(1 - (c / a) ** 2)
    argument = (alpha**2 + beta**2) / (2 * alpha * beta)
    series = sum(
        (alpha * beta) ** n / (1 - 4 * n**2) * special.eval_legendre(n, argument) for n in range(21)
    )
    assert ellipsoid_area(a, b, c) == pytest.approx(4 * math.pi * a * b * series, rel=1e-12)
