"""Fragments of compressed frames: as pydicom encapsulates them, and damaged."""

import io

import numpy as np
import pytest
from pydicom.encaps import encapsulate, encapsulate_extended

from petnet.ingest.dicom.encapsulation import codestream_shape, frame_fragments, read_fragments
from petnet.ingest.refusal import Refused

FRAMES = [bytes([k]) * (20 + 2 * k) for k in range(5)]
DELIMITER = b"\xfe\xff\xdd\xe0\0\0\0\0"


def read(data, frames=5, offset=100, extended=()):
    stream = io.BytesIO(bytes(offset) + data)
    found = frame_fragments(stream, offset, frames, extended)
    return [read_fragments(stream, one) for one in found]


@pytest.mark.parametrize("has_table", [True, False])
def test_one_fragment_a_frame(has_table):
    assert read(encapsulate(FRAMES, has_bot=has_table) + DELIMITER) == FRAMES


@pytest.mark.parametrize("pieces", [2, 3])
def test_several_fragments_a_frame_by_the_table(pieces):
    assert read(encapsulate(FRAMES, fragments_per_frame=pieces) + DELIMITER) == FRAMES


def test_several_fragments_a_frame_by_the_extended_table():
    """The extended table with the fragments of pydicom's basic one, whose offsets are the same."""
    _, offsets, _ = encapsulate_extended(FRAMES)
    table = np.frombuffer(offsets, "<u8").tolist()
    assert read(encapsulate(FRAMES, has_bot=False) + DELIMITER, extended=table) == FRAMES
    data = encapsulate(FRAMES, fragments_per_frame=2, has_bot=True)
    basic = np.frombuffer(data[8:28], "<u4").tolist()
    without = b"\xfe\xff\0\xe0\0\0\0\0" + data[28:]
    assert read(without + DELIMITER, extended=basic) == FRAMES


def test_all_fragments_belong_to_a_single_frame():
    data = encapsulate(FRAMES[4:], fragments_per_frame=7, has_bot=False)
    assert read(data + DELIMITER, frames=1) == FRAMES[4:]


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        DELIMITER,
        encapsulate(FRAMES, fragments_per_frame=2, has_bot=False) + DELIMITER,
        encapsulate(FRAMES),  # no delimiter
        encapsulate(FRAMES)[:-3] + DELIMITER,
        encapsulate(FRAMES).replace(b"\xfe\xff\0\xe0", b"\xfe\xff\0\xe1") + DELIMITER,
        encapsulate(FRAMES[:3]) + DELIMITER,
    ],
)
def test_what_cannot_be_told_apart_is_refused(damaged):
    with pytest.raises(Refused) as caught:
        read(damaged)
    assert caught.value.tag == "PixelData (7FE0,0010)"


def test_tables_that_point_elsewhere_are_refused():
    data = bytearray(encapsulate(FRAMES, fragments_per_frame=2) + DELIMITER)
    data[12:16] = (10**6).to_bytes(4, "little")
    with pytest.raises(Refused):
        read(bytes(data))


@pytest.mark.parametrize(
    ("stream", "shape"),
    [
        (b"\xff\xd8\xff\xe0\0\4ab\xff\xc3\0\x0b\x10\0\x05\0\x07\1", (5, 7)),
        (b"\xff\xd8\xff\xff\xff\xf7\0\x0b\x10\0\x05\0\x07\1", (5, 7)),
        (b"\xff\xd8\xff\xc4\0\x04\0\0\xff\xd9\0\0\0\0\0\0\0\0", None),
        (b"\xff\xd8", None),
        (b"\xff\x4f\xff\x51\0\x29\0\0\0\0\0\x09\0\0\0\x08\0\0\0\x02\0\0\0\x03", (5, 7)),
        (b"", None),
        (b"noise" * 9, None),
    ],
)  # fmt: skip
def test_the_size_that_a_code_stream_states(stream, shape):
    assert codestream_shape(stream) == shape
