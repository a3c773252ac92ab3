"""PyRadiomics' definitions, each against its formula, SimpleITK or a literal search."""

import itertools

import numpy as np
import pytest
import SimpleITK as sitk
from pyradiomics_oracles import volumes

from petnet.errors import InputError
from petnet.radiomics.pyradiomics import PyRadiomicsSet, compute, names
from petnet.radiomics.pyradiomics.definitions import _mcc, discretise
from petnet.radiomics.pyradiomics.image_types import _gradient, _laplacian
from petnet.radiomics.pyradiomics.resampling import places_of_grid, resample, resample_mask
from petnet.radiomics.pyradiomics.shape import shape_features
from petnet.volume import Volume

INTERPOLATORS = {
    "nearest": sitk.sitkNearestNeighbor,
    "linear": sitk.sitkLinear,
    "cubic": sitk.sitkBSpline,
}


def as_sitk(array, spacing_mm, origin=(0, 0, 0), signs=(1, 1, 1)):
    image = sitk.GetImageFromArray(array.transpose(2, 1, 0))
    image.SetSpacing([float(s) for s in spacing_mm])
    image.SetOrigin([float(o) for o in origin])
    image.SetDirection(np.diag(signs).astype(float).ravel().tolist())
    return image


def from_sitk(image):
    return sitk.GetArrayFromImage(image).transpose(2, 1, 0)


def settings(**given):
    common = {"name": "x", "modality": "PT", "families": ["stat"], "bin_width": 1.0}
    if "bins" in given:
        common |= {"bin_width": None, "discretisation": "fixed_bin_number"}
    elif given.get("bin_width", 1.0) is not None:
        common |= {"lower_bound": 0.0}
    return PyRadiomicsSet(**common | given)


def row(image, mask, **given):
    one = settings(**given)
    pair = volumes(np.asarray(image, dtype=np.float32), np.asarray(mask), (1.0, 1.0, 1.0))
    values, flagged = compute([pair[0]], [pair[1]], one, "cpu", ["region"])
    titles = [name.split("original_")[1] for name in names(one)]
    return dict(zip(titles, values[0].tolist(), strict=True)), flagged[0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0, 1.0), (0.7, 2.0, 3.3)])
@pytest.mark.parametrize("sigma", [1.0, 2.5, 5])
def test_simpleitk_laplacian_of_gaussian_bit_for_bit(dtype, spacing_mm, sigma):
    array = (np.random.default_rng(0).normal(size=(14, 12, 9)) * 100).astype(dtype)
    expected = sitk.LaplacianRecursiveGaussian(as_sitk(array, spacing_mm), sigma, True)
    np.testing.assert_array_equal(_laplacian(array, spacing_mm, sigma), from_sitk(expected))


@pytest.mark.parametrize("dtype", [np.float32, np.int16])
def test_simpleitk_gradient_magnitude(dtype):
    array = (np.random.default_rng(1).normal(size=(8, 7, 6)) * 100).astype(dtype)
    expected = from_sitk(sitk.GradientMagnitude(as_sitk(array, (0.5, 2, 3))))
    np.testing.assert_array_equal(_gradient(array, (0.5, 2, 3)), expected)


def on_new_grid(image, box, old, new, shape, pad, interpolator):
    """What PyRadiomics tells SimpleITK."""
    low = np.array([part.start for part in box])
    high = np.array([part.stop for part in box])
    old, new = np.array(old), np.array(new)
    ratio = old / new
    lower = np.maximum(np.floor((low - 0.5) * ratio - pad), 0)
    upper = np.minimum(np.ceil((high - 0.5) * ratio + pad), np.ceil(shape * ratio) - 1)
    first = 0.5 * (new - old) / old + lower / ratio
    resampler = sitk.ResampleImageFilter()
    resampler.SetOutputSpacing(new.tolist())
    resampler.SetOutputDirection(image.GetDirection())
    resampler.SetSize((upper - lower + 1).astype(int).tolist())
    resampler.SetOutputOrigin(image.TransformContinuousIndexToPhysicalPoint(first.tolist()))
    resampler.SetOutputPixelType(image.GetPixelID())
    resampler.SetInterpolator(interpolator)
    return from_sitk(resampler.Execute(image))


@pytest.mark.parametrize("interpolation", INTERPOLATORS)
@pytest.mark.parametrize("seed", range(40))
def test_simpleitk_resampling_ties_included(interpolation, seed):
    rng = np.random.default_rng(seed)
    shape = rng.integers(4, 20, 3)
    # voxels of 1.5, 2.5 and 3 mm have new ones of 1 and 2 mm half-way between them
    old = rng.choice([0.9765625, 1.5, 2.5, 3.0, 4.0728, 3.27], 3)
    new = 2 * old if seed % 5 == 0 else rng.choice([1.0, 2.0, 4.0, 0.7], 3)
    signs, origin = rng.choice([-1, 1], 3), rng.uniform(-300, 300, 3).round(seed % 6)
    array = rng.normal(0, 100, shape).astype(rng.choice([np.float32, np.int16]))
    inside = np.zeros(shape, dtype=bool)
    box = tuple(slice(int(n) // 4, int(n) // 2 + 1) for n in shape)
    inside[box] = rng.random(inside[box].shape) < 0.5
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = np.diag(old * signs), origin
    to_lps = np.array([-1, -1, 1])
    place = origin * to_lps, signs * to_lps
    volume = Volume(array, affine, "HU", "CT")
    places = places_of_grid(box, volume, new, 2)
    how = box, old, new, shape, 2
    expected = on_new_grid(as_sitk(array, old, *place), *how, INTERPOLATORS[interpolation])
    found = resample(array, places, interpolation)
    assert found.dtype == array.dtype
    if array.dtype.kind == "i" and interpolation != "nearest":
        # a value of 3 less the last bit loses all of its fraction
        assert np.mean(found != expected) < 0.01
        np.testing.assert_allclose(found, expected, atol=1)
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)
    mask = as_sitk(inside.astype(np.uint8), old, *place)
    expected = on_new_grid(mask, *how, sitk.sitkNearestNeighbor) != 0
    np.testing.assert_array_equal(resample_mask(inside[box], box, places), expected)


@pytest.mark.parametrize("value", [0.1, 54.0, -7.0, 0.0])
def test_bins_of_a_width_lie_on_multiples_of_it(value):
    image = np.array([[[value, value + 24.9, value + 25, value + 112]]])
    levels = discretise(image, image > -99, settings(bin_width=25.0)).array.ravel()
    expected = np.floor(image / 25) - np.floor(image.min() / 25) + 1
    assert levels.tolist() == expected.ravel().tolist()


def test_bins_of_a_number_are_those_of_numpy_but_for_the_last_edge():
    image = np.random.default_rng(2).normal(size=(9, 8, 7))
    found = discretise(image, image > -1, settings(bins=13))
    counts = np.bincount(found.array.ravel())[1:]
    assert counts.tolist() == np.histogram(image[image > -1], 13)[0].tolist()
    assert found.n_levels == 13


@pytest.mark.parametrize(("bins", "level"), [(32, 17), (5, 3)])
def test_a_flat_region_lies_in_the_middle_of_a_number_of_bins(bins, level):
    image = np.full((3, 3, 3), 4.0)
    assert discretise(image, image > 0, settings(bins=bins)).n_levels == level


def test_mcc_is_the_second_eigenvalue_of_its_definition():
    rng = np.random.default_rng(3)
    matrices = rng.integers(0, 9, (4, 6, 6)) + np.eye(6, dtype=int)
    matrices = matrices + matrices.transpose(0, 2, 1)
    matrices[1] = 0  # a direction without pairs
    expected = []
    for matrix in matrices[[0, 2, 3]]:
        p = matrix / matrix.sum()
        margin = p.sum(axis=1)
        q = np.einsum("ik,jk,i,k->ij", p, p, 1 / margin, 1 / margin)
        expected.append(np.sqrt(np.sort(np.linalg.eigvals(q).real)[-2]))
    assert _mcc(matrices, np.ones(6, dtype=bool)) == pytest.approx(np.mean(expected), rel=1e-12)


@pytest.mark.parametrize("seed", range(8))
def test_brute_force_diameters_within_planes(seed):
    rng = np.random.default_rng(seed)
    mask = np.pad(rng.random(rng.integers(1, 8, 3)) < 0.6, 1)
    mask[1, 1, 1] = True
    spacing = rng.uniform(0.5, 4, 3)
    points = []
    for axis in range(3):
        edge = np.argwhere(np.diff(mask, axis=axis)).astype(float)
        edge[:, axis] += 0.5
        points.append(edge)
    points = np.concatenate(points)
    longest = np.zeros(4)
    for a, b in itertools.combinations(points, 2):
        distance = np.linalg.norm((a - b) * spacing)
        same = [*(a == b), True]
        longest = np.where(same, np.maximum(longest, distance), longest)
    found = shape_features(mask[1:-1, 1:-1, 1:-1], tuple(spacing))
    keys = ("Maximum2DDiameterRow", "Maximum2DDiameterColumn", "Maximum2DDiameterSlice")
    assert [found[key] for key in (*keys, "Maximum3DDiameter")] == pytest.approx(longest.tolist())


def test_analytic_mesh_of_one_voxel():
    found = shape_features(np.ones((1, 1, 1), dtype=bool), (1.0, 1.0, 1.0))
    assert found["MeshVolume"] == pytest.approx(1 / 6)  # an octahedron of edges √½
    assert found["SurfaceArea"] == pytest.approx(np.sqrt(3))
    assert np.isnan(found["Elongation"])


def test_analytic_mesh_of_a_large_box():
    n, edge = 60, np.sqrt(0.5)
    found = shape_features(np.ones((n, n, n), dtype=bool), (1.0, 1.0, 1.0))
    # faces of (n - 1)², edges cut off along 12 (n - 1), corners along triangles
    area = 6 * (n - 1) ** 2 + 12 * (n - 1) * edge + 8 * np.sqrt(3) / 4 * edge**2
    assert found["SurfaceArea"] == pytest.approx(area)
    assert found["MajorAxisLength"] == pytest.approx(4 * np.sqrt((n**2 - 1) / 12))


def test_isolated_voxels_count_in_the_tone_differences():
    image = np.zeros((5, 5, 3))
    mask = np.zeros(image.shape, dtype=bool)
    image[0, 0, 0], image[0, 1, 0], image[4, 4, 2] = 1, 3, 3
    mask[image > 0] = True
    found, _ = row(image, mask, families=["ngtdm"], minimum_dimensions=1)
    # levels 1 and 3 with p = 1/3, 2/3 and s = 2, 2: the lone voxel adds to p alone
    assert found["ngtdm_Coarseness"] == pytest.approx(1 / (2 / 3 + 4 / 3))
    assert found["ngtdm_Contrast"] == pytest.approx((2 * 2 / 9 * 4) / 2 * 4 / 3)


def test_directions_without_lines_are_left_out_of_run_lengths():
    image = np.arange(12.0).reshape(4, 3, 1)
    found, _ = row(image, np.ones(image.shape), families=["glrlm"])
    assert found["glrlm_RunPercentage"] == 1.0
    image[:, :, :] = 1.0
    found, _ = row(image, np.ones(image.shape), families=["glrlm"])
    # along x 3 runs, along y 4, and 6 along either diagonal: 4 directions, not 13
    assert found["glrlm_RunPercentage"] == pytest.approx((3 + 4 + 6 + 6) / 12 / 4)


def test_zero_handling_of_a_flat_region():
    image, mask = np.full((4, 4, 4), 2.0), np.ones((4, 4, 4))
    found, _ = row(image, mask, families=["stat", "glcm", "ngtdm"])
    assert found["firstorder_Skewness"] == found["firstorder_Kurtosis"] == 0
    assert found["glcm_Correlation"] == found["glcm_MCC"] == 1
    assert found["glcm_Imc1"] == found["glcm_Imc2"] == 0
    assert found["ngtdm_Coarseness"] == 1e6
    assert found["ngtdm_Contrast"] == found["ngtdm_Busyness"] == found["ngtdm_Strength"] == 0


@pytest.mark.parametrize("axis", range(3))
def test_force_2d_looks_within_planes_of_the_axis(axis):
    rng = np.random.default_rng(4)
    image = rng.integers(1, 6, (5, 6, 7)).astype(float)
    families = ["glcm", "glrlm", "glszm", "ngldm", "ngtdm"]
    plane, _ = row(
        image,
        np.ones(image.shape),
        families=families,
        aggregations=["2_5D_avg"],
        force_2d_dimension=2 - axis,
    )
    upright = np.moveaxis(image, axis, 2)
    expected, _ = row(upright, np.ones(upright.shape), families=families, aggregations=["2_5D_avg"])
    whole, _ = row(image, np.ones(image.shape), families=families)
    assert plane == pytest.approx(expected)
    assert plane != pytest.approx(whole)


@pytest.mark.parametrize(
    ("mask", "given", "why"),
    [
        ([(1, 1, 1)], {}, "one voxel"),
        ([(1, 1, 1), (2, 1, 1)], {}, "along 1 of the 2 axes"),
        ([(1, 1, 1), (2, 2, 1)], {"minimum_voxels": 2}, "2 voxels"),
        ([(1, 1, 1), (2, 2, 1)], {"resegment": (90, 99)}, "at most one voxel"),
        ([(0, 0, 0), (0, 0, 1)], {"spacing_mm": (4, 4, 4)}, "no voxel is left"),
    ],
)
def test_regions_that_pyradiomics_refuses_are_nan_flagged_and_in_the_log(mask, given, why, caplog):
    image = np.arange(64.0).reshape(4, 4, 4)
    inside = np.zeros(image.shape)
    inside[tuple(zip(*mask, strict=True))] = 1
    found, flagged = row(image, inside, families=["stat", "glcm"], **given)
    assert np.isnan(list(found.values())).all()
    assert flagged.all()
    assert "region: PyRadiomics computes nothing for it" in caplog.text
    assert why in caplog.text


def test_nan_is_an_error_where_it_is_looked_at():
    image, mask = np.ones((6, 6, 6), dtype=np.float32), np.zeros((6, 6, 6))
    mask[1:4, 1:4, 1:4] = 1
    image[1, 2, 3] = 2
    image[5, 5, 5] = np.nan
    assert np.isfinite(list(row(image, mask)[0].values())).all()
    with pytest.raises(InputError, match="1 of 216 voxels"):
        row(image, mask, image_type="Gradient", families=["stat"])
    image[2, 2, 2] = np.inf
    with pytest.raises(InputError, match="1 of 27 voxels"):
        row(image, mask)


def test_another_modality_is_an_error():
    pair = volumes(np.ones((3, 3, 3), dtype=np.float32), np.ones((3, 3, 3)), modality="CT")
    with pytest.raises(InputError, match="expected PT for x, but got CT"):
        compute([pair[0]], [pair[1]], settings(), "cpu", ["region"])


def test_too_small_an_image_has_no_laplacian(caplog):
    image, mask = np.random.default_rng(5).normal(size=(5, 5, 3)), np.ones((5, 5, 3))
    one = settings(image_type="LoG", sigmas=[2.0])
    pair = volumes(image.astype(np.float32), mask, (1.0, 1.0, 1.0))
    values, flagged = compute([pair[0]], [pair[1]], one, "cpu", ["region"])
    assert np.isnan(values).all()
    assert flagged.all()
    assert "log-sigma-2-0-mm-3D is undefined" in caplog.text


def test_regions_of_one_image_share_its_filters(monkeypatch):
    calls = []

    def counted(*given):
        calls.append(1)
        return _laplacian(*given)

    monkeypatch.setattr("petnet.radiomics.pyradiomics.image_types._laplacian", counted)
    rng = np.random.default_rng(6)
    image = rng.normal(size=(12, 12, 12)).astype(np.float32)
    first, second = np.zeros((2, 12, 12, 12))
    first[1:5, 1:5, 1:5] = second[6:11, 6:11, 6:11] = 1
    one = settings(image_type="LoG", sigmas=[2.0])
    volume, a = volumes(image, first, (1.0, 1.0, 1.0))
    b = volumes(image, second, (1.0, 1.0, 1.0))[1]
    both, _ = compute([volume, volume], [a, b], one, "cpu", ["a", "b"])
    assert len(calls) == 1
    alone, _ = compute([volume], [b], one, "cpu", ["b"])
    np.testing.assert_array_equal(both[1], alone[0])


@pytest.mark.parametrize("aggregation", ["3D_avg", "3D_comb", "2_5D_avg"])
def test_the_cuda_kernels_give_the_same(aggregation, shim_cupy):
    rng = np.random.default_rng(7)
    image = rng.integers(1, 4, (4, 3, 3)).astype(np.float32)
    families = ["glcm", "glrlm", "glszm", "ngldm", "ngtdm"]
    one = settings(families=families, aggregations=[aggregation])
    pairs = [
        volumes(image, rng.random(image.shape) < 0.8, (1.0, 1.0, 1.0)),
        volumes(image, np.arange(3) == np.full(image.shape, 1), (1.0, 1.0, 1.0)),  # one plane
    ]
    of = [a for a, _ in pairs], [b for _, b in pairs], one
    on_cpu, _ = compute(*of, "cpu", ["a", "b"])
    on_cuda, _ = compute(*of, "cuda", ["a", "b"])
    assert np.isfinite(on_cpu).all()
    np.testing.assert_allclose(on_cuda, on_cpu, rtol=1e-12)
