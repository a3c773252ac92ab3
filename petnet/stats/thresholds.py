"""The figures of a decision at one threshold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from petnet.errors import InputError
from petnet.stats._checks import binary, column, level_of, same_length
from petnet.stats.intervals import Estimate, wilson

__all__ = ["ThresholdMetrics", "threshold_metrics"]

WHERE = "decision threshold"


@dataclass(frozen=True)
class ThresholdMetrics:
    """Counts and shares of the rule `score >= threshold`.

    Attributes
    ----------
    threshold : float
    tp, fp, tn, fn : int
    sensitivity, specificity, ppv, npv, accuracy : Estimate
        With Wilson intervals; NaN where the denominator is empty (no unit called positive: no
        PPV; one class only: no sensitivity or no specificity).
    """

    threshold: float
    tp: int
    fp: int
    tn: int
    fn: int
    sensitivity: Estimate
    specificity: Estimate
    ppv: Estimate
    npv: Estimate
    accuracy: Estimate


def threshold_metrics(
    truth: ArrayLike, score: ArrayLike, threshold: float, level: float = 0.95
) -> ThresholdMetrics:
    """Return what the rule `score >= threshold` gets right.

    The intervals take the threshold as given: they are honest only for one that was not chosen on
    these same units.

    Raises
    ------
    InputError
        Truth other than 0 and 1, values not finite, unequal lengths, threshold NaN.
    """
    positive, values = binary(WHERE, truth, both=False), column(WHERE, "score", score)
    same_length(WHERE, truth=positive, score=values)
    level_of(WHERE, level)
    if np.isnan(threshold):
        raise InputError(WHERE, "threshold", "a number", str(threshold))
    called = values >= threshold
    tp, fp = int((called & positive).sum()), int((called & ~positive).sum())
    tn, fn = int((~called & ~positive).sum()), int((~called & positive).sum())
    return ThresholdMetrics(
        float(threshold),
        tp,
        fp,
        tn,
        fn,
        sensitivity=wilson(tp, tp + fn, level),
        specificity=wilson(tn, tn + fp, level),
        ppv=wilson(tp, tp + fp, level),
        npv=wilson(tn, tn + fn, level),
        accuracy=wilson(tp + tn, positive.size, level),
    )
