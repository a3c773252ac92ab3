"""One estimator on one table: encode, resample, fit, put the class shares back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils._param_validation import InvalidParameterError

from petnet.errors import InputError
from petnet.learn.resampling import Smote
from petnet.learn.tabular import TableEncoder
from petnet.models.heads import Problem
from petnet.models.parts import build

__all__ = ["Fitted", "Prepared", "prepare"]

Array = NDArray[np.float64]
FLOOR = 1e-12  # of a probability before its share is put back; a forest can say 0


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fitted problem.

    Attributes
    ----------
    encoder : TableEncoder
    estimator : object or None
        None: there was nothing to learn, and the shares of the training part are predicted.
    share : tuple of float
        Of each class in the training part; empty for survival.
    learned : tuple of float
        Of each class in what the estimator saw, after resampling.
    """

    encoder: TableEncoder
    estimator: Any
    share: tuple[float, ...]
    learned: tuple[float, ...]

    def predict(self, frame: pd.DataFrame) -> Array:
        """Return (n, classes) probabilities, or the (n, 1) log relative hazard."""
        if self.estimator is None:
            return np.tile(self.share or (0.0,), (len(frame), 1))
        values = self.encoder.expand(self.encoder.transform(frame))
        if not self.share:
            return np.asarray(self.estimator.predict(values), dtype=np.float64)[:, None]
        raw = np.asarray(self.estimator.predict_proba(values), dtype=np.float64)
        share, learned = np.array(self.share), np.array(self.learned)
        seen = np.flatnonzero(share)
        weighted = np.maximum(raw, FLOOR) * (share[seen] / learned[seen])
        made = np.zeros((len(frame), share.size))
        made[:, seen] = weighted / weighted.sum(axis=1, keepdims=True)
        return made

    def state(self) -> dict[str, Any]:
        """Return all but the estimator, as JSON values."""
        return {
            "constant": self.estimator is None,
            "encoder": self.encoder.state(),
            "share": list(self.share),
            "learned": list(self.learned),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any], estimator: Any) -> Fitted:
        """Rebuild from `state()` and the estimator."""
        encoder = TableEncoder.from_state(state["encoder"])
        return cls(encoder, estimator, tuple(state["share"]), tuple(state["learned"]))


@dataclass(frozen=True, eq=False)
class Prepared:
    """The table of one problem as its estimator is to see it, whatever the hyperparameters."""

    problem: Problem
    encoder: TableEncoder
    values: Array
    target: Any
    share: tuple[float, ...]

    @property
    def lacks(self) -> str:
        """Say why there is nothing to learn; empty if there is."""
        if not len(self.problem.rows):
            return "no unit whose label is known"
        if not self.share and not self.target[:, 1].any():
            return "no event"
        if sum(s > 0 for s in self.share) == 1:
            return "only one class"
        return "" if self.values.shape[1] else "no column that varies"

    def fit(self, settings: Mapping[str, Any], seed: int) -> Fitted:
        """Fit the estimator of `settings` (`_target_` and arguments)."""
        if self.lacks:
            return Fitted(self.encoder, None, self.share, self.share)
        estimator = build(settings)
        if "random_state" in estimator.get_params():
            estimator.set_params(random_state=seed)
        try:
            estimator.fit(self.values, self.target)
        except InvalidParameterError as error:
            raise InputError(
                "model", "estimator", "settings that scikit-learn takes", str(error)
            ) from error
        learned = _shares(self.target, len(self.share)) if self.share else ()
        return Fitted(self.encoder, estimator, self.share, learned)


def prepare(
    frame: pd.DataFrame,
    problem: Problem,
    encoder: TableEncoder,
    resampler: Smote | None,
    seed: int,
) -> Prepared:
    """Encode a problem's units and balance its classes.

    Parameters
    ----------
    frame : pandas.DataFrame
        (n, columns): the training part, of which the problem may use some rows only.
    encoder : TableEncoder
        Fitted to those rows; with unordered categories as level numbers, as the resampler wants
        them.
    resampler : Smote, optional
        None for survival, which has no classes.
    """
    values, target = encoder.transform(frame.iloc[problem.rows]), problem.target
    share = _shares(target, problem.classes) if problem.classes else ()
    several = len(np.unique(target)) > 1
    if resampler is not None and several and values.shape[1]:
        values, target = resampler.resample(values, target, encoder.discrete, seed)
    return Prepared(problem, encoder, encoder.expand(values), target, share)


def _shares(codes: Any, classes: int) -> tuple[float, ...]:
    if not len(codes):
        return (1 / classes,) * classes
    counts: Sequence[int] = np.bincount(codes, minlength=classes).tolist()
    return tuple(count / len(codes) for count in counts)
