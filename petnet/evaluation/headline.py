"""The one number that a kind of outcome is judged by; 0.5 is chance and 1 is perfect for all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from petnet.outcome import Outcome
from petnet.stats.discrimination import auc

__all__ = ["MEASURES", "headline"]

MEASURES = {
    "binary": "AUC",
    "multiclass": "M (Hand & Till)",
    "ordinal": "C-index",
    "multilabel": "macro AUC",
    "survival": "C-index",
}


def headline(
    outcome: Outcome, target: NDArray[np.float64], prediction: NDArray[np.float64]
) -> float:
    """Judge predictions; NaN where the target does not allow it.

    Parameters
    ----------
    target : float64 array
        Without missing values, but for multilabel tasks.
    prediction : (n, K) float64 array
    """
    if outcome.lacking(target):
        return float("nan")
    if outcome.kind == "binary":
        return auc(target, prediction[:, 0])
    raise NotImplementedError(outcome.kind)
