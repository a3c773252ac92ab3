"""Patterns, moments and extents of masks, counted, against NumPy straight from the definition."""

import numpy as np
import pytest

from petnet.radiomics.kernels import cpu_shape
from petnet.radiomics.kernels.counts import pack
from petnet.radiomics.kernels.cpu_shape import (
    coordinate_moments,
    intensity_moments,
    line_extents,
    mesh_patterns,
)


def random_masks(n, seed=0):
    rng = np.random.default_rng(seed)
    for _ in range(n):
        yield (rng.random(rng.integers(1, 12, size=3)) < rng.choice([0.1, 0.5, 0.9])).astype(
            np.uint8
        )


def packed(masks):
    found = pack(masks, masks)
    return found.inside, found.offsets, found.shapes


def brute_force_patterns(mask):
    padded = np.pad(mask, 1).astype(int)
    counts = np.zeros((256, 2), dtype=np.int64)
    for x, y, z in np.ndindex(*(n - 1 for n in padded.shape)):
        corners = padded[x : x + 2, y : y + 2, z : z + 2].ravel()
        counts[sum(int(inside) << bit for bit, inside in enumerate(corners))] += (1, x)
    return counts


def brute_force_moments(mask):
    x, y, z = np.nonzero(mask)
    return [len(x), *(np.sum(p) for p in (x, y, z, x * x, y * y, z * z, x * y, x * z, y * z))]


@pytest.mark.parametrize("piece_voxels", [cpu_shape.PIECE_VOXELS, 100])
def test_brute_force_patterns_and_moments(monkeypatch, piece_voxels):
    """Also where small pieces spread every mask over several slabs and threads."""
    monkeypatch.setattr(cpu_shape, "PIECE_VOXELS", piece_voxels)
    monkeypatch.setattr(cpu_shape, "cores", lambda: 3)
    masks = list(random_masks(60))
    patterns, moments = mesh_patterns(*packed(masks)), coordinate_moments(*packed(masks))
    assert patterns.dtype == moments.dtype == np.int64
    np.testing.assert_array_equal(patterns, [brute_force_patterns(mask) for mask in masks])
    np.testing.assert_array_equal(moments, [brute_force_moments(mask) for mask in masks])


def test_brute_force_on_several_threads():
    mask = (np.random.default_rng(1).random((90, 80, 85)) < 0.7).astype(np.uint8)
    masks = [mask, np.ones((1, 1, 1), dtype=np.uint8), mask[:, :, ::-1].copy()]
    moments = coordinate_moments(*packed(masks))
    np.testing.assert_array_equal(moments, [brute_force_moments(m) for m in masks])
    patterns = mesh_patterns(*packed(masks))
    assert (patterns[:, :, 0].sum(axis=1) == [91 * 81 * 86, 8, 91 * 81 * 86]).all()
    # turned back to front, corners z = 0 and z = 1 change places
    swapped = [(p & 0b01010101) << 1 | (p & 0b10101010) >> 1 for p in range(256)]
    np.testing.assert_array_equal(patterns[2], patterns[0][swapped])


def test_no_masks():
    none = packed([])
    assert mesh_patterns(*none).shape == (0, 256, 2)
    assert coordinate_moments(*none).shape == (0, 10)


def test_brute_force_extents():
    for mask in random_masks(20, seed=2):
        extents = line_extents(mask)
        for x, y in np.ndindex(mask.shape[:2]):
            occupied = np.flatnonzero(mask[x, y])
            expected = [occupied[0], occupied[-1]] if occupied.size else [mask.shape[2], -1]
            assert extents[x, y].tolist() == expected


def test_brute_force_intensity_moments():
    rng = np.random.default_rng(3)
    for mask in random_masks(20, seed=4):
        values = rng.normal(5.0, 2.0, size=mask.shape)
        v, x, y, z = values[mask > 0], *np.nonzero(mask)
        expected = [len(v), v.sum(), (v * x).sum(), (v * y).sum(), (v * z).sum()]
        values[mask == 0] = np.nan
        assert intensity_moments(values, mask) == pytest.approx(expected, rel=1e-12)
