"""Text of DICOM elements as written, whatever VR they pretend to be: nothing is converted first.

pydicom converts a value by its VR when it is asked for, and raises or warns where it cannot. What a
rule of SUV needs is the text; what the text means, and what is wrong with it, the rule says.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from petnet.ingest.dicom.dicom_file import BROKEN, lenient

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.dataelem import RawDataElement

__all__ = ["items_of", "private_text", "text_of"]

BINARY = {"FD": "d", "FL": "f", "US": "H", "SS": "h", "UL": "I", "SL": "i", "UV": "Q", "SV": "q"}
FIRST_BLOCK = 0x10


def text_of(dataset: Dataset, tag: int) -> str | None:
    """Return the text of an element, stripped; None where absent or empty.

    Several values are joined by backslashes, as they are written.
    """
    from pydicom.dataelem import RawDataElement

    element: Any = dataset.get_item(tag, keep_deferred=True)
    if element is None:
        return None
    text = _decoded(element) if isinstance(element, RawDataElement) else _joined(element.value)
    return text.strip("\0 \t\r\n") or None


def _decoded(element: RawDataElement) -> str:
    """Return the text of an element that pydicom has not converted yet."""
    value = element.value or b""
    code = BINARY.get(element.VR or "")
    if code is None:
        return value.decode("latin-1")
    size = struct.calcsize(code)
    order = "<" if element.is_little_endian else ">"
    count = len(value) // size
    found: Iterable[Any] = struct.unpack(f"{order}{count}{code}", value[: count * size])
    return "\\".join(repr(number) for number in found)


def _joined(value: Any) -> str:
    from pydicom.sequence import Sequence

    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        return str(value)
    if isinstance(value, Sequence):
        return "(a sequence)"  # where a rule asks for text or a number; it is neither
    return "\\".join(str(item) for item in value)


def items_of(dataset: Dataset | None, tag: int) -> list[Dataset]:
    """Return the items of a sequence; none where it is absent, empty or no sequence at all."""
    from pydicom import Dataset
    from pydicom.errors import BytesLengthException
    from pydicom.sequence import Sequence

    if dataset is None or tag not in dataset:
        return []
    with lenient():
        try:
            value: Any = dataset[tag].value
            items = list(value) if isinstance(value, Sequence) else []
        except (
            *BROKEN,
            BytesLengthException,
        ):  # bytes that are no items: what they should hold is missing, and named so
            return []
    return [item for item in items if isinstance(item, Dataset)]


def private_text(dataset: Dataset, group: int, creator: str, offset: int) -> str | None:
    """Return the text of a private element, wherever its creator reserved its block.

    Where no creator at all is left in the group (anonymisers drop them), the first block is taken.
    """
    block = _block(dataset, group, creator)
    return None if block is None else text_of(dataset, group << 16 | block << 8 | offset)


def _block(dataset: Dataset, group: int, creator: str) -> int | None:
    reserved = [
        tag for tag in dataset.keys()  # noqa: SIM118 iterating the dataset itself converts values
        if tag >> 16 == group and 0x10 <= tag & 0xFFFF <= 0xFF
    ]  # fmt: skip
    for tag in reserved:
        if (text_of(dataset, tag) or "").lower() == creator.lower():
            return int(tag) & 0xFF
    return None if reserved else FIRST_BLOCK
