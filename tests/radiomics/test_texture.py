"""Co-occurrence formulas: other array libraries, closed forms, invariances, undefined values."""

import array_api_strict
import numpy as np
import pytest
from array_api_compat import array_namespace
from glcm_oracles import brute_force_array, random_regions

from petnet.radiomics.catalogue import features_of
from petnet.radiomics.intensity import intensity_statistics
from petnet.radiomics.kernels.cuda import to_host
from petnet.radiomics.kernels.dispatch import DIRECTIONS_3D, glcm_batches
from petnet.radiomics.texture import glcm_features

AGGREGATIONS = ("3D_avg", "3D_comb")
NAMES = [feature.name for feature in features_of("glcm")]


def counts_of(levels, n_levels):
    return brute_force_array(np.asarray(levels, dtype=np.int32), DIRECTIONS_3D, n_levels)[None]


def features_of_levels(levels, n_levels, aggregation):
    found = glcm_features(counts_of(levels, n_levels), np.array([n_levels]), aggregation)
    return {name: value.item() for name, value in found.items()}


def definition(counts, n_levels):
    """The IBSI sums, literally, for one symmetric matrix."""
    p = counts / counts.sum()
    i, j = np.mgrid[1 : len(p) + 1, 1 : len(p) + 1]
    p_i = p.sum(axis=1)
    mu = (i * p).sum()
    var = ((i - mu) ** 2 * p).sum()
    difference = np.array([p[np.abs(i - j) == k].sum() for k in range(len(p))])
    total = np.array([p[i + j == k].sum() for k in range(2, 2 * len(p) + 1)])

    def entropy(q):
        return -sum(x * np.log2(x) for x in q.ravel() if x > 0)

    k_d, k_s = np.arange(len(difference)), np.arange(2, 2 * len(p) + 1)
    outer = np.outer(p_i, p_i)
    some = p > 0
    hxy1 = -(p[some] * np.log2(outer[some])).sum()
    hxy2, off = entropy(outer), np.abs(i - j) > 0
    return {
        "joint_maximum": p.max(),
        "joint_average": mu,
        "joint_variance": var,
        "joint_entropy": entropy(p),
        "difference_average": (k_d * difference).sum(),
        "difference_variance": ((k_d - (k_d * difference).sum()) ** 2 * difference).sum(),
        "difference_entropy": entropy(difference),
        "sum_average": (k_s * total).sum(),
        "sum_variance": ((k_s - (k_s * total).sum()) ** 2 * total).sum(),
        "sum_entropy": entropy(total),
        "angular_second_moment": (p**2).sum(),
        "contrast": ((i - j) ** 2 * p).sum(),
        "dissimilarity": (np.abs(i - j) * p).sum(),
        "inverse_difference": (p / (1 + np.abs(i - j))).sum(),
        "normalised_inverse_difference": (p / (1 + np.abs(i - j) / n_levels)).sum(),
        "inverse_difference_moment": (p / (1 + (i - j) ** 2)).sum(),
        "normalised_inverse_difference_moment": (p / (1 + (i - j) ** 2 / n_levels**2)).sum(),
        "inverse_variance": (p[off] / (i - j)[off] ** 2).sum(),
        "correlation": (((i - mu) * (j - mu) * p).sum()) / var,
        "autocorrelation": (i * j * p).sum(),
        "cluster_tendency": ((i + j - 2 * mu) ** 2 * p).sum(),
        "cluster_shade": ((i + j - 2 * mu) ** 3 * p).sum(),
        "cluster_prominence": ((i + j - 2 * mu) ** 4 * p).sum(),
        "information_correlation_1": (entropy(p) - hxy1) / entropy(p_i),
        "information_correlation_2": np.sqrt(1 - np.exp(-2 * (hxy2 - entropy(p)))),
    }


@pytest.mark.parametrize("n_levels", [2, 5, 23])
def test_definition_of_every_feature(n_levels):
    levels = np.random.default_rng(n_levels).integers(0, n_levels + 1, size=(6, 5, 4))
    counts = counts_of(levels, n_levels)
    merged = features_of_levels(levels, n_levels, "3D_comb")
    averaged = features_of_levels(levels, n_levels, "3D_avg")
    of_sum = definition(counts[0].sum(axis=0), n_levels)
    of_each = [definition(matrix, n_levels) for matrix in counts[0]]
    assert set(merged) == set(averaged) == set(of_sum) == set(NAMES)
    for name in NAMES:
        assert merged[name] == pytest.approx(of_sum[name], rel=1e-10, abs=1e-12), name
        mean = np.mean([each[name] for each in of_each])
        assert averaged[name] == pytest.approx(mean, rel=1e-10, abs=1e-12), name


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_array_api_strict_on_its_second_device(aggregation):
    levels = [levels for levels, n in random_regions(40, seed=8) if n <= 16]
    n_levels = np.array([max(1, level.max()) for level in levels], dtype=np.int64)
    counts = np.concatenate([counts_of(level, 16) for level in levels])
    device = array_api_strict.Device("device1")
    strict = glcm_features(
        array_api_strict.asarray(counts, device=device),
        array_api_strict.asarray(n_levels, device=device),
        aggregation,
    )
    plain = glcm_features(counts, n_levels, aggregation)
    for name, values in plain.items():
        assert strict[name].device == device
        back = np.from_dlpack(strict[name].to_device(array_api_strict.Device("CPU_DEVICE")))
        np.testing.assert_allclose(back, values, rtol=1e-12, equal_nan=True)


def test_array_api_strict_statistics():
    values = np.random.default_rng(3).gamma(2.0, 2.0, size=101)
    device = array_api_strict.Device("device1")
    strict = intensity_statistics(array_api_strict.asarray(values, device=device))
    assert strict == pytest.approx(intensity_statistics(values), rel=1e-12)


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_batch_equals_one_by_one(aggregation):
    """Padding to the widest matrix of a batch changes nothing."""
    regions = [(levels, n) for levels, n in random_regions(20, seed=9) if n <= 32]
    counts = np.concatenate([counts_of(levels, 32) for levels, _ in regions])
    n_levels = np.array([n for _, n in regions])
    batch = glcm_features(counts, n_levels, aggregation)
    for k, (levels, n) in enumerate(regions):
        alone = features_of_levels(levels, n, aggregation)
        for name in NAMES:
            np.testing.assert_allclose(batch[name][k], alone[name], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_formulas_on_each_device_equal_numpy(device, aggregation):
    """Counts made on the device stay there; only sums of float64 may differ, by their order.

    In two features the last bits weigh more: a root near 0, and cubes of either sign.
    """
    levels, n_levels = zip(*random_regions(60, seed=10), strict=True)
    seen = 0
    for batch in glcm_batches(levels, n_levels, device, chunk_bytes=4 << 20):
        of_batch = np.array(n_levels)[batch.index]
        host = glcm_features(to_host(batch.counts), of_batch, aggregation)
        there = array_namespace(batch.counts).asarray(of_batch)
        cubes = 1e-13 * (2.0 * of_batch.max()) ** 3
        near = {"information_correlation_2": 1e-7, "cluster_shade": cubes}
        for name, values in glcm_features(batch.counts, there, aggregation).items():
            assert type(values) is type(batch.counts)
            tolerance = {"rtol": 1e-10, "atol": near.get(name, 1e-12)}
            np.testing.assert_allclose(to_host(values), host[name], equal_nan=True, **tolerance)
        seen += len(batch.index)
    assert seen == 60


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_analytic_checkerboard(aggregation):
    """Along x, y, z all pairs differ; along the 6 face diagonals none; along the 4 others all."""
    board = np.indices((20, 20, 20)).sum(axis=0) % 2 + 1
    found = features_of_levels(board, 2, aggregation)
    counts = counts_of(board, 2)[0]
    differs = np.abs(DIRECTIONS_3D).sum(axis=1) % 2 == 1
    share = differs.mean() if aggregation == "3D_avg" else counts[differs].sum() / counts.sum()
    assert found["contrast"] == pytest.approx(share)
    assert found["inverse_variance"] == pytest.approx(share)
    assert found["correlation"] == pytest.approx(1 - 2 * share)
    assert found["joint_average"] == pytest.approx(1.5)


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_analytic_turning_and_mirroring_change_nothing(aggregation):
    levels = np.random.default_rng(4).integers(0, 6, size=(7, 5, 6))
    first = features_of_levels(levels, 5, aggregation)
    for other in (np.rot90(levels, axes=(0, 1)), levels[::-1], levels.transpose(2, 0, 1)):
        second = features_of_levels(other, 5, aggregation)
        assert second == pytest.approx(first, rel=1e-10)


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_undefined_is_nan(aggregation):
    alone = features_of_levels([[[2]]], 2, aggregation)
    assert all(np.isnan(value) for value in alone.values())
    flat = features_of_levels(np.full((3, 3, 3), 3), 3, aggregation)
    undefined = {name for name, value in flat.items() if np.isnan(value)}
    assert undefined == {"correlation", "information_correlation_1"}
    assert flat["contrast"] == flat["joint_entropy"] == flat["information_correlation_2"] == 0
    assert flat["joint_average"] == 3


def test_directions_without_pairs_are_left_out_of_the_average():
    line = features_of_levels([[[1, 2, 2, 1]]], 2, "3D_avg")
    assert line["contrast"] == pytest.approx(2 / 3)
