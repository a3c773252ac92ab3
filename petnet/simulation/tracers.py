"""Tracers: where they go in the body, how fast they decay, how much of them is given."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from petnet.simulation.phantom import FAPI_SUV, FDG_SUV, FURTHER_FDG_SUV
from petnet.simulation.scanner import F18_HALF_LIFE_MIN, F18_POSITRONS, Acquisition

__all__ = ["FAPI", "FDG", "Tracer"]


@dataclass(frozen=True)
class Tracer:
    """A tracer.

    Attributes
    ----------
    name, arm : str
        As the studies table names them.
    uptake : dict
        Tissue -> (mean SUVbw, relative standard deviation over patients).
    half_life_min : float
    positrons : float
        Positrons per decay.
    dose_share : float
        Injected activity as a share of a centre's FDG activity.
    """

    name: str
    arm: str
    uptake: dict[str, tuple[float, float]] = field(repr=False)
    half_life_min: float = F18_HALF_LIFE_MIN
    positrons: float = F18_POSITRONS
    dose_share: float = 1.0

    def given(self, acquisition: Acquisition) -> Acquisition:
        """Return an acquisition drawn for FDG as one of this tracer."""
        return replace(
            acquisition,
            dose_bq=round(acquisition.dose_bq * self.dose_share, -5),
            half_life_min=self.half_life_min,
            positrons=self.positrons,
        )


FDG = Tracer("FDG", "fdg", {**FDG_SUV, **FURTHER_FDG_SUV})
# 68Ga-FAPI-04: 67.71 min, 0.889 positrons a decay (ENSDF); generators yield about half the activity
FAPI = Tracer("FAPI", "fapi", FAPI_SUV, 67.71, 0.889, 0.5)
