"""The one number that a kind of outcome is judged by; 0.5 is chance and 1 is perfect for all.

====================  =========================================================================
binary                AUC
multiclass            Hand and Till's M: mean over pairs of classes of their separation
ordinal               generalised C-index of the expected class index, sum of k·p_k
multilabel            mean over labels of the AUC of each (macro AUC)
survival              Harrell's C of the log relative hazard
====================  =========================================================================

Each is a mean over *components* (one, the pairs of classes, the labels), and each component is a
share of ordered pairs of units. So all can be counted within the folds of a cross-validation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from petnet.outcome import Outcome
from petnet.stats.concordance import expected_class, harrell, ordinal
from petnet.stats.discrimination import auc
from petnet.stats.multiclass import class_pairs

__all__ = ["MEASURES", "Components", "components", "headline"]

MEASURES = {
    "binary": "AUC",
    "multiclass": "M (Hand & Till)",
    "ordinal": "C-index",
    "multilabel": "macro AUC",
    "survival": "C-index",
}


@dataclass(frozen=True, eq=False)
class Components:
    """The parts of a headline figure.

    Attributes
    ----------
    value : (C,) float64 array
        NaN where there is no pair to compare.
    pairs : (C,) int array
        Pairs of units that each value is a share of.
    """

    value: NDArray[np.float64]
    pairs: NDArray[np.int64]


def headline(
    outcome: Outcome, target: NDArray[np.float64], prediction: NDArray[np.float64]
) -> float:
    """Judge predictions by the measure of their kind; see the table above.

    Parameters
    ----------
    target : float64 array
        As `petnet.outcome` says, without missing values; only of multilabel targets some may be
        missing, which are left out label by label.
    prediction : (n, K) float64 array

    Returns
    -------
    float
        NaN where the target does not allow it: one class only, a class of a multiclass task absent,
        a label with one value only, no event or none before another unit's time.

    Raises
    ------
    InputError
        Predictions that are not finite, or that are no probabilities where they should be.
    """
    if outcome.lacking(target):
        return float("nan")
    return float(np.mean(components(outcome, target, prediction).value))


def components(
    outcome: Outcome, target: NDArray[np.float64], prediction: NDArray[np.float64]
) -> Components:
    """Return the components of the headline figure: also those that the target does allow.

    One for binary, ordinal and survival tasks; one per pair of classes (in the order of
    `itertools.combinations`) for multiclass tasks, one per label for multilabel ones.
    """
    if outcome.kind == "survival":
        found = harrell(target[:, 0], target[:, 1], prediction[:, 0])
        rows = [(found.index, found.comparable)]
    elif outcome.kind == "ordinal":
        found = ordinal(target, expected_class(prediction))
        rows = [(found.index, found.comparable)]
    elif outcome.kind == "multiclass":
        rows = [(pair.value, pair.pairs) for pair in class_pairs(target, prediction)]
    else:
        labels = target[:, None] if target.ndim == 1 else target
        rows = [_area(labels[:, k], prediction[:, k]) for k in range(prediction.shape[1])]
    value, pairs = zip(*rows, strict=True)
    return Components(np.array(value, dtype=np.float64), np.array(pairs, dtype=np.int64))


def _area(truth: NDArray[np.float64], score: NDArray[np.float64]) -> tuple[float, int]:
    """Return AUC and pairs of the units whose truth is known."""
    known = ~np.isnan(truth)
    positive = int((truth[known] == 1).sum())
    pairs = positive * (int(known.sum()) - positive)
    return (auc(truth[known], score[known]) if pairs else np.nan), pairs
