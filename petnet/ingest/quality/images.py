"""One PET and one CT: can they be read, what are they in, do they lie together."""

from __future__ import annotations

import hashlib
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from petnet.cohort import Cohort
from petnet.errors import PetnetError
from petnet.ingest.quality.body import Agreement, Bodies
from petnet.ingest.quality.finding import Finding
from petnet.ingest.quality.values import (
    HU_RANGE_PLAUSIBLE,
    SUV_MAX_PLAUSIBLE,
    finite_range,
    implausible_range,
)
from petnet.volume import Volume, is_oriented, read_volume

__all__ = ["field_of_view", "outlines", "read_image", "spacing_text", "voxel_hash"]

AIR_HU = -200.0
LEAST_SUV = -0.5  # below it is no noise of a reconstruction
COVERED, HARDLY_COVERED = 0.9, 0.3
SHIFT_MM, SHIFT_VOXELS = 10.0, 2.0  # breathing and small motion are within
BODY_DICE = 0.8


def read_image(
    cohort: Cohort, study: dict[str, Any], what: Literal["pet", "ct"]
) -> tuple[Volume | None, Finding]:
    """Read one image of a study; None where it cannot be read."""
    name, path = study["study"], study[what]
    if not isinstance(path, str):
        if what == "ct":
            return None, Finding(name, "ct", "warning", "no CT in the studies table")
        return None, Finding(name, what, "error", "no path in the studies table")
    full = cohort.path(path)
    try:
        unit: Any = ("SUVbw", "PT") if what == "pet" else ("HU", "CT")
        volume = read_volume(full, *unit)
        oriented = is_oriented(full)
    except PetnetError as error:
        return None, Finding(name, what, "error", str(error))
    finding = (_suv if what == "pet" else _hu)(name, str(full), volume)
    if finding.severity == "ok" and not oriented:
        text = f"{path}: orientation: expected a qform or sform code, but got neither"
        finding = Finding(name, what, "warning", f"{text}: {finding.text}")
    return volume, finding


def _suv(study: str, path: str, pet: Volume) -> Finding:
    low, high = finite_range(pet)
    limits = (high, *SUV_MAX_PLAUSIBLE, "SUV")
    fault = implausible_range("PT", low, high)
    if fault:
        return Finding(study, "pet", "error", f"{path}: {fault}", "", *limits)
    if low < LEAST_SUV:
        text = f"{path}: values: expected no SUV below −0.5, but got {low:.3g}"
        return Finding(study, "pet", "warning", text, "", low, LEAST_SUV, np.nan, "SUV")
    mean = float(pet.array.mean(where=np.isfinite(pet.array), dtype=np.float64))
    text = f"SUV up to {high:.1f}, mean {mean:.2f}, spacing {spacing_text(pet)}"
    return Finding(study, "pet", "ok", text, "", *limits)


def _hu(study: str, path: str, ct: Volume) -> Finding:
    low, high = finite_range(ct)
    fault = implausible_range("CT", low, high)
    if fault:
        return Finding(study, "ct", "error", f"{path}: {fault}", "", low, np.nan, np.nan, "HU")
    if low > AIR_HU:
        text = f"{path}: values: expected air below −200 HU, but got {low:.0f} HU or more: cropped?"
        return Finding(study, "ct", "warning", text, "", low, np.nan, AIR_HU, "HU")
    # padding below −1200 is common
    severity: Literal["warning", "ok"] = "warning" if low < HU_RANGE_PLAUSIBLE[0] else "ok"
    text = f"{low:.0f} to {high:.0f} HU, spacing {spacing_text(ct)}"
    return Finding(study, "ct", severity, text, "", low, HU_RANGE_PLAUSIBLE[0], AIR_HU, "HU")


def spacing_text(volume: Volume) -> str:
    """Return the voxel size in words."""
    return " × ".join(f"{s:.2f}" for s in volume.spacing_mm) + " mm"


def voxel_hash(array: NDArray) -> str:
    """Return 32 hexadecimal digits of shape and values, whatever header they stand under."""
    digest = hashlib.blake2b(f"{array.shape} {array.dtype}".encode(), digest_size=16)
    digest.update(np.asfortranarray(array).T.data)
    return digest.hexdigest()


def _extent(volume: Volume, reach: float) -> tuple[NDArray, NDArray]:
    """Return the least and largest coordinates, `reach` voxels beyond the outer voxel centres."""
    ends = [[-reach, n - 1 + reach] for n in volume.array.shape]
    corners = np.array(np.meshgrid(*ends)).reshape(3, -1)
    world = volume.affine[:3, :3] @ corners + volume.affine[:3, 3:]
    return world.min(axis=1), world.max(axis=1)


def field_of_view(
    study: str, pet: Volume | None, ct: Volume | None, found: Bodies | None
) -> Finding:
    """Give the share of the body on PET that the CT covers.

    The field of a CT is narrower than that of a PET, which is no harm; nor are the outer voxels of
    a PET that was cut to a CT's size. Where no body is seen, it is the box around the PET's voxel
    centres that counts.
    """
    from scipy.ndimage import binary_dilation

    if pet is None or ct is None or found is None:
        text = "there are no PET in SUV and CT in Hounsfield units"
        return Finding(study, "field of view", "not assessable", text)
    what = "body on PET" if found.pet.any() else "PET's volume"
    covered = binary_dilation(found.seen, np.ones((3, 3, 3), dtype=bool))
    share = float(covered[found.pet].mean()) if found.pet.any() else _box_share(pet, ct)
    text = f"the CT covers {share:.0%} of the {what}"
    limits = (share, COVERED, np.nan)
    if share > COVERED:
        return Finding(study, "field of view", "ok", text, "", *limits)
    severity: Literal["warning", "error"] = "warning" if share > HARDLY_COVERED else "error"
    return Finding(study, "field of view", severity, text, "", *limits)


def _box_share(pet: Volume, ct: Volume) -> float:
    (a, b), (c, d) = _extent(pet, 0.0), _extent(ct, 0.5)
    length, common = b - a, np.clip(np.minimum(b, d) - np.maximum(a, c), 0, None)
    within = (a >= c) & (b <= d)  # of an axis with a single slice
    return float(np.where(length > 0, common / np.where(length > 0, length, 1), within).prod())


def outlines(study: str, pet: Volume, found: Agreement | None) -> Finding:
    """Judge how the body's outlines on PET and CT agree."""
    what = "body outline"
    if found is None:
        text = "no body is seen on the PET and the CT in their common field"
        return Finding(study, what, "not assessable", text)
    if not found.told:
        text = f"the field cuts the body off ({found.free:.0%} of its outline is seen)"
        return Finding(study, what, "not assessable", text)
    axes = ("to the right", "to the left"), ("forwards", "backwards"), ("upwards", "downwards")
    parts = [
        f"{abs(v):.0f} mm {names[v < 0]}"
        for v, names in zip(found.shift_mm, axes, strict=True)
        if abs(v) >= 1
    ]
    moved = ", ".join(parts) or "less than 1 mm"
    text = (
        f"body outlines: Dice {found.dice:.2f}, {found.contained:.0%} of the PET's body in that of "
        f"the CT; PET against CT moved {moved}"
    )
    limit = max(SHIFT_MM, SHIFT_VOXELS * max(pet.spacing_mm))
    if found.distance_mm > limit:
        values = (found.distance_mm, np.nan, limit, "mm")
        return Finding(study, what, "warning", text, "", *values)
    values = (found.dice, BODY_DICE, np.nan, "")
    severity: Literal["ok", "warning"] = "ok" if found.dice >= BODY_DICE else "warning"
    return Finding(study, what, severity, text, "", *values)
