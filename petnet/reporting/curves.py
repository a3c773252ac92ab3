"""Curves from predictions: the only thing that the report computes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from petnet.errors import InputError
from petnet.reporting.run_files import Scores
from petnet.stats.calibration import Reliability, reliability
from petnet.stats.discrimination import RocCurve, auc, roc_curve
from petnet.stats.roc import RocBand, roc_band

__all__ = ["RocFigure", "UnitScores", "calibration_bins", "per_unit", "roc_figure"]


@dataclass(frozen=True, eq=False)
class UnitScores:
    """One row per unit: the mean of its out-of-fold scores over the repeats.

    Attributes
    ----------
    name : str
    unit, patient : (U,) str arrays
        Sorted by unit.
    score : (U,) float64 array
        Higher speaks for the positive class.
    truth : (U,) float64 array
        1, 0 or NaN where unknown.
    """

    name: str
    unit: NDArray[np.str_]
    patient: NDArray[np.str_]
    score: NDArray[np.float64]
    truth: NDArray[np.float64]

    @property
    def known(self) -> UnitScores:
        """The units whose truth is known."""
        keep = np.isfinite(self.truth)
        return UnitScores(
            self.name, self.unit[keep], self.patient[keep], self.score[keep], self.truth[keep]
        )


@dataclass(frozen=True, eq=False)
class RocFigure:
    """A ROC curve of unit-averaged scores with its bootstrap band.

    Attributes
    ----------
    name : str
    curve : RocCurve
    band : RocBand
    area : float
        Area under this very curve.
    n, positive : int
    """

    name: str
    curve: RocCurve
    band: RocBand
    area: float
    n: int
    positive: int


def per_unit(scores: Scores) -> UnitScores:
    """Average each unit's rows over the repeats; rows without a score are left out.

    Raises
    ------
    InputError
        A unit whose truth differs between its rows.
    """
    keep = np.isfinite(scores.score)
    unit, first, code = np.unique(scores.unit[keep], return_index=True, return_inverse=True)
    if not unit.size:
        raise InputError(scores.name, "scores", "at least one number", "none")
    truth = scores.truth[keep]
    mixed = np.flatnonzero(~np.isclose(truth, truth[first][code], equal_nan=True))
    if mixed.size:
        found = "different truths"
        raise InputError(scores.name, f"unit {unit[code[mixed[0]]]}", "one truth", found)
    mean = np.bincount(code, weights=scores.score[keep]) / np.bincount(code)
    return UnitScores(
        scores.name, unit, scores.patient[keep][first], scores.sign * mean, truth[first]
    )


def roc_figure(scores: UnitScores, resamples: int = 1000) -> RocFigure | None:
    """Return curve and 95 % band; None where the truth has one class only."""
    known = scores.known
    positive = int(known.truth.sum())
    if positive in (0, known.truth.size):
        return None
    return RocFigure(
        scores.name,
        roc_curve(known.truth, known.score),
        roc_band(known.truth, known.score, group=known.patient, resamples=resamples),
        auc(known.truth, known.score),
        known.truth.size,
        positive,
    )


def calibration_bins(scores: UnitScores) -> Reliability | None:
    """Return observed shares in three to ten bins of about ten units; None without truth."""
    known = scores.known
    if not known.truth.size:
        return None
    return reliability(known.truth, known.score, bins=int(np.clip(known.truth.size // 10, 3, 10)))
