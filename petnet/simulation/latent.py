"""Latents that carry an outcome, and what an observer who sees them achieves: exact figures.

Two ways lead to a latent x and an outcome. `ideal_distance` shifts x by the label; the image then
shows x. Or the image has been drawn already: then `mixture_quantile` reads x off the property that
is to carry the outcome, and the outcome is drawn *given* x. The image does not change, one cohort
bears any number of outcomes, and the ideal observers' figures are exact all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from petnet.errors import InputError

__all__ = [
    "OrdinalOdds",
    "ProportionalHazards",
    "combined_auc",
    "harrell_c",
    "ideal_auc",
    "ideal_distance",
    "mixture_quantile",
    "ordered_share",
    "posterior",
]

REACH = 9.0  # standard deviations of the quadrature grid
POINTS = 1201
BETA_MAX = 60.0


def ideal_distance(auc: float) -> float:
    """Return the distance d of two unit-variance normal classes with this AUC.

    AUC = Phi(d / sqrt 2), so d = sqrt 2 * Phi^-1(AUC); 0 for an AUC of 0.5.
    """
    from scipy.special import ndtri

    return float(np.sqrt(2.0) * ndtri(auc))


def ideal_auc(distance: float) -> float:
    """Return the AUC of two unit-variance normal classes this far apart."""
    from scipy.special import ndtr

    return float(ndtr(distance / np.sqrt(2.0)))


def combined_auc(aucs: Sequence[float]) -> float:
    """Return the AUC of who sees several latents, independent given the label.

    Their distances add as the sides of a right angle: d^2 = d_1^2 + d_2^2 + ...
    """
    distances = [ideal_distance(auc) for auc in aucs]
    return ideal_auc(float(np.linalg.norm(distances)))


def mixture_quantile(uniform: float, distance: float, prevalence: float) -> float:
    """Return x = F^-1(u), F the mixture p N(d/2, 1) + (1 - p) N(-d/2, 1).

    With u uniform and a label of probability `posterior(x)`, x given the label is exactly
    N(+-d/2, 1), so that the label's ideal AUC from x is `ideal_auc(d)`.

    Parameters
    ----------
    uniform : float
        In (0, 1): the rank, within its distribution, of the property that carries the label.
    """
    from scipy.optimize import brentq
    from scipy.special import ndtr, ndtri

    half, middle = distance / 2, float(ndtri(uniform))

    def excess(x: float) -> float:
        share = prevalence * ndtr(x - half) + (1 - prevalence) * ndtr(x + half)
        return float(share - uniform)

    # a margin, as at a prevalence of 0 or 1 the root is an end of the bracket
    return float(brentq(excess, middle - half - 1e-6, middle + half + 1e-6, xtol=1e-12))


def posterior(x: float, distance: float, prevalence: float) -> float:
    """Return P(label | x) = sigmoid(d x + logit p)."""
    from scipy.special import expit, logit

    return float(expit(distance * x + logit(prevalence)))


def _normal_grid() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return points and weights of N(0, 1); the trapezium rule converges geometrically there."""
    x = np.linspace(-REACH, REACH, POINTS)
    weights = np.exp(-(x**2) / 2)
    return x, weights / weights.sum()


def _solve(figure: Callable[[float], float], wanted: float) -> float:
    """Return the slope at which an increasing `figure`, 0.5 at 0, is the one wanted."""
    from scipy.optimize import brentq

    if wanted == 0.5:
        return 0.0
    if figure(BETA_MAX) < wanted:
        raise InputError("simulation", "C-index", f"at most {figure(BETA_MAX):.4f}", f"{wanted}")
    return float(brentq(lambda beta: figure(beta) - wanted, 0.0, BETA_MAX, xtol=1e-10))


@dataclass(frozen=True)
class OrdinalOdds:
    """Ordered classes by proportional odds: y* = beta x + logistic noise, x ~ N(0, 1).

    Attributes
    ----------
    beta : float
    cuts : (K - 1) floats
        y* below the first is class 0, above the last class K - 1.
    """

    beta: float
    cuts: tuple[float, ...]

    @classmethod
    def of(cls, shares: Sequence[float], c_index: float) -> OrdinalOdds:
        """Solve for the classes' shares and the ideal observer's C-index.

        Parameters
        ----------
        shares : sequence of K floats
            Positive, lowest class first; scaled to a sum of 1.
        c_index : float
            In [0.5, 1).
        """
        return cls._of(shares, _solve(lambda beta: cls._of(shares, beta).c_index, c_index))

    @classmethod
    def _of(cls, shares: Sequence[float], beta: float) -> OrdinalOdds:
        from scipy.optimize import brentq
        from scipy.special import expit, logit

        below = np.cumsum(shares)[:-1] / np.sum(shares)
        x, weights = _normal_grid()
        room = 4 * beta + 1.0  # beta x lies within it but for 1e-4 of all, noise apart

        def cut(share: float) -> float:
            low, high = float(logit(share / 2)) - room, float(logit((1 + share) / 2)) + room
            return float(
                brentq(lambda c: weights @ expit(c - beta * x) - share, low, high, xtol=1e-10)
            )

        return cls(float(beta), tuple(cut(float(share)) for share in below))

    def probabilities(self, x: float | NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (..., K) probabilities of the classes given x."""
        from scipy.special import expit

        at = np.asarray(x, dtype=np.float64)[..., None]
        below = expit(np.asarray(self.cuts) - self.beta * at)
        ends = (np.zeros_like(at), below, np.ones_like(at))
        return np.diff(np.concatenate(ends, axis=-1), axis=-1)

    @property
    def shares(self) -> NDArray[np.float64]:
        """Share of each class."""
        x, weights = _normal_grid()
        shares: NDArray[np.float64] = weights @ self.probabilities(x)
        return shares

    @property
    def c_index(self) -> float:
        """Share of the pairs of different classes that x puts in order."""
        x, weights = _normal_grid()
        density = weights[:, None] * self.probabilities(x)  # (points, classes)
        # mass strictly below, and half of that at, each point: ties of the grid count half
        lower = np.cumsum(density, axis=0) - density / 2
        pairs, total = lower.T @ density, density.sum(axis=0)
        higher = np.triu_indices(len(total), 1)
        return float(pairs[higher].sum() / np.outer(total, total)[higher].sum())

    def dichotomy(self, first: int) -> float:
        """Return the AUC of x for "class `first` or higher" against the classes below."""
        return OrdinalOdds(self.beta, (self.cuts[first - 1],)).c_index

    def draw(self, x: float, uniform: float) -> int:
        """Return the class of a patient with latent x; `uniform` in [0, 1) is the noise."""
        return int(np.searchsorted(np.cumsum(self.probabilities(x))[:-1], uniform, side="right"))


@dataclass(frozen=True)
class ProportionalHazards:
    """Exponential times with hazard exp(beta x), x ~ N(0, 1), censored independently at random.

    Without censoring, the patient of higher x of a pair dies first with probability
    sigmoid(beta |dx|), so that the ideal observer's C-index is E[sigmoid(beta |dx|)], dx ~ N(0, 2).
    Censoring at random leaves hazards alone, but Harrell's C is then that of the *comparable* pairs
    (the earlier of the two times is a death), in which early deaths weigh more: see
    `comparable_c_index`.

    Attributes
    ----------
    beta : float
        Log hazard ratio of one standard deviation.
    censoring : float
        Hazard of censoring.
    """

    beta: float
    censoring: float

    @classmethod
    def of(cls, c_index: float, censored: float) -> ProportionalHazards:
        """Solve for the C-index without censoring, and for the censored share.

        Parameters
        ----------
        c_index : float
            In [0.5, 1).
        censored : float
            In [0, 1).
        """
        from scipy.optimize import brentq

        beta = _solve(lambda slope: cls(slope, 0.0).c_index, c_index)
        if censored == 0:
            return cls(beta, 0.0)
        log_hazard = float(
            brentq(lambda h: cls(beta, float(np.exp(h))).censored - censored, -60 - beta, 60 + beta)
        )
        return cls(beta, float(np.exp(log_hazard)))

    @property
    def c_index(self) -> float:
        """The ideal observer's C-index were nobody censored."""
        from scipy.special import expit

        x = np.linspace(0, REACH, POINTS)  # half of the line, as |dx| has a kink at 0
        weights = np.exp(-(x**2) / 2)
        weights[0] /= 2
        return float(weights @ expit(self.beta * np.sqrt(2.0) * x) / weights.sum())

    @property
    def comparable_c_index(self) -> float:
        """The ideal observer's C-index over comparable pairs (what Harrell's estimates).

        With hazards h, k and censoring g, the first thing that happens to a pair is a death with
        probability (h + k) / (h + k + 2 g), and the death of the patient of higher hazard with
        max(h, k) / (h + k + 2 g).
        """
        x = np.linspace(-REACH, REACH, 721)
        weights = np.exp(-(x**2) / 2)
        hazard = np.exp(self.beta * x)
        first, second = hazard[:, None], hazard[None, :]
        both = np.outer(weights, weights) / (first + second + 2 * self.censoring)
        return float((both * np.maximum(first, second)).sum() / (both * (first + second)).sum())

    @property
    def censored(self) -> float:
        """Share of patients who are censored."""
        x, weights = _normal_grid()
        return float(weights @ (self.censoring / (self.censoring + np.exp(self.beta * x))))

    def draw(self, x: float, rng: np.random.Generator) -> tuple[float, bool]:
        """Return the time seen, in units of the mean survival at x = 0, and if it ends in death."""
        death, end = rng.exponential(size=2)
        death /= np.exp(self.beta * x)
        if self.censoring == 0:
            return float(death), True
        end /= self.censoring
        return float(min(death, end)), bool(death <= end)


def ordered_share(
    classes: Sequence[int] | NDArray[np.integer | np.bool_],
    x: Sequence[float] | NDArray[np.float64],
) -> float:
    """Return the share of the pairs of different classes that x puts in order; ties count half.

    Of two classes this is the AUC. NaN where there is one class.
    """
    ranks, values = np.asarray(classes).astype(int), np.asarray(x)
    pairs = ordered = 0.0
    for rank in np.unique(ranks)[1:]:
        low = np.sort(values[ranks < rank])
        high = values[ranks == rank]
        ordered += np.searchsorted(low, high, side="left").sum() / 2
        ordered += np.searchsorted(low, high, side="right").sum() / 2
        pairs += len(low) * len(high)
    return float(ordered / pairs) if pairs else float("nan")


def harrell_c(
    time: Sequence[float] | NDArray[np.float64],
    event: Sequence[int] | NDArray[np.bool_],
    risk: Sequence[float] | NDArray[np.float64],
) -> float:
    """Return Harrell's C of `risk`: among pairs whose shorter time is a death, those in order.

    Ties in risk count half; pairs of equal time are left out. NaN without comparable pairs.
    """
    times, events, risks = np.asarray(time), np.asarray(event, dtype=bool), np.asarray(risk)
    pairs = ordered = 0.0
    for at in np.flatnonzero(events):
        later = times > times[at]
        pairs += int(later.sum())
        ordered += int((risks[later] < risks[at]).sum())
        ordered += 0.5 * int((risks[later] == risks[at]).sum())
    return ordered / pairs if pairs else float("nan")
