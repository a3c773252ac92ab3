"""What the first header of a series says of it and of whose it is, before the series is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from petnet.ingest.dicom.dicom_file import BROKEN, lenient, read_header
from petnet.ingest.dicom.multiframe import first_frame
from petnet.ingest.records import FoundFile
from petnet.ingest.refusal import Refused

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["IDENTIFYING", "READER", "TRACER", "TRACER_CODE", "SeriesHeader", "read_series_header"]

# Attributes whose values must not be found in any output; `PatientSex` tells patients apart
IDENTIFYING = (
    "PatientID", "IssuerOfPatientID", "PatientName", "PatientBirthDate", "OtherPatientNames",
    "PatientBirthName", "PatientMotherBirthName", "OtherPatientIDs", "AccessionNumber",
    "InstitutionName", "InstitutionAddress", "ReferringPhysicianName", "PerformingPhysicianName",
    "OperatorsName", "PhysiciansOfRecord", "NameOfPhysiciansReadingStudy",
    "PatientAddress", "PatientTelephoneNumbers", "RequestingPhysician", "ContentCreatorName",
    "ReviewerName", "Reader",
)  # fmt: skip
KIND = (
    "PatientSex", "Modality", "ImageType", "SeriesType", "SeriesDescription", "SeriesNumber",
    "CorrectedImage", "AttenuationCorrectionMethod", "Units", "CountsSource",
    "PhotometricInterpretation", "SamplesPerPixel", "ConvolutionKernel",
    "StudyDate", "SeriesDate", "AcquisitionDate",
    "StudyTime", "SeriesTime", "AcquisitionTime",
)  # fmt: skip
READER = "Reader"  # who delineated: ROIInterpreter of a structure set, creator of a segmentation
TRACER, TRACER_CODE = "Radiopharmaceutical", "RadiopharmaceuticalCodeSequence"
MULTI_FRAME = frozenset(
    f"1.2.840.10008.5.1.4.1.1.{number}" for number in ("130", "128.1", "2.1", "2.2")
)


@dataclass(frozen=True, eq=False)
class SeriesHeader:
    """A series as the header of its first file describes it.

    Attributes
    ----------
    files : tuple of FoundFile
        All files of the series, sorted by path.
    values : mapping of str to str
        Keyword to text, stripped; several values are joined by a backslash, as DICOM does. What is
        absent, empty or malformed is not in it.
    fault : Refused or None
        Why the header could not be read.
    """

    files: tuple[FoundFile, ...]
    values: Mapping[str, str] = field(default_factory=dict)
    fault: Refused | None = None

    @property
    def uid(self) -> str:
        """SeriesInstanceUID."""
        return self.files[0].series_uid

    @property
    def study_uid(self) -> str:
        """StudyInstanceUID."""
        return self.files[0].study_uid

    @property
    def sop_class(self) -> str:
        """SOPClassUID of the first file."""
        return self.files[0].sop_class

    def text(self, keyword: str) -> str:
        """Return the text of an attribute, or an empty string."""
        return self.values.get(keyword, "")

    def items(self, keyword: str) -> tuple[str, ...]:
        """Return the values of an attribute in capitals, one by one."""
        return tuple(v.strip().upper() for v in self.text(keyword).split("\\") if v.strip())


def read_series_header(files: Sequence[FoundFile]) -> SeriesHeader:
    """Read what is needed to choose among series and to tell patients apart; opens one file."""
    files = tuple(files)
    values: dict[str, str] = {}
    try:
        dataset, _ = read_header(files[0].path)
        with lenient():
            values |= _texts(dataset, (*IDENTIFYING[:-1], *KIND)) | _other_ids(dataset)
            values |= {READER: reader} if (reader := _readers(dataset)) else {}
            frame = first_frame(dataset) if files[0].sop_class in MULTI_FRAME else dataset
            values |= _texts(frame, KIND)
            values |= {key: value for key, value in _tracer(frame) if value}
    except Refused as fault:
        return SeriesHeader(files, values, fault)
    except BROKEN as error:
        found = f"a malformed one ({type(error).__name__})"
        return SeriesHeader(files, values, Refused("header", "a DICOM header", found))
    return SeriesHeader(files, values)


def _texts(dataset: Dataset, keywords: Sequence[str]) -> dict[str, str]:
    found = {keyword: _text(dataset, keyword) for keyword in keywords}
    return {keyword: value for keyword, value in found.items() if value}


def _text(dataset: Dataset, keyword: str) -> str:
    """Return an attribute as text; empty where it is malformed, as rules that need it name it."""
    from pydicom.multival import MultiValue

    try:
        value: Any = dataset.get(keyword)
        parts = list(value) if isinstance(value, (MultiValue, list, tuple)) else [value]
        return "\\".join("" if part is None else str(part).strip("\0 ") for part in parts)
    except BROKEN:
        return ""


def _items(dataset: Dataset, keyword: str) -> list[Dataset]:
    """Return the items of a sequence; none where it is absent or malformed."""
    from pydicom import Sequence

    try:
        value: Any = dataset.get(keyword)
    except BROKEN:
        return []
    return list(value) if isinstance(value, Sequence) else []


def _other_ids(dataset: Dataset) -> dict[str, str]:
    """Return further ids of the patient, which newer files hold in a sequence."""
    items = _items(dataset, "OtherPatientIDsSequence")
    ids = [_text(dataset, "OtherPatientIDs"), *(_text(item, "PatientID") for item in items)]
    return {"OtherPatientIDs": "\\".join(part for part in ids if part)} if any(ids) else {}


def _readers(dataset: Dataset) -> str:
    """Return who drew the regions of a structure set or a segmentation."""
    observed = _items(dataset, "RTROIObservationsSequence")
    names = [_text(item, "ROIInterpreter") for item in observed]
    if _text(dataset, "Modality") == "SEG":
        names.append(_text(dataset, "ContentCreatorName"))
    return "\\".join(dict.fromkeys(name for name in names if name))


def _tracer(dataset: Dataset) -> Iterator[tuple[str, str]]:
    """Yield the name of the radiopharmaceutical, or what its code means, and the code."""
    for injected in _items(dataset, "RadiopharmaceuticalInformationSequence")[:1]:
        name = _text(injected, TRACER)
        for code in _items(injected, TRACER_CODE)[:1]:
            yield TRACER_CODE, _text(code, "CodeValue")
            name = name or _text(code, "CodeMeaning")
        yield TRACER, name
