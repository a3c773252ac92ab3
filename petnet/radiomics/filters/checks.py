"""What the filters' settings share: their checks, and the parts of their names."""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

from petnet.errors import InputError
from petnet.radiomics.filters.boundary import Boundary

__all__ = [
    "Pooling",
    "boundary_part",
    "check_boundary",
    "check_dimension",
    "check_level",
    "check_pooling",
    "dimension_part",
    "is_number",
    "is_whole",
    "join",
    "pooling_part",
    "refuse",
    "settle_positive",
    "spell",
]

#: Over the right-angle rotations of a kernel, or over the orientations of a Gabor filter.
Pooling = Literal["average", "max"]
MAX_LEVEL = 8


def refuse(filter_: Any, field: str, expected: str, found: Any) -> InputError:
    """Say which setting of which filter is not what it may be."""
    return InputError(f"filter {type(filter_).__name__}", field, expected, repr(found))


def check_boundary(filter_: Any, boundary: Any) -> None:
    """Refuse an unknown boundary condition."""
    if boundary not in get_args(Boundary):
        raise refuse(filter_, "boundary", f"one of {get_args(Boundary)}", boundary)


def check_pooling(filter_: Any, pooling: Any) -> None:
    """Refuse an unknown pooling; none is fine."""
    if pooling is not None and pooling not in get_args(Pooling):
        raise refuse(filter_, "pooling", f"one of {get_args(Pooling)} or null", pooling)


def check_dimension(filter_: Any, dimension: Any) -> None:
    """Refuse what is neither 2 nor 3."""
    if not is_whole(dimension, 2) or dimension > 3:
        raise refuse(filter_, "dimension", "2 or 3", dimension)


def check_level(filter_: Any, level: Any) -> None:
    """Refuse a level of decomposition that no image has room for."""
    if not is_whole(level, 1) or level > MAX_LEVEL:
        raise refuse(filter_, "level", f"a whole number from 1 to {MAX_LEVEL}", level)


def settle_positive(filter_: Any, *fields: str) -> None:
    """Check positive numbers, and make 3 and 3.0 the same setting."""
    for field in fields:
        value = getattr(filter_, field)
        if not (is_number(value) and value > 0):
            raise refuse(filter_, field, "a positive number", value)
        object.__setattr__(filter_, field, float(value))


def is_number(value: Any) -> bool:
    """Whether `value` is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_whole(value: Any, least: int) -> bool:
    """Whether `value` is a whole number, `least` or more."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def join(*parts: object) -> str:
    """Join the parts of a name that are not empty."""
    return "_".join(str(part) for part in parts if part != "")


def spell(value: float) -> str:
    """Spell a number with letters and digits: 2.5 is 2p5, -60 is m60."""
    return repr(value).removesuffix(".0").replace("-", "m").replace("+", "").replace(".", "p")


def dimension_part(dimension: int) -> str:
    """Name a filter of slices."""
    return "2d" if dimension == 2 else ""


def pooling_part(dimension: int, pooling: Pooling | None) -> str:
    """Name a pooling over rotations."""
    return "" if pooling is None else f"{dimension}d_{pooling}"


def boundary_part(boundary: Boundary, default: Boundary = "mirror") -> str:
    """Name a boundary condition other than the default."""
    return "" if boundary == default else boundary
