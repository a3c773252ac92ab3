"""The regions of one study: readable, on their grid, of a lesion's size, in the body."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from petnet.cohort import Cohort
from petnet.errors import InputError, PetnetError
from petnet.ingest.quality.body import Bodies, sampled
from petnet.ingest.quality.finding import Finding
from petnet.ingest.quality.images import voxel_hash
from petnet.ingest.quality.values import check_defined
from petnet.volume import StoredImage, Volume, check_same_grid, mask_of, read_stored

__all__ = ["Delineation", "read_regions", "region_findings"]

SMALL_LESION_ML, LARGE_LESION_ML = 0.5, 5000.0
SPECK_ML, SPECK_SHARE = 0.5, 0.05
FAINT_SUV = 1.0
OUTSIDE, MOSTLY_OUTSIDE = 0.1, 0.5
REFERENCE = "reference"


@dataclass(frozen=True, eq=False)
class Delineation:
    """A region as it was drawn, cut to its box.

    Attributes
    ----------
    roi : mapping
        Its row of the rois table.
    mask : Volume
        Bool, with a margin of one voxel; its affine is that of the box.
    corner : (3,) tuple of int
        Where the box begins on the grid of its image; -1 where the margin lies outside.
    shape : (3,) tuple of int
        Of its image.
    values : (n,) array
        Of the image that it was drawn on, inside of it.
    """

    roi: Mapping[str, Any]
    mask: Volume
    corner: tuple[int, int, int]
    shape: tuple[int, ...]
    values: NDArray[np.float32]

    @property
    def name(self) -> str:
        """Name of the region within its study."""
        return str(self.roi["roi"])

    @property
    def grid(self) -> str:
        """Image that it was drawn on, "pet" or "ct"."""
        return str(self.roi["grid"])

    @property
    def is_lesion(self) -> bool:
        """Whether it is more than a reference."""
        return bool(self.roi["role"] != REFERENCE)

    @property
    def volume_ml(self) -> float:
        """Its volume in millilitres."""
        return float(self.mask.array.sum() * self.mask.voxel_volume_ml)

    @property
    def centre_mm(self) -> NDArray[np.float64]:
        """Its centre of gravity, RAS+."""
        centre = np.argwhere(self.mask.array).mean(axis=0)
        world: NDArray[np.float64] = self.mask.affine[:3, :3] @ centre + self.mask.affine[:3, 3]
        return world

    @property
    def hash(self) -> str:
        """The same for the same voxels of a grid of the same size."""
        return voxel_hash(np.array([*self.corner, *self.shape])) + voxel_hash(self.mask.array)


def read_regions(
    cohort: Cohort,
    study: Mapping[str, Any],
    rois: Sequence[Mapping[str, Any]],
    images: Mapping[str, Volume | None],
) -> tuple[list[Delineation], list[Finding]]:
    """Read the masks of a study, each file once; what cannot be used becomes a finding.

    Nothing is said of a mask whose image cannot be read, as that is said already.
    """
    stored: dict[Path, StoredImage] = {}
    made: list[Delineation] = []
    findings: list[Finding] = []
    for roi in rois:
        image = images[roi["grid"]]
        try:
            mask = _read(cohort.path(roi["path"]), roi.get("label"), stored)
            if image is None:
                _check_named(cohort, study, roi)
                continue
            check_same_grid(image, mask, str(cohort.path(roi["path"])))
            for name, other in images.items():
                if other is not None:
                    check_defined(other, mask, str(cohort.path(study[name])))
        except PetnetError as error:
            findings.append(Finding(study["study"], "mask", "error", str(error), str(roi["roi"])))
            continue
        made.append(_boxed(roi, mask, image.array[mask.array]))
    return made, findings


def _read(path: Path, label: Any, stored: dict[Path, StoredImage]) -> Volume:
    if path not in stored:
        stored[path] = read_stored(path)
    return mask_of(stored[path], int(label) if label == label and label else None, path)


def _check_named(cohort: Cohort, study: Mapping[str, Any], roi: Mapping[str, Any]) -> None:
    if not isinstance(study[roi["grid"]], str):
        wanted = f"a {roi['grid']} to lie on"
        raise InputError(str(cohort.path(roi["path"])), "grid", wanted, "none")


def _boxed(roi: Mapping[str, Any], mask: Volume, values: NDArray) -> Delineation:
    spans = [np.flatnonzero(mask.array.any(axis=tuple({0, 1, 2} - {k}))) for k in range(3)]
    corner = np.array([s[0] for s in spans])
    box = tuple(slice(int(s[0]), int(s[-1]) + 1) for s in spans)
    affine = mask.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ (corner - 1)
    cut = Volume(np.pad(mask.array[box], 1), affine, "label", "MASK")
    x, y, z = (int(v) - 1 for v in corner)
    return Delineation(roi, cut, (x, y, z), mask.array.shape, values.astype(np.float32))


def region_findings(
    study: str, region: Delineation, pet: Volume | None, found: Bodies | None
) -> Iterator[Finding]:
    """Look at one region: volume, parts, place in the body, uptake.

    Parameters
    ----------
    pet : Volume or None
        None where there is no sound one.
    found : Bodies or None
        Its outlines.
    """
    yield _volume(study, region)
    if region.is_lesion:
        yield _components(study, region)
        yield _uptake(study, region, pet)
    if found is None or found.ct is None:
        text = "there are no PET and CT to see the body on"
        yield Finding(study, "mask place", "not assessable", text, region.name)
    else:
        yield _place(study, region, found)


def _volume(study: str, region: Delineation) -> Finding:
    ml = region.volume_ml
    text = f"{ml:.1f} ml, {region.values.size} voxels, largest value {region.values.max():.1f}"
    limits = (ml, SMALL_LESION_ML, LARGE_LESION_ML, "ml")
    sound = SMALL_LESION_ML <= ml <= LARGE_LESION_ML
    return Finding(study, "mask", "ok" if sound else "warning", text, region.name, *limits)


def _components(study: str, region: Delineation) -> Finding:
    from scipy.ndimage import label

    parts, count = label(region.mask.array, np.ones((3, 3, 3)))
    sizes = np.sort(np.bincount(parts.ravel())[1:] * region.mask.voxel_volume_ml)[::-1]
    specks = sizes[1:][(sizes[1:] < SPECK_ML) & (sizes[1:] < SPECK_SHARE * sizes[0])]
    values = (float(count), np.nan, np.nan, "components")
    if not specks.size:
        text = "one connected part" if count == 1 else f"{count} connected parts"
        return Finding(study, "mask components", "ok", text, region.name, *values)
    text = f"{count} connected parts, of which {specks.size} are specks"
    text += f" of {specks[0]:.2g} ml or less beside {sizes[0]:.3g} ml: stray voxels?"
    return Finding(study, "mask components", "warning", text, region.name, *values)


def _uptake(study: str, region: Delineation, pet: Volume | None) -> Finding:
    """Judge the largest SUV in a lesion; one drawn on CT is laid over the PET."""
    what = "mask uptake"
    if pet is None:
        return Finding(study, what, "not assessable", "there is no PET in SUV", region.name)
    inside = region.values
    if region.grid == "ct":
        box = region.mask
        inside = sampled(pet, box.array.shape, box.affine, np.nan)[box.array]
    inside = inside[np.isfinite(inside)]
    if not inside.size:
        text = "the mask lies outside of the PET's field"
        return Finding(study, what, "not assessable", text, region.name)
    highest = float(inside.max())
    text = f"largest SUV {highest:.2f}"
    values = (highest, FAINT_SUV, np.nan, "SUV")
    if highest >= FAINT_SUV:
        return Finding(study, what, "ok", text, region.name, *values)
    text += ": less than the body's mean; is the mask where the lesion is?"
    return Finding(study, what, "warning", text, region.name, *values)


def _place(study: str, region: Delineation, found: Bodies) -> Finding:
    """Tell how much of the mask lies outside of the body's outline on CT."""
    what, share = "mask place", _outside(region, found)
    if np.isnan(share):
        text = "the mask lies outside of the CT's field"
        return Finding(study, what, "not assessable", text, region.name)
    text = f"{share:.0%} of the mask lies outside of the body on CT"
    values = (share, np.nan, OUTSIDE)
    if share <= OUTSIDE:
        return Finding(study, what, "ok", text, region.name, *values)
    if share <= MOSTLY_OUTSIDE:
        return Finding(study, what, "warning", text, region.name, *values)
    return Finding(study, what, "error", text, region.name, *values)


def _outside(region: Delineation, found: Bodies) -> float:
    """Share of the mask's voxels whose nearest voxel of the CT's outline is outside the body."""
    to_body = np.linalg.inv(found.affine) @ region.mask.affine
    index = np.argwhere(region.mask.array) @ to_body[:3, :3].T + to_body[:3, 3]
    near = np.rint(index).astype(int)
    inside = ((near >= 0) & (near < found.seen.shape)).all(axis=1)
    near = near[inside]
    at = tuple(near[found.seen[tuple(near.T)]].T)
    return float((~found.best[at]).mean()) if at[0].size else np.nan
