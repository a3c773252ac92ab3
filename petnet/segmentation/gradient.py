"""A lesion by its edge: watershed on the magnitude of the gradient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from petnet.segmentation.components import Keep, kept, structure
from petnet.segmentation.field import Field
from petnet.segmentation.method import Level, Method, References, at_least
from petnet.segmentation.start import NotSegmented
from petnet.volume import Volume

__all__ = ["Gradient", "gradient_magnitude"]

CUT = 4.0  # standard deviations after which a Gaussian is cut off
LESION, OUTSIDE = 1, 2


@dataclass(frozen=True, kw_only=True)
class Gradient(Method):
    """The basin of the lesion in the magnitude of the gradient of SUV.

    Water rises from two markers and meets on the ridge of steepest descent around the lesion. The
    marker of the lesion are the components of SUV >= `core_percent` / 100 · SUVmax that `keep`
    says: all that hold a voxel of the start, unless told otherwise. The marker of the outside is
    all beyond the limit (the start's with the margin), and what within it lies at or below
    `outside_percent` / 100 · SUVmax. The limit must therefore reach beyond the edge that is looked
    for. Equal levels are settled by who came first, voxels taken in C order: the same input gives
    the same region. Source of the approach: Geets et
    al. 2007, doi:10.1007/s00259-006-0363-4; of the flooding: `petnet.segmentation.watershed`.

    Attributes
    ----------
    sigma_mm : float
        Standard deviation of the Gaussian that smoothes SUV before differences are taken.
    core_percent, outside_percent : float
    """

    keep: Keep = "overlap"
    margin_mm: float = 15.0
    sigma_mm: float = 2.0
    core_percent: float = 70.0
    outside_percent: float = 20.0

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(self, "sigma_mm", 0.0, above=True)
        at_least(self, "core_percent", 0.0, 100.0, above=True)
        at_least(self, "outside_percent", 0.0, float(self.core_percent))

    def _said(self) -> tuple[str, str]:
        markers = f"markers {self.core_percent:g} and {self.outside_percent:g}% of SUVmax"
        said = f"gradient watershed (Gaussian of {self.sigma_mm:g} mm, {markers})"
        return said, "gradient" if self.sigma_mm == 2 else f"gradient_{self.sigma_mm:g}"

    def _around_mm(self) -> float:
        return CUT * self.sigma_mm

    def _level(self, seen: Field, volume: Volume, references: References) -> Level:
        if seen.suv_max <= 0:
            raise NotSegmented(f"SUVmax of the start is {seen.suv_max:.4g}: not above 0")
        return Level(float("nan"), {"SUVmax": seen.suv_max})

    def _found(
        self, seen: Field, volume: Volume, references: References
    ) -> tuple[Level, NDArray[np.bool_]]:
        from petnet.segmentation.watershed import flood

        level = self._level(seen, volume, references)
        core = seen.limit & (seen.suv >= self.core_percent / 100 * seen.suv_max)
        outside = ~seen.limit | (seen.suv <= self.outside_percent / 100 * seen.suv_max)
        if not outside.any():
            raise NotSegmented("the limit of the start holds all of the image: nothing is outside")
        markers = np.zeros(seen.suv.shape, dtype=np.int64)
        markers[outside] = OUTSIDE
        markers[kept(seen, core, self.keep, self.connectivity)] = LESION
        relief = gradient_magnitude(seen, self.sigma_mm)
        steps = np.argwhere(structure(self.connectivity)) - 1
        labels = flood(relief, markers, steps[(steps != 0).any(axis=1)])
        return level, labels == LESION


def gradient_magnitude(seen: Field, sigma_mm: float) -> NDArray[np.float64]:
    """Return the magnitude of the gradient in SUV per mm: central differences after a Gaussian.

    A voxel without a value takes that of the nearest voxel that has one; so does what lies beyond
    the image, to the Gaussian. Along axes of one voxel there is no slope.
    """
    from scipy.ndimage import distance_transform_edt, gaussian_filter

    suv = seen.suv
    if not seen.known.all():
        nearest = distance_transform_edt(
            ~seen.known, sampling=seen.spacing_mm, return_distances=False, return_indices=True
        )
        suv = suv[tuple(nearest)]
    sigmas = [sigma_mm / s for s in seen.spacing_mm]
    smooth = gaussian_filter(suv, sigmas, mode="nearest", truncate=CUT)
    square = np.zeros(suv.shape)
    for axis, spacing in enumerate(seen.spacing_mm):
        if suv.shape[axis] > 1:
            square += np.gradient(smooth, spacing, axis=axis) ** 2
    magnitude: NDArray[np.float64] = np.sqrt(square)
    return magnitude
