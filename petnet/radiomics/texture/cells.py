"""Matrices as lists of their occupied cells, and sums over them.

A lesion of 800 voxels has 13 co-occurrence matrices of 4096 cells, most of them empty, and its size
zones have no dense matrix at all. Every texture matrix is therefore brought to one form: occupied
cells with their matrix, row, column and count. What is done to them costs as much as there are
cells, whatever the number of grey levels or of slices.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from array_api_compat import array_namespace, device, is_cupy_namespace, is_numpy_namespace

from petnet.radiomics.kernels.counts import ZoneCells

__all__ = [
    "ByMatrix",
    "Cells",
    "as_columns",
    "from_zones",
    "joined",
    "mean_of_defined",
    "mean_of_directions",
    "merged",
    "occupied",
    "size_squares",
    "totals",
]

#: Equal keys are added up in a dense array of all possible keys where that has at most so many
#: entries per key, else by sorting them: an empty entry costs about a hundredth of a sort's step.
DENSE_ENTRIES_PER_KEY = 64


@dataclass(frozen=True, eq=False)
class Cells:
    """Occupied cells of M matrices, sorted by matrix.

    Attributes
    ----------
    place : (K,) int64
        In a dense array of the matrices, (matrix · n_levels + grey level - 1) · n_sizes + column:
        size, distance, dependence or, in co-occurrence, the other level, less 1.
    count : (K,) float64
        Whole numbers.
    n_matrices, n_levels, n_sizes : int
    """

    place: Any
    count: Any
    n_matrices: int
    n_levels: int
    n_sizes: int

    def rows_and_columns(self) -> tuple[Any, Any]:
        """Return the number of each cell's row among those of all matrices, and its column."""
        row = self.place // self.n_sizes
        return row, self.place - row * self.n_sizes


class ByMatrix:
    """Sums and greatest of cells of the same of `n` matrices; `matrix` (K,) is sorted."""

    def __init__(self, xp: Any, matrix: Any, n: int) -> None:
        self.xp, self.matrix, self.n = xp, matrix, n
        if is_numpy_namespace(xp):
            edges = xp.searchsorted(matrix, xp.arange(n + 1))
            self.filled = edges[1:] > edges[:-1]
            self.starts = edges[:-1][self.filled]

    def total(self, values: Any) -> Any:
        """Return the sum of each matrix, (n,) float64."""
        if is_numpy_namespace(self.xp):  # far less work than to count by key
            return self._reduced(self.xp.add, values)
        return totals(self.xp, self.matrix, values, self.n)

    def largest(self, values: Any) -> Any:
        """Return the greatest of positive values of each matrix, (n,) float64; 0 of none."""
        if is_numpy_namespace(self.xp):
            return self._reduced(self.xp.maximum, values)
        return self.xp.max(_in_rows(self.xp, self.matrix, values, self.n), axis=-1)

    def _reduced(self, ufunc: Any, values: Any) -> Any:
        found = self.xp.zeros(self.n)
        found[self.filled] = ufunc.reduceat(values, self.starts)
        return found


def occupied(xp: Any, counts: Any, upper: bool = False) -> Cells:
    """Return the occupied cells of (..., L, N) counts.

    Parameters
    ----------
    upper : bool
        Of symmetric matrices: only the diagonal and what lies above.
    """
    *lead, n_levels, n_sizes = counts.shape
    present = counts > 0
    if upper:
        index = xp.arange(n_levels, dtype=xp.int64, device=device(counts))
        present = present & (index[:, None] <= index)
    (found,) = xp.nonzero(xp.reshape(present, (-1,)))
    count = xp.astype(xp.take(xp.reshape(counts, (-1,)), found), xp.float64)
    return Cells(found, count, math.prod(lead), n_levels, n_sizes)


def from_zones(zones: ZoneCells, n_levels: int) -> Cells:
    """Return size zones as cells; a matrix per row of `zones`."""
    xp = array_namespace(zones.count)
    n_cells, n_matrices = zones.count.shape[0], zones.starts.shape[0] - 1
    row = zones.level - 1
    if n_matrices > 1:
        index = xp.arange(n_cells, dtype=zones.starts.dtype, device=device(zones.count))
        matrix = xp.astype(xp.searchsorted(zones.starts, index, side="right"), xp.int64) - 1
        row = row + matrix * n_levels
    count = xp.astype(zones.count, xp.float64)
    n_sizes = int(xp.max(zones.size)) if n_cells else 1
    return Cells(row * n_sizes + zones.size - 1, count, n_matrices, n_levels, n_sizes)


def merged(blocks: Sequence[tuple[Cells, Any]], n_matrices: int) -> Cells:
    """Add matrices up: of each block (cells, target), matrix m goes into number target[m]."""
    xp = array_namespace(blocks[0][1])
    n_levels = blocks[0][0].n_levels
    n_sizes = max(cells.n_sizes for cells, _ in blocks)
    keys = []
    for cells, target in blocks:
        row, column = cells.rows_and_columns()
        matrix = row // n_levels
        moved = (xp.take(target, matrix) - matrix) * n_levels
        keys.append((row + moved) * n_sizes + column)
    count = [cells.count for cells, _ in blocks]
    shape = n_matrices, n_levels, n_sizes
    return Cells(*_combined(xp, xp.concat(keys), xp.concat(count), math.prod(shape)), *shape)


def joined(xp: Any, blocks: Sequence[Cells]) -> Cells:
    """Number the matrices of blocks of the same levels and sizes through."""
    if len(blocks) == 1:
        return blocks[0]
    n_levels, n_sizes = blocks[0].n_levels, blocks[0].n_sizes
    places, n_matrices = [], 0
    for cells in blocks:
        places.append(cells.place + n_matrices * n_levels * n_sizes)
        n_matrices += cells.n_matrices
    count = xp.concat([cells.count for cells in blocks])
    return Cells(xp.concat(places), count, n_matrices, n_levels, n_sizes)


def size_squares(xp: Any, blocks: Sequence[Cells], cells: Any, of: ByMatrix) -> Any:
    """Return Σ_s (Σ_i n(i, s))² of each matrix, (M,).

    It is the sum of n(i, s) · Σ_k n(k, s) over the cells. The sizes of all matrices are laid side
    by side, so that a block of long zones does not widen the others.

    Parameters
    ----------
    cells : (column, count) of `blocks`, joined
    """
    column, count = cells
    starts, n_places = [], 0
    for block in blocks:
        stop = n_places + block.n_matrices * block.n_sizes
        starts.append(
            xp.arange(n_places, stop, block.n_sizes, dtype=xp.int64, device=device(count))
        )
        n_places = stop
    places = xp.take(xp.concat(starts), of.matrix) + column
    if n_places > DENSE_ENTRIES_PER_KEY * count.shape[0]:
        places, n_places = xp.unique_inverse(places).inverse_indices, count.shape[0]
    return of.total(count * xp.take(totals(xp, places, count, n_places), places))


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


def as_columns(xp: Any, values: Sequence[Any]) -> Any:
    """Return F arrays (M,) as one (M, F): what `stack` does, with far fewer calls."""
    return xp.reshape(xp.concat(values), (len(values), -1)).T


def mean_of_defined(values: Any, region: Any, n: int) -> Any:
    """Mean of the rows of values (M, F) that belong to each region; undefined ones are left out."""
    xp = array_namespace(values)
    width = values.shape[1]
    column = xp.arange(width, dtype=region.dtype, device=device(region))
    keys = xp.reshape(region[:, None] * width + column, (-1,))
    flat = xp.reshape(values, (-1,))
    undefined = xp.isnan(flat)
    number = totals(xp, keys, xp.astype(~undefined, values.dtype), n * width)
    sums = totals(xp, keys, xp.where(undefined, 0.0, flat), n * width)
    return xp.reshape(sums / xp.where(number == 0, float("nan"), number), (n, width))


def mean_of_directions(xp: Any, parts: Sequence[Any], n: int) -> Any:
    """Mean of parts (n · directions, F) over directions; undefined ones are left out: (n, F)."""
    width = parts[0].shape[1]
    values = xp.concat([xp.reshape(p, (n, p.shape[0] // max(n, 1), width)) for p in parts], axis=1)
    undefined = xp.isnan(values)
    number = xp.sum(xp.astype(~undefined, values.dtype), axis=1)
    sums = xp.sum(xp.where(undefined, 0.0, values), axis=1)
    return sums / xp.where(number == 0, float("nan"), number)


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
