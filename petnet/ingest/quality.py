"""Quality control of a cohort: one row per finding, with a severity."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from petnet.cohort import Cohort
from petnet.errors import PetnetError
from petnet.volume import Volume, check_same_grid, read_mask, read_volume

__all__ = ["Finding", "check_study", "implausible_suv"]

Severity = Literal["ok", "warning", "error"]
SUV_MAX_PLAUSIBLE = (0.5, 200.0)
HU_RANGE_PLAUSIBLE = (-1200.0, 30000.0)
SMALL_LESION_ML = 0.5


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at in one study."""

    study: str
    what: str
    severity: Severity
    text: str


def check_study(cohort: Cohort, study: dict[str, Any]) -> Iterator[Finding]:
    """Look at one row of the studies table: files, geometry, units, overlap and masks."""
    name = study["study"]
    pet, finding = _read(name, "pet", cohort, study["pet"])
    yield finding
    ct: Volume | None = None
    if isinstance(study["ct"], str):
        ct, finding = _read(name, "ct", cohort, study["ct"])
        yield finding
    else:
        yield Finding(name, "ct", "warning", "no CT in the studies table")
    if pet is not None and ct is not None:
        yield _overlap(name, pet, ct)
    rois = cohort.rois[cohort.rois["study"] == name]
    if rois.empty:
        yield Finding(name, "rois", "error", "no region in the rois table")
    for roi in rois.to_dict("records"):
        yield _check_roi(name, cohort, roi, {"pet": pet, "ct": ct}[roi["grid"]])


def _read(study: str, what: str, cohort: Cohort, path: str | None) -> tuple[Volume | None, Finding]:
    if not isinstance(path, str):
        return None, Finding(study, what, "error", "no path in the studies table")
    try:
        full: Path = cohort.path(path)
        volume = (
            read_volume(full, "SUVbw", "PT") if what == "pet" else read_volume(full, "HU", "CT")
        )
    except PetnetError as error:
        return None, Finding(study, what, "error", str(error))
    return volume, (_suv if what == "pet" else _hu)(study, volume)


def implausible_suv(pet: Volume) -> str | None:
    """Return why the values cannot be SUV (Bq/ml, or unscaled), or None."""
    values = pet.array[np.isfinite(pet.array)]
    largest = float(values.max()) if values.size else float("nan")
    low, high = SUV_MAX_PLAUSIBLE
    if low <= largest <= high:
        return None
    found = f"expected a maximum SUV of {low:g} to {high:g}, but got {largest:.4g}"
    return f"{found}: is this Bq/ml or unscaled?"


def _suv(study: str, pet: Volume) -> Finding:
    fault = implausible_suv(pet)
    if fault:
        return Finding(study, "pet", "error", fault)
    values = pet.array[np.isfinite(pet.array)]
    if values.min() < -0.5:
        text = f"expected no SUV below −0.5, but got {values.min():.3g}"
        return Finding(study, "pet", "warning", text)
    text = f"SUV up to {values.max():.1f}, mean {values.mean():.2f}, spacing {_spacing(pet)}"
    return Finding(study, "pet", "ok", text)


def _hu(study: str, ct: Volume) -> Finding:
    values = ct.array[np.isfinite(ct.array)]
    low, high = (float(values.min()), float(values.max())) if values.size else (np.nan, np.nan)
    least, most = HU_RANGE_PLAUSIBLE
    # padding below −1200 is common; what tells HU from other units is air near −1000 with tissue
    if not (high <= most and low < -200 < high):
        text = f"expected air below −200 HU and tissue above, but got {low:.0f} to {high:.0f}"
        return Finding(study, "ct", "error", f"{text}: is this in HU?")
    severity: Severity = "warning" if low < least else "ok"
    return Finding(study, "ct", severity, f"{low:.0f} to {high:.0f} HU, spacing {_spacing(ct)}")


def _spacing(volume: Volume) -> str:
    return " × ".join(f"{s:.2f}" for s in volume.spacing_mm) + " mm"


def _extent(volume: Volume) -> tuple[Any, Any]:
    shape = np.array(volume.array.shape)
    corners = np.array(np.meshgrid(*[[-0.5, n - 0.5] for n in shape])).reshape(3, -1)
    world = volume.affine[:3, :3] @ corners + volume.affine[:3, 3:]
    return world.min(axis=1), world.max(axis=1)


def _overlap(study: str, pet: Volume, ct: Volume) -> Finding:
    """Share of the PET's box that the CT's box covers."""
    (a, b), (c, d) = _extent(pet), _extent(ct)
    common = np.clip(np.minimum(b, d) - np.maximum(a, c), 0, None).prod()
    share = float(common / (b - a).prod())
    severity: Severity = "ok" if share > 0.9 else "warning" if share > 0.3 else "error"
    return Finding(study, "pet/ct", severity, f"the CT covers {share:.0%} of the PET's volume")


def _check_roi(study: str, cohort: Cohort, roi: dict[str, Any], image: Volume | None) -> Finding:
    what = f"roi {roi['roi']}"
    label = roi.get("label")
    try:
        mask = read_mask(cohort.path(roi["path"]), int(label) if label == label and label else None)
        if image is None:
            return Finding(study, what, "error", f"no readable {roi['grid']} image to lie on")
        check_same_grid(image, mask, roi["path"])
    except PetnetError as error:
        return Finding(study, what, "error", str(error))
    inside = image.array[mask.array]
    if not np.isfinite(inside).all():
        bad = int((~np.isfinite(inside)).sum())
        return Finding(study, what, "error", f"expected finite values, but got {bad} NaN or inf")
    volume_ml = float(mask.array.sum() * mask.voxel_volume_ml)
    text = f"{volume_ml:.1f} ml, {int(mask.array.sum())} voxels, largest value {inside.max():.1f}"
    return Finding(study, what, "warning" if volume_ml < SMALL_LESION_ML else "ok", text)
