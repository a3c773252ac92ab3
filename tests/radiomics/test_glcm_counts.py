"""Co-occurrence counts: `.cu` = Numba = brute force, count for count."""

import numpy as np
import pytest
from glcm_oracles import brute_force_array, brute_force_python, random_regions

from petnet.errors import InputError
from petnet.radiomics.kernels import cpu, cuda, dispatch
from petnet.radiomics.kernels.dispatch import DIRECTIONS_3D

CHUNK_BYTES = 32 << 20


def chunks(regions, directions=DIRECTIONS_3D):
    """Yield the regions as the dispatcher would count them together."""
    n_levels = [n for _, n in regions]
    for index in dispatch.plan_chunks(n_levels, len(directions), CHUNK_BYTES):
        chosen = [regions[k][0] for k in index]
        packed = dispatch.pack(chosen)
        widest = max(n_levels[k] for k in index)
        yield chosen, (packed.levels, packed.offsets, packed.shapes, directions, widest)


def assert_all_equal(regions, kernel):
    seen = 0
    for chosen, arguments in chunks(regions):
        counts = kernel(*arguments)
        assert counts.dtype == np.int64
        for region, found in zip(chosen, counts, strict=True):
            expected = brute_force_array(region, DIRECTIONS_3D, arguments[-1])
            np.testing.assert_array_equal(cuda.to_host(found), expected)
            seen += 1
    assert seen == len(regions)


def test_brute_force_agrees_with_pure_python():
    for levels, n_levels in random_regions(40, seed=1):
        np.testing.assert_array_equal(
            brute_force_array(levels, DIRECTIONS_3D, n_levels),
            brute_force_python(levels, DIRECTIONS_3D, n_levels),
        )


def test_brute_force_numba_and_shim_200_volumes(shim_cupy):
    """All three at once, so that the brute force is counted only once."""
    regions = random_regions(200, seed=2)

    def both(*arguments):
        twin = cpu.glcm_counts(*arguments)
        np.testing.assert_array_equal(cuda.glcm_counts(*arguments), twin)
        return twin

    assert_all_equal(regions, both)


@pytest.mark.full
def test_brute_force_10000_volumes(shim_cupy):
    regions = random_regions(10_000, seed=5)
    assert_all_equal(regions, cpu.glcm_counts)
    assert_all_equal(regions, cuda.glcm_counts)


def test_brute_force_on_each_device(device):
    kernel = cuda.glcm_counts if device == "cuda" else cpu.glcm_counts
    assert_all_equal(random_regions(1000 if device == "cuda" else 100, seed=2), kernel)


def test_brute_force_other_directions():
    """Longer offsets, and a direction list of another length."""
    directions = np.array([[2, 0, -1], [0, 3, 0]], dtype=np.int32)
    regions = random_regions(60, seed=4)
    for chosen, arguments in chunks(regions, directions):
        for region, found in zip(chosen, cpu.glcm_counts(*arguments), strict=True):
            expected = brute_force_array(region, directions, arguments[-1])
            np.testing.assert_array_equal(found, expected)


def test_brute_force_large_region_on_several_threads():
    """A region of more than one piece of work per thread."""
    levels = np.random.default_rng(6).integers(0, 9, size=(70, 60, 50)).astype(np.int32)
    packed = dispatch.pack([levels])
    counts = cpu.glcm_counts(packed.levels, packed.offsets, packed.shapes, DIRECTIONS_3D, 8)
    np.testing.assert_array_equal(counts[0], brute_force_array(levels, DIRECTIONS_3D, 8))


def test_directions_are_unique_up_to_sign():
    both = {tuple(d) for d in DIRECTIONS_3D} | {tuple(-d) for d in DIRECTIONS_3D}
    assert len(DIRECTIONS_3D) == 13
    assert len(both) == 26


def test_chunks_stay_within_memory():
    n_levels = [256, 3, 64, 64, 8, 200]
    found = list(dispatch.plan_chunks(n_levels, 13, chunk_bytes=13 * 64**2 * 8 * 4))
    assert sorted(np.concatenate(found).tolist()) == list(range(6))
    assert [c.tolist() for c in found] == [[1, 4, 2, 3], [5], [0]]


def test_chunked_batches_equal_one_batch():
    regions = random_regions(30, seed=7)
    levels, n_levels = [r for r, _ in regions], [n for _, n in regions]
    seen = set()
    for batch in dispatch.glcm_batches(levels, n_levels, "cpu", chunk_bytes=1 << 16):
        for k, counts in zip(batch.index, batch.counts, strict=True):
            expected = brute_force_array(levels[k], DIRECTIONS_3D, counts.shape[-1])
            np.testing.assert_array_equal(counts, expected)
            seen.add(int(k))
    assert seen == set(range(30))


@pytest.mark.parametrize(("levels", "n_levels"), [([[[3]]], 2), ([[[-1]]], 2), ([[[1]]], 1025)])
def test_levels_out_of_range_are_refused(levels, n_levels):
    with pytest.raises(InputError, match=r"lesion 7.*expected .* but got"):
        next(dispatch.glcm_batches([np.array(levels)], [n_levels], "cpu", names=["lesion 7"]))


def test_no_regions_no_batches():
    assert list(dispatch.glcm_batches([], [], "cpu")) == []


def test_cuda_asked_for_in_vain_is_an_error():
    if cuda.unusable_reason() is None:
        pytest.skip("CUDA can be used here")
    with pytest.raises(InputError, match=r"device=cuda.*CuPy|device=cuda.*CUDA"):
        dispatch.resolve_device("cuda")
    assert dispatch.resolve_device("auto") == "cpu"
