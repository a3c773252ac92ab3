"""The columns of a table of predictions, for every kind of outcome."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from petnet.errors import InputError
from petnet.outcome import Outcome

__all__ = ["decided", "scored", "truth_of", "truths"]


def scored(outcome: Outcome, prediction: NDArray[np.float64]) -> dict[str, Any]:
    """Return the prediction, (n, K), by column."""
    return {name: prediction[:, k] for k, name in enumerate(outcome.score_columns)}


def decided(
    outcome: Outcome, prediction: NDArray[np.float64], base: Sequence[float]
) -> dict[str, Any]:
    """Return the decisions by column; see `Outcome.decide`."""
    found = outcome.decide(prediction, list(base))
    if outcome.kind == "multilabel":
        return {name: found[:, k] for k, name in enumerate(outcome.decision_columns)}
    return {outcome.decision_columns[0]: outcome.name_of(found)}


def truths(outcome: Outcome, target: NDArray[np.float64]) -> dict[str, Any]:
    """Return the target by column; missing is empty, indicators are whole numbers."""
    names = outcome.truth_columns
    if outcome.kind == "survival":
        return {names[0]: target[:, 0], names[1]: _whole(target[:, 1])}
    if outcome.kind == "multilabel":
        return {name: _whole(target[:, k]) for k, name in enumerate(names)}
    if outcome.kind == "binary":
        return {names[0]: _whole(target)}
    return {names[0]: outcome.name_of(target)}


def _whole(values: NDArray[np.float64]) -> pd.Series:
    return pd.Series(values).astype("Int64")


def truth_of(outcome: Outcome, table: pd.DataFrame, source: str) -> NDArray[np.float64]:
    """Read the target back from a table of predictions.

    Raises
    ------
    InputError
        A column is absent, or a class is not one of the outcome's.
    """
    for name in outcome.truth_columns:
        if name not in table:
            raise InputError(source, "columns", f"{name!r}", f"{list(table)}")
    if not outcome.by_class:
        values = table[list(outcome.truth_columns)].to_numpy(dtype=np.float64)
        return values if outcome.columns > 1 else values[:, 0]
    names = table["truth"]
    return np.array([_index(outcome, name, source) for name in names], dtype=np.float64)


def _index(outcome: Outcome, name: Any, source: str) -> float:
    if name is None or name != name:
        return float("nan")
    if str(name) not in outcome.labels:
        raise InputError(source, "truth", f"one of {list(outcome.labels)}", repr(name))
    return float(outcome.labels.index(str(name)))
