"""Features of run length, size zone, distance zone and dependence matrices: one set of emphases.

The four families (IBSI TP0I, 9SAK, VMDZ, REK0) count things of a grey level i and a size s: the
length of a run, the voxels of a zone, its distance to the edge, the number of dependent voxels.
Their 16 features are the same functions of n(i, s).
"""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace, device

from petnet.radiomics.texture.cells import Cells, totals
from petnet.radiomics.texture.glcm import entropy

__all__ = ["size_features", "size_squares"]


def size_squares(cells: Cells) -> Any:
    """Return Σ_s (Σ_i n(i, s))² of each matrix, (M,)."""
    sums = cells.by_size()
    return totals(sums.matrix, sums.count**2, sums.n_matrices)


def size_features(cells: Cells, squares: Any, voxels: Any) -> Any:
    """Compute the 17 features of M matrices of any of the four families.

    Parameters
    ----------
    cells : Cells
    squares : (M,) float64
        `size_squares(cells)`.
    voxels : (M,) float64
        Voxels of each matrix; where directions are merged, times the number of directions.

    Returns
    -------
    (M, 17) float64
        In the order of the catalogue: emphases of small and large sizes, of low and high levels, of
        the four combinations; non-uniformity of levels and sizes, plain and normalised; percentage,
        variance of levels and of sizes, entropy; energy, which only the dependence family has.
        NaN for a matrix without counts.
    """
    xp = array_namespace(cells.count)
    matrix, n = cells.matrix, cells.count
    n_matrices, n_levels = cells.n_matrices, cells.n_levels
    size = xp.astype(cells.size, xp.float64)
    squared = size**2
    key = matrix * n_levels + cells.level - 1
    # of each grey level: things, and their sums of 1/s² and of s²; (M, L, 3)
    weights = (n, n / squared, n * squared)
    columns = [totals(key, weight, n_matrices * n_levels) for weight in weights]
    plain, small, large = (xp.reshape(c, (n_matrices, n_levels)) for c in columns)

    level = xp.arange(1, n_levels + 1, dtype=xp.float64, device=device(n))
    emphases = xp.stack([xp.ones_like(level), 1 / level**2, level**2, level], axis=-1)
    of_plain, of_small, of_large = (by_level @ emphases for by_level in (plain, small, large))
    things = of_plain[:, 0]
    total = xp.where(things == 0, xp.ones_like(things), things)
    mean_level = of_plain[:, 3] / total
    mean_size = totals(matrix, n * size, n_matrices) / total
    off_level = (level - mean_level[:, None]) ** 2
    off_size = n * (size - xp.take(mean_size, matrix)) ** 2
    level_squares = xp.vecdot(plain, plain)
    values = [
        of_small[:, 0] / total,
        of_large[:, 0] / total,
        of_plain[:, 1] / total,
        of_plain[:, 2] / total,
        of_small[:, 1] / total,
        of_small[:, 2] / total,
        of_large[:, 1] / total,
        of_large[:, 2] / total,
        level_squares / total,
        level_squares / total**2,
        squares / total,
        squares / total**2,
        things / xp.where(voxels == 0, xp.ones_like(voxels), voxels),
        xp.vecdot(plain, off_level) / total,
        totals(matrix, off_size, n_matrices) / total,
        entropy(total, totals(matrix, n * xp.log2(n), n_matrices)),
        totals(matrix, n**2, n_matrices) / total**2,
    ]
    empty = (things == 0)[:, None]
    stacked = xp.stack(values, axis=-1)
    return xp.where(empty, xp.full_like(stacked, float("nan")), stacked)
