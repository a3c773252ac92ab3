"""Mesh, axes and hull against closed forms."""

import math

import numpy as np
import pytest
from scipy import special

from petnet.radiomics.catalogue import features_of
from petnet.radiomics.kernels.counts import pack
from petnet.radiomics.kernels.cpu_shape import mesh_patterns
from petnet.radiomics.marching import areas_and_volumes
from petnet.radiomics.morphology import ellipsoid_area, morphology_batch, morphology_features
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


def mesh_area_and_volume(mask, spacing_mm):
    packed = pack([mask], [mask])
    patterns = mesh_patterns(packed.inside, packed.offsets, packed.shapes)
    area, volume = areas_and_volumes(patterns, np.array([spacing_mm]))
    return float(area[0]), float(volume[0])


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
        (
            (1, 1, 1),
            {
                "elongation",
                "flatness",
                "volume_density_aee",
                "area_density_aee",
                "morans_i_index",
                "gearys_c_measure",
            },
        ),
        ((2, 1, 1), {"volume_density_aee", "area_density_aee"}),
        ((4, 1, 1), {"volume_density_aee", "area_density_aee"}),
        ((4, 3, 1), {"volume_density_aee", "area_density_aee"}),
        ((4, 3, 2), set()),
    ],
)
def test_undefined_is_nan(shape, undefined):
    values = np.arange(1.0, 1 + np.prod(shape)).reshape(shape)
    found = morphology_features(region_of(np.ones(shape), (1.0, 1.0, 5.0), values))
    assert {name for name, value in found.items() if math.isnan(value)} == undefined
    assert list(found) == [feature.name for feature in features_of("morph")]
    flat = morphology_features(region_of(np.ones(shape)))
    nan = {name for name, value in flat.items() if math.isnan(value)}
    assert nan == undefined | {"morans_i_index", "gearys_c_measure"}


def test_undefined_is_nan_without_intensities():
    mask = np.ones((3, 3, 3), dtype=bool)
    found = morphology_features(Region(np.ones((3, 3, 3)), mask, ~mask, (1.0, 1.0, 1.0)))
    assert {name for name, value in found.items() if math.isnan(value)} == {
        "centre_of_mass_shift",
        "integrated_intensity",
        "morans_i_index",
        "gearys_c_measure",
    }


def awkward_masks():
    """A line, a plane, a shell, pieces far apart, a diagonal, and noise."""
    rng = np.random.default_rng(11)
    yield np.ones((1, 1, 7), dtype=bool)
    yield np.ones((5, 1, 4), dtype=bool)
    yield np.pad(np.zeros((3, 3, 2), dtype=bool), 1, constant_values=True)
    apart = np.zeros((20, 9, 14), dtype=bool)
    apart[:2, :3, :2] = apart[-1, -1, -3:] = apart[7, 4, 7] = True
    yield apart
    yield np.eye(6, dtype=bool)[:, :, None] & np.eye(6, dtype=bool)[:, None, :]
    for density in (0.1, 0.5, 0.9):
        yield rng.random((6, 7, 8)) < density


def test_numpy_axes_and_scipy_hull_of_awkward_masks():
    from scipy.spatial import ConvexHull
    from scipy.spatial.distance import pdist

    spacing = np.array([1.0, 1.0, 5.0])
    for mask in awkward_masks():
        rng = np.random.default_rng(12)
        found = morphology_features(region_of(mask, tuple(spacing), rng.normal(size=mask.shape)))
        centres = np.argwhere(mask) * spacing
        covariance = np.cov(centres.T)
        axes = 4 * np.sqrt(np.maximum(np.linalg.eigvalsh(covariance), 0))
        names = ("least_axis_length", "minor_axis_length", "major_axis_length")
        assert [found[name] for name in names] == pytest.approx(axes, rel=1e-7, abs=1e-6)
        steps = np.concatenate([np.eye(3), -np.eye(3)]) * spacing / 2
        vertices = (centres[:, None] + steps).reshape(-1, 3)
        hull = ConvexHull(vertices)
        volume, area = found["volume_mesh"], found["surface_area_mesh"]
        assert found["volume_density_convex_hull"] == pytest.approx(volume / hull.volume)
        assert found["area_density_convex_hull"] == pytest.approx(area / hull.area)
        assert found["maximum_3d_diameter"] == pytest.approx(pdist(vertices).max())
        assert found["volume_density_aabb"] == pytest.approx(
            volume / np.ptp(vertices, axis=0).prod()
        )
        assert found["volume_density_ombb"] >= found["volume_density_aabb"] * (1 - 1e-9)
        assert found["volume_density_ombb"] <= found["volume_density_convex_hull"] * (1 + 1e-9)
        assert found["volume_density_mvee"] <= found["volume_density_convex_hull"] * (1 + 1e-9)


def test_analytic_densities_of_a_box():
    """Its hull lacks corners and edges, but touches every side of the box and its ellipsoid."""
    spacing = (1.0, 2.0, 0.5)
    found = morphology_features(region_of(np.ones((40, 30, 60)), spacing))
    sides = np.array([40.0, 60.0, 30.0])
    assert found["volume_density_ombb"] == pytest.approx(found["volume_mesh"] / sides.prod())
    box_area = 2 * (sides[0] * sides[1] + sides[1] * sides[2] + sides[2] * sides[0])
    assert found["area_density_ombb"] == pytest.approx(found["surface_area_mesh"] / box_area)
    # the smallest ellipsoid around a full box has semi-axes √3 / 2 of its sides
    around = 4 / 3 * math.pi * (sides * math.sqrt(3) / 2).prod()
    assert found["volume_density_mvee"] == pytest.approx(found["volume_mesh"] / around, rel=0.05)


def test_a_batch_is_its_regions_one_by_one():
    rng = np.random.default_rng(13)
    regions = [
        region_of(mask, tuple(rng.choice([0.7, 1.0, 3.0], size=3)), rng.normal(size=mask.shape))
        for mask in (*awkward_masks(), *awkward_masks())
    ]
    assert morphology_batch(regions) == [morphology_features(region) for region in regions]
    assert morphology_batch([]) == []


def test_without_autocorrelation_the_rest_is_the_same():
    region = region_of(np.ones((3, 4, 5)), values=np.arange(60.0).reshape(3, 4, 5))
    found = morphology_features(region)
    (rest,) = morphology_batch([region], autocorrelation=False)
    assert set(found) - set(rest) == {"morans_i_index", "gearys_c_measure"}
    assert rest == {name: found[name] for name in rest}


def test_memory_order_and_padding_change_nothing():
    """A mask that touches every face of its box, and the same inside a larger one."""
    rng = np.random.default_rng(14)
    mask, values = rng.random((7, 8, 9)) < 0.6, rng.normal(size=(7, 8, 9))
    found = morphology_features(region_of(mask, (1.0, 1.0, 5.0), values))
    turned = Region(np.asfortranarray(values), *[np.asfortranarray(mask)] * 2, (1.0, 1.0, 5.0))
    turned.values.flags.writeable = turned.intensity.flags.writeable = False
    assert morphology_features(turned) == found
    padded = region_of(np.pad(mask, 2), (1.0, 1.0, 5.0), np.pad(values, 2))
    assert morphology_features(padded) == pytest.approx(found, rel=1e-9)


def test_analytic_ellipsoid_area():
    assert ellipsoid_area(3.0, 3.0, 3.0) == pytest.approx(36 * math.pi)
    a, b, c = 4.0, 3.0, 2.0
    alpha, beta = math.sqrt(1 - (b / a) ** 2), math.sqrt(1 - (c / a) ** 2)
    argument = (alpha**2 + beta**2) / (2 * alpha * beta)
    series = sum(
        (alpha * beta) ** n / (1 - 4 * n**2) * special.eval_legendre(n, argument) for n in range(21)
    )
    assert ellipsoid_area(a, b, c) == pytest.approx(4 * math.pi * a * b * series, rel=1e-12)
