"""Curves from predictions: the only thing that the report computes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from petnet.errors import InputError
from petnet.outcome import Outcome
from petnet.reporting.score_files import Scores
from petnet.stats.calibration import Reliability, reliability
from petnet.stats.discrimination import RocCurve, auc, roc_curve
from petnet.stats.roc import RocBand, roc_band

__all__ = [
    "Contrast",
    "RocFigure",
    "UnitScores",
    "calibration_bins",
    "contrasts_of",
    "per_unit",
    "roc_figure",
]


@dataclass(frozen=True, eq=False)
class UnitScores:
    """One row per unit: the mean of its out-of-fold predictions over the repeats.

    Attributes
    ----------
    name : str
    outcome : Outcome
    unit, patient : (U,) str arrays
        Sorted by unit.
    prediction : (U, K) float64 array
        Of a single parameter: higher speaks for the positive class, the higher class, the earlier
        event.
    truth : float64 array
        One row each, as `petnet.outcome` says; NaN where unknown.
    decision : float64 array or None
        What most repeats decided; of several that are equally frequent, the highest.
    """

    name: str
    outcome: Outcome
    unit: NDArray[np.str_]
    patient: NDArray[np.str_]
    prediction: NDArray[np.float64]
    truth: NDArray[np.float64]
    decision: NDArray[np.float64] | None


@dataclass(frozen=True, eq=False)
class Contrast:
    """A question of yes or no put to one model: the units whose answer is known.

    Attributes
    ----------
    name : str
    patient : (n,) str array
    score : (n,) float64 array
        Higher speaks for yes.
    truth : (n,) float64 array
        1 or 0.
    """

    name: str
    patient: NDArray[np.str_]
    score: NDArray[np.float64]
    truth: NDArray[np.float64]

    @property
    def positive(self) -> int:
        """How many units are a yes."""
        return int(self.truth.sum())

    @property
    def both(self) -> bool:
        """Whether there are units of yes and of no."""
        return 0 < self.positive < self.truth.size


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
    """Average each unit's rows over the repeats; rows without any number are left out.

    Raises
    ------
    InputError
        A unit whose truth differs between its rows.
    """
    keep = np.isfinite(scores.prediction).any(axis=1)
    unit, first, code = np.unique(scores.unit[keep], return_index=True, return_inverse=True)
    if not unit.size:
        raise InputError(scores.name, "scores", "at least one number", "none")
    truth = scores.truth[keep]
    same = np.isclose(truth, truth[first][code], equal_nan=True).reshape(len(truth), -1)
    mixed = np.flatnonzero(~same.all(axis=1))
    if mixed.size:
        found = "different truths"
        raise InputError(scores.name, f"unit {unit[code[mixed[0]]]}", "one truth", found)
    decision = None
    if scores.decision is not None:
        decision = _majority(scores.decision[keep], code, unit.size)
    mean = np.column_stack([_mean(column, code, unit.size) for column in scores.prediction[keep].T])
    return UnitScores(
        scores.name, scores.outcome, unit, scores.patient[keep][first], scores.sign * mean,
        truth[first], decision,
    )  # fmt: skip


def _mean(values: NDArray[np.float64], code: NDArray[np.intp], units: int) -> NDArray[np.float64]:
    """Return the mean of the finite values of each unit; NaN where it has none."""
    finite = np.isfinite(values)
    n = np.bincount(code[finite], minlength=units)
    total = np.bincount(code[finite], weights=values[finite], minlength=units)
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


def _majority(
    decision: NDArray[np.float64], code: NDArray[np.intp], units: int
) -> NDArray[np.float64]:
    if decision.ndim > 1:
        return np.column_stack([_majority(column, code, units) for column in decision.T])
    votes = np.zeros((units, int(np.nanmax(decision, initial=0)) + 1), dtype=np.intp)
    given = np.isfinite(decision)
    np.add.at(votes, (code[given], decision[given].astype(np.intp)), 1)
    highest: NDArray[np.intp] = votes.shape[1] - 1 - votes[:, ::-1].argmax(axis=1)
    return np.where(votes.any(axis=1), highest, np.nan)


def contrasts_of(scores: UnitScores) -> tuple[Contrast, ...]:
    """Return the questions of yes or no that a kind of task holds.

    Binary: the positive class. Multiclass: each class against the others, of models only. Ordinal:
    each cut between neighbouring classes, above it (of a parameter: by the same values at every
    cut). Multilabel: each label. Survival: none.
    """
    outcome, prediction, truth = scores.outcome, scores.prediction, scores.truth
    labels = outcome.labels
    single = prediction.shape[1] == 1
    if outcome.kind == "binary":
        return (_contrast("", scores, prediction[:, 0], truth),)
    if outcome.kind == "multiclass":
        return tuple(
            _contrast(label, scores, prediction[:, k], _where(truth, truth == k))
            for k, label in enumerate(labels)
            if not single
        )
    if outcome.kind == "ordinal":
        above = prediction if single else prediction[:, ::-1].cumsum(axis=1)[:, ::-1]
        return tuple(
            _contrast(label, scores, above[:, 0 if single else k + 1], _where(truth, truth > k))
            for k, label in enumerate(labels[:-1])
        )
    if outcome.kind == "multilabel":
        return tuple(
            _contrast(label, scores, prediction[:, k], truth[:, k])
            for k, label in enumerate(labels)
        )
    return ()


def _where(truth: NDArray[np.float64], answer: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.where(np.isnan(truth), np.nan, answer.astype(np.float64))


def _contrast(
    name: str, scores: UnitScores, score: NDArray[np.float64], truth: NDArray[np.float64]
) -> Contrast:
    keep = np.isfinite(truth) & np.isfinite(score)
    return Contrast(name, scores.patient[keep], score[keep], truth[keep])


def roc_figure(contrast: Contrast, name: str, resamples: int = 1000) -> RocFigure | None:
    """Return curve and 95 % band; None where the truth has one class only."""
    if not contrast.both:
        return None
    truth, score = contrast.truth, contrast.score
    return RocFigure(
        name,
        roc_curve(truth, score),
        roc_band(truth, score, group=contrast.patient, resamples=resamples),
        auc(truth, score),
        truth.size,
        contrast.positive,
    )


def calibration_bins(contrast: Contrast) -> Reliability | None:
    """Return observed shares in three to ten bins of about ten units; None without truth."""
    n = contrast.truth.size
    if not n:
        return None
    return reliability(contrast.truth, contrast.score, bins=int(np.clip(n // 10, 3, 10)))
