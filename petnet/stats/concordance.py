"""How well a score orders units: Harrell's C under censoring, and the C-index of ordered classes.

Both count pairs of which one unit is known to come first: the share in which its score is the
higher one, ties of the score counting half. 0.5 is chance, 1 a perfect order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from petnet.errors import InputError
from petnet.stats._checks import binary, column, same_length
from petnet.stats.bootstrap import Weighted

__all__ = [
    "Concordance",
    "expected_class",
    "harrell",
    "harrell_c",
    "ordinal",
    "ordinal_c",
    "weighted_harrell",
    "weighted_ordinal",
]

WHERE = "C-index"
BLOCK = 4_000_000  # pairs that are looked at together: tens of megabytes


@dataclass(frozen=True)
class Concordance:
    """Counts of pairs, from which the index follows.

    Attributes
    ----------
    concordant : float
        Comparable pairs whose first unit has the higher score, and half of those with equal scores.
    comparable : int
        Pairs of which one unit is known to come first.
    """

    concordant: float
    comparable: int

    @property
    def index(self) -> float:
        """The share of concordant pairs; NaN where no pair is comparable."""
        return self.concordant / self.comparable if self.comparable else np.nan


def harrell(time: ArrayLike, event: ArrayLike, score: ArrayLike) -> Concordance:
    """Count the pairs of right-censored times (Harrell, doi 10.1001/jama.1982.03320430047030).

    A pair is comparable when the shorter time ends with an event; at equal times, when one ends
    with an event and the other is censored, which is taken as censored just after. Two events at
    one time are not comparable. These are the rules of `survival::concordance` in R.

    Under censoring the index is that of the pairs which can be compared, a mixture that depends on
    the censoring: compare it between models on the same units, not between cohorts.

    Parameters
    ----------
    time : (n,) array
    event : (n,) array of 1 (event) and 0 (censored)
    score : (n,) array
        Higher speaks for an earlier event.

    Raises
    ------
    InputError
        Values not finite, an event other than 0 and 1, unequal lengths.
    """
    concordant, comparable = 0.0, 0
    for pairs in _blocks(*_checked(time, event, score)):
        concordant += float(pairs.concordant.sum(dtype=np.float64))
        comparable += int(pairs.comparable.sum(dtype=np.float64))
    return Concordance(concordant, comparable)


def ordinal(truth: ArrayLike, score: ArrayLike) -> Concordance:
    """Count the pairs of different classes, whose order is that of their codes.

    The index is the generalised C-index, (Somers' D of the score with respect to the class
    + 1) / 2; with two classes it is the AUC.

    Parameters
    ----------
    truth : (n,) array
        Class codes; only their order counts.
    score : (n,) array
        Higher speaks for a higher class.

    Raises
    ------
    InputError
        Values not finite, unequal lengths.
    """
    codes = column(WHERE, "truth", truth)
    # the highest class "comes first", and nothing is censored
    return harrell(-codes, np.ones_like(codes), score)


def harrell_c(time: ArrayLike, event: ArrayLike, score: ArrayLike) -> float:
    """Return Harrell's C; see `harrell`.

    Raises
    ------
    InputError
        As `harrell`; or no pair is comparable.
    """
    return _defined(harrell(time, event, score), "an event before another unit's time")


def ordinal_c(truth: ArrayLike, score: ArrayLike) -> float:
    """Return the generalised C-index of ordered classes; see `ordinal`.

    Raises
    ------
    InputError
        As `ordinal`; or all units are of one class.
    """
    return _defined(ordinal(truth, score), "two classes or more")


def expected_class(probability: ArrayLike) -> NDArray[np.float64]:
    """Return the expected index of the class, sum of k·p_k: the score that ordinal tasks rank.

    Parameters
    ----------
    probability : (n, K) array
        Of classes 0 to K − 1, in rising order.
    """
    p = np.asarray(probability, dtype=np.float64)
    if p.ndim != 2:
        raise InputError(WHERE, "probability", "two dimensions, (n, K)", f"shape {p.shape}")
    score: NDArray[np.float64] = p @ np.arange(p.shape[1], dtype=np.float64)
    return score


def weighted_harrell(time: ArrayLike, event: ArrayLike, score: ArrayLike) -> Weighted:
    """Return Harrell's C as a function of how often each unit stands there; for resampling.

    Every pair is compared once, (events, n) numbers in single precision; NaN where a resample has
    no comparable pair.
    """
    t, e, s = _checked(time, event, score)
    pairs = _pairs(t, e, s, np.flatnonzero(e))

    def index(times: NDArray[np.float64]) -> float:
        w = times.astype(np.float32)
        total = float(w[pairs.first] @ (pairs.comparable @ w))
        return float(w[pairs.first] @ (pairs.concordant @ w)) / total if total else np.nan

    return index


def weighted_ordinal(truth: ArrayLike, score: ArrayLike) -> Weighted:
    """Return the generalised C-index as a function of how often each unit stands there."""
    codes = column(WHERE, "truth", truth)
    return weighted_harrell(-codes, np.ones_like(codes), score)


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Comparisons of some units that have the event, (E,) `first`, with all n others.

    `comparable` and `concordant` are (E, n) float32, so that they can be weighted by a product.
    """

    first: NDArray[np.intp]
    comparable: NDArray[np.float32]
    concordant: NDArray[np.float32]


def _checked(
    time: ArrayLike, event: ArrayLike, score: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]:
    t, s = column(WHERE, "time", time), column(WHERE, "score", score)
    e = binary(WHERE, event, both=False)
    same_length(WHERE, time=t, event=e, score=s)
    return t, e, s


def _pairs(
    time: NDArray[np.float64],
    event: NDArray[np.bool_],
    score: NDArray[np.float64],
    first: NDArray[np.intp],
) -> _Pairs:
    t, s = time[first, None], score[first, None]
    comparable = (time > t) | ((time == t) & ~event)
    higher = (s > score).astype(np.float32) + np.float32(0.5) * (s == score)
    return _Pairs(first, comparable.astype(np.float32), comparable * higher)


def _blocks(
    time: NDArray[np.float64], event: NDArray[np.bool_], score: NDArray[np.float64]
) -> Iterator[_Pairs]:
    """Give the comparisons of all events, some rows at a time."""
    rows = max(1, BLOCK // time.size)
    first = np.flatnonzero(event)
    for start in range(0, first.size, rows):
        yield _pairs(time, event, score, first[start : start + rows])


def _defined(found: Concordance, expected: str) -> float:
    if not found.comparable:
        raise InputError(WHERE, "comparable pairs", expected, "none")
    return float(found.index)
