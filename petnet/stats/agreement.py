"""Decisions among several classes: the confusion matrix and the figures that follow from it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from petnet.errors import InputError
from petnet.stats._checks import column, same_length

__all__ = ["accuracy", "balanced_accuracy", "confusion_matrix", "quadratic_kappa"]

WHERE = "decisions"


def confusion_matrix(truth: ArrayLike, decision: ArrayLike, classes: int) -> NDArray[np.float64]:
    """Count the units by class and decision.

    Parameters
    ----------
    truth, decision : (n,) arrays
        Indices from 0 to `classes` − 1.
    classes : int

    Returns
    -------
    (K, K) float64 array
        Rows are the truth, columns the decision.

    Raises
    ------
    InputError
        Indices that are none of the classes, unequal lengths.
    """
    codes, chosen = column(WHERE, "truth", truth), column(WHERE, "decision", decision)
    same_length(WHERE, truth=codes, decision=chosen)
    for name, values in (("truth", codes), ("decision", chosen)):
        bad = ~np.isin(values, np.arange(classes))
        if bad.any():
            raise InputError(WHERE, name, f"indices from 0 to {classes - 1}", f"{values[bad][0]:g}")
    counted = np.bincount((codes * classes + chosen).astype(np.intp), minlength=classes**2)
    return counted.reshape(classes, classes).astype(np.float64)


def accuracy(confusion: NDArray[np.float64]) -> float:
    """Return the share of units on the diagonal; NaN of an empty matrix."""
    total = float(confusion.sum())
    return float(np.trace(confusion)) / total if total else np.nan


def balanced_accuracy(confusion: NDArray[np.float64]) -> float:
    """Return the mean over classes of the share that is recognised; NaN where a class is absent.

    1/K is chance, whatever the frequencies of the K classes.
    """
    sizes = confusion.sum(axis=1)
    return float(np.mean(np.diag(confusion) / sizes)) if sizes.all() else np.nan


def quadratic_kappa(confusion: NDArray[np.float64]) -> float:
    r"""Return Cohen's kappa with quadratic weights (doi 10.1037/h0026256).

    .. math:: 1 - \frac{\sum_{ij} (i - j)^2 n_{ij}}{\sum_{ij} (i - j)^2 n_{i+} n_{+j} / n}

    NaN where truth and decision are one and the same class throughout: no disagreement could have
    been expected.
    """
    index = np.arange(confusion.shape[0])
    distance = (index[:, None] - index[None, :]) ** 2
    expected = np.outer(confusion.sum(axis=1), confusion.sum(axis=0))
    by_chance = float((distance * expected).sum())
    if by_chance == 0:
        return np.nan
    return 1 - float((distance * confusion).sum()) * float(confusion.sum()) / by_chance
