"""The header of one DICOM file, and where its pixels lie.

pydicom parses; what it warns of or stumbles over in a malformed file is handled here, once.
"""

from __future__ import annotations

import io
import logging
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from petnet.ingest.dicom.header_walk import UNDEFINED_LENGTH, Unusual, Walked, walk, walk_meta
from petnet.ingest.records import StoredPixels
from petnet.ingest.refusal import Refused

if TYPE_CHECKING:
    from pydicom import DataElement, Dataset
    from pydicom.tag import BaseTag

__all__ = [
    "BROKEN",
    "DEFLATED",
    "Head",
    "HeaderReader",
    "lenient",
    "parse_head",
    "read_header",
    "skip_meta",
]

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
CHARACTER_SET = 0x00080005
PIXEL_DATA = 0x7FE00010
#: PixelData, and the two kinds of floating point that stand in its stead (parametric maps).
PIXELS = frozenset({0x7FE00008, 0x7FE00009, PIXEL_DATA})
LONG_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "UC", "UN", "UR", "UT", "SV", "UV"})
FIRST_BYTES = 2**16  # holds the header of nearly every classic file
MOST_HEADER = 2**28  # bytes read; a multi-frame file of thousands of frames has some 2**24
MOST_ZEROS = 256  # reads of nothing but zeros, one after the other
#: What pydicom raises on malformed files and values.
BROKEN = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
_is_lenient = False  # pydicom's settings, which `lenient` changes, are of the process as well


@dataclass(frozen=True, slots=True)
class Head:
    """The first attributes of a file.

    Attributes
    ----------
    dataset : pydicom.Dataset
    syntax : str
        TransferSyntaxUID, or what was found where the file does not say.
    little_endian : bool
    end : int
        Offset at which the reading ended: of the element that stopped it, if one did.
    stopped_at : tuple or None
        Tag, VR (None for implicit) and length of that element.
    """

    dataset: Dataset
    syntax: str
    little_endian: bool
    end: int
    stopped_at: tuple[int, str | None, int] | None


@contextmanager
def lenient() -> Iterator[None]:
    """Take values that break the rules of their VR without a word; our rules judge them.

    pydicom's warnings and log lines hold the values that they are about: names and UIDs.
    """
    global _is_lenient
    from pydicom import config

    if _is_lenient:  # entering takes as long as reading a dozen attributes
        yield
        return
    logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)
    strict = config.convert_wrong_length_to_UN
    config.convert_wrong_length_to_UN = True  # else an exception of no class of `BROKEN`
    try:
        with warnings.catch_warnings(), config.disable_value_validation():
            warnings.simplefilter("ignore")
            _is_lenient = True
            yield
    finally:
        _is_lenient = False
        config.convert_wrong_length_to_UN = strict


def read_header(path: Path) -> tuple[Dataset, StoredPixels | None]:
    """Read all attributes up to the pixels.

    Returns
    -------
    dataset : pydicom.Dataset
        Values are converted when they are asked for; do that inside `lenient`.
    pixels : StoredPixels or None
        None where the file holds no PixelData.

    Raises
    ------
    Refused
        The file cannot be opened or is not made as DICOM files are.
    """
    return HeaderReader().read(path)


class HeaderReader:
    """Reads the headers of a series: what is the same in file after file is converted once.

    The datasets share these elements, so that they must not be changed in place.
    """

    def __init__(self) -> None:
        self._context: tuple[Any, ...] = ()
        self._shared: dict[int, tuple[bytes | None, bytes, BaseTag, DataElement]] = {}

    def read(self, path: Path) -> tuple[Dataset, StoredPixels | None]:
        """Read a header; see `read_header`."""
        try:
            with lenient(), path.open("rb", buffering=0) as file:
                first = file.read(FIRST_BYTES)
                try:
                    return self._walk(first)
                except Unusual:
                    file.seek(0)
                    head = parse_head(file, PIXELS.__contains__, FIRST_BYTES)
        except BROKEN as error:
            found = f"a malformed or unreadable file ({_kind(error)})"
            raise Refused("file", "a DICOM file", found) from error
        if head.stopped_at is None or head.stopped_at[0] != PIXEL_DATA:
            return head.dataset, None
        _, vr, length = head.stopped_at
        offset = head.end + (12 if vr in LONG_VRS else 8)
        stated = None if length == UNDEFINED_LENGTH else length
        pixels = StoredPixels(head.syntax, offset, stated, vr or "OW", head.little_endian)
        return head.dataset, pixels

    def _walk(self, data: bytes) -> tuple[Dataset, StoredPixels | None]:
        """Read a header that is made as usual and ends with pixels, within `data`."""
        syntax, at = walk_meta(data)
        if syntax == DEFLATED:
            raise Unusual
        implicit, order = syntax == IMPLICIT_LITTLE, ">" if syntax == EXPLICIT_BIG else "<"
        walked = list(walk(data, at, implicit, order, min(PIXELS)))
        tag, vr, _, end = walked.pop()
        if tag != PIXEL_DATA:
            raise Unusual
        dataset = self._dataset(data, walked, implicit, order == "<")
        length = int.from_bytes(data[end - 4 : end], "little" if order == "<" else "big")
        stated = None if length == UNDEFINED_LENGTH else length
        if vr not in (None, b"OB", b"OW", b"UN"):
            raise Unusual
        kind = vr.decode("ascii") if vr else "OW"
        return dataset, StoredPixels(syntax, end, stated, kind, order == "<")

    def _dataset(self, data: bytes, walked: list[Walked], implicit: bool, little: bool) -> Dataset:
        """Return the dataset of elements, those that are as in the first file converted."""
        from pydicom import Dataset
        from pydicom.charset import convert_encodings, default_encoding
        from pydicom.dataelem import RawDataElement, convert_raw_data_element, empty_value_for_VR
        from pydicom.tag import BaseTag

        character_set = next((data[a:b] for tag, _, a, b in walked if tag == CHARACTER_SET), b"")
        context = implicit, little, character_set
        shared = self._shared if context == self._context else {}
        elements: dict[BaseTag, Any] = {}
        for tag, vr, start, end in walked:
            value = data[start:end]
            known = shared.get(tag)
            if known is not None and known[1] == value and known[0] == vr:
                elements[known[2]] = known[3]
                continue
            key, kind = BaseTag(tag), vr.decode("ascii") if vr else None
            stored: Any = value or empty_value_for_VR(kind, raw=True)
            elements[key] = RawDataElement(key, kind, end - start, stored, start, implicit, little)
        encoding: Any = default_encoding
        if character_set:
            raw = elements[BaseTag(CHARACTER_SET)]
            element = convert_raw_data_element(raw) if isinstance(raw, RawDataElement) else raw
            encoding = convert_encodings(element.value)
        dataset = Dataset(elements)
        dataset.set_original_encoding(implicit, little, encoding)
        if not self._context:
            self._context = context
            self._share(dataset, {tag: (vr, data[a:b]) for tag, vr, a, b in walked})
        return dataset

    def _share(self, dataset: Dataset, raw: dict[int, tuple[bytes | None, bytes]]) -> None:
        """Convert the values of the first file; private ones depend on their creators."""
        for tag in list(dataset.keys()):
            if tag.is_private or tag not in raw:
                continue
            try:
                self._shared[int(tag)] = (*raw[int(tag)], tag, dataset[tag])
            except BROKEN:
                continue  # whoever asks for it will say what is wrong


def _kind(error: BaseException) -> str:
    """Say what went wrong without the library's own words, which may hold paths and values."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return type(error).__name__


def parse_head(file: BinaryIO, stop: Callable[[int], bool], first_bytes: int) -> Head:
    """Parse the attributes before the first whose tag `stop` accepts.

    Parameters
    ----------
    file : binary stream
    stop : callable
        Takes a tag.
    first_bytes : int
        What is read at first; parsing from memory is faster, and most headers are small.
    """
    first = file.read(first_bytes)
    if len(first) < first_bytes:
        return _parse(io.BytesIO(first), stop)
    try:
        head = _parse(io.BytesIO(first), stop)
        if head.stopped_at:
            return head
    except BROKEN:  # perhaps only cut off
        pass
    return _parse(_Guarded(file), stop)


class _Guarded:
    """A stream that ends a parser which has lost its way: in zeros, or in far too many bytes.

    pydicom reads on as long as there is a file, and takes a run of zeros for as many elements.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._left, self._zeros = stream, MOST_HEADER, 0
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int = -1) -> bytes:
        """Read as any stream does.

        Raises
        ------
        ValueError
            More than a header can have been read, or nothing but zeros for long.
        """
        self._left -= 16 + max(size, 0)  # 16: so many small reads are an end too
        if size < 0 or self._left < 0:
            raise ValueError("a header without end")
        data = self._stream.read(size)
        if len(data) <= 8:
            self._zeros = 0 if data.strip(b"\0") else self._zeros + 1
            if self._zeros > MOST_ZEROS:
                raise ValueError("zeros instead of a header")
        return data


def _parse(stream: Any, stop: Callable[[int], bool]) -> Head:
    from pydicom.filereader import read_dataset

    stopped: list[tuple[int, str | None, int]] = []

    def stop_when(tag: int, vr: str | None, length: int) -> bool:
        if stop(int(tag)):
            stopped.append((int(tag), vr, length))
        return bool(stopped)

    stream.seek(0)
    body, syntax, implicit, little = skip_meta(stream)
    if syntax == DEFLATED:
        body = _Guarded(body)
    dataset = read_dataset(body, implicit, little, stop_when=stop_when)
    return Head(dataset, syntax, little, body.tell(), stopped[-1] if stopped else None)


def skip_meta(stream: Any, most: int = MOST_HEADER) -> tuple[Any, str, bool, bool]:
    """Read preamble and file meta information, where there are any.

    Parameters
    ----------
    stream : binary stream
        At its beginning.
    most : int
        Bytes to inflate of a deflated dataset.

    Returns
    -------
    body : binary stream
        At the first element of the dataset; inflated where that is deflated.
    syntax : str
    implicit_vr, little_endian : bool
    """
    from pydicom.filereader import read_dataset

    start = 132 if stream.read(132)[128:] == b"DICM" else 0
    stream.seek(start)
    meta = read_dataset(stream, False, True, stop_when=lambda tag, vr, length: tag >> 16 != 2)
    syntax = _syntax(meta)
    if syntax == DEFLATED:
        return _inflate(stream.read(MOST_HEADER // 2), most), syntax, False, True
    if not syntax:
        syntax = _guess(stream)
    return stream, syntax, syntax == IMPLICIT_LITTLE, syntax != EXPLICIT_BIG


def _syntax(meta: Dataset) -> str:
    if 0x00020010 not in meta:
        return ""
    value: Any = meta.get_item(0x00020010).value
    return value.decode("ascii", "replace").strip("\0 ") if isinstance(value, bytes) else ""


def _guess(stream: BinaryIO) -> str:
    """Tell the encoding of a file that does not say it from the first element of its dataset."""
    place = stream.tell()
    head = stream.read(6)
    stream.seek(place)
    if not head[4:6].isalpha() or not head[4:6].isupper():
        return IMPLICIT_LITTLE
    return EXPLICIT_BIG if head[0] == 0 and head[1] else EXPLICIT_LITTLE


def _inflate(data: bytes, most: int) -> io.BytesIO:
    """Inflate at most so many bytes; what ends early is short."""
    return io.BytesIO(zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, most))
