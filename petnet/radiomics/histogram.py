"""Intensity histogram features (IBSI ZVCW) from voxels per grey level, for many regions at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from array_api_compat import array_namespace, device

__all__ = ["histogram_features"]

PERCENTAGES = (0, 10, 25, 50, 75, 90, 100)


def histogram_features(counts: Any, n_levels: Any) -> dict[str, Any]:
    """Compute the 23 IBSI intensity histogram features of many regions.

    Parameters
    ----------
    counts : (R, L) int64 array of any array-API namespace
        Voxels of grey level 1..L.
    n_levels : (R,) int64, of the same namespace
        Grey levels N_g <= L of each region: all bins of a fixed bin number, up to the highest
        occupied one for a fixed bin size. Counts beyond are zero.

    Returns
    -------
    dict of str to (R,) float64
        In grey levels; gradients in voxels per level. Undefined is NaN: everything for a region
        without voxels; the robust deviation where no voxel lies between the percentiles; gradients
        and their levels for N_g = 1. Skewness and kurtosis of one level are 0, as IBSI says.

    Notes
    -----
    Percentiles interpolate linearly between the voxels' levels, as those of the intensities do.
    Of several modes the one closest to the mean is taken, then the lower. The gradient is central,
    one-sided at level 1 and N_g; of several extrema the lowest level is given. Source:
    doi:10.1148/radiol.2020191145.
    """
    xp = array_namespace(counts)
    levels = xp.arange(1, counts.shape[1] + 1, dtype=counts.dtype, device=device(counts))
    total = xp.sum(counts, axis=1)
    weights, column = xp.astype(counts, xp.float64), xp.astype(levels, xp.float64)[None, :]
    p = weights / _or_nan(xp.astype(total, xp.float64))[:, None]
    lowest, p10, p25, median, p75, p90, highest = _percentiles(counts, total)
    found = _moments(p, column, lowest == highest)
    mean, deviation = found["mean_discretised_intensity"], _mean_distance(p, column)
    inner = (column >= p10[:, None]) & (column <= p90[:, None])
    robust = xp.where(inner, weights, xp.zeros_like(weights))
    robust = robust / _or_nan(xp.sum(robust, axis=1))[:, None]
    found |= {
        "median_discretised_intensity": median,
        "minimum_discretised_intensity": lowest,
        "10th_discretised_intensity_percentile": p10,
        "90th_discretised_intensity_percentile": p90,
        "maximum_discretised_intensity": highest,
        "intensity_histogram_mode": _mode(counts, levels, total),
        "discretised_intensity_interquartile_range": p75 - p25,
        "discretised_intensity_range": highest - lowest,
        "intensity_histogram_mean_absolute_deviation": deviation,
        "intensity_histogram_robust_mean_absolute_deviation": _mean_distance(robust, column),
        "intensity_histogram_median_absolute_deviation": _mean_distance(p, column, median),
        "intensity_histogram_coefficient_of_variation": (
            xp.sqrt(found["discretised_intensity_variance"]) / mean
        ),
        "intensity_histogram_quartile_coefficient_of_dispersion": (p75 - p25) / (p75 + p25),
        "discretised_intensity_entropy": _entropy(p),
        "discretised_intensity_uniformity": xp.sum(p**2, axis=1),
    }
    return found | _gradients(weights, levels, n_levels, total)


def _or_nan(denominator: Any) -> Any:
    """Return the denominator with NaN in the place of zero."""
    xp = array_namespace(denominator)
    return xp.where(denominator == 0, xp.full_like(denominator, float("nan")), denominator)


def _moments(p: Any, levels: Any, flat: Any) -> dict[str, Any]:
    """Mean, variance, skewness and excess kurtosis of the population; 0 where it is flat."""
    xp = array_namespace(p)
    mean = xp.sum(levels * p, axis=1)
    centred = levels - mean[:, None]
    second, third, fourth = (xp.sum(centred**n * p, axis=1) for n in (2, 3, 4))
    # the mean of one level may differ from it by rounding
    variance = xp.where(flat, xp.zeros_like(second), second)
    divisor = xp.where(flat, xp.ones_like(second), second)
    return {
        "mean_discretised_intensity": mean,
        "discretised_intensity_variance": variance,
        "discretised_intensity_skewness": xp.where(flat, variance, third / divisor**1.5),
        "excess_discretised_intensity_kurtosis": xp.where(flat, variance, fourth / divisor**2 - 3),
    }


def _percentiles(counts: Any, total: Any) -> Iterator[Any]:
    """Yield percentiles: linear between the voxels on either side of (N - 1) · percent / 100."""
    xp = array_namespace(counts)
    below = xp.astype(xp.cumulative_sum(counts, axis=1), xp.float64)
    last = xp.astype(total, xp.float64) - 1
    nan = xp.full_like(last, float("nan"))

    def level_of(rank: Any) -> Any:
        return xp.sum(xp.astype(below <= rank[:, None], xp.float64), axis=1) + 1

    for percent in PERCENTAGES:
        position = last * percent / 100
        lower = xp.floor(position)
        first = level_of(lower)
        value = first + (position - lower) * (level_of(xp.minimum(lower + 1, last)) - first)
        yield xp.where(total > 0, value, nan)


def _mean_distance(p: Any, levels: Any, centre: Any = None) -> Any:
    """Mean distance of the levels from a centre, by default their mean."""
    xp = array_namespace(p)
    centre = xp.sum(levels * p, axis=1) if centre is None else centre
    return xp.sum(xp.abs(levels - centre[:, None]) * p, axis=1)


def _mode(counts: Any, levels: Any, total: Any) -> Any:
    """Most frequent level; of several the one closest to the mean, in integers; then the lower."""
    xp = array_namespace(counts)
    distance = xp.abs(levels[None, :] * total[:, None] - xp.sum(levels * counts, axis=1)[:, None])
    frequent = counts == xp.max(counts, axis=1)[:, None]
    far = xp.full_like(distance, xp.iinfo(distance.dtype).max)
    mode = xp.argmin(xp.where(frequent, distance, far), axis=1) + 1
    value = xp.astype(mode, xp.float64)
    return xp.where(total > 0, value, xp.full_like(value, float("nan")))


def _entropy(p: Any) -> Any:
    """Entropy in bits; NaN stays NaN."""
    xp = array_namespace(p)
    return 0 - xp.sum(p * xp.log2(xp.where(p == 0, xp.ones_like(p), p)), axis=1)


def _gradients(weights: Any, levels: Any, n_levels: Any, total: Any) -> dict[str, Any]:
    """Extrema of the histogram's gradient over the levels 1..N_g, and where they are."""
    xp = array_namespace(weights)
    rows = xp.zeros_like(weights[:, :1])
    ahead = xp.concat([weights[:, 1:] - weights[:, :-1], rows], axis=1)
    behind = xp.concat([rows, ahead[:, :-1]], axis=1)
    level, n = levels[None, :], n_levels[:, None]
    behind, ahead = xp.where(level == 1, ahead, behind), xp.where(level == n, behind, ahead)
    gradient = (behind + ahead) / 2
    outside = level > n
    rising = xp.where(outside, xp.full_like(gradient, -float("inf")), gradient)
    falling = xp.where(outside, xp.full_like(gradient, float("inf")), gradient)
    found = {
        "maximum_histogram_gradient": xp.max(rising, axis=1),
        "maximum_histogram_gradient_intensity": xp.argmax(rising, axis=1) + 1,
        "minimum_histogram_gradient": xp.min(falling, axis=1),
        "minimum_histogram_gradient_intensity": xp.argmin(falling, axis=1) + 1,
    }
    defined = (n_levels > 1) & (total > 0)
    nan = xp.full_like(weights[:, 0], float("nan"))
    return {name: xp.where(defined, xp.astype(v, xp.float64), nan) for name, v in found.items()}
