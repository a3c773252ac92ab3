"""How good the probabilities of K classes are: Hand and Till's M, one class against the rest, loss.

Truth is the index of the class, 0 to K − 1; probabilities are (n, K).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from petnet.errors import InputError
from petnet.stats._checks import column, same_length
from petnet.stats.discrimination import auc

__all__ = [
    "PairAuc",
    "brier_multiclass",
    "class_pairs",
    "hand_till_m",
    "log_loss",
    "one_against_rest",
]

WHERE = "classes"
SUM_TOLERANCE = 1e-4  # what single precision leaves of a sum of probabilities
CLIP = 1e-15


@dataclass(frozen=True)
class PairAuc:
    """How well two classes are told apart, whatever the others.

    Attributes
    ----------
    classes : tuple of int
        The two indices, the lower first.
    value : float
        Mean of the AUC of the one's and of the other's probability among their units; NaN where
        one of them has none.
    pairs : int
        Units of the one times units of the other.
    """

    classes: tuple[int, int]
    value: float
    pairs: int


def class_pairs(truth: ArrayLike, probability: ArrayLike) -> list[PairAuc]:
    """Return the separation of every two classes, K(K − 1)/2 of them.

    Raises
    ------
    InputError
        A class that has no column, probabilities outside 0..1 or that do not add up to 1.
    """
    codes, p = checked(truth, probability)
    made = []
    for first, second in combinations(range(p.shape[1]), 2):
        both = (codes == first) | (codes == second)
        is_first = codes[both] == first
        n = int(is_first.sum())
        pairs = n * (is_first.size - n)
        value = np.nan
        if pairs:
            areas = (auc(is_first, p[both, first]), auc(~is_first, p[both, second]))
            value = float(np.mean(areas))
        made.append(PairAuc((first, second), value, pairs))
    return made


def hand_till_m(truth: ArrayLike, probability: ArrayLike) -> float:
    """Return M, the mean separation over all pairs of classes (doi 10.1023/A:1010920819831).

    It does not depend on how frequent the classes are; with two classes it is the AUC.

    Raises
    ------
    InputError
        As `class_pairs`; or a class has no unit.
    """
    found = class_pairs(truth, probability)
    empty = [pair.classes for pair in found if not pair.pairs]
    if empty:
        raise InputError(WHERE, "truth", "a unit of every class", f"none of one of {empty[0]}")
    return float(np.mean([pair.value for pair in found]))


def one_against_rest(truth: ArrayLike, probability: ArrayLike) -> NDArray[np.float64]:
    """Return the AUC of each class against all others by its own probability, (K,).

    NaN for a class that has no unit, or all.

    Raises
    ------
    InputError
        As `class_pairs`.
    """
    codes, p = checked(truth, probability)
    made = np.full(p.shape[1], np.nan)
    for k in range(p.shape[1]):
        if 0 < (codes == k).sum() < codes.size:
            made[k] = auc(codes == k, p[:, k])
    return made


def brier_multiclass(truth: ArrayLike, probability: ArrayLike) -> float:
    """Return the mean over units of the squared differences summed over classes.

    Brier's own definition (doi 10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2), between 0 and 2;
    with two classes it is twice the Brier score of binary tasks.

    Raises
    ------
    InputError
        As `class_pairs`.
    """
    codes, p = checked(truth, probability)
    return float(((p - np.eye(p.shape[1])[codes]) ** 2).sum(axis=1).mean())


def log_loss(truth: ArrayLike, probability: ArrayLike) -> float:
    """Return the mean of −ln of the probability of the true class, which is held above 1e-15.

    Raises
    ------
    InputError
        As `class_pairs`.
    """
    codes, p = checked(truth, probability)
    return float(-np.log(np.clip(p[np.arange(codes.size), codes], CLIP, None)).mean())


def checked(
    truth: ArrayLike, probability: ArrayLike
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return class indices and probabilities that fit each other."""
    codes = column(WHERE, "truth", truth)
    p = np.asarray(probability, dtype=np.float64)
    if p.ndim != 2 or p.shape[1] < 2:
        raise InputError(WHERE, "probability", "(n, K) with two columns or more", f"{p.shape}")
    same_length(WHERE, truth=codes, probability=p)
    bad = ~np.isin(codes, np.arange(p.shape[1]))
    if bad.any():
        found = f"{codes[bad][0]:g}"
        raise InputError(WHERE, "truth", f"indices from 0 to {p.shape[1] - 1}", found)
    if not ((p >= 0) & (p <= 1)).all():
        row = int(np.flatnonzero(~((p >= 0) & (p <= 1)).all(axis=1))[0])
        raise InputError(WHERE, "probability", "0 to 1", f"{p[row].tolist()} at row {row}")
    off = np.flatnonzero(np.abs(p.sum(axis=1) - 1) > SUM_TOLERANCE)
    if off.size:
        found = f"{p[off[0]].sum():.6g} at row {off[0]}"
        raise InputError(WHERE, "probability", "rows that add up to 1", found)
    return codes.astype(np.intp), p
