"""The AUC where a patient has several units: whole patients are resampled."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from petnet.errors import InputError
from petnet.stats._checks import binary, column, labels, level_of, same_length
from petnet.stats.intervals import CONDITIONAL, Estimate, Scale, transformed_interval

__all__ = ["clustered_auc_interval"]

WHERE = "AUC of several units per patient"


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

    positive, values = binary(WHERE, truth), column(WHERE, "score", score)
    groups = labels(WHERE, "group", group)
    same_length(WHERE, truth=positive, score=values, group=groups)
    quantile = float(ndtri(0.5 + level_of(WHERE, level) / 2))
    if resamples < 2:
        raise InputError(WHERE, "resamples", "at least 2", str(resamples))
    rank = np.unique(values, return_inverse=True)[1]
    value = _weighted_auc(positive, rank, np.ones(positive.size))
    name = f"bootstrap of patients, {method}; {CONDITIONAL}"
    if min(np.unique(groups[positive]).size, np.unique(groups[~positive]).size) < 2:
        return Estimate(value, np.nan, np.nan, level, name)
    rng, count = np.random.default_rng(seed), int(groups.max()) + 1
    drawn: list[float] = []
    while len(drawn) < resamples:
        times = np.bincount(rng.integers(count, size=count), minlength=count)[groups]
        if times[positive].any() and times[~positive].any():
            drawn.append(_weighted_auc(positive, rank, times))
    low, high = transformed_interval(value, float(np.std(drawn, ddof=1)), quantile, method)
    return Estimate(value, low, high, level, name)


def _weighted_auc(positive: NDArray[np.bool_], rank: NDArray[np.intp], times: NDArray) -> float:
    """Return the AUC of units that each stand there `times` times; `rank` 0, 1, ... has ties."""
    high = np.bincount(rank, weights=times * positive)
    low = np.bincount(rank, weights=times * ~positive)
    below = np.cumsum(low) - low / 2
    return float(high @ below / (high.sum() * low.sum()))
