"""Half-lives, codes and spellings of nuclides; names and codes of tracers."""

import pytest
from pet_headers import pet_slices
from pydicom.sr import codedict
from pydicom.sr._snomed_dict import mapping as snomed

from petnet.ingest.suv.half_life import nuclide_of
from petnet.ingest.suv.nuclides import (
    NUCLIDES,
    TOLERANCE,
    nuclide_by_code,
    nuclides_fitting,
    nuclides_in,
)
from petnet.ingest.suv.pet_header import read_pet_header
from petnet.ingest.suv.tracers import TRACERS, tracer_by_code, tracer_in, tracer_of

# ICRP Publication 107 by radioactivedecay 0.6.1, in s
ICRP107 = {
    "C-11": 1223.4, "N-13": 597.9, "O-14": 70.606, "O-15": 122.24, "F-18": 6586.2,
    "Na-22": 82107965.967552, "K-38": 458.16, "Sc-43": 14007.6, "Sc-44": 14292.0, "Ti-45": 11088.0,
    "Mn-51": 2772.0, "Mn-52": 483062.4, "Mn-52m": 1266.0, "Fe-52": 29790.0, "Cu-60": 1422.0,
    "Cu-61": 11998.8, "Cu-62": 580.38, "Cu-64": 45720.0, "Zn-62": 33069.6, "Ga-66": 34164.0,
    "Ga-68": 4062.6, "Ge-68": 23410080.0, "As-70": 3156.0, "As-72": 93600.0, "Se-73": 25740.0,
    "Br-75": 5802.0, "Br-76": 58320.0, "Br-77": 205329.6, "Rb-82": 76.38, "Y-86": 53064.0,
    "Y-90": 230760.0, "Zr-89": 282276.0, "Nb-90": 52560.0, "Tc-94m": 3120.0, "I-124": 360806.4,
    "Tb-152": 63000.0,
}  # fmt: skip
CID4020 = {
    code.value: code.meaning for code in (getattr(codedict.codes.cid4020, name)
                                          for name in codedict.codes.cid4020.dir())
}  # fmt: skip


@pytest.mark.parametrize("nuclide", NUCLIDES, ids=lambda nuclide: nuclide.name)
def test_half_life_is_that_of_icrp107(nuclide):
    assert nuclide.half_life_s == pytest.approx(ICRP107[nuclide.name], rel=1e-7)


@pytest.mark.parametrize("code", sorted(CID4020))
def test_codes_of_cid4020_by_pydicom(code):
    """Each code of DICOM's list of PET nuclides, and its meaning there, is one of ours."""
    nuclide = nuclide_by_code(code)
    assert nuclide is not None
    assert nuclides_in(CID4020[code]) == {nuclide.name}
    if code in snomed["SCT"]:
        assert nuclide_by_code(snomed["SCT"][code]) == nuclide


def test_all_nuclides_are_of_cid4020():
    assert len(NUCLIDES) == len(CID4020) == len(ICRP107)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("18F", {"F-18"}),
        ("^18^Fluorine", {"F-18"}),
        ("F-18", {"F-18"}),
        ("F^18^", {"F-18"}),
        ("Fluorine 18", {"F-18"}),
        ("[18F]FDG", {"F-18"}),
        ("18F-FDG", {"F-18"}),
        ("FDG F18", {"F-18"}),
        ("^68^Gallium", {"Ga-68"}),
        ("68GaFAPI", {"Ga-68"}),
        ("Ga68-PSMA-11", {"Ga-68"}),
        ("PSMA-1007 18F", {"F-18"}),
        ("11C-Choline", {"C-11"}),
        ("^52m^Manganese", {"Mn-52m"}),
        ("Mn-52", {"Mn-52"}),
        ("Mn-52m", {"Mn-52m"}),
        ("68Ge/68Ga", {"Ga-68", "Ge-68"}),
        ("PSMA-11 Cu-64", {"Cu-64"}),
        ("18 FAPI", set()),
        ("FAPI-04", set()),
        ("118F", set()),
        ("F-180", set()),
        ("DPA-714", set()),
        ("", set()),
        (None, set()),
    ],
)
def test_spellings(text, names):
    assert nuclides_in(text) == names


# half-lives found in scanners' files
@pytest.mark.parametrize(
    ("seconds", "name"),
    [
        (6586.2, "F-18"), (6588.0, "F-18"), (6584.04, "F-18"), (6586.0, "F-18"), (6600.0, "F-18"),
        (6582.0, "F-18"), (4062.6, "Ga-68"), (4057.74, "Ga-68"), (4080.0, "Ga-68"),
        (1223.0, "C-11"), (1218.0, "C-11"), (1200.0, "C-11"), (598.0, "N-13"), (122.24, "O-15"),
        (45723.6, "Cu-64"), (282240.0, "Zr-89"), (360806.4, "I-124"), (76.4, "Rb-82"),
        (75.0, "Rb-82"), (23400000.0, "Ge-68"),
    ],
)  # fmt: skip
def test_half_lives_of_scanners_fit(seconds, name):
    assert nuclides_fitting(seconds) == {name}


def test_tolerance_is_two_percent():
    assert TOLERANCE == 0.02
    assert nuclides_fitting(6586.2 * 1.0199) == {"F-18"}
    assert nuclides_fitting(6586.2 * 0.9801) == {"F-18"}
    assert nuclides_fitting(6586.2 * 1.0201) == nuclides_fitting(6586.2 * 0.9799) == set()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("FDG", "FDG"),
        ("FDG -- fluorodeoxyglucose", "FDG"),
        ("Fluorodeoxyglucose F^18^", "FDG"),
        ("18F-FDG", "FDG"),
        ("18FDG", "FDG"),
        ("F-18 Fluordesoxyglucose", "FDG"),
        ("2-deoxy-2-fluoro-D-glucose", "FDG"),
        ("FAPI", "FAPI"),
        ("68Ga-FAPI-04", "FAPI"),
        ("68Ga-DOTA-FAPI-46", "FAPI"),
        ("[18F]AlF-NOTA-FAPI", "FAPI"),
        ("FAP-2286", "FAPI"),
        ("68Ga-PSMA-11", "PSMA"),
        ("PSMA-1007 F^18^", "PSMA"),
        ("18F-DCFPyL", "PSMA"),
        ("Piflufolastat F^18^", "PSMA"),
        ("68Ga-DOTATATE", "DOTATATE"),
        ("Netspot", "DOTATATE"),
        ("DOTA-TOC", "DOTATOC"),
        ("Edotreotide Ga^68^", "DOTATOC"),
        ("18F-FLT", "FLT"),
        ("Fluorothymidine", "FLT"),
        ("FES", "FES"),
        ("Fluoroestradiol F^18^", "FES"),
        ("F-18 FCH", "FCH"),
        ("Fluorocholine F^18^", "FCH"),
        ("fluoroethylcholine", "FCH"),
        ("Choline C^11^", "Choline"),
        ("NaF", "NaF"),
        ("Sodium fluoride F^18^", "NaF"),
        ("F-DOPA", "FDOPA"),
        ("Fluoro-L-dopa F^18^", "FDOPA"),
        ("FET", "FET"),
        ("FMISO", "FMISO"),
        ("89Zr-Trastuzumab", "Trastuzumab"),
        ("Rubidium chloride Rb^82^", "Rubidium"),
        ("Ammonia N^13^", "Ammonia"),
        ("Oxygen-water O^15^", "Water"),
        ("Solution", "unknown"),
        ("", "unknown"),
        (None, "unknown"),
    ],
)
def test_tracer_by_name(text, name):
    tracer = tracer_in(text)
    assert tracer.name == name
    assert tracer.arm == name.lower()


CODED = [(code, tracer) for tracer in TRACERS for code in tracer.codes]
CID4021 = {
    code.value: code.meaning for code in (getattr(codedict.codes.cid4021, name)
                                          for name in codedict.codes.cid4021.dir())
}  # fmt: skip
RETIRED = {srt: sct for sct, srt in snomed["SCT"].items()}


@pytest.mark.parametrize(("code", "tracer"), CODED, ids=[code for code, _ in CODED])
def test_codes_of_tracers_by_pydicom(code, tracer):
    """The meaning of each code in DICOM's list names the same tracer, and no other nuclide."""
    meaning = CID4021[RETIRED.get(code, code)]
    if code not in ("126516", "126514", "126502", "C96234"):  # names without the stem
        assert tracer_in(meaning) == tracer
    assert nuclides_in(meaning) <= set(tracer.nuclides)
    assert tracer_by_code(code) == tracer


def test_nuclides_of_tracers_are_known():
    names = {nuclide.name for nuclide in NUCLIDES}
    assert all(set(tracer.nuclides) <= names for tracer in TRACERS)


def tracer_and_nuclide(**changes):
    header = read_pet_header(pet_slices(**changes))
    return tracer_of(header).name, nuclide_of(header)


def test_tracer_and_nuclide_of_a_header():
    fdg = ("C-B1031", "SRT", "Fluorodeoxyglucose F^18^")
    assert tracer_and_nuclide() == ("FDG", "F-18")
    assert tracer_and_nuclide(Radiopharmaceutical="Solution") == ("unknown", "F-18")
    assert tracer_and_nuclide(Radiopharmaceutical="Solution", tracer_code=fdg) == ("FDG", "F-18")
    assert tracer_and_nuclide(Radiopharmaceutical="FAPI", tracer_code=fdg) == ("FAPI", "F-18")
    assert tracer_and_nuclide(Radiopharmaceutical=None, nuclide=None) == ("unknown", "F-18")
    assert tracer_and_nuclide(RadionuclideHalfLife="4062.6") == ("FDG", None)
