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

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from petnet.outcome import Outcome
from petnet.stats.bootstrap import Weighted
from petnet.stats.clustered import weighted_auc
from petnet.stats.concordance import (
    expected_class,
    harrell,
    ordinal,
    weighted_harrell,
    weighted_ordinal,
)
from petnet.stats.discrimination import auc
from petnet.stats.multiclass import class_pairs

__all__ = [
    "MEASURES",
    "Components",
    "components",
    "components_of_scores",
    "headline",
    "ranked",
    "weighted_headline",
]

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


def ranked(outcome: Outcome, prediction: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the scores that are compared between units, (n, C), of a prediction, (n, K).

    The expected index of the class for ordinal tasks, the prediction itself for all others.
    """
    if outcome.kind == "ordinal":
        return expected_class(prediction)[:, None]
    return prediction


def components(
    outcome: Outcome, target: NDArray[np.float64], prediction: NDArray[np.float64]
) -> Components:
    """Return the components of the headline figure, also where some have no pair to compare.

    One for binary, ordinal and survival tasks; one per pair of classes (in the order of
    `itertools.combinations`) for multiclass tasks, one per label for multilabel ones. Parameters
    and errors are those of `headline`.
    """
    return components_of_scores(outcome, target, ranked(outcome, prediction))


def components_of_scores(
    outcome: Outcome, target: NDArray[np.float64], score: NDArray[np.float64]
) -> Components:
    """Return the same of scores.

    Parameters
    ----------
    target : float64 array
        As for `headline`.
    score : (n, C) float64 array
        As `ranked` returns them, or one column of any numbers for binary, ordinal and survival
        tasks.
    """
    if outcome.kind == "survival":
        found = harrell(target[:, 0], target[:, 1], score[:, 0])
        rows = [(found.index, found.comparable)]
    elif outcome.kind == "ordinal":
        found = ordinal(target, score[:, 0])
        rows = [(found.index, found.comparable)]
    elif outcome.kind == "multiclass":
        rows = [(pair.value, pair.pairs) for pair in class_pairs(target, score)]
    else:
        rows = [_area(truth, values) for truth, values in _labels(target, score)]
    value, pairs = zip(*rows, strict=True)
    return Components(np.array(value, dtype=np.float64), np.array(pairs, dtype=np.int64))


def weighted_headline(
    outcome: Outcome, target: NDArray[np.float64], score: NDArray[np.float64]
) -> Weighted:
    """Return the headline figure as a function of how often each unit stands there.

    A component without a pair, here or in a resample, is left out of the mean; NaN where none has
    one.

    Parameters
    ----------
    target, score : arrays
        As for `components_of_scores`.
    """
    if outcome.kind == "survival":
        return weighted_harrell(target[:, 0], target[:, 1], score[:, 0])
    if outcome.kind == "ordinal":
        return weighted_ordinal(target, score[:, 0])
    parts: list[tuple[NDArray[np.bool_], Weighted]] = []
    if outcome.kind == "multiclass":
        for first, second in combinations(range(score.shape[1]), 2):
            both = (target == first) | (target == second)
            for k in (first, second):
                _add_area(parts, both, target == k, score[:, k])
    else:
        for truth, values in _labels(target, score):
            _add_area(parts, ~np.isnan(truth), truth == 1, values)

    def mean(times: NDArray[np.float64]) -> float:
        # the two halves of a pair of classes are defined together, so one mean does for both
        values = np.array([area(times[rows]) for rows, area in parts])
        defined = values[~np.isnan(values)]
        return float(defined.mean()) if defined.size else np.nan

    return mean


def _labels(
    target: NDArray[np.float64], score: NDArray[np.float64]
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    columns = target[:, None] if target.ndim == 1 else target
    yield from zip(columns.T, score.T, strict=True)


def _area(truth: NDArray[np.float64], score: NDArray[np.float64]) -> tuple[float, int]:
    """Return AUC and pairs of the units whose truth is known."""
    known = ~np.isnan(truth)
    positive = int((truth[known] == 1).sum())
    pairs = positive * (int(known.sum()) - positive)
    return (auc(truth[known], score[known]) if pairs else np.nan), pairs


def _add_area(
    parts: list[tuple[NDArray[np.bool_], Weighted]],
    rows: NDArray[np.bool_],
    positive: NDArray[np.bool_],
    score: NDArray[np.float64],
) -> None:
    if 0 < positive[rows].sum() < rows.sum():
        parts.append((rows, weighted_auc(positive[rows], score[rows])))
