"""Lossless JPEG of one grey value a pixel (ITU-T T.81, process 14, annex H).

The commonest compression of DICOM archives. GDCM has a decoder too, but ends the whole process
where a code stream is damaged.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["decode"]

SOF3, DHT, EOI, SOS, DRI = 0xC3, 0xC4, 0xD9, 0xDA, 0xDD
OTHER_FRAMES = frozenset(range(0xC0, 0xD0)) - {SOF3, DHT, 0xC8, 0xCC}


@dataclass
class _Header:
    """What the segments before the entropy-coded data say."""

    shape: tuple[int, int] = (0, 0)
    precision: int = 0
    restart: int = 0
    tables: dict[int, tuple[bytes, bytes]] = field(default_factory=dict)
    table: int = 0
    predictor: int = 0
    point_transform: int = 0
    start: int = 0


def decode(data: bytes, shape: tuple[int, int]) -> NDArray[np.uint16]:
    """Return the samples of a code stream.

    Parameters
    ----------
    data : bytes
        From the marker SOI on.
    shape : tuple of int
        Rows and columns that are expected.

    Returns
    -------
    (rows, columns) uint16 array
        As many low bits as the stream's precision says.

    Raises
    ------
    ValueError
        Truncated, malformed, of another size or another kind of JPEG.
    """
    header = _read_header(data)
    if header.shape != shape:
        raise ValueError("another size")
    if header.table not in header.tables:
        raise ValueError("no Huffman table")
    counts, values = header.tables[header.table]
    samples: NDArray[np.uint16] = _decode_scan(
        np.frombuffer(data, np.uint8)[header.start :],
        np.frombuffer(counts, np.uint8).astype(np.int64),
        np.frombuffer(values, np.uint8).astype(np.int64),
        shape[0],
        shape[1],
        header.predictor,
        header.precision - header.point_transform,
        header.point_transform,
        header.restart,
    )
    return samples


def _read_header(data: bytes) -> _Header:
    """Read the segments up to the entropy-coded data of the only scan."""
    if data[:2] != b"\xff\xd8":
        raise ValueError("no JPEG")
    header, at = _Header(), 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            raise ValueError("no marker where one must be")
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        segment = data[at + 4 : at + 2 + length]
        at += 2 + length
        if length < 2 or at > len(data) or marker == EOI or marker in OTHER_FRAMES:
            raise ValueError("a truncated stream, or another kind of JPEG")
        try:
            _read_segment(header, marker, segment)
        except (struct.error, IndexError) as error:
            raise ValueError("a short segment") from error
        if marker == SOS:
            header.start = at
            return header
    raise ValueError("no scan")


def _read_segment(header: _Header, marker: int, segment: bytes) -> None:
    if marker == SOF3:
        header.precision, rows, columns, components = struct.unpack_from(">BHHB", segment)
        header.shape = rows, columns
        if components != 1 or not 2 <= header.precision <= 16:
            raise ValueError("colours, or a precision that is not 2 to 16 bits")
    elif marker == DHT:
        _read_tables(header, segment)
    elif marker == DRI:
        (header.restart,) = struct.unpack_from(">H", segment)
    elif marker == SOS:
        components, _, tables, header.predictor, _, shifts = struct.unpack_from(">6B", segment)
        header.table, header.point_transform = tables >> 4, shifts & 15
        columns = max(header.shape[1], 1)
        if components != 1 or not 1 <= header.predictor <= 7 or not header.precision:
            raise ValueError("a scan of another kind")
        if header.point_transform >= header.precision or header.restart % columns:
            raise ValueError("a scan of impossible parameters")


def _read_tables(header: _Header, segment: bytes) -> None:
    """Keep Huffman tables: how many codes there are of 1 to 16 bits, and what they stand for."""
    at = 0
    while at < len(segment):
        counts = segment[at + 1 : at + 17]
        total = sum(counts)
        values = segment[at + 17 : at + 17 + total]
        if len(counts) < 16 or len(values) < total or any(value > 16 for value in values):
            raise ValueError("a malformed Huffman table")
        if segment[at] >> 4 == 0:  # differences; tables of class 1 are for other processes
            header.tables[segment[at] & 15] = counts, values
        at += 17 + total


@numba.njit(cache=True, nogil=True)
def _decode_scan(  # type: ignore[no-untyped-def]
    data, counts, values, rows, columns, predictor, bits, shift, restart
):
    """Decode the differences and add them up; `data` begins after the header of the scan."""
    samples = np.zeros((rows, columns), np.int64)
    codes = _all_codes(counts, values)
    reader = np.zeros(3, np.int64)  # next byte, bits that are read and not used, how many
    first_row = 0
    for y in range(rows):
        if restart and y and y * columns % restart == 0:
            _restart(data, reader)
            first_row = y
        for x in range(columns):
            difference = _difference(data, reader, codes)
            if y > first_row and x > 0:
                a, b, c = samples[y, x - 1], samples[y - 1, x], samples[y - 1, x - 1]
                guess = _predict(predictor, a, b, c)
            elif y > first_row:
                guess = samples[y - 1, x]
            elif x > 0:
                guess = samples[y, x - 1]
            else:
                guess = np.int64(1) << (bits - 1)
            samples[y, x] = (guess + difference) & 0xFFFF
    return (samples << shift).astype(np.uint16)


@numba.njit(cache=True, nogil=True)
def _restart(data, reader):  # type: ignore[no-untyped-def]
    """Go on after the restart marker that ended the reading."""
    _fill(data, reader)  # perhaps the marker is only next
    at = reader[0]
    if at + 1 >= data.size or data[at] != 0xFF or not 0xD0 <= data[at + 1] <= 0xD7:
        raise ValueError("no restart marker")
    reader[0], reader[1], reader[2] = at + 2, 0, 0


@numba.njit(cache=True, nogil=True)
def _fill(data, reader):  # type: ignore[no-untyped-def]
    """Read bytes until there are more than 40 bits, or a marker, or the end."""
    at = reader[0]
    while reader[2] <= 40 and at < data.size:
        byte = np.int64(data[at])
        if byte == 0xFF:  # a zero is stuffed behind it; anything else makes it a marker
            if at + 1 >= data.size or data[at + 1] != 0:
                break
            at += 1
        at += 1
        reader[1] = (reader[1] << 8 | byte) & 0xFFFFFFFFFFFF
        reader[2] += 8
    reader[0] = at


@numba.njit(cache=True, nogil=True)
def _difference(data, reader, codes):  # type: ignore[no-untyped-def]
    """Decode how far the next sample is from what is predicted (F.2.2, H.2)."""
    if reader[2] < 32:
        _fill(data, reader)
    ready = reader[2]
    ahead = reader[1] >> (ready - 16) if ready >= 16 else reader[1] << (16 - ready)
    code = codes[ahead & 0xFFFF]
    length, category = code >> 8, code & 0xFF
    bits = np.int64(0) if category == 16 else category  # 16 stands for 32768 alone
    if length == 0 or length + bits > ready:
        raise ValueError("a code that is in no table, or an early end")
    reader[2] = ready - length - bits
    if category == 0 or category == 16:
        return np.int64(0) if category == 0 else np.int64(32768)
    value = (reader[1] >> reader[2]) & ((np.int64(1) << bits) - 1)
    half = np.int64(1) << (bits - 1)
    return value if value >= half else value - 2 * half + 1


@numba.njit(cache=True, nogil=True)
def _all_codes(counts, values):  # type: ignore[no-untyped-def]
    """Return for each 16 bits the code that they begin with: length · 256 + what it stands for.

    Codes of a length are consecutive numbers and begin where those one bit shorter ended (C.2).
    """
    codes = np.zeros(2**16, np.int64)
    at = used = np.int64(0)
    for length in range(1, 17):
        share = np.int64(1) << (16 - length)
        for _ in range(counts[length - 1]):
            if at + share > codes.size:
                raise ValueError("a Huffman table of too many codes")
            codes[at : at + share] = length * 256 + values[used]
            at += share
            used += 1
    return codes


@numba.njit(cache=True, inline="always")
def _predict(predictor, a, b, c):  # type: ignore[no-untyped-def]
    """Predict a sample from those to its left, above, and above left (table H.1)."""
    if predictor == 1:
        return a
    if predictor == 2:
        return b
    if predictor == 3:
        return c
    if predictor == 4:
        return a + b - c
    if predictor == 5:
        return a + ((b - c) >> 1)
    if predictor == 6:
        return b + ((a - c) >> 1)
    return (a + b) >> 1
