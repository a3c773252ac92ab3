"""Uptake time, injected activity, weight and half-life: what SUV was computed with."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from petnet.ingest.quality.finding import Finding
from petnet.ingest.suv.nuclides import NUCLIDES, TOLERANCE, nuclides_fitting
from petnet.ingest.suv.tracers import TRACERS

__all__ = ["UPTAKE_MIN", "acquisition_findings", "half_life_in", "read_sidecar", "stated_unit"]

DOSE_BQ = (2e7, 1.5e9)
LEAST_DOSE_BQ = 1e6  # less is a dose in MBq, kBq or mCi
DOSE_BQ_PER_KG = (0.5e6, 1.2e7)
WEIGHT_KG, HEIGHT_M, BMI = (2.0, 350.0), (0.4, 2.5), (10.0, 80.0)


@dataclass(frozen=True)
class UptakeLimits:
    """Minutes from injection to scan.

    Attributes
    ----------
    recommended, tolerated : (float, float)
        By the source; and, by our own judgement, beyond which figures are not to be compared with
        others.
    source : str
    """

    recommended: tuple[float, float]
    tolerated: tuple[float, float]
    source: str


UPTAKE_MIN = {
    "FDG": UptakeLimits((55, 75), (45, 110), "EANM guideline 2.0, doi:10.1007/s00259-014-2961-x"),
    # no guideline says it: from 10 min in the first trials, at 1 h in most (Kratochwil 2019)
    "FAPI": UptakeLimits(
        (10, 75), (10, 110), "as in trials, such as at 1 h in doi:10.2967/jnumed.119.227967"
    ),
    "PSMA": UptakeLimits(
        (50, 100), (45, 130), "EANM/SNMMI guideline 2.0, doi:10.1007/s00259-022-06089-w"
    ),
    "DOTATATE": UptakeLimits((40, 90), (30, 120), "EANM guideline, doi:10.1007/s00259-010-1512-3"),
}


def acquisition_findings(
    study: Mapping[str, Any], sidecar: Mapping[str, Any] | None
) -> Iterator[Finding]:
    """Look at what the studies table and the PET's sidecar say of the acquisition."""
    name, tracer = str(study["study"]), str(study["tracer"])
    yield _uptake_time(name, tracer, _number(study, "uptake_min"))
    yield _dose(name, _number(study, "dose_bq"), _number(study, "weight_kg"))
    yield _body_size(name, _number(study, "weight_kg"), _number(study, "height_m"))
    yield _half_life(name, tracer, sidecar)
    yield _conversion(name, sidecar)


def _number(row: Mapping[str, Any], column: str) -> float:
    value = row.get(column)
    return np.nan if value is None else float(value)


def _uptake_time(study: str, tracer: str, minutes: float) -> Finding:
    what = "uptake time"
    if np.isnan(minutes):
        return Finding(study, what, "not assessable", "no uptake time in the studies table")
    limits = UPTAKE_MIN.get(tracer.upper())
    if limits is None:
        text = f"{minutes:.0f} min; no limits are known for {tracer}"
        return Finding(study, what, "not assessable", text, "", minutes, unit="min")
    low, high = limits.recommended
    text = f"{minutes:.1f} min, expected {low:g} to {high:g} for {tracer} ({limits.source})"
    values = (minutes, low, high, "min")
    if low <= minutes <= high:
        return Finding(study, what, "ok", text, "", *values)
    if limits.tolerated[0] <= minutes <= limits.tolerated[1]:
        text += ": SUV is not quite that of others"
    else:
        text += ": far from it; SUV is not to be compared with that of others"
    return Finding(study, what, "warning", text, "", *values)


def _dose(study: str, dose_bq: float, weight_kg: float) -> Finding:
    what = "injected dose"
    if np.isnan(dose_bq):
        return Finding(study, what, "not assessable", "no dose in the studies table")
    if dose_bq < LEAST_DOSE_BQ:
        text = f"{dose_bq:g} Bq is no dose: is the column dose_bq in MBq?"
        return Finding(study, what, "error", text, "", dose_bq, *DOSE_BQ, "Bq")
    per_kg = dose_bq / weight_kg if weight_kg > 0 else np.nan
    text = f"{dose_bq / 1e6:.0f} MBq"
    if np.isfinite(per_kg):
        text += f", {per_kg / 1e6:.1f} MBq/kg"
        if not DOSE_BQ_PER_KG[0] <= per_kg <= DOSE_BQ_PER_KG[1]:
            low, high = (v / 1e6 for v in DOSE_BQ_PER_KG)
            text += f", expected {low:g} to {high:g} MBq/kg: are dose and weight right?"
            values = (per_kg / 1e6, low, high, "MBq/kg")
            return Finding(study, what, "warning", text, "", *values)
    sound = DOSE_BQ[0] <= dose_bq <= DOSE_BQ[1]
    if not sound:
        text += f", expected {DOSE_BQ[0] / 1e6:g} to {DOSE_BQ[1] / 1e6:g} MBq"
    values = (dose_bq, *DOSE_BQ, "Bq")
    return Finding(study, what, "ok" if sound else "warning", text, "", *values)


def _body_size(study: str, weight_kg: float, height_m: float) -> Finding:
    what = "body size"
    if np.isnan(weight_kg):
        return Finding(study, what, "not assessable", "no weight in the studies table")
    bmi = weight_kg / height_m**2 if height_m > 0 else np.nan
    rules = (
        ("a weight", weight_kg, WEIGHT_KG, "kg"),
        ("a height", height_m, HEIGHT_M, "m"),
        ("a body-mass index", bmi, BMI, "kg/m²"),
    )
    for label, value, (low, high), unit in rules:
        if np.isfinite(value) and not low <= value <= high:
            text = f"expected {label} of {low:g} to {high:g} {unit}, but got {value:.4g}"
            return Finding(study, what, "warning", text, "", value, low, high, unit)
    height = "" if np.isnan(height_m) else f", {height_m:.2f} m"
    values = (weight_kg, *WEIGHT_KG, "kg")
    return Finding(study, what, "ok", f"{weight_kg:.0f} kg{height}", "", *values)


def read_sidecar(pet: Path) -> Mapping[str, Any] | None:
    """Return what `petnet convert` wrote beside a PET; None where there is nothing to be read."""
    name = re.sub(r"\.nii(\.gz)?$", "", pet.name)
    try:
        content = json.loads((pet.parent / f"{name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):  # absent, or somebody else's
        return None
    return content if isinstance(content, dict) else None


def half_life_in(sidecar: Any) -> float:
    """Return the half-life in minutes that the header states; NaN where it does not.

    It stands as "RadionuclideHalfLife (0018,1075)" with seconds as text, at any depth.
    """
    if isinstance(sidecar, Mapping):
        for key, value in sidecar.items():
            if str(key).startswith("RadionuclideHalfLife") and _is_number(value):
                return float(value) / 60
        found = (half_life_in(value) for value in sidecar.values())
        return next((v for v in found if np.isfinite(v)), np.nan)
    return np.nan


def stated_unit(sidecar: Mapping[str, Any] | None) -> str:
    """Return the kind of SUV that the sidecar states; SUVbw where it does not."""
    suv = (sidecar or {}).get("suv")
    return str(suv.get("unit", "SUVbw")) if isinstance(suv, Mapping) else "SUVbw"


def _is_number(value: Any) -> bool:
    try:
        return bool(np.isfinite(float(value)))
    except (TypeError, ValueError):
        return False


def _half_life(study: str, tracer: str, sidecar: Mapping[str, Any] | None) -> Finding:
    what = "tracer and half-life"
    if sidecar is None:
        text = "no header values beside the PET (petnet convert writes them)"
        return Finding(study, what, "not assessable", text)
    minutes = half_life_in(sidecar)
    made_with = {t.name.upper(): t.nuclides for t in TRACERS}.get(tracer.upper())
    if np.isnan(minutes):
        return Finding(study, what, "not assessable", "the header states no half-life")
    if not made_with:
        text = f"half-life {minutes:.2f} min; the nuclide of {tracer} is not known here"
        return Finding(study, what, "not assessable", text, "", minutes, unit="min")
    known_min = {n.name: n.half_life_s / 60 for n in NUCLIDES}
    expected = {name: known_min[name] for name in made_with}
    near = min(expected.values(), key=lambda v: abs(v - minutes))
    values = (minutes, near * (1 - TOLERANCE), near * (1 + TOLERANCE), "min")
    if nuclides_fitting(60 * minutes) & set(expected):
        text = f"half-life {minutes:.2f} min, as that of {tracer}"
        return Finding(study, what, "ok", text, "", *values)
    known = " or ".join(f"{v:.2f} min ({n})" for n, v in expected.items())
    text = f"half-life {minutes:.2f} min, but {tracer} has {known}: which tracer was it?"
    return Finding(study, what, "error", text, "", *values)


def _conversion(study: str, sidecar: Mapping[str, Any] | None) -> Finding:
    """Repeat what `petnet convert` warned of."""
    what = "conversion"
    if sidecar is None:
        text = "no record of the conversion beside the PET (petnet convert writes it)"
        return Finding(study, what, "not assessable", text)
    suv = sidecar.get("suv")
    said = [suv.get("warnings") if isinstance(suv, Mapping) else None, sidecar.get("notes")]
    notes = [str(note) for part in said if isinstance(part, list) for note in part]
    if notes:
        return Finding(study, what, "warning", "; ".join(dict.fromkeys(notes)))
    return Finding(study, what, "ok", "no warning when SUV was computed")
