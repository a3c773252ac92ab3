"""What every filter must do: edges, rotations, reach, against definitions spelled out here."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from petnet.errors import InputError
from petnet.radiomics.filters import (
    Gabor,
    LaplacianOfGaussian,
    Laws,
    Mean,
    Riesz,
    SeparableWavelet,
    Simoncelli,
    apply_filter,
    reach_voxels,
)
from petnet.radiomics.filters.rotation import distinct_rotations
from petnet.radiomics.filters.wavelets import wavelet_product

SPACING = (1.0, 1.0, 1.0)
NUMPY_MODES = {"zero": "constant", "nearest": "edge", "periodic": "wrap", "mirror": "symmetric"}
LOCAL = [
    Mean(5),
    Mean(3, 2),
    LaplacianOfGaussian(1.2),
    LaplacianOfGaussian(0.8, 3, 2),
    Laws("E5L5S5"),
    Laws("W5E3", "max"),
    Laws("L5S5R5", "average"),
    Gabor(1.0, 3.0, 0.7, theta_deg=30),
    Gabor(0.8, 2.0, 1.3, theta_step_deg=60, orthogonal_planes=True),
    SeparableWavelet("db2", "LHL"),
    SeparableWavelet("db3", "LH", 2, "average"),
    SeparableWavelet("coif1", "HHL", 1, "max"),
]
names = [filter_.name for filter_ in LOCAL]


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("boundary", NUMPY_MODES)
@pytest.mark.parametrize("filter_", LOCAL, ids=names)
def test_numpy_pad_is_the_boundary(filter_, boundary):
    """Also where the kernel is longer than the image is wide."""
    image = noise(9, 6, 5)
    margins = reach_voxels(filter_, SPACING)
    width = [(margin, margin) for margin in margins]
    padded = np.pad(image, width, mode=NUMPY_MODES[boundary])
    inner = tuple(slice(m, m + n) for m, n in zip(margins, image.shape, strict=True))
    expected = apply_filter(padded, SPACING, replace(filter_, boundary="zero"))[inner]
    found = apply_filter(image, SPACING, replace(filter_, boundary=boundary))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("filter_", LOCAL, ids=names)
def test_reach_is_enough_and_not_less(filter_):
    """A crop by the reach changes nothing at its centre; one voxel less does, where it is tight."""
    image = noise(41, 43, 39)
    centre = (20, 21, 19)
    spacing = (1.0, 1.3, 0.9)
    whole = apply_filter(image, spacing, filter_)
    reach = reach_voxels(filter_, spacing)

    def at_centre(margins):
        box = tuple(slice(c - m, c + m + 1) for c, m in zip(centre, margins, strict=True))
        return apply_filter(image[box], spacing, filter_)[tuple(margins)]

    assert at_centre(reach) == pytest.approx(whole[centre], abs=1e-12)
    # kernels of even length reach less far to one side, and a maximum need not lie at the edge
    even = isinstance(filter_, SeparableWavelet) and filter_.pooling is None
    for axis in range(3) if getattr(filter_, "pooling", None) != "max" else ():
        less = [m - (1 + even if a == axis else 0) for a, m in enumerate(reach)]
        if less[axis] >= 0:
            assert abs(at_centre(less) - whole[centre]) > 1e-9


def test_reach_counts_the_box_of_the_energy():
    image = noise(25, 25, 25)
    filter_ = Laws("L5E5S5", "max", 7)
    assert reach_voxels(filter_, SPACING) == (9, 9, 9)
    whole = apply_filter(image, SPACING, filter_)[12, 12, 12]
    box = (slice(3, 22),) * 3
    assert apply_filter(image[box], SPACING, filter_)[9, 9, 9] == pytest.approx(whole, abs=1e-12)


@pytest.mark.parametrize("filter_", [Simoncelli(1), Riesz((1, 0, 0)), Mean(3, boundary="periodic")])
def test_some_filters_need_the_whole_image(filter_):
    assert reach_voxels(filter_, SPACING) is None


def turns(image, dimension):
    """Yield all right-angle rotations of an image, each with its inverse, by turning the array."""
    seen = set()
    planes = [(0, 1)] if dimension == 2 else [(0, 1), (0, 2), (1, 2)]
    numbered = np.arange(image.size).reshape(image.shape)
    for steps in itertools.product(itertools.product(planes, range(4)), repeat=3):

        def turn(array, steps=steps):
            for axes, times in steps:
                array = np.rot90(array, times, axes)
            return array

        def back(array, steps=steps):
            for axes, times in reversed(steps):
                array = np.rot90(array, -times, axes)
            return array

        key = turn(numbered).tobytes()
        if key not in seen:
            seen.add(key)
            yield turn(image), back
    assert len(seen) == (4 if dimension == 2 else 24)


@pytest.mark.parametrize("pooling", ["average", "max"])
@pytest.mark.parametrize(
    "filter_",
    [
        Laws("L5E5S5"),
        Laws("E3W5R5"),
        Laws("L5E5E5"),
        Laws("L3E3"),
        Laws("E5W5"),
        SeparableWavelet("db3", "LLH"),
        SeparableWavelet("db2", "HHH", 2),
        SeparableWavelet("db3", "LH"),
        SeparableWavelet("haar", "LH", 2),
    ],
    ids=lambda filter_: filter_.name,
)
def test_brute_force_rotations(filter_, pooling):
    """Pool over filtered copies of the turned image, turned back."""
    image = noise(8, 8, 8)
    responses = [
        back(apply_filter(turned, SPACING, filter_))
        for turned, back in turns(image, filter_.dimension)
    ]
    expected = np.mean(responses, axis=0) if pooling == "average" else np.max(responses, axis=0)
    pooled = replace(filter_, pooling=pooling)
    found = apply_filter(image, SPACING, pooled)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    turned, back = list(turns(image, filter_.dimension))[-1]
    again = back(apply_filter(turned, SPACING, pooled))
    np.testing.assert_allclose(found, again, rtol=0, atol=1e-12)


def test_rotations_that_differ_by_sign_only_are_made_once():
    laws = tuple((1.0, 2.0 * odd, -1.0 if odd else 1.0) for odd in (0, 1, 0))
    assert len(distinct_rotations(laws[:1] * 3)) == 1
    wavelet = wavelet_product(SeparableWavelet("db2", "LHL"))
    assert len(distinct_rotations(wavelet)) == 24


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_not_a_number_is_refused(bad):
    image = noise(4, 4, 4)
    image[1, 2, 3] = bad
    with pytest.raises(InputError, match=r"filter mean_3: .*NaN or infinity in 1 of 64 voxels"):
        apply_filter(image, SPACING, Mean(3))


@pytest.mark.parametrize(
    "filter_",
    [*LOCAL, Simoncelli(1), Simoncelli(2, 2, "mirror"), Riesz((1, 0, 1)), Riesz((2, 0), level=1)],
    ids=lambda filter_: filter_.name,
)
def test_any_shape_and_type_and_the_image_stays(filter_):
    for shape in [(1, 1, 1), (1, 7, 4), (6, 2, 1)]:
        whole_numbers = np.rint(10 * noise(*shape)).astype(np.int16)
        image = np.asfortranarray(whole_numbers.astype(np.float64))
        kept = image.copy()
        response = apply_filter(image, SPACING, filter_)
        assert response.shape == shape
        assert response.dtype == np.float64
        assert np.isfinite(response).all()
        np.testing.assert_array_equal(image, kept)
        np.testing.assert_array_equal(response, apply_filter(whole_numbers, SPACING, filter_))


@pytest.mark.parametrize("filter_", LOCAL, ids=names)
def test_slices_do_not_see_each_other_in_2d(filter_):
    image = noise(12, 11, 3)
    changed = image.copy()
    changed[:, :, 2] = 7.0
    same = np.allclose(
        apply_filter(image, SPACING, filter_)[:, :, 0],
        apply_filter(changed, SPACING, filter_)[:, :, 0],
    )
    in_slices = getattr(filter_, "dimension", 3) == 2 or filter_.name.startswith("gabor_1mm")
    assert same == in_slices
