"""Stored values of slices: straight from the file, or through pydicom's decoders."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from petnet.ingest.dicom.dicom_file import (
    BROKEN,
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    lenient,
    skip_meta,
)
from petnet.ingest.dicom.encapsulation import (
    Fragment,
    codestream_shape,
    frame_fragments,
    read_fragments,
)
from petnet.ingest.dicom.geometry import MOST_PIXELS
from petnet.ingest.dicom.header_values import text, whole
from petnet.ingest.records import Series, Slice, StoredPixels
from petnet.ingest.refusal import Refused, tag_name

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["PixelFormat", "is_lossy", "pixel_format", "read_slices", "slice_arrays"]

NATIVE = frozenset({IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED})
RLE = "1.2.840.10008.1.2.5"
JPEG_LOSSLESS = frozenset({"1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"})
#: Who decodes what. Never GDCM, which ends the whole process where a code stream is damaged.
DECODERS = {
    RLE: "pydicom",
    "1.2.840.10008.1.2.4.50": "pillow",
    "1.2.840.10008.1.2.4.51": "pillow",  # of 8 bits
    "1.2.840.10008.1.2.4.80": "pyjpegls",
    "1.2.840.10008.1.2.4.81": "pyjpegls",
    "1.2.840.10008.1.2.4.90": "pillow",
    "1.2.840.10008.1.2.4.91": "pillow",
} | dict.fromkeys(JPEG_LOSSLESS, "petnet")
JPEG_LS_START = b"\xff\xd8\xff\xf7"
LOSSY = frozenset(
    {
        "1.2.840.10008.1.2.4.50",  # JPEG baseline
        "1.2.840.10008.1.2.4.51",  # JPEG extended
        "1.2.840.10008.1.2.4.81",  # JPEG-LS near-lossless
    }
)


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """How the values of a slice are stored (PS3.3 C.7.6.3).

    `overlays` tells whether bits above `high_bit` hold overlays, as files of before 2004 may.
    """

    rows: int
    columns: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    overlays: bool = False

    @property
    def frame_bytes(self) -> int:
        """Size of one uncompressed slice."""
        return self.rows * self.columns * self.bits_allocated // 8


def pixel_format(header: Dataset) -> PixelFormat:
    """Read the format of a slice of one grey value a pixel.

    Raises
    ------
    Refused
        Colour, inverted grey values (MONOCHROME1), bits that are not 8, 16 or 32, contradictions.
    """
    samples = whole(header, "SamplesPerPixel", 1, 4)
    if samples != 1:
        raise Refused(tag_name("SamplesPerPixel"), "1 (grey values)", str(samples))
    grey = text(header, "PhotometricInterpretation")
    if grey != "MONOCHROME2":
        keyword = tag_name("PhotometricInterpretation")
        raise Refused(keyword, "MONOCHROME2", _shown(grey))
    allocated = whole(header, "BitsAllocated", 1, 64)
    if allocated not in (8, 16, 32):
        raise Refused(tag_name("BitsAllocated"), "8, 16 or 32", str(allocated))
    stored = whole(header, "BitsStored", 1, allocated)
    high = stored - 1
    if text(header, "HighBit"):
        high = whole(header, "HighBit", stored - 1, allocated - 1)
    return PixelFormat(
        rows=whole(header, "Rows", 1, MOST_PIXELS),
        columns=whole(header, "Columns", 1, MOST_PIXELS),
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=high,
        signed=whole(header, "PixelRepresentation", 0, 1) == 1,
        overlays=high < allocated - 1 and _has_overlay_bits(header, allocated),
    )


def _has_overlay_bits(header: Dataset, allocated: int) -> bool:
    """Tell whether overlays lie in unused bits of the pixels (retired; PS3.5-2003 8.1.2).

    OverlayBitsAllocated (60xx,0100) is then that of the pixels, and not 1.
    """
    groups = range(0x6000, 0x6020, 2)
    bits = (header.get((group, 0x0100)) for group in groups)
    return any(str(one.value) == str(allocated) for one in bits if one is not None)


def _shown(value: str) -> str:
    """Return a value of a header for a message, unless it might be anything."""
    return (
        value if value.replace(" ", "").replace("_", "").isalnum() and len(value) < 17 else "other"
    )


def is_lossy(one: Slice) -> bool:
    """Tell whether values were changed by compression, now or before."""
    at_all = text(one.header, "LossyImageCompression") == "01"
    return at_all or (one.pixels is not None and one.pixels.syntax in LOSSY)


def slice_arrays(series: Series) -> Iterator[NDArray[Any]]:
    """Yield the stored values of each slice, without slope and intercept.

    Yields
    ------
    (rows, columns) integer array
        Signed as PixelRepresentation says; overlays in the bits above HighBit are left out. The
        array is perhaps not writable.

    Raises
    ------
    Refused
        Pixels missing, truncated or surplus, of another size than the header says, or of a
        TransferSyntaxUID that cannot be decoded; values of more bits than BitsStored.
    """
    yield from read_slices(series.slices)


def read_slices(slices: tuple[Slice, ...]) -> Iterator[NDArray[Any]]:
    """Yield the stored values of each slice; errors as `slice_arrays`."""
    file: _PixelFile | None = None
    try:
        for one in slices:
            if one.pixels is None:
                raise Refused(tag_name("PixelData"), "pixels", "none")
            try:
                with lenient():
                    if file is None or file.path != one.path:
                        if file is not None:
                            file.close()
                        file = _PixelFile(one.path, one.pixels)
                    values = file.read(one.frame or 0, one.header)
            except BROKEN as error:
                found = f"what cannot be read ({type(error).__name__})"
                raise Refused(tag_name("PixelData"), "pixels", found) from error
            yield values
    finally:
        if file is not None:
            file.close()


class _PixelFile:
    """An open file whose frames are read one by one."""

    def __init__(self, path: Path, pixels: StoredPixels) -> None:
        self.path, self.pixels = path, pixels
        self._fragments: list[list[Fragment]] | None = None
        self._stream: BinaryIO = path.open("rb", buffering=0)
        if pixels.syntax == DEFLATED:
            most = pixels.offset + (pixels.length or 0)
            with self._stream as packed:
                self._stream = skip_meta(io.BytesIO(packed.read()), most)[0]

    def close(self) -> None:
        self._stream.close()

    def read(self, frame: int, header: Dataset) -> NDArray[Any]:
        """Return the stored values of one frame: (rows, columns)."""
        form = pixel_format(header)
        if self.pixels.syntax in NATIVE:
            return self._native(frame, form)
        return self._compressed(frame, form, header)

    def _native(self, frame: int, form: PixelFormat) -> NDArray[Any]:
        needed = form.frame_bytes * self.pixels.frames
        stated = self.pixels.length
        if stated is None or not needed <= stated <= needed + needed % 2:
            found = "another number" if stated is None else str(stated)
            raise Refused(tag_name("PixelData"), f"{needed} bytes", found)
        start = self.pixels.offset + frame * form.frame_bytes
        self._stream.seek(start)
        data = self._stream.read(form.frame_bytes)
        if len(data) < form.frame_bytes:
            raise Refused(tag_name("PixelData"), f"{needed} bytes", "fewer: the file is cut off")
        if form.bits_allocated == 8 and not self.pixels.little_endian and self.pixels.vr == "OW":
            data = self._swapped_bytes(start, form.frame_bytes)
        order = "<" if self.pixels.little_endian else ">"
        values = np.frombuffer(data, f"{order}u{form.bits_allocated // 8}")
        values = values.astype(values.dtype.newbyteorder("="), copy=False)
        return significant_bits(values, form).reshape(form.rows, form.columns)

    def _swapped_bytes(self, start: int, size: int) -> bytes:
        """Return 8-bit values that were written as big-endian words of two."""
        before = (start - self.pixels.offset) % 2
        self._stream.seek(start - before)
        words = self._stream.read(size + 2)
        even = np.frombuffer(words[: len(words) // 2 * 2], "<u2").byteswap().tobytes()
        return even[before : before + size]

    def _compressed(self, frame: int, form: PixelFormat, header: Dataset) -> NDArray[Any]:
        if self._fragments is None:
            self._fragments = frame_fragments(
                self._stream, self.pixels.offset, self.pixels.frames, _extended_offsets(header)
            )
        data = read_fragments(self._stream, self._fragments[frame])
        return _decode(data, self.pixels.syntax, form)


def _extended_offsets(header: Dataset) -> list[int]:
    table = header.get("ExtendedOffsetTable")
    return np.frombuffer(table, "<u8").tolist() if isinstance(table, bytes) else []


def significant_bits(values: NDArray[Any], form: PixelFormat) -> NDArray[Any]:
    """Return the stored bits of unsigned words alone, extended by their sign where signed.

    Raises
    ------
    Refused
        Bits above HighBit are neither zero, nor the sign, nor overlays: values of more bits, such
        as -2000 for no image in 12 bits, which the 12 alone would make +2096.
    """
    unused = form.bits_allocated - form.bits_stored
    if form.high_bit < form.bits_allocated - 1 and not form.overlays:
        _check_upper_bits(values, form)
    if unused:
        values = np.left_shift(values, form.bits_allocated - 1 - form.high_bit)
    if form.signed:
        values = values.view(values.dtype.str.replace("u", "i"))
    return np.right_shift(values, unused) if unused else values


def _check_upper_bits(values: NDArray[Any], form: PixelFormat) -> None:
    above = np.right_shift(values, form.high_bit + 1)
    if form.signed:  # from the sign on: all alike where it was extended
        signs = np.right_shift(values, form.high_bit)
        ones = (1 << (form.bits_allocated - form.high_bit)) - 1
        wrong = (above != 0) & (signs != ones)
    else:
        wrong = above != 0
    if wrong.any():
        expected = f"values of {form.bits_stored} bits"
        raise Refused(tag_name("BitsStored"), expected, f"{int(wrong.sum())} of more")


def _decode(data: bytes, syntax: str, form: PixelFormat) -> NDArray[Any]:
    """Decompress one frame."""
    if syntax not in DECODERS:
        name = _syntax_name(syntax)
        raise Refused(tag_name("TransferSyntaxUID"), "a compression that can be decoded", name)
    if syntax != RLE:
        _check_shape(data, form)
    try:
        if syntax in JPEG_LOSSLESS:
            from petnet.ingest.dicom.jpeg_lossless import decode

            words = decode(data, (form.rows, form.columns))
            return significant_bits(words.astype(f"u{form.bits_allocated // 8}"), form)
        if syntax == RLE:
            values = _decode_rle(data, form)
        else:
            values = _decode_by_pydicom(data, syntax, form)
    except (*BROKEN, RuntimeError) as error:
        expected = f"pixels compressed as {_syntax_name(syntax)}"
        raise Refused(tag_name("PixelData"), expected, "what cannot be decoded") from error
    if syntax == RLE:
        words = values.view(values.dtype.str.replace("i", "u"))
        values = significant_bits(words, form)
    return values.reshape(form.rows, form.columns)


def _decode_rle(data: bytes, form: PixelFormat) -> NDArray[Any]:
    """Decompress one frame of RLE, which states no size of its own.

    pydicom warns of bytes after the last pixel and leaves them out; padding is allowed, a row more
    is another image.
    """
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        values = _decode_by_pydicom(data, RLE, form)
        if told:
            try:
                _decode_by_pydicom(data, RLE, replace(form, rows=form.rows + 1))
            except BROKEN:
                return values
            raise ValueError("more pixels than rows and columns")
    return values


def _decode_by_pydicom(data: bytes, syntax: str, form: PixelFormat) -> NDArray[Any]:
    """Decompress one frame with the only plugin that is asked, of those that pydicom has."""
    from pydicom.encaps import encapsulate
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import UID

    options: Any = {
        "rows": form.rows,
        "columns": form.columns,
        "samples_per_pixel": 1,
        "number_of_frames": 1,
        "bits_allocated": form.bits_allocated,
        "bits_stored": form.bits_stored,
        "pixel_representation": int(form.signed),
        "photometric_interpretation": "MONOCHROME2",
        "pixel_keyword": "PixelData",
        "correct_unused_bits": syntax != RLE,  # for RLE it is done here, HighBit included
        "decoding_plugin": DECODERS[syntax],
    }
    whole_frame = encapsulate([data], has_bot=False)
    return get_decoder(UID(syntax)).as_array(whole_frame, index=0, raw=True, **options)[0]


def _check_shape(data: bytes, form: PixelFormat) -> None:
    shape = codestream_shape(data)
    if shape != (form.rows, form.columns):
        found = "none" if shape is None else f"{shape[0]} x {shape[1]}"
        expected = f"compressed pixels of {form.rows} x {form.columns}"
        raise Refused(tag_name("PixelData"), expected, found)
    if data.startswith(JPEG_LS_START) and not data.rstrip(b"\0").endswith(b"\xff\xd9"):
        # CharLS looks for the end of such a stream for many seconds
        raise Refused(tag_name("PixelData"), "complete compressed pixels", "an early end")


def _syntax_name(syntax: str) -> str:
    from pydicom.uid import UID

    return UID(syntax).name if UID(syntax).is_transfer_syntax else "an unknown one"
