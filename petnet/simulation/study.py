"""One study: lesions in a body, seen through a scanner, as PET, label map and CT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from petnet.simulation import texture
from petnet.simulation.lesion import LesionForm, LesionVoxels, lesion_voxels, paint_lesion
from petnet.simulation.phantom import Anatomy, paint_body
from petnet.simulation.scanner import (
    Acquisition,
    Center,
    add_ct_noise,
    add_pet_noise,
    blur,
    breathe,
)
from petnet.simulation.shapes import Array, Ellipsoid, Grid, Point
from petnet.volume import Volume

__all__ = ["LESION_HU", "PetStudy", "PlacedLesion", "make_ct", "make_pet", "sphere_mask"]

LESION_HU = 44.0


@dataclass(frozen=True, eq=False)
class PlacedLesion:
    """A lesion's outline and what it holds.

    Attributes
    ----------
    form : LesionForm
    target : texture.Target
        Distribution of SUV in its mask.
    share : float or None
        Texture parameter (`texture.heterogeneity`); None: uniform uptake, scanner noise apart, as
        must be for a mask of a few voxels.
    hu : float
    """

    form: LesionForm
    target: texture.Target
    share: float | None
    hu: float = LESION_HU


@dataclass(frozen=True, eq=False)
class PetStudy:
    """A PET (SUVbw), the label map on its grid (lesion k has label k + 1), each one's voxels."""

    image: Volume
    labels: Volume
    voxels: tuple[LesionVoxels, ...]

    def volume_ml(self, lesion: int = 0) -> float:
        """Return the volume of a lesion's mask."""
        return int((self.labels.array == lesion + 1).sum()) * self.labels.voxel_volume_ml


def make_pet(
    anatomy: Anatomy,
    lesions: Sequence[PlacedLesion],
    grid: Grid,
    center: Center,
    acquisition: Acquisition,
    tracer: str,
    field_rng: np.random.Generator,
    noise_rng: np.random.Generator,
) -> PetStudy:
    """Make a PET of `anatomy.suv` with lesions.

    Activity is painted, blurred, given the lesions' heterogeneity and noise; then the values in
    each mask become the quantiles of its target, so that SUVmean is the one asked for: exactly with
    an `ExactTarget`, within 0.5 % with a `Target` in a mask of 20 voxels or more.

    Parameters
    ----------
    lesions : sequence of PlacedLesion
        A voxel in several masks belongs to the first. SUVmean stays so where masks touch.
    """
    axes = breathe(grid.axes(), acquisition.breathing_mm)
    reference = anatomy.reference(axes)
    activity = paint_body(anatomy, axes, anatomy.suv, max(grid.spacing_mm))
    labels = np.zeros(grid.shape, dtype=np.uint8)
    voxels = []
    for number, lesion in enumerate(lesions, 1):
        found = lesion_voxels(lesion.form, reference, grid.spacing_mm)
        part = activity[found.window]
        part += found.extent * (np.float32(lesion.target.mean) - part)
        free = labels[found.window]
        free[found.mask & (free == 0)] = number
        voxels.append(found)
    seen = blur(activity, center.psf_fwhm_mm, grid.spacing_mm)
    for lesion, found in zip(lesions, voxels, strict=True):
        _add_texture(seen, lesion, found, center, grid, field_rng)
    image = add_pet_noise(seen, noise_rng, center, grid, acquisition.relative_counts)
    for number, (lesion, found) in enumerate(zip(lesions, voxels, strict=True), 1):
        _match(image[found.window], labels[found.window], number, lesion.target, grid)
    return PetStudy(
        Volume(image, grid.affine, "SUVbw", "PT", tracer),
        Volume(labels, grid.affine, "label", "MASK"),
        tuple(voxels),
    )


def _add_texture(
    seen: Array,
    lesion: PlacedLesion,
    voxels: LesionVoxels,
    center: Center,
    grid: Grid,
    rng: np.random.Generator,
) -> None:
    if lesion.share is None:
        return
    field = texture.heterogeneity(
        rng, voxels.extent, voxels.mask, lesion.share, center.psf_fwhm_mm, grid.spacing_mm
    )
    spread = np.float32(lesion.target.mean * lesion.target.cov)
    seen[voxels.window] = np.maximum(seen[voxels.window] + spread * field, 0.05)


def _match(
    image: Array, labels: NDArray[np.uint8], number: int, target: texture.Target, grid: Grid
) -> None:
    """Give a lesion its target's quantiles in place; other lesions' voxels stay as they are."""
    matched = texture.match_quantiles(image, labels == number, target, grid.spacing_mm)
    own = (labels == number) | (labels == 0)
    image[own] = matched[own]


def make_ct(
    anatomy: Anatomy,
    lesions: Sequence[PlacedLesion],
    edges_mm: Sequence[float],
    grid: Grid,
    rng: np.random.Generator,
) -> Volume:
    """Make a CT (HU) with breath held where the anatomy was drawn.

    Parameters
    ----------
    edges_mm : sequence of float
        Radius of each lesion's outline, as found on the PET grid (`LesionVoxels.edge_mm`).
    """
    image = paint_body(anatomy, grid.axes(), anatomy.hu, max(grid.spacing_mm))
    reference, soft_mm = anatomy.reference(grid.axes()), max(grid.spacing_mm)
    for lesion, edge_mm in zip(lesions, edges_mm, strict=True):
        paint_lesion(image, lesion.form, reference, lesion.hu, edge_mm, soft_mm)
    image = add_ct_noise(image, rng, grid)
    return Volume(np.rint(image).astype(np.int16), grid.affine, "HU", "CT")


def sphere_mask(
    anatomy: Anatomy, grid: Grid, breathing_mm: float, center: Point, diameter_mm: float = 30.0
) -> Volume:
    """Return the mask of a sphere in the breathing body, such as a reference region in the liver.

    Parameters
    ----------
    center : point in mm of the reference adult
    """
    axes = breathe(grid.axes(), breathing_mm)
    radius = diameter_mm / 2
    middle = [c * s for c, s in zip(center, anatomy.scale, strict=True)]
    ball = Ellipsoid((middle[0], middle[1], middle[2]), (radius, radius, radius))
    return Volume((ball.distance(axes) < 0).astype(np.uint8), grid.affine, "label", "MASK")
