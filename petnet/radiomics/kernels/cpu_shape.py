"""Integer passes over masks: cell patterns of the mesh, moments of coordinates, extents of lines.

The Numba twins of `mesh.cu`: same names, arguments and counts.
"""

from __future__ import annotations

from collections.abc import Callable

import numba
import numpy as np
from numpy.typing import NDArray

from petnet.radiomics.kernels.threads import cores, run_all

__all__ = ["coordinate_moments", "intensity_moments", "line_extents", "mesh_patterns"]

#: Work below this is not worth a thread, which costs about as much as a hundred microseconds of it.
PIECE_VOXELS = 250_000


@numba.njit(cache=True, nogil=True)
def _mesh_tasks(
    inside: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    shapes: NDArray[np.int32],
    tasks: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> None:
    """Fill counts[t] from the layers of cells x = tasks[t, 1] .. tasks[t, 2] - 1."""
    here = np.zeros(256, dtype=np.int64)
    for t in range(tasks.shape[0]):
        r, first, stop = tasks[t]
        nx, ny, nz = np.int64(shapes[r, 0]), np.int64(shapes[r, 1]), np.int64(shapes[r, 2])
        empty = np.zeros(nz, dtype=np.uint8)
        for x in range(first, stop):
            here[:] = 0
            for y in range(ny + 1):
                # the four lines of voxels around a line of cells; the padding is empty
                line = offsets[r] + (x * ny + y) * nz
                upper, left = x < nx, y > 0
                lower, right = x > 0, y < ny
                before = line - ny * nz
                a = inside[before - nz : before] if lower and left else empty
                b = inside[before : before + nz] if lower and right else empty
                c = inside[line - nz : line] if upper and left else empty
                d = inside[line : line + nz] if upper and right else empty
                near = np.int64(0)
                for z in range(nz):
                    far = (
                        (np.int64(a[z]) << 1)
                        | (np.int64(b[z]) << 3)
                        | (np.int64(c[z]) << 5)
                        | (np.int64(d[z]) << 7)
                    )
                    here[near | far] += 1
                    near = far >> 1
                here[near] += 1
            for pattern in range(256):
                counts[t, pattern, 0] += here[pattern]
                counts[t, pattern, 1] += here[pattern] * x


@numba.njit(cache=True, nogil=True)
def _moment_tasks(
    inside: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    shapes: NDArray[np.int32],
    tasks: NDArray[np.int64],
    moments: NDArray[np.int64],
) -> None:
    """Fill moments[t] from the slabs x = tasks[t, 1] .. tasks[t, 2] - 1."""
    for t in range(tasks.shape[0]):
        r, first, stop = tasks[t]
        nx, ny, nz = np.int64(shapes[r, 0]), np.int64(shapes[r, 1]), np.int64(shapes[r, 2])
        found = moments[t]
        for x in range(first, min(stop, nx)):
            for y in range(ny):
                start = offsets[r] + (x * ny + y) * nz
                line = inside[start : start + nz]
                n, along, squares = np.int64(0), np.int64(0), np.int64(0)
                for z in range(nz):
                    one = np.int64(line[z])
                    n += one
                    along += one * z
                    squares += one * z * z
                found[0] += n
                found[1] += n * x
                found[2] += n * y
                found[3] += along
                found[4] += n * x * x
                found[5] += n * y * y
                found[6] += squares
                found[7] += n * x * y
                found[8] += along * x
                found[9] += along * y


def _by_slabs(
    kernel: Callable[..., None],
    inside: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    shapes: NDArray[np.int32],
    width: tuple[int, ...],
) -> NDArray[np.int64]:
    """Cut regions into slabs of x, run the kernel on them in threads and add up per region."""
    volumes = np.prod(shapes, axis=1, dtype=np.int64)
    if volumes.sum() < PIECE_VOXELS:  # to cut would take longer than to count
        found = np.zeros((len(shapes), *width), dtype=np.int64)
        whole = [(r, 0, length + 1) for r, length in enumerate(shapes[:, 0].tolist())]
        tasks = np.array(whole, dtype=np.int64).reshape(-1, 3)
        kernel(inside, offsets, shapes, tasks, found)
        return found
    slabs = np.clip(volumes // PIECE_VOXELS, 1, cores())
    owner = np.repeat(np.arange(len(shapes)), slabs)
    within = np.arange(owner.size) - np.repeat(np.cumsum(slabs) - slabs, slabs)
    # one layer more than voxels: the cells of the mesh; the moments leave it out
    layers = shapes[owner, 0].astype(np.int64) + 1
    first, stop = within * layers // slabs[owner], (within + 1) * layers // slabs[owner]
    tasks = np.stack([owner, first, stop], axis=-1)
    counts = np.zeros((len(tasks), *width), dtype=np.int64)
    piece = np.cumsum(volumes[owner] // slabs[owner]) // PIECE_VOXELS
    cuts = np.flatnonzero(np.diff(piece)) + 1

    def run(part: tuple[NDArray[np.int64], NDArray[np.int64]]) -> None:
        kernel(inside, offsets, shapes, *part)

    run_all(run, zip(np.split(tasks, cuts), np.split(counts, cuts), strict=True))
    found = np.zeros((len(shapes), *width), dtype=np.int64)
    np.add.at(found, owner, counts)
    return found


def mesh_patterns(
    inside: NDArray[np.uint8], offsets: NDArray[np.int64], shapes: NDArray[np.int32]
) -> NDArray[np.int64]:
    """Count the patterns of 2×2×2 voxels of many masks, each padded by one empty voxel.

    Parameters
    ----------
    inside : (V,) uint8
        0 or 1; masks one after the other, each (X, Y, Z) in C order.
    offsets : (R,) int64
        First voxel of each mask in `inside`.
    shapes : (R, 3) int32

    Returns
    -------
    (R, 256, 2) int64
        Of each pattern the number of its cells and the sum of their x index, 0..X. Bit
        4x + 2y + z of a pattern is the voxel at corner (x, y, z) of the cell.
    """
    return _by_slabs(_mesh_tasks, inside, offsets, shapes, (256, 2))


def coordinate_moments(
    inside: NDArray[np.uint8], offsets: NDArray[np.int64], shapes: NDArray[np.int32]
) -> NDArray[np.int64]:
    """Sum 1, x, y, z, xx, yy, zz, xy, xz, yz over the voxels of many masks.

    Parameters
    ----------
    inside, offsets, shapes
        As for `mesh_patterns`.

    Returns
    -------
    (R, 10) int64
        x, y, z are indices in the mask's own box; no overflow below axes of 65,000 voxels and
        2 · 10⁹ voxels.
    """
    return _by_slabs(_moment_tasks, inside, offsets, shapes, (10,))


@numba.njit(cache=True, nogil=True)
def line_extents(inside: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Find the first and last voxel of each line along z.

    Parameters
    ----------
    inside : (X, Y, Z) uint8

    Returns
    -------
    (X, Y, 2) int32
        Index of the first and of the last voxel; Z and -1 where the line is empty.
    """
    nx, ny, nz = inside.shape
    extents = np.empty((nx, ny, 2), dtype=np.int32)
    for x in range(nx):
        for y in range(ny):
            first, last = 0, nz - 1
            while first < nz and inside[x, y, first] == 0:
                first += 1
            while last > first and inside[x, y, last] == 0:
                last -= 1
            extents[x, y, 0] = first
            extents[x, y, 1] = last if first < nz else -1
    return extents


@numba.njit(cache=True, nogil=True)
def intensity_moments(
    values: NDArray[np.float64], inside: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """Sum 1, v, v·x, v·y and v·z over the voxels of a mask.

    Parameters
    ----------
    values : (X, Y, Z) float64
        Read inside the mask only.
    inside : (X, Y, Z) uint8

    Returns
    -------
    (5,) float64
        x, y, z are indices. Lines are summed on their own first, which keeps rounding small.
    """
    nx, ny, nz = inside.shape
    found = np.zeros(5)
    for x in range(nx):
        of_slab = np.zeros(5)
        for y in range(ny):
            n, total, along = 0, 0.0, 0.0
            for z in range(nz):
                if inside[x, y, z]:
                    n += 1
                    total += values[x, y, z]
                    along += values[x, y, z] * z
            of_slab[0] += n
            of_slab[1] += total
            of_slab[2] += total * x
            of_slab[3] += total * y
            of_slab[4] += along
        found += of_slab
    return found
