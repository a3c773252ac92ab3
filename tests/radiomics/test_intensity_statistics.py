"""Statistics against SciPy, decimals and NumPy's percentiles; the choice of order statistics."""

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest
from scipy import stats

from petnet.radiomics import intensity
from petnet.radiomics.catalogue import features_of
from petnet.radiomics.intensity import intensity_statistics, order_statistics


def numpy_statistics(x):
    p10, p25, p75, p90 = np.percentile(x, [10, 25, 75, 90])
    robust = x[(x >= p10) & (x <= p90)]
    return {
        "mean_intensity": x.mean(),
        "intensity_variance": np.var(x),
        "intensity_skewness": stats.skew(x),
        "excess_intensity_kurtosis": stats.kurtosis(x),
        "median_intensity": np.median(x),
        "minimum_intensity": x.min(),
        "10th_intensity_percentile": p10,
        "90th_intensity_percentile": p90,
        "maximum_intensity": x.max(),
        "intensity_interquartile_range": stats.iqr(x),
        "intensity_range": np.ptp(x),
        "intensity_mean_absolute_deviation": np.abs(x - x.mean()).mean(),
        "intensity_robust_mean_absolute_deviation": np.abs(robust - robust.mean()).mean()
        if robust.size
        else np.nan,
        "intensity_median_absolute_deviation": np.abs(x - np.median(x)).mean(),
        "intensity_coefficient_of_variation": stats.variation(x),
        "intensity_quartile_coefficient_of_dispersion": (p75 - p25) / (p75 + p25),
        "intensity_energy": (x**2).sum(),
        "root_mean_square_intensity": math.sqrt((x**2).mean()),
    }


@pytest.mark.parametrize("n", [2, 3, 10, 101, 5000, 60_001])
def test_scipy_statistics(n):
    x = np.random.default_rng(n).gamma(2.0, 3.0, size=n) - 1
    found = intensity_statistics(x)
    expected = numpy_statistics(x)
    assert list(found) == [feature.name for feature in features_of("stat")] == list(expected)
    assert found == pytest.approx(expected, rel=1e-10, abs=1e-12, nan_ok=True)


def test_scipy_statistics_of_negative_values_that_repeat():
    """Hounsfield units: many equal values, on percentiles too."""
    x = np.rint(np.random.default_rng(4).normal(-40, 9, size=70_000))
    assert intensity_statistics(x) == pytest.approx(numpy_statistics(x), rel=1e-10)


def exact_moments(x):
    """Mean, variance, skewness and excess kurtosis with 100 digits."""
    with localcontext(prec=100):
        values = [Decimal(float(v)) for v in x]
        mean = sum(values) / len(values)
        second, third, fourth = (
            sum((v - mean) ** k for v in values) / len(values) for k in (2, 3, 4)
        )
        exact = mean, second, third / second ** Decimal("1.5"), fourth / second**2 - 3
        return [float(value) for value in exact]


@pytest.mark.parametrize(("offset", "spread"), [(0, 1), (1e3, 1), (-1e3, 0.01), (1e6, 1), (4, 1e4)])
def test_decimal_moments_under_a_large_offset(offset, spread):
    x = offset + spread * np.random.default_rng(7).gamma(2.0, 1.0, size=20_000)
    found = intensity_statistics(x)
    names = ("mean_intensity", "intensity_variance", "intensity_skewness")
    values = [found[name] for name in (*names, "excess_intensity_kurtosis")]
    assert values == pytest.approx(exact_moments(x), rel=1e-9)


def test_analytic_flat_empty_one_and_centred():
    for n in (1, 7):
        flat = intensity_statistics(np.full(n, 0.1))
        assert not any(math.isnan(value) for value in flat.values())
        # IBSI: "if the variance is 0", so are KE2A and IPH6
        assert flat["intensity_skewness"] == flat["excess_intensity_kurtosis"] == 0
        assert flat["intensity_variance"] == flat["intensity_robust_mean_absolute_deviation"] == 0
        assert flat["mean_intensity"] == flat["median_intensity"] == 0.1
    assert all(math.isnan(value) for value in intensity_statistics(np.zeros(0)).values())
    centred = intensity_statistics(np.array([-1.0, 0.0, 1.0]))
    assert math.isnan(centred["intensity_coefficient_of_variation"])
    assert math.isnan(centred["intensity_quartile_coefficient_of_dispersion"])


def squeezed():
    """One far value leaves all others in the first bucket."""
    x = np.random.default_rng(1).normal(size=4000)
    x[17] = 1e12
    return x


@pytest.mark.parametrize(
    "x",
    [
        np.random.default_rng(0).normal(size=4000),
        np.random.default_rng(0).integers(-3, 4, size=4000).astype(float),
        squeezed(),
        np.random.default_rng(2).lognormal(0, 3, size=4000),
        np.linspace(-1e-310, 1e-310, 4000),
        np.linspace(-1, 1, 4000) * 1.7e308,
        np.full(4000, 2.5),
    ],
    ids=["normal", "whole", "squeezed", "skewed", "subnormal", "overflow", "flat"],
)
@pytest.mark.parametrize("chosen", [True, False])
def test_numpy_sort_gives_the_same_order_statistics(x, chosen, monkeypatch):
    monkeypatch.setattr(intensity, "SORT_BELOW", 0 if chosen else 10**9)
    ranks = np.array([0, 1, 399, 400, 1999, 2000, 3600, 3998, 3999, 3999])
    found = order_statistics(x, ranks, x.min(), x.max())
    np.testing.assert_array_equal(found, np.sort(x)[ranks])
