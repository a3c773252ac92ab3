"""The embedded phantom and consensus are those of the IBSI, and a miss is seen."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from ibsi_tables import read_table

from petnet.radiomics import selftest
from petnet.radiomics.kernels import cpu, cuda, dispatch
from petnet.volume import read_mask, read_volume


def test_ibsi_phantom_is_the_published_one(reference):
    folder = reference / "ibsi1_digital_phantom"
    image, mask = selftest.digital_phantom()
    np.testing.assert_array_equal(
        image.array, read_volume(folder / "image" / "phantom.nii.gz", "HU", "CT").array
    )
    np.testing.assert_array_equal(mask.array, read_mask(folder / "mask" / "mask.nii.gz").array > 0)
    assert mask.array.sum() == 74
    assert image.spacing_mm == (2.0, 2.0, 2.0)


def test_ibsi_consensus_rows_are_the_published_ones(reference):
    """Every number of the table, as often; test_ibsi_texture says which is which."""
    published = Counter(
        (float(row["reference value"]), float(row["tolerance"]))
        for row in read_table(reference, "digital_phantom")
        if row["reference value"]
    )
    rows = selftest.consensus()
    assert len(rows) == 482
    assert Counter((row.value, row.tolerance) for row in rows) == published


def test_ibsi_every_value_is_within_the_consensus():
    results = selftest.run("cpu")
    assert len(results) == 482
    assert [r for r in results if not r.passed] == []


@pytest.mark.parametrize(("expected", "passed"), [(2.15, True), (2.16, False)])
def test_a_miss_is_seen(expected, passed):
    result = selftest.run("cpu")[0]
    assert result.consensus.feature.code == "Q4LE"
    moved = replace(result, consensus=replace(result.consensus, value=expected))
    assert moved.passed is passed


def test_counts_of_two_devices_are_compared_one_by_one(monkeypatch):
    same = selftest.counts_agree(("cpu", "cpu"), regions=20)
    assert (same.regions, same.differing) == (20, 0)
    assert same.counts > 1000
    count, calls = selftest._counts, []

    def off_by_one(regions, device):
        found = count(regions, device)
        if calls:
            found[3].flat[0] += 1
        calls.append(device)
        return found

    monkeypatch.setattr(selftest, "_counts", off_by_one)
    assert selftest.counts_agree(("cpu", "cpu"), regions=20).differing == 1


def test_devices_of_unequal_memory_are_compared_all_the_same(monkeypatch):
    """As many regions as `petnet selftest` counts, on one kernel with either device's memory."""

    def kernel(device):
        return cpu.texture_counts, 32 << 20 if device == "cpu" else 512 << 20

    monkeypatch.setattr(dispatch, "_kernel", kernel)
    assert selftest.counts_agree(("cpu", "cuda")).differing == 0


def test_counts_of_cpu_and_the_shim_are_equal(shim_cupy):
    found = selftest.counts_agree(("cpu", "cuda"), regions=12)
    assert (found.regions, found.differing) == (12, 0)


@pytest.mark.gpu
def test_counts_of_cpu_and_cuda_are_equal():
    if reason := cuda.unusable_reason():
        pytest.skip(reason)
    assert selftest.counts_agree(("cpu", "cuda")).differing == 0
    assert all(result.passed for result in selftest.run("cuda"))
