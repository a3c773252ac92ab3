"""Features of neighbourhood grey tone difference matrices (IBSI IPET)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from array_api_compat import array_namespace, device, is_numpy_namespace

from petnet.radiomics.texture.cells import as_columns, totals

__all__ = ["merged_tones", "tone_features", "tones"]

#: IBSI's greatest coarseness, of a region without any difference.
GREATEST_COARSENESS = 1e6
#: Entries of the (rows, L, L) arrays that are made at once: 1 MiB each, to stay in a cache; and
#: elsewhere 32 MiB, for a device wants few large steps.
PAIRS_AT_ONCE = 1 << 17
PAIRS_AT_ONCE_ON_DEVICE = 1 << 22


def tones(counts: Any) -> Any:
    """Return n_i and s_i from (M, L, K, 2) counts per level and number of neighbours: (M, L, 2).

    s_i is the sum of |i - mean of the neighbours|. Voxels without neighbours do not count.
    """
    xp = array_namespace(counts)
    neighbours = xp.arange(1, counts.shape[-2], dtype=xp.float64, device=device(counts))
    voxels = xp.astype(xp.sum(counts[:, :, 1:, 0], axis=-1), xp.float64)
    differences = xp.astype(counts[:, :, 1:, 1], xp.float64)
    return xp.stack([voxels, differences @ (1 / neighbours)], axis=-1)


def merged_tones(blocks: Sequence[tuple[Any, Any]], n: int) -> Any:
    """Add matrices up: of each block (values (M, L, 2), target), matrix m goes into target[m]."""
    xp = array_namespace(blocks[0][1])
    values = xp.concat([values for values, _ in blocks])
    target = xp.concat([target for _, target in blocks])
    _, n_levels, two = values.shape
    width = n_levels * two
    column = xp.arange(width, dtype=target.dtype, device=device(values))
    keys = xp.reshape(target[:, None] * width + column, (-1,))
    return xp.reshape(totals(xp, keys, xp.reshape(values, (-1,)), n * width), (n, n_levels, two))


def _pair_sums(xp: Any, n: Any, s: Any, level: Any) -> Any:
    """Σ_ij |i - j| (n_i s_i + n_j s_j) / (n_i + n_j) over the levels with n > 0: (M,).

    The sum is symmetric: twice the sum of n_i s_i |i - j| / (n_i + n_j).
    """
    distance = xp.abs(level[:, None] - level)
    never = xp.where(n == 0, float("inf"), n)
    at_once = PAIRS_AT_ONCE if is_numpy_namespace(xp) else PAIRS_AT_ONCE_ON_DEVICE
    rows = max(1, at_once // max(1, distance.shape[0] ** 2))
    sums = []
    for start in range(0, n.shape[0], rows):
        stop = min(start + rows, n.shape[0])
        part = never[start:stop, :]
        shares = distance / (part[:, :, None] + part[:, None, :])
        weight = n[start:stop, :] * s[start:stop, :]
        sums.append(2 * xp.vecdot(xp.sum(shares, axis=-1), weight))
    if len(sums) == 1:
        return sums[0]
    return xp.concat(sums) if sums else xp.sum(n, axis=-1)


def _absolute_differences(xp: Any, x: Any, occupied: Any) -> Any:
    """Σ_ij |x_i - x_j| over the x > 0 of each row (M, L), by their ranks; `occupied` (M,)."""
    n = x.shape[-1]
    rank = xp.arange(n, dtype=x.dtype, device=device(x)) - (n - occupied[:, None])
    return 2 * xp.vecdot(xp.sort(x, axis=-1), 2 * rank - occupied[:, None] + 1)


def tone_features(values: Any) -> Any:
    """Compute coarseness, contrast, busyness, complexity and strength of M matrices.

    Parameters
    ----------
    values : (M, L, 2) float64
        n_i and s_i, as `tones` gives them.

    Returns
    -------
    (M, 5) float64
        As IBSI says: coarseness 1e6 where all differences are 0; contrast and busyness 0 with one
        occupied level; strength 0 where all differences are 0. NaN: all of a matrix without a voxel
        that has neighbours; busyness of several levels with the same i·p_i, whose divisor is 0.
    """
    xp = array_namespace(values)
    n, s = values[:, :, 0], values[:, :, 1]
    level = xp.arange(1, n.shape[-1] + 1, dtype=n.dtype, device=device(n))
    voxels = xp.sum(n, axis=-1)
    total = xp.where(voxels == 0, float("nan"), voxels)
    present = xp.astype(n > 0, n.dtype)
    occupied = xp.sum(present, axis=-1)
    several = occupied > 1

    weighted = xp.vecdot(n, s) / total
    difference = xp.sum(s, axis=-1)
    squared = (level - ((n @ level) / total)[:, None]) ** 2
    variance = xp.vecdot(n, squared) / total
    pairs = xp.where(several, occupied * (occupied - 1), 1.0)
    busy = _absolute_differences(xp, n * level, occupied) / total
    busyness = weighted / xp.where(busy == 0, float("nan"), busy)
    # Σ_ij (p_i + p_j)(i - j)² over occupied levels, about the mean
    spread = 2 * (occupied * variance + xp.vecdot(present, squared))
    flat = difference == 0
    found = [
        1 / xp.where(weighted == 0, 1 / GREATEST_COARSENESS, weighted),
        xp.where(several, 2 * variance / pairs * difference / total, 0.0),
        xp.where(several, busyness, 0.0),
        _pair_sums(xp, n, s, level) / total,
        xp.where(flat, 0.0, spread / xp.where(flat, 1.0, difference)),
    ]
    return xp.where((voxels == 0)[:, None], float("nan"), as_columns(xp, found))
