"""Co-occurrence, run length, neighbourhood difference and dependence on the CPU."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from petnet.radiomics.kernels.cpu_layout import Framed, Rows, at

__all__ = ["count_neighbourhoods", "count_pairs"]

#: Voxels whose neighbours are summed up at once: many to a vector, few enough to stay in cache.
SEGMENT = 512


@numba.njit(cache=True, nogil=True)
def count_pairs(
    batch: Framed,
    regions: NDArray[np.int64],
    directions: NDArray[np.int32],
    rows: Rows,
    glcm: NDArray[np.int64],
    glrlm: NDArray[np.int64],
) -> None:
    """Count co-occurrences and runs along some directions, all within or all between slices.

    A voxel either goes on the run of its predecessor along a direction, or makes a pair of two
    levels with it. So each voxel and direction adds one to one table: to (level, position in the
    run), or to (level, level before). Runs of n or more voxels are as many as voxels at position
    n; pairs of one level are the voxels at position 2 or beyond; first positions are the rest.

    Parameters
    ----------
    regions : (r,) int64
        Which of the batch.
    directions : (D, 3) int32
        As x, y, z. Either sign of a direction gives the same counts.
    glcm : (rows, D, L, L) or (0, 0, 0, 0) int64
        Added to, unless empty.
    glrlm : (rows, D, L, N) or (0, 0, 0, 0) int64
        Added to, unless empty.
    """
    cells, plane = 0, 0
    for r in regions:
        k, longest = batch.greatest[r], batch.shapes[r].max() - 2
        cells = max(cells, k * (k + longest))
        plane = max(plane, batch.shapes[r, 1] * batch.shapes[r, 2])
    table = np.zeros((directions.shape[0], cells), dtype=np.int32)
    positions = np.empty((2 * plane, directions.shape[0]), dtype=np.uint16)
    for r in regions:
        depth, height, width = batch.shapes[r]
        k, longest = batch.greatest[r], batch.shapes[r].max() - 2
        back = np.empty(directions.shape[0], dtype=np.int64)
        for d in range(back.size):
            x, y, z = directions[d]
            back[d] = abs((z * height + x) * width + y)
        for z in range(depth - 2):
            _pairs_of_slice(batch, r, z, back, k + longest, table, positions)
            if rows.step or z == depth - 3:
                row = rows.first[r] + rows.step * z
                present = np.flatnonzero(rows.histogram[row])
                for d in range(back.size):
                    lines = table[d, : k * (k + longest)].reshape((k, k + longest))
                    if glcm.size:
                        _add_pairs(lines, present, glcm[row, d])
                    if glrlm.size:
                        _add_runs(lines, present, rows.histogram[row], glrlm[row, d])
                    for i in present:
                        lines[i] = 0


@numba.njit(cache=True, nogil=True)
def _pairs_of_slice(
    batch: Framed,
    r: int,
    z: int,
    back: NDArray[np.int64],
    line: int,
    table: NDArray[np.int32],
    positions: NDArray[np.uint16],
) -> None:
    """Count the voxels of slice z, each with those that lie `back` from it.

    Parameters
    ----------
    back : (D,) int64
        All within the slice, or all in the one before.
    line : int
        Cells per level of `table`: k + 1 for the level before, k being the greatest level and 0
        the outside; then one for each position from 2 on.
    table : (D, k · line) int32
    positions : (2 · plane, D) uint16
        Run positions in this slice and the one before, by turns in the two halves. What is left
        from earlier is never read: it is read only where the level before is the same.
    """
    plane = batch.shapes[r, 1] * batch.shapes[r, 2]
    start = batch.offsets[r] + (z + 1) * plane
    here = (z & 1) * plane
    before = here if back[-1] < plane // 2 else 2 * plane - here
    runs = batch.greatest[r] - 1
    for p in range(plane):
        level = int(batch.levels[at(start + p)])
        if level > 0:
            first = (level - 1) * line
            for d in range(back.size):
                other = int(batch.levels[at(start + p - back[d])])
                position = 1
                if other == level:
                    position += int(positions[at(before + p - back[d]), d])
                    table[d, at(first + runs + position)] += 1
                else:
                    table[d, at(first + other)] += 1
                positions[at(here + p), d] = position


@numba.njit(cache=True, nogil=True)
def _add_pairs(
    lines: NDArray[np.int32], present: NDArray[np.int64], glcm: NDArray[np.int64]
) -> None:
    """Add the pairs of one direction and their transpose, of the levels that are present."""
    k = lines.shape[0]
    for i in present:
        for j in present:
            if j == i:
                break
            both = np.int64(lines[i, j + 1]) + lines[j, i + 1]
            glcm[i, j] += both
            glcm[j, i] += both
        glcm[i, i] += 2 * lines[i, k + 1 :].sum()


@numba.njit(cache=True, nogil=True)
def _add_runs(
    lines: NDArray[np.int32],
    present: NDArray[np.int64],
    histogram: NDArray[np.int64],
    glrlm: NDArray[np.int64],
) -> None:
    """Turn voxels per position of a run, from the second position on, into runs per length."""
    k, line = lines.shape
    for i in present:
        starts = histogram[i]
        for n in range(line - k - 1, 0, -1):
            reach = lines[i, k + n]
            if reach:
                glrlm[i, n] += reach
                glrlm[i, n - 1] -= reach
                starts -= reach
        glrlm[i, 0] += starts


@numba.njit(cache=True, nogil=True)
def count_neighbourhoods(
    batch: Framed,
    regions: NDArray[np.int64],
    alpha: int,
    rows: Rows,
    planes: tuple[NDArray[np.int64], NDArray[np.int64]],
    volume: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> None:
    """Count neighbourhood differences and dependences, within slices and in 3D at once.

    Parameters
    ----------
    regions : (r,) int64
        Which of the batch.
    alpha : int
        Neighbours within so many levels depend on the centre.
    planes : ((rows, L, 9, 2), (rows, L, 9)) int64
        NGTDM and NGLDM within slices, added to; those not asked for are empty.
    volume : ((R, L, 27, 2), (R, L, 27)) int64
        The same in 3D.
    """
    # of the neighbours in the mask: their number, the sum of their levels, and how many depend
    number = np.empty(SEGMENT, dtype=np.int16)
    total = np.empty(SEGMENT, dtype=np.int32)
    dependent = np.empty(SEGMENT, dtype=np.int16)
    any_volume = volume[0].size > 0 or volume[1].size > 0
    for r in regions:
        depth, height, width = batch.shapes[r]
        plane = height * width
        for z in range(depth - 2):
            row = rows.first[r] + rows.step * z
            start = batch.offsets[r] + (z + 1) * plane
            for first in range(start, start + plane, SEGMENT):
                low, high = _span(batch.levels, first, min(first + SEGMENT, start + plane))
                if low == high:
                    continue
                for y in range(high - low):  # the centre itself is among the 9 and the 27
                    number[y], total[y], dependent[y] = -1, 0, -1
                for x in range(-width, width + 1, width):
                    _add_line(batch.levels, low, high, x, alpha, number, total, dependent)
                _add_centres(batch.levels, low, high, number, total, dependent, row, planes)
                if any_volume:
                    for x in range(-width, width + 1, width):
                        _add_line(
                            batch.levels, low, high, x - plane, alpha, number, total, dependent
                        )
                        _add_line(
                            batch.levels, low, high, x + plane, alpha, number, total, dependent
                        )
                    _add_centres(batch.levels, low, high, number, total, dependent, r, volume)


@numba.njit(cache=True, nogil=True)
def _span(levels: NDArray[np.int16], low: int, high: int) -> tuple[int, int]:
    """Narrow a range to its first and last voxel of the mask; to nothing if there is none."""
    while low < high and levels[at(low)] == 0:
        low += 1
    while low < high and levels[at(high - 1)] == 0:
        high -= 1
    return low, high


@numba.njit(cache=True, nogil=True)
def _add_line(
    levels: NDArray[np.int16],
    low: int,
    high: int,
    shift: int,
    alpha: int,
    number: NDArray[np.int16],
    total: NDArray[np.int32],
    dependent: NDArray[np.int16],
) -> None:
    """Add to each voxel low <= v < high its three neighbours v + shift - 1 to v + shift + 1.

    No branches and no wide integers, so that the compiler turns the loop into vectors.
    """
    reach = np.int16(alpha)
    line = low + shift - 1
    count = high - low
    for y in range(count):
        centre = levels[at(low + y)]
        n, t, d = np.int16(0), np.int16(0), np.int16(0)
        for o in range(3):
            level = levels[at(line + y + o)]
            in_mask = level > 0
            n += in_mask
            t += level
            d += in_mask & (abs(level - centre) <= reach)
        number[at(y)] += n
        total[at(y)] += t
        dependent[at(y)] += d


@numba.njit(cache=True, nogil=True)
def _add_centres(
    levels: NDArray[np.int16],
    low: int,
    high: int,
    number: NDArray[np.int16],
    total: NDArray[np.int32],
    dependent: NDArray[np.int16],
    row: int,
    counts: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> None:
    """Add the voxels of a range, whose own levels are part of the totals, to a row of counts."""
    ngtdm, ngldm = counts
    for y in range(high - low):
        level = int(levels[at(low + y)])
        if level > 0:
            if ngtdm.size:
                n = number[at(y)]
                difference = abs(level * (n + 1) - total[at(y)])
                ngtdm[row, level - 1, n, 0] += 1
                ngtdm[row, level - 1, n, 1] += difference
            if ngldm.size:
                ngldm[row, level - 1, dependent[at(y)]] += 1
