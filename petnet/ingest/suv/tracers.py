"""Tracers: from a header's radiopharmaceutical to the name and arm of the cohort's tables.

Codes: DICOM PS3.16 CID 4021 "PET Radiopharmaceutical", in SNOMED CT (SCT), in SNOMED RT as scanners
write it (SRT, SNM3), in NCIt and UMLS, or of DICOM itself (DCM).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from petnet.ingest.suv.nuclides import nuclides_in
from petnet.ingest.suv.pet_header import PetHeader

__all__ = [
    "TRACERS",
    "UNKNOWN",
    "Tracer",
    "nuclides_of",
    "tracer_by_code",
    "tracer_called",
    "tracer_in",
    "tracer_of",
]


@dataclass(frozen=True, slots=True)
class Tracer:
    """A radiopharmaceutical for PET.

    Attributes
    ----------
    name, arm : str
        "FDG", "fdg"; both "unknown" for what is not in the table.
    nuclides : tuple of str
        With which it is or was labelled; empty where not known.
    pattern : str
        Regular expression on the text in lower case.
    codes : tuple of str
    """

    name: str
    arm: str
    nuclides: tuple[str, ...] = ()
    pattern: str = ""
    codes: tuple[str, ...] = ()


UNKNOWN = Tracer("unknown", "unknown")


def _tracer(name: str, nuclides: str, pattern: str, codes: str = "") -> Tracer:
    return Tracer(name, name.lower(), tuple(nuclides.split()), pattern, tuple(codes.split()))


def _word(*words: str) -> str:
    """Return a pattern of words that no letter may lengthen; figures may: "18FLT", "FES2"."""
    return "|".join(f"(?<![a-z]){word}(?![a-z])" for word in words)


# The first that fits is taken: ligands that share a stem before the stem.
TRACERS = (
    _tracer("FAPI", "Ga-68 F-18 Cu-64 Sc-44", r"f[-_ ]?api|fap[-_ ]?2286|fap.?inhib"),
    _tracer(
        "PSMA", "Ga-68 F-18 Cu-64 Zr-89 Sc-44",
        r"psma|dcfpyl|piflufolastat|flotufolastat|gozetotide|pylarify|illuccix|locametz|dcfbc|j591",
        "126758 126759 126514 C118961 C116352 C96234",
    ),
    _tracer(
        "DOTATATE", "Ga-68 Cu-64 F-18", r"dota[-_ ]?tate|oxodotreotide|netspot|detectnet",
        "724025002",
    ),
    _tracer("DOTATOC", "Ga-68 Cu-64 F-18", r"dota[-_ ]?toc|edotreotide|somakit", "C2713594"),
    _tracer("DOTANOC", "Ga-68 Cu-64", r"dota[-_ ]?noc"),
    _tracer("Pentixafor", "Ga-68 F-18", r"pentixa|cxcr4"),
    _tracer("Exendin", "Ga-68 F-18 Cu-64", r"exendin"),
    _tracer("Trastuzumab", "Zr-89 Cu-64", r"trastuzumab|herceptin", "126512"),
    _tracer("Girentuximab", "Zr-89 I-124", r"girentuximab|cg250", "126517"),
    _tracer(
        "FLT", "F-18", _word("flt") + r"|fluoro?.?thymidin|thymidine f|alovudine",
        "129502002 C-B1036",
    ),
    _tracer("FMISO", "F-18", r"f[-_ ]?miso|misonidazole", "422598008 C-B07E1"),
    _tracer("FAZA", "F-18", _word("faza") + r"|azomycin"),
    _tracer("FES", "F-18", _word("fes") + r"|estradiol|oestradiol|cerianna", "926372005"),
    _tracer("FDHT", "F-18", _word("fdht") + r"|dihydrotestosterone"),
    _tracer("FET", "F-18", _word("fet") + r"|fluoro?.?ethyl.{0,4}tyrosin", "424708001 C-B07E0"),
    _tracer(
        "FDOPA", "F-18", r"f[-_ ]?dopa|fluoro[-_ ]*(?:l[-_ ]*)?dopa|" + _word("dopa"),
        "5811000122108 C-E0241",
    ),
    _tracer("Fluciclovine", "F-18", r"fluciclovine|axumin|facbc", "457000009 C-E026A"),
    _tracer(
        "FCH", "F-18", _word("fch", "fec", "fmc") + r"|fluoro.{0,8}choline|f[-_ ]choline",
        "456992002 C-E0273",
    ),
    _tracer("Choline", "C-11", r"choline|cholin", "126703"),
    _tracer("Methionine", "C-11", r"methionin|" + _word("met"), "129510001 C-B103E"),
    _tracer("Acetate", "C-11 F-18", r"acetate", "129513004 C-B1043"),
    _tracer(
        "NaF", "F-18", _word("naf") + r"|sodium.?fluoride|natrium.?fluorid", "129501009 C-B1032"
    ),
    _tracer("Florbetapir", "F-18", r"florbetapir|amyvid", "456995000 C-E0269"),
    _tracer("Florbetaben", "F-18", r"florbetaben|neuraceq", "712736002 C-D6858"),
    _tracer("Flutemetamol", "F-18", r"flutemetamol|vizamyl", "456997008 C-E0267"),
    _tracer("Flortaucipir", "F-18", r"flortaucipir|tauvid|t807|av.?1451", "879808000 126502"),
    _tracer("PiB", "C-11", _word("pib") + r"|pittsburgh", "126500"),
    _tracer("Ammonia", "N-13", r"ammonia|" + _word("nh3"), "129508003 C-B103C"),
    _tracer("Water", "O-15", r"water|" + _word("h2o"), "129505000 C-B1039"),
    _tracer("Rubidium", "Rb-82", r"rubidium|cardiogen", "129503007 C-B1037"),
    _tracer(
        "FDG", "F-18", r"fdg|d[eo]s?oxy.{0,12}glu[ck]ose",
        "35321007 C-B1031",
    ),
)  # fmt: skip
PATTERNS = tuple((tracer, re.compile(tracer.pattern)) for tracer in TRACERS)
BY_CODE = {code.upper(): tracer for tracer in TRACERS for code in tracer.codes}


def tracer_by_code(code: str | None) -> Tracer:
    """Return the tracer of a code value; the coding scheme's name varies and is not looked at."""
    return BY_CODE.get((code or "").upper(), UNKNOWN)


def tracer_in(text: str | None) -> Tracer:
    """Return the tracer that a free text names: "18F-FDG", "Fluorodeoxyglucose F^18^"."""
    lower = (text or "").lower()
    return next((tracer for tracer, spelling in PATTERNS if spelling.search(lower)), UNKNOWN)


def tracer_called(text: str | None, code: str | None) -> Tracer:
    """Return the tracer by its name, which is specific, else by its code.

    Protocols' codes are often left as they were for FDG, whatever was typed as the name.
    """
    named = tracer_in(text)
    return named if named is not UNKNOWN else tracer_by_code(code)


def tracer_of(header: PetHeader) -> Tracer:
    """Return the tracer of a PET series."""
    return tracer_called(header.tracer.text, header.tracer_code.text)


def nuclides_of(header: PetHeader) -> frozenset[str]:
    """Return the nuclides that the tracer can have: those in its name, else those of the table."""
    return nuclides_in(header.tracer.text) or frozenset(tracer_of(header).nuclides)
