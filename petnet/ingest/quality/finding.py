"""What a check says: one row per finding, with a severity and the figures it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["CHECKS", "COHORT", "SEVERITIES", "Drawing", "Finding", "Severity"]

Severity = Literal["ok", "not assessable", "warning", "error"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "not assessable", "ok")  # worst first
COHORT = "(cohort)"  # in the place of a study: what is about all of them

# Name of a check -> what is looked at, and where its limits come from.
CHECKS: dict[str, str] = {
    "pet": "The PET can be read, says where it lies, and holds SUV.",
    "ct": "The CT can be read, says where it lies, and holds Hounsfield units.",
    "field of view": (
        "Share of the body on PET, or where none is seen of the PET's box, that the CT covers."
    ),
    "body outline": (
        "Body outlines of PET (above a quarter of the body's median uptake) and CT (above −500 HU, "
        "the table taken off): their Dice and the shift between them. Warned of when the shift is "
        "over 10 mm and over two PET voxels, or the Dice below 0.8."
    ),
    "regions": "At least one region is delineated.",
    "mask": "The mask can be read, lies on its image's grid, and its volume is that of a lesion.",
    "mask components": "Connected parts (26 neighbours) of a lesion's mask: are there specks?",
    "mask place": "Share of the mask outside of the body's outline on CT, lungs being inside.",
    "mask uptake": "Largest SUV in a lesion's mask.",
    "pet and ct masks": (
        "Dice of the masks of one lesion drawn on the PET's and on the CT's grid. Warned of below "
        "0.8, the tolerance that AAPM TG-132 gives for contours (doi:10.1002/mp.12256), and for "
        "small lesions below what surfaces half a PET voxel apart give."
    ),
    "same region twice": "Two lesions of one study whose masks are the same voxels.",
    "liver": (
        "Mean SUVbw of the reference region 'liver' for FDG: 1.3 to 3.0 (EANM guideline for FDG "
        "2.0, doi:10.1007/s00259-014-2961-x)."
    ),
    "whole-body mean": (
        "Mean SUVbw of the body, near 1 because the injected activity stays in it: no more of it "
        "can be found than was given, and less than half is too little. Only where the field of "
        "view holds most of the body."
    ),
    "uptake time": "Minutes from injection to scan, against the guideline of the tracer.",
    "injected dose": "Injected activity, in all and per kilogram.",
    "body size": "Weight and height, which SUV is divided by.",
    "tracer and half-life": "Half-life in the PET's header (sidecar), against the tracer's.",
    "conversion": "What petnet convert warned of when it computed SUV (sidecar).",
    "identical pet": "The same voxel values in two studies.",
    "identical ct": "The same voxel values in two studies.",
    "identical masks": "The same lesion mask, voxel by voxel, in two patients.",
    "voxel size": "PET voxel size in all centres.",
    "scanner": "Scanners of all centres.",
    "reconstruction": "Reconstructions of all centres.",
    "uptake times": (
        "Median uptake time of each centre, by tracer: 10 minutes apart or less (EANM guideline "
        "for FDG 2.0)."
    ),
    "earl class": "EARL accreditation of all centres (column earl).",
}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at in one study, or (study `COHORT`) in all of them.

    Attributes
    ----------
    study : str
    what : str
        One of `CHECKS`.
    severity : {"ok", "not assessable", "warning", "error"}
        An error makes figures wrong; a warning is for a person to look at. "not assessable" is
        said where a check cannot be made, so that silence never passes for soundness.
    text : str
    region : str
        The region it is about; empty for the study as a whole.
    value, low, high : float
        What was measured and the limits it was held against, in `unit`; NaN where there is none.
    unit : str
    """

    study: str
    what: str
    severity: Severity
    text: str
    region: str = ""
    value: float = np.nan
    low: float = np.nan
    high: float = np.nan
    unit: str = ""


@dataclass(frozen=True, eq=False)
class Drawing:
    """A small picture of a study; rows run downwards, columns to the image's right.

    Attributes
    ----------
    name : {"mip", "axial"}
    image : (R, C) uint8 array
        Bright is high.
    spacing_mm : (float, float)
        Of rows and of columns.
    outlines : dict
        "pet" or "ct", the grid that a mask was drawn on -> (R, C) bool array.
    caption : str
    """

    name: Literal["mip", "axial"]
    image: NDArray[np.uint8]
    spacing_mm: tuple[float, float]
    outlines: dict[str, NDArray[np.bool_]]
    caption: str
