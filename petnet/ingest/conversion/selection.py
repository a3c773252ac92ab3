r"""Which series of a patient are images or regions to use, and why each other one is not.

A PET series is used when it shows attenuation-corrected activity, slice by slice, at one moment:

1. Attenuation correction: CorrectedImage holds ATTN, and AttenuationCorrectionMethod does not say
   none. Where both are absent the series' description decides; where that is silent too, the
   series is used with a note.
2. Not projections: SeriesType says REPROJECTION, or ImageType holds a word for projections.
   DERIVED\SECONDARY alone is no reason: many archives write it for images as measured.
3. Not a localizer, a colour picture, a transmission or attenuation map.
4. Not one of several moments: SeriesType DYNAMIC or GATED.

A CT series is used unless it is a localizer, a projection, a picture of the screen or of the dose.
Source of the attributes: DICOM PS3.3 C.8.9.1 (PET Series), C.8.2.1 (CT Image).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from petnet.ingest.dicom.series_header import SeriesHeader
from petnet.ingest.refusal import tag_name

__all__ = ["Exclusion", "Use", "classify", "is_pet", "states_correction"]

Use = Literal["pet", "ct", "rtstruct", "seg"]
STORAGE = "1.2.840.10008.5.1.4.1.1."
USES: dict[str, Use] = {
    "128": "pet", "130": "pet", "128.1": "pet",
    "2": "ct", "2.1": "ct", "2.2": "ct",
    "481.3": "rtstruct", "66.4": "seg", "66.7": "seg",
}  # fmt: skip
MODALITY: dict[Use, str] = {"pet": "PT", "ct": "CT", "rtstruct": "RTSTRUCT", "seg": "SEG"}
OTHERS = {
    "7": "a secondary capture (a picture of a screen)",
    "7.1": "a secondary capture (a picture of a screen)",
    "7.2": "a secondary capture (a picture of a screen)",
    "7.3": "a secondary capture (a picture of a screen)",
    "7.4": "a secondary capture (a picture of a screen)",
    "88.67": "a dose report",
    "88.68": "a dose report",
    "20": "a scintigram",
    "4": "an MR image",
    "4.1": "an MR image",
    "4.4": "an MR image",
    "67": "a mapping of values",
    "66": "raw data",
    "66.1": "a registration",
    "66.3": "a registration",
    "66.5": "a segmentation by surfaces",
    "104.1": "a document",
    "481.1": "a radiotherapy image",
    "481.2": "a radiotherapy dose",
    "481.5": "a radiotherapy plan",
}
FAMILIES = {"88.": "a report", "11.": "a presentation state", "481.": "a radiotherapy object"}

NOT_CORRECTED = re.compile(
    r"\b(nac|non?[ _-]?ac|non?[ _-]?att\w*|without[ _-]?(ac|att\w*)|un[ _-]?corr\w*)\b"
)
CORRECTED = re.compile(r"\b(ac|attn|ctac|mrac|att\w*[ _-]?corr\w*)\b")
NO_METHOD = re.compile(r"(none|no|nac|off|not (applied|corrected)|uncorrected)\b.*")
PROJECTION = re.compile(r"(MIP|MINIP|MAX_IP|MIN_IP|VRT|VOLREN|.*PROJECTION.*)")
PROJECTION_WORD = re.compile(r"\b(mips?|reprojections?)\b")
ATTENUATION_MAP = re.compile(r"\b([uµμ][ _-]?maps?|mu[ _-]?maps?|attenuation[ _-]?maps?)\b")
PICTURE = {
    "SCREEN SAVE": "a picture of a screen",
    "SCREENSAVE": "a picture of a screen",
    "SCREENSHOT": "a picture of a screen",
    "FUSION": "a fused picture",
    "FUSED": "a fused picture",
    "LOCALIZER": "a localizer",
    "SCOUT": "a localizer",
    "TOPOGRAM": "a localizer",
    "DOSE_INFO": "a dose report",
    "PROTOCOL": "a page of the protocol",
}
COLOURS = {"RGB", "PALETTE COLOR", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"}


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Why a series, region or file is not used.

    Attributes
    ----------
    tag : str
        The attribute that decides it, or one or two words.
    reason : str
        Without names, paths or UIDs.
    """

    tag: str
    reason: str


def classify(header: SeriesHeader) -> Use | Exclusion:
    """Say what a series is used as, or why it is not, from its first header alone."""
    if not header.uid:
        return _because("SeriesInstanceUID", "a UID", "none")
    if header.fault is not None:
        return Exclusion(header.fault.tag, header.fault.reason)
    use = _use(header)
    if isinstance(use, Exclusion) or use in ("rtstruct", "seg"):
        return use
    return _picture(header) or (_not_pet if use == "pet" else _not_ct)(header) or use


def is_pet(header: SeriesHeader) -> bool:
    """Tell whether a series is PET of any kind, usable or not."""
    return USES.get(header.sop_class.removeprefix(STORAGE)) == "pet"


def states_correction(header: SeriesHeader) -> bool:
    """Tell whether a PET series says in any way that it is corrected for attenuation."""
    said = header.text("CorrectedImage") or header.text("AttenuationCorrectionMethod")
    return bool(said or CORRECTED.search(_description(header)))


def _use(header: SeriesHeader) -> Use | Exclusion:
    """Go by SOP class; a modality that contradicts it is refused."""
    classes = {file.sop_class for file in header.files}
    if len(classes) > 1:
        found = f"{len(classes)} kinds of objects in one series"
        return _because("SOPClassUID", "files of one kind", found)
    use = USES.get(header.sop_class.removeprefix(STORAGE))
    modality = header.text("Modality").upper()
    if use is None:
        found = _other(header.sop_class, modality)
        return _because("SOPClassUID", "PET, CT, RTSTRUCT or SEG", found)
    if modality not in ("", MODALITY[use]):
        found = _word(modality)
        return _because("Modality", f"{MODALITY[use]}, as SOPClassUID says", found)
    return use


def _other(sop_class: str, modality: str) -> str:
    if not sop_class:
        return "none"
    kind = sop_class.removeprefix(STORAGE) if sop_class.startswith(STORAGE) else ""
    if kind in OTHERS:
        return OTHERS[kind]
    family = next((name for start, name in FAMILIES.items() if kind.startswith(start)), None)
    return family or f"another kind of object (modality {_word(modality) or 'not stated'})"


def _word(value: str) -> str:
    """Return a code as DICOM allows it; anything longer is free text, which may hold names."""
    return value if re.fullmatch(r"[A-Z0-9_ ]{0,16}", value) else "other text"


def _picture(header: SeriesHeader) -> Exclusion | None:
    colour = header.text("PhotometricInterpretation").upper()
    if colour in COLOURS or header.text("SamplesPerPixel") not in ("", "1"):
        found = f"colours ({_word(colour)})"
        return _because("PhotometricInterpretation", "one value a pixel", found)
    for word in header.items("ImageType"):
        if PROJECTION.fullmatch(word):
            return _because("ImageType", "slices", f"a projection ({_word(word)})")
        if word in PICTURE:
            return _because("ImageType", "slices of the patient", PICTURE[word])
    if PROJECTION_WORD.search(_description(header)):
        return _because("SeriesDescription", "slices", "the name of a projection (MIP)")
    return None


def _not_pet(header: SeriesHeader) -> Exclusion | None:
    kind = header.items("SeriesType")
    if "REPROJECTION" in kind:
        return _because("SeriesType", "IMAGE", "REPROJECTION: a projection, not slices")
    for word in ("DYNAMIC", "GATED"):
        if word in kind:
            found = f"{word}: several moments, not one image"
            return _because("SeriesType", "STATIC or WHOLE BODY", found)
    if header.text("CountsSource").upper() == "TRANSMISSION" or header.text("Units") == "1CM":
        tag = "Units" if header.text("Units") == "1CM" else "CountsSource"
        return _because(tag, "activity", "attenuation: a transmission image")
    if ATTENUATION_MAP.search(_description(header)):
        return _because("SeriesDescription", "activity", "the name of an attenuation map")
    return _not_corrected(header)


def _not_corrected(header: SeriesHeader) -> Exclusion | None:
    corrections = header.items("CorrectedImage")
    if corrections and "ATTN" not in corrections:
        found = ", ".join(_word(c) for c in corrections)
        return _because("CorrectedImage", "ATTN among the corrections", f"{found}: NAC")
    method = header.text("AttenuationCorrectionMethod").strip().lower()
    if method and NO_METHOD.fullmatch(method):
        expected = "a method of attenuation correction"
        return _because("AttenuationCorrectionMethod", expected, "none: NAC")
    if corrections or method:
        return None
    if NOT_CORRECTED.search(_description(header)):
        found = "the name of one that is not (NAC)"
        return _because("SeriesDescription", "an attenuation-corrected series", found)
    return None


def _not_ct(header: SeriesHeader) -> Exclusion | None:
    description = _description(header)
    if re.search(r"\b(scout|topogram|localizer|scanogram|surview)\b", description):
        return _because("SeriesDescription", "slices of the patient", "the name of a localizer")
    if re.search(r"\bdose (report|info)|patient protocol\b", description):
        return _because("SeriesDescription", "slices of the patient", "the name of a dose report")
    if ATTENUATION_MAP.search(description):
        return _because("SeriesDescription", "HU", "the name of an attenuation map")
    return None


def _description(header: SeriesHeader) -> str:
    return header.text("SeriesDescription").lower().replace("_", " ")


def _because(keyword: str, expected: str, found: str) -> Exclusion:
    return Exclusion(tag_name(keyword), f"expected {expected}, but got {found}")
