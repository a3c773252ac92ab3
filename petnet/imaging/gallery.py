"""Small pictures of a study for reports: slices through the lesion and a projection."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from petnet.errors import InputError
from petnet.imaging.config import ImagingConfig, Window
from petnet.imaging.crop import normalised, prepare_study, sampling
from petnet.imaging.grid import Grid
from petnet.imaging.transforms import LesionGridd, apply
from petnet.units import Series, Unit
from petnet.volume import read_stored

__all__ = ["gallery"]

SLICE_SPACING_MM = 2.0
PET_DISPLAY = Window(0.0, 10.0)
CT_DISPLAY = Window(-160.0, 240.0)
AXES = {"axial": 2, "coronal": 1}


def gallery(
    unit: Unit, config: ImagingConfig, device: torch.device | str = "cpu"
) -> dict[str, NDArray[Any]]:
    """Return pictures of a unit's first study that has a PET and a region.

    Pictures are (rows, columns) uint8 as shown: the patient's right on the left; anterior
    (axial) or superior (coronal, projection) on top.

    Returns
    -------
    dict of arrays
        `{axial,coronal}_{pet,ct,mask,outline}`: slices where the mask is largest (no `_ct`
        without a CT); `mip_pet`, `mip_mask`: coronal maximum intensity projections of the whole
        PET and of the mask. PET: 0..255 is SUV 0..10; CT: HU −160..240; mask, outline: 0 or 1.
        `slice_spacing_mm`, `mip_spacing_mm`: float64 scalars; `pet_range_suv`, `ct_range_hu`: (2,).

    Raises
    ------
    InputError
        As `crop_series`; or no study of the unit has both a PET and a region.
    """
    data, masks = prepare_study(_first(unit), device, read_stored)
    data = apply([LesionGridd(masks, config.crop_shape, config.spacing_mm)], data)
    field = data["pet_suv"].affine.numpy(), data["pet_suv"].shape[1:]
    whole = Grid.covering(*field, config.spacing_mm)
    without_ct = {key: value for key, value in data.items() if key != "ct_hu"}
    body = apply(sampling(config, masks, config.spacing_mm), {**without_ct, "grid": whole})
    pet, mask = body["pet_suv"].as_tensor()[0], body["mask"].as_tensor()[0]
    made: dict[str, NDArray[Any]] = {
        "mip_pet": _picture(normalised(pet.amax(1), PET_DISPLAY) * 255),
        "mip_mask": _picture(mask.amax(1)),
        "slice_spacing_mm": np.array(SLICE_SPACING_MM),
        "mip_spacing_mm": np.array(config.spacing_mm),
        "pet_range_suv": np.array([PET_DISPLAY.low, PET_DISPLAY.high]),
        "ct_range_hu": np.array([CT_DISPLAY.low, CT_DISPLAY.high]),
    }
    fine = Grid.covering(*field, SLICE_SPACING_MM)
    for name, axis in AXES.items():
        area = mask.sum(dim=[a for a in range(3) if a != axis])
        at_mm = (int(area.argmax()) + whole.first[axis]) * config.spacing_mm
        index = round(at_mm / SLICE_SPACING_MM) - fine.first[axis]
        plane = fine.plane(axis, min(max(index, 0), fine.shape[axis] - 1))
        made |= _slices(name, axis, apply(sampling(config, masks, 0.0), {**data, "grid": plane}))
    return made


def _first(unit: Unit) -> Series:
    for series in unit.series:
        if series.pet is not None and series.regions:
            return series
    raise InputError(f"unit {unit.id}", "studies", "one with a PET and a region", "none")


def _slices(name: str, axis: int, data: dict[Any, Any]) -> dict[str, NDArray[Any]]:
    made = {}
    for key, short, window in (("pet_suv", "pet", PET_DISPLAY), ("ct_hu", "ct", CT_DISPLAY)):
        if key in data:
            values = data[key].as_tensor()[0].select(axis, 0)
            made[f"{name}_{short}"] = _picture(normalised(values, window) * 255)
    mask = _picture(data["mask"].as_tensor()[0].select(axis, 0))
    return {**made, f"{name}_mask": mask, f"{name}_outline": _outline(mask)}


def _picture(values: torch.Tensor) -> NDArray[np.uint8]:
    """Turn (right-left, up) into rows from the top and columns from the patient's right."""
    shown: NDArray[np.uint8] = (
        values.round().to(torch.uint8).flip(0, 1).T.contiguous().cpu().numpy()
    )
    return shown


def _outline(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the pixels of a mask that have a neighbour (of four) outside of it."""
    padded = np.pad(mask, 1)
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & (1 - inner)
