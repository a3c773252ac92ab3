"""Zones and distances on the device's kernels, run through the host shim: count for count."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from count_oracles import (
    WAYS,
    assert_same_counts,
    brute_force,
    random_regions,
    region_of,
)
from scipy import ndimage

from petnet.radiomics.kernels import cuda, cuda_zones
from petnet.radiomics.kernels.counts import Request, TextureCounts, pack

ZONES = frozenset({"glszm", "gldzm"})


def assert_zones_equal(regions, way=(True, True, True), families=ZONES):
    """Count the regions as one batch, and hold every one against brute force."""
    planes, volume, by_slice = way
    n_levels = max(region.n_levels for region in regions)
    request = Request(families, planes, volume, by_slice, n_levels)
    packed = pack([r.levels for r in regions], [r.inside for r in regions])
    none = np.zeros((len(regions), 0), dtype=np.int64)  # histograms are counted elsewhere
    found = TextureCounts(histogram=none, **cuda_zones.zone_counts(packed, request))
    for r, region in enumerate(regions):
        expected = brute_force(region.levels, region.inside, request)
        expected = replace(expected, histogram=none[:1], plane_histogram=None)
        assert_same_counts(region_of(found, packed, request, r), expected)


def test_1000(shim_cupy):
    regions = random_regions(1000, 1)
    import time
    t=time.time()
    for k in range(0, 1000, 50):
        assert_zones_equal(regions[k:k+50], WAYS[k // 50 % len(WAYS)])
    print(time.time()-t)
