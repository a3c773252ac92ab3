"""AUC and proportions where a patient has several units, which resemble each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from petnet.errors import InputError
from petnet.stats._checks import binary, column, labels, level_of, same_length
from petnet.stats.bootstrap import Weighted, resampled
from petnet.stats.intervals import CONDITIONAL, Estimate, Scale, transformed_interval

__all__ = ["clustered_auc_interval", "effective_number", "weighted_auc"]

WHERE = "AUC of several units per patient"


def weighted_auc(truth: ArrayLike, score: ArrayLike) -> Weighted:
    """Return the AUC as a function of how often each unit stands there; for resampling.

    NaN where a resample holds one class only.

    Raises
    ------
    InputError
        One class only, values not finite, unequal lengths.
    """
    positive, values = binary(WHERE, truth), column(WHERE, "score", score)
    same_length(WHERE, truth=positive, score=values)
    rank = np.unique(values, return_inverse=True)[1]

    def area(times: NDArray[np.float64]) -> float:
        high = np.bincount(rank, weights=times * positive)
        low = np.bincount(rank, weights=times * ~positive)
        pairs = high.sum() * low.sum()
        return float(high @ (np.cumsum(low) - low / 2) / pairs) if pairs else np.nan

    return area


def clustered_auc_interval(
    truth: ArrayLike,
    score: ArrayLike,
    group: ArrayLike,
    level: float = 0.95,
    method: Scale = "logit",
    resamples: int = 2000,
    seed: int = 0,
) -> Estimate:
    """Return the AUC with an interval from the bootstrap of whole patients.

    Units of one patient resemble each other, so DeLong's interval, which takes every unit as
    independent, is too narrow. The standard error is the spread of the AUC over resamples of
    patients; a resample without both classes is drawn again. As DeLong's, the interval is
    conditional on the fitted models. (Stratifying the patients by their classes, as a band does
    that needs both in every resample, gave too small an error in simulated cohorts of 15.)

    Parameters
    ----------
    truth, score, group : (n,) arrays
        One row per unit; `group` is its patient.
    level : float
    method : {"logit", "wald"}
        As `discrimination.delong_interval`.
    resamples, seed : int
        Equal input gives equal output.

    Returns
    -------
    Estimate
        Bounds are NaN at an AUC of 0 or 1, and where fewer than two patients have a unit of a
        class.

    Raises
    ------
    InputError
        One class only, values not finite, unequal lengths.
    """
    from scipy.special import ndtri

    positive, area = binary(WHERE, truth), weighted_auc(truth, score)
    groups = labels(WHERE, "group", group)
    same_length(WHERE, truth=positive, group=groups)
    quantile = float(ndtri(0.5 + level_of(WHERE, level) / 2))
    if resamples < 2:
        raise InputError(WHERE, "resamples", "at least 2", str(resamples))
    value = area(np.ones(positive.size))
    name = f"bootstrap of patients, {method}; {CONDITIONAL}"
    if min(np.unique(groups[positive]).size, np.unique(groups[~positive]).size) < 2:
        return Estimate(value, np.nan, np.nan, level, name)
    error = float(np.std(resampled(area, groups, resamples, seed), ddof=1))
    low, high = transformed_interval(value, error, quantile, method)
    return Estimate(value, low, high, level, name)


def effective_number(right: ArrayLike, group: ArrayLike) -> float:
    r"""Return the number of independent units that would tell a proportion as precisely.

    The number of units over the design effect of Rao and Scott (doi 10.2307/2532311), the variance
    of the ratio :math:`p = \sum x_i / \sum m_i` over the G patients, with :math:`x_i` right units
    of :math:`m_i`, relative to the binomial one:

    .. math:: \frac{G}{G - 1}\,\frac{\sum_i (x_i - p\,m_i)^2}{(\sum_i m_i)^2}
              \Big/ \frac{p (1 - p)}{\sum_i m_i}

    which is held at 1 or above. Where all or none are right no variance can be estimated, and it is
    the number of patients.

    Parameters
    ----------
    right : (n,) array of 0 and 1
        May be empty.
    group : (n,) array
        The patient of each unit.

    Raises
    ------
    InputError
        Values other than 0 and 1, unequal lengths.
    """
    where = "proportion of several units per patient"
    if np.size(right) == 0:
        return 0.0
    hits, groups = binary(where, right, both=False), labels(where, "group", group)
    same_length(where, right=hits, group=groups)
    x, m = np.bincount(groups, hits), np.bincount(groups)
    patients, value = m.size, float(hits.mean())
    if value in (0.0, 1.0) or patients == 1:
        return float(patients)
    spread = float(((x - value * m) ** 2).sum()) * patients / (patients - 1)
    return hits.size / max(1.0, spread / (hits.size * value * (1 - value)))
