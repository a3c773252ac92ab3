"""Outlines of masks along the edges of their voxels: rasterising them gives the mask back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["keyholed", "outlines"]

Corner = tuple[int, int]
Loop = list[Corner]
# Of a voxel at (0, 0) with corners from (0, 0) to (1, 1): the neighbour beyond a side, and that
# side's ends, with the voxel on its left
SIDES = (
    ((0, -1), (0, 0), (1, 0)),
    ((1, 0), (1, 0), (1, 1)),
    ((0, 1), (1, 1), (0, 1)),
    ((-1, 0), (0, 1), (0, 0)),
)


def outlines(mask: NDArray[np.bool_]) -> list[list[NDArray[np.float64]]]:
    """Return the outlines of a mask in a plane.

    Parameters
    ----------
    mask : (X, Y) bool array

    Returns
    -------
    list of lists of (N, 2) float64 array
        For every part that hangs together by sides: its outer outline, counter-clockwise, then
        those of its holes, clockwise; corners in voxel indices, at halves.
    """
    from scipy.ndimage import find_objects, label

    parts, _ = label(mask)
    made = []
    for number, window in enumerate(find_objects(parts), 1):
        loops = [_corners(loop) for loop in _loops(parts[window] == number)]
        offset = np.array([window[0].start, window[1].start]) - 0.5
        ordered = sorted(loops, key=lambda loop: -_area(loop))
        made.append([loop + offset for loop in ordered])
    return made


def keyholed(part: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return a part's outlines as one: a channel of no width leads to each hole and back."""
    outer, *holes = part
    ways = [np.concatenate([outer[:1], hole, hole[:1]]) for hole in holes]
    return np.concatenate([outer, *ways])


def _loops(mask: NDArray[np.bool_]) -> Iterator[Loop]:
    """Yield closed ways along the sides of voxels, with the mask on their left."""
    ways = _sides(mask)
    while ways:
        start = min(ways)
        loop = [start, ways[start].pop()]
        while loop[-1] != start:
            loop.append(_turn(loop[-2], ways[loop[-1]], loop[-1]))
        for corner in set(loop):
            if corner in ways and not ways[corner]:
                del ways[corner]
        yield loop[:-1]


def _sides(mask: NDArray[np.bool_]) -> dict[Corner, list[Corner]]:
    """Return where the sides of voxels lead from each corner, of sides with nothing beyond."""
    padded = np.pad(mask, 1)
    ways: dict[Corner, list[Corner]] = defaultdict(list)
    for (di, dj), start, end in SIDES:
        beyond = np.roll(padded, (-di, -dj), (0, 1))[1:-1, 1:-1]
        for i, j in np.argwhere(mask & ~beyond).tolist():
            ways[i + start[0], j + start[1]].append((i + end[0], j + end[1]))
    return ways


def _turn(before: Corner, ends: list[Corner], here: Corner) -> Corner:
    """Take the next side; where two voxels touch at a corner, the one of the same voxel (left)."""
    if len(ends) == 1:
        return ends.pop()
    left = (here[0] - (here[1] - before[1]), here[1] + (here[0] - before[0]))
    ends.remove(left)
    return left


def _corners(loop: Loop) -> NDArray[np.float64]:
    """Return the points at which a way turns."""
    points = np.array(loop, dtype=np.float64)
    into, out = points - np.roll(points, 1, axis=0), np.roll(points, -1, axis=0) - points
    turns: NDArray[np.float64] = points[(into != out).any(axis=1)]
    return turns


def _area(loop: NDArray[np.float64]) -> float:
    """Return the enclosed area, negative where the way is clockwise."""
    x, y = loop.T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2
