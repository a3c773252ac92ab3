"""Positron emitters: half-lives, codes and spellings.

Half-lives: ICRP Publication 107, Nuclear Decay Data for Dosimetric Calculations
(doi:10.1016/j.icrp.2008.10.004). Codes: DICOM PS3.16 CID 4020 "PET Radionuclide", in SNOMED CT
(SCT), in SNOMED RT as scanners write it (SRT, SNM3, 99SDM), or of DICOM itself (DCM).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["NUCLIDES", "TOLERANCE", "Nuclide", "nuclide_by_code", "nuclides_fitting", "nuclides_in"]

#: Scanners' half-lives of one nuclide differ by less than this (F-18: 6582 to 6600 s, Ga-68: 4057
#: to 4080 s, C-11: 1200 to 1224 s); at 2 % and two half-lives of uptake, SUV differs by 2.8 %.
TOLERANCE = 0.02
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


@dataclass(frozen=True, slots=True)
class Nuclide:
    """A positron emitter.

    Attributes
    ----------
    name : str
        "F-18".
    half_life_s : float
    codes : tuple of str
        SCT, SRT or DCM.
    element : str
        In English.
    """

    name: str
    half_life_s: float
    codes: tuple[str, ...]
    element: str


NUCLIDES = (
    Nuclide("C-11", 20.39 * MINUTE, ("40565003", "C-105A1"), "carbon"),
    Nuclide("N-13", 9.965 * MINUTE, ("21576001", "C-107A1"), "nitrogen"),
    Nuclide("O-14", 70.606, ("424875009", "C-1018C"), "oxygen"),
    Nuclide("O-15", 122.24, ("129504001", "C-B1038"), "oxygen"),
    Nuclide("F-18", 109.77 * MINUTE, ("77004003", "C-111A1"), "fluorine"),
    Nuclide("Na-22", 950.32368 * DAY, ("71633006", "C-155A1"), "sodium"),
    Nuclide("K-38", 7.636 * MINUTE, ("423764008", "C-135A4"), "potassium"),
    Nuclide("Sc-43", 3.891 * HOUR, ("126605",), "scandium"),
    Nuclide("Sc-44", 3.97 * HOUR, ("126600",), "scandium"),
    Nuclide("Ti-45", 184.8 * MINUTE, ("75696008", "C-166A2"), "titanium"),
    Nuclide("Mn-51", 46.2 * MINUTE, ("126601",), "manganese"),
    Nuclide("Mn-52", 5.591 * DAY, ("37225000", "C-149A1"), "manganese"),
    Nuclide("Mn-52m", 21.1 * MINUTE, ("126607",), "manganese"),
    Nuclide("Fe-52", 8.275 * HOUR, ("69089000", "C-130A1"), "iron"),
    Nuclide("Cu-60", 23.7 * MINUTE, ("425364008", "C-127A4"), "copper"),
    Nuclide("Cu-61", 3.333 * HOUR, ("71425003", "C-127A1"), "copper"),
    Nuclide("Cu-62", 9.673 * MINUTE, ("422934004", "C-127A5"), "copper"),
    Nuclide("Cu-64", 12.700 * HOUR, ("3932008", "C-127A2"), "copper"),
    Nuclide("Zn-62", 9.186 * HOUR, ("65054007", "C-141A1"), "zinc"),
    Nuclide("Ga-66", 9.49 * HOUR, ("79477007", "C-131A1"), "gallium"),
    Nuclide("Ga-68", 67.71 * MINUTE, ("35337001", "C-131A3"), "gallium"),
    Nuclide("Ge-68", 270.95 * DAY, ("53315004", "C-128A2"), "germanium"),
    Nuclide("As-70", 52.6 * MINUTE, ("126602",), "arsenic"),
    Nuclide("As-72", 26.0 * HOUR, ("2705002", "C-115A2"), "arsenic"),
    Nuclide("Se-73", 7.15 * HOUR, ("87437000", "C-116A2"), "selenium"),
    Nuclide("Br-75", 96.7 * MINUTE, ("17910003", "C-113A1"), "bromine"),
    Nuclide("Br-76", 16.2 * HOUR, ("79523006", "C-113A2"), "bromine"),
    Nuclide("Br-77", 57.036 * HOUR, ("86521004", "C-113A3"), "bromine"),
    Nuclide("Rb-82", 1.273 * MINUTE, ("79197006", "C-159A2"), "rubidium"),
    Nuclide("Y-86", 14.74 * HOUR, ("10738001", "C-162A3"), "yttrium"),
    Nuclide("Y-90", 64.10 * HOUR, ("14691008", "C-162A7"), "yttrium"),
    Nuclide("Zr-89", 78.41 * HOUR, ("63360001", "C-168A4"), "zirconium"),
    Nuclide("Nb-90", 14.60 * HOUR, ("126603",), "niobium"),
    Nuclide("Tc-94m", 52.0 * MINUTE, ("424079002", "C-163AA"), "technetium"),
    Nuclide("I-124", 4.1760 * DAY, ("40937006", "C-114A5"), "iodine"),
    Nuclide("Tb-152", 17.5 * HOUR, ("126606",), "terbium"),
)
BY_NAME = {nuclide.name: nuclide for nuclide in NUCLIDES}
BY_CODE = {code: nuclide for nuclide in NUCLIDES for code in nuclide.codes}


def nuclide_by_code(code: str | None) -> Nuclide | None:
    """Return the nuclide of a code value; the coding scheme's name varies and is not looked at."""
    return BY_CODE.get((code or "").upper())


def nuclides_in(text: str | None) -> frozenset[str]:
    """Return the nuclides that a text names: "18F", "^18^Fluorine", "F-18", "F^18^", "Ga 68"."""
    lower = (text or "").lower()
    return frozenset(name for name, spelling in SPELLINGS.items() if spelling.search(lower))


def nuclides_fitting(half_life_s: float) -> frozenset[str]:
    """Return the nuclides of which that may be the half-life."""
    return frozenset(
        nuclide.name
        for nuclide in NUCLIDES
        if abs(half_life_s / nuclide.half_life_s - 1) <= TOLERANCE
    )


def _spelling(nuclide: Nuclide) -> re.Pattern[str]:
    symbol, mass = nuclide.name.lower().split("-")
    after = "(?![a-z])" if len(symbol) == 1 else ""  # the F of "18 FAPI" is no fluorine
    word = f"(?:{nuclide.element}|{symbol}{after})"
    between = r"[^a-z0-9]{0,3}"
    return re.compile(
        rf"(?<![0-9]){mass}{between}{word}|(?<![a-z]){word}{between}{mass}(?![0-9]|m(?![a-z]))"
    )


SPELLINGS = {nuclide.name: _spelling(nuclide) for nuclide in NUCLIDES}
