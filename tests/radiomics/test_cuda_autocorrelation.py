"""Pair sums of spatial autocorrelation by the CUDA kernel: `.cu` = brute force = analytic."""

import math
import shutil
import subprocess

import numpy as np
import pytest

from petnet.radiomics.kernels import cuda
from petnet.radiomics.kernels.cuda_autocorrelation import pair_sums

SPACINGS_MM = ((1.0, 1.0, 1.0), (1.0, 1.0, 5.0), (4.07, 4.07, 3.0))


@pytest.fixture(params=["shim", pytest.param("gpu", marks=pytest.mark.gpu)])
def launcher(request):
    """The host shim, or a real device."""
    if request.param == "shim":
        request.getfixturevalue("shim_cupy")
    elif reason := cuda.unusable_reason():
        pytest.skip(reason)
    return request.param


def brute_force(points, values):
    """Pair by pair, summed without rounding; the fourth is the sum of |w v_i v_j|."""
    pairs = [(i, j) for i in range(len(points)) for j in range(len(points)) if i != j]
    terms = []
    for i, j in pairs:
        w = 1 / math.dist(points[i], points[j])
        v, u = values[i], values[j]
        terms.append((w, w * v * u, w * (v - u) ** 2, abs(w * v * u)))
    return [math.fsum(column) for column in zip(*terms, strict=True)] or [0.0] * 4


def random_points(rng, n, spacing_mm):
    """n voxels of a box, in several components, with values around zero."""
    box = np.argwhere(np.ones((7, 6, 5), bool))
    chosen = rng.choice(len(box), size=n, replace=False)
    values = rng.normal(size=n) * rng.choice([1e-3, 1, 1e4])
    return box[np.sort(chosen)] * np.asarray(spacing_mm), values - (values.mean() if n else 0)


def as_batch(regions):
    points, values = zip(*regions, strict=True)
    starts = np.cumsum([0, *map(len, values)]).astype(np.int64)
    return np.concatenate(points), np.concatenate(values), starts


def random_regions(seed, sizes):
    rng = np.random.default_rng(seed)
    return [random_points(rng, n, SPACINGS_MM[k % 3]) for k, n in enumerate(sizes)]


@pytest.mark.parametrize("block", [1, 2, 4, 32])
def test_brute_force(launcher, monkeypatch, block):
    """Within 1e-10 of each sum, or of its terms' magnitude where they cancel."""
    monkeypatch.setattr(cuda, "BLOCK_THREADS", block)
    regions = random_regions(41, [2, 0, 1, 3, 40, 64, 97, 0, 130])
    found = pair_sums(*as_batch(regions))
    assert found.shape == (9, 3)
    for (points, values), sums in zip(regions, found, strict=True):
        *expected, size = brute_force(points, values)
        np.testing.assert_allclose(sums[[0, 2]], [expected[0], expected[2]], rtol=1e-10)
        assert abs(sums[1] - expected[1]) <= 1e-10 * size


def test_analytic_two_voxels(launcher):
    """At 5 mm, values 3 and -1: w = 1/5 twice."""
    found = pair_sums(np.array([[0.0, 3, 0], [4, 0, 0]]), np.array([3.0, -1]), np.array([0, 2]))
    np.testing.assert_allclose(found, [[2 / 5, -3 * 2 / 5, 16 * 2 / 5]], rtol=1e-14)


def test_neighbours_in_the_batch_change_no_bit(launcher):
    regions = random_regions(42, [50, 90, 3, 120])
    together = pair_sums(*as_batch(regions))
    np.testing.assert_array_equal(together, pair_sums(*as_batch(regions)))
    for region, sums in zip(regions, together, strict=True):
        np.testing.assert_array_equal(pair_sums(*as_batch([region]))[0], sums)


def test_no_regions(launcher):
    nothing = np.zeros((0, 3)), np.zeros(0), np.zeros(1, np.int64)
    assert pair_sums(*nothing).shape == (0, 3)


def test_kernel_works_in_double_precision(tmp_path):
    compiler = shutil.which("nvcc")
    if compiler is None:
        pytest.skip("no nvcc here")
    source, target = tmp_path / "autocorrelation.cu", tmp_path / "made.ptx"
    source.write_text(cuda.source("autocorrelation"))
    command = [compiler, "-ptx", "-arch=sm_80", *cuda.NVRTC_OPTIONS]
    subprocess.run([*command, str(source), "-o", str(target)], check=True)
    text = target.read_text()
    assert "sqrt.rn.f64" in text
    assert "fma.rn.f64" not in text.split("div.rn.f64")[0]
    assert ".f32" not in text
