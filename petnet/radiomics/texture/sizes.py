"""Features of run length, size zone, distance zone and dependence matrices: one set of emphases.

The four families (IBSI TP0I, 9SAK, VMDZ, REK0) count things of a grey level i and a size s: the
length of a run, the voxels of a zone, its distance to the edge, the number of dependent voxels.
Their 16 features are the same functions of n(i, s).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from array_api_compat import array_namespace, device

from petnet.radiomics.texture.cells import ByMatrix, Cells, as_columns, size_squares, totals
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


def size_sums(blocks: Sequence[Cells]) -> SizeSums:
    """Sum the cells of each matrix of all blocks, which have the same grey levels."""
    xp, n_levels = array_namespace(blocks[0].count), blocks[0].n_levels
    rows, columns, n_matrices = [], [], 0
    for cells in blocks:
        row, column = cells.rows_and_columns()
        rows.append(row + n_matrices * n_levels)
        columns.append(column)
        n_matrices += cells.n_matrices
    row, column = xp.concat(rows), xp.concat(columns)
    n = xp.concat([cells.count for cells in blocks])
    matrix, shape = row // n_levels, (n_matrices, n_levels)
    of = ByMatrix(xp, matrix, n_matrices)
    size = xp.astype(column + 1, xp.float64)
    squared = size**2
    weights = n, n / squared, n * squared
    plain, small, large = (
        xp.reshape(totals(xp, row, w, n_matrices * n_levels), shape) for w in weights
    )
    things = xp.sum(plain, axis=-1)
    total = xp.where(things == 0, float("nan"), things)
    off = size - xp.take(of.total(n * size) / total, matrix)
    return SizeSums(
        plain,
        small,
        large,
        size_squares(xp, blocks, (column, n), of),
        of.total(n * off**2) / total,
        of.total(n**2),
        of.total(n * xp.log2(n)),
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
    n_levels = sums.plain.shape[-1]
    level = xp.arange(1, n_levels + 1, dtype=xp.float64, device=device(voxels))
    squared = level**2
    weights = as_columns(xp, [xp.ones_like(level), 1 / squared, squared, level])
    plain = sums.plain @ weights
    small, large = sums.small @ weights[:, :3], sums.large @ weights[:, :3]
    things = plain[:, 0]
    total = xp.where(things == 0, float("nan"), things)
    emphases = [small[:, :1], large[:, :1], plain[:, 1:3], small[:, 1:], large[:, 1:]]
    off = (level - (plain[:, 3] / total)[:, None]) ** 2
    level_squares, square = xp.vecdot(sums.plain, sums.plain), total**2
    others = [
        level_squares / total,
        level_squares / square,
        sums.size_squares / total,
        sums.size_squares / square,
        total / voxels,
        xp.vecdot(sums.plain, off) / total,
        sums.size_variance,
        entropy(xp, total, sums.logs),
        sums.squares / square,
    ]
    return xp.concat(
        [xp.concat(emphases, axis=-1) / total[:, None], as_columns(xp, others)], axis=-1
    )
