"""Texture counts by other means than the kernels, and random regions to try them on.

`brute_force` counts one region with whole-array steps, `brute_force_python` voxel by voxel,
straight from the definitions; the tests hold one against the other.
"""

from collections import Counter
from dataclasses import dataclass, fields
from itertools import product

import numpy as np
from scipy import ndimage

from petnet.radiomics.kernels.counts import (
    DIRECTIONS_3D,
    IN_PLANE,
    THROUGH_PLANE,
    Packed,
    Request,
    TextureCounts,
    ZoneCells,
)

FAMILIES = frozenset({"glcm", "glrlm", "glszm", "gldzm", "ngtdm", "ngldm"})
#: The combinations that occur: planes, volume, by_slice.
WAYS = [
    (False, True, False),
    (True, False, False),
    (True, False, True),
    (True, True, False),
    (True, True, True),
]
NEIGHBOURS = {
    "planes": [(x, y, 0) for x, y in product((-1, 0, 1), repeat=2) if (x, y) != (0, 0)],
    "volume": [d for d in product((-1, 0, 1), repeat=3) if d != (0, 0, 0)],
}
#: Fields whose last axis may be longer in a batch than in one of its regions.
RAGGED = ("glrlm_planes", "glrlm_through", "gldzm_planes", "gldzm_volume")


# ---------------------------------------------------------------- random regions


@dataclass(frozen=True, eq=False)
class RandomRegion:
    """Unpacks as (levels, inside, n_levels); levels is 0 outside the intensity mask."""

    levels: np.ndarray
    inside: np.ndarray
    n_levels: int

    def __iter__(self):
        return iter((self.levels, self.inside, self.n_levels))


def random_region(rng, kind):
    """Ragged, holed, in several components; `kind` is any, flat, one voxel or two voxels."""
    shape = tuple(rng.integers(1, 13, size=3))
    n_levels = int(2 ** rng.uniform(0, 8)) if rng.random() < 0.95 else 256
    levels = rng.integers(1, n_levels + 1, size=shape)
    if rng.random() < 0.5:  # larger zones and longer runs
        smooth = ndimage.uniform_filter(levels.astype(float), size=3, mode="nearest")
        levels = np.clip(np.rint(smooth), 1, n_levels).astype(int)
    if kind == "flat":
        levels[:] = n_levels
    inside = rng.random(shape) < rng.uniform(0.1, 1.3)
    if kind in ("one voxel", "two voxels"):
        inside[:] = False
        chosen = rng.integers(0, inside.size, size=1 if kind == "one voxel" else 2)
        inside.flat[chosen] = True
    elif rng.random() < 0.3:  # several components with a gap between
        inside[shape[0] // 2] = False
    intensity = inside.copy()
    if rng.random() < 1 / 3:
        intensity &= rng.random(shape) < 0.8
    return RandomRegion(np.where(intensity, levels, 0).astype(np.int32), inside, n_levels)


def random_regions(n, seed):
    """Return n regions: 1 of 10 flat, 1 of 20 a voxel, 1 of 20 two voxels; one fills its box."""
    rng = np.random.default_rng(seed)
    kinds = {0: "one voxel", 5: "flat", 10: "two voxels", 15: "flat"}
    regions = [random_region(rng, kinds.get(k % 20, "any")) for k in range(n)]
    full = (rng.permutation(12**3) % 256 + 1).reshape(12, 12, 12).astype(np.int32)
    regions[1 % n] = RandomRegion(full, np.ones(full.shape, bool), 256)
    return regions


# ---------------------------------------------------------------- whole-array


def brute_force(levels, inside, request):
    """Counts of one region, of every family that the request names.

    Parameters
    ----------
    levels : (X, Y, Z) int
        0 outside the intensity mask.
    inside : (X, Y, Z) bool
        The morphological mask.
    request : Request

    Returns
    -------
    TextureCounts
        Of a batch of R = 1. The last axis of distances ends with the greatest one found.
    """
    return _assemble(np.asarray(levels), np.asarray(inside, bool), request, ARRAY_STEPS)


def brute_force_python(levels, inside, request):
    """Do the same by plain loops over voxels, slower by orders of magnitude."""
    return _assemble(np.asarray(levels), np.asarray(inside, bool), request, PYTHON_STEPS)


def _assemble(levels, inside, request, steps):
    """Fill the fields of TextureCounts by the functions of `steps`."""
    slices = np.arange(levels.shape[2])
    whole = [levels]
    by_slice = [np.where(slices == z, levels, 0) for z in slices]
    rows = {"planes": by_slice if request.by_slice else whole, "volume": whole, "through": whole}
    n_levels, longest = request.n_levels, max(levels.shape)
    directions = {"planes": DIRECTIONS_3D[IN_PLANE], "through": DIRECTIONS_3D[THROUGH_PLANE]}
    asked = [part for part in ("planes", "volume") if getattr(request, part)]
    found = {"histogram": np.stack([_histogram(levels, n_levels)])}
    if request.planes:
        found["plane_histogram"] = np.stack([_histogram(row, n_levels) for row in rows["planes"]])

    def fill(family, part, *arguments):
        if family in request.families:
            made = [steps[family](row, *arguments) for row in rows[part]]
            found[f"{family}_{part}"] = np.stack(made)

    for part in ("planes", "through") if request.volume else ("planes",):
        fill("glcm", part, directions[part], (n_levels, n_levels))
        fill("glrlm", part, directions[part], (n_levels, longest))
    for part in asked:
        fill("ngtdm", part, NEIGHBOURS[part], n_levels)
        fill("ngldm", part, NEIGHBOURS[part], n_levels, request.alpha)
        distance = steps["distance"](inside, part)
        zones = [steps["zones"](row, NEIGHBOURS[part], distance) for row in rows[part]]
        if "glszm" in request.families:
            found[f"glszm_{part}"] = zone_cells(zones)
        if "gldzm" in request.families:
            greatest = int(distance.max(initial=1))
            found[f"gldzm_{part}"] = _distance_counts(zones, n_levels, greatest)
    return TextureCounts(**found)


def _histogram(levels, n_levels):
    return np.bincount(levels[levels > 0], minlength=n_levels + 1)[1:].astype(np.int64)


def shifted(padded, offset):
    """Return the value at p + offset for every voxel p of the unpadded array; padded by one."""
    x, y, z = (slice(1 + o, n - 1 + o) for o, n in zip(offset, padded.shape, strict=True))
    return padded[x, y, z]


def glcm_array(levels, directions, shape):
    counts = np.zeros((len(directions), *shape), dtype=np.int64)
    padded = np.pad(levels, 1)
    for d, direction in enumerate(directions):
        for offset in (direction, -direction):
            other = shifted(padded, offset)
            both = (levels > 0) & (other > 0)
            np.add.at(counts[d], (levels[both] - 1, other[both] - 1), 1)
    return counts


def glrlm_array(levels, directions, shape):
    """Let runs that start at a voxel grow, all at once, until none goes on.

    Those that still go are within the box, so that a frame of one voxel is enough.
    """
    counts = np.zeros((len(directions), *shape), dtype=np.int64)
    padded = np.pad(levels, 1)
    for d, direction in enumerate(directions):
        going = (levels > 0) & (shifted(padded, -direction) != levels)
        for length in range(1, max(levels.shape) + 1):
            after = np.roll(padded, -length * direction, axis=(0, 1, 2))[1:-1, 1:-1, 1:-1]
            ends = going & (after != levels)
            np.add.at(counts[d], (levels[ends] - 1, length - 1), 1)
            going &= ~ends
    return counts


def ngtdm_array(levels, around, n_levels):
    counts = np.zeros((n_levels, len(around) + 1, 2), dtype=np.int64)
    neighbours = np.stack([shifted(np.pad(levels, 1), offset) for offset in around])
    number, total = (neighbours > 0).sum(axis=0), neighbours.sum(axis=0, dtype=np.int64)
    inside = levels > 0
    cell = (levels[inside] - 1, number[inside])
    np.add.at(counts[..., 0], cell, 1)
    np.add.at(counts[..., 1], cell, np.abs(levels * number - total)[inside])
    return counts


def ngldm_array(levels, around, n_levels, alpha):
    counts = np.zeros((n_levels, len(around) + 1), dtype=np.int64)
    neighbours = np.stack([shifted(np.pad(levels, 1), offset) for offset in around])
    number = ((neighbours > 0) & (np.abs(neighbours - levels) <= alpha)).sum(axis=0)
    inside = levels > 0
    np.add.at(counts, (levels[inside] - 1, number[inside]), 1)
    return counts


def distance_array(inside, part):
    """City-block distance to the outside of the mask, by SciPy's chamfer transform."""
    padded = np.pad(inside, 1)
    if part == "volume":
        return ndimage.distance_transform_cdt(padded, metric="taxicab")[1:-1, 1:-1, 1:-1]
    slices = [
        ndimage.distance_transform_cdt(padded[:, :, z + 1], metric="taxicab")[1:-1, 1:-1]
        for z in range(inside.shape[2])
    ]
    return np.stack(slices, axis=2)


def zones_array(levels, around, distance):
    """List (level, size, least distance) of every zone, labelled level by level."""
    structure = np.ones((3, 3, 3 if len(around) == 26 else 1), dtype=bool)
    if len(around) == 8:
        structure = np.zeros((3, 3, 3), dtype=bool)
        structure[:, :, 1] = True
    zones = []
    for level in np.unique(levels[levels > 0]).tolist():
        labels, n = ndimage.label(levels == level, structure)
        sizes = np.bincount(labels.ravel(), minlength=n + 1)[1:]
        nearest = ndimage.minimum(distance, labels, np.arange(1, n + 1))
        zones += [(level, int(s), int(d)) for s, d in zip(sizes, nearest, strict=True)]
    return zones


# ---------------------------------------------------------------- plain Python


def _voxels(levels):
    return {tuple(v): int(levels[tuple(v)]) for v in np.argwhere(levels).tolist()}


def _step(voxel, offset, n=1):
    return tuple(int(v + n * o) for v, o in zip(voxel, offset, strict=True))


def glcm_python(levels, directions, shape):
    counts = np.zeros((len(directions), *shape), dtype=np.int64)
    voxels = _voxels(levels)
    for d, direction in enumerate(directions):
        for voxel, i in voxels.items():
            for sign in (1, -1):
                j = voxels.get(_step(voxel, direction, sign))
                if j is not None:
                    counts[d, i - 1, j - 1] += 1
    return counts


def glrlm_python(levels, directions, shape):
    counts = np.zeros((len(directions), *shape), dtype=np.int64)
    voxels = _voxels(levels)
    for d, direction in enumerate(directions):
        for voxel, level in voxels.items():
            if voxels.get(_step(voxel, direction, -1)) != level:
                length = 1
                while voxels.get(_step(voxel, direction, length)) == level:
                    length += 1
                counts[d, level - 1, length - 1] += 1
    return counts


def ngtdm_python(levels, around, n_levels):
    counts = np.zeros((n_levels, len(around) + 1, 2), dtype=np.int64)
    voxels = _voxels(levels)
    for voxel, level in voxels.items():
        seen = [voxels[p] for p in (_step(voxel, o) for o in around) if p in voxels]
        counts[level - 1, len(seen), 0] += 1
        counts[level - 1, len(seen), 1] += abs(level * len(seen) - sum(seen))
    return counts


def ngldm_python(levels, around, n_levels, alpha):
    counts = np.zeros((n_levels, len(around) + 1), dtype=np.int64)
    voxels = _voxels(levels)
    for voxel, level in voxels.items():
        seen = [voxels[p] for p in (_step(voxel, o) for o in around) if p in voxels]
        counts[level - 1, sum(abs(level - s) <= alpha for s in seen)] += 1
    return counts


def distance_python(inside, part):
    """Least city-block distance to any voxel outside, those around the box included."""
    distance = np.zeros(inside.shape, dtype=np.int64)
    outside = np.argwhere(~np.pad(inside, 1)) - 1
    for voxel in np.argwhere(inside):
        seen = outside if part == "volume" else outside[outside[:, 2] == voxel[2]]
        distance[tuple(voxel)] = np.abs(seen - voxel).sum(axis=1).min()
    return distance


def zones_python(levels, around, distance):
    zones = []
    left = _voxels(levels)
    while left:
        seed, level = left.popitem()
        zone, front = [seed], [seed]
        while front:
            voxel = front.pop()
            for neighbour in (_step(voxel, o) for o in around):
                if left.get(neighbour) == level:
                    del left[neighbour]
                    zone.append(neighbour)
                    front.append(neighbour)
        zones.append((level, len(zone), min(int(distance[v]) for v in zone)))
    return zones


ARRAY_STEPS = {
    "glcm": glcm_array,
    "glrlm": glrlm_array,
    "ngtdm": ngtdm_array,
    "ngldm": ngldm_array,
    "distance": distance_array,
    "zones": zones_array,
}
PYTHON_STEPS = {
    "glcm": glcm_python,
    "glrlm": glrlm_python,
    "ngtdm": ngtdm_python,
    "ngldm": ngldm_python,
    "distance": distance_python,
    "zones": zones_python,
}


def zone_cells(rows):
    """ZoneCells from one list of (level, size, distance) per row."""
    cells = [sorted(Counter((level, size) for level, size, _ in zones).items()) for zones in rows]
    starts = np.cumsum([0, *(len(row) for row in cells)])
    flat = [(level, size, count) for row in cells for (level, size), count in row]
    level, size, count = np.array(flat, dtype=np.int64).reshape(-1, 3).T
    return ZoneCells(starts.astype(np.int64), level, size, count)


def _distance_counts(rows, n_levels, greatest):
    counts = np.zeros((len(rows), n_levels, greatest), dtype=np.int64)
    for row, zones in enumerate(rows):
        for level, _, distance in zones:
            counts[row, level - 1, distance - 1] += 1
    return counts


# ---------------------------------------------------------------- comparison


def region_of(counts: TextureCounts, packed: Packed, request: Request, r: int) -> TextureCounts:
    """Return region r of a batch's counts, on the host, as if it had been counted alone."""
    starts = packed.slice_starts
    planes = slice(starts[r], starts[r + 1]) if request.by_slice else slice(r, r + 1)
    found = {}
    for field in fields(TextureCounts):
        value = getattr(counts, field.name)
        rows = planes if "plane" in field.name else slice(r, r + 1)
        if isinstance(value, ZoneCells):
            starts_, *columns = (_host(getattr(value, f.name)) for f in fields(ZoneCells))
            cells = slice(starts_[rows.start], starts_[rows.stop])
            taken = starts_[rows.start : rows.stop + 1] - starts_[rows.start]
            found[field.name] = ZoneCells(taken, *(column[cells] for column in columns))
        elif value is not None:
            found[field.name] = _host(value)[rows]
    return TextureCounts(**found)


def _host(array):
    return array.get() if hasattr(array, "get") else array


def assert_same_counts(found: TextureCounts, expected: TextureCounts):
    """Field by field and count for count; a last axis may be longer, if only by zeros."""
    for field in fields(TextureCounts):
        name = field.name
        one, other = getattr(found, name), getattr(expected, name)
        assert (one is None) == (other is None), f"{name}: {type(one)}, {type(other)}"
        if isinstance(other, ZoneCells):
            for part in fields(ZoneCells):
                a, b = (np.asarray(_host(getattr(cells, part.name))) for cells in (one, other))
                assert a.dtype == np.int64, f"{name}.{part.name}: {a.dtype}"
                np.testing.assert_array_equal(a, b, err_msg=f"{name}.{part.name}")
        elif other is not None:
            one, other = _host(one), _host(other)
            assert one.dtype == np.int64, f"{name}: {one.dtype}"
            if name in RAGGED:
                width = max(one.shape[-1], other.shape[-1])
                one, other = (_widen(array, width) for array in (one, other))
            np.testing.assert_array_equal(one, other, err_msg=name)


def _widen(array, width):
    return np.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, width - array.shape[-1])])
