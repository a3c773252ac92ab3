"""Intensity-based statistics (IBSI UHIW): no discretisation, float64 on the CPU."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from petnet.radiomics.catalogue import features_of

__all__ = ["intensity_statistics", "order_statistics", "ratio"]

NAN = float("nan")
PERCENTAGES = (10, 25, 50, 75, 90)
BUCKETS = 8192
SORT_BELOW = 50_000  # values, of which sorting all is quicker than choosing buckets


def ratio(numerator: float, denominator: float) -> float:
    """Divide; NaN where the denominator is zero."""
    return numerator / denominator if denominator != 0 else NAN


def intensity_statistics(values: NDArray[np.float64]) -> dict[str, float]:
    """Compute the 18 IBSI intensity-based statistics of a region.

    Parameters
    ----------
    values : (N,) float64
        Intensities of the voxels of the intensity mask, N >= 0; finite.

    Returns
    -------
    dict of str to float
        Units of `values`, squared for variance and energy; none for skewness, excess kurtosis and
        the two coefficients. Skewness and excess kurtosis of a flat region are 0, as IBSI says.
        Undefined is NaN: everything for N = 0; the coefficients where their denominator is zero;
        the robust deviation of two different values, none of which lies between its percentiles.

    Notes
    -----
    Variance, skewness and kurtosis are those of the population; their moments are taken about the
    mean in float64 and corrected for its rounding, so that a large offset costs no digits.
    Percentiles interpolate linearly. The robust mean absolute deviation (1128) takes the values
    from the 10th to the 90th percentile, both included. The median absolute deviation (N72L) is
    the mean distance from the median. Source: doi:10.1148/radiol.2020191145.
    """
    from petnet.radiomics.kernels.intensities import (
        absolute_deviation,
        central_sums,
        value_sums,
    )

    n = values.shape[0]
    if n == 0:
        return {feature.name: NAN for feature in features_of("stat")}
    values = np.ascontiguousarray(values, dtype=np.float64)
    low, high, shifted, energy = value_sums(values)
    p10, p25, median, p75, p90 = _percentiles(values, low, high)
    centre = float(values[0]) + shifted / n
    sums = np.zeros(8)
    central_sums(values, centre, median, p10, p90, sums)
    *_, absolute, from_median, n_robust, robust = sums.tolist()
    # the mean of equal numbers may differ from them by rounding
    offset, variance, third, fourth = _central_moments(sums / n) if high > low else (0, 0, 0, 0)
    mean = centre + offset
    robust_mean = centre + ratio(robust, n_robust)
    spread = absolute_deviation(values, robust_mean, p10, p90)
    return {
        "mean_intensity": mean,
        "intensity_variance": variance,
        "intensity_skewness": third / variance**1.5 if variance > 0 else 0.0,
        "excess_intensity_kurtosis": fourth / variance**2 - 3 if variance > 0 else 0.0,
        "median_intensity": median,
        "minimum_intensity": low,
        "10th_intensity_percentile": p10,
        "90th_intensity_percentile": p90,
        "maximum_intensity": high,
        "intensity_interquartile_range": p75 - p25,
        "intensity_range": high - low,
        "intensity_mean_absolute_deviation": absolute / n,
        "intensity_robust_mean_absolute_deviation": ratio(spread, n_robust),
        "intensity_median_absolute_deviation": from_median / n,
        "intensity_coefficient_of_variation": ratio(math.sqrt(variance), mean),
        "intensity_quartile_coefficient_of_dispersion": ratio(p75 - p25, p75 + p25),
        "intensity_energy": energy,
        "root_mean_square_intensity": math.sqrt(energy / n),
    }


def _central_moments(raw: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """Move the means of d, d², d³, d⁴ about a centre to the true mean: its offset, and moments."""
    d, d2, d3, d4 = raw[:4].tolist()
    return (
        d,
        d2 - d**2,
        d3 - 3 * d * d2 + 2 * d**3,
        d4 - 4 * d * d3 + 6 * d**2 * d2 - 3 * d**4,
    )


def _percentiles(values: NDArray[np.float64], low: float, high: float) -> list[float]:
    """Interpolate linearly between the order statistics on either side of each percentage."""
    last = values.shape[0] - 1
    position = np.array(PERCENTAGES) * last / 100
    below = np.floor(position).astype(np.int64)
    ranks = np.concatenate([below, np.minimum(below + 1, last)])
    lower, upper = order_statistics(values, ranks, low, high).reshape(2, -1)
    interpolated: list[float] = (lower + (position - below) * (upper - lower)).tolist()
    return interpolated


def order_statistics(
    values: NDArray[np.float64], ranks: NDArray[np.int64], low: float, high: float
) -> NDArray[np.float64]:
    """Return the values of given ranks (0 is the least), without sorting the others.

    Values are counted into buckets of equal width from `low` to `high`; only the buckets that hold
    a rank are sorted. Where one far value squeezes the rest into one bucket, that is all of them.
    """
    from petnet.radiomics.kernels.intensities import bucket_counts, take_buckets

    with np.errstate(over="ignore", divide="ignore"):
        scale = float(np.float64(BUCKETS) / (np.float64(high) - np.float64(low)))
    if values.size < SORT_BELOW or not 0 < scale < math.inf:
        ordered: NDArray[np.float64] = np.sort(values)[ranks]
        return ordered
    counts = np.zeros(BUCKETS, dtype=np.int64)
    bucket_counts(values, low, scale, counts)
    ends = np.cumsum(counts)
    bucket = np.searchsorted(ends, ranks, side="right")
    wanted = np.zeros(BUCKETS, dtype=np.bool_)
    wanted[bucket] = True
    taken = np.empty(int(counts[wanted].sum()) + 1)
    take_buckets(values, low, scale, wanted, taken)
    taken[:-1].sort()
    left_out = np.cumsum(np.where(wanted, 0, counts))  # values below a bucket that were not taken
    found: NDArray[np.float64] = taken[ranks - left_out[bucket]]
    return found
