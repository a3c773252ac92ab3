"""Is the SUV at the level that it must have: in the liver, and in the body as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from petnet.ingest.quality.body import Bodies, axial_axis, free_share
from petnet.ingest.quality.finding import Finding
from petnet.ingest.quality.regions import REFERENCE, Delineation

__all__ = ["liver", "whole_body_mean"]

# EANM guideline for FDG 2.0, doi:10.1007/s00259-014-2961-x: quality control of the patient's scan
LIVER_SUV = {"FDG": (1.3, 3.0)}
WHOLE_BODY_MM = 750.0  # skull base to mid-thigh and more
END_SHARE = 0.6  # of the largest cross-section: what the first and last slice may show
FREE_SIDES = 0.95
LEAST_MEAN, MOST_MEAN = 0.5, 1.5
CALIBRATION = 1.1  # EARL accredits scanners that are within 10 % of the dose calibrator
DENSITY_KG_PER_L = 1.0  # of the body as a whole


def liver(study: str, tracer: str, regions: Sequence[Delineation]) -> Finding:
    """Judge the mean SUV of the reference region called liver."""
    drawn = [
        r
        for r in regions
        if r.roi["role"] == REFERENCE and r.roi.get("region") == "liver" and r.grid == "pet"
    ]
    if not drawn:
        text = "no reference region 'liver' on the PET's grid in the rois table"
        return Finding(study, "liver", "not assessable", text)
    mean = float(np.concatenate([r.values for r in drawn]).mean())
    limits = LIVER_SUV.get(tracer.upper())
    name = drawn[0].name
    if limits is None:
        text = f"mean SUV {mean:.2f}; no limits are agreed on for {tracer}"
        return Finding(study, "liver", "not assessable", text, name, mean, unit="SUV")
    text = f"mean SUV {mean:.2f}, expected {limits[0]:g} to {limits[1]:g}"
    values = (mean, *limits, "SUV")
    if limits[0] <= mean <= limits[1]:
        return Finding(study, "liver", "ok", text, name, *values)
    text += ": are weight, injected activity, times and calibration right?"
    return Finding(study, "liver", "warning", text, name, *values)


def whole_body_mean(study: str, row: Mapping[str, Any], found: Bodies) -> Finding:
    """Judge the mean SUVbw of the body.

    Notes
    -----
    SUVbw is activity per volume over activity injected per body mass, decay corrected. Summed over
    a body of volume V and mass W = ρV that has kept all activity, its mean is 1; a field of view
    that holds the share s of the mass has a mean of at most 1 / s, and less by what was excreted or
    lies outside. Hence mean · V · ρ ≤ 1.1 W where the weight is known (10 % for calibration), and
    0.5 to 1.5 in any case. A scan whose field does not hold most of the body is not assessable:
    shorter than 750 mm, cut off at the sides, or beginning or ending in a cross-section of more
    than 0.6 of the largest, as trunks do.
    """
    what, body = "whole-body mean", found.best
    reason = _cut_off(found)
    if reason:
        return Finding(study, what, "not assessable", reason)
    mean = float(found.suv[body].mean())
    litres = float(body.sum() * abs(np.linalg.det(found.affine[:3, :3])) / 1e6)
    weight = row.get("weight_kg")
    high = MOST_MEAN
    if isinstance(weight, float) and weight > 0:
        high = min(high, CALIBRATION * weight / (litres * DENSITY_KG_PER_L))
    text = (
        f"mean SUV of the body {mean:.2f} in {litres:.0f} l, expected {LEAST_MEAN:g} to {high:.2f}"
    )
    values = (mean, LEAST_MEAN, high, "SUV")
    if LEAST_MEAN <= mean <= high:
        return Finding(study, what, "ok", text, "", *values)
    text += ": are weight, injected activity, times and decay correction right?"
    return Finding(study, what, "warning", text, "", *values)


def _cut_off(found: Bodies) -> str | None:
    """Return why the field of view does not hold most of the body, or None."""
    body = found.best
    axial = axial_axis(found.affine)
    length = body.shape[axial] * float(np.linalg.norm(found.affine[:3, axial]))
    if length < WHOLE_BODY_MM:
        return f"the field of view is {length:.0f} mm long, no whole body"
    areas = body.sum(axis=tuple({0, 1, 2} - {axial})).astype(float)
    if not areas.any():
        return "no body is seen"
    ends = max(areas[0], areas[-1]) / areas.max()
    if ends > END_SHARE:
        return f"the field of view ends in the trunk (a cross-section of {ends:.0%} of the largest)"
    free = free_share(body, np.ones_like(body), axial)
    if free < FREE_SIDES:
        return f"the field of view cuts the body off at the sides ({free:.0%} of it is free)"
    return None
