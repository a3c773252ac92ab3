"""The band around a ROC curve, by the bootstrap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from petnet.errors import InputError
from petnet.stats._checks import binary, column, labels, level_of, same_length
from petnet.stats.intervals import CONDITIONAL

__all__ = ["RocBand", "roc_band"]

WHERE = "ROC band"
METHOD = f"bootstrap of {{what}}; {CONDITIONAL}"


@dataclass(frozen=True, eq=False)
class RocBand:
    """Sensitivity over a grid of false-positive rates, with a pointwise band.

    Attributes
    ----------
    fpr : (G,) float64 array
        The grid, 0 to 1.
    tpr : (G,) float64 array
        Mean over the resamples.
    low, high : (G,) float64 arrays
        Percentile bounds at each grid point (pointwise, not simultaneous), widened to hold the
        mean where rare resamples draw it outside.
    level : float
    method : str
        What was resampled, and on what the band is conditional.
    """

    fpr: NDArray[np.float64]
    tpr: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    level: float
    method: str


def roc_band(
    truth: ArrayLike,
    score: ArrayLike,
    group: ArrayLike | None = None,
    level: float = 0.95,
    resamples: int = 1000,
    points: int = 101,
    seed: int = 0,
) -> RocBand:
    """Return the bootstrap band of the ROC curve of out-of-fold scores.

    The models are not refitted: the band is conditional on the fitted models, and with scores of
    several folds the curve is the pooled one, which lies below the headline AUC on average.

    Parameters
    ----------
    truth, score : (n,) arrays
        One row per unit; average repeats first (`calibration.average_over_repeats`).
    group : (n,) array, optional
        Patients, when a unit is a lesion or a region: whole patients are resampled, separately
        those with only positive, only negative and both kinds of unit. Without it, units are
        resampled separately per class.
    level : float
    resamples, points, seed : int
        Number of resamples, of grid points, and the seed; equal input gives equal output.

    Raises
    ------
    InputError
        One class only, values not finite, unequal lengths.
    """
    positive, values = binary(WHERE, truth), column(WHERE, "score", score)
    groups = np.arange(positive.size) if group is None else labels(WHERE, "group", group)
    same_length(WHERE, truth=positive, score=values, group=groups)
    level_of(WHERE, level)
    if resamples < 2 or points < 2:
        raise InputError(WHERE, "resamples and points", "at least 2", f"{resamples}, {points}")
    order = np.argsort(-values, kind="stable")
    positive, values, groups = positive[order], values[order], groups[order]
    last_of_tie = np.append(np.flatnonzero(np.diff(values)), values.size - 1)
    strata = _strata(positive, groups)
    rng, grid = np.random.default_rng(seed), np.linspace(0, 1, points)
    curves = np.empty((resamples, points))
    for row in curves:
        times = _draw(strata, rng)[groups]
        fpr = np.append(0, np.cumsum(times * ~positive)[last_of_tie])
        tpr = np.append(0, np.cumsum(times * positive)[last_of_tie])
        # where the curve is vertical np.interp takes its upper end
        row[:] = np.interp(grid, fpr / fpr[-1], tpr / tpr[-1])
    low, high = np.quantile(curves, [(1 - level) / 2, (1 + level) / 2], axis=0)
    mean = curves.mean(axis=0)
    low, high = np.minimum(low, mean), np.maximum(high, mean)
    what = "units by class" if group is None else "patients"
    return RocBand(grid, mean, low, high, level, METHOD.format(what=what))


def _strata(positive: NDArray[np.bool_], groups: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return for each group 1 if it has negatives, plus 2 if it has positives."""
    kinds = np.zeros(groups.max() + 1, dtype=np.intp)
    np.bitwise_or.at(kinds, groups, np.where(positive, 2, 1))
    return kinds


def _draw(strata: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.intp]:
    """Return how often each group is drawn, every stratum keeping its number of groups."""
    times = np.zeros(strata.size, dtype=np.intp)
    for kind in (1, 2, 3):
        members = np.flatnonzero(strata == kind)
        if members.size:
            times += np.bincount(rng.choice(members, members.size), minlength=strata.size)
    return times
