"""Real world values of Enhanced PET: which mapping of a frame is taken, and its unit."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from petnet.ingest.dicom.elements import items_of
from petnet.ingest.dicom.frame_values import number, tag_of, text
from petnet.ingest.refusal import Refused, tag_name

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["classic_units", "pet_mapping"]

# UCUM code in lower case, without blanks and annotations (PS3.16 CID 84, 85) -> Units (0054,1001)
UNITS = {
    "bq/ml": "BQML", "{counts}": "CNTS", "{counts}/s": "CPS", "{propcounts}": "PROPCNTS",
    "{propcounts}/s": "PROPCPS", "cm2": "CM2", "cm2/ml": "CM2ML", "g/ml": "GML", "%": "PCNT",
    "1/cm": "1CM", "/cm": "1CM", "mg/min/ml": "MGMINML", "umol/min/ml": "UMOLMINML",
    "ml/min/g": "MLMING", "ml/g": "MLG", "umol/ml": "UMOLML", "ml/min/ml": "MLMINML",
    "ml/ml": "MLML",
}  # fmt: skip
# Annotation of the unit (PS3.16 CID 85) -> SUVType (0054,1006)
SUV_TYPES = {
    "{suvbw}": "BW", "{suvlbm}": "LBM", "{suvlbm(james128)}": "LBMJAMES128",
    "{suvlbm(janma)}": "LBMJANMA", "{suvbsa}": "BSA", "{suvibw}": "IBW",
}  # fmt: skip
PREFERENCE = ("BQML", "GML", "CM2ML", "CNTS")  # what the fewest assumptions lead from to SUV


def classic_units(code: str) -> tuple[str, str]:
    """Return Units and SUVType of a UCUM code; empty where unknown, or where there is no type.

    >>> classic_units("Bq/ml"), classic_units("g/ml{SUVbw}"), classic_units("{SUVbsa}cm2/ml")
    (('BQML', ''), ('GML', 'BW'), ('CM2ML', 'BSA'))
    """
    plain = re.sub(r"\s", "", code.lower())
    found = re.search(r"\{suv\w*(\(\w*\))?\}", plain)
    if found is None:
        return UNITS.get(plain, ""), ""
    kind = SUV_TYPES.get(found.group(), "")
    unit = UNITS.get(plain.replace(found.group(), ""), "")
    return (unit, kind) if kind and unit in ("GML", "CM2ML") else ("", "")


def pet_mapping(items: Sequence[Dataset]) -> dict[str, Any]:
    """Return Units, SUVType, RescaleSlope and RescaleIntercept of a frame of PET.

    Of several linear mappings the first is taken in Bq/ml, else in SUV, else in counts, else the
    first whose unit is known: each maps the stored values, PS3.3 C.7.6.16.2.11,
    value = RealWorldValueSlope (0040,9225) · stored + RealWorldValueIntercept (0040,9224).

    Parameters
    ----------
    items : sequence of pydicom.Dataset
        Of RealWorldValueMappingSequence (0040,9096).

    Raises
    ------
    Refused
        No mapping is linear, or none has a unit of PET; or its slope is missing or malformed.
    """
    linear = [item for item in items if "RealWorldValueLUTData" not in item]
    if not linear:
        tag = tag_name("RealWorldValueMappingSequence")
        raise Refused(tag, "slope and intercept", "a lookup table")
    known = [(unit, item) for item in linear if (unit := classic_units(_code(item)))[0]]
    if not known:
        tag = tag_name("MeasurementUnitsCodeSequence")
        other = "others" if any(_code(item) for item in linear) else "none"
        raise Refused(tag, "a unit of PET in UCUM, such as Bq/ml", other)
    (units, kind), item = min(known, key=lambda pair: _rank(pair[0][0]))
    mapping: dict[str, Any] = {
        "Units": units,
        "RescaleSlope": number(item, "RealWorldValueSlope"),
        "RescaleIntercept": number(item, "RealWorldValueIntercept"),
    }
    return mapping | ({"SUVType": kind} if kind else {})


def _rank(units: str) -> float:
    return PREFERENCE.index(units) if units in PREFERENCE else math.inf


def _code(item: Dataset) -> str:
    """Return the code of a mapping's unit; empty where there is none."""
    codes = items_of(item, tag_of("MeasurementUnitsCodeSequence"))
    return text(codes[0], "CodeValue") if len(codes) == 1 else ""
