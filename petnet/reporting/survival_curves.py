"""Kaplan-Meier curves of the groups that a survival model's decision makes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from petnet.reporting.curves import UnitScores
from petnet.stats.survival import kaplan_meier

__all__ = ["GroupCurve", "group_curves"]


@dataclass(frozen=True, eq=False)
class GroupCurve:
    """The Kaplan-Meier curve of one group.

    Attributes
    ----------
    high_risk : bool
    time : (T + 1,) float64 array
        0, then every time of an event or of censoring, rising.
    survival, low, high : (T + 1,) float64 arrays
        Share without event just after `time`, and its pointwise 95 % log-log interval (the share
        itself where it is 1 or 0, which have none).
    follow_up : (n,) float64 array
        Times of all units, rising.
    censored : (c,) float64 array
        Times of the units without event, rising.
    """

    high_risk: bool
    time: NDArray[np.float64]
    survival: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    follow_up: NDArray[np.float64]
    censored: NDArray[np.float64]

    @property
    def last(self) -> float:
        """The latest time at which a unit was followed."""
        return float(self.follow_up[-1])

    @property
    def events(self) -> int:
        """How many units had the event."""
        return self.follow_up.size - self.censored.size

    def at(self, time: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the share without event just after each time."""
        return self.survival[np.searchsorted(self.time, time, side="right") - 1]

    def at_risk(self, time: float) -> int:
        """Return how many units are still followed, and without event, just before a time."""
        return int((self.follow_up >= time).sum())


def group_curves(scores: UnitScores) -> tuple[GroupCurve, ...]:
    """Return the curves of the low and of the high risk group, of those that have units.

    A unit belongs to the group that most repeats put it in, always by a model that had not seen
    it.
    """
    known = scores.outcome.known(scores.truth)
    curves = []
    for high_risk in (False, True):
        if scores.decision is not None:
            rows = known & (scores.decision == high_risk)
            if rows.any():
                curves.append(_curve(high_risk, scores.truth[rows, 0], scores.truth[rows, 1] == 1))
    return tuple(curves)


def _curve(high_risk: bool, time: NDArray[np.float64], event: NDArray[np.bool_]) -> GroupCurve:
    found = kaplan_meier(time, event)
    return GroupCurve(
        high_risk=high_risk,
        time=np.append(0.0, found.time),
        survival=np.append(1.0, found.survival),
        low=np.append(1.0, np.nan_to_num(found.low)),
        high=np.append(1.0, np.nan_to_num(found.high)),
        follow_up=np.sort(time),
        censored=np.sort(time[~event]),
    )
