"""Regions against regions of one study: a lesion on PET and on CT, and one drawn twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain, combinations

import numpy as np
from numpy.typing import NDArray

from petnet.ingest.quality.body import sampled
from petnet.ingest.quality.finding import Finding
from petnet.ingest.quality.regions import Delineation

__all__ = ["dice_limit", "doubled_regions", "mask_dice", "mask_pairs"]

TOLERATED_DICE = 0.8
SAME_DICE = 0.95

Mask = NDArray[np.bool_]


def mask_pairs(study: str, regions: Sequence[Delineation]) -> Iterator[Finding]:
    """Compare the masks of each lesion that was drawn on both grids.

    A lesion is what has one `lesion_uid`; where there is none, one role, region and name. Rows of
    one lesion, grid and reader are parts of it. Readers are compared with themselves where they
    drew on both grids, else all with all.
    """
    lesions: dict[tuple[str, ...], list[Delineation]] = defaultdict(list)
    for region in regions:
        lesions[_lesion(region)].append(region)
    told = False
    for parts in lesions.values():
        pet, ct = (_by_reader(parts, grid) for grid in ("pet", "ct"))
        for reader in (r for r in pet if r in ct):
            told = True
            yield _judged(study, pet[reader], ct[reader])
        if pet and ct and not set(pet) & set(ct):
            told = True
            yield _judged(study, [*chain(*pet.values())], [*chain(*ct.values())])
    if not told:
        text = "no lesion was drawn both on PET and on CT"
        yield Finding(study, "pet and ct masks", "not assessable", text)


def _lesion(region: Delineation) -> tuple[str, ...]:
    uid = region.roi.get("lesion_uid")
    if isinstance(uid, str):
        return ("uid", uid)
    return ("name", *(str(region.roi.get(key)) for key in ("role", "region", "roi")))


def _by_reader(parts: Sequence[Delineation], grid: str) -> dict[str, list[Delineation]]:
    found: dict[str, list[Delineation]] = defaultdict(list)
    for part in parts:
        if part.grid == grid:
            found[str(part.roi.get("reader"))].append(part)
    return found


def _judged(study: str, pet: Sequence[Delineation], ct: Sequence[Delineation]) -> Finding:
    what, name = "pet and ct masks", pet[0].name
    dice = mask_dice(pet, ct)
    limit = dice_limit(sum(p.volume_ml for p in pet), max(pet[0].mask.spacing_mm))
    apart = float(np.linalg.norm(_centre(pet) - _centre(ct)))
    volumes = [sum(p.volume_ml for p in parts) for parts in (pet, ct)]
    text = (
        f"masks of one lesion on PET and CT: Dice {dice:.3f}, centres {apart:.1f} mm apart, "
        f"{volumes[0]:.1f} and {volumes[1]:.1f} ml"
    )
    values = (dice, limit, np.nan)
    if dice == 0:
        return Finding(study, what, "error", f"{text}: they do not meet", name, *values)
    if dice < limit:
        text += ": did the patient move, or do they belong to different images?"
        return Finding(study, what, "warning", text, name, *values)
    return Finding(study, what, "ok", text, name, *values)


def _centre(parts: Sequence[Delineation]) -> NDArray[np.float64]:
    centre: NDArray[np.float64] = np.average(
        [p.centre_mm for p in parts], axis=0, weights=[p.volume_ml for p in parts]
    )
    return centre


def dice_limit(volume_ml: float, voxel_mm: float) -> float:
    """Return the Dice below which two masks of one lesion are warned of.

    0.8, the lower end of what AAPM TG-132 tolerates of contours (Brock et al. 2017,
    doi:10.1002/mp.12256); for lesions so small that surfaces half a voxel apart give less, that:
    balls of radius r and r − h/2 have a Dice of 2q / (1 + q) with q = (1 − h / 2r)³.

    Parameters
    ----------
    volume_ml : float
        Of the lesion.
    voxel_mm : float
        The longest edge h of the coarser voxels.
    """
    radius_mm = float(np.cbrt(volume_ml * 1000 * 3 / (4 * np.pi)))
    ratio = max(0.0, 1 - voxel_mm / (2 * radius_mm)) ** 3
    return min(TOLERATED_DICE, 2 * ratio / (1 + ratio))


def mask_dice(one: Sequence[Delineation], other: Sequence[Delineation]) -> float:
    """Return the Dice of two unions of masks on the grid of the first.

    A voxel of the first grid belongs to a mask of another grid when the mask, interpolated
    linearly, is at least one half at its centre.
    """
    masks = [*one, *other]
    shape, affine = _common_box(one[0], masks)
    first, second = (_union(parts, shape, affine) for parts in (one, other))
    return float(2 * (first & second).sum() / max(1, first.sum() + second.sum()))


def _common_box(
    grid: Delineation, masks: Sequence[Delineation]
) -> tuple[tuple[int, ...], NDArray[np.float64]]:
    """Return a box on the grid of one region that holds them all."""
    to_grid = np.linalg.inv(grid.mask.affine)
    ends = []
    for mask in masks:
        corners = np.array(np.meshgrid(*[[0, n - 1] for n in mask.mask.array.shape]))
        place = to_grid @ mask.mask.affine
        ends.append(place[:3, :3] @ corners.reshape(3, -1) + place[:3, 3:])
    low = np.floor(np.min([e.min(axis=1) for e in ends], axis=0)).astype(int)
    high = np.ceil(np.max([e.max(axis=1) for e in ends], axis=0)).astype(int)
    affine = grid.mask.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ low
    return tuple(int(n) for n in high - low + 1), affine


def _union(
    parts: Sequence[Delineation], shape: tuple[int, ...], affine: NDArray[np.float64]
) -> Mask:
    made = np.zeros(shape, dtype=bool)
    for part in parts:
        soft = part.mask.with_array(part.mask.array.astype(np.float32))
        made |= sampled(soft, shape, affine, 0.0) >= 0.5
    return made


def doubled_regions(study: str, regions: Sequence[Delineation]) -> Iterator[Finding]:
    """Find lesions of other names that are the same voxels; readers may draw the same lesion."""
    lesions = [r for r in regions if r.is_lesion]
    for one, other in combinations(lesions, 2):
        if one.grid != other.grid or _lesion(one) == _lesion(other) or not _near(one, other):
            continue
        dice = mask_dice([one], [other])
        if dice >= SAME_DICE:
            text = f"the same voxels as {other.name} (Dice {dice:.2f}): one lesion told twice?"
            values = (dice, np.nan, SAME_DICE)
            yield Finding(study, "same region twice", "warning", text, one.name, *values)


def _near(one: Delineation, other: Delineation) -> bool:
    """Tell whether two masks of one grid could be the same, before they are laid together."""
    a, b = one.volume_ml, other.volume_ml
    close = np.abs(one.centre_mm - other.centre_mm).max() <= max(one.mask.spacing_mm)
    return bool(close and min(a, b) >= SAME_DICE / (2 - SAME_DICE) * max(a, b))
