"""A patient with benign and malignant lesions, as drawn before any image is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from petnet.simulation import texture
from petnet.simulation.lesion import LesionForm
from petnet.simulation.lesion_sites import SITES
from petnet.simulation.phantom import Anatomy, body_grid, liver_middle
from petnet.simulation.scanner import Acquisition, Center
from petnet.simulation.shapes import Grid, Point
from petnet.simulation.study import PlacedLesion
from petnet.simulation.tracers import FAPI, FDG, Tracer

__all__ = ["BLOOD_POOL", "TRACERS", "DrawnLesion", "LesionPatient", "truth_row"]

TRACERS = (FDG, FAPI)
BLOOD_POOL: Point = (-19.0, -46.0, 10.0)  # descending aorta
MARGIN_MM = 45.0


@dataclass(frozen=True, eq=False)
class DrawnLesion:
    """One lesion; mappings are by arm."""

    uid: str
    site: str
    malignant: bool
    form: LesionForm
    share: float
    latents: Mapping[str, float]
    targets: Mapping[str, texture.Target]

    def placed(self, arm: str) -> PlacedLesion:
        """Return the lesion as a study shows it."""
        return PlacedLesion(self.form, self.targets[arm], self.share, SITES[self.site].hu)


@dataclass(frozen=True, eq=False)
class LesionPatient:
    """All that was drawn for one patient; `studies` are the arms that were done."""

    index: int
    name: str
    age: int
    sex: str
    center: Center
    bodies: Mapping[str, Anatomy]
    acquisitions: Mapping[str, Acquisition]
    lesions: tuple[DrawnLesion, ...]
    studies: tuple[Tracer, ...]

    def references(self, arm: str) -> dict[str, Point]:
        """Return the middle of each reference region."""
        return {"liver": liver_middle(self.bodies[arm]), "blood_pool": BLOOD_POOL}

    def grid(self, spacing_mm: tuple[float, float, float]) -> Grid:
        """Return a grid over the lesions, the liver and the aorta beside it."""
        body = self.bodies["fdg"]
        levels = [x.form.center[2] for x in self.lesions]
        low = min(*levels, liver_middle(body)[2]) - MARGIN_MM
        high = max(*levels, BLOOD_POOL[2]) + MARGIN_MM
        return body_grid(body, spacing_mm, self.center.signs, low, high)


def truth_row(patient: LesionPatient, lesion: DrawnLesion, volume_ml: float) -> dict[str, Any]:
    """Return a lesion's row of the truth table."""
    done = [tracer.arm for tracer in patient.studies]
    return {
        "patient": patient.name, "lesion_uid": lesion.uid, "label": int(lesion.malignant),
        "site": lesion.site, "center": patient.center.name, "arms": "+".join(done),
        "volume_ml": volume_ml, "coarse_share": lesion.share,
        **{f"{t.arm}_latent": lesion.latents[t.arm] for t in TRACERS},
        **{f"{t.arm}_suv_mean": lesion.targets[t.arm].mean for t in TRACERS},
        **{f"{t.arm}_liver_suv": patient.bodies[t.arm].suv["liver"] for t in TRACERS},
        **{f"{t.arm}_blood_suv": patient.bodies[t.arm].suv["blood"] for t in TRACERS},
    }  # fmt: skip
