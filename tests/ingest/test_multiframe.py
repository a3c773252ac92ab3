"""Frames of multi-frame files laid out as classic slices.

Oracles: the classic slices that highdicom converted; an Enhanced PET written down from PS3.3 by
hand, with what its frames must say typed beside it.
"""

import copy
import io
from datetime import datetime, timedelta

import numpy as np
import pydicom
import pytest
from pydicom import Dataset
from pydicom.dataelem import DataElement
from pydicom.errors import BytesLengthException
from pydicom.uid import ExplicitVRLittleEndian

from petnet.ingest.dicom.dicom_file import BROKEN, lenient
from petnet.ingest.dicom.frame_terms import frame_times, series_terms
from petnet.ingest.dicom.multiframe import first_frame, flatten, is_multiframe
from petnet.ingest.dicom.value_mapping import classic_units
from petnet.ingest.refusal import Refused
from petnet.ingest.suv.pet_header import read_pet_header
from petnet.ingest.suv.scale import SuvOptions, suv_scale
from petnet.simulation.dicom.ct import write_ct
from petnet.simulation.dicom.enhanced import write_enhanced_pet
from petnet.simulation.dicom.pet import write_pet
from petnet.simulation.dicom.pet_values import PetStyle
from petnet.simulation.dicom.records import SCANNERS, TRACERS, Examination, Injection, Person
from petnet.volume import Volume

START = datetime(2024, 3, 5, 10, 0, 0)
SAME = (
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness",
    "RescaleSlope", "RescaleIntercept", "Rows", "Columns", "PatientID", "FrameOfReferenceUID",
    "PixelRepresentation", "BitsStored", "Modality", "SeriesDate", "PatientPosition",
)  # fmt: skip
SAME_PET = (
    "Units", "DecayCorrection", "CorrectedImage", "FrameReferenceTime", "DecayFactor",
    "PatientWeight", "RadiopharmaceuticalInformationSequence", "AttenuationCorrectionMethod",
    "SeriesType", "SUVType", "AcquisitionDate",
)  # fmt: skip
PER_FRAME, SHARED = "PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"


def volume(unit="SUVbw", modality="PT", shape=(7, 6, 5)):
    rng = np.random.default_rng(8)
    values = rng.gamma(2, 1, shape) if unit == "SUVbw" else rng.integers(-1024, 900, shape)
    return Volume(values, np.array(np.diag([-4.0, -4.0, 3.0, 1.0])), unit, modality)


def examination(vendor="Siemens"):
    injection = Injection(TRACERS["FDG"], START - timedelta(hours=1), 3.1e8)
    person = Person("X1", "Doe^Jo", sex="M", weight_kg=81.5, height_m=1.77)
    return Examination(person, "study", START, SCANNERS[vendor], injection)


def read_again(dataset, path):
    dataset.save_as(path, enforce_file_format=True)
    return pydicom.dcmread(path)


def converted(paths, kind, path):
    import highdicom.legacy as legacy

    slices = [pydicom.dcmread(p) for p in paths]
    made = getattr(legacy, f"LegacyConvertedEnhanced{kind}Image")(
        slices, series_instance_uid="1.2.3", series_number=9, sop_instance_uid="1.2.4",
        instance_number=1,
    )  # fmt: skip
    return slices, read_again(made, path)


def by_position(headers):
    return sorted(headers, key=lambda header: tuple(header.ImagePositionPatient))


STYLES = {
    "bqml-start": ("Siemens", PetStyle(beds=2)),
    "ge-private": ("GE", PetStyle(beds=2, reprocessed=True)),
    "none": ("Siemens", PetStyle(beds=3, decay="NONE")),
    "philips-private": ("Philips", PetStyle(units="CNTS")),
    "gml": ("GE", PetStyle(units="GML", suv_type="LBMJANMA")),
}


@pytest.mark.parametrize("style", STYLES)
def test_highdicom_legacy_converted_pet_says_what_its_slices_said(style, tmp_path):
    vendor, how = STYLES[style]
    written = write_pet(tmp_path / "classic", volume(), examination(vendor), how)
    slices, file = converted(written.paths, "PET", tmp_path / "legacy.dcm")
    assert is_multiframe(file)
    frames = by_position(flatten(file))
    assert len(frames) == len(slices) == 5
    for frame, one in zip(frames, by_position(slices), strict=True):
        for keyword in (*SAME, *SAME_PET):
            assert frame.get(keyword) == one.get(keyword), keyword
        assert float(frame.ActualFrameDuration) == float(one.ActualFrameDuration)
        assert float(frame.AcquisitionTime) == float(one.AcquisitionTime)
        assert "PixelData" not in frame
    scale = suv_scale(read_pet_header(frames), SuvOptions())
    expected = suv_scale(read_pet_header(by_position(slices)), SuvOptions())
    assert scale.factors == expected.factors
    assert scale.rule == expected.rule


def test_highdicom_legacy_converted_ct_says_what_its_slices_said(tmp_path):
    written = write_ct(tmp_path / "classic", volume("HU", "CT"), examination())
    slices, file = converted(written.paths, "CT", tmp_path / "legacy.dcm")
    assert is_multiframe(file)
    for frame, one in zip(by_position(flatten(file)), by_position(slices), strict=True):
        for keyword in (*SAME, "KVP", "ConvolutionKernel"):
            assert frame.get(keyword) == one.get(keyword), keyword
        assert frame.RescaleType == "HU"


def item(**values):
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def unit(code="Bq/ml", slope=2.5, intercept=0.0):
    meaning = item(CodeValue=code, CodingSchemeDesignator="UCUM", CodeMeaning="a unit")
    return item(
        RealWorldValueSlope=slope, RealWorldValueIntercept=intercept,
        MeasurementUnitsCodeSequence=[meaning],
    )  # fmt: skip


def by_hand():
    """Return an Enhanced PET of two frames, 90 s each, after PS3.3 A.56."""
    file = item(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.130", SOPInstanceUID="1.2.3.4", Modality="PT",
        NumberOfFrames=2, SeriesDate="20240305", SeriesTime="100000",
        AcquisitionDateTime="20240305100000", PatientWeight="80", DecayCorrected="YES",
        DecayCorrectionDateTime="20240305100500.000000", AttenuationCorrected="YES",
        ScatterCorrected="YES", RandomsCorrected="NO", SensitivityCalibrated="YES",
    )  # fmt: skip
    agents = [
        item(
            RadiopharmaceuticalAgentNumber=number, RadionuclideTotalDose=dose,
            RadionuclideHalfLife="6586.2", RadiopharmaceuticalStartDateTime="20240305090000",
        )
        for number, dose in ((1, "99"), (2, "370.5"))
    ]  # fmt: skip
    file.RadiopharmaceuticalInformationSequence = agents
    file.SharedFunctionalGroupsSequence = [
        item(
            PixelMeasuresSequence=[item(PixelSpacing=["4", "4"], SliceThickness="3")],
            PlaneOrientationSequence=[item(ImageOrientationPatient=["1", "0", "0", "0", "1", "0"])],
            PixelValueTransformationSequence=[
                item(RescaleSlope="1", RescaleIntercept="0", RescaleType="US")
            ],
            PETFrameTypeSequence=[item(FrameType=["ORIGINAL", "PRIMARY", "STATIC", "NONE"])],
            RadiopharmaceuticalUsageSequence=[item(RadiopharmaceuticalAgentNumber=2)],
        )
    ]
    file.PerFrameFunctionalGroupsSequence = [
        item(
            FrameContentSequence=[
                item(
                    FrameAcquisitionDateTime=f"202403051006{second:02d}.500000",
                    FrameReferenceDateTime=f"202403051007{second:02d}.250000",
                    FrameAcquisitionDuration=90000.0, StackID="1", InStackPositionNumber=number,
                    TemporalPositionIndex=1,
                )
            ],
            PlanePositionSequence=[item(ImagePositionPatient=["0", "0", str(3 * number)])],
            RealWorldValueMappingSequence=[unit(slope=2.5 * number)],
        )
        for number, second in ((1, 0), (2, 30))
    ]  # fmt: skip
    return file


def typed(file, tmp_path):
    """Write and read a file, as values that were set are kept otherwise than those read."""
    file.file_meta = pydicom.dataset.FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.file_meta.MediaStorageSOPClassUID = file.SOPClassUID
    file.file_meta.MediaStorageSOPInstanceUID = file.SOPInstanceUID
    return read_again(file, tmp_path / "enhanced.dcm")


@pytest.mark.parametrize("stored", [False, True], ids=["set", "read"])
def test_enhanced_pet_written_by_hand(stored, tmp_path):
    file = typed(by_hand(), tmp_path) if stored else by_hand()
    first, second = flatten(file)
    assert [list(f.ImagePositionPatient) for f in (first, second)] == [[0, 0, 3], [0, 0, 6]]
    assert list(first.PixelSpacing) == [4, 4]
    assert first.SliceThickness == 3
    assert list(first.ImageOrientationPatient) == [1, 0, 0, 0, 1, 0]
    assert (first.Units, "SUVType" in first) == ("BQML", False)
    assert [f.RescaleSlope for f in (first, second)] == [2.5, 5.0]
    assert first.RescaleIntercept == 0
    assert list(first.ImageType) == ["ORIGINAL", "PRIMARY", "STATIC", "NONE"]
    assert (second.AcquisitionDate, second.AcquisitionTime) == ("20240305", "100630.500000")
    assert second.AcquisitionDateTime == "20240305100630.500000"
    assert second.ActualFrameDuration == 90000
    assert second.FrameReferenceTime == 150250  # 10:07:30.25 less 10:05
    assert first.DecayCorrection == "START"
    assert list(first.CorrectedImage) == ["DECY", "ATTN", "SCAT", "DCAL"]
    assert first.DecayCorrectionDateTime == "20240305100500.000000"
    (agent,) = first.RadiopharmaceuticalInformationSequence
    assert agent.RadionuclideTotalDose == 370.5e6
    assert (second.InstanceNumber, second.TemporalPositionIndex) == (2, 1)
    assert second.PatientWeight == 80
    assert not {SHARED, PER_FRAME, "NumberOfFrames"} & {e.keyword for e in second}


def test_suv_of_the_enhanced_pet_written_by_hand():
    scale = suv_scale(read_pet_header(flatten(by_hand())), SuvOptions())
    # 80,000 g / (370.5 MBq decayed from 09:00 to 10:05), worked out with bc
    assert scale.factors == pytest.approx([3.2550363948386e-4] * 2, rel=1e-6)


@pytest.mark.parametrize(
    ("code", "units"),
    [
        ("Bq/ml", ("BQML", "")), ("Bq/mL", ("BQML", "")), ("{counts}", ("CNTS", "")),
        ("{counts}/s", ("CPS", "")), ("{propcounts}", ("PROPCNTS", "")),
        ("{propcounts}/s", ("PROPCPS", "")), ("g/ml{SUVbw}", ("GML", "BW")),
        ("{SUVbw}g/ml", ("GML", "BW")), ("g/ml{SUVlbm}", ("GML", "LBM")),
        ("g/ml{SUVlbm(James128)}", ("GML", "LBMJAMES128")),
        ("g/ml{SUVlbm(Janma)}", ("GML", "LBMJANMA")), ("g/ml{SUVibw}", ("GML", "IBW")),
        ("cm2/ml{SUVbsa}", ("CM2ML", "BSA")), ("g/ml", ("GML", "")), ("1/cm", ("1CM", "")),
        ("%", ("PCNT", "")), ("ml/min/g", ("MLMING", "")),
        ("g/ml{SUVnew}", ("", "")), ("Bq/ml{SUVbw}", ("", "")), ("", ("", "")),
        ("[hnsf'U]", ("", "")),
    ],
)  # fmt: skip
def test_units_of_ucum_codes(code, units):
    assert classic_units(code) == units


@pytest.mark.parametrize(
    ("mappings", "units", "slope"),
    [
        ([unit("g/ml{SUVbw}", 1e-3), unit("Bq/ml", 7.0)], "BQML", 7.0),
        ([unit("{counts}", 3.0), unit("g/ml{SUVbw}", 1e-3)], "GML", 1e-3),
        ([unit("unheard of", 3.0), unit("{counts}", 4.0)], "CNTS", 4.0),
        ([unit("Bq/ml", 7.0), unit("Bq/ml", 8.0)], "BQML", 7.0),
        ([unit("Bq/ml", 1.234567890123456e-5)], "BQML", 1.234567890123456e-5),
    ],
)
def test_of_several_mappings_one_is_taken(mappings, units, slope):
    file = by_hand()
    for groups in file[PER_FRAME].value:
        groups.RealWorldValueMappingSequence = mappings
    frame = flatten(file)[0]
    assert (frame.Units, frame.RescaleSlope) == (units, slope)


def test_an_intercept_of_the_mapping_reaches_the_rules_of_suv():
    file = by_hand()
    for groups in file[PER_FRAME].value:
        groups.RealWorldValueMappingSequence = [unit(intercept=12.0)]
    with pytest.raises(Refused, match=r"RescaleIntercept \(0028,1052\)"):
        suv_scale(read_pet_header(flatten(file)), SuvOptions())


def test_units_that_are_written_prevail_over_a_mapping():
    file = by_hand()
    file.Units = "GML"
    frame = flatten(file)[0]
    assert (frame.Units, frame.RescaleSlope) == ("GML", 1)


def test_a_dose_that_can_only_be_in_bq_stays():
    file = by_hand()
    file.RadiopharmaceuticalInformationSequence[1].RadionuclideTotalDose = "370500000"
    (agent,) = flatten(file)[0].RadiopharmaceuticalInformationSequence
    assert agent.RadionuclideTotalDose == 370.5e6


def test_both_agents_stay_where_none_is_named():
    file = by_hand()
    del file[SHARED].value[0].RadiopharmaceuticalUsageSequence
    agents = flatten(file)[0].RadiopharmaceuticalInformationSequence
    assert [agent.RadionuclideTotalDose for agent in agents] == [99e6, 370.5e6]


@pytest.mark.parametrize(
    ("values", "decay", "image", "method"),
    [
        ({"DecayCorrected": "NO", "AttenuationCorrected": "YES"}, "NONE", ["ATTN"], None),
        ({"AttenuationCorrected": "NO", "RandomsCorrected": "YES"}, None, ["RAN"], "NONE"),
        ({"AttenuationCorrected": "NO", "DecayCorrected": "NO"}, "NONE", ["NONE"], "NONE"),
        ({"DecayCorrected": "YES", "DecayCorrection": "ADMIN"}, None, ["DECY"], None),
        ({}, None, None, None),
    ],
)
def test_corrections_of_enhanced_files(values, decay, image, method):
    made = series_terms(item(**values))
    assert made.get("DecayCorrection") == decay
    assert made.get("CorrectedImage") == image
    assert made.get("AttenuationCorrectionMethod") == method


def test_decay_corrected_to_the_injection_is_admin():
    file = by_hand()
    file.DecayCorrectionDateTime = "20240305090000.000"
    assert flatten(file)[0].DecayCorrection == "ADMIN"


@pytest.mark.parametrize(
    ("seen", "start", "expected"),
    [
        ("20240305100130", "20240305100000", 90000.0),
        ("20240305110130+0100", "20240305100000+0000", 90000.0),
        ("20240306000010.5", "20240305235959.25", 11250.0),
        ("20240305110130+0100", "20240305100000", None),  # which zone is the other's?
        ("202403051001", "20240305100000", None),  # no seconds
        ("tomorrow", "20240305100000", None),
    ],
)
def test_frame_reference_time(seen, start, expected):
    with lenient():  # to write what is malformed
        header = item(FrameReferenceDateTime=seen, DecayCorrectionDateTime=start)
    assert frame_times(header).get("FrameReferenceTime") == expected


def test_zones_stay_with_the_datetime():
    made = frame_times(item(FrameAcquisitionDateTime="20240305100130.5-0330"))
    assert made["AcquisitionDateTime"] == "20240305100130.5-0330"
    assert (made["AcquisitionDate"], made["AcquisitionTime"]) == ("20240305", "100130.5")


@pytest.mark.parametrize(
    ("acquired", "zone", "day", "clock"),
    [
        ("20240305100130.5-0330", "+0100", "20240305", "143130.5"),  # 13:31:30.5 UTC
        ("20240305233000+0000", "+0200", "20240306", "013000"),
        ("20240305003000+0000", "-0500", "20240304", "193000"),
        ("20240305100130.5", "+0100", "20240305", "100130.5"),
        ("202403051001+0000", "+0100", "20240305", "1001"),  # no seconds: as it is written
    ],
)
def test_time_of_acquisition_is_local_by_hand(acquired, zone, day, clock):
    """As SeriesTime is, and everything else without a zone."""
    made = frame_times(item(FrameAcquisitionDateTime=acquired, TimezoneOffsetFromUTC=zone))
    assert (made["AcquisitionDate"], made["AcquisitionTime"]) == (day, clock)


def shared(file):
    return file[SHARED].value[0]


def frame(file):
    return file[PER_FRAME].value[1]


def mapping(file):
    return frame(file).RealWorldValueMappingSequence[0]


FAULTS = {
    "no per-frame groups": (lambda f: delattr(f, PER_FRAME), PER_FRAME),
    "empty per-frame groups": (lambda f: setattr(f, PER_FRAME, []), PER_FRAME),
    "fewer items than frames": (lambda f: setattr(f, "NumberOfFrames", 3), PER_FRAME),
    "more items than frames": (lambda f: setattr(f, "NumberOfFrames", 1), PER_FRAME),
    "no number of frames": (lambda f: delattr(f, "NumberOfFrames"), "NumberOfFrames"),
    "no shared groups": (lambda f: delattr(f, SHARED), "PlaneOrientationSequence"),
    "empty shared groups": (lambda f: setattr(f, SHARED, []), SHARED),
    "two shared groups": (lambda f: setattr(f, SHARED, [Dataset(), Dataset()]), SHARED),
    "no position": (lambda f: delattr(frame(f), "PlanePositionSequence"), "PlanePositionSequence"),
    "empty position": (
        lambda f: setattr(frame(f), "PlanePositionSequence", []), "PlanePositionSequence"
    ),
    "two positions": (
        lambda f: frame(f).PlanePositionSequence.append(item(ImagePositionPatient=["0", "0", "0"])),
        "PlanePositionSequence",
    ),
    "position without value": (
        lambda f: delattr(frame(f).PlanePositionSequence[0], "ImagePositionPatient"),
        "PlanePositionSequence",
    ),
    "no orientation": (
        lambda f: delattr(shared(f), "PlaneOrientationSequence"), "PlaneOrientationSequence"
    ),
    "no measures": (lambda f: delattr(shared(f), "PixelMeasuresSequence"), "PixelMeasuresSequence"),
    "no mapping": (
        lambda f: delattr(frame(f), "RealWorldValueMappingSequence"),
        "RealWorldValueMappingSequence",
    ),
    "mapping by a table": (
        lambda f: setattr(mapping(f), "RealWorldValueLUTData", [1.0]),
        "RealWorldValueMappingSequence",
    ),
    "mapping without unit": (
        lambda f: delattr(mapping(f), "MeasurementUnitsCodeSequence"),
        "MeasurementUnitsCodeSequence",
    ),
    "mapping of another unit": (
        lambda f: setattr(frame(f), "RealWorldValueMappingSequence", [unit("furlong")]),
        "MeasurementUnitsCodeSequence",
    ),
    "mapping without slope": (
        lambda f: delattr(mapping(f), "RealWorldValueSlope"),
        "RealWorldValueSlope",
    ),
    "mapping that is not finite": (
        lambda f: setattr(frame(f), "RealWorldValueMappingSequence", [unit(slope=float("nan"))]),
        "RealWorldValueSlope",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_missing_is_refused_by_name(fault):
    spoil, keyword = FAULTS[fault]
    file = by_hand()
    spoil(file)
    with pytest.raises(Refused, match=rf"{keyword} \("):
        flatten(file)


def test_ct_without_rescale_slope_is_refused_by_the_group(tmp_path):
    written = write_ct(tmp_path / "classic", volume("HU", "CT"), examination())
    _, file = converted(written.paths, "CT", tmp_path / "legacy.dcm")
    groups = [file[SHARED].value[0], *file[PER_FRAME].value]
    for one in groups:
        if "PixelValueTransformationSequence" in one:
            del one.PixelValueTransformationSequence
    with pytest.raises(Refused, match=r"PixelValueTransformationSequence \(0028,9145\)"):
        flatten(file)


def elements_of(dataset, path=()):
    """Yield where every element of nested sequences is."""
    for element in dataset:
        yield (*path, element.tag)
        if element.VR == "SQ":
            for number, one in enumerate(element.value):
                yield from elements_of(one, (*path, element.tag, number))


def holder(file, path):
    for step in path[:-1]:
        file = (
            file.value[step] if isinstance(step, int) and not hasattr(step, "group") else file[step]
        )
    return file


def spoilt(file, path, how):
    made = copy.deepcopy(file)
    place, tag = holder(made, path), path[-1]
    if how == "deleted":
        del place[tag]
    elif how == "empty":
        place[tag].value = [] if place[tag].VR == "SQ" else None
    elif how == "of other bytes":
        vr = "SQ" if place[tag].VR != "SQ" else "LO"
        place[tag] = DataElement(tag, vr, [Dataset()] if vr == "SQ" else "garbage")
    return made


@pytest.mark.parametrize("how", ["deleted", "empty", "of other bytes"])
def test_brute_force_no_element_brings_it_down(how, tmp_path):
    written = write_enhanced_pet(tmp_path, volume(shape=(2, 2, 2)), examination())
    enhanced = pydicom.dcmread(written.paths[0], stop_before_pixels=True)
    outcomes = set()
    for path in elements_of(enhanced):
        made = spoilt(enhanced, path, how)
        try:
            outcomes.add(len(flatten(made)))
        except Refused as refused:
            outcomes.add(refused.tag)
    tags = {outcome for outcome in outcomes if outcome != 2}
    assert 2 in outcomes
    assert len(tags) > 5
    assert all("(" in tag for tag in tags)


def test_changed_bytes_end_in_frames_or_a_refusal(tmp_path):
    written = write_enhanced_pet(tmp_path, volume(shape=(2, 2, 2)), examination())
    whole = np.frombuffer(written.paths[0].read_bytes(), np.uint8)
    rng = np.random.default_rng(5)
    outcomes = []
    for _ in range(300):
        changed = whole.copy()
        changed[rng.integers(132, len(whole), 3)] = rng.integers(0, 256, 3)
        with lenient():
            try:
                file = pydicom.dcmread(io.BytesIO(changed.tobytes()), stop_before_pixels=True)
            except (*BROKEN, BytesLengthException):  # of reading files, tested there
                continue
        try:
            outcomes.append(len(flatten(file)))
        except Refused:
            outcomes.append(0)
    assert {0, 2} <= set(outcomes)


def test_classic_files_are_not_multiframe(tmp_path):
    written = write_pet(tmp_path, volume(), examination())
    assert not is_multiframe(pydicom.dcmread(written.paths[0]))
    assert is_multiframe(item(SOPClassUID="1.2.840.10008.5.1.4.1.1.2.1"))
    assert is_multiframe(by_hand())


def test_the_first_frame_alone_is_that_of_all(tmp_path):
    """Faults of later frames are not its business; those of the first and of all are."""
    file = typed(by_hand(), tmp_path)
    assert first_frame(file) == flatten(file)[0] != flatten(file)[1]
    del file.PerFrameFunctionalGroupsSequence[1].PlanePositionSequence
    assert first_frame(file).InstanceNumber == 1
    with pytest.raises(Refused, match="PlanePositionSequence"):
        flatten(file)
    del file.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence
    with pytest.raises(Refused, match="PlanePositionSequence"):
        first_frame(file)
    file.PerFrameFunctionalGroupsSequence, file.NumberOfFrames = [], 0
    with pytest.raises(Refused, match="PerFrameFunctionalGroupsSequence"):
        first_frame(file)
