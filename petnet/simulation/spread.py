"""Peritoneal spread as a pattern over regions, and who could tell it best from the latents.

In a patient with spread each region is positive with chance s, independently; if none came out
positive, one region at random is. In a patient without, none is. Region r shows, per tracer t, a
latent x_tr ~ N(+-d_t/2, 1), independent given the region's label, and the patient a clinical latent
c ~ N(+-d_c/2, 1). With L_r = exp(sum_t d_t x_tr), the likelihood ratio of a region's label, that of
the patient's is the mean of prod L_r over patterns,

    prod_r (1 - s + s L_r) + (1 - s)^R (mean_r L_r - 1),   times exp(d_c c),

and no observer has a larger AUC than the one who ranks patients by it. A region is judged best by
the odds of the patterns that hold it: other regions tell whether there is spread at all, so that
who sees the whole patient judges a region better than who sees that region alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from petnet.simulation.latent import ordered_share

__all__ = ["SpreadObserver", "draw_pattern"]

Array = NDArray[np.float64]
DRAWS = 20_000  # patients of each class; standard error of an AUC below 0.002
SEED = 20_000
ALMOST_NONE = 1e-12  # share of patients that stands for none, so that odds exist


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

    def log_ratio(self, latents: Mapping[str, Array], clinical: Array | float = 0.0) -> Array:
        """Return the log likelihood ratio of spread.

        Parameters
        ----------
        latents : mapping of tracer to (..., regions) array
            Those of the scans that there are.
        clinical : (...) array
            0 where the clinical latent is not looked at.
        """
        own = self.clinical_distance * np.asarray(clinical)
        if not latents:
            return np.asarray(own)
        ratio = self._ratio(latents)
        pattern = np.prod(1 - self.spread + self.spread * ratio, axis=-1)
        pattern += self._fallback * (ratio.mean(axis=-1) - 1)
        return np.asarray(np.log(pattern) + own)

    def region_log_odds(
        self, latents: Mapping[str, Array], clinical: Array | float, prevalence: float
    ) -> Array:
        """Return (..., regions): log odds that a region is positive, given the whole patient.

        Parameters
        ----------
        latents, clinical
            As `log_ratio`; at least one tracer.
        prevalence : float
            Share of patients with spread.
        """
        ratio = self._ratio(latents)
        term = 1 - self.spread + self.spread * ratio
        others = np.prod(term, axis=-1, keepdims=True) / term
        alone = self._fallback / self.regions * ratio
        held = self.spread * ratio * others + alone
        free = (1 - self.spread) * others - self._fallback
        free += alone.sum(axis=-1, keepdims=True) - alone
        share = np.clip(prevalence, ALMOST_NONE, 1 - ALMOST_NONE)
        odds = share / (1 - share) * np.exp(self.clinical_distance * np.asarray(clinical))
        prior = np.asarray(odds)[..., None]
        return np.asarray(np.log(prior * held) - np.log(prior * free + 1))

    @property
    def _fallback(self) -> float:
        """Chance that no region came out positive, and one is made so."""
        return float((1 - self.spread) ** self.regions)

    def _ratio(self, latents: Mapping[str, Array]) -> Array:
        """Return each region's likelihood ratio."""
        return np.asarray(np.exp(sum(self.distances[t] * x for t, x in latents.items())))

    def auc(self, tracers: Sequence[str], clinical: bool, draws: int = DRAWS) -> float:
        """Return the AUC, for patients, of who sees these tracers; by Monte Carlo, fixed seed."""
        _, latents, marker = self._draw(draws, draws)
        seen = {t: latents[t] for t in tracers}
        score = self.log_ratio(seen, marker if clinical else 0.0)
        return ordered_share(np.arange(2 * draws) >= draws, score)

    def region_auc(
        self, tracers: Sequence[str], prevalence: float, draws: int = DRAWS
    ) -> float | None:
        """Return the AUC, for a region, of who sees these tracers and CA125 of the whole patient.

        None where all regions are positive, or none is.
        """
        positive = round(prevalence * 2 * draws)
        truth, latents, marker = self._draw(2 * draws - positive, positive)
        score = self.region_log_odds({t: latents[t] for t in tracers}, marker, prevalence)
        figure = ordered_share(truth.ravel(), score.ravel())
        return None if np.isnan(figure) else figure

    def _draw(
        self, negative: int, positive: int
    ) -> tuple[NDArray[np.bool_], dict[str, Array], Array]:
        """Draw the regions' truth and latents, and the clinical latents, of patients."""
        rng = np.random.default_rng(SEED)
        truth = np.zeros((negative + positive, self.regions), dtype=bool)
        truth[negative:] = draw_pattern(rng, self.spread, self.regions, positive)
        latents = {
            t: rng.normal(size=truth.shape) + np.where(truth, 0.5, -0.5) * d
            for t, d in self.distances.items()
        }
        side = np.repeat([-0.5, 0.5], [negative, positive])
        return truth, latents, rng.normal(size=len(truth)) + side * self.clinical_distance
