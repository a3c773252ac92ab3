"""Histogram features against NumPy on the voxels, the manual's rules, and another array library."""

import math

import array_api_strict
import numpy as np
import pytest
from scipy import stats

from petnet.radiomics.catalogue import features_of
from petnet.radiomics.histogram import histogram_features

NAMES = [feature.name for feature in features_of("ih")]


def one(counts, n_levels=None):
    counts = np.asarray(counts, dtype=np.int64)
    found = histogram_features(counts[None], np.array([n_levels or counts.size]))
    return {name: value.item() for name, value in found.items()}


def of_voxels(counts, n_levels):
    """Straight from the levels of the voxels, one after the other."""
    x = np.repeat(np.arange(1, len(counts) + 1), counts)
    p = counts[counts > 0] / x.size
    p10, p25, p75, p90 = np.percentile(x, [10, 25, 75, 90])
    robust = x[(x >= p10) & (x <= p90)]
    n = counts[:n_levels]
    gradient = [
        n[1] - n[0],
        *[(n[i + 1] - n[i - 1]) / 2 for i in range(1, n_levels - 1)],
        n[-1] - n[-2],
    ]
    modes = sorted(np.flatnonzero(counts == counts.max()) + 1, key=lambda i: abs(i - x.mean()))
    return dict(
        zip(
            NAMES,
            [
                x.mean(),
                x.var(),
                stats.skew(x),
                stats.kurtosis(x),
                np.median(x),
                x.min(),
                p10,
                p90,
                x.max(),
                modes[0],
                p75 - p25,
                np.ptp(x),
                np.abs(x - x.mean()).mean(),
                np.abs(robust - robust.mean()).mean() if robust.size else math.nan,
                np.abs(x - np.median(x)).mean(),
                x.std() / x.mean(),
                (p75 - p25) / (p75 + p25),
                -(p * np.log2(p)).sum(),
                (p**2).sum(),
                max(gradient),
                gradient.index(max(gradient)) + 1,
                min(gradient),
                gradient.index(min(gradient)) + 1,
            ],
            strict=True,
        )
    )


def random_counts(seed):
    rng = np.random.default_rng(seed)
    n_levels = int(rng.integers(2, 40))
    counts = rng.integers(0, rng.integers(2, 60), size=n_levels) * (rng.random(n_levels) < 0.7)
    counts[rng.integers(0, n_levels, size=2)] += 1 + np.arange(2)
    return counts, n_levels


@pytest.mark.parametrize("seed", range(40))
def test_brute_force(seed):
    counts, n_levels = random_counts(seed)
    if np.count_nonzero(counts) < 2:
        counts[[0, -1]] += 1
    found = one(counts)
    assert list(found) == NAMES
    assert found == pytest.approx(of_voxels(counts, n_levels), rel=1e-11, abs=1e-11, nan_ok=True)


def test_batch_equals_one_by_one():
    """Regions of fewer levels are padded; padding is no bin of their gradient."""
    rows = [random_counts(seed) for seed in range(30)]
    batch = np.zeros((len(rows), 50), dtype=np.int64)
    for row, (counts, n_levels) in zip(batch, rows, strict=True):
        row[:n_levels] = counts
    together = histogram_features(batch, np.array([n for _, n in rows]))
    for k, (counts, _) in enumerate(rows):
        alone = {name: values[k] for name, values in together.items()}
        assert alone == pytest.approx(one(counts), rel=1e-12, abs=1e-12, nan_ok=True)


def test_ibsi_mode_is_the_one_closest_to_the_mean_then_the_lower():
    assert one([5, 0, 0, 5, 1, 1])["intensity_histogram_mode"] == 4
    assert one([5, 1, 0, 0, 0, 5])["intensity_histogram_mode"] == 1
    assert one([0, 4, 1, 4, 0])["intensity_histogram_mode"] == 2


def test_analytic_gradient_of_two_bins_and_of_ties():
    two = one([3, 7])
    assert two["maximum_histogram_gradient"] == two["minimum_histogram_gradient"] == 4
    assert two["maximum_histogram_gradient_intensity"] == 1
    assert two["minimum_histogram_gradient_intensity"] == 1
    # empty bins up to the number of levels count: the last step down is to them
    tail = one([1, 1, 9, 0, 0], 5)
    assert (tail["minimum_histogram_gradient"], tail["minimum_histogram_gradient_intensity"]) == (
        -4.5,
        4,
    )
    assert one([1, 1, 9, 0, 0], 3)["minimum_histogram_gradient"] == 0


def test_undefined_is_nan():
    nothing = one([0, 0, 0])
    assert all(math.isnan(value) for value in nothing.values())
    flat = one([0, 0, 6])
    assert not any(math.isnan(value) for value in flat.values())
    # IBSI: "if the variance is 0", so are 88K1 and C3I7
    assert flat["discretised_intensity_skewness"] == 0
    assert flat["excess_discretised_intensity_kurtosis"] == 0
    assert flat["discretised_intensity_variance"] == flat["discretised_intensity_entropy"] == 0
    single = one([6])
    assert {name for name in NAMES if math.isnan(single[name])} == {
        name for name in NAMES if "gradient" in name
    }


def test_array_api_strict_on_its_second_device():
    counts = np.stack([np.pad(c, (0, 40 - n)) for c, n in map(random_counts, range(12))])
    n_levels = np.array([n for _, n in map(random_counts, range(12))])
    counts[3] = 0
    device = array_api_strict.Device("device1")
    strict = histogram_features(
        array_api_strict.asarray(counts, device=device),
        array_api_strict.asarray(n_levels, device=device),
    )
    for name, values in histogram_features(counts, n_levels).items():
        assert strict[name].device == device
        back = np.from_dlpack(strict[name].to_device(array_api_strict.Device("CPU_DEVICE")))
        np.testing.assert_allclose(back, values, rtol=1e-12, equal_nan=True)
