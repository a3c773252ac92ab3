"""Peritoneal spread as a pattern over regions, and who could tell it best from the latents.

In a patient with spread each region is positive with chance s, independently; if none came out
positive, one region at random is. In a patient without, none is. Region r shows, per tracer t, a
latent x_tr ~ N(+-d_t/2, 1), independent given the region's label, and the patient a clinical latent
c ~ N(+-d_c/2, 1). With L_r = exp(sum_t d_t x_tr), the likelihood ratio of a region's label, that of
the patient's is the mean of prod L_r over patterns,

    prod_r (1 - s + s L_r) + (1 - s)^R (mean_r L_r - 1),   times exp(d_c c),

and no observer has a larger AUC than the one who ranks patients by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["SpreadObserver", "draw_pattern"]

DRAWS = 20_000  # patients of each class; standard error of an AUC below 0.002
SEED = 20_000


def draw_pattern(
    rng: np.random.Generator, spread: float, regions: int, patients: int = 1
) -> NDArray[np.bool_]:
    """Return (patients, regions): which regions of patients with spread are positive."""
    draws = rng.random((patients, regions))
    positive: NDArray[np.bool_] = draws < spread
    none = ~positive.any(axis=1)
    positive[none, draws[none].argmin(axis=1)] = True
    return positive


@dataclass(frozen=True)
class SpreadObserver:
    """The ideal observer of spread.

    Attributes
    ----------
    regions : int
    spread : float
        Chance s of a region.
    distances : mapping of str to float
        Tracer to the distance d_t of its latent's classes.
    clinical_distance : float
    """

    regions: int
    spread: float
    distances: Mapping[str, float]
    clinical_distance: float = 0.0

    def log_ratio(
        self,
        latents: Mapping[str, NDArray[np.float64]],
        clinical: NDArray[np.float64] | float = 0.0,
    ) -> NDArray[np.float64]:
        """Return the log likelihood ratio of spread.

        Parameters
        ----------
        latents : mapping of tracer to (..., regions) array
            Those of the scans that there are.
        clinical : (...) array
            0 where the clinical latent is not looked at.
        """
        if not latents:
            return np.asarray(self.clinical_distance * np.asarray(clinical))
        ratio = np.exp(sum(self.distances[t] * x for t, x in latents.items()))
        none = (1 - self.spread) ** self.regions
        pattern = np.prod(1 - self.spread + self.spread * ratio, axis=-1)
        pattern += none * (ratio.mean(axis=-1) - 1)
        return np.asarray(np.log(pattern) + self.clinical_distance * np.asarray(clinical))

    def auc(self, tracers: Sequence[str], clinical: bool, draws: int = DRAWS) -> float:
        """Return the AUC of who sees these tracers, by Monte Carlo with a fixed seed."""
        rng = np.random.default_rng(SEED)
        truth = np.zeros((2 * draws, self.regions), dtype=bool)
        truth[draws:] = draw_pattern(rng, self.spread, self.regions, draws)
        latents = {
            t: rng.normal(size=truth.shape) + np.where(truth, 0.5, -0.5) * d
            for t, d in self.distances.items()
        }
        side = np.repeat([-0.5, 0.5], draws)
        marker = rng.normal(size=2 * draws) + side * self.clinical_distance
        seen = {t: latents[t] for t in tracers}
        score = self.log_ratio(seen, marker if clinical else 0.0)
        return _auc(score[draws:], score[:draws])


def _auc(positive: NDArray[np.float64], negative: NDArray[np.float64]) -> float:
    """Return the share of pairs in order; ties, which are all pairs without signal, count half."""
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, "left") + np.searchsorted(ordered, positive, "right")
    return float(below.mean() / (2 * len(negative)))
