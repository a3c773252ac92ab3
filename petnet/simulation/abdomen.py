"""The peritoneal cavity by Sugarbaker's 13 regions: what a reader delineates, and what lies there.

r0 to r8 are a 3 x 3 grid over abdomen and pelvis, r9 to r12 the small bowel (Jacquet & Sugarbaker
1996, doi:10.1007/978-1-4613-1247-5_23). In each the reader draws one volume, in every patient; in
it lies one focus, a deposit or a benign one (a bowel loop, a vessel), of the same sizes and shapes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from petnet.simulation.foci import random_directions, set_uptake
from petnet.simulation.lesion import LesionForm, form_at, lesion_voxels, paint_lesion
from petnet.simulation.phantom import MUSCLE_MM, TORSO, Anatomy, paint_body
from petnet.simulation.scanner import (
    Acquisition,
    Center,
    add_ct_noise,
    add_pet_noise,
    blur,
    breathe,
)
from petnet.simulation.shapes import Ellipsoid, Grid, paint
from petnet.simulation.texture import Target
from petnet.volume import Volume

__all__ = [
    "ABDOMEN_MM",
    "LIVER_LABEL",
    "MASS_LABEL",
    "REGIONS",
    "Reading",
    "cavity_mm",
    "draw_reading",
    "make_ct",
    "make_pet",
]

ABDOMEN_MM = (-350.0, 15.0)  # lowest and highest level in view
# Centre and half-axes of each reading volume: x and y as shares of the cavity's half-axes at that
# level, so that flanks stay at the wall of a stout patient as of a slim one; z in mm.
REGIONS: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "r0": ((0.0, 0.62, -195), (0.3, 0.16, 28)),  # central
    "r1": ((0.66, 0.25, -95), (0.17, 0.25, 24)),  # right upper
    "r2": ((0.0, 0.62, -90), (0.2, 0.17, 24)),  # epigastrium
    "r3": ((-0.68, 0.15, -95), (0.17, 0.25, 24)),  # left upper
    "r4": ((-0.76, 0.0, -190), (0.13, 0.28, 30)),  # left flank
    "r5": ((-0.42, 0.35, -285), (0.15, 0.22, 22)),  # left lower
    "r6": ((0.0, -0.5, -316), (0.26, 0.13, 20)),  # pelvis
    "r7": ((0.42, 0.35, -285), (0.15, 0.22, 22)),  # right lower
    "r8": ((0.76, 0.0, -190), (0.13, 0.28, 30)),  # right flank
    "r9": ((-0.27, -0.02, -170), (0.17, 0.24, 26)),  # upper jejunum
    "r10": ((-0.27, -0.02, -228), (0.17, 0.24, 26)),  # lower jejunum
    "r11": ((0.27, -0.02, -170), (0.17, 0.24, 26)),  # upper ileum
    "r12": ((0.27, -0.02, -228), (0.17, 0.24, 26)),  # lower ileum
}
LIVER_LABEL, MASS_LABEL = len(REGIONS) + 1, len(REGIONS) + 2
LIVER = (84.0, -8.0, -45.0)
LIVER_RADIUS_MM = 15.0
MASS_AT = (0.4, -0.14, -312.0)  # beside the uterus; the side is drawn
MASS_ML = (5.0, 25.0)
NODULE, PLAQUE = (1.0, 1.0, 1.0), (1.7, 1.3, 0.5)
FOCUS_MM = (4.0, 9.0)
SOFT_TISSUE_HU = 38.0


@dataclass(frozen=True, eq=False)
class Reading:
    """What lies in one patient's abdomen beside the organs, in coordinates of the reference adult.

    Attributes
    ----------
    regions, foci : tuples of 13 Ellipsoids
        Reading volumes and the focus in each, in the order of `REGIONS`.
    liver : Ellipsoid
        Reference region.
    mass : LesionForm
        The primary tumour.
    """

    regions: tuple[Ellipsoid, ...]
    foci: tuple[Ellipsoid, ...]
    liver: Ellipsoid
    mass: LesionForm


def cavity_mm(anatomy: Anatomy, z_mm: float) -> tuple[float, float]:
    """Return the half-axes of the cavity within fat and muscle at a level of the reference adult.

    The outline is |x/a|^3 + |y/b|^3 = 1, as that of the torso.
    """
    a, b = (float(np.interp(z_mm, TORSO[:, 0], TORSO[:, i])) for i in (1, 2))
    left = 1 - (anatomy.fat_mm + MUSCLE_MM) / ((a + b) / 2)
    return a * left, b * left


def draw_reading(
    anatomy: Anatomy,
    region_rng: np.random.Generator,
    focus_rng: np.random.Generator,
    mass_rng: np.random.Generator,
) -> Reading:
    """Draw where the reader looks and what there is to see, blind to every label."""
    regions = tuple(_draw_region(region_rng, anatomy, name) for name in REGIONS)
    middle = Ellipsoid(LIVER, tuple(LIVER_RADIUS_MM / s for s in anatomy.scale))  # type: ignore[arg-type]
    side = 1.0 if mass_rng.random() < 0.5 else -1.0
    a, b = cavity_mm(anatomy, MASS_AT[2])
    center = np.array([side * MASS_AT[0] * a, MASS_AT[1] * b, MASS_AT[2]])
    volume_ml = float(np.exp(mass_rng.uniform(*np.log(MASS_ML))))
    mass = form_at(mass_rng, center, random_directions(mass_rng), volume_ml)
    return Reading(regions, tuple(_draw_focus(focus_rng, r) for r in regions), middle, mass)


def _draw_region(rng: np.random.Generator, anatomy: Anatomy, name: str) -> Ellipsoid:
    (u, v, z), (reach_u, reach_v, reach_z) = REGIONS[name]
    a, b = cavity_mm(anatomy, z)
    size = rng.uniform(0.8, 1.0)
    shift = rng.uniform(-1, 1, 3) * (0.015 * a, 0.015 * b, 2.0)
    return Ellipsoid(
        (float(u * a + shift[0]), float(v * b + shift[1]), float(z + shift[2])),
        (float(size * reach_u * a), float(size * reach_v * b), float(size * reach_z)),
    )


def _draw_focus(rng: np.random.Generator, region: Ellipsoid) -> Ellipsoid:
    """Draw a nodule or a plaque in the inner part of a reading volume."""
    form = NODULE if rng.random() < 0.5 else PLAQUE
    radius = float(np.clip(rng.uniform(0.45, 0.75) * min(region.semi), *FOCUS_MM))
    x, y, z = (
        float(c + rng.uniform(-0.3, 0.3) * s)
        for c, s in zip(region.center, region.semi, strict=True)
    )
    a, b, c = (radius * ratio for ratio in form)
    return Ellipsoid((x, y, z), (a, b, c), float(rng.uniform(0, 180)))


def make_pet(
    anatomy: Anatomy,
    reading: Reading,
    targets: Sequence[Target],
    grid: Grid,
    center: Center,
    acquisition: Acquisition,
    tracer: str,
    rng: np.random.Generator,
) -> tuple[Volume, Volume]:
    """Make a PET of `anatomy.suv`, and the label map of what was read on it.

    Parameters
    ----------
    targets : sequence of 14 Targets
        Distribution of SUV in each reading volume, then in the mass; each one's mean is met
        exactly, whatever lies in it.

    Returns
    -------
    image, labels : Volume
        SUVbw; labels 1 to 13 are r0 to r12, 14 the liver, 15 the mass.
    """
    axes = breathe(grid.axes(), acquisition.breathing_mm)
    reference, soft_mm = anatomy.reference(axes), max(grid.spacing_mm)
    activity = paint_body(anatomy, axes, anatomy.suv, soft_mm)
    labels = np.zeros(grid.shape, dtype=np.uint8)
    for number, (region, focus) in enumerate(zip(reading.regions, reading.foci, strict=True), 1):
        paint(activity, reference, focus, 3.0 * targets[number - 1].mean, soft_mm)
        _mark(labels, region.distance(reference) < 0, number)
    _mark(labels, reading.liver.distance(reference) < 0, LIVER_LABEL)
    mass = lesion_voxels(reading.mass, reference, grid.spacing_mm)
    part = activity[mass.window]
    part += mass.extent * (np.float32(targets[-1].mean) - part)
    _mark(labels[mass.window], mass.mask, MASS_LABEL)
    seen = blur(activity, center.psf_fwhm_mm, grid.spacing_mm)
    image = add_pet_noise(seen, rng, center, grid, acquisition.relative_counts)
    wanted: Mapping[int, Target] = dict(
        zip((*range(1, len(REGIONS) + 1), MASS_LABEL), targets, strict=True)
    )
    set_uptake(image, labels, wanted, grid.spacing_mm)
    return (
        Volume(image, grid.affine, "SUVbw", "PT", tracer),
        Volume(labels, grid.affine, "label", "MASK"),
    )


def _mark(labels: NDArray[np.uint8], inside: NDArray[np.bool_], number: int) -> None:
    """Label what is still free."""
    labels[inside & (labels == 0)] = number


def make_ct(anatomy: Anatomy, reading: Reading, grid: Grid, rng: np.random.Generator) -> Volume:
    """Make the CT (HU) that both tracers' studies share: soft-tissue foci and the mass."""
    axes, soft_mm = grid.axes(), max(grid.spacing_mm)
    image = paint_body(anatomy, axes, anatomy.hu, soft_mm)
    reference = anatomy.reference(axes)
    for focus in reading.foci:
        paint(image, reference, focus, SOFT_TISSUE_HU, soft_mm)
    edge_mm = lesion_voxels(reading.mass, reference, grid.spacing_mm).edge_mm
    paint_lesion(image, reading.mass, reference, SOFT_TISSUE_HU, edge_mm, soft_mm)
    image = add_ct_noise(image, rng, grid)
    return Volume(np.rint(image).astype(np.int16), grid.affine, "HU", "CT")
