"""How well a score separates two classes: AUC, DeLong, and the AUC of repeated cross-validation.

Higher scores speak for the positive class throughout; the direction of a score is the caller's to
fix beforehand.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from petnet.stats._checks import binary, column, level_of, same_length
from petnet.stats.crossvalidated import FoldFigures, corrected_interval, fold_figures
from petnet.stats.intervals import CONDITIONAL, Estimate, Scale, transformed_interval

__all__ = [
    "PairedTest",
    "RocCurve",
    "auc",
    "delong_interval",
    "delong_test",
    "fold_aucs",
    "repeated_auc",
    "repeated_auc_interval",
    "roc_curve",
    "within_fold_auc",
]

WHERE = "AUC"


@dataclass(frozen=True, eq=False)
class RocCurve:
    """The empirical ROC curve, from (0, 0) to (1, 1).

    Attributes
    ----------
    fpr, tpr : (P,) float64 arrays
        1 − specificity and sensitivity of the rule `score >= threshold`.
    threshold : (P,) float64 array
        Decreasing; the first is infinite.
    """

    fpr: NDArray[np.float64]
    tpr: NDArray[np.float64]
    threshold: NDArray[np.float64]


@dataclass(frozen=True)
class PairedTest:
    """A difference of two AUCs on the same units, with its test.

    Attributes
    ----------
    difference : Estimate
        First minus second.
    z, p : float
        Normal statistic and two-sided p value; NaN where the difference has no variance.
    """

    difference: Estimate
    z: float
    p: float


def _checked(
    where: str, truth: ArrayLike, score: ArrayLike
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    positive, values = binary(where, truth), column(where, "score", score)
    same_length(where, truth=positive, score=values)
    return positive, values


def _auc(positive: NDArray[np.bool_], score: NDArray[np.float64]) -> float:
    from scipy.stats import rankdata

    n1 = int(positive.sum())
    n0 = positive.size - n1
    return float((rankdata(score)[positive].sum() - n1 * (n1 + 1) / 2) / (n1 * n0))


def roc_curve(truth: ArrayLike, score: ArrayLike) -> RocCurve:
    """Return the empirical ROC curve with every distinct score as a threshold.

    Raises
    ------
    InputError
        One class only, values not finite, unequal lengths.
    """
    from sklearn.metrics import roc_curve as sklearn_roc_curve

    positive, values = _checked("ROC curve", truth, score)
    return RocCurve(*sklearn_roc_curve(positive, values, drop_intermediate=False))


def auc(truth: ArrayLike, score: ArrayLike) -> float:
    """Return the area under the ROC curve: the share of concordant pairs, ties counting half.

    Computed from midranks (Mann–Whitney) in O(n log n).

    Raises
    ------
    InputError
        One class only, values not finite, unequal lengths.
    """
    return _auc(*_checked(WHERE, truth, score))


def _placements(
    positive: NDArray[np.bool_], score: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return DeLong's structural components as counts: of every positive, and of every negative.

    A positive's count is that of the negatives below it, a negative's that of the positives above
    it, ties counting half. Midranks give both at once (Sun and Xu, doi 10.1109/LSP.2014.2337313).
    Counts are exact, so that components without variance have exactly none.
    """
    from scipy.stats import rankdata

    rank, high, low = rankdata(score), score[positive], score[~positive]
    below = rank[positive] - rankdata(high)
    above = high.size - (rank[~positive] - rankdata(low))
    return below, above


def _variance(below: NDArray[np.float64], above: NDArray[np.float64]) -> float:
    """Return DeLong's variance; NaN with fewer than two units of a class."""
    n1, n0 = below.size, above.size
    if min(n1, n0) < 2:
        return np.nan
    return float(below.var(ddof=1) / n1 / n0**2 + above.var(ddof=1) / n0 / n1**2)


def _normal_quantile(level: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(0.5 + level_of("DeLong", level) / 2))


def delong_interval(
    truth: ArrayLike, score: ArrayLike, level: float = 0.95, method: Scale = "logit"
) -> Estimate:
    """Return the AUC with DeLong's interval (doi 10.2307/2531595).

    On cross-validated scores it is conditional on the fitted models: it knows nothing of what
    another training sample would have given. `repeated_auc_interval` does.

    Parameters
    ----------
    truth : (n,) array of 0 and 1
    score : (n,) array
    level : float
    method : {"logit", "wald"}
        `wald` is AUC ± z · error clipped to 0..1, as pROC prints it; `logit` keeps within 0..1 and
        covers better near the ends.

    Returns
    -------
    Estimate
        Bounds are NaN at an AUC of 0 or 1, and with fewer than two units of a class.
    """
    positive, values = _checked("DeLong", truth, score)
    error = np.sqrt(_variance(*_placements(positive, values)))
    value = _auc(positive, values)
    low, high = transformed_interval(value, float(error), _normal_quantile(level), method)
    return Estimate(value, low, high, level, f"DeLong, {method}; {CONDITIONAL}")


def delong_test(
    truth: ArrayLike, first: ArrayLike, second: ArrayLike, level: float = 0.95
) -> PairedTest:
    """Compare the AUCs of two scores on the same units (paired DeLong, doi 10.2307/2531595).

    The variance is that of the differences of the structural components, so two scores of one
    order have exactly none. Equal AUCs without variance give z 0 and p 1; different AUCs without
    variance (complete separation against a constant) give NaN.
    """
    from scipy.special import ndtr

    positive, a = _checked("paired DeLong", truth, first)
    _, b = _checked("paired DeLong", truth, second)
    (a1, a0), (b1, b0) = _placements(positive, a), _placements(positive, b)
    difference = _auc(positive, a) - _auc(positive, b)
    error = float(np.sqrt(_variance(a1 - b1, a0 - b0)))
    half = _normal_quantile(level) * error
    method = f"paired DeLong; {CONDITIONAL}"
    estimate = Estimate(difference, difference - half, difference + half, level, method)
    if error > 0:
        z = difference / error
        return PairedTest(estimate, z, float(2 * ndtr(-abs(z))))
    if error == 0 and difference == 0:
        return PairedTest(estimate, 0.0, 1.0)
    return PairedTest(Estimate(difference, np.nan, np.nan, level, method), np.nan, np.nan)


def fold_aucs(
    truth: ArrayLike, score: ArrayLike, fold: ArrayLike, repeat: ArrayLike
) -> FoldFigures:
    """Return the AUC of every fold of a repeated cross-validation; one component.

    Parameters
    ----------
    truth, score, fold, repeat : (rows,) arrays
        One row per unit and repeat; `fold` is the fold that held the unit out.

    Raises
    ------
    InputError
        As `auc`; or a repeat has no fold with both classes.
    """
    positive, values = _checked(WHERE, truth, score)
    same_length(WHERE, truth=positive, fold=np.atleast_1d(fold), repeat=np.atleast_1d(repeat))

    def judge(rows: NDArray[np.intp]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        n1 = int(positive[rows].sum())
        pairs = n1 * (rows.size - n1)
        value = _auc(positive[rows], values[rows]) if pairs else np.nan
        return np.array([value]), np.array([pairs])

    return fold_figures(judge, fold, repeat)


def within_fold_auc(truth: ArrayLike, score: ArrayLike, fold: ArrayLike) -> float:
    """Return concordant pairs within folds over pairs within folds, ties counting half.

    A fold of one class only holds no pair and contributes nothing.
    """
    rows = np.asarray(fold).shape[0] if np.asarray(fold).ndim else 0
    return repeated_auc(truth, score, fold, np.zeros(rows, dtype=np.intp))


def repeated_auc(truth: ArrayLike, score: ArrayLike, fold: ArrayLike, repeat: ArrayLike) -> float:
    """Return the mean over repeats of `within_fold_auc`: the headline AUC."""
    return fold_aucs(truth, score, fold, repeat).mean


def repeated_auc_interval(
    truth: ArrayLike,
    score: ArrayLike,
    fold: ArrayLike,
    repeat: ArrayLike,
    level: float = 0.95,
    method: Scale = "logit",
) -> Estimate:
    """Return the headline AUC with an interval that includes the refitting of the model.

    See `crossvalidated.corrected_interval`.

    Parameters
    ----------
    truth, score, fold, repeat : (rows,) arrays
        As `fold_aucs`.
    level : float
    method : {"logit", "wald"}
    """
    return corrected_interval(fold_aucs(truth, score, fold, repeat), level, method)
