"""Cropping, resampling, re-segmentation, discretisation."""

import numpy as np
import pytest
from scipy import ndimage

from petnet.errors import InputError
from petnet.radiomics.preprocess import (
    Region,
    discretise_fixed_bin_number,
    discretise_fixed_bin_size,
    prepare_region,
    resample_region,
    resegment,
)
from petnet.volume import Volume


def pair(values, mask=None, spacing=(1.0, 1.0, 1.0)):
    values = np.asarray(values, dtype=np.float32)
    mask = np.ones(values.shape, dtype=bool) if mask is None else np.asarray(mask)
    affine = np.diag([*spacing, 1.0])
    return Volume(values, affine, "SUVbw", "PT"), Volume(mask, affine, "label", "MASK")


def line(*values):
    array = np.array(values, dtype=float).reshape(-1, 1, 1)
    mask = np.ones(array.shape, dtype=bool)
    return Region(array, mask, mask, (1.0, 1.0, 1.0))


def test_analytic_fixed_bin_number():
    """Edges belong to the bin above, the maximum to the last bin."""
    levels = discretise_fixed_bin_number(line(0.0, 0.99, 1.0, 2.5, 3.0, 4.0), 4)
    assert levels.array.ravel().tolist() == [1, 1, 2, 3, 4, 4]
    assert levels.n_levels == 4
    assert levels.array.dtype == np.int32


def test_analytic_fixed_bin_size():
    levels = discretise_fixed_bin_size(line(-0.3, 0.0, 0.24, 0.25, 1.0, 1.1), 0.25, 0.0)
    assert levels.array.ravel().tolist() == [1, 1, 1, 2, 5, 5]
    assert levels.n_levels == 5


def test_flat_regions_have_one_level():
    assert discretise_fixed_bin_number(line(3.0, 3.0), 64).array.ravel().tolist() == [1, 1]
    assert discretise_fixed_bin_number(line(3.0, 3.0), 64).n_levels == 1
    assert discretise_fixed_bin_size(line(3.0, 3.0), 1.0, 0.0).array.ravel().tolist() == [4, 4]


def test_discretisation_of_nothing_is_nothing():
    nothing = resegment(line(3.0, 5.0), (10.0, 20.0))
    for levels in (
        discretise_fixed_bin_number(nothing, 8),
        discretise_fixed_bin_size(nothing, 1.0, 0.0),
    ):
        assert not levels.array.any()
        assert levels.n_levels == 1


def test_analytic_resegmentation():
    region = line(-5.0, 0.0, 1.0, 2.0, 100.0)
    kept = resegment(region, (0.0, 2.0))
    assert kept.intensity.ravel().tolist() == [False, True, True, True, False]
    assert kept.morphological.all()
    within = resegment(region, n_sigma=1.0)
    assert within.intensity.ravel().tolist() == [True, True, True, True, False]


def test_not_a_number_inside_is_an_error_outside_is_fine():
    values, mask = np.ones((4, 4, 4)), np.zeros((4, 4, 4), dtype=bool)
    mask[1:3, 1:3, 1:3] = True
    values[0, 0, 0], values[3, 3, 3] = np.nan, np.inf
    region = prepare_region(*pair(values, mask))
    assert region.values.shape == (2, 2, 2)
    assert np.isfinite(
        resample_region(*pair(values, mask), (0.5,) * 3, "linear", False).values
    ).all()
    values[1, 1, 1] = np.nan
    with pytest.raises(InputError, match=r"lesion 3: .* NaN or infinity in 1 of 8 voxels"):
        prepare_region(*pair(values, mask), "lesion 3")


def test_another_grid_and_an_empty_mask_are_errors():
    image, mask = pair(np.ones((3, 3, 3)))
    _, other = pair(np.ones((3, 3, 3)), spacing=(1.0, 1.0, 2.0))
    with pytest.raises(InputError, match=r"mask and image: grid: expected shape .* but got shape"):
        prepare_region(image, other)
    with pytest.raises(InputError, match="an empty mask"):
        prepare_region(image, mask.with_array(np.zeros((3, 3, 3))))


@pytest.mark.parametrize("interpolation", ["nearest", "linear", "cubic"])
def test_resampling_to_the_same_grid_changes_nothing(interpolation):
    rng = np.random.default_rng(1)
    values, mask = rng.random((9, 8, 7)), rng.random((9, 8, 7)) < 0.6
    image, mask = pair(values, mask, (2.0, 3.0, 4.0))
    native = prepare_region(image, mask)
    same = resample_region(image, mask, (2.0, 3.0, 4.0), interpolation, False)
    np.testing.assert_allclose(same.values, native.values, atol=1e-12)
    np.testing.assert_array_equal(same.morphological, native.morphological)


@pytest.mark.parametrize(("interpolation", "order"), [("linear", 1), ("cubic", 3)])
def test_scipy_resampling_of_the_whole_image(interpolation, order):
    """Cropping before resampling gives what resampling the whole image gives."""
    rng = np.random.default_rng(2)
    values, mask = rng.normal(size=(70, 66, 61)), np.zeros((70, 66, 61), dtype=bool)
    mask[30:39, 28:36, 27:40] = rng.random((9, 8, 13)) < 0.7
    old, new = (1.1, 1.3, 2.0), (1.5, 1.5, 1.5)
    region = resample_region(*pair(values, mask, old), new, interpolation, False)
    axes = []
    for n, s, t in zip(values.shape, old, new, strict=True):
        size = int(np.ceil(n * s / t))
        axes.append(((np.arange(size) - (size - 1) / 2) * t) / s + (n - 1) / 2)
    grid = np.meshgrid(*axes, indexing="ij")
    single = values.astype(np.float32).astype(float)
    whole = ndimage.map_coordinates(single, grid, order=order, mode="nearest")
    inside = ndimage.map_coordinates(mask.astype(float), grid, order=1) >= 0.5 - 1e-6
    assert region.morphological.sum() == inside.sum()
    np.testing.assert_allclose(region.values[region.morphological], whole[inside], atol=1e-10)


def test_rounding_and_a_mask_lost_in_resampling():
    values, mask = np.linspace(-3, 3, 27).reshape(3, 3, 3), np.zeros((3, 3, 3))
    mask[1, 1, 1] = 1
    rounded = resample_region(*pair(values), (0.7,) * 3, "linear", True).values
    np.testing.assert_array_equal(rounded, np.rint(rounded))
    far = np.pad(mask, ((0, 9), (0, 9), (0, 9)))
    image = np.pad(values, ((0, 9), (0, 9), (0, 9)))
    with pytest.raises(InputError, match=r"at least one voxel of \(6.0, 6.0, 6.0\) mm"):
        resample_region(*pair(image, far), (6.0,) * 3, "linear", False)
