"""Feature maps straight from their definitions, in plain Python."""

import itertools

import numpy as np

HALF = [d for d in itertools.product((-1, 0, 1), repeat=3) if d > (0, 0, 0)]


def window_mask(mask, centre, radius):
    """What is left of a mask in the box around a voxel."""
    made = np.zeros_like(mask)
    box = tuple(slice(max(c - r, 0), c + r + 1) for c, r in zip(centre, radius, strict=True))
    made[box] = mask[box]
    return made


def levels_by_number(values, mask, bins):
    """IBSI K15C over the mask; 0 outside."""
    low, high = float(values[mask].min()), float(values[mask].max())
    levels = np.zeros(values.shape, dtype=int)
    for v in map(tuple, np.argwhere(mask)):
        x = float(values[v])
        levels[v] = bins if x == high else int(bins * (x - low) // (high - low)) + 1
    return levels


def contrast_map(levels, mask, radius, merged):
    """GLCM contrast of every voxel: pairs of the 13 directions, merged or averaged (nan: none)."""
    found = np.full(levels.shape, np.nan)
    for centre in map(tuple, np.argwhere(mask)):
        inside = {tuple(v) for v in np.argwhere(window_mask(mask, centre, radius)).tolist()}
        per_direction = []
        for d in HALF:
            ends = [(v, tuple(a + b for a, b in zip(v, d, strict=True))) for v in inside]
            pairs = [(levels[a] - levels[b]) ** 2 for a, b in ends if b in inside]
            per_direction.append(pairs)
        if merged:
            together = list(itertools.chain(*per_direction))
            found[centre] = sum(together) / len(together) if together else np.nan
        else:
            means = [sum(p) / len(p) for p in per_direction if p]
            found[centre] = sum(means) / len(means) if means else np.nan
    return found
