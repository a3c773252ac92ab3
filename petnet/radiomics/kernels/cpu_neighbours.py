"""Co-occurrence, run length, neighbourhood difference and dependence on the CPU."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from petnet.radiomics.kernels.cpu_layout import Framed, Rows

__all__ = ["count_neighbourhoods", "count_pairs"]


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
    n_directions = directions.shape[0]
    cells, plane = 0, 0
    for r in regions:
        k = batch.greatest[r]
        cells = max(cells, k * (k - 1 + batch.shapes[r].max()))
        plane = max(plane, batch.shapes[r, 1] * batch.shapes[r, 2])
    table = np.zeros((n_directions, cells), dtype=np.int32)
    positions = np.empty((2 * plane, n_directions), dtype=np.uint16)
    back = np.empty(n_directions, dtype=np.int64)
    for r in regions:
        depth, height, width = batch.shapes[r]
        for d in range(n_directions):
            x, y, z = directions[d]
            back[d] = abs((z * height + x) * width + y)
        longest = batch.shapes[r].max() - 2
        for z in range(depth - 2):
            _pairs_of_slice(batch, r, z, back, longest, table, positions)
            if rows.step or z == depth - 3:
                row = rows.first[r] + rows.step * z
                for d in range(n_directions):
                    k, histogram = batch.greatest[r], rows.histogram[row]
                    if glcm.size:
                        _add_pairs(table[d], k, longest, glcm[row, d])
                    if glrlm.size:
                        _add_runs(table[d], k, longest, histogram, glrlm[row, d])
                    table[d, : k * (k + 1 + longest)] = 0


@numba.njit(cache=True, nogil=True)
def _pairs_of_slice(
    batch: Framed,
    r: int,
    z: int,
    back: NDArray[np.int64],
    longest: int,
    table: NDArray[np.int32],
    positions: NDArray[np.uint16],
) -> None:
    """Count the pairs of the voxels of slice z with those before them.

    `table` holds, per direction, k rows of k + 1 levels before (0 is outside of the mask), then k
    rows of `longest` positions. `positions` keeps the run positions of this slice and of the one
    before, by turns in its two halves; what is left there from earlier is never read, since it
    is read only where the voxel before has the same level.
    """
    plane = batch.shapes[r, 1] * batch.shapes[r, 2]
    k = batch.greatest[r]
    start = batch.offsets[r] + (z + 1) * plane
    half = (z & 1) * plane
    for p in range(plane):
        level = np.int64(batch.levels[start + p])
        if level > 0:
            pair = (level - 1) * (k + 1)
            run = k * (k + 1) + (level - 1) * longest
            for d in range(back.size):
                before = np.int64(batch.levels[start + p - back[d]])
                place = half + p - back[d]
                if place < 0:
                    place += 2 * plane
                position = positions[place, d] + 1
                same = before == level
                positions[half + p, d] = position if same else 1
                table[d, run + position - 1 if same else pair + before] += 1


@numba.njit(cache=True, nogil=True)
def _add_pairs(table: NDArray[np.int32], k: int, longest: int, glcm: NDArray[np.int64]) -> None:
    """Add the pairs of one direction and their transpose."""
    for i in range(k):
        for j in range(i):
            both = table[i * (k + 1) + j + 1] + table[j * (k + 1) + i + 1]
            glcm[i, j] += both
            glcm[j, i] += both
        run = k * (k + 1) + i * longest
        glcm[i, i] += 2 * table[run : run + longest].sum()


@numba.njit(cache=True, nogil=True)
def _add_runs(
    table: NDArray[np.int32],
    k: int,
    longest: int,
    histogram: NDArray[np.int64],
    glrlm: NDArray[np.int64],
) -> None:
    """Turn voxels per position of a run, position 1 left out, into runs per length."""
    for i in range(k):
        run = k * (k + 1) + i * longest
        rest = histogram[i]
        for n in range(longest - 1, 0, -1):
            reach = table[run + n]
            glrlm[i, n] += reach
            glrlm[i, n - 1] -= reach
            rest -= reach
        glrlm[i, 0] += rest


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
    longest = 0
    for r in regions:
        longest = max(longest, batch.shapes[r, 2])
    number = np.empty(longest, dtype=np.int16)
    total = np.empty(longest, dtype=np.int32)
    dependent = np.empty(longest, dtype=np.int16)
    slices = 1 if volume[0].size or volume[1].size else 0
    for r in regions:
        depth, height, width = batch.shapes[r]
        stop = batch.offsets[r] + depth * height * width
        grid = batch.levels[batch.offsets[r] : stop].reshape((depth, height, width))
        for z in range(1, depth - 1):
            row = rows.first[r] + rows.step * (z - 1)
            for x in range(1, height - 1):
                low, high = _span(grid[z, x])
                if low == high:
                    continue
                centre = grid[z, x, low:high]
                n, t, d = number[: high - low], total[: high - low], dependent[: high - low]
                n[:], t[:], d[:] = -1, 0, -1  # the centre itself is among the 9 and the 27
                for i in range(x - 1, x + 2):
                    _add_row(grid[z, i, low - 1 : high + 1], centre, alpha, n, t, d)
                _add_neighbourhoods(centre, n, t, d, row, planes)
                if slices:
                    for j in (z - 1, z + 1):
                        for i in range(x - 1, x + 2):
                            _add_row(grid[j, i, low - 1 : high + 1], centre, alpha, n, t, d)
                    _add_neighbourhoods(centre, n, t, d, r, volume)


@numba.njit(cache=True, nogil=True)
def _span(line: NDArray[np.int16]) -> tuple[int, int]:
    """Return the first voxel of the mask and the one after the last; equal if there is none."""
    low, high = 0, line.size
    while low < high and line[low] == 0:
        low += 1
    while low < high and line[high - 1] == 0:
        high -= 1
    return low, high


@numba.njit(cache=True, nogil=True)
def _add_row(
    line: NDArray[np.int16],
    centre: NDArray[np.int16],
    alpha: int,
    number: NDArray[np.int16],
    total: NDArray[np.int32],
    dependent: NDArray[np.int16],
) -> None:
    """Add the three neighbours of each centre that lie on one line: line[y] to line[y + 2].

    No branches and no wide integers, so that the compiler turns the loop into vectors.
    """
    reach = np.int16(alpha)
    for y in range(centre.size):
        n, t, d = np.int16(0), np.int16(0), np.int16(0)
        for o in range(3):
            level = line[y + o]
            in_mask = level > 0
            n += in_mask
            t += level
            d += in_mask & (abs(level - centre[y]) <= reach)
        number[y] += n
        total[y] += t
        dependent[y] += d


@numba.njit(cache=True, nogil=True)
def _add_neighbourhoods(
    centre: NDArray[np.int16],
    number: NDArray[np.int16],
    total: NDArray[np.int32],
    dependent: NDArray[np.int16],
    row: int,
    counts: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> None:
    """Add a line of centres, whose own levels are part of `total`, to one row of counts."""
    ngtdm, ngldm = counts
    for y in range(centre.size):
        level = np.int64(centre[y])
        if level > 0:
            if ngtdm.size:
                n = number[y]
                ngtdm[row, level - 1, n, 0] += 1
                ngtdm[row, level - 1, n, 1] += abs(level * (n + 1) - total[y])
            if ngldm.size:
                ngldm[row, level - 1, dependent[y]] += 1
