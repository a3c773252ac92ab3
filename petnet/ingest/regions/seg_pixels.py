"""Stored values of a segmentation's frames: single bits read here, all others as images are."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from petnet.ingest.dicom.dicom_file import BROKEN, DEFLATED, lenient, skip_meta
from petnet.ingest.dicom.geometry import MOST_PIXELS
from petnet.ingest.dicom.header_values import text, whole
from petnet.ingest.dicom.pixels import read_slices
from petnet.ingest.records import Slice
from petnet.ingest.refusal import Refused, tag_name
from petnet.ingest.regions.seg_header import Segmentation

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["frame_values"]

SINGLE_BITS = frozenset({"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", DEFLATED})


def frame_values(segmentation: Segmentation, frames: Sequence[int]) -> Iterator[NDArray[Any]]:
    """Yield the stored values of some frames.

    Parameters
    ----------
    segmentation : Segmentation
    frames : sequence of int
        Indices into `segmentation.frames`.

    Yields
    ------
    (rows, columns) unsigned array

    Raises
    ------
    Refused
        Truncated or surplus pixels, of another size than the header says, or compressed in a way
        that cannot be decoded.
    """
    header, pixels = segmentation.header, segmentation.pixels
    single_bits = whole(header, "BitsAllocated", 1, 64) == 1
    if single_bits and pixels.length is not None:
        yield from _single_bits(segmentation, frames)
        return
    stand_in = _as_image(header, single_bits)
    slices = [Slice(segmentation.path, k, stand_in, pixels) for k in frames]
    yield from read_slices(tuple(slices))


def _as_image(header: Dataset, single_bits: bool) -> Dataset:
    """Return the header of an image of grey values with the same pixels.

    Label maps may have a palette, which says nothing of what belongs. Compressed single bits are
    decoded to a byte each.
    """
    from pydicom import Dataset

    grey = text(header, "PhotometricInterpretation")
    if grey not in ("MONOCHROME2", "PALETTE COLOR"):
        tag = tag_name("PhotometricInterpretation")
        raise Refused(tag, "MONOCHROME2 or PALETTE COLOR", "another" if grey else "none")
    made = Dataset()
    made.PhotometricInterpretation = "MONOCHROME2"
    for keyword in ("SamplesPerPixel", "Rows", "Columns", "PixelRepresentation"):
        setattr(made, keyword, whole(header, keyword, 0, MOST_PIXELS))
    for keyword in ("BitsAllocated", "BitsStored", "HighBit"):
        setattr(made, keyword, whole(header, keyword, 0, 64))
    if single_bits:
        made.BitsAllocated, made.BitsStored, made.HighBit = 8, 8, 7
    return made


def _single_bits(segmentation: Segmentation, frames: Sequence[int]) -> Iterator[NDArray[np.uint8]]:
    """Yield frames of single bits, packed without gaps, the first in the lowest bit (PS3.5 D)."""
    header, pixels = segmentation.header, segmentation.pixels
    if pixels.syntax not in SINGLE_BITS:
        raise Refused(tag_name("TransferSyntaxUID"), "little endian", "another one, of single bits")
    rows, columns = segmentation.rows, segmentation.columns
    if whole(header, "SamplesPerPixel", 1, 4) != 1:
        raise Refused(tag_name("SamplesPerPixel"), "1", "another number")
    size = rows * columns
    needed = -(-size * pixels.frames // 8)
    stated = pixels.length or 0
    if not needed <= stated <= needed + needed % 2:
        raise Refused(tag_name("PixelData"), f"{needed} bytes", str(stated))
    try:
        with _opened(segmentation) as stream:
            there = stream.seek(0, io.SEEK_END) - pixels.offset
            for frame in frames if there >= needed else ():
                byte, bit = divmod(frame * size, 8)
                stream.seek(pixels.offset + byte)
                data = np.frombuffer(stream.read(-(-(bit + size) // 8)), np.uint8)
                bits = np.unpackbits(data, bitorder="little")[bit : bit + size]
                yield bits.reshape(rows, columns)
    except BROKEN as error:
        found = f"what cannot be read ({type(error).__name__})"
        raise Refused(tag_name("PixelData"), "pixels", found) from error
    if there < needed:
        raise Refused(tag_name("PixelData"), f"{needed} bytes", "fewer: the file is cut off")


def _opened(segmentation: Segmentation) -> BinaryIO:
    """Open a file, or what a deflated one inflates to."""
    pixels = segmentation.pixels
    file = segmentation.path.open("rb")
    if pixels.syntax != DEFLATED:
        return file
    with file, lenient():
        packed = io.BytesIO(file.read())
        body: BinaryIO = skip_meta(packed, pixels.offset + (pixels.length or 0))[0]
        return body
