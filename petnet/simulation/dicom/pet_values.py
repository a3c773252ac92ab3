"""What a PET series stores for an SUV: units, decay, bed positions; the other way round of reading.

Written from the definitions (PS3.3 C.8.9.1, C.8.9.4), apart from `petnet.ingest`, so that each
checks the other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from petnet.simulation.dicom.records import Injection, Person

__all__ = ["BQML_PER_COUNT", "Bed", "PetStyle", "beds_of", "decay_factor", "suv_factor"]

BQML_PER_COUNT = 0.625  # of CNTS
SuvType = Literal["", "BW", "LBM", "LBMJAMES128", "LBMJANMA", "IBW"]


@dataclass(frozen=True)
class PetStyle:
    """How a PET series is written.

    Attributes
    ----------
    units : {"BQML", "GML", "CM2ML", "CNTS"}
    suv_type : str
        SUVType (0054,1006) of GML; empty is body weight.
    decay : {"ADMIN", "START", "NONE"}
        DecayCorrection (0054,1102).
    beds : int
        Bed positions, from the first slice to the last; each has its own times.
    frame_s, pause_s : float
        Duration of a bed position, and of the move to the next.
    philips : {"suv", "activity", "both"}
        Which private factors go with CNTS: (7053,1000), (7053,1009). Without decay correction that
        to SUV would differ from bed to bed, which scanners do not write: then "activity".
    reprocessed : bool
        Series time is that of a reconstruction hours later, as after post-processing; GE keeps the
        start of the scan in (0009,100D).
    mbq : bool
        RadionuclideTotalDose in MBq, against the standard.
    injected : {"both", "datetime", "time"}
        Which of RadiopharmaceuticalStartDateTime and RadiopharmaceuticalStartTime are written.
    one_slope : bool
        One RescaleSlope for all slices, else one for each.
    attenuation_corrected : bool
    weighed : bool
        Else PatientWeight is empty: values are stored, but no SUV can be had from them.
    """

    units: Literal["BQML", "GML", "CM2ML", "CNTS"] = "BQML"
    suv_type: SuvType = ""
    decay: Literal["ADMIN", "START", "NONE"] = "START"
    beds: int = 1
    frame_s: float = 120.0
    pause_s: float = 2.0
    philips: Literal["suv", "activity", "both"] = "both"
    reprocessed: bool = False
    mbq: bool = False
    injected: Literal["both", "datetime", "time"] = "both"
    one_slope: bool = False
    attenuation_corrected: bool = True
    weighed: bool = True


@dataclass(frozen=True)
class Bed:
    """A bed position: when it was acquired, and when its average count rate was seen.

    Attributes
    ----------
    mean_s : float
        `seen`, in s after the first bed position's start.
    """

    acquired: datetime
    frame_s: float
    seen: datetime
    mean_s: float


def beds_of(style: PetStyle, start: datetime, half_life_s: float, slices: int) -> list[Bed]:
    """Return the bed position of each slice.

    The average count-rate time after a bed's start is ln(λT / (1 − e^(−λT))) / λ.
    """
    rate, duration = math.log(2) / half_life_s, style.frame_s
    inside = math.log(rate * duration / -math.expm1(-rate * duration)) / rate
    made = []
    for k in range(slices):
        after = (k * style.beds // slices) * (duration + style.pause_s)
        seen = start + timedelta(seconds=after + inside)
        made.append(Bed(start + timedelta(seconds=after), duration, seen, after + inside))
    return made


def decay_factor(style: PetStyle, bed: Bed, start: datetime, injection: Injection) -> float:
    """Return DecayFactor (0054,1321): what counts of a bed were multiplied by, 1 for NONE.

    It is e^(λ(t − r)) · λT / (1 − e^(−λT)) with the acquisition's time t and duration T, and r the
    time of administration or the start of the scan.
    """
    if style.decay == "NONE":
        return 1.0
    reference = injection.start if style.decay == "ADMIN" else start
    rate = math.log(2) / injection.tracer.nuclide.half_life_s
    lost = rate * bed.frame_s / -math.expm1(-rate * bed.frame_s)
    return math.exp(rate * (bed.acquired - reference).total_seconds()) * lost


def suv_factor(
    style: PetStyle, bed: Bed, start: datetime, injection: Injection, person: Person
) -> float:
    """Return SUVbw of a rescaled value of 1 in the units of a series."""
    if style.units == "GML" and style.suv_type in ("", "BW"):
        return 1.0
    weight = _needed(person.weight_kg)
    if style.units == "GML":
        return weight / _mass_kg(style.suv_type, person)
    if style.units == "CM2ML":
        height = _needed(person.height_m)
        area_cm2 = 71.84 * math.pow(weight, 0.425) * math.pow(100 * height, 0.725)  # Du Bois 1916
        return weight * 1e3 / area_cm2
    concentration = BQML_PER_COUNT if style.units == "CNTS" else 1.0
    return concentration * weight * 1e3 / _dose(style, bed, start, injection)


def _dose(style: PetStyle, bed: Bed, start: datetime, injection: Injection) -> float:
    """Return the injected activity (Bq) at the time to which values are corrected, or were seen."""
    rate = math.log(2) / injection.tracer.nuclide.half_life_s
    if style.decay == "ADMIN":
        return injection.dose_bq
    if style.decay == "START":
        return injection.dose_bq * math.exp(-rate * (start - injection.start).total_seconds())
    waited, seen = (bed.acquired - injection.start).total_seconds(), rate * bed.frame_s
    return injection.dose_bq * math.exp(-rate * waited) * -math.expm1(-seen) / seen


def _mass_kg(kind: str, person: Person) -> float:
    """Return the mass that SUVType divides by (PS3.3 C.8.9.1.1.3), of a man or a woman."""
    weight, height = _needed(person.weight_kg), _needed(person.height_m)
    sexes = ("M", "F")
    per_height = weight / (100 * height)
    masses = {
        "LBM": (1.10 * weight - 120 * per_height**2, 1.07 * weight - 148 * per_height**2),
        "LBMJAMES128": (1.10 * weight - 128 * per_height**2, 1.07 * weight - 148 * per_height**2),
        "LBMJANMA": (
            9270 * weight / (6680 + 216 * weight / height**2),
            9270 * weight / (8780 + 244 * weight / height**2),
        ),
        "IBW": (48.0 + 1.06 * (100 * height - 152), 45.5 + 0.91 * (100 * height - 152)),
    }
    return masses[kind][sexes.index(person.sex)]


def _needed(value: float | None) -> float:
    if value is None:
        raise ValueError("weight and height are needed to say what values are stored")
    return value
