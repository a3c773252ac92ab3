"""Semi-quantitative lesion parameters on PET: SUVmax, SUVmean, MTV and TLG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from petnet.errors import InputError
from petnet.volume import Volume, check_same_grid

__all__ = ["MTV_FRACTION", "QUANTITIES", "burden", "lesion_quantities"]

MTV_FRACTION = 0.41
QUANTITIES = ("SUVmax", "SUVmean", "MTV41", "TLG41", "volume_ml")


def lesion_quantities(pet: Volume, mask: Volume) -> dict[str, float]:
    """Measure one lesion.

    Parameters
    ----------
    pet : Volume
        (X, Y, Z) standardised uptake values; its unit begins with "SUV".
    mask : Volume
        Same grid; the lesion is where it is not zero. It may have several parts.

    Returns
    -------
    dict of str to float
        ``SUVmax`` (SUV)
            max of SUV over the region.
        ``SUVmean`` (SUV)
            mean of SUV over the whole region.
        ``MTV41`` (ml)
            n · voxel volume, n voxels of the region with SUV >= 0.41 · SUVmax.
        ``TLG41`` (SUV·ml)
            mean SUV of those voxels · MTV41.
        ``volume_ml`` (ml)
            voxels of the region · voxel volume.

        MTV41 and TLG41 are NaN when SUVmax is not above zero: a share of it is then no threshold.

    Raises
    ------
    InputError
        The image is not in SUV, grids differ, the mask is empty, or NaN or infinity lies inside it.

    Notes
    -----
    41 % of SUVmax: EANM guideline 2.0, doi:10.1007/s00259-014-2961-x. Total lesion glycolysis:
    Larson et al. 1999, doi:10.1016/S1095-0397(99)00016-3.
    """
    if not pet.unit.startswith("SUV"):
        raise InputError("lesion quantities", "unit of the image", "a kind of SUV", pet.unit)
    check_same_grid(pet, mask, "lesion quantities: mask and PET")
    suv = np.asarray(pet.array[np.asarray(mask.array) != 0], dtype=np.float64)
    if suv.size == 0:
        raise InputError("lesion quantities", "mask", "at least one voxel", "an empty mask")
    if not np.isfinite(suv).all():
        bad = int(np.count_nonzero(~np.isfinite(suv)))
        raise InputError(
            "lesion quantities",
            "SUV inside the mask",
            "finite numbers",
            f"NaN or infinity in {bad} of {suv.size} voxels",
        )
    suv_max, voxel_ml = float(suv.max()), pet.voxel_volume_ml
    hot = suv[suv >= MTV_FRACTION * suv_max]
    mtv = hot.size * voxel_ml if suv_max > 0 else float("nan")
    return {
        "SUVmax": suv_max,
        "SUVmean": float(suv.mean()),
        "MTV41": mtv,
        "TLG41": float(hot.mean()) * mtv if suv_max > 0 else float("nan"),
        "volume_ml": suv.size * voxel_ml,
    }


def burden(lesions: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Bring the quantities of several lesions together.

    Each lesion has its own threshold, so that a cool lesion beside a hot one keeps its volume:
    MTV41, TLG41 and volume are sums, SUVmax is the largest, SUVmean is weighted by volume.

    Parameters
    ----------
    lesions : sequence of mappings
        As `lesion_quantities` returns them; at least one.
    """
    volume_ml = sum(lesion["volume_ml"] for lesion in lesions)
    return {
        "SUVmax": max(lesion["SUVmax"] for lesion in lesions),
        "SUVmean": sum(lesion["SUVmean"] * lesion["volume_ml"] for lesion in lesions) / volume_ml,
        "MTV41": sum(lesion["MTV41"] for lesion in lesions),
        "TLG41": sum(lesion["TLG41"] for lesion in lesions),
        "volume_ml": volume_ml,
    }
