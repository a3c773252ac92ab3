"""From the files of one study to its crop: absolute SUV and HU and the lesion mask on one grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any, Literal

import torch
from monai.transforms.spatial.dictionary import Orientationd
from torch import Tensor

from petnet.errors import InputError, PetnetError
from petnet.imaging.config import ImagingConfig, Window
from petnet.imaging.transforms import (
    Antialiasd,
    BoxAroundGridd,
    Indicatord,
    LesionGridd,
    LoadStoredd,
    Reader,
    ResampleToGridd,
    Scaled,
    Uniond,
    apply,
)
from petnet.ingest.quality import implausible_range
from petnet.units import Series
from petnet.volume import read_stored

__all__ = ["SeriesCrop", "crop_series", "label_sets", "normalised", "prepare_study", "sampling"]

IMAGES = ("pet_suv", "ct_hu")


@dataclass(frozen=True, eq=False)
class SeriesCrop:
    """The crop of one study around its lesions.

    Attributes
    ----------
    pet_suv, ct_hu : (X, Y, Z) float32 tensor or None
        None where the study has no such image.
    mask : (X, Y, Z) uint8 tensor
    centre_mm : (3,) tuple of float
        Middle of the grid in RAS+ mm.
    covered : float
        Part of the delineated volume that lies in the crop.
    point_mask : bool
        Whether the lesion was too small for the grid and is marked by one voxel.
    """

    pet_suv: Tensor | None
    ct_hu: Tensor | None
    mask: Tensor
    centre_mm: tuple[float, float, float]
    covered: float
    point_mask: bool


def label_sets(series: Series) -> dict[Path, frozenset[int] | None]:
    """Return the label map files of a study and the labels wanted of each (None: all above 0)."""
    made: dict[Path, frozenset[int] | None] = {}
    for region in series.regions:
        before = made.get(region.path, frozenset())
        whole = region.label is None or before is None
        made[region.path] = None if whole else (before or frozenset()) | {region.label or 0}
    return made


def prepare_study(
    series: Series, device: torch.device | str, reader: Reader
) -> tuple[dict[Any, Any], list[str]]:
    """Load a study and orient it to RAS, on the device.

    Returns
    -------
    data : dict
        `pet_suv` and `ct_hu` where the study has them (stored numbers as yet), indicators.
    masks : list of str
        Keys of the indicators.
    """
    labels = label_sets(series)
    masks = [f"mask_{i}" for i in range(len(labels))]
    data: dict[Any, Any] = dict(zip(masks, labels, strict=True))
    data |= {
        key: path
        for key, path in zip(IMAGES, (series.pet, series.ct), strict=True)
        if path is not None
    }
    keys = list(data)
    steps: list[Callable[[Any], Any]] = [
        LoadStoredd(keys, device, reader),
        Indicatord(masks, list(labels.values())),
        Orientationd(keys, axcodes="RAS", labels=(("L", "R"), ("P", "A"), ("I", "S"))),
    ]
    return apply(steps, data), masks


def sampling(config: ImagingConfig, masks: list[str], antialias_mm: float) -> list[Any]:
    """Return the transforms from prepared images to the grid in `data["grid"]`."""
    outside = [config.pet_outside_suv, config.ct_outside_hu]
    steps: list[Any] = [
        BoxAroundGridd(IMAGES, antialias_mm, allow_missing_keys=True),
        Scaled(IMAGES, outside, masks, allow_missing_keys=True),
        Antialiasd(IMAGES, antialias_mm, allow_missing_keys=True),
        ResampleToGridd(IMAGES, outside, allow_missing_keys=True),
    ]
    if masks:
        steps += [BoxAroundGridd(masks), ResampleToGridd(masks, [0.0] * len(masks)), Uniond(masks)]
    return steps


def crop_series(
    series: Series,
    config: ImagingConfig,
    device: torch.device | str,
    reader: Reader = read_stored,
) -> SeriesCrop:
    """Make the crop of one study on the device.

    Raises
    ------
    InputError
        A file is unreadable or not what it should be, values cannot be SUV or HU, a label does not
        occur, a value inside the mask is not finite, or the lesion lies outside of the PET.
    """
    data, masks = prepare_study(series, device, reader)
    _check_units(data)
    data = apply([LesionGridd(masks, config.crop_shape, config.spacing_mm)], data)
    _check_overlap(series, data)
    data = apply(sampling(config, masks, config.spacing_mm if config.antialias else 0.0), data)
    low, high = data["grid"].outer_mm()
    x, y, z = ((low + high) / 2).tolist()
    return SeriesCrop(
        _plain(data.get("pet_suv")),
        _plain(data.get("ct_hu")),
        data["mask"].as_tensor()[0],
        (x, y, z),
        data["covered"],
        data["point_mask"],
    )


def _plain(image: Any) -> Tensor | None:
    return None if image is None else image.as_tensor()[0].contiguous()


def _check_units(data: dict[Any, Any]) -> None:
    """Refuse a PET that cannot be in SUV and a CT that cannot be in HU."""
    modalities: tuple[Literal["PT", "CT"], ...] = ("PT", "CT")
    for key, modality in zip(IMAGES, modalities, strict=True):
        if key not in data:
            continue
        stored = data[key].as_tensor()
        finite = stored[stored.isfinite()] if stored.is_floating_point() else stored
        meta, ends = data[key].meta, [nan, nan]
        if finite.numel():
            ends = sorted(float(v) * meta["slope"] + meta["intercept"] for v in finite.aminmax())
        fault = implausible_range(modality, ends[0], ends[1])
        if fault:
            raise PetnetError(f"{meta['source']}: {fault}")


def _check_overlap(series: Series, data: dict[Any, Any]) -> None:
    for key in IMAGES:
        if key not in data:
            continue
        image = data[key]
        inverse = torch.linalg.inv(image.affine.double()).numpy()
        index = inverse[:3, :3] @ data["lesion_mm"] + inverse[:3, 3]
        if any(not -0.5 <= i <= n - 0.5 for i, n in zip(index, image.shape[1:], strict=True)):
            raise InputError(
                str(image.meta["source"]),
                "field of view",
                f"one that holds the lesion of study {series.study}",
                f"the lesion's centroid at {data['lesion_mm'].round(1).tolist()} mm, outside of it",
            )


def normalised(values: Tensor, window: Window) -> Tensor:
    """Return values in 0..1 by the window's rule (see `Window`)."""
    clipped = values.clamp(window.low, window.high) - window.low
    width = window.high - window.low
    if window.curve == "linear":
        return clipped / width
    top = torch.asinh(torch.tensor(width / window.knee, dtype=values.dtype, device=values.device))
    return torch.asinh(clipped / window.knee) / top
