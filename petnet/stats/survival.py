"""Right-censored times: Kaplan-Meier, follow-up, log-rank test, hazard ratio of two groups.

`event` is 1 where the time ends with the event, 0 where it is censored. At equal times censoring
comes after the event.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from petnet.errors import InputError
from petnet.stats._checks import binary, column, level_of, same_length
from petnet.stats.intervals import CONDITIONAL, Estimate

__all__ = [
    "SurvivalCurve",
    "hazard_ratio",
    "kaplan_meier",
    "log_rank",
    "median_follow_up",
    "median_survival",
]

WHERE = "survival"
FARTHEST = 50.0  # the log hazard ratio is looked for between −50 and 50


@dataclass(frozen=True, eq=False)
class SurvivalCurve:
    """The Kaplan-Meier estimate; a step at each time, 1 before the first.

    Attributes
    ----------
    time : (T,) float64 array
        Distinct times, of events and of censoring, rising.
    survival : (T,) float64 array
        At and after each time.
    low, high : (T,) float64 arrays
        Log-log interval with Greenwood's variance, at each time for itself; 1 before the first
        event, NaN where the survival is 0.
    at_risk, events, censored : (T,) int arrays
        Just before, and at, each time.
    level : float
    """

    time: NDArray[np.float64]
    survival: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    at_risk: NDArray[np.intp]
    events: NDArray[np.intp]
    censored: NDArray[np.intp]
    level: float


def kaplan_meier(time: ArrayLike, event: ArrayLike, level: float = 0.95) -> SurvivalCurve:
    r"""Estimate the survival function (doi 10.1080/01621459.1958.10501452).

    The interval is :math:`S^{\exp(\pm z s)}` with
    :math:`s^2 = \sum d / (n (n - d)) / \ln^2 S`, which stays within 0..1.

    Raises
    ------
    InputError
        Values not finite, an event other than 0 and 1, no rows, unequal lengths.
    """
    from scipy.special import ndtri

    t, died = _checked(time, event)
    z = float(ndtri(0.5 + level_of(WHERE, level) / 2))
    times, code = np.unique(t, return_inverse=True)
    leaving = np.bincount(code)
    events = np.bincount(code, weights=died).astype(np.intp)
    at_risk = np.cumsum(leaving[::-1])[::-1]
    survival = np.cumprod((at_risk - events) / at_risk, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        greenwood = np.cumsum(events / (at_risk * (at_risk - events)))
        spread = np.exp(z * np.sqrt(greenwood) / np.abs(np.log(survival)))
        low, high = survival**spread, survival ** (1 / spread)
    for bound in (low, high):
        bound[survival == 1] = 1.0
        bound[survival == 0] = np.nan
    return SurvivalCurve(
        times, survival, low, high, at_risk, events, (leaving - events).astype(np.intp), level
    )


def median_survival(curve: SurvivalCurve) -> Estimate:
    """Return the first time at which the survival is 1/2 or less, with the log-log interval.

    The bounds are where the curve's own bounds reach 1/2 (Brookmeyer and Crowley,
    doi 10.2307/2530286). NaN: not reached.
    """
    value, low, high = (
        _reaches_half(curve.time, s) for s in (curve.survival, curve.low, curve.high)
    )
    return Estimate(value, low, high, curve.level, "Kaplan-Meier, log-log")


def median_follow_up(time: ArrayLike, event: ArrayLike) -> float:
    """Return the median follow-up: Kaplan-Meier with events and censoring exchanged.

    So an early death does not count as a short follow-up (Schemper and Smith,
    doi 10.1016/0197-2456(96)00075-X). NaN: not reached.
    """
    t, died = _checked(time, event)
    return median_survival(kaplan_meier(t, ~died)).value


def log_rank(time: ArrayLike, event: ArrayLike, group: ArrayLike) -> float:
    """Return the two-sided p value of the log-rank test of two groups.

    NaN where it does not exist: one group only, or no event while both are at risk.

    Raises
    ------
    InputError
        As `hazard_ratio`.
    """
    from scipy.stats import CensoredData, logrank

    t, died = _checked(time, event)
    second = _group(group, t)
    if second.all() or not second.any():
        return np.nan
    halves = [
        CensoredData(uncensored=t[part & died], right=t[part & ~died]) for part in (~second, second)
    ]
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(logrank(*halves).pvalue)


def hazard_ratio(
    time: ArrayLike, event: ArrayLike, group: ArrayLike, level: float = 0.95
) -> Estimate:
    r"""Return the hazard of group 1 relative to group 0: Cox regression with Efron's ties, Wald.

    With :math:`a`, :math:`b` the units of group 1 and 0 at risk at an event, less Efron's share of
    those that fall at the same time (doi 10.1080/01621459.1977.10480613), the score equation
    :math:`d_1 = \sum e^\beta a / (e^\beta a + b)` has one root.

    Parameters
    ----------
    time, event : (n,) arrays
    group : (n,) array of 0 and 1
    level : float

    Returns
    -------
    Estimate
        NaN where no finite ratio exists: one group only, or all events in one of them while the
        other is at risk.

    Raises
    ------
    InputError
        Values not finite, events or groups other than 0 and 1, unequal lengths.
    """
    from scipy.optimize import brentq
    from scipy.special import expit, ndtri

    t, died = _checked(time, event)
    second = _group(group, t)
    z = float(ndtri(0.5 + level_of(WHERE, level) / 2))
    name = "Cox regression, Efron's ties, Wald"
    a, b = _at_risk(t, died, second)
    both = (a > 0) & (b > 0)
    # events of group 1 while group 0 is at risk too; those alone say something
    excess = float((died & second).sum() - (b <= 0).sum())
    if not 0 < excess < both.sum():
        return Estimate(np.nan, np.nan, np.nan, level, name)
    offset = np.log(a[both] / b[both])
    beta = float(
        brentq(lambda x: excess - expit(x + offset).sum(), -FARTHEST, FARTHEST, xtol=1e-13)
    )
    share = expit(beta + offset)
    error = float(1 / np.sqrt((share * (1 - share)).sum()))
    ratio, low, high = np.exp([beta, beta - z * error, beta + z * error])
    return Estimate(float(ratio), float(low), float(high), level, f"{name}; {CONDITIONAL}")


def _checked(time: ArrayLike, event: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    t, died = column(WHERE, "time", time), binary(WHERE, event, both=False)
    same_length(WHERE, time=t, event=died)
    return t, died


def _group(group: ArrayLike, time: NDArray[np.float64]) -> NDArray[np.bool_]:
    values = column(WHERE, "group", group)
    same_length(WHERE, time=time, group=values)
    if not np.isin(values, (0.0, 1.0)).all():
        raise InputError(WHERE, "group", "0 or 1", f"{np.unique(values)[:5].tolist()}")
    return np.asarray(values == 1)


def _reaches_half(time: NDArray[np.float64], survival: NDArray[np.float64]) -> float:
    # products of fractions miss 1/2 by a rounding error
    below = np.flatnonzero(survival <= 0.5 + 1e-9)
    return float(time[below[0]]) if below.size else np.nan


def _at_risk(
    time: NDArray[np.float64], died: NDArray[np.bool_], second: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return for each event the units at risk of group 1 and 0, less Efron's share of the ties.

    Of d events at one time the l-th, l = 0 ... d − 1, sees the risk set without l/d of them.
    """
    made = []
    for moment in np.unique(time[died]):
        here = died & (time == moment)
        d = int(here.sum())
        part = np.arange(d) / d
        made.append(
            [(group & (time >= moment)).sum() - part * (group & here).sum()
             for group in (second, ~second)]
        )  # fmt: skip
    if not made:
        return np.empty(0), np.empty(0)
    a, b = (np.concatenate(parts) for parts in zip(*made, strict=True))
    return a, b
