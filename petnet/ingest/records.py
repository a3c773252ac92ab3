"""What passes between the steps of reading DICOM: found files, slices, series, regions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from petnet.ingest.boxes import Box, bounding_box

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["FoundFile", "Region", "Series", "Slice", "StoredPixels", "Tree", "UnreadableFile"]

Source = Literal["RTSTRUCT", "SEG", "NIfTI", "NRRD"]


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A DICOM file of the tree, as far as it is needed to put files together.

    Attributes
    ----------
    path : Path
    sop_class, sop_uid, study_uid, series_uid, frame_of_reference : str
        UIDs; empty where absent.
    patient_id, modality : str
        As written, stripped; empty where absent.
    """

    path: Path
    sop_class: str
    sop_uid: str
    patient_id: str
    study_uid: str
    series_uid: str
    frame_of_reference: str
    modality: str


@dataclass(frozen=True, slots=True)
class UnreadableFile:
    """A file that says it is DICOM, or must be, but cannot be read so far as to know its series."""

    path: Path
    tag: str
    reason: str


@dataclass(frozen=True, slots=True)
class Tree:
    """What lies below a folder.

    Attributes
    ----------
    root : Path
    files : tuple of FoundFile
        Images, structure sets and segmentations, sorted by path.
    unreadable : tuple of UnreadableFile
    masks : tuple of Path
        NIfTI and NRRD files.
    others : int
        Files that are neither (text, DICOMDIR, pictures).
    """

    root: Path
    files: tuple[FoundFile, ...]
    unreadable: tuple[UnreadableFile, ...]
    masks: tuple[Path, ...]
    others: int


@dataclass(frozen=True, slots=True)
class StoredPixels:
    """Where the pixels of a file lie, and how they are encoded.

    Attributes
    ----------
    syntax : str
        TransferSyntaxUID; what the file was found to be where it does not say.
    offset : int
        First byte of the value of PixelData in the file; of a deflated file, in what it inflates
        to.
    length : int or None
        Bytes as the element states them; None where undefined, which is how compressed pixels are
        written.
    vr : str
        "OB" or "OW"; "OW" for implicit VR.
    little_endian : bool
    frames : int
        How many images there are.
    """

    syntax: str
    offset: int
    length: int | None
    vr: str
    little_endian: bool
    frames: int = 1


@dataclass(frozen=True, eq=False)
class Slice:
    """One slice of a series, from a file of its own or from a multi-frame file.

    Attributes
    ----------
    path : Path
    frame : int or None
        Number of the frame in the file, from 0; None for a file of one slice.
    header : pydicom.Dataset
        Without pixels. For a frame of a multi-frame file, its functional groups are laid out as the
        attributes of a classic file, so that what follows knows only one kind of header.
    pixels : StoredPixels or None
        Of the whole file; None where it has none.
    """

    path: Path
    frame: int | None
    header: Dataset
    pixels: StoredPixels | None = None


@dataclass(frozen=True, eq=False)
class Series:
    """Slices of one image series that make one volume.

    Attributes
    ----------
    slices : tuple of Slice
        One per position, sorted along the normal of the slices, so that `affine` holds.
    shape : tuple of int
        (X, Y, Z) = (columns, rows, slices).
    affine : (4, 4) float64 array
        Voxel index to RAS+ millimetres.
    notes : tuple of str
        What a user should know though the series is used: duplicates left out, slices fewer than
        NumberOfSlices says, a tilt that was corrected.
    starts : (Z, 2) float64 array or None
        Where a tilt is corrected: voxel index (x, y) at which the first pixel of each slice lies on
        the perpendicular grid that `shape` and `affine` describe. None where slices lie on it.
    """

    slices: tuple[Slice, ...]
    shape: tuple[int, int, int]
    affine: NDArray[np.float64]
    notes: tuple[str, ...] = ()
    starts: NDArray[np.float64] | None = None

    @property
    def header(self) -> Dataset:
        """Header of the first slice, for what all slices share."""
        return self.slices[0].header

    def text(self, keyword: str) -> str:
        """Return an attribute of the first slice as stripped text; empty where absent."""
        value: Any = self.header.get(keyword)
        return "" if value is None else str(value).strip()


@dataclass(frozen=True, eq=False)
class Region:
    """One delineated region on the grid of an image, held in the smallest box around it.

    Attributes
    ----------
    name : str
        As its file names it: ROI name, segment label, or the stem of a mask's file.
    number : int
        ROI number, segment number or label: what is unique within its file.
    shape : tuple of int
        (X, Y, Z) of the image that it is for.
    box : tuple of slices
        Where it lies in the image; of no voxels where it is empty.
    inside : bool array
        The mask within the box.
    source : {"RTSTRUCT", "SEG", "NIfTI", "NRRD"}
    method : str
        How it was drawn, where the file says so: "MANUAL", "SEMIAUTOMATIC", an algorithm's name.
    reader : str
        Who drew it, where the file says so (a person's name: not for tables unless asked for).
    notes : tuple of str
        What was decided while it was put on the grid.
    """

    name: str
    number: int
    shape: tuple[int, int, int]
    box: Box
    inside: NDArray[np.bool_]
    source: Source
    method: str = ""
    reader: str = ""
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, name: str, number: int, mask: NDArray[np.bool_], source: Source) -> Region:
        """Cut a region out of a mask of shape (X, Y, Z), which may be empty."""
        x, y, z = mask.shape
        box = bounding_box(mask)
        return cls(name, number, (x, y, z), box, mask[box].copy(order="F"), source)

    @property
    def is_empty(self) -> bool:
        """Whether no voxel of the image belongs to it."""
        return not self.inside.size

    @property
    def mask(self) -> NDArray[np.bool_]:
        """The whole mask, made anew: (X, Y, Z) bool array."""
        whole = np.zeros(self.shape, dtype=bool, order="F")
        whole[self.box] = self.inside
        return whole
