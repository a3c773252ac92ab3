"""Sums over all pairs of voxels: one pair at a time, and one frequency at a time."""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

from petnet.radiomics.kernels.threads import cores, run_all

__all__ = ["pair_sums", "spectral_products"]

PIECE_PAIRS = 500_000


@numba.njit(cache=True, nogil=True)
def _pair_rows(
    values: NDArray[np.float64],
    positions_mm: NDArray[np.float64],
    places: NDArray[np.int64],
    table: NDArray[np.float64],
    first: int,
    stop: int,
    sums: NDArray[np.float64],
) -> None:
    """Add the pairs of voxels first..stop-1 with all voxels before them to sums (3,)."""
    tabled = table.size > 0
    for i in range(first, stop):
        weight, product, square = 0.0, 0.0, 0.0
        if tabled:
            for j in range(i):
                w = table[places[i] - places[j]]
                weight += w
                product += w * values[j]
                square += w * values[j] * values[j]
        else:
            x, y, z = positions_mm[i, 0], positions_mm[i, 1], positions_mm[i, 2]
            for j in range(i):
                dx, dy = x - positions_mm[j, 0], y - positions_mm[j, 1]
                dz = z - positions_mm[j, 2]
                w = 1 / math.sqrt(dx * dx + dy * dy + dz * dz)
                weight += w
                product += w * values[j]
                square += w * values[j] * values[j]
        v = values[i]
        sums[0] += weight
        sums[1] += v * product
        sums[2] += v * v * weight - 2 * v * product + square


def pair_sums(
    values: NDArray[np.float64],
    positions_mm: NDArray[np.float64],
    places: NDArray[np.int64],
    table: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Sum w, w·a·b and w·(a - b)² over all pairs of N voxels, w the inverse of their distance.

    Parameters
    ----------
    values : (N,) float64
    positions_mm : (N, 3) float64
        All different.
    places : (N,) int64
        Ascending.
    table : (T,) float64
        Inverse distance in 1/mm of two voxels at the difference of their places; of size 0 to take
        it from the positions instead.

    Returns
    -------
    (3,) float64
        Each pair counts once.
    """
    n = values.size
    pieces = int(np.clip(n * n // 2 // PIECE_PAIRS, 1, 4 * cores()))
    # row i has i pairs, so that equal work is bounded by square roots
    bounds = np.round(n * np.sqrt(np.arange(pieces + 1) / pieces)).astype(np.int64)
    sums = np.zeros((pieces, 3))

    def run(k: int) -> None:
        _pair_rows(values, positions_mm, places, table, bounds[k], bounds[k + 1], sums[k])

    run_all(run, range(pieces))
    total: NDArray[np.float64] = sums.sum(axis=0)
    return total


@numba.njit(cache=True, nogil=True)
def spectral_products(
    block: NDArray[np.complex128], weight: NDArray[np.float64]
) -> tuple[float, float, float]:
    """Sum weight · conj(a) b over frequencies, real parts, of (mask, mask), (value, value), ...

    Parameters
    ----------
    block : (3, K, Px, Py) complex128
        Transforms of mask, values and squared values.
    weight : (K, Px / 2 + 1, Py / 2 + 1) float64
        Frequencies k and P - k have one weight.

    Returns
    -------
    three float
        Of (mask, mask), (value, value) and (mask, squares).
    """
    masks, values, squares = 0.0, 0.0, 0.0
    across_x, across_y = block.shape[2:]
    for k in range(block.shape[1]):
        for x in range(across_x):
            # sums of a line on their own first, which keeps rounding small
            of_masks, of_values, of_squares = 0.0, 0.0, 0.0
            for y in range(across_y):
                w = weight[k, min(x, across_x - x), min(y, across_y - y)]
                m, v, s = block[0, k, x, y], block[1, k, x, y], block[2, k, x, y]
                of_masks += w * (m.real * m.real + m.imag * m.imag)
                of_values += w * (v.real * v.real + v.imag * v.imag)
                of_squares += w * (m.real * s.real + m.imag * s.imag)
            masks += of_masks
            values += of_values
            squares += of_squares
    return masks, values, squares
