"""Small pictures of a study: the PET from the front, and the CT through the largest lesion."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from petnet.ingest.quality.body import sampled
from petnet.ingest.quality.finding import Drawing
from petnet.ingest.quality.regions import Delineation
from petnet.volume import Volume

__all__ = ["drawings"]

SUV_WINDOW = (0.0, 10.0)
HU_WINDOW = (-160.0, 240.0)
WINDOW_MM = 220.0  # of the axial slice, or as much as the lesion needs
MARGIN_MM = 60.0
MIP_PIXELS, AXIAL_PIXELS = 280, 200

Plane = NDArray[np.float32]
Mask = NDArray[np.bool_]


def drawings(
    pet: Volume | None, ct: Volume | None, regions: Sequence[Delineation]
) -> tuple[Drawing, ...]:
    """Draw what the images allow."""
    made = [] if pet is None else [_mip(pet, regions)]
    lesions = [r for r in regions if r.is_lesion]
    under = ct if ct is not None else pet
    if lesions and under is not None:
        made.append(_axial(under, max(lesions, key=lambda r: r.volume_ml), lesions))
    return tuple(made)


def _grey(values: Plane, window: tuple[float, float]) -> NDArray[np.uint8]:
    """Map values to grey levels; what is undefined is black."""
    low, high = window
    scaled = (np.nan_to_num(values, nan=low, posinf=high, neginf=low) - low) / (high - low)
    grey: NDArray[np.uint8] = np.rint(255 * np.clip(scaled, 0, 1)).astype(np.uint8)
    return grey


def _axes(affine: NDArray[np.float64]) -> tuple[list[int], list[int]]:
    """Return the array axes that run along x, y and z, and their signs in RAS+."""
    cosines = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    order: list[int] = []
    for world in (2, 0, 1):  # z first: axial slices are what pictures are made of
        free = [a for a in range(3) if a not in order]
        order.append(max(free, key=lambda a: abs(float(cosines[world, a]))))
    order = [order[1], order[2], order[0]]
    return order, [1 if cosines[w, a] >= 0 else -1 for w, a in enumerate(order)]


def _mip(pet: Volume, regions: Sequence[Delineation]) -> Drawing:
    """Project the PET from front to back; rows from the head, the patient's right at the left."""
    order, signs = _axes(pet.affine)
    drawn: dict[str, Mask] = {}
    shape = tuple(pet.array.shape[a] for a in (order[2], order[0]))
    for region in regions:
        if region.is_lesion and region.grid == "pet":
            flat = _upright(region.mask.array.max(axis=order[1]), order)
            mask = drawn.setdefault("pet", np.zeros(shape, dtype=bool))
            _paste(mask, flat, region.corner[order[2]], region.corner[order[0]])
    values = np.where(np.isfinite(pet.array), pet.array, 0).max(axis=order[1])
    flips = (-signs[2], -signs[0])
    step = -(-max(shape) // MIP_PIXELS)
    turn = (slice(None, None, flips[0]), slice(None, None, flips[1]))
    thin = (slice(None, None, step), slice(None, None, step))
    image = _grey(_upright(values, order)[turn][thin], SUV_WINDOW)
    spacing = pet.spacing_mm[order[2]] * step, pet.spacing_mm[order[0]] * step
    outlines = {k: m[turn][thin] for k, m in drawn.items()}
    caption = f"PET from the front, {SUV_WINDOW[0]:g} to {SUV_WINDOW[1]:g} SUV"
    return Drawing("mip", image, spacing, outlines, caption)


def _upright(plane: NDArray, order: list[int]) -> NDArray:
    """Bring a projection along y into (z, x)."""
    return plane if order[2] < order[0] else plane.T


def _paste(target: Mask, part: Mask, row: int, column: int) -> None:
    """Add a part whose first pixel may lie one pixel outside."""
    a, b = max(0, -row), max(0, -column)
    rows = slice(row + a, min(target.shape[0], row + part.shape[0]))
    columns = slice(column + b, min(target.shape[1], column + part.shape[1]))
    height, width = rows.stop - rows.start, columns.stop - columns.start
    target[rows, columns] |= part[a : a + height, b : b + width]


def _axial(image: Volume, largest: Delineation, lesions: Sequence[Delineation]) -> Drawing:
    """Cut axially through the slice in which a lesion is largest, with all outlines in it."""
    order, _ = _axes(largest.mask.affine)
    areas = largest.mask.array.sum(axis=tuple({0, 1, 2} - {order[2]}))
    middle = np.argwhere(largest.mask.array).mean(axis=0)
    middle[order[2]] = int(np.argmax(areas))
    centre = largest.mask.affine[:3, :3] @ middle + largest.mask.affine[:3, 3]
    extent = np.array(largest.mask.array.shape) * largest.mask.spacing_mm
    side = max(WINDOW_MM, float(max(extent[order[0]], extent[order[1]])) + MARGIN_MM)
    pixel = max(side / AXIAL_PIXELS, min(image.spacing_mm))
    count = int(side / pixel)
    shape = (count, count, 1)
    # columns run to the patient's left, rows to the back, as radiologists look at slices
    affine = np.diag([-pixel, -pixel, 1.0, 1.0])
    affine[:3, 3] = centre + np.array([pixel, pixel, 0]) * (count - 1) / 2
    kind, unit, window = ("CT", "HU", HU_WINDOW)
    if image.modality != "CT":
        kind, unit, window = ("PET", "SUV", SUV_WINDOW)
    grey = _grey(sampled(image, shape, affine, np.nan)[:, :, 0].T, window)
    outlines: dict[str, Mask] = {}
    for lesion in lesions:
        soft = lesion.mask.with_array(lesion.mask.array.astype(np.float32))
        inside = sampled(soft, shape, affine, 0.0)[:, :, 0].T >= 0.5
        outlines[lesion.grid] = outlines.get(lesion.grid, False) | inside
    low, high = (f"{v:g}".replace("-", "−") for v in window)
    caption = f"{kind} through the largest lesion, {low} to {high} {unit}"
    return Drawing("axial", grey, (pixel, pixel), outlines, caption)
