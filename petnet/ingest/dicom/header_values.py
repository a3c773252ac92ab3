"""Numbers and text of a header: a number that is missing or malformed is refused by name."""

from __future__ import annotations

import math
from collections.abc import MutableSequence
from typing import TYPE_CHECKING, Any

from petnet.ingest.dicom.dicom_file import BROKEN
from petnet.ingest.refusal import Refused, tag_name

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["number", "numbers", "text", "whole"]


def numbers(dataset: Dataset, keyword: str, count: int) -> tuple[float, ...]:
    """Return `count` finite numbers.

    Raises
    ------
    Refused
        Absent, empty, fewer or more, not numbers, not finite.
    """
    wanted = "a number" if count == 1 else f"{count} numbers"
    try:
        value: Any = dataset.get(keyword)
        if value is None or value == "" or value == []:
            raise Refused(tag_name(keyword), wanted, "none")
        single = isinstance(value, str | bytes) or not hasattr(value, "__len__")
        found = tuple(float(item) for item in ([value] if single else value))
    except BROKEN as error:
        raise Refused(tag_name(keyword), wanted, "something else") from error
    if len(found) != count:
        raise Refused(tag_name(keyword), wanted, str(len(found)))
    if not all(math.isfinite(item) for item in found):
        raise Refused(tag_name(keyword), wanted, "numbers that are not finite")
    return found


def number(dataset: Dataset, keyword: str) -> float:
    """Return one finite number; errors as `numbers`."""
    return numbers(dataset, keyword, 1)[0]


def whole(dataset: Dataset, keyword: str, least: int, most: int) -> int:
    """Return one whole number from `least` to `most`; errors as `numbers`."""
    value = number(dataset, keyword)
    if value != int(value) or not least <= value <= most:
        expected = f"a whole number from {least} to {most}"
        raise Refused(tag_name(keyword), expected, f"{value:g}")
    return int(value)


def text(dataset: Dataset, keyword: str) -> str:
    """Return the stripped text of an attribute; empty where absent or unreadable.

    Several values are joined by backslashes, as they are written.
    """
    try:
        value: Any = dataset.get(keyword)
        if value is None:
            return ""
        if isinstance(value, bytes):
            value = value.decode("latin-1")
        if not isinstance(value, MutableSequence):  # names of persons have a length, too
            return str(value).strip("\0 ")
        return "\\".join(str(item).strip("\0 ") for item in value)
    except BROKEN:
        return ""
