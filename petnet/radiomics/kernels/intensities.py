"""Single passes over the intensities of a region: binning, selection, moments (Numba).

NumPy makes a temporary array per operation, which for a million voxels costs more than the
arithmetic. No `fastmath`: float64 in the order written, so that bins are those of NumPy and CUDA.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = [
    "absolute_deviation",
    "assign_levels",
    "bucket_counts",
    "central_sums",
    "count_levels",
    "masked_extent",
    "take_buckets",
    "value_sums",
]

BLOCK = 1024  # values summed before they join the total, which keeps rounding small


@numba.njit(cache=True, nogil=True)
def masked_extent(values: NDArray[np.float64], inside: NDArray[np.bool_]) -> tuple[float, float]:
    """Return least and greatest of the values inside; (inf, -inf) where there are none."""
    low, high = np.inf, -np.inf
    for k in range(values.size):
        if inside[k]:
            low = min(low, values[k])
            high = max(high, values[k])
    return low, high


@numba.njit(cache=True, nogil=True)
def _level(x: float, low: float, factor: float, width: float, greatest: int) -> int:
    """Return floor(factor · (x - low) / width) + 1, from 1 to `greatest`."""
    binned = np.floor(factor * (x - low) / width) + 1.0
    return int(min(max(binned, 1.0), float(greatest)))


@numba.njit(cache=True, nogil=True)
def count_levels(
    values: NDArray[np.float64],
    low: float,
    factor: float,
    width: float,
    counts: NDArray[np.int64],
) -> None:
    """Count the values of each level 1, 2, ... at index level - 1."""
    for k in range(values.size):
        counts[_level(values[k], low, factor, width, counts.size) - 1] += 1


@numba.njit(cache=True, nogil=True)
def assign_levels(
    values: NDArray[np.float64],
    inside: NDArray[np.bool_],
    low: float,
    factor: float,
    width: float,
    greatest: int,
    levels: NDArray[np.int32],
) -> int:
    """Write the level of each value inside, and 0 outside; return the highest, at least 1."""
    highest = 1
    for k in range(values.size):
        level = 0
        if inside[k]:
            level = _level(values[k], low, factor, width, greatest)
            highest = max(highest, level)
        levels[k] = level
    return highest


@numba.njit(cache=True, nogil=True)
def value_sums(values: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """Return least, greatest, sum of x - x[0], and sum of x²."""
    low, high, total, squares = np.inf, -np.inf, 0.0, 0.0
    first = values[0]
    for start in range(0, values.size, BLOCK):
        part, part_squares = 0.0, 0.0
        for k in range(start, min(start + BLOCK, values.size)):
            x = values[k]
            low = min(low, x)
            high = max(high, x)
            part += x - first
            part_squares += x * x
        total += part
        squares += part_squares
    return low, high, total, squares


@numba.njit(cache=True, nogil=True)
def central_sums(
    values: NDArray[np.float64],
    centre: float,
    median: float,
    robust_low: float,
    robust_high: float,
    sums: NDArray[np.float64],
) -> None:
    """Fill sums (8,): d, d², d³, d⁴, |d| of d = x - centre; |x - median|; robust n and sum of d.

    Robust are the values from `robust_low` to `robust_high`, both included.
    """
    for start in range(0, values.size, BLOCK):
        d1, d2, d3, d4, absolute, from_median, n, robust = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for k in range(start, min(start + BLOCK, values.size)):
            x = values[k]
            d = x - centre
            square = d * d
            kept = 1.0 if robust_low <= x <= robust_high else 0.0
            d1 += d
            d2 += square
            d3 += square * d
            d4 += square * square
            absolute += abs(d)
            from_median += abs(x - median)
            n += kept
            robust += kept * d
        for k, part in enumerate((d1, d2, d3, d4, absolute, from_median, n, robust)):
            sums[k] += part


@numba.njit(cache=True, nogil=True)
def absolute_deviation(
    values: NDArray[np.float64], centre: float, low: float, high: float
) -> float:
    """Return the sum of |x - centre| over the values from `low` to `high`, both included."""
    total = 0.0
    for start in range(0, values.size, BLOCK):
        part = 0.0
        for k in range(start, min(start + BLOCK, values.size)):
            x = values[k]
            part += abs(x - centre) if low <= x <= high else 0.0
        total += part
    return total


@numba.njit(cache=True, nogil=True)
def bucket_counts(
    values: NDArray[np.float64], low: float, scale: float, counts: NDArray[np.int64]
) -> None:
    """Count values per bucket floor((x - low) · scale); a greater value is never in a lower one."""
    last = counts.size - 1
    for k in range(values.size):
        counts[min(int((values[k] - low) * scale), last)] += 1


@numba.njit(cache=True, nogil=True)
def take_buckets(
    values: NDArray[np.float64],
    low: float,
    scale: float,
    wanted: NDArray[np.bool_],
    taken: NDArray[np.float64],
) -> None:
    """Fill `taken` with the values of the buckets that are wanted, in their order.

    Has room for one more: each value is written, and the next one writes over those not wanted,
    which is quicker than a branch that no processor can foresee.
    """
    last, n = wanted.size - 1, 0
    for k in range(values.size):
        taken[n] = values[k]
        n += wanted[min(int((values[k] - low) * scale), last)]
