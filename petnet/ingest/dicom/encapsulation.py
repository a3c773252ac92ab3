"""Compressed pixels: which bytes of a file belong to which frame (PS3.5 A.4)."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import BinaryIO

from petnet.ingest.refusal import Refused, tag_name

__all__ = ["Fragment", "codestream_shape", "frame_fragments", "read_fragments"]

ITEM, DELIMITER = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
#: Offset and length of one fragment in the file.
Fragment = tuple[int, int]
JPEG_START, J2K_START = b"\xff\xd8", b"\xff\x4f\xff\x51"
#: Markers of JPEG frames that hold height and width: every SOF, and that of JPEG-LS.
FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}


def _incomplete(found: str) -> Refused:
    return Refused(tag_name("PixelData"), "complete compressed pixels", found)


def frame_fragments(
    stream: BinaryIO, offset: int, frames: int, extended: Sequence[int] = ()
) -> list[list[Fragment]]:
    """Find the fragments of every frame.

    Parameters
    ----------
    stream : binary stream
    offset : int
        Of the value of PixelData.
    frames : int
        How many there are.
    extended : sequence of int, optional
        ExtendedOffsetTable (7FE0,0001).

    Raises
    ------
    Refused
        Fragments end before their stated length, or cannot be told apart by frame.
    """
    size = stream.seek(0, 2)
    items = list(_items(stream, offset, size))
    if not items:
        raise _incomplete("none")
    (table_at, table_length), *fragments = items
    if frames == 1:
        return [fragments]
    if len(fragments) == frames:
        return [[fragment] for fragment in fragments]
    stream.seek(table_at)
    table = stream.read(table_length)
    starts = list(extended) or [
        n for (n,) in struct.iter_unpack("<L", table[: len(table) // 4 * 4])
    ]
    if len(starts) != frames or starts != sorted(set(starts)):
        raise _incomplete(f"{len(fragments)} fragments of {frames} frames without a table of them")
    first = table_at + table_length  # offsets count from the item after the table
    edges = [*(first + start for start in starts), size]
    found = [
        [piece for piece in fragments if low <= piece[0] - 8 < high]
        for low, high in pairwise(edges)
    ]
    if not all(found):
        raise _incomplete("a table of frames that points elsewhere")
    return found


def _items(stream: BinaryIO, offset: int, size: int) -> Iterator[Fragment]:
    """Yield the offset and length of every item up to the delimiter."""
    at = offset
    while True:
        stream.seek(at)
        head = stream.read(8)
        if head[:4] == DELIMITER:
            return
        length = int.from_bytes(head[4:], "little")
        if len(head) < 8 or head[:4] != ITEM or at + 8 + length > size:
            raise _incomplete("an end in the middle, or other content")
        yield at + 8, length
        at += 8 + length


def read_fragments(stream: BinaryIO, fragments: Sequence[Fragment]) -> bytes:
    """Return the code stream of one frame."""
    pieces = []
    for at, length in fragments:
        stream.seek(at)
        pieces.append(stream.read(length))
    return b"".join(pieces)


def codestream_shape(data: bytes) -> tuple[int, int] | None:
    """Return rows and columns as a JPEG, JPEG-LS or JPEG 2000 code stream states them.

    None where it states none; decoders would otherwise make room for whatever it says.
    """
    if data[:2] == JPEG_START:
        return _jpeg_shape(data)
    start = data.find(J2K_START, 0, 1024)  # at 0, or after the boxes of a JP2 file
    if start >= 0 and len(data) >= start + 24:
        right, lower, left, upper = struct.unpack_from(">4L", data, start + 8)
        return lower - upper, right - left
    return None


def _jpeg_shape(data: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker in FRAME_MARKERS:
            rows, columns = struct.unpack_from(">2H", data, at + 5)
            return rows, columns
        at += 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
    return None
