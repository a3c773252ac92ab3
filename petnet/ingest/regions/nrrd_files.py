"""Label maps in NRRD files, those of 3D Slicer with their segments and layers among them."""

from __future__ import annotations

import bz2
import io
import math
import re
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from petnet.errors import InputError
from petnet.ingest.dicom.dicom_file import BROKEN
from petnet.ingest.refusal import Refused
from petnet.volume import StoredImage, label_values

__all__ = ["NrrdLabels", "NrrdSegment", "read_nrrd"]

#: What leads from a space of NRRD to RAS+.
SPACES = {
    "right-anterior-superior": (1.0, 1.0, 1.0),
    "ras": (1.0, 1.0, 1.0),
    "left-anterior-superior": (-1.0, 1.0, 1.0),
    "las": (-1.0, 1.0, 1.0),
    "left-posterior-superior": (-1.0, -1.0, 1.0),
    "lps": (-1.0, -1.0, 1.0),
}
MILLIMETRES = frozenset({"", "mm", "millimeter", "millimeters", "millimetre", "millimetres"})
MOST_HEADER_BYTES = 2**22
LARGEST_ITEM_BYTES = 8
MOST_VOXELS = 2**33
FARTHEST_MM, SMALLEST_MM3 = 1e6, 1e-9
SEGMENT = re.compile(r"Segment([0-9]{1,9})_(ID|Name|LabelValue|Layer)")


@dataclass(frozen=True, slots=True)
class NrrdSegment:
    """A segment as 3D Slicer describes it: the voxels of `label` in one of the layers."""

    name: str
    layer: int
    label: int


@dataclass(frozen=True, eq=False)
class NrrdLabels:
    """The label maps of a file.

    Attributes
    ----------
    layers : tuple of (X, Y, Z) array
        One, or several where segments overlap.
    affine : (4, 4) float64 array
        Voxel index to RAS+ millimetres.
    segments : tuple of NrrdSegment
        In the order of the file; none where it describes none.
    """

    layers: tuple[NDArray[Any], ...]
    affine: NDArray[np.float64]
    segments: tuple[NrrdSegment, ...]


def read_nrrd(path: Path) -> NrrdLabels:
    """Read a label map.

    Definition of the format: https://teem.sourceforge.net/nrrd/format.html; of the segments: 3D
    Slicer's vtkMRMLSegmentationStorageNode.

    Parameters
    ----------
    path : Path
        `.nrrd`, or `.nhdr` whose data lie in a file of the same folder; raw, gzip or bzip2.

    Raises
    ------
    Refused
        Malformed or truncated; a space without orientation, or not in millimetres; axes that are
        neither of space nor layers of segments; data outside of the folder.
    """
    import nrrd

    broken = (*BROKEN, nrrd.NRRDError, StopIteration)
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is malformed is refused
            header: dict[str, Any] = dict(nrrd.read_header(_header_lines(file)))
            data = io.BytesIO(_data(path, file, header))
            array = nrrd.read_data({**header, "encoding": "raw"}, data, index_order="F")
        axes, affine = _geometry(header, array.ndim)
    except broken as error:
        found = f"a malformed, truncated or unreadable file ({type(error).__name__})"
        raise Refused("file", "an NRRD image", found) from error
    layers, segments = _layers(array, axes), _segments(header, array.ndim)
    if len(layers) > 1 and not segments:
        raise Refused("dimension", "3, or segments in layers", f"4 with {len(layers)} images")
    _check_segments(segments, len(layers))
    return NrrdLabels(tuple(_labels(layer, affine, path) for layer in layers), affine, segments)


def _header_lines(file: BinaryIO) -> list[str]:
    """Read the header up to the empty line after it; names of segments are UTF-8."""
    lines = []
    left = MOST_HEADER_BYTES
    while left > 0:
        line = file.readline(left)
        left -= len(line)
        if not line.strip():
            break
        lines.append(line.decode("utf-8", "replace").rstrip("\r\n"))
    return lines


def _data(path: Path, file: BinaryIO, header: dict[str, Any]) -> bytes:
    """Return the values as they are without compression; takes from `header` where they lie."""
    names = [header.pop(key) for key in ("data file", "datafile") if key in header]
    content = _beside(path, str(names[0])).read_bytes() if names else file.read()
    encoding = str(header["encoding"]).lower()
    for key in ("line skip", "lineskip", "byte skip", "byteskip"):
        allowed = (0, -1) if encoding == "raw" and key.startswith("byte") else (0,)
        if header.get(key, 0) not in allowed:
            raise Refused(key, "0: data that follow the header or fill a file", "another number")
    voxels = math.prod(int(n) for n in header["sizes"])
    if not 0 < voxels <= MOST_VOXELS:
        raise Refused("sizes", f"1 to {MOST_VOXELS} voxels", "another number")
    most = voxels * LARGEST_ITEM_BYTES  # a bound for what inflates without end
    if encoding == "raw":
        return content
    if encoding in ("gzip", "gz"):
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(content, most)
    if encoding in ("bzip2", "bz2"):
        return bz2.BZ2Decompressor().decompress(content, most)
    raise Refused("encoding", "raw, gzip or bzip2", "another")


def _beside(path: Path, name: str) -> Path:
    """Return the file that a detached header names, which must lie in the header's folder."""
    folder = path.parent.resolve()
    data = (folder / name).resolve()
    if name.split()[:1] == ["LIST"] or "%" in name:
        raise Refused("data file", "one file", "several")
    if not data.is_relative_to(folder):
        raise Refused("data file", "a file in the folder of the header", "one outside of it")
    return data


def _geometry(
    header: dict[str, Any], dimension: int
) -> tuple[tuple[int, ...], NDArray[np.float64]]:
    """Return which axes are those of space, and the affine of their indices."""
    space = str(header.get("space", "")).lower()
    if space not in SPACES:
        expected = "left-posterior-superior, left-anterior-superior or right-anterior-superior"
        raise Refused("space", expected, "another" if space else "none")
    units = header.get("space units", [])
    if any(str(unit).lower() not in MILLIMETRES for unit in units):
        raise Refused("space units", "mm", "others")
    for key in ("space directions", "space origin"):
        if key not in header:
            raise Refused(key, "where the voxels lie", "none")
    directions = np.asarray(header["space directions"], dtype=np.float64)
    origin = np.asarray(header["space origin"], dtype=np.float64)
    if directions.shape != (dimension, 3) or origin.shape != (3,):
        raise Refused("space directions", "three numbers for each axis", "others")
    spatial = np.isfinite(directions).all(axis=1)
    if spatial.sum() != 3 or not np.isfinite(origin).all():
        raise Refused("space directions", "three axes of space", str(int(spatial.sum())))
    affine = np.eye(4)
    affine[:3] = np.column_stack([directions[spatial].T, origin])
    affine[:3] *= np.array(SPACES[space])[:, None]
    if np.abs(affine).max() > FARTHEST_MM or not abs(np.linalg.det(affine)) > SMALLEST_MM3:
        raise Refused("space directions", "three independent axes in mm", "others")
    return tuple(int(axis) for axis in np.flatnonzero(spatial)), affine


def _layers(array: NDArray[Any], axes: tuple[int, ...]) -> tuple[NDArray[Any], ...]:
    """Part what lies beside the axes of space."""
    others = tuple(axis for axis in range(array.ndim) if axis not in axes)
    if len(others) > 1:
        raise Refused("dimension", "3, or 4 with layers", str(array.ndim))
    return tuple(np.moveaxis(array, others[0], 0)) if others else (array,)


def _labels(layer: NDArray[Any], affine: NDArray[np.float64], path: Path) -> NDArray[Any]:
    if layer.dtype.kind not in "iuf":
        raise Refused("type", "numbers", "blocks")
    try:
        return label_values(StoredImage(layer, affine, 1.0, 0.0), path)
    except InputError as error:
        raise Refused(error.field, error.expected, error.found) from error


def _segments(header: dict[str, Any], dimension: int) -> tuple[NrrdSegment, ...]:
    """Read what 3D Slicer says of its segments.

    Files of before version 4.11 hold a layer for each segment, and no LabelValue or Layer.
    """
    found: dict[int, dict[str, str]] = {}
    for key, value in header.items():
        match = SEGMENT.fullmatch(str(key))
        if match:
            found.setdefault(int(match[1]), {})[match[2]] = str(value)
    segments = []
    for place, (number, said) in enumerate(sorted(found.items())):
        name = said.get("Name") or said.get("ID") or f"Segment {number}"
        segments.append(
            NrrdSegment(
                name=" ".join("".join(c if c.isprintable() else " " for c in name).split()),
                layer=_whole(said, "Layer", place if dimension > 3 else 0),
                label=_whole(said, "LabelValue", 1),
            )
        )
    return tuple(segments)


def _whole(said: dict[str, str], key: str, default: int) -> int:
    text = said.get(key, str(default))
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise Refused(f"Segment_{key}", "a whole number from 0 on", "something else")
    return int(text)


def _check_segments(segments: tuple[NrrdSegment, ...], layers: int) -> None:
    for segment in segments:
        if segment.layer >= layers:
            raise Refused("Segment_Layer", f"one of {layers} layers", str(segment.layer))
        if segment.label < 1:
            raise Refused("Segment_LabelValue", "a label above 0", str(segment.label))
