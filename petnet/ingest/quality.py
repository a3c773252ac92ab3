"""Quality control of a cohort: one row per finding, with a severity."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from petnet.cohort import Cohort
from petnet.errors import InputError, PetnetError
from petnet.volume import Volume, check_same_grid, is_oriented, read_mask, read_volume, same_grid

__all__ = [
    "Finding",
    "check_defined",
    "check_study",
    "implausible_hu",
    "implausible_range",
    "implausible_suv",
]

Severity = Literal["ok", "warning", "error"]
SUV_MAX_PLAUSIBLE = (0.5, 200.0)
HU_RANGE_PLAUSIBLE = (-1200.0, 30000.0)
FAT_HU, AIR_HU = -50.0, -200.0
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
        yield from _check_roi(name, cohort, roi, study, {"pet": pet, "ct": ct})


def _read(study: str, what: str, cohort: Cohort, path: str | None) -> tuple[Volume | None, Finding]:
    if not isinstance(path, str):
        return None, Finding(study, what, "error", "no path in the studies table")
    try:
        full: Path = cohort.path(path)
        volume = (
            read_volume(full, "SUVbw", "PT") if what == "pet" else read_volume(full, "HU", "CT")
        )
        oriented = is_oriented(full)
    except PetnetError as error:
        return None, Finding(study, what, "error", str(error))
    finding = (_suv if what == "pet" else _hu)(study, str(full), volume)
    if finding.severity == "ok" and not oriented:
        text = (
            f"{path}: orientation: expected a qform or sform code, but got neither: {finding.text}"
        )
        finding = Finding(study, what, "warning", text)
    return volume, finding


def implausible_suv(pet: Volume) -> str | None:
    """Return why the values cannot be SUV (Bq/ml, or unscaled), or None."""
    return implausible_range("PT", *_range(pet))


def implausible_hu(ct: Volume) -> str | None:
    """Return why the values cannot be Hounsfield units, or None."""
    return implausible_range("CT", *_range(ct))


def implausible_range(modality: Literal["PT", "CT"], low: float, high: float) -> str | None:
    """Return why finite values from `low` to `high` cannot be SUV (PT) or HU (CT), or None.

    What tells HU from other units is that fat and air are negative, and that tissue is not.
    """
    if modality == "PT":
        least, most = SUV_MAX_PLAUSIBLE
        if least <= high <= most:
            return None
        found = f"values: expected a maximum SUV of {least:g} to {most:g}, but got {high:.4g}"
        return f"{found}: is this Bq/ml or unscaled?"
    if low < FAT_HU < 0 < high <= HU_RANGE_PLAUSIBLE[1]:
        return None
    wanted = f"fat or air below {FAT_HU:g} HU and tissue above 0".replace("-", "−")
    return f"values: expected {wanted}, but got {low:.0f} to {high:.0f}: is this in HU?"


def _range(volume: Volume) -> tuple[float, float]:
    values = volume.array[np.isfinite(volume.array)]
    return (float(values.min()), float(values.max())) if values.size else (np.nan, np.nan)


def _suv(study: str, path: str, pet: Volume) -> Finding:
    fault = implausible_suv(pet)
    if fault:
        return Finding(study, "pet", "error", f"{path}: {fault}")
    low, high = _range(pet)
    if low < -0.5:
        text = f"{path}: values: expected no SUV below −0.5, but got {low:.3g}"
        return Finding(study, "pet", "warning", text)
    mean = pet.array[np.isfinite(pet.array)].mean()
    text = f"SUV up to {high:.1f}, mean {mean:.2f}, spacing {_spacing(pet)}"
    return Finding(study, "pet", "ok", text)


def _hu(study: str, path: str, ct: Volume) -> Finding:
    fault = implausible_hu(ct)
    if fault:
        return Finding(study, "ct", "error", f"{path}: {fault}")
    low, high = _range(ct)
    if low > AIR_HU:
        text = f"{path}: values: expected air below −200 HU, but got {low:.0f} HU or more: cropped?"
        return Finding(study, "ct", "warning", text)
    # padding below −1200 is common
    severity: Severity = "warning" if low < HU_RANGE_PLAUSIBLE[0] else "ok"
    text = f"{path}: {low:.0f} to {high:.0f} HU, spacing {_spacing(ct)}"
    return Finding(study, "ct", severity, text)


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


def _check_roi(
    study: str,
    cohort: Cohort,
    roi: dict[str, Any],
    row: dict[str, Any],
    images: dict[str, Volume | None],
) -> Iterator[Finding]:
    """Look at one region; nothing is said of one whose image cannot be read, as that is said."""
    what = f"roi {roi['roi']}"
    label = roi.get("label")
    path = cohort.path(roi["path"])
    image = images[roi["grid"]]
    try:
        mask = read_mask(path, int(label) if label == label and label else None)
        if image is None:
            if not isinstance(row[roi["grid"]], str):
                text = f"{path}: grid: expected a {roi['grid']} to lie on, but got none"
                yield Finding(study, what, "error", text)
            return
        check_same_grid(image, mask, str(path))
        for name, volume in images.items():
            if volume is not None:
                check_defined(volume, mask, str(cohort.path(row[name])))
    except PetnetError as error:
        yield Finding(study, what, "error", str(error))
        return
    inside = image.array[mask.array]
    volume_ml = float(mask.array.sum() * mask.voxel_volume_ml)
    text = f"{volume_ml:.1f} ml, {inside.size} voxels, largest value {inside.max():.1f}"
    severity: Severity = "warning" if volume_ml < SMALL_LESION_ML else "ok"
    yield Finding(study, what, severity, text)


def check_defined(image: Volume, mask: Volume, source: str) -> None:
    """Refuse NaN or infinity inside a mask; outside they are no harm.

    An image on another grid than the mask's is looked at where its voxel centres lie in the mask.

    Raises
    ------
    InputError
    """
    undefined = ~np.isfinite(image.array)
    if not undefined.any():
        return
    if same_grid(image, mask):
        bad, all_of = int((undefined & mask.array).sum()), f" of {int(mask.array.sum())}"
    else:
        to_mask = np.linalg.inv(mask.affine) @ image.affine
        index = np.rint(np.argwhere(undefined) @ to_mask[:3, :3].T + to_mask[:3, 3]).astype(int)
        index = index[((index >= 0) & (index < mask.array.shape)).all(axis=1)]
        bad, all_of = int(mask.array[tuple(index.T)].sum()), ""
    if bad:
        found = f"NaN or infinity in {bad}{all_of} voxels"
        raise InputError(source, "values inside the mask", "finite numbers", found)
