"""Mesh patterns and coordinate moments of the CUDA kernels: `.cu` = brute force = Numba."""

import numpy as np
import pytest
from count_oracles import random_regions

from petnet.radiomics.kernels import cpu_shape, cuda, cuda_shape
from petnet.radiomics.kernels.counts import pack

CORNERS = [(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)]


def patterns_python(mask):
    """Look at the eight corners of every cell of the padded box."""
    found = np.zeros((256, 2), dtype=np.int64)
    voxels = {tuple(v) for v in np.argwhere(mask).tolist()}
    for cell in np.ndindex(*(n + 1 for n in mask.shape)):
        pattern = 0
        for x, y, z in CORNERS:
            voxel = (cell[0] + x - 1, cell[1] + y - 1, cell[2] + z - 1)
            pattern += 2 ** (4 * x + 2 * y + z) * (voxel in voxels)
        found[pattern] += (1, cell[0])
    return found


def moments_python(mask):
    """Sum in Python's own integers."""
    found = [0] * 10
    for x, y, z in np.argwhere(mask).tolist():
        for k, term in enumerate((1, x, y, z, x * x, y * y, z * z, x * y, x * z, y * z)):
            found[k] += term
    return found


def packed_masks(masks):
    packed = pack(masks, masks)
    return packed.inside, packed.offsets, packed.shapes


def random_masks(n, seed):
    return [region.inside for region in random_regions(n, seed)]


@pytest.fixture(params=["shim", pytest.param("gpu", marks=pytest.mark.gpu)])
def launcher(request):
    """The host shim, or a real device."""
    if request.param == "shim":
        request.getfixturevalue("shim_cupy")
    elif reason := cuda.unusable_reason():
        pytest.skip(reason)
    return request.param


def test_brute_force(launcher):
    masks = random_masks(150, seed=31)
    batch = packed_masks(masks)
    patterns = cuda.to_host(cuda_shape.mesh_patterns(*batch))
    moments = cuda.to_host(cuda_shape.coordinate_moments(*batch))
    assert patterns.dtype == moments.dtype == np.int64
    for mask, pattern, moment in zip(masks, patterns, moments, strict=True):
        np.testing.assert_array_equal(pattern, patterns_python(mask))
        assert moment.tolist() == moments_python(mask)


def test_numba_1000_volumes(launcher):
    """Several tiles to a region, and regions of several sizes to a batch."""
    ball = np.square(np.indices((21, 30, 25)) - [[[[10]]], [[[14]]], [[[12]]]]).sum(axis=0) < 99
    for first in range(0, 1000, 100):
        batch = packed_masks([*random_masks(100, seed=32 + first), ball])
        for name in cuda_shape.__all__:
            found = getattr(cuda_shape, name)(*batch)
            np.testing.assert_array_equal(cuda.to_host(found), getattr(cpu_shape, name)(*batch))


@pytest.mark.parametrize(("block", "per_thread"), [(1, 5000), (32, 1), (48, 100)])
def test_numba_at_any_size_of_block(launcher, monkeypatch, block, per_thread):
    monkeypatch.setattr(cuda, "BLOCK_THREADS", block)
    monkeypatch.setattr(cuda_shape, "PER_THREAD", per_thread)
    batch = packed_masks(random_masks(40, seed=33))
    for name in cuda_shape.__all__:
        found = getattr(cuda_shape, name)(*batch)
        np.testing.assert_array_equal(cuda.to_host(found), getattr(cpu_shape, name)(*batch))


def test_analytic_full_box(launcher):
    """8 corners, 4 edges of n - 1 cells along each axis, 2 faces across each, and the inside."""
    nx, ny, nz = 5, 7, 6
    found = cuda.to_host(cuda_shape.mesh_patterns(*packed_masks([np.ones((nx, ny, nz), bool)])))[0]
    corners = np.array([pattern.bit_count() for pattern in range(256)])
    edges = 4 * (nx - 1 + ny - 1 + nz - 1)
    faces = 2 * ((nx - 1) * (ny - 1) + (nx - 1) * (nz - 1) + (ny - 1) * (nz - 1))
    by_corners = [int(found[corners == n, 0].sum()) for n in range(9)]
    assert by_corners == [0, 8, edges, 0, faces, 0, 0, 0, (nx - 1) * (ny - 1) * (nz - 1)]
    assert found[255, 1] == (1 + 2 + 3 + 4) * (ny - 1) * (nz - 1)
    assert found[1].tolist() == [1, nx]  # the corner (0, 0, 0) of the last cell of every axis


def test_analytic_moments_of_a_long_line(launcher):
    """Squares add up beyond 32 bits."""
    n = 3000
    line = np.ones((n, 1, 1), dtype=bool)
    found = cuda.to_host(cuda_shape.coordinate_moments(*packed_masks([line])))[0]
    assert found[4] == (n - 1) * n * (2 * n - 1) // 6 > 2**32
    assert found.tolist()[:4] == [n, n * (n - 1) // 2, 0, 0]


def test_masks_without_voxels(launcher):
    empty, one = np.zeros((0, 4, 2), bool), np.ones((1, 1, 1), bool)
    batch = packed_masks([empty, one, np.zeros((2, 2, 2), bool), empty])
    moments = cuda.to_host(cuda_shape.coordinate_moments(*batch))
    assert moments[:, 0].tolist() == [0, 1, 0, 0]
    patterns = cuda.to_host(cuda_shape.mesh_patterns(*batch))
    assert (patterns[1, 2 ** np.arange(8), 0] == 1).all()
    assert not patterns[:, 1:, 0][[0, 2, 3]].any()
    assert cuda_shape.coordinate_moments(*packed_masks([empty])).shape == (1, 10)


def test_arrays_may_lie_on_the_device(launcher):
    batch = packed_masks(random_masks(5, seed=34))
    found = cuda_shape.mesh_patterns(*map(cuda.to_device, batch))
    np.testing.assert_array_equal(cuda.to_host(found), cpu_shape.mesh_patterns(*batch))
