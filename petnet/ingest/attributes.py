"""Values of DICOM attributes as numbers and text; what is missing or malformed is named."""

from __future__ import annotations

import numbers as abstract
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from petnet.ingest.refusal import Refused, tag_name

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["integer", "items", "numbers", "text"]


def value(dataset: Dataset, keyword: str) -> Any:
    """Return an attribute's value; None where it is absent or empty.

    Raises
    ------
    Refused
        Its bytes are not what its value representation says.
    """
    try:
        found = dataset.get(keyword)
    except MemoryError:
        raise
    except Exception as error:  # pydicom converts when asked, and raises what the conversion raises
        expected = "a value as its value representation says"
        found_text = f"bytes that are none ({type(error).__name__})"
        raise Refused(tag_name(keyword), expected, found_text) from error
    return None if found is None or (isinstance(found, str | bytes) and not found) else found


def text(dataset: Dataset, keyword: str) -> str:
    """Return text, stripped, control characters as blanks; empty where absent."""
    found = value(dataset, keyword)
    if isinstance(found, bytes):
        found = found.decode("latin-1")
    plain = "" if found is None else str(found)
    return " ".join("".join(c if c.isprintable() else " " for c in plain).split())


def integer(dataset: Dataset, keyword: str, default: int | None = None) -> int:
    """Return a whole number; `default` where absent, if there is one."""
    found = value(dataset, keyword)
    if found is None and default is not None:
        return default
    if isinstance(found, abstract.Real) and not isinstance(found, bool):
        number = float(found)
        if number.is_integer() and abs(number) < 2**53:
            return int(number)
    raise Refused(tag_name(keyword), "a whole number", described(found))


def numbers(dataset: Dataset, keyword: str, count: int) -> NDArray[np.float64]:
    """Return `count` finite numbers."""
    found = value(dataset, keyword)
    several = [found] if isinstance(found, abstract.Real) else found
    expected = f"{count} numbers" if count > 1 else "a number"
    try:
        array = np.array([float(n) for n in several], dtype=np.float64)
    except (TypeError, ValueError, OverflowError, AttributeError) as error:
        raise Refused(tag_name(keyword), expected, described(found)) from error
    if array.size != count or not np.isfinite(array).all():
        raise Refused(tag_name(keyword), expected, described(found))
    return array


def items(dataset: Dataset, keyword: str) -> list[Dataset]:
    """Return the items of a sequence; none where it is absent."""
    from pydicom import Sequence

    found = value(dataset, keyword)
    if found is None:
        return []
    if not isinstance(found, Sequence):
        raise Refused(tag_name(keyword), "a sequence", described(found))
    return list(found)


def described(found: Any) -> str:
    """Return a value in few words for a message: numbers as they are, text only by its length."""
    if found is None:
        return "nothing"
    if isinstance(found, abstract.Real):
        return str(found)
    if isinstance(found, str | bytes):
        return f"text of {len(found)} characters"
    try:
        several = list(found)
    except (TypeError, ValueError, AttributeError):
        return f"a {type(found).__name__}"
    if len(several) <= 6 and all(isinstance(n, abstract.Real) for n in several):
        return str([float(n) for n in several])
    return f"{len(several)} values"
