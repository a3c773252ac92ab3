"""Texture features from integer counts: one set of formulas for NumPy and CuPy, batched.

The functions divide what the kernels counted. They are written against the array namespace, take
any number of regions at once and work on whatever device the counts lie.
"""

from __future__ import annotations

from typing import Any, Literal

from array_api_compat import array_namespace, device

__all__ = ["Aggregation", "glcm_features"]

Aggregation = Literal["3D_avg", "3D_comb"]


def _sum_histogram(xp: Any, counts: Any) -> Any:
    """Sum (..., L, L) over anti-diagonals: (..., 2L - 1), entry k holds i + j = k.

    Padding each row to 2L and reading the block in rows of 2L - 1 shifts row i by i places, so that
    the anti-diagonals stand in columns: no index arrays, no scatter.
    """
    *lead, n, _ = counts.shape
    padded = xp.concat([counts, xp.zeros_like(counts)], axis=-1)
    flat = xp.reshape(padded, (*lead, 2 * n * n))[..., : n * (2 * n - 1)]
    return xp.sum(xp.reshape(flat, (*lead, n, 2 * n - 1)), axis=-2)


def _difference_histogram(xp: Any, counts: Any) -> Any:
    """Sum symmetric (..., L, L) over |i - j| = k: (..., L)."""
    n = counts.shape[-1]
    diagonals = _sum_histogram(xp, xp.flip(counts, axis=-1))[..., n - 1 :]
    return xp.concat([diagonals[..., :1], 2 * diagonals[..., 1:]], axis=-1)


def _entropy(xp: Any, p: Any, axis: int | tuple[int, ...] = -1) -> Any:
    """-Σ p log2 p with 0 log 0 = 0, in bits."""
    return -xp.sum(p * xp.log2(xp.where(p > 0, p, xp.ones_like(p))), axis=axis)


def _nan_where(xp: Any, condition: Any, value: Any) -> Any:
    return xp.where(condition, xp.full_like(value, float("nan")), value)


def _mean_over_directions(xp: Any, value: Any) -> Any:
    """Mean over the last axis of what is defined; NaN where nothing is."""
    defined = ~xp.isnan(value)
    n = xp.sum(xp.astype(defined, value.dtype), axis=-1)
    total = xp.sum(xp.where(defined, value, xp.zeros_like(value)), axis=-1)
    return _nan_where(xp, n == 0, total / xp.where(n == 0, xp.ones_like(n), n))


def _joint_features(xp: Any, p: Any, p_x: Any) -> dict[str, Any]:
    """Features that need the whole matrix p (..., L, L), with its marginal p_x (..., L)."""
    levels = xp.arange(1, p_x.shape[-1] + 1, dtype=p.dtype, device=device(p))
    average = xp.sum(levels * p_x, axis=-1)
    h_xy, h_x = _entropy(xp, p, axis=(-2, -1)), _entropy(xp, p_x)
    one_level = h_x == 0  # or no pairs at all
    # For a symmetric matrix -Σ p_ij log(p_i p_j) and -Σ p_i p_j log(p_i p_j) are both 2 h_x.
    mutual = 2 * h_x - h_xy
    mutual = xp.where(mutual > 0, mutual, xp.zeros_like(mutual))
    divisor = xp.where(one_level, xp.ones_like(h_x), h_x)
    return {
        "joint_maximum": xp.max(p, axis=(-2, -1)),
        "joint_average": average,
        "joint_variance": xp.sum((levels - average[..., None]) ** 2 * p_x, axis=-1),
        "joint_entropy": h_xy,
        "angular_second_moment": xp.sum(p**2, axis=(-2, -1)),
        "information_correlation_1": _nan_where(xp, one_level, -mutual / divisor),
        "information_correlation_2": xp.sqrt(1 - xp.exp(-2 * mutual)),
    }


def _difference_features(xp: Any, p_d: Any, n_levels: Any) -> dict[str, Any]:
    """Features of p_d (..., L), the distribution of |i - j|; n_levels broadcasts to it."""
    k = xp.arange(p_d.shape[-1], dtype=p_d.dtype, device=device(p_d))
    average = xp.sum(k * p_d, axis=-1)
    k_squared = xp.where(k == 0, xp.ones_like(k), k**2)
    return {
        "difference_average": average,
        "difference_variance": xp.sum((k - average[..., None]) ** 2 * p_d, axis=-1),
        "difference_entropy": _entropy(xp, p_d),
        "contrast": xp.sum(k**2 * p_d, axis=-1),
        "dissimilarity": average,
        "inverse_difference": xp.sum(p_d / (1 + k), axis=-1),
        "normalised_inverse_difference": xp.sum(p_d / (1 + k / n_levels), axis=-1),
        "inverse_difference_moment": xp.sum(p_d / (1 + k**2), axis=-1),
        "normalised_inverse_difference_moment": xp.sum(p_d / (1 + k**2 / n_levels**2), axis=-1),
        "inverse_variance": xp.sum((p_d / k_squared)[..., 1:], axis=-1),
    }


def _sum_features(xp: Any, p_s: Any) -> dict[str, Any]:
    """Features of p_s (..., 2L - 1), the distribution of i + j = 2..2L."""
    k = xp.arange(2, p_s.shape[-1] + 2, dtype=p_s.dtype, device=device(p_s))
    average = xp.sum(k * p_s, axis=-1)
    centred = k - average[..., None]  # the mean of i + j is twice the mean of i
    tendency = xp.sum(centred**2 * p_s, axis=-1)
    return {
        "sum_average": average,
        "sum_variance": tendency,
        "sum_entropy": _entropy(xp, p_s),
        "cluster_tendency": tendency,
        "cluster_shade": xp.sum(centred**3 * p_s, axis=-1),
        "cluster_prominence": xp.sum(centred**4 * p_s, axis=-1),
    }


def _combined_features(xp: Any, p_s: Any, found: dict[str, Any]) -> dict[str, Any]:
    """Features that follow from sums and differences: 4 ij = (i + j)² - (i - j)²."""
    tendency, contrast = found["cluster_tendency"], found["contrast"]
    spread = tendency + contrast  # four times the marginal variance
    flat = spread == 0
    return {
        "correlation": _nan_where(
            xp, flat, (tendency - contrast) / xp.where(flat, xp.ones_like(spread), spread)
        ),
        "autocorrelation": (tendency + found["sum_average"] ** 2 - contrast) / 4,
    }


def glcm_features(counts: Any, n_levels: Any, aggregation: Aggregation) -> dict[str, Any]:
    """Compute the 25 IBSI co-occurrence features (LFYI) of many regions.

    Parameters
    ----------
    counts : (R, D, L, L) int64 array of any array-API namespace
        Symmetric co-occurrence counts per region and direction.
    n_levels : (R,) int64 array of the same namespace and device
        Number of grey levels of each region, at most L: bins of a fixed bin number, or the highest
        occupied bin of a fixed bin size.
    aggregation : {"3D_avg", "3D_comb"}
        Features per direction, then averaged (IBSI ITBB), or of the summed matrix (IBSI IAZD).

    Returns
    -------
    dict of str to (R,) float64 array
        Undefined is NaN: every feature of a region without a single neighbour pair; correlation
        and information correlation 1 of a matrix with one occupied grey level (0 / 0). Directions
        in which a feature is undefined are left out of its average.

    Notes
    -----
    Source: Zwanenburg et al. 2020, doi:10.1148/radiol.2020191145.
    """
    xp = array_namespace(counts)
    if aggregation == "3D_comb":
        counts = xp.sum(counts, axis=1, keepdims=True)
    total = xp.sum(counts, axis=(-2, -1))
    empty = total == 0
    divisor = xp.astype(xp.where(empty, xp.ones_like(total), total), xp.float64)[..., None]
    p_d = xp.astype(_difference_histogram(xp, counts), xp.float64) / divisor
    p_s = xp.astype(_sum_histogram(xp, counts), xp.float64) / divisor
    p_x = xp.astype(xp.sum(counts, axis=-1), xp.float64) / divisor
    p = xp.astype(counts, xp.float64) / divisor[..., None]
    found = _joint_features(xp, p, p_x)
    found |= _difference_features(xp, p_d, xp.astype(n_levels, xp.float64)[:, None, None])
    found |= _sum_features(xp, p_s)
    found |= _combined_features(xp, p_s, found)
    return {
        name: _mean_over_directions(xp, _nan_where(xp, empty, value))
        for name, value in found.items()
    }
