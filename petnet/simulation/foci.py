"""Foci whose uptake is exactly what was asked for, however few voxels they have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from petnet.simulation.shapes import Array
from petnet.simulation.texture import Target, match_quantiles

__all__ = ["ExactTarget", "random_directions", "set_uptake"]

FADE_MM = 24.0  # three times the width over which `match_quantiles` dies out


@dataclass(frozen=True)
class ExactTarget(Target):
    """A distribution of SUV whose *sampled* quantiles have exactly its mean.

    Quantiles at (i + 1/2) / n leave out the ends of the tails, so that the mean of a few of them is
    about a per cent below that of a skewed distribution. Where the mean carries a latent, that
    would let the size of a mask blur it.
    """

    def quantiles(self, count: int) -> NDArray[np.float64]:
        """Return `count` increasing values of mean `mean`."""
        values = super().quantiles(count)
        scaled: NDArray[np.float64] = values * (self.mean / values.mean())
        return scaled


def random_directions(rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a (3, 3) array of orthonormal rows, uniform over all orientations up to mirroring."""
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    directions: NDArray[np.float64] = q * np.sign(np.diag(r))
    return directions


def set_uptake(
    image: Array,
    labels: NDArray[np.uint8],
    targets: Mapping[int, Target],
    spacing_mm: tuple[float, float, float],
) -> None:
    """Give each labelled region its target's quantiles, in place.

    The surroundings follow by the same increasing map, fading over about 8 mm; voxels of the other
    regions are left alone, so that every region has exactly its own values.

    Parameters
    ----------
    image : (X, Y, Z) float32 array
        PET in SUV.
    labels : (X, Y, Z) uint8 array
    targets : mapping of label to Target
        Each label has at least one voxel.
    """
    from scipy.ndimage import find_objects

    boxes = find_objects(labels)
    margins = [int(np.ceil(FADE_MM / step)) for step in spacing_mm]
    for label, target in targets.items():
        window = tuple(
            slice(max(side.start - margin, 0), side.stop + margin)
            for side, margin in zip(boxes[label - 1], margins, strict=True)
        )
        here = labels[window]
        matched = match_quantiles(image[window], here == label, target, spacing_mm)
        image[window] = np.where((here == label) | (here == 0), matched, image[window])
