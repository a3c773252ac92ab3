"""What SUV depends on, as the header of a PET series says it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from petnet.ingest.dicom.elements import items_of, private_text, text_of
from petnet.ingest.refusal import Refused, tag_name

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.tag import BaseTag

__all__ = ["Attribute", "PetFrame", "PetHeader", "read_pet_header"]

INJECTIONS = 0x00540016  # RadiopharmaceuticalInformationSequence
NUCLIDES = 0x00540300  # RadionuclideCodeSequence
TRACERS = 0x00540304  # RadiopharmaceuticalCodeSequence
CODE_VALUES = (0x00080100, 0x00080119, 0x00080120)  # CodeValue, LongCodeValue, URNCodeValue
CODE_MEANING = 0x00080104

# field of PetHeader -> keyword
OF_SERIES = {
    "units": "Units",
    "suv_type": "SUVType",
    "decay_correction": "DecayCorrection",
    "decay_correction_datetime": "DecayCorrectionDateTime",
    "corrected_image": "CorrectedImage",
    "manufacturer": "Manufacturer",
    "series_date": "SeriesDate",
    "series_time": "SeriesTime",
    "timezone": "TimezoneOffsetFromUTC",
    "weight": "PatientWeight",
    "height": "PatientSize",
    "sex": "PatientSex",
}
OF_INJECTION = {
    "injection_datetime": "RadiopharmaceuticalStartDateTime",
    "injection_time": "RadiopharmaceuticalStartTime",
    "dose": "RadionuclideTotalDose",
    "half_life": "RadionuclideHalfLife",
    "tracer": "Radiopharmaceutical",
}
# field -> creator, group, offset in its block, name
PRIVATE = {
    "ge_scan": ("GEMS_PETD_01", 0x0009, 0x0D, "PET scan DateTime (0009,100D)"),
    "philips_suv": ("Philips PET Private Group", 0x7053, 0x00, "SUV Scale Factor (7053,1000)"),
    "philips_activity": (
        "Philips PET Private Group", 0x7053, 0x09, "Activity Concentration Scale Factor (7053,1009)"
    ),
}  # fmt: skip
OF_FRAME = {
    "slope": "RescaleSlope",
    "intercept": "RescaleIntercept",
    "acquisition_date": "AcquisitionDate",
    "acquisition_time": "AcquisitionTime",
    "acquisition_datetime": "AcquisitionDateTime",
    "frame_reference_ms": "FrameReferenceTime",
    "frame_duration_ms": "ActualFrameDuration",
    "decay_factor": "DecayFactor",
}
CODED = {
    "nuclide": "RadionuclideCodeSequence",
    "nuclide_meaning": "RadionuclideCodeSequence",
    "tracer_code": "RadiopharmaceuticalCodeSequence",
}
#: Free text that may be spelled in two ways within one series; the first is taken.
DESCRIPTIVE = frozenset({"manufacturer", "nuclide_meaning", "tracer", "tracer_code"})


@dataclass(frozen=True, slots=True)
class Attribute:
    """One header value as written; what it means is decided by the rule that needs it.

    Attributes
    ----------
    tag : str
        "PatientWeight (0010,1030)".
    text : str or None
        None where absent or empty.
    """

    tag: str
    text: str | None


@dataclass(frozen=True, slots=True)
class PetFrame:
    """What differs from slice to slice."""

    slope: Attribute
    intercept: Attribute
    acquisition_date: Attribute
    acquisition_time: Attribute
    acquisition_datetime: Attribute
    frame_reference_ms: Attribute
    frame_duration_ms: Attribute
    decay_factor: Attribute


@dataclass(frozen=True, slots=True)
class PetHeader:
    """What a whole PET series shares; values that differ between its slices are refused before.

    `timezone` is TimezoneOffsetFromUTC; `tracer` and `tracer_code` are Radiopharmaceutical (or the
    meaning of its code) and the code of RadiopharmaceuticalCodeSequence; `nuclide` is the code of
    RadionuclideCodeSequence, `nuclide_meaning` its CodeMeaning; `decay_correction_datetime` is
    (0018,9701), written by Enhanced PET; `ge_scan` is the private (0009,100D) of GEMS_PETD_01,
    `philips_suv` and `philips_activity` are (7053,1000) and (7053,1009).
    """

    units: Attribute
    suv_type: Attribute
    decay_correction: Attribute
    decay_correction_datetime: Attribute
    corrected_image: Attribute
    manufacturer: Attribute
    series_date: Attribute
    series_time: Attribute
    timezone: Attribute
    ge_scan: Attribute
    philips_suv: Attribute
    philips_activity: Attribute
    injection_datetime: Attribute
    injection_time: Attribute
    dose: Attribute
    half_life: Attribute
    nuclide: Attribute
    nuclide_meaning: Attribute
    tracer: Attribute
    tracer_code: Attribute
    weight: Attribute
    height: Attribute
    sex: Attribute
    frames: tuple[PetFrame, ...]


def read_pet_header(slices: Sequence[Dataset]) -> PetHeader:
    """Read what SUV depends on from the headers of a PET series.

    Parameters
    ----------
    slices : sequence of pydicom.Dataset
        One per slice, in the order of the volume; the frames of the result have that order.

    Returns
    -------
    PetHeader
        Values as written. A malformed sequence counts as absent: rules that need it name what is
        missing then.

    Raises
    ------
    Refused
        No slices; a value that a whole series must share differs between slices; several
        injections.
    """
    if not slices:
        raise Refused("slices", "at least one", "none")
    texts = [_series_texts(dataset) for dataset in slices]
    tags = _tags()
    shared = {
        field: _shared(field, Attribute(tag, None), [text[field] for text in texts])
        for field, tag in tags.items()
    }
    return PetHeader(**shared, frames=_frames(slices))


def _tags() -> dict[str, str]:
    named = {field: tag_name(word) for field, word in (OF_SERIES | OF_INJECTION | CODED).items()}
    named["nuclide_meaning"] += " CodeMeaning"
    return named | {field: entry[3] for field, entry in PRIVATE.items()}


def _series_texts(dataset: Dataset) -> dict[str, str | None]:
    """Return the text of every field of PetHeader that a series shares."""
    found = _texts(dataset, OF_SERIES)
    for field, (creator, group, offset, _) in PRIVATE.items():
        found[field] = private_text(dataset, group, creator, offset)
    injections = [_injection_texts(item) for item in items_of(dataset, INJECTIONS)]
    if any(other != injections[0] for other in injections[1:]):
        raise Refused(
            tag_name("RadiopharmaceuticalInformationSequence"),
            "one injection",
            f"{len(injections)} that differ",
        )
    return found | (injections[0] if injections else dict.fromkeys(OF_INJECTION | CODED))


def _injection_texts(item: Dataset) -> dict[str, str | None]:
    found = _texts(item, OF_INJECTION)
    found["nuclide"], found["nuclide_meaning"] = _code(items_of(item, NUCLIDES))
    found["tracer_code"], meaning = _code(items_of(item, TRACERS))
    found["tracer"] = found["tracer"] or meaning
    return found


def _code(items: list[Dataset]) -> tuple[str | None, str | None]:
    """Return value and meaning of the first coded entry."""
    if not items:
        return None, None
    values = (text_of(items[0], tag) for tag in CODE_VALUES)
    return next((value for value in values if value), None), text_of(items[0], CODE_MEANING)


def _texts(dataset: Dataset, fields: dict[str, str]) -> dict[str, str | None]:
    return {field: text_of(dataset, _tag(keyword)) for field, keyword in fields.items()}


@cache
def _tag(keyword: str) -> BaseTag:
    from pydicom.datadict import tag_for_keyword
    from pydicom.tag import Tag

    return Tag(tag_for_keyword(keyword) or 0)


def _frames(slices: Iterable[Dataset]) -> tuple[PetFrame, ...]:
    tags = {field: tag_name(keyword) for field, keyword in OF_FRAME.items()}
    return tuple(
        PetFrame(**{f: Attribute(tags[f], text) for f, text in _texts(dataset, OF_FRAME).items()})
        for dataset in slices
    )


def _shared(field: str, absent: Attribute, texts: Sequence[str | None]) -> Attribute:
    """Return what all slices say."""
    if field in DESCRIPTIVE:
        return Attribute(absent.tag, next((text for text in texts if text), None))
    for other in set(texts[1:]):
        if not _same(texts[0], other):
            raise Refused(absent.tag, "one value in all slices", "values that differ")
    return Attribute(absent.tag, texts[0])


def _same(a: str | None, b: str | None) -> bool:
    """Tell whether two texts say the same: "70" and "70.0" do."""
    if a is None or b is None or a == b:
        return a == b
    try:
        return float(a) == float(b)
    except ValueError:
        return False
