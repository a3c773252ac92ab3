"""Values of multi-frame files by keyword; what is missing or malformed is refused by name."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from petnet.ingest.dicom.elements import items_of, text_of
from petnet.ingest.refusal import Refused, tag_name

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["items", "number", "tag_of", "text"]


def tag_of(keyword: str) -> int:
    """Return the number of a standard attribute."""
    from pydicom.datadict import tag_for_keyword

    tag = tag_for_keyword(keyword)
    if tag is None:
        raise KeyError(keyword)
    return tag


def text(dataset: Dataset, keyword: str) -> str:
    """Return an attribute as written, stripped; empty where absent."""
    return text_of(dataset, tag_of(keyword)) or ""


def number(dataset: Dataset, keyword: str) -> float:
    """Return one finite number.

    Raises
    ------
    Refused
        It is absent, or no number.
    """
    written = text(dataset, keyword)
    try:
        value = float(written)
    except ValueError as error:
        found = "something else" if written else "none"
        raise Refused(tag_name(keyword), "a number", found) from error
    if not math.isfinite(value):
        raise Refused(tag_name(keyword), "a finite number", "another one")
    return value


def items(dataset: Dataset, keyword: str) -> list[Dataset]:
    """Return the items of a sequence that must be there.

    Raises
    ------
    Refused
        It is absent, empty, or no sequence.
    """
    found = items_of(dataset, tag_of(keyword))
    if not found:
        what = "none in it, or none that can be read" if tag_of(keyword) in dataset else "none"
        raise Refused(tag_name(keyword), "at least one item", what)
    return found
