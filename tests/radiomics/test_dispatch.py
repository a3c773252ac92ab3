"""Which regions are counted together, that the counts do not show it, and which are refused."""

import numpy as np
import pytest
from count_oracles import (
    FAMILIES,
    assert_same_counts,
    brute_force,
    random_regions,
    region_of,
)

from petnet.errors import InputError
from petnet.radiomics.kernels import cuda, dispatch
from petnet.radiomics.kernels.counts import DIRECTIONS_3D, Request
from petnet.radiomics.kernels.dispatch import LevelRegions

GLCM = Request(frozenset({"glcm"}), planes=False, volume=True, by_slice=False, n_levels=1)


def level_regions(regions):
    return LevelRegions(
        [r.levels for r in regions],
        [r.inside for r in regions],
        np.array([r.n_levels for r in regions], dtype=np.int64),
        [f"lesion {k}" for k in range(len(regions))],
    )


def test_directions_are_unique_up_to_sign():
    both = {tuple(d) for d in DIRECTIONS_3D} | {tuple(-d) for d in DIRECTIONS_3D}
    assert len(DIRECTIONS_3D) == 13
    assert len(both) == 26


def test_chunks_stay_within_memory():
    """Regions with few levels go together; one that needs more than there is goes alone."""
    n_levels = np.array([256, 3, 64, 64, 8, 200])
    room = 4 * (13 * 64**2 + 64) * 8
    chunks = dispatch.plan_chunks(np.ones((6, 3), np.int64), n_levels, GLCM, room)
    assert [chunk.tolist() for chunk in chunks] == [[1, 4, 2, 3], [5], [0]]


def test_chunks_hold_every_region_once_and_no_more_than_their_bytes():
    rng = np.random.default_rng(1)
    shapes, n_levels = rng.integers(1, 40, (300, 3)), rng.integers(1, 100, 300)
    request = Request(FAMILIES, planes=True, volume=True, by_slice=True, n_levels=1)
    chunks = list(dispatch.plan_chunks(shapes, n_levels, request, 64 << 20))
    assert sorted(np.concatenate(chunks).tolist()) == list(range(300))
    assert 1 < len(chunks) < 300
    for chunk in chunks:
        levels, longest = int(n_levels[chunk].max()), int(shapes[chunk].max())
        slices = int(shapes[chunk, 2].sum())
        matrices = (4 * slices + 9 * len(chunk)) * levels * (levels + longest)
        assert len(chunk) == 1 or matrices * 8 <= 64 << 20


@pytest.mark.parametrize("aggregations", [("3D_mrg",), ("2D_avg", "2_5D_mrg", "3D_avg")])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_chunked_batches_equal_brute_force(shim_cupy, device, aggregations):
    regions = random_regions(30, seed=7)
    seen = set()
    made = dispatch.texture_batches(
        level_regions(regions), sorted(FAMILIES), aggregations, device, chunk_bytes=1 << 18
    )
    batches = list(made)
    for batch in batches:
        for r, k in enumerate(batch.index.tolist()):
            expected = brute_force(regions[k].levels, regions[k].inside, batch.request)
            found = region_of(batch.counts, batch.packed, batch.request, r)
            assert_same_counts(found, expected)
            seen.add(k)
    assert seen == set(range(30))
    assert len(batches) > 1


@pytest.mark.parametrize(("levels", "n_levels"), [([[[3]]], 2), ([[[-1]]], 2), ([[[1]]], 1025)])
def test_levels_out_of_range_are_refused(levels, n_levels):
    array = np.array(levels, np.int32)
    regions = LevelRegions([array], [array > 0], np.array([n_levels]), ["lesion 7"])
    with pytest.raises(InputError, match=r"lesion 7.*expected .* but got"):
        next(dispatch.texture_batches(regions, ["glcm"], ["3D_mrg"], "cpu"))


def test_no_regions_no_batches():
    assert list(dispatch.texture_batches(level_regions([]), ["glcm"], ["3D_mrg"], "cpu")) == []


def test_cuda_asked_for_in_vain_is_an_error():
    if cuda.unusable_reason() is None:
        pytest.skip("CUDA can be used here")
    with pytest.raises(InputError, match=r"device=cuda.*CuPy|device=cuda.*CUDA"):
        dispatch.resolve_device("cuda")
    assert dispatch.resolve_device("auto") == "cpu"
