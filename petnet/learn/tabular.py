"""Turning a table with gaps and categories into the numbers that a network or a filter needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from petnet.errors import InputError

__all__ = ["TableEncoder", "choose_columns", "uncorrelated_columns"]

CLIP_SD = 5.0


@dataclass(frozen=True)
class _Number:
    column: str
    median: float
    mean: float
    scale: float
    indicator: bool


@dataclass(frozen=True)
class _Category:
    column: str
    levels: tuple[str, ...]


def choose_columns(columns: Sequence[str], include: Sequence[str] | None, what: str) -> list[str]:
    """Return the columns that match any shell pattern of `include` (None: all), in table order.

    Raises
    ------
    InputError
        A pattern matches nothing.
    """
    if include is None:
        return list(columns)
    for pattern in include:
        if not any(fnmatchcase(c, pattern) for c in columns):
            near = get_close_matches(pattern, columns, 3, 0.0)
            found = f"{pattern!r}, which matches none of {len(columns)}, such as {near}"
            raise InputError(what, "include", "patterns that match a column", found)
    return [c for c in columns if any(fnmatchcase(c, p) for p in include)]


def uncorrelated_columns(
    values: NDArray[np.float64], names: Sequence[str], largest: float
) -> list[str]:
    """Keep columns in order, dropping each whose |Spearman ρ| with a kept one exceeds `largest`.

    Parameters
    ----------
    values : (n, F) float64 array
        Without NaN; constant columns are dropped.
    """
    ranks = pd.DataFrame(values).rank().to_numpy()
    centred = ranks - ranks.mean(axis=0)
    norms = np.linalg.norm(centred, axis=0)
    kept: list[int] = []
    for j in range(values.shape[1]):
        if norms[j] == 0:
            continue
        rho = np.abs(centred[:, kept].T @ centred[:, j]) / (norms[kept] * norms[j])
        if not (rho > largest).any():
            kept.append(j)
    return [names[j] for j in kept]


class TableEncoder:
    """Median imputation, missing indicators, standardisation and one-hot coding, learned by `fit`.

    Numbers are imputed with the training median, standardised and clipped at five standard
    deviations; a column with gaps in the training part gets an indicator. Ordered categories
    become their rank and are treated as numbers; unordered ones become one column per level of
    the task. Constant columns are dropped.

    Parameters
    ----------
    max_correlation : float, optional
        Drop each numeric column whose |Spearman ρ| with an earlier kept one exceeds this.
    include : sequence of str, optional
        Shell patterns of the columns to use; None uses all.
    one_hot : bool
        False gives one column of level numbers (-1 for missing) per unordered category instead,
        as samplers for mixed columns want it.
    """

    def __init__(
        self,
        max_correlation: float | None = None,
        include: Sequence[str] | None = None,
        one_hot: bool = True,
    ) -> None:
        self.max_correlation = max_correlation
        self.one_hot = one_hot
        self.include = None if include is None else list(include)
        self.numbers: list[_Number] = []
        self.categories: list[_Category] = []

    def fit(self, frame: pd.DataFrame) -> Self:
        """Learn from the (n, columns) table of the training units."""
        columns = choose_columns([str(c) for c in frame], self.include, "table")
        self.numbers, self.categories = [], []
        numeric: dict[str, NDArray[np.float64]] = {}
        for column in columns:
            dtype = frame[column].dtype
            if isinstance(dtype, pd.CategoricalDtype) and not dtype.ordered:
                levels = tuple(str(v) for v in dtype.categories)
                self.categories.append(_Category(column, levels))
            else:
                numeric[column] = _as_numbers(frame[column])
        fitted = {c: _fit_number(c, v) for c, v in numeric.items()}
        usable = [c for c, f in fitted.items() if f is not None]
        if self.max_correlation is not None and usable:
            filled = np.column_stack(
                [
                    np.where(np.isnan(numeric[c]), f.median, numeric[c])
                    for c, f in fitted.items()
                    if f is not None
                ]
            )
            usable = uncorrelated_columns(filled, usable, self.max_correlation)
        self.numbers = [f for c in usable if (f := fitted[c]) is not None]
        return self

    @property
    def names(self) -> list[str]:
        """Names of the D output columns."""
        categories = (
            [f"{c.column}={level}" for c in self.categories for level in c.levels]
            if self.one_hot
            else [c.column for c in self.categories]
        )
        numbers = [n.column for n in self.numbers]
        return [*numbers, *(f"{c} missing" for c in self._indicators), *categories]

    @property
    def discrete(self) -> list[int]:
        """Positions of the output columns that are no measured numbers."""
        return list(range(len(self.numbers), len(self.names)))

    @property
    def _indicators(self) -> list[str]:
        return [n.column for n in self.numbers if n.indicator]

    def transform(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """Encode a table with the columns seen in `fit`.

        Returns
        -------
        (n, D) float64 array
            Without NaN.
        """
        used = [*(n.column for n in self.numbers), *(c.column for c in self.categories)]
        absent = [column for column in used if column not in frame]
        if absent:
            raise InputError(
                "table",
                "columns",
                "those the model was trained on",
                f"a table without {absent[:5]}",
            )
        made: list[NDArray[np.float64]] = []
        gaps: list[NDArray[np.float64]] = []
        for number in self.numbers:
            values = _as_numbers(frame[number.column])
            missing = np.isnan(values)
            scaled = (np.where(missing, number.median, values) - number.mean) / number.scale
            made.append(np.clip(scaled, -CLIP_SD, CLIP_SD))
            if number.indicator:
                gaps.append(missing.astype(np.float64))
        hot = [column for c in self.categories for column in self._encode(frame[c.column], c)]
        columns = [*made, *gaps, *hot]
        return np.column_stack(columns) if columns else np.zeros((len(frame), 0))

    def _encode(self, values: pd.Series, category: _Category) -> list[NDArray[np.float64]]:
        text = values.astype(object).to_numpy()
        hot = [np.asarray(text == level, dtype=np.float64) for level in category.levels]
        if self.one_hot:
            return hot
        return [sum((h * (k + 1) for k, h in enumerate(hot)), np.zeros(len(text))) - 1.0]

    def expand(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn level numbers into one column per level; leaves one-hot tables as they are."""
        if self.one_hot or not self.categories:
            return values
        first = values.shape[1] - len(self.categories)
        hot = [
            np.asarray(values[:, first + k] == level, dtype=np.float64)
            for k, category in enumerate(self.categories)
            for level in range(len(category.levels))
        ]
        return np.column_stack([values[:, :first], *hot])

    def state(self) -> dict[str, Any]:
        """Return what was learned, as JSON values."""
        return {
            "max_correlation": self.max_correlation,
            "include": self.include,
            "one_hot": self.one_hot,
            "numbers": [asdict(n) for n in self.numbers],
            "categories": [{"column": c.column, "levels": list(c.levels)} for c in self.categories],
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """Rebuild an encoder from `state()`."""
        made = cls(state["max_correlation"], state["include"], state["one_hot"])
        made.numbers = [_Number(**n) for n in state["numbers"]]
        made.categories = [_Category(c["column"], tuple(c["levels"])) for c in state["categories"]]
        return made


def _as_numbers(values: pd.Series) -> NDArray[np.float64]:
    """Numbers as they are; ordered categories as their rank; missing and infinite as NaN."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        codes = values.cat.codes.to_numpy(dtype=np.float64)
        return np.where(codes < 0, np.nan, codes)
    numbers = values.to_numpy(dtype=np.float64)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _fit_number(column: str, values: NDArray[np.float64]) -> _Number | None:
    known = values[~np.isnan(values)]
    if known.size == 0:
        return None
    median = float(np.median(known))
    filled = np.where(np.isnan(values), median, values)
    scale = float(filled.std())
    if scale <= 1e-12 * max(1.0, abs(median)):
        return None
    return _Number(column, median, float(filled.mean()), scale, known.size < values.size)
