"""What SUV is normalised by: body weight, lean body mass, body surface, ideal body weight."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

from petnet.ingest.refusal import Refused
from petnet.ingest.suv.pet_header import PetHeader
from petnet.ingest.suv.values import Ledger, required

__all__ = [
    "Norm",
    "body_surface_area_m2",
    "height_m",
    "ideal_body_weight_kg",
    "lean_body_mass_janmahasatian_kg",
    "lean_body_mass_kg",
    "norm_of",
    "sex",
    "weight_kg",
]

#: BW, LBM by Janmahasatian, James with 120 or 128, BSA, IBW
Norm = Literal["bw", "janmahasatian", "james120", "james128", "bsa", "ibw"]
GRAMS_ABOVE = 1000.0  # as PatientWeight: grams, not kilograms
WEIGHTS_KG = (2.0, 400.0)  # from newborns on; 1 is a stand-in, 1.8 a height in the wrong place
CENTIMETRES_ABOVE = 3.0  # as PatientSize: centimetres, not metres
HEIGHTS_M = (0.3, 2.5)
BMI = (6.0, 100.0)  # beyond any patient's; 80 kg and a height of 70 inches taken as cm are 163


def weight_kg(header: PetHeader, ledger: Ledger) -> float:
    """Return body weight; above 1000, PatientWeight is taken as grams, with a warning.

    Raises
    ------
    Refused
        Missing, zero, malformed, or not within 2 to 400 kg.
    """
    weight = required(header.weight, "a weight in kg", ledger)
    if weight > GRAMS_ABOVE:
        weight /= 1000.0
        ledger.warn(f"{header.weight.tag} above 1000 was taken as grams")
    _check_range(header.weight.tag, weight, WEIGHTS_KG, "kg")
    return weight


def height_m(header: PetHeader, ledger: Ledger) -> float:
    """Return body height; above 3, PatientSize is taken as centimetres, with a warning.

    Raises
    ------
    Refused
        Missing, zero, malformed, or not within 0.3 to 2.5 m.
    """
    height = required(header.height, "a height in m", ledger)
    if height > CENTIMETRES_ABOVE:
        height /= 100.0
        ledger.warn(f"{header.height.tag} above 3 was taken as centimetres")
    _check_range(header.height.tag, height, HEIGHTS_M, "m")
    return height


def sex(header: PetHeader, ledger: Ledger) -> str:
    """Return M, F or O.

    Raises
    ------
    Refused
        Missing or another term.
    """
    found = (header.sex.text or "").upper()
    if found not in ("M", "F", "O"):
        raise Refused(header.sex.tag, "M, F or O", "another term" if found else "none")
    ledger.use(header.sex)
    return found


def lean_body_mass_janmahasatian_kg(weight_kg: float, height_m: float, male: bool) -> float:
    """Return 9270 W / (6680 + 216 BMI) for men, 9270 W / (8780 + 244 BMI) for women.

    Janmahasatian 2005, doi:10.2165/00003088-200544100-00004.
    """
    bmi = weight_kg / height_m**2
    constant, slope = (6680.0, 216.0) if male else (8780.0, 244.0)
    return 9270.0 * weight_kg / (constant + slope * bmi)


def lean_body_mass_kg(weight_kg: float, height_m: float, male: bool, men: float = 128.0) -> float:
    """Return James's 1.10 W - 128 (W/H)^2 for men, 1.07 W - 148 (W/H)^2 for women, H in cm.

    `men` is 128 (DICOM's LBMJAMES128) or, as Morgan 1994 had it by mistake, 120 (DICOM's LBM);
    Sugawara 1999, doi:10.1148/radiology.213.2.r99nv37521; Tahari 2014,
    doi:10.2967/jnumed.113.136986.
    """
    ratio = weight_kg / (height_m * 100.0)
    return 1.10 * weight_kg - men * ratio**2 if male else 1.07 * weight_kg - 148.0 * ratio**2


def body_surface_area_m2(weight_kg: float, height_m: float) -> float:
    """Return 0.007184 W^0.425 H^0.725, H in cm.

    Du Bois 1916, doi:10.1001/archinte.1916.00080130010002.
    """
    return float(0.007184 * weight_kg**0.425 * (height_m * 100.0) ** 0.725)


def ideal_body_weight_kg(height_m: float, male: bool) -> float:
    """Return 48.0 + 1.06 (H - 152) for men, 45.5 + 0.91 (H - 152) for women, H in cm.

    Sugawara 1999, doi:10.1148/radiology.213.2.r99nv37521.
    """
    above = height_m * 100.0 - 152.0
    return 48.0 + 1.06 * above if male else 45.5 + 0.91 * above


LEAN: dict[str, Callable[[float, float, bool], float]] = {
    "janmahasatian": lean_body_mass_janmahasatian_kg,
    "james120": partial(lean_body_mass_kg, men=120.0),
    "james128": partial(lean_body_mass_kg, men=128.0),
}


def norm_of(header: PetHeader, norm: Norm, ledger: Ledger) -> float:
    """Return what a concentration times 1 / dose is multiplied by: in g, for "bsa" in cm^2.

    Of sex O, the mean of the formulas for men and women is taken, with a warning.

    Raises
    ------
    Refused
        What the formula needs is missing or implausible, or its result is not above zero.
    """
    if norm == "ibw":
        ideal = partial(ideal_body_weight_kg, height_m(header, ledger))
        return 1000.0 * _by_sex(header, norm, ideal, ledger)
    weight = weight_kg(header, ledger)
    if norm == "bw":
        _doubt_weight(header, weight, ledger)
        return 1000.0 * weight
    height = height_m(header, ledger)
    low, high = BMI
    if not low <= weight / height**2 <= high:
        expected = f"a height that goes with {weight:g} kg"
        raise Refused(header.height.tag, expected, f"{height:g} m: in other units, or of another?")
    if norm == "bsa":
        return 1e4 * body_surface_area_m2(weight, height)
    lean = partial(LEAN[norm], weight, height)
    return 1000.0 * _by_sex(header, norm, lean, ledger)


def _doubt_weight(header: PetHeader, weight: float, ledger: Ledger) -> None:
    """Warn of a weight that does not go with the height, which itself is not needed."""
    try:
        height = height_m(header, Ledger())
    except Refused:
        return
    low, high = BMI
    if not low <= weight / height**2 <= high:
        ledger.warn(
            f"{header.weight.tag} and {header.height.tag} do not go together: {weight:g} kg at"
            f" {height:g} m"
        )


def _by_sex(
    header: PetHeader, norm: Norm, formula: Callable[[bool], float], ledger: Ledger
) -> float:
    who = sex(header, ledger)
    sexes = {"M": (True,), "F": (False,), "O": (True, False)}[who]
    if who == "O":
        ledger.warn(f"{header.sex.tag} is O: the mean of the formulas for men and women was taken")
    size = sum(formula(male) for male in sexes) / len(sexes)
    if size <= 0:
        expected = f"a height and weight for which the formula ({norm}) holds"
        raise Refused(header.height.tag, expected, f"{size:.3g} kg by it")
    return size


def _check_range(tag: str, value: float, limits: tuple[float, float], unit: str) -> None:
    low, high = limits
    if not low <= value <= high:
        raise Refused(tag, f"{low:g} to {high:g} {unit}", f"{value:.6g} {unit}")
