"""What must hold of every method, whatever the image."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phantom_spheres import volume_of

from petnet.segmentation import (
    BackgroundCorrected,
    ContrastOriented,
    FixedThreshold,
    Gradient,
    NotSegmented,
    PercentOfMax,
    PercentOfPeak,
    box_start,
    mask_start,
)
from petnet.volume import Volume

SHAPE, SPACING = (15, 13, 11), (4.0, 5.0, 3.0)
SHELL = {"shell_mm": (5.0, 15.0)}
RELATIVE = [
    PercentOfMax(percent=41),
    PercentOfMax(percent=50, connectivity=6, margin_mm=12, fill_holes=True),
    PercentOfPeak(percent=45, keep="overlap"),
    PercentOfPeak(percent=60, peak="local"),
    BackgroundCorrected(**SHELL),
    ContrastOriented(**SHELL),
    Gradient(margin_mm=5),
]
FEW = settings(max_examples=15, deadline=None)


def image(seed):
    """Two smooth foci in noise, and a rough mask about one; no two voxels alike."""
    rng = np.random.default_rng(seed)
    grid = np.indices(SHAPE)
    suv = 1 + 0.3 * rng.random(SHAPE)
    for height in (6.0, 3.0):
        centre = rng.uniform(4, 8, 3)
        square = sum((g - c) ** 2 for g, c in zip(grid, centre, strict=True))
        suv += height * np.exp(-square / (2 * rng.uniform(1, 2) ** 2))
    mask = np.zeros(SHAPE, bool)
    mask[3:11, 2:10, 2:9] = rng.random((8, 8, 7)) < 0.9
    return suv, mask


def mask_of(method, suv, mask):
    try:
        return method.segment(volume_of(suv, SPACING), mask_start(mask)).mask
    except NotSegmented as error:
        return type(error)


@FEW
@given(st.integers(0, 10_000), st.integers(-6, 6), st.sampled_from(RELATIVE))
def test_scaling_suv_changes_no_relative_method(seed, power, method):
    """By powers of two, which rounding does not touch."""
    suv, mask = image(seed)
    np.testing.assert_array_equal(
        mask_of(method, suv * 2.0**power, mask), mask_of(method, suv, mask)
    )


@FEW
@given(st.integers(0, 10_000), st.floats(0.05, 20), st.floats(0.1, 30))
def test_a_fixed_threshold_scales_with_suv(seed, threshold, factor):
    suv, mask = image(seed)
    one = mask_of(FixedThreshold(suv=threshold), suv, mask)
    if np.abs(suv / threshold - 1).min() > 1e-12:
        other = mask_of(FixedThreshold(suv=threshold * factor), suv * factor, mask)
        np.testing.assert_array_equal(one, other)


@FEW
@given(st.integers(0, 10_000), st.floats(5, 95), st.floats(5, 95), st.sampled_from([6, 18, 26]))
def test_a_higher_threshold_gives_a_part_of_the_lower_ones(seed, a, b, connectivity):
    suv, mask = image(seed)
    low, high = (PercentOfMax(percent=p, connectivity=connectivity) for p in sorted((a, b)))
    assert (mask_of(high, suv, mask) <= mask_of(low, suv, mask)).all()


@FEW
@given(st.integers(0, 10_000), st.floats(10, 90))
def test_more_neighbours_and_more_room_give_more(seed, percent):
    suv, mask = image(seed)
    method = PercentOfMax(percent=percent, connectivity=6)
    found = [mask_of(replace(method, connectivity=c), suv, mask) for c in (6, 18, 26)]
    found += [mask_of(replace(method, connectivity=26, margin_mm=m), suv, mask) for m in (6, 20)]
    assert all((a <= b).all() for a, b in pairwise(found))
    overlap = replace(method, connectivity=26, keep="overlap")
    assert (found[2] <= mask_of(overlap, suv, mask)).all()
    assert (mask_of(overlap, suv, mask) == (mask & (suv >= percent / 100 * suv[mask].max()))).all()


@FEW
@given(st.integers(0, 10_000), st.permutations([0, 1, 2]), st.tuples(*[st.booleans()] * 3))
@pytest.mark.parametrize("method", RELATIVE[:-1], ids=lambda m: m.key)
def test_turning_the_image_turns_the_lesion(method, seed, axes, flips):
    """Not the watershed, which settles equals by the order of voxels."""
    suv, mask = image(seed)
    turned = lambda a: np.flip(a, [k for k in range(3) if flips[k]]).transpose(axes)  # noqa: E731
    spacing = [SPACING[k] for k in axes]
    found = mask_of(method, suv, mask)
    pet = Volume(turned(suv), np.diag([*spacing, 1.0]), "SUVbw", "PT")
    np.testing.assert_array_equal(method.segment(pet, mask_start(turned(mask))).mask, turned(found))


@FEW
@given(st.integers(0, 10_000), st.tuples(*[st.integers(0, 4)] * 6))
@pytest.mark.parametrize("method", [RELATIVE[1], RELATIVE[2], RELATIVE[-1]], ids=lambda m: m.key)
def test_what_lies_far_off_does_not_matter(method, seed, widths):
    """A padded image gives the same lesion, where the lesion sees none of the padding."""
    suv, mask = image(seed)
    suv = np.pad(suv, 8, mode="edge")
    mask = np.pad(mask, 8)
    pads = [(widths[2 * k], widths[2 * k + 1]) for k in range(3)]
    inner = tuple(slice(a, a + n) for (a, _), n in zip(pads, suv.shape, strict=True))
    wide = mask_of(method, np.pad(suv, pads, constant_values=50.0), np.pad(mask, pads))
    np.testing.assert_array_equal(wide[inner], mask_of(method, suv, mask))
    assert wide.sum() == wide[inner].sum()


@FEW
@given(st.integers(0, 10_000), st.sampled_from(RELATIVE))
def test_a_lesion_lies_in_its_limit_and_says_its_threshold(seed, method):
    suv, mask = image(seed)
    plain = replace(method, margin_mm=0.0, fill_holes=False)
    if isinstance(plain, Gradient):
        return
    found = plain.segment(volume_of(suv, SPACING), mask_start(mask))
    assert (found.mask <= mask).all()
    assert suv[found.mask].min() >= found.threshold
    assert found.mask.any()


def test_values_of_any_type_and_order_give_the_same():
    suv, mask = image(3)
    suv = np.round(suv * 100).astype(np.int16)
    wanted = mask_of(PercentOfMax(percent=41), suv, mask)
    for array in (suv.astype(np.float32), suv.astype(">i4"), np.asfortranarray(suv)):
        np.testing.assert_array_equal(mask_of(PercentOfMax(percent=41), array, mask), wanted)


def test_the_whole_image_as_a_box():
    suv, _ = image(4)
    pet = volume_of(suv, SPACING)
    found = PercentOfMax(percent=41, keep="overlap").segment(
        pet, box_start(pet, (-5, 0, 0), (99, 99, 99))
    )
    np.testing.assert_array_equal(found.mask, suv >= 0.41 * suv.max())
    assert "reaches the edge of the image" in found.notes or not found.mask[0].any()
