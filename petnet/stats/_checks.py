"""What every statistic asks of its input, in one place."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from petnet.errors import InputError

__all__ = ["binary", "column", "labels", "level_of", "probabilities", "same_length"]


def column(where: str, name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Return `values` as a one-dimensional float64 array of finite numbers."""
    array = np.asarray(values)
    if array.ndim != 1:
        raise InputError(where, name, "one dimension", f"shape {array.shape}")
    if array.dtype.kind not in "biuf":
        raise InputError(where, name, "numbers", f"values of type {array.dtype}")
    numbers: NDArray[np.float64] = array.astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(numbers))
    if bad.size:
        found = f"{numbers[bad[0]]} at row {bad[0]} ({bad.size} such of {numbers.size})"
        raise InputError(where, name, "finite numbers", found)
    return numbers


def binary(where: str, values: ArrayLike, both: bool = True) -> NDArray[np.bool_]:
    """Return the truth as booleans; with `both`, refuse a truth of one class only."""
    numbers = column(where, "truth", values)
    other = np.setdiff1d(numbers, [0.0, 1.0])
    if other.size:
        raise InputError(where, "truth", "0 or 1", f"{other[:5].tolist()}")
    positive: NDArray[np.bool_] = numbers == 1.0
    if numbers.size == 0:
        raise InputError(where, "truth", "at least one row", "none")
    if both and (positive.all() or not positive.any()):
        found = f"{positive.sum()} positive and {(~positive).sum()} negative"
        raise InputError(where, "truth", "at least one row of each class", found)
    return positive


def probabilities(where: str, values: ArrayLike) -> NDArray[np.float64]:
    """Return `values` as float64 between 0 and 1."""
    numbers = column(where, "probability", values)
    bad = np.flatnonzero((numbers < 0) | (numbers > 1))
    if bad.size:
        raise InputError(where, "probability", "0 to 1", f"{numbers[bad[0]]:.6g} at row {bad[0]}")
    return numbers


def labels(where: str, name: str, values: ArrayLike) -> NDArray[np.intp]:
    """Return group labels (numbers or text, none missing) as codes 0, 1, ... in sorted order."""
    array = np.asarray(values)
    if array.ndim != 1:
        raise InputError(where, name, "one dimension", f"shape {array.shape}")
    missing = np.array([v is None or v != v for v in array.tolist()], dtype=bool)
    if missing.any():
        raise InputError(
            where, name, "a label in every row", f"none at row {np.flatnonzero(missing)[0]}"
        )
    try:
        codes: NDArray[np.intp] = np.unique(array, return_inverse=True)[1]
    except TypeError as error:
        raise InputError(where, name, "labels of one type", str(error)) from error
    return codes


def same_length(where: str, **columns: NDArray[Any]) -> None:
    """Refuse columns of unequal length, naming each length."""
    if len({c.shape[0] for c in columns.values()}) > 1:
        found = ", ".join(f"{name} {c.shape[0]}" for name, c in columns.items())
        raise InputError(where, "rows", "columns of equal length", found)


def level_of(where: str, level: float) -> float:
    """Return the confidence level after checking that it lies strictly between 0 and 1."""
    if not 0 < level < 1:
        raise InputError(where, "level", "a number between 0 and 1", repr(level))
    return float(level)
