"""Semi-quantitative lesion parameters on PET: uptake, volume, size and ratio to a reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from petnet.errors import InputError
from petnet.measure.axes import short_axis_mm
from petnet.volume import Volume, check_same_grid

__all__ = [
    "MTV_FRACTION",
    "burden",
    "lesion_quantities",
    "nothing_delineated",
    "quantities",
    "reference_mean",
]

MTV_FRACTION = 0.41
QUANTITIES = ("SUVmax", "SUVmean", "MTV41", "TLG41", "volume_ml", "count", "short_axis_mm")
ADDITIVE = ("MTV41", "TLG41", "volume_ml", "count")


def quantities(references: Sequence[str] = ()) -> tuple[str, ...]:
    """Name what is measured, in the order of tables; `TBR_{region}` of each reference is last."""
    return (*QUANTITIES, *(f"TBR_{region}" for region in references))


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
        ``count``
            1: one lesion.
        ``short_axis_mm`` (mm)
            extent across the longest axial diameter, see `short_axis_mm`.

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
    suv = _suv_inside(pet, mask, "lesion quantities")
    suv_max, voxel_ml = float(suv.max()), pet.voxel_volume_ml
    hot = suv[suv >= MTV_FRACTION * suv_max]
    mtv = hot.size * voxel_ml if suv_max > 0 else float("nan")
    return {
        "SUVmax": suv_max,
        "SUVmean": float(suv.mean()),
        "MTV41": mtv,
        "TLG41": float(hot.mean()) * mtv if suv_max > 0 else float("nan"),
        "volume_ml": suv.size * voxel_ml,
        "count": 1.0,
        "short_axis_mm": short_axis_mm(mask),
    }


def reference_mean(pet: Volume, mask: Volume) -> float:
    """Return the mean SUV of a reference region such as liver or blood pool; errors as above."""
    return float(_suv_inside(pet, mask, "reference region").mean())


def _suv_inside(pet: Volume, mask: Volume, what: str) -> NDArray[np.float64]:
    """Return the (n,) values of a region, n > 0, all finite."""
    if not pet.unit.startswith("SUV"):
        raise InputError(what, "unit of the image", "a kind of SUV", pet.unit)
    check_same_grid(pet, mask, f"{what}: mask and PET")
    suv = np.asarray(pet.array[np.asarray(mask.array) != 0], dtype=np.float64)
    if suv.size == 0:
        raise InputError(what, "mask", "at least one voxel", "an empty mask")
    if not np.isfinite(suv).all():
        bad = int(np.count_nonzero(~np.isfinite(suv)))
        found = f"NaN or infinity in {bad} of {suv.size} voxels"
        raise InputError(what, "SUV inside the mask", "finite numbers", found)
    return suv


def burden(
    lesions: Sequence[Mapping[str, float]], references: Mapping[str, float] | None = None
) -> dict[str, float]:
    """Bring the quantities of several lesions together.

    Each lesion has its own threshold, so that a cool lesion beside a hot one keeps its volume:
    MTV41, TLG41, volume and count are sums, SUVmax and the short axis are the largest, SUVmean is
    weighted by volume.

    Parameters
    ----------
    lesions : sequence of mappings
        As `lesion_quantities` returns them; at least one.
    references : mapping of str to float, optional
        Mean SUV by region of the body; NaN where the study has no such region of interest.

    Returns
    -------
    dict of str to float
        The names of `quantities(references)`. ``TBR_{region}`` is SUVmax over the mean SUV of the
        reference, NaN unless that is above zero. (Liver and blood pool as references: Wahl et al.
        2009, doi:10.2967/jnumed.108.057307.)
    """
    found = {name: float(sum(lesion[name] for lesion in lesions)) for name in ADDITIVE}
    weighted = sum(lesion["SUVmean"] * lesion["volume_ml"] for lesion in lesions)
    found["SUVmean"] = weighted / found["volume_ml"]
    for name in ("SUVmax", "short_axis_mm"):
        found[name] = max(lesion[name] for lesion in lesions)
    for region, mean in (references or {}).items():
        found[f"TBR_{region}"] = found["SUVmax"] / mean if mean > 0 else float("nan")
    return {name: found[name] for name in quantities(tuple(references or ()))}


def nothing_delineated(references: Sequence[str] = ()) -> dict[str, float]:
    """Return the quantities of no lesion: sums over none are 0, all else is undefined (NaN)."""
    return {name: 0.0 if name in ADDITIVE else float("nan") for name in quantities(references)}
