"""Intensity histogram features (IBSI ZVCW) from voxels per grey level, for many regions at once."""

from __future__ import annotations

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
    voxels = xp.where(total == 0, float("nan"), xp.astype(total, xp.float64))
    weights, column = xp.astype(counts, xp.float64), xp.astype(levels, xp.float64)
    p = weights / voxels[:, None]
    lowest, p10, p25, median, p75, p90, highest = _percentiles(xp, counts, voxels)
    mean = p @ column
    centred = column - mean[:, None]
    found = {"mean_discretised_intensity": mean}
    found |= _moments(xp, p, centred, lowest == highest)
    inner = (column >= p10[:, None]) & (column <= p90[:, None])
    robust = xp.where(inner, weights, 0.0)
    n_robust = xp.sum(robust, axis=1)
    n_robust = xp.where(n_robust == 0, float("nan"), n_robust)
    from_robust = column - ((robust @ column) / n_robust)[:, None]
    found |= {
        "median_discretised_intensity": median,
        "minimum_discretised_intensity": lowest,
        "10th_discretised_intensity_percentile": p10,
        "90th_discretised_intensity_percentile": p90,
        "maximum_discretised_intensity": highest,
        "intensity_histogram_mode": _mode(xp, counts, levels, total),
        "discretised_intensity_interquartile_range": p75 - p25,
        "discretised_intensity_range": highest - lowest,
        "intensity_histogram_mean_absolute_deviation": xp.vecdot(xp.abs(centred), p),
        "intensity_histogram_robust_mean_absolute_deviation": (
            xp.vecdot(xp.abs(from_robust), robust) / n_robust
        ),
        "intensity_histogram_median_absolute_deviation": xp.vecdot(
            xp.abs(column - median[:, None]), p
        ),
        "intensity_histogram_coefficient_of_variation": (
            xp.sqrt(found["discretised_intensity_variance"]) / mean
        ),
        "intensity_histogram_quartile_coefficient_of_dispersion": (p75 - p25) / (p75 + p25),
        "discretised_intensity_entropy": 0 - xp.vecdot(p, xp.log2(xp.where(p == 0, 1.0, p))),
        "discretised_intensity_uniformity": xp.vecdot(p, p),
    }
    return found | _gradients(xp, weights, levels, n_levels, total)


def _moments(xp: Any, p: Any, centred: Any, flat: Any) -> dict[str, Any]:
    """Variance, skewness and excess kurtosis of levels about their mean; 0 where it is flat."""
    squared = centred**2
    weighted = squared * p
    second = xp.sum(weighted, axis=1)
    # the mean of one level may differ from it by rounding
    variance = xp.where(flat, 0.0, second)
    divisor = xp.where(flat, 1.0, second)
    third, fourth = xp.vecdot(weighted, centred), xp.vecdot(weighted, squared)
    return {
        "discretised_intensity_variance": variance,
        "discretised_intensity_skewness": xp.where(flat, 0.0, third / divisor**1.5),
        "excess_discretised_intensity_kurtosis": xp.where(flat, 0.0, fourth / divisor**2 - 3),
    }


def _percentiles(xp: Any, counts: Any, voxels: Any) -> tuple[Any, ...]:
    """Percentiles: linear between the voxels on either side of (N - 1) · percent / 100.

    `voxels` (R,) is N, NaN of an empty region, whose percentiles are NaN.
    """
    percentages = xp.asarray(PERCENTAGES, dtype=voxels.dtype, device=device(voxels))
    last = voxels[:, None] - 1
    position = last * percentages / 100
    lower = xp.floor(position)
    ranks = xp.concat([lower, xp.minimum(lower + 1, last)], axis=1)
    below = xp.astype(xp.cumulative_sum(counts, axis=1), voxels.dtype)
    passed = xp.count_nonzero(below[:, None, :] <= ranks[:, :, None], axis=-1)
    level = xp.astype(passed, voxels.dtype) + 1
    first, second = level[:, : len(PERCENTAGES)], level[:, len(PERCENTAGES) :]
    return tuple(xp.unstack(first + (position - lower) * (second - first), axis=-1))


def _mode(xp: Any, counts: Any, levels: Any, total: Any) -> Any:
    """Most frequent level; of several the one closest to the mean, in integers; then the lower."""
    distance = xp.abs(levels * total[:, None] - (counts @ levels)[:, None])
    frequent = counts == xp.max(counts, axis=1)[:, None]
    far = xp.iinfo(distance.dtype).max
    mode = xp.argmin(xp.where(frequent, distance, far), axis=1) + 1
    return xp.where(total > 0, xp.astype(mode, xp.float64), float("nan"))


def _gradients(xp: Any, weights: Any, levels: Any, n_levels: Any, total: Any) -> dict[str, Any]:
    """Extrema of the histogram's gradient over the levels 1..N_g, and where they are."""
    rows = xp.zeros_like(weights[:, :1])
    between = xp.concat([rows, weights[:, 1:] - weights[:, :-1], rows], axis=1)
    behind, ahead, n = between[:, :-1], between[:, 1:], n_levels[:, None]
    behind, ahead = xp.where(levels == 1, ahead, behind), xp.where(levels == n, behind, ahead)
    gradient = (behind + ahead) / 2
    outside = levels > n
    rising = xp.where(outside, -float("inf"), gradient)
    falling = xp.where(outside, float("inf"), gradient)
    undefined = (n_levels <= 1) | (total == 0)
    highest, lowest = xp.argmax(rising, axis=1) + 1, xp.argmin(falling, axis=1) + 1
    found = {
        "maximum_histogram_gradient": xp.max(rising, axis=1),
        "maximum_histogram_gradient_intensity": xp.astype(highest, xp.float64),
        "minimum_histogram_gradient": xp.min(falling, axis=1),
        "minimum_histogram_gradient_intensity": xp.astype(lowest, xp.float64),
    }
    return {name: xp.where(undefined, float("nan"), value) for name, value in found.items()}
