"""Co-occurrence counts by other means than the kernels, and random regions to try them on."""

import numpy as np


def brute_force_python(levels, directions, n_levels):
    """Pure Python, voxel by voxel, straight from the definition."""
    counts = np.zeros((len(directions), n_levels, n_levels), dtype=np.int64)
    region = {tuple(v): int(levels[tuple(v)]) for v in np.argwhere(levels)}
    for d, (dx, dy, dz) in enumerate(directions.tolist()):
        for (x, y, z), i in region.items():
            for sign in (1, -1):
                j = region.get((x + sign * dx, y + sign * dy, z + sign * dz))
                if j is not None:
                    counts[d, i - 1, j - 1] += 1
    return counts


def brute_force_array(levels, directions, n_levels):
    """Whole-array: pairs of a padded volume and its two shifted copies, in one histogram."""
    reach = int(np.abs(directions).max())
    padded = np.pad(levels, reach).astype(np.int64)
    found = np.empty((len(directions), n_levels, n_levels), dtype=np.int64)
    for d, direction in enumerate(directions):
        pairs = []
        for shift in (direction, -direction):
            other = np.roll(padded, shift, axis=(0, 1, 2))
            both = (padded > 0) & (other > 0)
            pairs.append((padded[both] - 1) * n_levels + other[both] - 1)
        histogram = np.bincount(np.concatenate(pairs), minlength=n_levels**2)
        found[d] = histogram.reshape(n_levels, n_levels)
    return found


def random_region(rng, kind="any"):
    """Levels (X, Y, Z) and their number: ragged, holed, sparse, flat, or a single voxel."""
    shape = tuple(rng.integers(1, 13, size=3))
    n_levels = int(2 ** rng.uniform(0, 8))
    levels = rng.integers(1, n_levels + 1, size=shape)
    levels[rng.random(shape) >= rng.uniform(0.1, 1.2)] = 0
    if kind == "flat":
        levels[levels > 0] = n_levels
    if kind == "one voxel":
        levels[:] = 0
        levels[tuple(rng.integers(0, shape))] = n_levels
    return levels.astype(np.int32), n_levels


def random_regions(n, seed):
    """A list of regions; every tenth is flat, every twentieth a single voxel, one is 256 levels."""
    rng = np.random.default_rng(seed)
    regions = []
    for k in range(n):
        kind = "one voxel" if k % 20 == 0 else "flat" if k % 10 == 0 else "any"
        regions.append(random_region(rng, kind))
    full = rng.permutation(np.arange(12**3) % 257).reshape(12, 12, 12).astype(np.int32)
    regions[1 % n] = (full, 256)
    return regions
