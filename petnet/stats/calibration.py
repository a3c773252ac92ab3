"""Do the probabilities mean what they say: reliability, Brier score, slope and intercept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from petnet.errors import InputError
from petnet.stats._checks import binary, labels, level_of, probabilities, same_length
from petnet.stats.intervals import CONDITIONAL, Estimate, wilson_bounds

__all__ = [
    "Averaged",
    "Recalibration",
    "Reliability",
    "RepeatedCalibration",
    "average_over_repeats",
    "brier",
    "recalibration",
    "reliability",
    "repeated_calibration",
]

WHERE = "calibration"
CLIP = 1e-6
ITERATIONS = 100


@dataclass(frozen=True, eq=False)
class Averaged:
    """One row per unit.

    Attributes
    ----------
    unit : (U,) array
        Sorted.
    truth : (U,) bool array
    probability : (U,) float64 array
        Mean over the unit's rows.
    rows : (U,) int array
        How many rows each unit had.
    """

    unit: NDArray[np.generic]
    truth: NDArray[np.bool_]
    probability: NDArray[np.float64]
    rows: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Reliability:
    """Observed frequency against mean prediction, per bin of increasing prediction.

    Attributes
    ----------
    predicted, observed : (B,) float64 arrays
        Mean probability, and share of positives.
    low, high : (B,) float64 arrays
        Wilson interval of the observed share.
    count : (B,) int array
    level : float
    """

    predicted: NDArray[np.float64]
    observed: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    count: NDArray[np.intp]
    level: float


@dataclass(frozen=True)
class Recalibration:
    """Logistic recalibration: logit P(positive) = intercept + slope · logit(probability).

    Attributes
    ----------
    slope : Estimate
        1 is ideal; below 1 the predictions are too extreme.
    intercept : Estimate
        Fitted together with the slope (`val.prob`'s Intercept); 0 is ideal.
    in_the_large : Estimate
        Intercept with the slope held at 1; above 0 the predictions are too low on average.
    clipped : int
        Probabilities nearer to 0 or 1 than 1e-6, which were moved there to have a logit.
    """

    slope: Estimate
    intercept: Estimate
    in_the_large: Estimate
    clipped: int


@dataclass(frozen=True)
class RepeatedCalibration:
    """Calibration of one model, not of the ensemble of its repeats: figures averaged over repeats.

    Attributes
    ----------
    brier : float
    slope, intercept, in_the_large : Estimate
        As `Recalibration`; NaN where the figure does not exist in some repeat.
    repeats : int
    """

    brier: float
    slope: Estimate
    intercept: Estimate
    in_the_large: Estimate
    repeats: int


def _checked(
    truth: ArrayLike, probability: ArrayLike, both: bool
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    positive, p = binary(WHERE, truth, both), probabilities(WHERE, probability)
    same_length(WHERE, truth=positive, probability=p)
    return positive, p


def average_over_repeats(unit: ArrayLike, truth: ArrayLike, probability: ArrayLike) -> Averaged:
    """Average each unit's out-of-fold probability over the repeats.

    Bins want independent rows; the rows of one unit in several repeats are not. The average is
    that of a small ensemble, whose discrimination can exceed that of one model and whose spread is
    smaller: report the AUC from `discrimination.repeated_auc`, slope and Brier score from
    `repeated_calibration`.

    Raises
    ------
    InputError
        A unit whose truth differs between rows, a probability outside 0..1, unequal lengths.
    """
    positive, p = _checked(truth, probability, both=False)
    codes = labels(WHERE, "unit", unit)
    same_length(WHERE, truth=positive, unit=codes)
    names, rows = np.unique(np.asarray(unit)), np.bincount(codes)
    share = np.bincount(codes, weights=positive) / rows
    mixed = np.flatnonzero((share > 0) & (share < 1))
    if mixed.size:
        raise InputError(WHERE, f"unit {names[mixed[0]]}", "one truth in all rows", "0 and 1")
    return Averaged(names, share == 1, np.bincount(codes, weights=p) / rows, rows)


def brier(truth: ArrayLike, probability: ArrayLike) -> float:
    """Return the mean squared difference of probability and truth; 0 is perfect.

    Raises
    ------
    InputError
        Truth other than 0 and 1, probability outside 0..1, unequal lengths.
    """
    positive, p = _checked(truth, probability, both=False)
    return float(np.mean((p - positive) ** 2))


def reliability(
    truth: ArrayLike, probability: ArrayLike, bins: int = 10, level: float = 0.95
) -> Reliability:
    """Return observed frequencies in bins of about equally many units, with Wilson intervals.

    Edges are quantiles of the predictions; equal predictions stay together, so there can be fewer
    than `bins` bins, and never more than units.

    Raises
    ------
    InputError
        Truth other than 0 and 1, probability outside 0..1, unequal lengths, fewer than one bin.
    """
    positive, p = _checked(truth, probability, both=False)
    level_of(WHERE, level)
    if bins < 1:
        raise InputError(WHERE, "bins", "at least 1", str(bins))
    inner = np.quantile(p, np.arange(1, bins) / bins, method="inverted_cdf")
    code = np.unique(np.searchsorted(inner, p), return_inverse=True)[1]
    count = np.bincount(code)
    hits = np.bincount(code, weights=positive)
    low, high = wilson_bounds(hits, count, level)
    return Reliability(np.bincount(code, weights=p) / count, hits / count, low, high, count, level)


def recalibration(truth: ArrayLike, probability: ArrayLike, level: float = 0.95) -> Recalibration:
    """Return calibration slope and intercepts with Wald intervals (Cox's recalibration).

    Where no maximum exists (the two classes do not overlap, or all predictions are equal) slope
    and intercept are NaN; the intercept in the large always exists.

    Raises
    ------
    InputError
        One class only, probability outside 0..1, unequal lengths.
    """
    from scipy.special import logit, ndtri

    positive, p = _checked(truth, probability, both=True)
    z = float(ndtri(0.5 + level_of(WHERE, level) / 2))
    kept = np.clip(p, CLIP, 1 - CLIP)
    lp = logit(kept)
    y, one = positive.astype(np.float64), np.ones((lp.size, 1))
    centre, spread = float(lp.mean()), float(lp.std())

    def estimate(value: float, error: float, method: str) -> Estimate:
        return Estimate(value, value - z * error, value + z * error, level, method)

    large, large_covariance = _logistic(one, y, lp)
    overlap = lp[~positive].max() > lp[positive].min() and lp[positive].max() > lp[~positive].min()
    value = error = np.full(2, np.nan)
    if overlap:  # fitted on the standardised logit, for the condition of the equations
        design = np.column_stack([one, (lp - centre) / spread])
        fitted, covariance = _logistic(design, y, np.zeros_like(lp))
        back = np.array([[1, -centre / spread], [0, 1 / spread]])
        value, error = back @ fitted, np.sqrt(np.diag(back @ covariance @ back.T))
    return Recalibration(
        estimate(float(value[1]), float(error[1]), "logistic recalibration, Wald"),
        estimate(float(value[0]), float(error[0]), "logistic recalibration, Wald"),
        estimate(float(large[0]), float(np.sqrt(large_covariance[0, 0])), "slope held at 1, Wald"),
        int((kept != p).sum()),
    )


def repeated_calibration(
    truth: ArrayLike, probability: ArrayLike, repeat: ArrayLike, level: float = 0.95
) -> RepeatedCalibration:
    """Return Brier score, slope and intercepts of each repeat, averaged over the repeats.

    Averaging the probabilities first would judge an ensemble: it shrinks their spread, which
    lowers the Brier score and raises the slope. The half-width of an interval is the mean of those
    of the repeats, since all repeats see the same units and do not add up to a larger sample.

    Parameters
    ----------
    truth, probability, repeat : (rows,) arrays
        One row per unit and repeat.
    level : float

    Raises
    ------
    InputError
        As `recalibration`, for any repeat.
    """
    positive, p = _checked(truth, probability, both=True)
    codes = labels(WHERE, "repeat", repeat)
    same_length(WHERE, truth=positive, repeat=codes)
    parts = [codes == code for code in range(int(codes.max()) + 1)]
    lines = [recalibration(positive[part], p[part], level) for part in parts]
    return RepeatedCalibration(
        float(np.mean([brier(positive[part], p[part]) for part in parts])),
        _mean([line.slope for line in lines]),
        _mean([line.intercept for line in lines]),
        _mean([line.in_the_large for line in lines]),
        len(parts),
    )


def _mean(found: Sequence[Estimate]) -> Estimate:
    """Return the mean of values and of standard errors; NaN if one of them is."""
    value = float(np.mean([e.value for e in found]))
    half = float(np.mean([(e.high - e.low) / 2 for e in found]))
    averaged = f"; mean over {len(found)} repeats of value and standard error"
    method = f"{found[0].method}{averaged if len(found) > 1 else ''}; {CONDITIONAL}"
    return Estimate(value, value - half, value + half, found[0].level, method)


def _log_likelihood(eta: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    return float(y @ eta - np.logaddexp(0, eta).sum())


def _logistic(
    design: NDArray[np.float64], y: NDArray[np.float64], offset: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return coefficients and their covariance of a logistic fit without penalty.

    Newton steps, halved until the likelihood does not fall. The caller has seen to it that a
    maximum exists.
    """
    from scipy.special import expit

    beta = np.zeros(design.shape[1])
    best = _log_likelihood(offset, y)
    for _ in range(ITERATIONS):
        mean = expit(offset + design @ beta)
        information = design.T @ (design * (mean * (1 - mean))[:, None])
        step = np.linalg.solve(information, design.T @ (y - mean))
        reached = _log_likelihood(offset + design @ (beta + step), y)
        while reached < best - 1e-9 * (1 + abs(best)):
            step = step / 2
            reached = _log_likelihood(offset + design @ (beta + step), y)
        beta, best = beta + step, reached
        if np.abs(step).max() < 1e-10 * (1 + np.abs(beta).max()):
            return beta, np.linalg.inv(information)
    raise ArithmeticError(f"logistic fit: no convergence in {ITERATIONS} Newton steps")
