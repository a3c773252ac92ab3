"""Matrices as lists of their occupied cells, and sums over them.

A lesion of 800 voxels has 13 co-occurrence matrices of 4096 cells, most of them empty, and its size
zones have no dense matrix at all. Every texture matrix is therefore brought to one form: occupied
cells with their matrix, row, column and count. What is done to them costs as much as there are
cells, whatever the number of grey levels or of slices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from array_api_compat import array_namespace, device, is_cupy_namespace, is_numpy_namespace

from petnet.radiomics.kernels.counts import ZoneCells

__all__ = ["Cells", "from_zones", "mean_of_defined", "merged", "occupied", "totals"]

#: Equal keys are added up in a dense array of all possible keys where that has at most so many
#: entries per key, else by sorting them: an empty entry costs about a hundredth of a sort's step.
DENSE_ENTRIES_PER_KEY = 64


@dataclass(frozen=True, eq=False)
class Cells:
    """Occupied cells of M matrices, sorted by matrix.

    Attributes
    ----------
    matrix : (K,) int64
        0..M - 1.
    row : (K,) int64
        Number of the row among those of all matrices: matrix · n_levels + grey level - 1.
    column : (K,) int64
        Size, distance, dependence or, in co-occurrence, the other level, less 1.
    count : (K,) float64
        Whole numbers.
    n_matrices, n_levels, n_sizes : int
    """

    matrix: Any
    row: Any
    column: Any
    count: Any
    n_matrices: int
    n_levels: int
    n_sizes: int

    def largest(self) -> Any:
        """Return the greatest count of each matrix, (M,); 0 of an empty one."""
        xp = array_namespace(self.count)
        return xp.max(_in_rows(xp, self.matrix, self.count, self.n_matrices), axis=-1)

    def size_squares(self) -> Any:
        """Return Σ_s (Σ_i n(i, s))² of each matrix, (M,)."""
        xp = array_namespace(self.count)
        keys = self.matrix * self.n_sizes + self.column
        keys, count = _combined(xp, keys, self.count, self.n_matrices * self.n_sizes)
        return totals(xp, keys // self.n_sizes, count**2, self.n_matrices)


def occupied(counts: Any, upper: bool = False) -> Cells:
    """Return the occupied cells of (..., L, N) counts.

    Parameters
    ----------
    upper : bool
        Of symmetric matrices: only the diagonal and what lies above.
    """
    xp = array_namespace(counts)
    *lead, n_levels, n_sizes = counts.shape
    present = counts > 0
    if upper:
        index = xp.arange(n_levels, dtype=xp.int64, device=device(counts))
        present = present & (index[:, None] <= index)
    (found,) = xp.nonzero(xp.reshape(present, (-1,)))
    count = xp.take(xp.reshape(counts, (-1,)), found)
    n_matrices = 1
    for n in lead:
        n_matrices *= n
    return _from_keys(xp, found, xp.astype(count, xp.float64), n_matrices, n_levels, n_sizes)


def from_zones(zones: ZoneCells, n_levels: int) -> Cells:
    """Return size zones as cells; a matrix per row of `zones`."""
    xp = array_namespace(zones.count)
    n_cells, n_matrices = zones.count.shape[0], zones.starts.shape[0] - 1
    index = xp.arange(n_cells, dtype=zones.starts.dtype, device=device(zones.count))
    matrix = xp.astype(xp.searchsorted(zones.starts, index, side="right"), xp.int64) - 1
    row = matrix * n_levels + zones.level - 1
    count = xp.astype(zones.count, xp.float64)
    n_sizes = int(xp.max(zones.size)) if n_cells else 1
    return Cells(matrix, row, zones.size - 1, count, n_matrices, n_levels, n_sizes)


def merged(blocks: Sequence[tuple[Cells, Any]], n_matrices: int) -> Cells:
    """Add matrices up: of each block (cells, target), matrix m goes into number target[m]."""
    xp = array_namespace(blocks[0][1])
    n_levels = blocks[0][0].n_levels
    n_sizes = max(cells.n_sizes for cells, _ in blocks)
    keys = []
    for cells, target in blocks:
        moved = (xp.take(target, cells.matrix) - cells.matrix) * n_levels
        keys.append((cells.row + moved) * n_sizes + cells.column)
    count = [cells.count for cells, _ in blocks]
    domain = n_matrices * n_levels * n_sizes
    places, sums = _combined(xp, xp.concat(keys), xp.concat(count), domain)
    return _from_keys(xp, places, sums, n_matrices, n_levels, n_sizes)


def totals(xp: Any, keys: Any, weights: Any, n: int) -> Any:
    """Sum the weights of each key 0..n - 1: (n,) float64.

    Sums of whole numbers are exact. On CUDA the order of the additions is not fixed, so that the
    last bits of other sums may differ from run to run.
    """
    if is_numpy_namespace(xp):
        return xp.bincount(keys, weights=weights, minlength=n)
    if is_cupy_namespace(xp):  # whose bincount waits for the device twice
        sums = xp.zeros(n, dtype=xp.float64)
        if keys.shape[0] > 0:
            xp.add.at(sums, keys, weights)
        return sums
    order = xp.argsort(keys)
    return xp.sum(_in_rows(xp, xp.take(keys, order), xp.take(weights, order), n), axis=-1)


def mean_of_defined(values: Any, region: Any, n: int) -> Any:
    """Mean of the rows of values (M, F) that belong to each region; undefined ones are left out."""
    xp = array_namespace(values)
    width = values.shape[1]
    column = xp.arange(width, dtype=region.dtype, device=device(region))
    keys = xp.reshape(region[:, None] * width + column, (-1,))
    flat = xp.reshape(values, (-1,))
    defined = ~xp.isnan(flat)
    number = totals(xp, keys, xp.astype(defined, flat.dtype), n * width)
    sums = totals(xp, keys, xp.where(defined, flat, xp.zeros_like(flat)), n * width)
    none = number == 0
    mean = sums / xp.where(none, xp.ones_like(number), number)
    return xp.reshape(xp.where(none, xp.full_like(mean, float("nan")), mean), (n, width))


def _from_keys(
    xp: Any, keys: Any, count: Any, n_matrices: int, n_levels: int, n_sizes: int
) -> Cells:
    """Cells from their sorted places in a dense (M, L, N) array."""
    row = keys // n_sizes
    matrix = row // n_levels
    return Cells(matrix, row, keys - row * n_sizes, count, n_matrices, n_levels, n_sizes)


def _combined(xp: Any, keys: Any, count: Any, domain: int) -> tuple[Any, Any]:
    """Add up the counts of equal keys, of `domain` possible ones; each once, sorted."""
    if domain <= DENSE_ENTRIES_PER_KEY * keys.shape[0]:
        dense = totals(xp, keys, count, domain)
        (found,) = xp.nonzero(dense > 0)
        return found, xp.take(dense, found)
    if keys.shape[0] == 0:
        return keys, count
    order = xp.argsort(keys)
    keys = xp.take(keys, order)
    opens = xp.concat([xp.ones_like(keys[:1]), xp.astype(keys[1:] != keys[:-1], keys.dtype)])
    (first,) = xp.nonzero(opens)
    group = xp.cumulative_sum(opens) - 1
    return xp.take(keys, first), totals(xp, group, xp.take(count, order), first.shape[0])


def _in_rows(xp: Any, keys: Any, values: Any, n: int) -> Any:
    """Lay values with sorted keys into rows, one per key, filled up with zeros: (n, W)."""
    edges = xp.arange(n + 1, dtype=keys.dtype, device=device(keys))
    starts = xp.astype(xp.searchsorted(keys, edges), xp.int64)
    width = int(xp.max(starts[1:] - starts[:-1])) if n else 0
    index = starts[:-1, None] + xp.arange(max(width, 1), dtype=xp.int64, device=device(keys))
    index = xp.where(index < starts[1:, None], index, xp.full_like(index, keys.shape[0]))
    extended = xp.concat([values, xp.zeros(1, dtype=values.dtype, device=device(values))])
    return xp.reshape(xp.take(extended, xp.reshape(index, (-1,))), index.shape)
