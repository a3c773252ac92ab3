"""Slices of a run's gallery as pictures: inverted PET, CT, fusion, and the lesion's outline."""

from __future__ import annotations

import base64
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from petnet.errors import InputError

__all__ = ["Gallery", "Picture", "View", "outline_path", "pictures", "png_uri", "read_gallery"]

Kind = Literal["pet", "ct", "fused"]
FAINT, MARGIN = 5, 3  # of 255; pixels
VIEWS = ("mip", "coronal", "sagittal", "axial")
SHOWN: dict[str, tuple[Kind, ...]] = {
    "mip": ("pet",),
    "coronal": ("fused",),
    "sagittal": ("fused",),
    "axial": ("ct", "pet", "fused"),
}


@dataclass(frozen=True, eq=False)
class View:
    """One plane of one patient; rows run downwards, columns to the right.

    Attributes
    ----------
    name : str
        mip, coronal, sagittal or axial.
    pet, ct : (R, C) uint8 arrays or None
        Bright is high.
    mask : (R, C) bool array or None
    spacing_mm : (float, float)
        Of rows and of columns.
    """

    name: str
    pet: NDArray[np.uint8] | None
    ct: NDArray[np.uint8] | None
    mask: NDArray[np.bool_] | None
    spacing_mm: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Gallery:
    """The views of one patient, and what black and white stand for (None where not said)."""

    views: tuple[View, ...]
    pet_range_suv: tuple[float, float] | None
    ct_range_hu: tuple[float, float] | None


@dataclass(frozen=True)
class Picture:
    """A picture ready for the page.

    Attributes
    ----------
    view : str
    kind : {"pet", "ct", "fused"}
    data : str
        PNG as a data URI.
    width, height : float
        In mm, so that pixels need not be square.
    outline : str
        SVG path in mm; empty where no lesion is in the plane.
    """

    view: str
    kind: Kind
    data: str
    width: float
    height: float
    outline: str


def read_gallery(path: Path) -> Gallery:
    """Read a gallery file: uint8 arrays `{view}_pet`, `{view}_ct`, `{view}_mask` and spacings.

    The spacing of a view is `{view}_spacing_mm`, `slice_spacing_mm` or `spacing_mm`: one number, or
    several of which the last two are those of rows and columns; else pixels count as square.
    Margins that show nothing but air are trimmed.

    Raises
    ------
    InputError
        The file is broken, or an array has not the shape or type that it should.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in stored.files}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(str(path), "content", "arrays saved by numpy", str(error)) from None
    views = []
    for name in VIEWS:
        found = {what: arrays.get(f"{name}_{what}") for what in ("pet", "ct", "mask")}
        shapes = {a.shape for a in found.values() if a is not None}
        if found["pet"] is None and found["ct"] is None:
            continue
        if len(shapes) > 1 or any(len(s) != 2 or 0 in s for s in shapes):
            raise InputError(str(path), name, "planes of one shape", str(sorted(shapes)))
        for what in ("pet", "ct"):
            array = found[what]
            if array is not None and array.dtype != np.uint8:
                raise InputError(str(path), f"{name}_{what}", "uint8", str(array.dtype))
        mask = None if found["mask"] is None else found["mask"] > 0
        spacing_mm = _spacing(path, name, arrays)
        views.append(_trimmed(View(name, found["pet"], found["ct"], mask, spacing_mm)))
    ranges = [_range(arrays.get(key)) for key in ("pet_range_suv", "ct_range_hu")]
    return Gallery(tuple(views), ranges[0], ranges[1])


def _range(array: NDArray | None) -> tuple[float, float] | None:
    if array is None or array.size != 2:
        return None
    low, high = np.ravel(array).astype(np.float64)
    return float(low), float(high)


def _trimmed(view: View) -> View:
    """Cut the empty margins off: neither CT nor uptake nor lesion within some pixels."""
    filled = np.zeros((1, 1), dtype=bool)
    for array, least in ((view.pet, FAINT), (view.ct, 0), (view.mask, 0)):
        if array is not None:
            filled = filled | (array > least)
    if not filled.any():
        return view
    box = []
    for axis in (1, 0):
        inside = np.flatnonzero(filled.any(axis=axis))
        box.append(slice(max(0, int(inside[0]) - MARGIN), int(inside[-1]) + MARGIN + 1))
    rows, columns = box
    cut = [None if a is None else a[rows, columns] for a in (view.pet, view.ct, view.mask)]
    return View(view.name, cut[0], cut[1], cut[2], view.spacing_mm)  # type: ignore[arg-type]


def _spacing(path: Path, name: str, arrays: dict[str, NDArray]) -> tuple[float, float]:
    for key in (f"{name}_spacing_mm", "slice_spacing_mm", "spacing_mm"):
        if key in arrays:
            value = np.ravel(arrays[key]).astype(np.float64)
            if not value.size or not (np.isfinite(value).all() and (value > 0).all()):
                raise InputError(str(path), key, "positive numbers of mm", str(value))
            return float(value[-2:][0]), float(value[-1])
    return 1.0, 1.0


def pictures(view: View) -> tuple[Picture, ...]:
    """Return the pictures of one view that its arrays allow."""
    mask = np.zeros((1, 1), dtype=bool) if view.mask is None else view.mask
    outline = outline_path(mask, view.spacing_mm)
    made = []
    for kind in SHOWN[view.name]:
        pixels = _pixels(view, kind)
        if pixels is not None:
            height, width = np.multiply(pixels.shape[:2], view.spacing_mm)
            made.append(
                Picture(view.name, kind, png_uri(pixels), float(width), float(height), outline)
            )
    return tuple(made)


def _pixels(view: View, kind: Kind) -> NDArray[np.uint8] | None:
    if kind == "ct":
        return view.ct
    if kind == "pet":
        return None if view.pet is None else 255 - view.pet
    if view.pet is None or view.ct is None:
        return None
    return _fuse(view.pet, view.ct)


def _fuse(pet: NDArray[np.uint8], ct: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Lay PET in the hot scale over grey CT; the less uptake, the more transparent."""
    import matplotlib as mpl

    hot = mpl.colormaps["hot"](pet)[..., :3]
    uptake = pet[..., None] / 255
    cover = np.clip((uptake - 0.1) * 2.2, 0, 0.8)
    mixed = (1 - cover) * (ct[..., None] / 255) * 0.92 + cover * hot
    pixels: NDArray[np.uint8] = np.clip(np.rint(mixed * 255), 0, 255).astype(np.uint8)
    return pixels


def png_uri(pixels: NDArray[np.uint8]) -> str:
    """Encode as PNG; colours are reduced to 256, which no eye sees at this size."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(pixels))
    if image.mode == "RGB":
        image = image.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def outline_path(mask: NDArray[np.bool_], spacing_mm: tuple[float, float]) -> str:
    """Return the border of the mask as an SVG path in mm, halfway between inside and outside."""
    if not mask.any():
        return ""
    from contourpy import contour_generator

    padded = np.pad(mask, 1).astype(np.float64)
    rows, columns = (
        (np.arange(n + 2) - 0.5) * step for n, step in zip(mask.shape, spacing_mm, strict=True)
    )
    lines = contour_generator(columns, rows, padded).lines(0.5)
    parts = []
    for line in lines:
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in np.asarray(line)[:-1])
        parts.append(f"M{points}Z")
    return "".join(parts)
