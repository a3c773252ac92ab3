"""Masks in NIfTI and NRRD files as regions on the grid of an image."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from petnet.errors import InputError
from petnet.ingest.boxes import Box
from petnet.ingest.records import Region, Source
from petnet.ingest.refusal import Refused
from petnet.ingest.regions.label_names import names_beside
from petnet.ingest.regions.lattice import Steps, put, steps_between
from petnet.ingest.regions.nrrd_files import NrrdLabels, read_nrrd
from petnet.ingest.regions.rules import distinct_names
from petnet.volume import describe_grid, is_oriented, label_values, read_stored

__all__ = ["mask_regions"]

NIFTI, NRRD = (".nii", ".nii.gz"), (".nrrd", ".nhdr")
MOST_REGIONS = 1000  # an image of whole numbers has more values than any label map
LARGEST_LABEL = 2**16 - 1
EMPTY = "no voxel of the image belongs to it"
PART = "it is part of the image's grid, not the whole"


@dataclass(frozen=True, eq=False)
class _Part:
    """One region of a file: the voxels of one label in one of its layers."""

    name: str
    number: int
    layer: int
    label: int


@dataclass(frozen=True, eq=False)
class _Labels:
    """A file's label maps, one or more on one grid, and the regions in them."""

    source: Source
    layers: tuple[NDArray[Any], ...]
    affine: NDArray[np.float64]
    parts: tuple[_Part, ...]
    boxes: tuple[tuple[Box | None, ...], ...]
    notes: tuple[str, ...]
    remedy: str | None = None


def mask_regions(
    path: Path,
    shape: tuple[int, int, int],
    affine: NDArray[np.float64],
    keep: Callable[[str], bool] | None = None,
) -> tuple[Region, ...]:
    """Read the regions of a mask that lies on an image's grid.

    The grid is the image's when voxel centres coincide within 0.01 mm, in whatever order and
    direction the axes run. A mask may be cropped, as 3D Slicer does: a note says so.

    Names are those of the file's segments (3D Slicer's `.seg.nrrd`), else of a table beside it (see
    `names_beside`); else a file with one label gives its own name to the region, and one with
    several its name and the label: "mask 3".

    Parameters
    ----------
    path : Path
        `.nii`, `.nii.gz`, `.nrrd` or `.nhdr`.
    shape : tuple of int
        (X, Y, Z) of the image.
    affine : (4, 4) float64 array
        Voxel index of the image to RAS+ millimetres.
    keep : callable, optional
        Takes a region's name; the others are not put onto the grid. None keeps all.

    Returns
    -------
    tuple of Region
        In the order of labels, or of the file's segments. The mask of a named segment may be empty;
        a note says so.

    Raises
    ------
    Refused
        Not readable; values that are no labels; no label at all; another grid (both are printed).
    """
    path = Path(path)
    name = path.name.lower()
    if name.endswith(NIFTI):
        found = _nifti(path)
    elif name.endswith(NRRD):
        found = _nrrd(path)
    else:
        raise Refused("file", f"one of {', '.join((*NIFTI, *NRRD))}", "another kind")
    steps, notes = _lie(found, shape, affine)
    regions = []
    for part in found.parts:
        if keep is not None and not keep(part.name):
            continue
        mask = np.zeros(shape, dtype=bool, order="F")
        box = found.boxes[part.layer][part.label - 1 : part.label]
        if box and box[0] is not None:
            inside = found.layers[part.layer][box[0]] == part.label
            if put(inside, steps.of_part(box[0]), mask):
                raise _other_grid(found, shape, affine)
        region = Region.of(part.name, part.number, mask, found.source)
        said = (*found.notes, *notes, *((EMPTY,) if region.is_empty else ()))
        regions.append(replace(region, notes=said))
    return distinct_names(regions)


def _lie(
    found: _Labels, shape: tuple[int, int, int], affine: NDArray[np.float64]
) -> tuple[Steps, tuple[str, ...]]:
    own = found.layers[0].shape
    steps = steps_between(own, found.affine, affine)
    if steps is None:
        raise _other_grid(found, shape, affine)
    covers = all(
        own[source] == shape[target] and steps.start[target] == (0 if sign > 0 else own[source] - 1)
        for source, (target, sign) in enumerate(zip(steps.axes, steps.signs, strict=True))
    )
    return steps, () if covers else (PART,)


def _other_grid(
    found: _Labels, shape: tuple[int, int, int], affine: NDArray[np.float64]
) -> Refused:
    return Refused(
        "grid",
        describe_grid(shape, affine),
        describe_grid(found.layers[0].shape, found.affine),
        found.remedy,
    )


def _nifti(path: Path) -> _Labels:
    try:
        stored = read_stored(path)
        values = label_values(stored, path)
        oriented = is_oriented(path)
    except InputError as error:
        raise _without_path(error, path) from error
    remedy = None if oriented else "The mask's header has neither a qform nor a sform code"
    boxes = (_boxes(values),)
    parts, notes = _by_label(path, boxes[0])
    return _Labels("NIfTI", (values,), stored.affine, parts, boxes, notes, remedy)


def _without_path(error: InputError, path: Path) -> Refused:
    """Return what is wrong with a file without saying where it lies."""
    found = error.found
    for part in (str(path.absolute()), str(path), path.name, str(path.parent)):
        if part not in ("", "."):
            found = found.replace(part, "the file")
    return Refused(error.field, error.expected, found, error.remedy)


def _nrrd(path: Path) -> _Labels:
    found: NrrdLabels = read_nrrd(path)
    boxes = tuple(_boxes(layer) for layer in found.layers)
    if not found.segments:
        parts, notes = _by_label(path, boxes[0])
        return _Labels("NRRD", found.layers, found.affine, parts, boxes, notes)
    parts = tuple(
        _Part(segment.name, number, segment.layer, segment.label)
        for number, segment in enumerate(found.segments, 1)
    )
    named = {(part.layer, part.label) for part in parts}
    for layer, label in ((k, n) for k, held in enumerate(boxes) for n in _present(held)):
        if (layer, label) not in named:
            raise Refused("labels", "a segment for each label", f"also label {label}")
    return _Labels("NRRD", found.layers, found.affine, parts, boxes, ())


def _boxes(values: NDArray[Any]) -> tuple[Box | None, ...]:
    """Return the box of each label from 1 on; None for those that are absent."""
    from scipy import ndimage

    low, high = values.min(), values.max()
    if not (low >= 0 and high <= LARGEST_LABEL):
        raise Refused("labels", f"0 to {LARGEST_LABEL}", f"{low:g} to {high:g}")
    if values.dtype.kind not in "iu":
        values = values.astype(np.uint16)
    return tuple(ndimage.find_objects(values))


def _present(boxes: tuple[Box | None, ...]) -> Iterator[int]:
    return (label for label, box in enumerate(boxes, 1) if box is not None)


def _by_label(
    path: Path, boxes: tuple[Box | None, ...]
) -> tuple[tuple[_Part, ...], tuple[str, ...]]:
    labels = list(_present(boxes))
    if not labels:
        raise Refused("labels", "at least one voxel above 0", "none")
    if len(labels) > MOST_REGIONS:
        raise Refused("labels", f"at most {MOST_REGIONS}", f"{len(labels)}: an image, not a mask")
    names, notes = names_beside(path)
    own = _stem(path)
    default = {label: f"{own} {label}" for label in labels} if len(labels) > 1 else {labels[0]: own}
    parts = (_Part(names.get(n) or default[n], n, 0, n) for n in labels)
    return tuple(parts), notes


def _stem(path: Path) -> str:
    name = path.name
    if re.search("[\udc80-\udcff]", name):  # bytes that are no UTF-8, as old systems leave them
        name = os.fsencode(name).decode("latin-1")
    for ending in (*NIFTI, *NRRD):
        if name.lower().endswith(ending):
            name = name[: -len(ending)]
            break
    return name[: -len(".seg")] if name.lower().endswith(".seg") else name
