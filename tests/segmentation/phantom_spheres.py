"""A sphere blurred by a Gaussian, whose level sets are known; components by brute force."""

import math
from collections import deque

import numpy as np
from scipy.optimize import brentq

from petnet.volume import Volume


def profile(r, radius, sigma):
    """Share of a ball of unit height, blurred by a Gaussian, at a distance from its centre.

    The radial integral of the three-dimensional convolution, in closed form; r > 0.
    """
    r = np.maximum(np.asarray(r, dtype=float), 1e-6)
    root = math.sqrt(2) * sigma
    erf = np.vectorize(math.erf)
    inside = (erf((radius - r) / root) + erf((radius + r) / root)) / 2
    tails = np.exp(-(((r - radius) / root) ** 2)) - np.exp(-(((r + radius) / root) ** 2))
    return inside - sigma / (r * math.sqrt(2 * math.pi)) * tails


def level_volume_ml(share, radius, sigma):
    """Volume within the level set of a share of the height."""
    r = brentq(lambda r: profile(r, radius, sigma) - share, 1e-3, radius + 5 * sigma)
    return 4 / 3 * math.pi * r**3 / 1000


def peak_share(radius, sigma):
    """Mean of the profile in a sphere of 1 cm³ about the centre."""
    r = np.linspace(0, (3000 / (4 * math.pi)) ** (1 / 3), 4001)
    return np.trapezoid(profile(r, radius, sigma) * r**2, r) / np.trapezoid(r**2, r)


def steepest_volume_ml(radius, sigma):
    """Volume within the radius at which the profile falls most steeply."""
    r = np.linspace(0.2 * radius, radius + 3 * sigma, 20001)
    slope = np.gradient(profile(r, radius, sigma), r)
    return 4 / 3 * math.pi * r[np.argmin(slope)] ** 3 / 1000


def sphere(radius, sigma, spacing, height, background, centre=(0.3, -0.4, 0.2), margin=26.0):
    """Return a volume of a blurred sphere off the voxel grid, and the voxel of its centre."""
    counts = [2 * math.ceil((radius + margin) / s) + 1 for s in spacing]
    middle = [n // 2 for n in counts]
    x, y, z = np.meshgrid(
        *[(np.arange(n) - m) * s for n, m, s in zip(counts, middle, spacing, strict=True)],
        indexing="ij",
    )
    r = np.sqrt((x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2)
    suv = background + (height - background) * profile(r, radius, sigma)
    return Volume(suv, np.diag([*spacing, 1.0]), "SUVbw", "PT"), tuple(middle)


def component(candidates, seed, connectivity):
    """Voxels that are joined to a seed, found one after the other from the definition."""
    most = {6: 1, 18: 2, 26: 3}[connectivity]
    steps = [s for s in np.ndindex(3, 3, 3) if 0 < sum(abs(c - 1) for c in s) <= most]
    found = np.zeros(candidates.shape, dtype=bool)
    if not candidates[seed]:
        return found
    found[seed] = True
    queue = deque([seed])
    while queue:
        at = queue.popleft()
        for step in steps:
            there = tuple(a + s - 1 for a, s in zip(at, step, strict=True))
            inside = all(0 <= t < n for t, n in zip(there, candidates.shape, strict=True))
            if inside and candidates[there] and not found[there]:
                found[there] = True
                queue.append(there)
    return found


def volume_of(suv, spacing=(2.0, 3.0, 4.0), unit="SUVbw"):
    """Return values as a volume."""
    return Volume(np.asarray(suv), np.diag([*spacing, 1.0]), unit, "PT")
