"""Flooding from markers against SimpleITK, and against the passes that water must cross."""

import numpy as np
import pytest
import SimpleITK as sitk

from petnet.segmentation.components import structure
from petnet.segmentation.watershed import flood


def offsets(connectivity):
    steps = np.argwhere(structure(connectivity)) - 1
    return steps[(steps != 0).any(axis=1)]


def scattered(rng, shape, count):
    markers = np.zeros(shape, dtype=np.int64)
    at = rng.choice(markers.size, size=count, replace=False)
    markers.flat[at] = np.arange(1, count + 1)
    return markers


@pytest.mark.parametrize("connectivity", [6, 26])
@pytest.mark.parametrize("shape", [(12, 11, 10), (1, 30, 20), (17, 9, 14)])
@pytest.mark.parametrize("levels", [4, 40, 10**6])
def test_sitk_watershed_from_markers(connectivity, shape, levels):
    """Equal to the last voxel, plateaus of few levels included."""
    rng = np.random.default_rng(sum(shape) + levels)
    relief, markers = rng.integers(0, levels, shape), scattered(rng, shape, 5)
    peer = sitk.GetArrayFromImage(
        sitk.MorphologicalWatershedFromMarkers(
            sitk.GetImageFromArray(relief.astype(np.float64)),
            sitk.GetImageFromArray(markers.astype(np.uint16)),
            markWatershedLine=False,
            fullyConnected=connectivity == 26,
        )
    )
    found = flood(relief.astype(np.float64), markers, offsets(connectivity))
    np.testing.assert_array_equal(found, peer)


def test_brute_force_lowest_pass():
    """A voxel belongs to a marker from which water reaches it over a pass as low as from any."""
    rng = np.random.default_rng(4)
    shape = (7, 6, 8)
    relief = rng.permutation(np.prod(shape)).reshape(shape).astype(np.float64)
    markers = scattered(rng, shape, 3)
    passes = np.stack([lowest_passes(relief, markers == k) for k in (1, 2, 3)])
    found = flood(relief, markers, offsets(6))
    assert set(np.unique(found)) == {1, 2, 3}
    own = np.take_along_axis(passes, found[None] - 1, axis=0)[0]
    np.testing.assert_array_equal(own, passes.min(axis=0))


def lowest_passes(relief, marker):
    """Highest relief on the best path from a marker to each voxel, by repeated relaxation."""
    cost = np.where(marker, relief, np.inf)
    while True:
        around = [np.pad(cost, 1, constant_values=np.inf)]
        near = np.min(
            [
                around[0][
                    tuple(slice(1 + s, 1 + s + n) for s, n in zip(step, cost.shape, strict=True))
                ]
                for step in offsets(6)
            ],
            axis=0,
        )
        better = np.minimum(cost, np.maximum(near, relief))
        if (better == cost).all():
            return cost
        cost = better


def test_what_no_marker_reaches_stays_without_a_label():
    markers = np.zeros((3, 3, 3), dtype=np.int64)
    assert not flood(np.ones((3, 3, 3)), markers, offsets(6)).any()
