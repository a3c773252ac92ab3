"""Values of DICOM attributes as numbers and text; what is missing or malformed is named."""

from __future__ import annotations

import math
import numbers as abstract
from typing import TYPE_CHECKING, Any

from petnet.ingest.dicom_file import BROKEN
from petnet.ingest.refusal import Refused, tag_name

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["items", "number", "numbers", "text", "whole"]


def text(dataset: Dataset, keyword: str) -> str:
    r"""Return an attribute as text: several values with "\" between, none as "".

    Raises
    ------
    Refused
        Its bytes are not what its value representation says.
    """
    return "\\".join(_plain(part) for part in _values(dataset, keyword))


def number(dataset: Dataset, keyword: str) -> float:
    """Return a finite number.

    Raises
    ------
    Refused
        None, several, or something else.
    """
    return numbers(dataset, keyword, 1)[0]


def numbers(dataset: Dataset, keyword: str, count: int) -> tuple[float, ...]:
    """Return `count` finite numbers.

    Raises
    ------
    Refused
        Another count, or something else.
    """
    found = _values(dataset, keyword)
    expected = "a number" if count == 1 else f"{count} numbers"
    try:
        made = tuple(float(part) for part in found)
    except (*BROKEN, RuntimeError) as error:
        raise Refused(tag_name(keyword), expected, _described(found)) from error
    if len(made) != count or not all(map(math.isfinite, made)):
        raise Refused(tag_name(keyword), expected, _described(found))
    return made


def whole(dataset: Dataset, keyword: str, low: int, high: int) -> int:
    """Return a whole number from `low` to `high`.

    Raises
    ------
    Refused
        Another number, or something else.
    """
    found = number(dataset, keyword)
    if not found.is_integer() or not low <= found <= high:
        raise Refused(tag_name(keyword), f"a whole number from {low} to {high}", f"{found:.10g}")
    return int(found)


def items(dataset: Dataset, keyword: str) -> list[Dataset]:
    """Return the items of a sequence; none where it is absent.

    Raises
    ------
    Refused
        It is no sequence.
    """
    from pydicom import Sequence

    found = _values(dataset, keyword)
    if found and not isinstance(found, Sequence):
        raise Refused(tag_name(keyword), "a sequence of items", "another value")
    return list(found)


def _values(dataset: Dataset, keyword: str) -> Any:
    """Return the values of an attribute; pydicom converts them when they are asked for."""
    from pydicom import Sequence
    from pydicom.multival import MultiValue

    try:
        found = dataset.get(keyword)
    except BROKEN as error:
        expected = "a value as its value representation says"
        raise Refused(tag_name(keyword), expected, f"others ({type(error).__name__})") from error
    if isinstance(found, Sequence | MultiValue | list | tuple):
        return found
    return [] if found is None or found in ("", b"") else [found]


def _plain(part: Any) -> str:
    if isinstance(part, bytes):
        part = part.decode("latin-1")
    return "" if part is None else str(part).strip("\0 ")


def _described(found: Any) -> str:
    """Describe values for messages: numbers as they are, of text its length only."""
    if not found:
        return "nothing"
    if all(isinstance(part, abstract.Real) for part in found) and len(found) <= 6:
        return ", ".join(f"{float(part):.10g}" for part in found)
    if len(found) == 1 and isinstance(found[0], str | bytes):
        return f"text of {len(found[0])} characters"
    return f"{len(found)} values"
