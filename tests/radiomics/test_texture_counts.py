"""Texture counts of the CPU kernels: Numba = brute force, count for count."""

import pytest
from count_oracles import (
    FAMILIES,
    WAYS,
    assert_same_counts,
    brute_force,
    brute_force_python,
    random_regions,
)

from petnet.radiomics.kernels.counts import Request


@pytest.mark.parametrize("way", WAYS)
def test_brute_force_agrees_with_pure_python(way):
    for k, (levels, inside, n_levels) in enumerate(random_regions(20, seed=1)):
        request = Request(FAMILIES, *way, n_levels, alpha=k % 3)
        assert_same_counts(
            brute_force(levels, inside, request), brute_force_python(levels, inside, request)
        )
