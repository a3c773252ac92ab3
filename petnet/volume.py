"""Volume: an array with its affine, unit, modality and tracer; reading and writing NIfTI."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from petnet.errors import InputError
from petnet.files import atomic_path

__all__ = [
    "Modality",
    "StoredImage",
    "Unit",
    "Volume",
    "check_same_grid",
    "describe_grid",
    "is_oriented",
    "label_values",
    "mask_of",
    "read_mask",
    "read_stored",
    "read_volume",
    "same_grid",
    "write_volume",
]

Modality = Literal["PT", "CT", "MASK"]
Unit = Literal["SUVbw", "SUVlbm", "SUVbsa", "SUVibw", "Bq/ml", "HU", "label", "feature"]
GEOMETRY_TOLERANCE_MM = 1e-2
SHEAR_TOLERANCE = 1e-3
# nibabel logs what it also raises, and what _check_header refuses before it can be mended
logging.getLogger("nibabel.global").setLevel(logging.CRITICAL + 1)
LABEL_TOLERANCE = 1e-3  # of whole numbers kept as floats, or scaled ones


@dataclass(frozen=True, eq=False)
class Volume:
    """A 3D image in physical space.

    Attributes
    ----------
    array : (X, Y, Z) array
        Values in `unit`; axes in the stored voxel order.
    affine : (4, 4) float64 array
        Voxel index to RAS+ millimetres.
    unit, modality : str
    tracer : str or None
        "FDG", "FAPI", ...; None for CT and masks.
    """

    array: NDArray[Any]
    affine: NDArray[np.float64]
    unit: Unit
    modality: Modality
    tracer: str | None = None

    def __post_init__(self) -> None:
        if self.array.ndim != 3:
            raise InputError("volume", "dimensions", "3", f"{self.array.ndim}: {self.array.shape}")
        if self.affine.shape != (4, 4):
            raise InputError("volume", "affine shape", "(4, 4)", str(self.affine.shape))
        if self.unit not in get_args(Unit):
            raise InputError("volume", "unit", f"one of {get_args(Unit)}", repr(self.unit))
        if self.modality not in get_args(Modality):
            raise InputError(
                "volume", "modality", f"one of {get_args(Modality)}", repr(self.modality)
            )

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Voxel edge lengths along the array's three axes."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(x), float(y), float(z)

    @property
    def voxel_volume_ml(self) -> float:
        """Volume of one voxel in millilitres."""
        return float(abs(np.linalg.det(self.affine[:3, :3])) / 1000.0)

    def with_array(self, array: NDArray[Any]) -> Volume:
        """Return a copy with other values on the same grid."""
        return replace(self, array=array)


@dataclass(frozen=True, eq=False)
class StoredImage:
    """A NIfTI image as it lies on disk: value = array · slope + intercept.

    Attributes
    ----------
    array : (X, Y, Z) array
        Stored dtype and stored voxel order.
    affine : (4, 4) float64 array
        Voxel index to RAS+ millimetres.
    slope, intercept : float
    """

    array: NDArray[Any]
    affine: NDArray[np.float64]
    slope: float
    intercept: float


def describe_grid(shape: Sequence[int], affine: NDArray[np.float64]) -> str:
    """Return shape, spacing and origin in words for messages."""
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    return (
        f"shape {tuple(int(n) for n in shape)}, "
        f"spacing {tuple(round(float(s), 4) for s in spacing)} mm, "
        f"origin {tuple(round(float(o), 3) for o in affine[:3, 3])} mm"
    )


def same_grid(a: Volume, b: Volume, tolerance_mm: float = GEOMETRY_TOLERANCE_MM) -> bool:
    """Tell whether every voxel centre of `a` and `b` coincides within `tolerance_mm`."""
    if a.array.shape != b.array.shape:
        return False
    if (a.affine == b.affine).all():
        return True
    corners = np.array(np.meshgrid(*[[0, n - 1] for n in a.array.shape])).reshape(3, -1)
    homogeneous = np.vstack([corners, np.ones(corners.shape[1])])
    shift = (a.affine - b.affine) @ homogeneous
    return bool(np.abs(shift[:3]).max() <= tolerance_mm)


def check_same_grid(a: Volume, b: Volume, what: str) -> None:
    """Raise an error that prints both geometries unless `a` and `b` share a grid."""
    if not same_grid(a, b):
        raise InputError(
            what,
            "grid",
            describe_grid(a.array.shape, a.affine),
            describe_grid(b.array.shape, b.affine),
        )


def read_stored(path: Path) -> StoredImage:
    """Read a NIfTI file without scaling or reorienting it.

    Raises
    ------
    InputError
        Missing, truncated, not NIfTI, not 3D, not of real numbers, spacing that is not positive
        or not in millimetres, sheared affine.
    """
    import nibabel as nib

    path = Path(path)
    if not path.is_file():
        found = "a folder" if path.is_dir() else "no such file"
        raise InputError(str(path), "file", "an existing NIfTI file", found)
    try:
        _check_header(path, _raw_header(path))
        image: Any = nib.load(path)
        if not isinstance(image, nib.Nifti1Image):
            raise InputError(str(path), "format", "NIfTI in one file", type(image).__name__)
        proxy: Any = image.dataobj
        array = np.asarray(proxy.get_unscaled())
    except (nib.filebasedimages.ImageFileError, nib.spatialimages.HeaderDataError) as error:
        raise InputError(str(path), "format", "a NIfTI image", str(error)) from error
    except (EOFError, OSError, zlib.error, ValueError, MemoryError, OverflowError) as error:
        raise InputError(
            str(path), "voxel data", "a complete NIfTI image", f"unreadable data ({error})"
        ) from error
    if array.ndim > 3 and all(n == 1 for n in array.shape[3:]):
        array = array.reshape(array.shape[:3])
    affine = np.asarray(image.affine, dtype=np.float64)
    _check_array(path, array)
    _check_geometry(path, affine)
    return StoredImage(array, affine, float(proxy.slope), float(proxy.inter))


def is_oriented(path: Path) -> bool:
    """Tell whether the header says where the image lies in the body.

    Without a code for its qform or sform the spacing is all that is known: the axes are taken to
    run to the left, front and top, and the centre of the image to be the origin.

    Raises
    ------
    InputError
        No NIfTI header can be read.
    """
    try:
        header = _raw_header(path)
    except (EOFError, OSError, zlib.error) as error:
        raise InputError(str(path), "format", "a NIfTI image", str(error)) from error
    return bool(header["qform_code"] > 0 or header["sform_code"] > 0)


def _raw_header(path: Path) -> Any:
    """Return the header as it stands; nibabel's own reading mends zero and negative spacing."""
    import nibabel as nib

    with nib.openers.ImageOpener(str(path)) as stream:
        head = stream.read(540)
    kinds: tuple[Any, ...] = (nib.Nifti1Header, nib.Nifti2Header)
    for kind in kinds:
        size = kind.sizeof_hdr
        if len(head) >= size:
            header = kind(head[:size], check=False)
            if header["sizeof_hdr"] == size and bytes(header["magic"])[:1] == b"n":
                return header
    found = f"other data, {len(head)} bytes or more" if len(head) >= 348 else f"{len(head)} bytes"
    raise InputError(str(path), "header", "that of a NIfTI image", found)


def _check_header(path: Path, header: Any) -> None:
    """Refuse spacing that is not positive, or not in millimetres."""
    spacing = np.asarray(header["pixdim"][1:4], dtype=np.float64)
    if not (np.isfinite(spacing).all() and (spacing > 0).all()):
        raise InputError(
            str(path), "spacing", "three positive numbers in mm", str(spacing.round(6).tolist())
        )
    unit = {1: "metres", 3: "micrometres"}.get(int(header["xyzt_units"]) & 7)
    if unit:
        raise InputError(str(path), "unit of the spacing", "millimetres", unit)


def _check_array(path: Path, array: NDArray[Any]) -> None:
    if array.ndim != 3:
        raise InputError(str(path), "dimensions", "3", f"{array.ndim} (shape {array.shape})")
    if not array.size:
        raise InputError(str(path), "shape", "at least one voxel", str(array.shape))
    if array.dtype.kind not in "biuf":
        kind = "complex" if array.dtype.kind == "c" else "colour"
        raise InputError(str(path), "voxel type", "real numbers", f"{kind} values")


def _check_geometry(path: Path, affine: NDArray[np.float64]) -> None:
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite(affine).all():
        raise InputError(str(path), "affine", "finite numbers", str(affine.tolist()))
    if (spacing <= 1e-6).any():
        raise InputError(
            str(path), "spacing", "three positive numbers in mm", str(spacing.round(6).tolist())
        )
    directions = affine[:3, :3] / spacing
    shear = np.abs(directions.T @ directions - np.eye(3)).max()
    if shear > SHEAR_TOLERANCE:
        raise InputError(
            str(path),
            "affine",
            "perpendicular axes",
            f"axes sheared by up to {np.degrees(np.arcsin(min(shear, 1.0))):.2f} degrees",
        )


def read_volume(path: Path, unit: Unit, modality: Modality, tracer: str | None = None) -> Volume:
    """Read a NIfTI image as float32 values in `unit`.

    Returns
    -------
    Volume
        `array` of shape (X, Y, Z), float32, scaled by the header's slope and intercept.

    Raises
    ------
    InputError
        As `read_stored`.
    """
    stored = read_stored(path)
    return Volume(_scaled(stored), stored.affine, unit, modality, tracer)


def _scaled(stored: StoredImage) -> NDArray[np.float32]:
    """Return stored · slope + intercept, computed in float64 and rounded once to float32."""
    array, slope, intercept = stored.array, stored.slope, stored.intercept
    widest = {"b": 1, "u": 4, "i": 4, "f": 8}  # bytes of which float64 holds every value
    if (slope, intercept) == (1.0, 0.0) and array.dtype.itemsize <= widest.get(array.dtype.kind, 0):
        made: NDArray[np.float32] = array.astype(np.float32)
        made += np.float32(0.0)  # -0 becomes 0, as it does where there is an intercept to add
        return made
    made = np.empty_like(array, dtype=np.float32)
    for k in range(array.shape[2]):  # a float64 copy of the whole is twice the result
        made[:, :, k] = array[:, :, k].astype(np.float64) * slope + intercept
    return made


def read_mask(path: Path, label: int | None = None) -> Volume:
    """Read a label map as a mask.

    Parameters
    ----------
    path : Path
        NIfTI file of integers.
    label : int, optional
        The label that belongs; None takes every voxel above zero.

    Returns
    -------
    Volume
        `array` of shape (X, Y, Z), bool.

    Raises
    ------
    InputError
        As `read_stored`, or values are no labels, or the label is absent, or the mask is empty.
    """
    return mask_of(read_stored(path), label, path)


def mask_of(stored: StoredImage, label: int | None, source: Path) -> Volume:
    """Take one label of a label map that is already read; `read_mask` says what and when not."""
    values = label_values(stored, source)
    mask = values > 0 if label is None else values == label
    if not mask.any():
        present = np.unique(values)[:20].astype(float).tolist()
        wanted = "at least one voxel above 0" if label is None else f"label {label}"
        raise InputError(str(source), "mask", wanted, f"an image with values {present}")
    return Volume(mask, stored.affine, "label", "MASK")


def label_values(stored: StoredImage, source: Path) -> NDArray[Any]:
    """Return the labels; fractions (interpolated masks, probabilities) have no rule, so none.

    Raises
    ------
    InputError
        Values that are no whole numbers.
    """
    if stored.array.dtype.kind in "biu" and (stored.slope, stored.intercept) == (1.0, 0.0):
        return stored.array
    values: NDArray[Any] = stored.array.astype(np.float64) * stored.slope + stored.intercept
    near: NDArray[Any] = np.rint(values)
    with np.errstate(invalid="ignore"):  # infinity less infinity
        whole = np.abs(values - near) <= LABEL_TOLERANCE
    if not whole.all():
        found = f"{int((~whole).sum())} voxels with values such as {values[~whole][0]:.4g}"
        raise InputError(str(source), "mask", "whole numbers (labels)", found)
    return near


def write_volume(path: Path, volume: Volume, dtype: Any = np.float32, level: int = 1) -> None:
    """Write a volume as NIfTI, whole or not at all.

    Parameters
    ----------
    dtype : NumPy dtype
        Stored type; values are rounded for integer types.
    level : int
        gzip level for names that end in .gz.
    """
    import gzip

    import nibabel as nib

    array = volume.array
    if np.issubdtype(dtype, np.integer) and not np.issubdtype(array.dtype, np.integer):
        array = np.rint(array)
    image: Any = nib.Nifti1Image(  # type: ignore[no-untyped-call]
        array.astype(dtype, copy=False), volume.affine
    )
    image.header.set_xyzt_units("mm")
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        if Path(path).suffix == ".gz":  # no time stamp, so that equal volumes are equal files
            with gzip.GzipFile("", "wb", level, file, mtime=0) as packed:
                image.to_stream(packed)
        else:
            image.to_stream(file)
