"""The bootstrap of whole patients, for figures that have no variance formula.

A figure is given as a function of how often each unit stands in a resample, so that a resample
costs a weighted count and not a copy of the data.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from petnet.errors import InputError
from petnet.stats._checks import labels, level_of
from petnet.stats.intervals import CONDITIONAL, Estimate

__all__ = ["ATTEMPTS", "Weighted", "percentile_interval", "resampled"]

WHERE = "bootstrap of patients"
ATTEMPTS = 10
Weighted = Callable[[NDArray[np.float64]], float]
"""A figure of n fixed units as a function of how often each stands there, (n,); NaN: undefined."""


def resampled(
    figure: Weighted, group: ArrayLike, resamples: int = 2000, seed: int = 0
) -> NDArray[np.float64]:
    """Return the figure of resamples of whole groups, (B,).

    A resample in which the figure is undefined is drawn again, at most `ATTEMPTS` times as often
    as resamples are asked for; B is then smaller than `resamples`.

    Parameters
    ----------
    figure : callable
    group : (n,) array
        The patient of each unit.
    resamples, seed : int
        Equal input gives equal output.

    Raises
    ------
    InputError
        Fewer than two resamples, a missing group.
    """
    groups = labels(WHERE, "group", group)
    if resamples < 2:
        raise InputError(WHERE, "resamples", "at least 2", str(resamples))
    rng, count = np.random.default_rng(seed), int(groups.max()) + 1
    drawn: list[float] = []
    for _ in range(ATTEMPTS * resamples):
        times = np.bincount(rng.integers(count, size=count), minlength=count)[groups]
        value = figure(times.astype(np.float64))
        if value == value:
            drawn.append(value)
        if len(drawn) == resamples:
            break
    return np.array(drawn, dtype=np.float64)


def percentile_interval(
    figure: Weighted,
    group: ArrayLike,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Estimate:
    """Return a figure with the percentile interval of the bootstrap of patients.

    Returns
    -------
    Estimate
        Bounds are NaN where the figure is undefined, the same in all resamples (a complete
        separation stays one however often it is resampled), or undefined in nine of ten.

    Raises
    ------
    InputError
        As `resampled`; a level outside 0..1.
    """
    level_of(WHERE, level)
    groups = labels(WHERE, "group", group)
    value = figure(np.ones(groups.size))
    name = f"{WHERE}, percentile; {CONDITIONAL}"
    undefined = Estimate(value, np.nan, np.nan, level, name)
    if value != value or groups.max() == 0:
        return undefined
    drawn = resampled(figure, groups, resamples, seed)
    if drawn.size < resamples or np.ptp(drawn) == 0:
        return undefined
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value, float(low), float(high), level, name)
