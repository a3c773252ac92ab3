"""Intensity-based statistics (IBSI UHIW): no discretisation, against the array namespace."""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace

from petnet.radiomics.catalogue import features_of

__all__ = ["intensity_statistics"]


def _percentile(ordered: Any, percent: float) -> Any:
    """Linear interpolation between the order statistics of a sorted (N,) array."""
    position = (ordered.shape[0] - 1) * percent / 100
    below = int(position)
    above = min(below + 1, ordered.shape[0] - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])


def _ratio(numerator: Any, denominator: Any) -> float:
    """Divide; NaN where the denominator is zero."""
    return float(numerator) / float(denominator) if float(denominator) != 0 else float("nan")


def intensity_statistics(values: Any) -> dict[str, float]:
    """Compute the 18 IBSI intensity-based statistics of a region.

    Parameters
    ----------
    values : (N,) float64 array of any array-API namespace
        Intensities of the voxels of the intensity mask, N >= 0.

    Returns
    -------
    dict of str to float
        Units of `values`, squared for variance and energy; none for skewness, excess kurtosis and
        the two coefficients. Undefined is NaN: everything for N = 0; skewness and kurtosis of a
        flat region; the coefficients where their denominator is zero; the robust deviation of two
    different values, none of which lies between its percentiles.

    Notes
    -----
    Variance, skewness and kurtosis are those of the population. Percentiles interpolate linearly.
    The robust mean absolute deviation (1128) takes the values from the 10th to the 90th percentile,
    both included. The median absolute deviation (N72L) is the mean distance from the median.
    Source: doi:10.1148/radiol.2020191145.
    """
    if values.shape[0] == 0:
        return {feature.name: float("nan") for feature in features_of("stat")}
    xp = array_namespace(values)
    ordered = xp.sort(values)
    p10, p25, median, p75, p90 = (_percentile(ordered, q) for q in (10, 25, 50, 75, 90))
    low, high = ordered[0], ordered[-1]
    mean = xp.mean(values)
    centred = values - mean
    flat = bool(low == high)  # the mean of equal numbers may differ from them by rounding
    variance = xp.mean(centred**2) if not flat else xp.zeros_like(mean)
    robust = ordered[(ordered >= p10) & (ordered <= p90)]
    energy = xp.sum(values**2)
    found = {
        "mean_intensity": mean,
        "intensity_variance": variance,
        "intensity_skewness": _ratio(xp.mean(centred**3), variance**1.5),
        "excess_intensity_kurtosis": _ratio(xp.mean(centred**4), variance**2) - 3,
        "median_intensity": median,
        "minimum_intensity": low,
        "10th_intensity_percentile": p10,
        "90th_intensity_percentile": p90,
        "maximum_intensity": high,
        "intensity_interquartile_range": p75 - p25,
        "intensity_range": high - low,
        "intensity_mean_absolute_deviation": xp.mean(xp.abs(centred)),
        "intensity_robust_mean_absolute_deviation": (
            xp.mean(xp.abs(robust - xp.mean(robust))) if robust.shape[0] else float("nan")
        ),
        "intensity_median_absolute_deviation": xp.mean(xp.abs(values - median)),
        "intensity_coefficient_of_variation": _ratio(variance**0.5, mean),
        "intensity_quartile_coefficient_of_dispersion": _ratio(p75 - p25, p75 + p25),
        "intensity_energy": energy,
        "root_mean_square_intensity": (energy / values.shape[0]) ** 0.5,
    }
    return {name: float(value) for name, value in found.items()}
