"""What each kind of outcome asks of models that learn one column at a time.

====================  ========================================================================
binary                one problem of two classes
multiclass            one problem of K classes
ordinal               K - 1 problems of two classes, is the class above k (Frank & Hall 2001, doi
                      10.1007/3-540-44795-4_13); made monotone, then differenced
multilabel            one problem of two classes per label, on the units whose label is known
survival              one problem: time and event
====================  ========================================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from petnet.outcome import Outcome

__all__ = ["Problem", "assemble", "falling", "problems"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Problem:
    """One thing to learn.

    Attributes
    ----------
    label : str
        What it is about, for messages and for patterns of columns with "{label}".
    rows : (m,) int array
        The units that it can be learned from.
    target : (m,) int64 array of classes 0 to `classes` - 1; (m, 2) float64 time, event for survival
    classes : int
        0 for survival.
    """

    label: str
    rows: NDArray[np.intp]
    target: NDArray[Any]
    classes: int


def problems(outcome: Outcome, target: Array) -> list[Problem]:
    """Divide an outcome into problems, in the order that `assemble` expects.

    Parameters
    ----------
    target : float64 array
        As `petnet.outcome` says; only of multilabel targets some may be missing.
    """
    rows = np.arange(len(target))
    if outcome.kind == "survival":
        return [Problem(outcome.labels[0], rows, target, 0)]
    if outcome.kind == "multilabel":
        made = []
        for column, label in enumerate(outcome.labels):
            known = np.flatnonzero(~np.isnan(target[:, column]))
            made.append(Problem(label, known, target[known, column].astype(np.int64), 2))
        return made
    codes = target.astype(np.int64)
    if outcome.kind == "ordinal":
        return [
            Problem(f"above {label}", rows, (codes > k).astype(np.int64), 2)
            for k, label in enumerate(outcome.labels[:-1])
        ]
    return [Problem(", ".join(outcome.labels), rows, codes, max(outcome.outputs, 2))]


def assemble(outcome: Outcome, found: Sequence[Array]) -> Array:
    """Turn the answers to the problems into a prediction, (n, K).

    Parameters
    ----------
    found : sequence of (n, classes) float64 arrays
        Probabilities, or (n, 1) log relative hazards for survival.
    """
    if outcome.kind in ("survival", "multiclass"):
        return found[0]
    positive = np.column_stack([part[:, 1] for part in found])
    if outcome.kind != "ordinal":
        return positive
    above = falling(positive)
    ends = np.ones((len(above), 1)), np.zeros((len(above), 1))
    return np.maximum(-np.diff(np.hstack([ends[0], above, ends[1]]), axis=1), 0.0)


def falling(values: Array) -> Array:
    """Return the nearest rows (least squares) whose values do not rise from left to right.

    Each threshold has a model of its own, and nothing keeps P(y > 2) below P(y > 1). Isotonic
    regression by its min-max formula: of the runs that hold the place, the smallest over the starts
    of the largest mean over the ends (Robertson, Wright & Dykstra, Order Restricted Statistical
    Inference, 1988, chapter 1).

    Parameters
    ----------
    values : (n, T) float64 array
    """
    sums = np.hstack([np.zeros((len(values), 1)), np.cumsum(values, axis=1)])
    count = values.shape[1]
    made = np.empty_like(values)
    for k in range(count):
        runs = [
            [(sums[:, end] - sums[:, start]) / (end - start) for end in range(k + 1, count + 1)]
            for start in range(k + 1)
        ]
        made[:, k] = np.max(runs, axis=1).min(axis=0)
    return made
