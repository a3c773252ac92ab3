"""Moran's I and Geary's C against the double sum of their definition."""

import math

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from petnet.radiomics import autocorrelation
from petnet.radiomics.autocorrelation import (
    Spectra,
    autocorrelations_on_cuda,
    device_spectrum,
    distance_spectrum,
    even_periods,
    spatial_autocorrelation,
    spectral_sums,
)
from petnet.radiomics.kernels import cuda

ANISOTROPIC = (1.0, 1.0, 5.0)


def brute_force(values, inside, spacing_mm):
    """Over unordered pairs, in extended precision."""
    x = values[inside].astype(np.longdouble)
    weights = 1 / pdist(np.argwhere(inside) * np.asarray(spacing_mm)).astype(np.longdouble)
    i, j = np.triu_indices(x.size, 1)
    centred = x - x.mean()
    variation = (centred**2).sum()
    moran = x.size / weights.sum() * (weights * centred[i] * centred[j]).sum() / variation
    geary = (x.size - 1) / weights.sum() * (weights * (x[i] - x[j]) ** 2).sum() / variation / 2
    return float(moran), float(geary)


def regions():
    rng = np.random.default_rng(0)
    for shape in [(7, 8, 9), (1, 9, 4), (1, 1, 5), (2, 1, 1), (12, 3, 5), (6, 1, 1)]:
        inside = rng.random(shape) < 0.6
        inside.flat[[0, -1]] = True
        yield inside, rng.normal(size=shape)
        yield inside, -rng.gamma(2.0, size=shape)
        yield inside, rng.normal(size=shape) * 1e-3 + 1e6
    far_apart = np.zeros((9, 20, 15), dtype=bool)
    far_apart[:3, :3, :3] = far_apart[-2:, -4:, -3:] = True
    yield far_apart, rng.normal(size=far_apart.shape)


ALL_REGIONS = list(regions())


@pytest.fixture(params=["by table", "by distance", "by spectrum"])
def way(request, monkeypatch):
    """Make one way so dear, or the others, that it is the one taken."""
    dear = {
        "by table": {"FAR_PAIR_NS": 1e9, "SPECTRAL_NS": 1e12},
        "by distance": {"TABLE_NS": 1e12, "SPECTRAL_NS": 1e12},
        "by spectrum": {"PAIR_NS": 1e12, "FAR_PAIR_NS": 1e12},
    }[request.param]
    for name, cost in dear.items():
        monkeypatch.setattr(autocorrelation, name, cost)
    taken = []
    for name in ("_paired_sums", "spectral_sums"):
        original = getattr(autocorrelation, name)

        def noted(*arguments, name=name, original=original):
            taken.append((name, arguments[3] if name == "_paired_sums" else None))
            return original(*arguments)

        monkeypatch.setattr(autocorrelation, name, noted)
    yield
    expected = {
        "by table": ("_paired_sums", True),
        "by distance": ("_paired_sums", False),
        "by spectrum": ("spectral_sums", None),
    }
    assert set(taken) == {expected[request.param]}


@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0, 1.0), ANISOTROPIC, (0.7, 1.3, 2.9)])
@pytest.mark.usefixtures("way")
def test_brute_force(spacing_mm):
    for inside, values in ALL_REGIONS:
        expected = brute_force(values, inside, spacing_mm)
        values = np.where(inside, values, np.nan)
        found = spatial_autocorrelation(values, inside, spacing_mm)
        # a change of 1e-16 of a value of 1e6 is 1e-7 of its deviation of 1e-3
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.usefixtures("way")
def test_analytic_two_voxels():
    inside = np.ones((2, 1, 1), dtype=bool)
    found = spatial_autocorrelation(np.array([[[3.0]], [[5.0]]]), inside, ANISOTROPIC)
    assert found == pytest.approx((-1.0, 1.0))


@pytest.mark.parametrize("n", [1500, 4000])
def test_brute_force_of_a_larger_region(n):
    """Of a size at which the way is chosen as it is for users, pairs shared out to threads."""
    rng = np.random.default_rng(n)
    inside = np.zeros((19, 20, 18), dtype=bool)
    inside.flat[rng.choice(inside.size, n, replace=False)] = True
    values = rng.gamma(2.0, size=inside.shape).cumsum(axis=0)
    expected = brute_force(values, inside, ANISOTROPIC)
    assert spatial_autocorrelation(values, inside, ANISOTROPIC) == pytest.approx(expected, rel=1e-9)


def test_the_ways_agree_on_many_pairs(monkeypatch):
    """Two independent ways; 20 million pairs, on all threads."""
    rng = np.random.default_rng(5)
    inside = rng.random((24, 22, 20)) < 0.6
    values = rng.normal(size=inside.shape).cumsum(axis=1)
    spectral = spatial_autocorrelation(values, inside, ANISOTROPIC)
    monkeypatch.setattr(autocorrelation, "SPECTRAL_NS", 1e12)
    assert spatial_autocorrelation(values, inside, ANISOTROPIC) == pytest.approx(spectral, rel=1e-9)


def test_undefined_is_nan():
    def of(values):
        array = np.array(values, dtype=float).reshape(-1, 1, 1)
        return spatial_autocorrelation(array, np.isfinite(array), (1.0, 1.0, 1.0))

    assert all(map(math.isnan, of([np.nan, np.nan])))
    assert all(map(math.isnan, of([7.0])))
    assert all(map(math.isnan, of([0.1] * 7)))


def test_analytic_scale_and_offset_change_nothing():
    inside, values = ALL_REGIONS[0]
    found = spatial_autocorrelation(values, inside, ANISOTROPIC)
    for scale, offset in ((1e150, 0.0), (1e-150, 0.0), (-2.0, 1.0)):
        changed = spatial_autocorrelation(values * scale + offset, inside, ANISOTROPIC)
        assert changed == pytest.approx(found, rel=1e-9)


def test_spectrum_is_the_transform_of_inverse_distance():
    periods, spacing_mm = (6, 4, 8), (1.0, 2.0, 3.0)
    lags = np.meshgrid(
        *(np.minimum(np.arange(p), p - np.arange(p)) for p in periods), indexing="ij"
    )
    x, y, z = (lag * step for lag, step in zip(lags, spacing_mm, strict=True))
    distance = np.sqrt(x**2 + y**2 + z**2)
    inverse = np.divide(1, distance, out=np.zeros(periods), where=distance > 0)
    half = np.fft.rfftn(inverse).real[:4, :3] / math.prod(periods)
    half[..., 1:-1] *= 2
    found = distance_spectrum(periods, spacing_mm)
    np.testing.assert_allclose(found, np.moveaxis(half, 2, 0), atol=1e-13)


def test_periods_keep_copies_apart():
    for n in (1, 2, 3, 17, 100, 126, 127, 128, 129):
        (period,) = even_periods([n])
        assert period % 2 == 0
        # the furthest pair, n - 1 apart, is no nearer by way of the next copy
        assert period - (n - 1) >= n - 1


def test_any_array_namespace_gives_the_same_sums():
    """On the strict namespace's other device, where a call to NumPy would fail."""
    xp = pytest.importorskip("array_api_strict")
    device = xp.Device("device1")
    for inside, values in ALL_REGIONS[:4]:
        centred = np.where(inside, values - values[inside].mean(), 0.0)
        periods = even_periods(inside.shape)
        arrays = centred, inside, distance_spectrum(periods, ANISOTROPIC)
        strict = spectral_sums(*(xp.asarray(a, device=device) for a in arrays), periods)
        assert strict == pytest.approx(spectral_sums(*arrays, periods), rel=1e-12)


@pytest.mark.parametrize("periods", [(6, 4, 8), (2, 2, 2), (10, 2, 6)])
def test_spectrum_made_on_a_device_is_that_of_the_host(periods):
    xp = pytest.importorskip("array_api_strict")
    device = xp.Device("device1")
    found = device_spectrum(xp, device, periods, (0.7, 2.0, 3.0))
    assert found.device == device
    expected = distance_spectrum(periods, (0.7, 2.0, 3.0))
    np.testing.assert_allclose(
        np.asarray(found.to_device(xp.Device("CPU_DEVICE"))), expected, atol=1e-13
    )


@pytest.fixture(params=["shim", pytest.param("gpu", marks=pytest.mark.gpu)])
def launcher(request):
    """The host shim, or a real device."""
    if request.param == "shim":
        request.getfixturevalue("shim_cupy")
    elif reason := cuda.unusable_reason():
        pytest.skip(reason)


@pytest.mark.usefixtures("launcher")
@pytest.mark.parametrize("paired", [8192, 30, 0])
def test_brute_force_on_cuda(monkeypatch, paired):
    """Small regions by pairs in one launch, large ones by spectra, undefined ones among them."""
    monkeypatch.setattr(autocorrelation, "PAIRED_ON_CUDA", paired)
    flat = np.ones((3, 2, 2), dtype=bool)
    cases = [ALL_REGIONS[0], (flat, np.full(flat.shape, 7.0)), *ALL_REGIONS[1::4]]
    spacings = [ANISOTROPIC if k % 2 else (0.7, 1.3, 2.9) for k in range(len(cases))]
    fields = [
        (np.where(inside, values, np.nan), inside, mm)
        for (inside, values), mm in zip(cases, spacings, strict=True)
    ]
    found = autocorrelations_on_cuda(fields)
    assert all(map(math.isnan, found.pop(1)))
    expected = [brute_force(*field) for field in fields[:1] + fields[2:]]
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other, rel=1e-9, abs=1e-12)


def test_transforms_are_kept_within_bounds():
    first, second = ((4, 4, 4), ANISOTROPIC), ((4, 4, 6), ANISOTROPIC)
    size = distance_spectrum(*second).nbytes
    spectra = Spectra(max_bytes=2 * size)
    assert spectra.get(*second) is spectra.get(*second)
    kept = spectra.get(*first)
    assert spectra.get(*first) is kept
    assert spectra.nbytes <= 2 * size
    spectra.get((4, 6, 4), ANISOTROPIC)  # drives out the one used longest ago
    assert spectra.get(*first) is kept
    assert spectra.nbytes <= 2 * size
    spectra.clear()
    assert spectra.nbytes == 0
    none = Spectra(max_bytes=0)
    assert none.get(*first) is not none.get(*first)
    assert none.nbytes == 0
