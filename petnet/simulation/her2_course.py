"""What else becomes of a simulated gastric cancer: VEGFR-2, response, survival.

Each outcome is carried by one thing that the images show, is drawn given it, and is blind to
HER2, to the texture and to the other outcomes:

* `vegfr2` by the lesion's SUVmean (higher: expressed);
* `os_months`, `os_event` by its volume (larger: earlier death);
* `response` by the change between baseline and interim scan (uptake and volume fall the more, the
  better the response). A cohort without interim scans has the column, and nothing that tells it.

T and N follow the volume, so that they tell of survival too, but no more than the volume does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from petnet.simulation.latent import (
    OrdinalOdds,
    ProportionalHazards,
    harrell_c,
    ideal_distance,
    mixture_quantile,
    ordered_share,
    posterior,
)
from petnet.simulation.lesion import VOLUME_ML, LesionForm
from petnet.simulation.texture import Target

__all__ = [
    "RESPONSES",
    "Course",
    "draw_response",
    "draw_survival",
    "draw_vegfr2",
    "figures",
    "hazards",
    "odds",
]

RESPONSES = ("PD", "SD", "PR", "CR")  # rising
MEDIAN_MONTHS = 18.0  # of a patient with a lesion of median volume
# SUVmean falls by 40 % at the median response latent, and by a third more per standard deviation
LOG_FALL, LOG_FALL_PER_SD = 0.51, 0.4


@cache  # a pure function; solving takes longer than drawing a patient
def odds(shares: tuple[float, ...], c_index: float) -> OrdinalOdds:
    """Return the model of response: shares of PD, SD, PR, CR and the ideal C-index."""
    return OrdinalOdds.of(shares, c_index)


@cache
def hazards(c_index: float, censored: float) -> ProportionalHazards:
    """Return the model of survival: ideal C-index and censored share."""
    return ProportionalHazards.of(c_index, censored)


@dataclass(frozen=True)
class Course:
    """One patient's further outcomes and the latents that carry them."""

    vegfr2_latent: float
    vegfr2: bool
    survival_latent: float
    os_months: float
    os_event: bool
    response_latent: float
    response: str

    @property
    def uptake_factor(self) -> float:
        """SUVmean at the interim scan as a share of baseline's; falls strictly with response."""
        return float(np.exp(-LOG_FALL - LOG_FALL_PER_SD * self.response_latent))

    @property
    def volume_factor(self) -> float:
        """The same of the volume, which changes less."""
        return float(np.sqrt(self.uptake_factor))

    def form(self, before: LesionForm) -> LesionForm:
        """Return the lesion's outline at the interim scan."""
        return replace(before, volume_ml=before.volume_ml * self.volume_factor)

    def target(self, before: Target) -> Target:
        """Return the lesion's first-order statistics at the interim scan."""
        return replace(before, mean=before.mean * self.uptake_factor)

    def columns(self) -> dict[str, object]:
        """Return the columns of the targets table."""
        return {
            "vegfr2": int(self.vegfr2), "os_months": self.os_months,
            "os_event": int(self.os_event), "response": self.response,
        }  # fmt: skip

    def truth(self) -> dict[str, float]:
        """Return the columns of the truth table."""
        return {
            "vegfr2_latent": self.vegfr2_latent, "survival_latent": self.survival_latent,
            "response_latent": self.response_latent, "uptake_factor": self.uptake_factor,
            "volume_factor": self.volume_factor,
        }  # fmt: skip


def draw_vegfr2(
    rng: np.random.Generator, target: Target, auc: float, prevalence: float
) -> tuple[float, bool]:
    """Return latent and status, given the SUVmean."""
    from scipy.special import ndtr

    distance = ideal_distance(auc)
    latent = mixture_quantile(float(ndtr(target.deviate)), distance, prevalence)
    return latent, bool(rng.random() < posterior(latent, distance, prevalence))


def draw_survival(
    rng: np.random.Generator, volume_ml: float, model: ProportionalHazards
) -> tuple[float, float, bool]:
    """Return latent, months and whether the patient died, given the lesion's volume."""
    from scipy.special import ndtri

    low, high = np.log(VOLUME_ML)
    latent = float(ndtri((np.log(volume_ml) - low) / (high - low)))
    time, event = model.draw(latent, rng)
    months = max(round(time * MEDIAN_MONTHS / np.log(2), 2), 0.01)
    return latent, months, event


def draw_response(rng: np.random.Generator, model: OrdinalOdds) -> tuple[float, str]:
    """Return latent and response; the latent then drives the interim scan."""
    latent = float(rng.normal())
    return latent, RESPONSES[model.draw(latent, rng.random())]


def figures(courses: Sequence[Course]) -> dict[str, float]:
    """Return what the latents achieve in these very patients; NaN where undefined."""
    response = np.array([RESPONSES.index(c.response) for c in courses])
    change = [c.response_latent for c in courses]
    return {
        "vegfr2": ordered_share([c.vegfr2 for c in courses], [c.vegfr2_latent for c in courses]),
        "survival": harrell_c(
            [c.os_months for c in courses],
            [c.os_event for c in courses],
            [c.survival_latent for c in courses],
        ),
        "response": ordered_share(response, change),
        "response_binary": ordered_share(response >= RESPONSES.index("PR"), change),
    }
