"""Cox regression with a ridge penalty, in scikit-learn's style.

Written here because no permissive library has it: statsmodels' PHReg is unpenalised, and a table of
radiomics has more columns than patients.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import cho_factor, cho_solve
from sklearn.base import BaseEstimator

from petnet.errors import InputError

__all__ = ["CoxRegression"]

Array = NDArray[np.float64]
_Derivatives = tuple[float, Array, Array]
WHERE = "Cox regression"


class CoxRegression(BaseEstimator):
    r"""Proportional hazards (Cox, doi 10.1111/j.2517-6161.1972.tb00899.x) with a ridge penalty.

    Maximises :math:`\ell(\beta) - \tfrac{\alpha}{2} \lVert\beta\rVert^2` by Newton's method in
    float64, where :math:`\ell` is the log partial likelihood summed, not averaged, over the events,
    with Efron's correction for tied times (doi 10.1080/01621459.1977.10480613). So `alpha` is the
    `theta` of `ridge(..., scale = FALSE)` in R's survival and 1/C of a logistic regression.

    Parameters
    ----------
    alpha : float
        0 or more. It weighs all columns alike, so they should be standardised.
    tolerance : float
        Ends when no coefficient moves by more than this, relative to the largest (at least 1).
    max_iter : int

    Attributes
    ----------
    coef_ : (D,) float64 array
        Log hazard ratios.
    mean_ : (D,) float64 array
        Of the training part; its mean log hazard is 0.
    n_iter_ : int

    Notes
    -----
    Events × units are held in memory at once: 100 MB for 5000 units half of which have the event.
    """

    def __init__(self, alpha: float = 1.0, tolerance: float = 1e-9, max_iter: int = 100) -> None:
        self.alpha = alpha
        self.tolerance = tolerance
        self.max_iter = max_iter

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Estimate the coefficients.

        Parameters
        ----------
        X : (n, D) array
            Without missing values.
        y : (n, 2) array
            Time, and 1 for the event or 0 for censored at that time.

        Raises
        ------
        InputError
            No event, values not finite, a negative `alpha`, or no convergence.
        """
        values, time, event = _checked(X, y)
        if not self.alpha >= 0:
            raise InputError(WHERE, "alpha", "0 or more", repr(self.alpha))
        self.mean_ = values.mean(axis=0)
        centred = values - self.mean_
        partial = _PartialLikelihood.of(time, event)
        if self.alpha > 0 and centred.shape[1] > centred.shape[0]:
            # A ridge solution is a combination of the rows: n unknowns instead of D.
            basis, rows = np.linalg.qr(centred.T)
            self.coef_ = basis @ self._newton(rows.T, partial)
        else:
            self.coef_ = self._newton(centred, partial)
        return self

    def predict(self, X: ArrayLike) -> Array:
        """Return the (n,) log hazard relative to that of the mean training unit."""
        log_hazard: Array = (np.asarray(X, dtype=np.float64) - self.mean_) @ self.coef_
        return log_hazard

    def _newton(self, values: Array, partial: _PartialLikelihood) -> Array:
        beta = np.zeros(values.shape[1])
        state = partial.derivatives(values, beta)
        for iteration in range(1, self.max_iter + 1):
            step, state = self._step(values, partial, beta, state)
            beta = beta + step
            if np.abs(step).max(initial=0.0) <= self.tolerance * np.abs(beta).max(initial=1.0):
                self.n_iter_ = iteration
                return beta
        raise self._refusal(f"none in {self.max_iter} steps")

    def _step(
        self, values: Array, partial: _PartialLikelihood, beta: Array, state: _Derivatives
    ) -> tuple[Array, _Derivatives]:
        """Return Newton's step, halved until the objective does not fall, and what follows."""
        log_likelihood, gradient, information = state
        start = log_likelihood - self.alpha / 2 * float(beta @ beta)
        penalised = information + self.alpha * np.eye(beta.size)
        try:
            step: Array = cho_solve(cho_factor(penalised), gradient - self.alpha * beta)
        except np.linalg.LinAlgError as error:
            raise self._refusal("a singular information matrix") from error
        for _ in range(30):
            new = beta + step
            state = partial.derivatives(values, new)
            rise = state[0] - self.alpha / 2 * float(new @ new) - start
            if rise >= -1e-12 * (1 + abs(start)):
                return step, state
            step = step / 2
        raise self._refusal("no step that raises the likelihood")

    def _refusal(self, found: str) -> InputError:
        remedy = "Raise alpha: a column separates early from late events, or is made of others"
        return InputError(WHERE, f"alpha {self.alpha:g}", "convergence", found, remedy)


@dataclass(frozen=True, eq=False)
class _PartialLikelihood:
    """What of the data does not change from step to step.

    Attributes
    ----------
    event : (n,) bool array
    share : (E, n) float64 array
        For each event how much of each unit is at risk: 1 until its time, then 0. Of d events at
        one time the first meets all d, the second 1 - 1/d of each, the last 1/d of each (Efron).
    """

    event: NDArray[np.bool_]
    share: Array

    @classmethod
    def of(cls, time: Array, event: NDArray[np.bool_]) -> Self:
        times = time[event]
        tied = times[:, None] == time[None, :]
        simultaneous = times[:, None] == times[None, :]
        earlier = np.tril(simultaneous, -1).sum(axis=1) / simultaneous.sum(axis=1)
        share = (time[None, :] >= times[:, None]) - earlier[:, None] * (tied & event[None, :])
        return cls(event, share)

    def derivatives(self, values: Array, beta: Array) -> _Derivatives:
        """Return the log partial likelihood, its gradient (D,) and its information (D, D)."""
        eta = values @ beta
        top = eta.max()
        risk = self.share * np.exp(eta - top)
        total = risk.sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            log_likelihood = float((eta[self.event] - top - np.log(total)).sum())
            chance = risk / total[:, None]
        if not np.isfinite(log_likelihood):  # a step so long that a whole risk set underflows
            return -np.inf, np.full_like(beta, np.nan), np.full((beta.size, beta.size), np.nan)
        expected = chance.sum(axis=0)
        gradient = values.T @ (self.event - expected)
        mean = chance @ values
        return log_likelihood, gradient, values.T @ (expected[:, None] * values) - mean.T @ mean


def _checked(X: ArrayLike, y: ArrayLike) -> tuple[Array, Array, NDArray[np.bool_]]:
    values, outcome = np.asarray(X, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if values.ndim != 2 or outcome.shape != (len(values), 2):
        found = f"X {values.shape}, y {outcome.shape}"
        raise InputError(WHERE, "shape", "X (n, D) and y (n, 2): time, event", found)
    if not (np.isfinite(values).all() and np.isfinite(outcome).all()):
        raise InputError(WHERE, "values", "finite numbers", "NaN or infinite ones")
    if not np.isin(outcome[:, 1], (0.0, 1.0)).all():
        found = f"{np.unique(outcome[:, 1])[:5].tolist()}"
        raise InputError(WHERE, "event", "1 or 0", found)
    if not outcome[:, 1].any():
        raise InputError(WHERE, "event", "at least one", "none")
    return values, outcome[:, 0], outcome[:, 1] == 1
