"""Features of run length, size zone, distance zone and dependence matrices: one set of emphases.

The four families (IBSI TP0I, 9SAK, VMDZ, REK0) count things of a grey level i and a size s: the
length of a run, the voxels of a zone, its distance to the edge, the number of dependent voxels.
Their 16 features are the same functions of n(i, s).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from array_api_compat import array_namespace, device

from petnet.radiomics.texture.cells import Cells, totals
from petnet.radiomics.texture.glcm import entropy

__all__ = ["SizeSums", "size_features", "size_sums"]


@dataclass(frozen=True, eq=False)
class SizeSums:
    """What the features of M matrices are computed from.

    Attributes
    ----------
    plain, small, large : (M, L) float64
        Σ_s n(i, s), Σ_s n(i, s) / s² and Σ_s n(i, s) s² of each grey level.
    size_squares, size_variance, squares, logs : (M,) float64
        Σ_s (Σ_i n)², the mean square of s about its mean, Σ n² and Σ n log2 n over the cells.
    """

    plain: Any
    small: Any
    large: Any
    size_squares: Any
    size_variance: Any
    squares: Any
    logs: Any


def size_sums(cells: Cells) -> SizeSums:
    """Sum the cells of each matrix."""
    xp = array_namespace(cells.count)
    matrix, n, n_matrices = cells.matrix, cells.count, cells.n_matrices
    shape = n_matrices, cells.n_levels
    size = xp.astype(cells.column + 1, xp.float64)
    squared = size**2
    weights = n, n / squared, n * squared
    plain, small, large = (
        xp.reshape(totals(xp, cells.row, w, shape[0] * shape[1]), shape) for w in weights
    )
    things = xp.sum(plain, axis=-1)
    total = xp.where(things == 0, xp.ones_like(things), things)
    mean = totals(xp, matrix, n * size, n_matrices) / total
    off = n * (size - xp.take(mean, matrix)) ** 2
    return SizeSums(
        plain,
        small,
        large,
        cells.size_squares(),
        totals(xp, matrix, off, n_matrices) / total,
        totals(xp, matrix, n**2, n_matrices),
        totals(xp, matrix, n * xp.log2(n), n_matrices),
    )


def size_features(sums: SizeSums, voxels: Any) -> Any:
    """Compute the 17 features of M matrices of any of the four families.

    Parameters
    ----------
    sums : SizeSums
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
    xp = array_namespace(voxels)
    level = xp.arange(1, sums.plain.shape[-1] + 1, dtype=xp.float64, device=device(voxels))
    emphases = xp.stack([xp.ones_like(level), 1 / level**2, level**2, level], axis=-1)
    plain, small, large = (by_level @ emphases for by_level in (sums.plain, sums.small, sums.large))
    things = plain[:, 0]
    total = xp.where(things == 0, xp.ones_like(things), things)
    off = (level - (plain[:, 3] / total)[:, None]) ** 2
    level_squares = xp.vecdot(sums.plain, sums.plain)
    values = [
        small[:, 0] / total,
        large[:, 0] / total,
        plain[:, 1] / total,
        plain[:, 2] / total,
        small[:, 1] / total,
        small[:, 2] / total,
        large[:, 1] / total,
        large[:, 2] / total,
        level_squares / total,
        level_squares / total**2,
        sums.size_squares / total,
        sums.size_squares / total**2,
        things / xp.where(voxels == 0, xp.ones_like(voxels), voxels),
        xp.vecdot(sums.plain, off) / total,
        sums.size_variance,
        entropy(total, sums.logs),
        sums.squares / total**2,
    ]
    stacked = xp.stack(values, axis=-1)
    return xp.where((things == 0)[:, None], xp.full_like(stacked, float("nan")), stacked)
