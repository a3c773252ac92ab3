"""What values of SUV and of Hounsfield units can be, for every part that reads images."""

from __future__ import annotations

from typing import Literal

import numpy as np

from petnet.errors import InputError
from petnet.volume import Volume, same_grid

__all__ = [
    "check_defined",
    "finite_range",
    "implausible_hu",
    "implausible_range",
    "implausible_suv",
]

SUV_MAX_PLAUSIBLE = (0.5, 200.0)
HU_RANGE_PLAUSIBLE = (-1200.0, 30000.0)
FAT_HU = -50.0


def implausible_suv(pet: Volume) -> str | None:
    """Return why the values cannot be SUV (Bq/ml, or unscaled), or None."""
    return implausible_range("PT", *finite_range(pet))


def implausible_hu(ct: Volume) -> str | None:
    """Return why the values cannot be Hounsfield units, or None."""
    return implausible_range("CT", *finite_range(ct))


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


def finite_range(volume: Volume) -> tuple[float, float]:
    """Return the least and the largest finite value; NaN where there is none."""
    known = np.isfinite(volume.array)
    if not known.any():
        return np.nan, np.nan
    low = volume.array.min(where=known, initial=np.inf)
    return float(low), float(volume.array.max(where=known, initial=-np.inf))


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
