"""Where lesions of the torso sit, and how they are placed apart from each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from petnet.simulation.lesion import LesionForm, ball_radius_mm, form_at
from petnet.simulation.shapes import Point

__all__ = ["SITES", "LesionPlaces", "Site"]

VOLUME_ML = (1.5, 25.0)  # log-uniform
CLEARANCE_MM = 8.0  # between lesions, beyond their longest half-axes
LONGEST = 1.35  # longest half-axis over the ball's radius, bumps included


@dataclass(frozen=True)
class Site:
    """Where lesions of a region lie in the reference adult: an ellipsoid, on one side or either.

    Attributes
    ----------
    share : float
        Of all lesions.
    center, half : point in mm
    either_side : bool
        Whether x is mirrored in half of the lesions.
    hu : float
        Of the lesion on CT.
    """

    share: float
    center: Point
    half: Point
    either_side: bool = False
    hu: float = 40.0


SITES = {
    "lung": Site(0.25, (82, -10, 55), (18, 38, 40), either_side=True, hu=30.0),
    "hilum": Site(0.12, (34, -8, 72), (6, 8, 12), either_side=True, hu=40.0),
    "liver": Site(0.15, (58, 24, -42), (30, 24, 28), hu=44.0),
    "pancreas": Site(0.12, (-12, -8, -92), (42, 6, 6), hu=38.0),
    "bowel": Site(0.12, (0, 28, -205), (60, 30, 50), hu=42.0),
    "peritoneum": Site(0.12, (0, 64, -215), (62, 8, 55), hu=40.0),
    "bone": Site(0.12, (0, -70, -80), (5, 4, 150), hu=260.0),
}


class LesionPlaces:
    """Draws lesions one after the other, each clear of what is there already."""

    def __init__(self, rng: np.random.Generator, taken: Sequence[tuple[Point, float]]) -> None:
        self._rng = rng
        self._taken = list(taken)

    def draw(self) -> tuple[str, LesionForm]:
        """Draw site and outline of a further lesion."""
        names = list(SITES)
        shares = np.array([SITES[name].share for name in names])
        volume_ml = float(np.exp(self._rng.uniform(*np.log(VOLUME_ML))))
        reach = LONGEST * ball_radius_mm(volume_ml)
        while True:  # the torso has room for many more than there ever are
            site = names[int(self._rng.choice(len(names), p=shares / shares.sum()))]
            center = self._point(SITES[site])
            if all(
                np.linalg.norm(center - at) > reach + radius + CLEARANCE_MM
                for at, radius in self._taken
            ):
                break
        turned, _ = np.linalg.qr(self._rng.normal(size=(3, 3)))
        form = form_at(self._rng, center, turned, volume_ml)
        self._taken.append((form.center, reach))
        return site, form

    def _point(self, site: Site) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Draw a point of the site, evenly within its ellipsoid."""
        direction = self._rng.normal(size=3)
        direction *= self._rng.random() ** (1 / 3) / np.linalg.norm(direction)
        point = np.asarray(site.center) + direction * np.asarray(site.half)
        if site.either_side and self._rng.random() < 0.5:
            point[0] = -point[0]
        return np.asarray(point, dtype=np.float64)
