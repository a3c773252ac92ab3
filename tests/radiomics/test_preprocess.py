"""Cropping, resampling, labels, re-segmentation, discretisation."""

import tracemalloc

import numpy as np
import pytest
from scipy import ndimage

from petnet.errors import InputError
from petnet.radiomics.preprocess import (
    Region,
    crop,
    discretise_fixed_bin_number,
    discretise_fixed_bin_size,
    prepare_region,
    resample_region,
    resample_whole,
    resegment,
    split_labels,
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


@pytest.mark.parametrize("value", [0.1, -1 / 3, 1e5 / 7])
def test_a_flat_region_has_no_outliers(value):
    """Its mean may differ from its values by rounding."""
    flat = line(*[value] * 7)
    assert resegment(flat, n_sigma=3.0).intensity.all()
    assert resegment(flat, (value, value), 3.0).intensity.all()
    assert not resegment(resegment(flat, (1e9, 2e9)), n_sigma=3.0).intensity.any()


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


@pytest.mark.parametrize("seed", range(5))
def test_numpy_discretisation(seed):
    """The compiled pass bins as the formulas do in NumPy's float64, edges included."""
    rng = np.random.default_rng(seed)
    x = np.round(rng.normal(0, 40, size=(9, 8, 7)), 1)
    inside = rng.random(x.shape) < 0.6
    region = Region(x, inside, inside, (1.0, 1.0, 1.0))
    low, high = x[inside].min(), x[inside].max()
    number = np.minimum(np.floor(13 * (x - low) / (high - low)) + 1, 13)
    levels = discretise_fixed_bin_number(region, 13)
    np.testing.assert_array_equal(levels.array, np.where(inside, number, 0))
    size = np.maximum(np.floor((x - -20.0) / 0.1) + 1, 1)
    levels = discretise_fixed_bin_size(region, 0.1, -20.0)
    np.testing.assert_array_equal(levels.array, np.where(inside, size, 0))
    assert levels.n_levels == size[inside].max()


def spline_oracle(image, mask, new, order):
    """The whole image at once, by scipy.ndimage.map_coordinates."""
    axes = []
    for n, s, t in zip(image.array.shape, image.spacing_mm, new, strict=True):
        size = int(np.ceil(np.round(n * s / t, 6)))
        axes.append(((np.arange(size) - (size - 1) / 2) * t) / s + (n - 1) / 2)
    grid = np.meshgrid(*axes, indexing="ij")
    values = ndimage.map_coordinates(image.array.astype(float), grid, order=order, mode="nearest")
    soft = ndimage.map_coordinates(
        mask.array.astype(float), grid, order=min(order, 1), mode="nearest"
    )
    return values, soft


@pytest.mark.parametrize(("interpolation", "order"), [("nearest", 0), ("linear", 1), ("cubic", 3)])
@pytest.mark.parametrize("new", [(1.5, 1.5, 1.5), (3.0, 3.0, 0.9), (2.2, 2.2, 5.0)])
def test_scipy_resampling_of_mask_and_image(interpolation, order, new):
    """Finer and coarser, masks that touch every face; whole and near the region."""
    rng = np.random.default_rng(order)
    image, mask = pair(
        rng.normal(size=(17, 19, 13)), rng.random((17, 19, 13)) < 0.6, (1.1, 1.3, 5.0)
    )
    values, soft = spline_oracle(image, mask, new, order)
    whole = resample_whole(image, mask, new, interpolation)
    np.testing.assert_allclose(whole.values, values, atol=1e-10)
    for threshold in (0.2, 0.5, 0.9):
        expected = soft >= threshold - 1e-6
        whole = resample_whole(image, mask, new, interpolation, mask_threshold=threshold)
        np.testing.assert_array_equal(whole.morphological, expected)
        region = resample_region(image, mask, new, interpolation, False, mask_threshold=threshold)
        np.testing.assert_allclose(
            region.values[region.morphological], values[expected], atol=1e-10
        )


@pytest.mark.parametrize("interpolation", ["nearest", "linear", "cubic"])
def test_an_axis_without_new_spacing_keeps_its_slices(interpolation):
    """Each slice is what it would be alone."""
    rng = np.random.default_rng(3)
    values = rng.normal(size=(12, 11, 5))
    image, mask = pair(values, spacing=(1.0, 1.0, 3.0))
    region = resample_whole(image, mask, (2.0, 2.0, None), interpolation)
    assert region.spacing_mm == (2.0, 2.0, 3.0)
    for k in range(5):
        alone = resample_whole(*pair(values[:, :, k : k + 1], spacing=(1.0, 1.0, 3.0)),
            (2.0, 2.0, 3.0), interpolation)  # fmt: skip
        np.testing.assert_allclose(region.values[:, :, [k]], alone.values, atol=1e-12)


@pytest.mark.parametrize("threshold", [0.0, 1.5])
def test_a_threshold_out_of_range_is_an_error(threshold):
    with pytest.raises(InputError, match="mask_threshold: expected a number above 0"):
        resample_whole(*pair(np.ones((3, 3, 3))), mask_threshold=threshold)


def test_surroundings_are_the_image_around_the_box():
    """6.2 mm beyond, as far as the image reaches, with what lies there untouched."""
    values = np.random.default_rng(4).random((30, 12, 9)).astype(np.float32)
    values[10, 2, 2] = np.nan
    mask = np.zeros(values.shape, dtype=bool)
    mask[12:15, 1:5, 4:6] = True
    region = prepare_region(*pair(values, mask, (1.0, 2.0, 4.0)))
    assert region.surroundings.corner == (6, 1, 1)
    np.testing.assert_array_equal(region.surroundings.values, values[6:21, 0:8, 3:7])
    corner = region.surroundings.corner
    box = tuple(slice(c, c + n) for c, n in zip(corner, region.values.shape, strict=True))
    np.testing.assert_array_equal(region.surroundings.values[box], region.values)
    assert prepare_region(*pair(values, mask), reach_mm=0).surroundings is None


def test_a_filter_response_takes_the_place_of_the_intensities():
    """Filtered is the whole image, re-segmented the unfiltered one."""
    values = np.arange(6.0 * 5 * 4).reshape(6, 5, 4)
    mask = np.zeros(values.shape, dtype=bool)
    mask[2:5, 1:4, 1:3] = True
    whole = resegment(resample_whole(*pair(values, mask, (5.0, 5.0, 5.0))), (50.0, 90.0))
    assert whole.values.shape == values.shape
    region = crop(whole, -whole.values)
    np.testing.assert_array_equal(region.values, -values[2:5, 1:4, 1:3])
    np.testing.assert_array_equal(region.morphological, mask[2:5, 1:4, 1:3])
    kept = (values >= 50) & (values <= 90) & mask
    np.testing.assert_array_equal(region.intensity, kept[2:5, 1:4, 1:3])
    np.testing.assert_array_equal(region.surroundings.values, -values[1:6, 0:5, 0:4])
    with pytest.raises(InputError, match=r"shape: expected \(6, 5, 4\), but got \(6, 5, 3\)"):
        crop(whole, values[:, :, :3])
    response = -whole.values
    response[3, 2, 2] = np.nan
    with pytest.raises(InputError, match="NaN or infinity in 1 of 18 voxels"):
        crop(whole, response)


def label_map(shape, n, dtype, seed=0):
    """Blobs with numbers that jump, in stored (Fortran) order."""
    rng = np.random.default_rng(seed)
    array = np.zeros(shape, dtype=dtype, order="F")
    for label in range(1, 2 * n, 2):
        size = rng.integers(1, 7, size=3)
        start = [rng.integers(0, m - s + 1) for m, s in zip(shape, size, strict=True)]
        box = tuple(slice(a, a + s) for a, s in zip(start, size, strict=True))
        array[box][rng.random(tuple(size)) < 0.7] = label
        array[box][0, 0, 0] = label
    return array


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64", "float32", ">u2"])
def test_labels_are_what_their_masks_are(dtype):
    array = label_map((24, 20, 16), 12, dtype)
    values = np.random.default_rng(1).normal(size=array.shape)
    image, labels = pair(values, array, (1.5, 1.5, 2.0))
    places = split_labels(labels)
    assert list(places) == [int(v) for v in np.unique(array) if v > 0]
    for label, place in places.items():
        mask = labels.with_array(array == label)
        for made in (
            lambda m: prepare_region(image, m),
            lambda m: prepare_region(image, m, margin=2),
            lambda m: resample_region(image, m, (1.0, 1.0, None), "cubic", False),
            lambda m: crop(resample_whole(image, m)),
        ):
            found, expected = made(place), made(mask)
            np.testing.assert_array_equal(found.values, expected.values)
            np.testing.assert_array_equal(found.morphological, expected.morphological)
            assert found.surroundings.corner == expected.surroundings.corner
            np.testing.assert_array_equal(found.surroundings.values, expected.surroundings.values)


def test_labels_that_cannot_be():
    array = np.zeros((4, 4, 4))
    array[0, 0, 0], array[1, 1, 1] = 2, 5
    _, labels = pair(array, array)
    assert list(split_labels(labels, [5, 2])) == [5, 2]
    with pytest.raises(InputError, match=r"lesions: label: expected label 3 in the map, .* 2, 5"):
        split_labels(labels, [2, 3], "lesions")
    with pytest.raises(InputError, match="expected label 1 in the map, but got no label"):
        split_labels(labels.with_array(np.zeros((4, 4, 4))), [1])
    for bad, message in ((0.5, "fractions or NaN"), (np.nan, "fractions"), (2e6, "got 2e[+]06")):
        array[2, 2, 2] = bad
        with pytest.raises(InputError, match=message):
            split_labels(labels.with_array(array))
    array[2, 2, 2] = -4
    assert list(split_labels(labels.with_array(array))) == [2, 5]
    assert list(split_labels(labels.with_array(array != 0))) == [1]


@pytest.mark.full
def test_hundreds_of_labels_of_a_large_volume_need_no_masks():
    array = label_map((400, 400, 600), 300, np.uint16)
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    image = Volume(np.ones(array.shape, dtype=np.float32, order="F"), affine, "SUVbw", "PT")
    labels = Volume(array, affine, "label", "MASK")
    tracemalloc.start()
    try:
        places = split_labels(labels)
        regions = [prepare_region(image, place) for place in places.values()]
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(regions) == np.unique(array).size - 1
    assert peak_bytes < 64 << 20
