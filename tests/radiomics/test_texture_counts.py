"""Texture counts of the CPU kernels: Numba = brute force, count for count."""

from itertools import cycle

import pytest
from count_oracles import (
    FAMILIES,
    WAYS,
    assert_same_counts,
    brute_force,
    brute_force_python,
    random_regions,
    region_of,
)

from petnet.radiomics.kernels import cpu
from petnet.radiomics.kernels.counts import Request, pack


@pytest.mark.parametrize("way", WAYS)
def test_brute_force_agrees_with_pure_python(way):
    for k, (levels, inside, n_levels) in enumerate(random_regions(20, seed=1)):
        request = Request(FAMILIES, *way, n_levels, alpha=k % 3)
        assert_same_counts(
            brute_force(levels, inside, request), brute_force_python(levels, inside, request)
        )


def assert_all_equal(regions, way, families=FAMILIES):
    """Count in batches of several sizes, each with the greatest number of levels of its own."""
    start = 0
    for size in cycle([1, 2, 9]):
        chosen = regions[start : start + size]
        if not chosen:
            return
        start += size
        packed = pack([r.levels for r in chosen], [r.inside for r in chosen])
        n_levels = max(r.n_levels for r in chosen)
        request = Request(families, *way, n_levels, alpha=size % 2)
        counts = cpu.texture_counts(packed, request)
        for r, region in enumerate(chosen):
            expected = brute_force(region.levels, region.inside, request)
            assert_same_counts(region_of(counts, packed, request, r), expected)


@pytest.mark.parametrize("way", WAYS)
def test_brute_force_1000_volumes(way):
    """A thousand in all."""
    assert_all_equal(random_regions(1000, seed=2)[WAYS.index(way) :: len(WAYS)], way)
