"""The bodies around a convex hull: its diameter, small boxes, the smallest ellipsoid."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["box_around", "boxes_around", "ellipsoid_weights", "greatest_distance"]

#: Cosine from which on a facet counts as facing an axis: below it is parallel to within rounding.
FACING = 1e-9
#: Share of the volume that a turn of a box must save.
GAIN = 1e-7


@numba.njit(cache=True, nogil=True)
def greatest_distance(points: NDArray[np.float64], radii: NDArray[np.float64]) -> float:
    """Return the greatest distance between any two of (V, 3) points.

    Parameters
    ----------
    points : (V, 3) float64
        From the outermost inwards.
    radii : (V,) float64
        Their distances from a centre, descending. A pair is not looked at, nor any after it, where
        the sum of the two is no more than a distance already found.
    """
    found = 0.0
    for i in range(radii.size):
        if radii[i] + radii[0] <= found:
            break
        for j in range(i):
            if radii[i] + radii[j] <= found:
                break
            dx, dy = points[i, 0] - points[j, 0], points[i, 1] - points[j, 1]
            dz = points[i, 2] - points[j, 2]
            found = max(found, math.sqrt(dx * dx + dy * dy + dz * dz))
    return found


@numba.njit(cache=True, nogil=True)
def _in_order(flat: NDArray[np.float64]) -> NDArray[np.int64]:
    """Sort points by their first coordinate, ties by the second, by counting those before each.

    They are few: comparing all with all, without a branch, takes less time than foreseeing
    wrongly where a sort goes next.
    """
    n = flat.shape[0]
    xs, ys = flat[:, 0].copy(), flat[:, 1].copy()
    order = np.empty(n, dtype=np.int64)
    for i in range(n):
        x, y = xs[i], ys[i]
        before = 0
        for j in range(n):
            same = (xs[j] == x) & ((ys[j] < y) | ((ys[j] == y) & (j < i)))
            before += (xs[j] < x) | same
        order[before] = i
    return order


@numba.njit(cache=True, nogil=True)
def _outline(flat: NDArray[np.float64]) -> NDArray[np.int64]:
    """Go around the convex hull of (K, 2) points counter-clockwise (monotone chain)."""
    order = _in_order(flat)
    k = order.size
    ring = np.empty(2 * k + 1, dtype=np.int64)
    size = 0
    for turn in range(2):
        start = size
        for step in range(k):
            new = order[step] if turn == 0 else order[k - 1 - step]
            while size - start > 1:
                a, b = ring[size - 2], ring[size - 1]
                ux, uy = flat[b, 0] - flat[a, 0], flat[b, 1] - flat[a, 1]
                vx, vy = flat[new, 0] - flat[a, 0], flat[new, 1] - flat[a, 1]
                if ux * vy - uy * vx > 0:
                    break
                size -= 1
            ring[size] = new
            size += 1
        size -= 1  # each half ends where the other begins
    return ring[: max(size, 1)]


@numba.njit(cache=True, nogil=True)
def _smallest_rectangle(polygon: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return area and direction (cosine, sine) of the smallest rectangle around a convex polygon.

    One of its sides lies on a side of the polygon, so that each is tried. All corners are looked at
    for all sides at once, in vectors: outlines have few tens of corners, and rotating calipers,
    which would look at few of them, spend more time on foreseeing wrongly which.
    """
    n = polygon.shape[0]
    sides = np.empty((2, n))  # from each corner to the next
    side_x, side_y = sides[0], sides[1]
    for i in range(n):
        j = i + 1 if i + 1 < n else 0
        side_x[i], side_y[i] = polygon[j, 0] - polygon[i, 0], polygon[j, 1] - polygon[i, 1]
    # how far the corners lie along each side, and across it, from the first; times its length
    reach = np.zeros((4, n))
    left, right, low, high = reach[0], reach[1], reach[2], reach[3]
    for k in range(1, n):
        x, y = polygon[k, 0] - polygon[0, 0], polygon[k, 1] - polygon[0, 1]
        for i in range(n):
            along, across = x * side_x[i] + y * side_y[i], y * side_x[i] - x * side_y[i]
            left[i] = along if along < left[i] else left[i]
            right[i] = along if along > right[i] else right[i]
            low[i] = across if across < low[i] else low[i]
            high[i] = across if across > high[i] else high[i]
    smallest, cosine, sine = np.inf, 1.0, 0.0
    for i in range(n):
        square = side_x[i] ** 2 + side_y[i] ** 2
        if square > 0:
            area = (right[i] - left[i]) * (high[i] - low[i]) / square
            if area < smallest:
                length = math.sqrt(square)
                smallest, cosine, sine = area, side_x[i] / length, side_y[i] / length
    return smallest, cosine, sine


@numba.njit(cache=True, nogil=True)
def box_around(
    points: NDArray[np.float64],
    normals: NDArray[np.float64],
    incident: NDArray[np.int64],
    axis: NDArray[np.float64],
    axes: NDArray[np.float64],
) -> float:
    """Find the smallest box with one axis given around a convex hull, and return its volume.

    Parameters
    ----------
    points : (V, 3) float64
        Corners of the hull.
    normals : (F, 3) float64
        Outward unit normals of its facets.
    incident : (I, 2) int64
        Pairs of facet and corner.
    axis : (3,) float64
        Unit vector.
    axes : (3, 3) float64
        Receives the box's axes as rows, `axis` first.
    """
    ax, ay, az = axis[0], axis[1], axis[2]
    # two unit vectors across the axis, begun at the array axis that is furthest from it
    if abs(ax) <= abs(ay) and abs(ax) <= abs(az):
        bx, by, bz = 0.0, -az, ay
    elif abs(ay) <= abs(az):
        bx, by, bz = az, 0.0, -ax
    else:
        bx, by, bz = -ay, ax, 0.0
    length = math.sqrt(bx * bx + by * by + bz * bz)
    bx, by, bz = bx / length, by / length, bz / length
    cx, cy, cz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx

    # the outline, seen along the axis, runs where facets that face it meet those that do not
    side = np.empty(normals.shape[0], dtype=np.uint8)
    for k in range(side.size):
        towards = normals[k, 0] * ax + normals[k, 1] * ay + normals[k, 2] * az
        side[k] = 1 if towards > FACING else 2
    sides = np.zeros(points.shape[0], dtype=np.uint8)
    for k in range(incident.shape[0]):
        sides[incident[k, 1]] |= side[incident[k, 0]]
    flat = np.empty((points.shape[0], 2))
    n, low, high = 0, np.inf, -np.inf
    for k in range(points.shape[0]):
        x, y, z = points[k, 0], points[k, 1], points[k, 2]
        along = x * ax + y * ay + z * az
        low, high = min(low, along), max(high, along)
        if sides[k] == 3:
            flat[n, 0] = x * bx + y * by + z * bz
            flat[n, 1] = x * cx + y * cy + z * cz
            n += 1
    area, cosine, sine = _smallest_rectangle(flat[_outline(flat[:n])])
    axes[0, 0], axes[0, 1], axes[0, 2] = ax, ay, az
    axes[1, 0], axes[2, 0] = cosine * bx + sine * cx, cosine * cx - sine * bx
    axes[1, 1], axes[2, 1] = cosine * by + sine * cy, cosine * cy - sine * by
    axes[1, 2], axes[2, 2] = cosine * bz + sine * cz, cosine * cz - sine * bz
    return area * (high - low)


@numba.njit(cache=True, nogil=True)
def boxes_around(
    points: NDArray[np.float64],
    normals: NDArray[np.float64],
    incident: NDArray[np.int64],
    directions: NDArray[np.float64],
    n_turned: int,
) -> NDArray[np.float64]:
    """Look for the smallest box around a convex hull.

    For each direction the smallest box with an axis along it is found. The `n_turned` smallest of
    these are then turned about each of their axes, again and again, while that makes them smaller.

    Parameters
    ----------
    points, normals, incident
        As for `box_around`.
    directions : (K, 3) float64
        Unit vectors.
    n_turned : int

    Returns
    -------
    (3, 3) float64
        The axes of the smallest box as rows.
    """
    volumes = np.empty(directions.shape[0])
    axes, turned, best_axes = np.zeros((3, 3)), np.zeros((3, 3)), np.zeros((3, 3))
    for k in range(volumes.size):
        volumes[k] = box_around(points, normals, incident, directions[k], axes)
    best = np.inf
    for _ in range(min(n_turned, volumes.size)):
        smallest = int(volumes.argmin())
        volumes[smallest] = np.inf
        volume = box_around(points, normals, incident, directions[smallest], axes)
        about, unchanged = 1, 1
        while unchanged < 3:
            candidate = box_around(points, normals, incident, axes[about], turned)
            if candidate < volume * (1 - GAIN):
                volume = candidate
                axes, turned = turned, axes
                about, unchanged = 1, 1
            else:
                about, unchanged = (about + 1) % 3, unchanged + 1
        if volume < best:
            best = volume
            best_axes = axes.copy()
    return best_axes


@numba.njit(cache=True, nogil=True)
def _distances(
    lifted: NDArray[np.float64], weights: NDArray[np.float64], distances: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Fill distances (V,) with qᵀ M⁻¹ q, M = Σ weight · q qᵀ, over points (V, 4); return M⁻¹."""
    moment = np.zeros((4, 4))
    for k in range(weights.size):
        if weights[k] > 0:
            for i in range(4):
                for j in range(4):
                    moment[i, j] += weights[k] * lifted[k, i] * lifted[k, j]
    inverse: NDArray[Any] = np.linalg.inv(moment)
    for k in range(weights.size):
        total = 0.0
        for i in range(4):
            for j in range(4):
                total += lifted[k, i] * inverse[i, j] * lifted[k, j]
        distances[k] = total
    return inverse


@numba.njit(cache=True, nogil=True)
def _newton_step(
    lifted: NDArray[np.float64], inverse: NDArray[np.float64], distances: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the change of weights (K,) that solves the quadratic model of log det M.

    The sum of the changes is zero. The Hessian -(qᵢᵀ M⁻¹ qⱼ)² is singular where more points than a
    quadric needs share the weight; its small ridge then picks the least change.
    """
    n = distances.size
    hessian = np.empty((n, n))
    sides = np.ones((n, 2))
    for a in range(n):
        for b in range(n):
            product = 0.0
            for i in range(4):
                for j in range(4):
                    product += lifted[a, i] * inverse[i, j] * lifted[b, j]
            hessian[a, b] = product * product
        hessian[a, a] += 1e-10 * distances[a]
        sides[a, 0] = distances[a] - 4
    solved = np.linalg.solve(hessian, sides)
    shift = solved[:, 0].sum() / solved[:, 1].sum()
    change: NDArray[np.float64] = np.empty(n)
    decrement = 0.0
    for a in range(n):
        change[a] = solved[a, 0] - shift * solved[a, 1]
        decrement += change[a] * (distances[a] - 4)
    # log det is self-concordant: this much of the step is safe, and all of it near the maximum
    size = math.sqrt(max(decrement, 0.0))
    damping = 1 + size if size > 0.25 else 1.0
    for a in range(n):
        change[a] = change[a] / damping
    return change


@numba.njit(cache=True, nogil=True)
def _balance(lifted: NDArray[np.float64], weights: NDArray[np.float64], tolerance: float) -> None:
    """Move weight between points (K, 4) to the greatest log det M; drop points that lose all."""
    distances = np.empty(weights.size)
    for _ in range(100):
        inverse = _distances(lifted, weights, distances)
        held = np.flatnonzero(weights > 0)
        off = 0.0
        for k in range(held.size):
            off = max(off, abs(distances[held[k]] - 4))
        if off <= 4 * tolerance:
            return
        change = _newton_step(lifted[held], inverse, distances[held])
        share, first = 1.0, -1
        for k in range(held.size):
            if weights[held[k]] + share * change[k] <= 0:
                share, first = -weights[held[k]] / change[k], held[k]
        for k in range(held.size):
            weights[held[k]] = max(0.0, weights[held[k]] + share * change[k])
        if first >= 0:
            weights[first] = 0.0


@numba.njit(cache=True, nogil=True)
def ellipsoid_weights(
    points: NDArray[np.float64], weights: NDArray[np.float64], tolerance: float, max_steps: int
) -> float:
    """Weigh points so that their covariance is that of the smallest ellipsoid around them.

    The dual of the problem: the weights with the greatest log det M, M = Σ weight · q qᵀ,
    q = (point, 1) (Khachiyan, doi:10.1287/moor.21.2.307). Weights of the points that have any are
    brought into balance by Newton's method; then the point furthest outside their ellipsoid gets
    the weight that enlarges the determinant most, and so on until none is outside.

    Parameters
    ----------
    points : (V, 3) float64
        Not in one plane, of about unit spread.
    weights : (V,) float64
        To begin with: not negative, sum 1, some on points that are not in one plane. Overwritten.
    tolerance : float
        Of the squared distances, which all are at most 1 and are 1 where there is weight.
    max_steps : int
        Number of points to take in.

    Returns
    -------
    float
        How far the furthest point is outside, as `tolerance` has it: above it if the steps did not
        suffice.
    """
    lifted = np.ones((points.shape[0], 4))
    lifted[:, :3] = points
    distances = np.empty(points.shape[0])
    error = np.inf
    for _ in range(max_steps):
        held = np.flatnonzero(weights > 0)
        balanced = weights[held]
        _balance(lifted[held], balanced, tolerance / 2)
        weights[held] = balanced
        _distances(lifted, weights, distances)
        outermost = distances.argmax()
        furthest = distances[outermost]
        error = furthest / 4 - 1
        if error <= tolerance:
            break
        share = (furthest - 4) / (4 * (furthest - 1))
        weights *= 1 - share
        weights[outermost] += share
    return error
